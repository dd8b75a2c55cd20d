//! What an answer took, in the many spellings of this format.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{count, word};
use crate::dialect::{Dialect, Flavor};
use crate::fields::Fields;
use crate::json::Object;
use crate::openai;
use crate::reply::Usage;
use crate::tier;

const HERE: Dialect = Dialect::OpenAiChat;

macro_rules! counts {
    ($(#[$doc:meta])* $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        struct $name<'a> {
            $(#[serde(borrow, default)] $field: Option<&'a RawValue>,)*
        }
    };
}

counts!(
    /// The usage object itself.
    Counts {
        prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, completion_tokens_details, prompt_token_details,
        cache_read_input_tokens, cache_creation_input_tokens, cache_creation, prompt_cache_hit_tokens, cached_tokens, num_cached_tokens,
        reasoning_tokens, audio_prompt_tokens, cost, cost_in_usd_ticks, num_search_queries, server_tool_use, server_tool_use_details,
        input_tokens, output_tokens, input_tokens_details, output_tokens_details,
    }
);
counts!(
    /// Where the prompt's tokens went.
    PromptDetails {
        cached_tokens, cache_write_tokens, cache_creation_tokens, cache_creation_token_details, audio_tokens, text_tokens, image_tokens,
        video_tokens, document_tokens, tool_use_tokens, web_search_requests,
    }
);
counts!(
    /// Where the answer's tokens went.
    AnswerDetails {
        reasoning_tokens, audio_tokens, text_tokens, image_tokens, accepted_prediction_tokens, rejected_prediction_tokens,
    }
);
counts!(
    /// How long cache writes are kept.
    Creation { ephemeral_5m_input_tokens, ephemeral_1h_input_tokens }
);
counts!(
    /// What tools of the provider's did.
    Tools { web_search_requests, web_fetch_requests }
);

fn inner<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// Reads a usage object; `None` for anything that is none.
pub(crate) fn read_usage(raw: &RawValue) -> Option<Usage> {
    let all: Counts<'_> = serde_json::from_str(raw.get()).ok()?;
    let prompt: PromptDetails<'_> = inner(all.prompt_tokens_details.or(all.prompt_token_details).or(all.input_tokens_details));
    let answer: AnswerDetails<'_> = inner(all.completion_tokens_details.or(all.output_tokens_details));
    let creation: Creation<'_> = inner(all.cache_creation.or(prompt.cache_creation_token_details));
    let tools: Tools<'_> = inner(all.server_tool_use.or(all.server_tool_use_details));
    let first = |list: &[Option<&RawValue>]| list.iter().find_map(|raw| count(*raw));
    let mut usage = Usage {
        input: first(&[all.prompt_tokens, all.input_tokens]),
        output: first(&[all.completion_tokens, all.output_tokens]),
        total: count(all.total_tokens),
        cache_read: first(&[
            prompt.cached_tokens,
            all.cache_read_input_tokens,
            all.prompt_cache_hit_tokens,
            all.cached_tokens,
            all.num_cached_tokens,
        ]),
        cache_write: first(&[prompt.cache_write_tokens, prompt.cache_creation_tokens, all.cache_creation_input_tokens]),
        cache_write_5m: count(creation.ephemeral_5m_input_tokens),
        cache_write_1h: count(creation.ephemeral_1h_input_tokens),
        reasoning: first(&[answer.reasoning_tokens, all.reasoning_tokens]),
        input_text: count(prompt.text_tokens),
        input_audio: first(&[prompt.audio_tokens, all.audio_prompt_tokens]),
        input_image: count(prompt.image_tokens),
        input_video: count(prompt.video_tokens),
        input_document: count(prompt.document_tokens),
        input_tool: count(prompt.tool_use_tokens),
        output_text: count(answer.text_tokens),
        output_audio: count(answer.audio_tokens),
        output_image: count(answer.image_tokens),
        accepted_prediction: count(answer.accepted_prediction_tokens),
        rejected_prediction: count(answer.rejected_prediction_tokens),
        web_searches: first(&[tools.web_search_requests, all.num_search_queries, prompt.web_search_requests]),
        web_fetches: count(tools.web_fetch_requests),
        cost: openai::cost(all.cost, all.cost_in_usd_ticks),
        raw: Some((HERE, raw.to_owned())),
        ..Usage::default()
    };
    add_what_the_total_holds(&mut usage);
    (!is_blank(&usage)).then_some(usage)
}

/// Whether nothing was counted.
pub(crate) fn is_blank(usage: &Usage) -> bool {
    usage.cost.is_none() && usage.counts().iter().all(|(_, count)| count.is_none())
}

/// The terms under which it was served, where the usage alone tells them.
pub(super) fn tier_of(usage: Option<&Usage>) -> Option<String> {
    let (_, raw) = usage?.raw.as_ref()?;
    word(Fields::nested(raw).ok()?.take_raw("service_tier")).map(tier::read)
}

/// With some providers the answer's count leaves the thoughts out, or the prompt's count the sound; the total then tells.
fn add_what_the_total_holds(usage: &mut Usage) {
    let (Some(input), Some(output), Some(total)) = (usage.input, usage.output, usage.total) else { return };
    let Some(missing) = input.checked_add(output).and_then(|sum| total.checked_sub(sum)).filter(|missing| *missing > 0) else { return };
    if usage.reasoning == Some(missing) {
        usage.output = Some(output + missing);
    } else if usage.input_audio == Some(missing) {
        usage.input = Some(input + missing);
    }
}

/// Writes a usage object as OpenAI, LiteLLM and OpenRouter have it, unless nothing was counted.
pub(crate) fn write_usage(object: &mut Object<'_>, usage: &Usage, flavor: Flavor) {
    if is_blank(usage) {
        return;
    }
    object.object("usage", |out| {
        out.option("prompt_tokens", usage.input);
        out.option("completion_tokens", usage.output);
        let sum = usage.input.zip(usage.output).and_then(|(input, output)| input.checked_add(output));
        out.option("total_tokens", usage.total.or(sum));
        write_prompt_details(out, usage, flavor);
        write_answer_details(out, usage, flavor);
        out.option("cache_creation_input_tokens", usage.cache_write);
        out.option("cache_read_input_tokens", usage.cache_read);
        if usage.web_searches.is_some() || usage.web_fetches.is_some() {
            out.object("server_tool_use", |tools| {
                tools.option("web_search_requests", usage.web_searches);
                tools.option("web_fetch_requests", usage.web_fetches);
            });
        }
        if let Some(cost) = usage.cost.as_deref().filter(|cost| cost.parse::<serde_json::Number>().is_ok()) {
            out.raw("cost", cost);
        }
        write_bill(out, usage, PARTS);
        write_others(out, usage);
    });
}

/// What OpenRouter calls the cost of the prompt, and of the answer.
pub(crate) const PARTS: [&str; 2] = ["upstream_inference_prompt_cost", "upstream_inference_completions_cost"];

/// How the cost came about, as OpenRouter's clients read it, with what the format calls its parts.
pub(crate) fn write_bill(out: &mut Object<'_>, usage: &Usage, [prompt, answer]: [&str; 2]) {
    let Some(bill) = &usage.bill else { return };
    out.field("is_byok", &false);
    out.object("cost_details", |details| {
        details.raw("upstream_inference_cost", &bill.upstream);
        details.raw(prompt, &bill.prompt);
        details.raw(answer, &bill.answer);
    });
}

fn write_prompt_details(out: &mut Object<'_>, usage: &Usage, flavor: Flavor) {
    let counts = [
        ("cached_tokens", usage.cache_read),
        ("cache_write_tokens", usage.cache_write),
        ("cache_creation_tokens", usage.cache_write),
        ("text_tokens", usage.input_text),
        ("audio_tokens", usage.input_audio),
        ("image_tokens", usage.input_image),
        ("video_tokens", usage.input_video),
        // Nobody else's spelling: what only Gemini counts, in the place of its like.
        ("document_tokens", usage.input_document),
        ("tool_use_tokens", usage.input_tool),
    ];
    if counts.iter().all(|(_, count)| count.is_none()) {
        return;
    }
    out.object("prompt_tokens_details", |details| {
        write_counts(details, &counts, flavor);
        if usage.cache_write_5m.is_some() || usage.cache_write_1h.is_some() {
            details.object("cache_creation_token_details", |creation| {
                creation.option("ephemeral_5m_input_tokens", usage.cache_write_5m);
                creation.option("ephemeral_1h_input_tokens", usage.cache_write_1h);
            });
        }
    });
}

fn write_answer_details(out: &mut Object<'_>, usage: &Usage, flavor: Flavor) {
    let counts = [
        ("reasoning_tokens", usage.reasoning),
        ("text_tokens", usage.output_text),
        ("audio_tokens", usage.output_audio),
        ("image_tokens", usage.output_image),
        ("accepted_prediction_tokens", usage.accepted_prediction),
        ("rejected_prediction_tokens", usage.rejected_prediction),
    ];
    if counts.iter().any(|(_, count)| count.is_some()) {
        out.object("completion_tokens_details", |details| write_counts(details, &counts, flavor));
    }
}

/// The first count is the one OpenRouter's clients require where the details are there at all.
fn write_counts(details: &mut Object<'_>, counts: &[(&str, Option<u64>)], flavor: Flavor) {
    for (at, (name, count)) in counts.iter().enumerate() {
        let required = at == 0 && flavor == Flavor::OpenRouter;
        details.option(name, count.or(required.then_some(0)));
    }
}

/// What a provider of this format says beyond the counts we know.
fn write_others(out: &mut Object<'_>, usage: &Usage) {
    const WRITTEN: [&str; 11] = [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "server_tool_use",
        "cost",
        "is_byok",
        "cost_details",
    ];
    // Where the cost was reckoned here, its parts are told; else what the provider says of them.
    let written = if usage.bill.is_some() { &WRITTEN[..] } else { &WRITTEN[..9] };
    let Some((HERE, raw)) = &usage.raw else { return };
    let Ok(fields) = Fields::nested(raw) else { return };
    for (key, value) in fields.rest(HERE).fields() {
        if !written.contains(&key.as_str()) && value.get() != "null" {
            out.raw(key, value.get());
        }
    }
}
