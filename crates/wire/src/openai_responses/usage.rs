//! Token counts, both ways.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::DIALECT;
use crate::json::Object;
use crate::lenient::Count;
use crate::openai;
use crate::reply::Usage;

/// What OpenRouter calls the cost of the input, and of the output.
pub(crate) const PARTS: [&str; 2] = ["upstream_inference_input_cost", "upstream_inference_output_cost"];

#[derive(Deserialize, Default)]
struct Counts<'a> {
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    #[serde(borrow)]
    cost_in_usd_ticks: Option<&'a RawValue>,
    server_tool_use: Option<ServerTools>,
}

#[derive(Deserialize, Default)]
struct ServerTools {
    web_search_requests: Count,
    web_fetch_requests: Count,
}

#[derive(Deserialize, Default)]
struct CacheWrites {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Deserialize, Default)]
struct InputDetails {
    cached_tokens: Count,
    cache_read_input_tokens: Count,
    cache_write_tokens: Count,
    cache_creation_input_tokens: Count,
    text_tokens: Count,
    image_tokens: Count,
    audio_tokens: Count,
    video_tokens: Count,
    document_tokens: Count,
    tool_use_tokens: Count,
    cache_creation_token_details: Option<CacheWrites>,
}

#[derive(Deserialize, Default)]
struct OutputDetails {
    reasoning_tokens: Count,
    text_tokens: Count,
    image_tokens: Count,
    audio_tokens: Count,
    accepted_prediction_tokens: Count,
    rejected_prediction_tokens: Count,
}

/// Reads a usage object; `None` where there is none, or nothing in it that is a count.
pub(super) fn read_usage(raw: Option<&RawValue>) -> Option<Usage> {
    let raw = raw.filter(|raw| raw.get() != "null")?;
    let counts: Counts<'_> = serde_json::from_str(raw.get()).ok()?;
    let input = counts.input_tokens_details.unwrap_or_default();
    let output = counts.output_tokens_details.unwrap_or_default();
    let writes = input.cache_creation_token_details.unwrap_or_default();
    let tools = counts.server_tool_use.unwrap_or_default();
    Some(Usage {
        input: *counts.input_tokens,
        output: *counts.output_tokens,
        total: *counts.total_tokens,
        cache_read: input.cached_tokens.or(*input.cache_read_input_tokens),
        cache_write: input.cache_write_tokens.or(*input.cache_creation_input_tokens),
        input_text: *input.text_tokens,
        input_image: *input.image_tokens,
        input_audio: *input.audio_tokens,
        input_video: *input.video_tokens,
        input_document: *input.document_tokens,
        input_tool: *input.tool_use_tokens,
        cache_write_5m: *writes.ephemeral_5m_input_tokens,
        cache_write_1h: *writes.ephemeral_1h_input_tokens,
        web_searches: *tools.web_search_requests,
        web_fetches: *tools.web_fetch_requests,
        accepted_prediction: *output.accepted_prediction_tokens,
        rejected_prediction: *output.rejected_prediction_tokens,
        reasoning: *output.reasoning_tokens,
        output_text: *output.text_tokens,
        output_image: *output.image_tokens,
        output_audio: *output.audio_tokens,
        cost: openai::cost(counts.cost, counts.cost_in_usd_ticks),
        raw: Some((DIALECT, raw.to_owned())),
        ..Usage::default()
    })
}

/// Writes the fields `usage` and `tool_usage`.
pub(super) fn write_usage_and_searches(object: &mut Object<'_>, usage: Option<&Usage>) {
    write_usage(object, usage);
    write_searches(object, usage);
}

/// What the format says of tools that made no images: it requires that where any tool's use is told.
const NO_IMAGES: &str =
    r#"{"input_tokens":0,"input_tokens_details":{"image_tokens":0,"text_tokens":0},"output_tokens":0,"total_tokens":0}"#;

/// Writes the field `tool_usage`.
fn write_searches(object: &mut Object<'_>, usage: Option<&Usage>) {
    if let Some(searches) = usage.and_then(|usage| usage.web_searches) {
        object.object("tool_usage", |tools| {
            tools.raw("image_gen", NO_IMAGES);
            tools.object("web_search", |search| search.field("num_requests", &searches));
        });
    }
}

/// Writes the field `usage`.
///
/// The format requires `cached_tokens`, `cache_write_tokens` and `reasoning_tokens`, and typed clients read them without asking: where
/// the provider did not say, they are 0, as the API itself writes them for models that neither cache nor think. What else was counted
/// stands beside them under the names it has in chat completions.
pub(super) fn write_usage(object: &mut Object<'_>, usage: Option<&Usage>) {
    let Some(usage) = usage else { return object.raw("usage", "null") };
    if let Some((DIALECT, raw)) = usage.raw.as_ref().filter(|_| usage.bill.is_none()) {
        return object.raw("usage", raw.get());
    }
    let (input, output) = match (usage.input, usage.output) {
        (None, None) => return object.raw("usage", "null"),
        (input, output) => (input.unwrap_or(0), output.unwrap_or(0)),
    };
    object.object("usage", |object| {
        object.field("input_tokens", &input);
        object.object("input_tokens_details", |details| {
            details.field("cached_tokens", &usage.cache_read.unwrap_or(0));
            details.field("cache_write_tokens", &usage.cache_write.unwrap_or(0));
            details.option("text_tokens", usage.input_text);
            details.option("image_tokens", usage.input_image);
            details.option("audio_tokens", usage.input_audio);
            details.option("video_tokens", usage.input_video);
            details.option("document_tokens", usage.input_document);
            details.option("tool_use_tokens", usage.input_tool);
            if usage.cache_write_5m.is_some() || usage.cache_write_1h.is_some() {
                details.object("cache_creation_token_details", |writes| {
                    writes.option("ephemeral_5m_input_tokens", usage.cache_write_5m);
                    writes.option("ephemeral_1h_input_tokens", usage.cache_write_1h);
                });
            }
        });
        object.field("output_tokens", &output);
        object.object("output_tokens_details", |details| {
            details.field("reasoning_tokens", &usage.reasoning.unwrap_or(0));
            details.option("text_tokens", usage.output_text);
            details.option("image_tokens", usage.output_image);
            details.option("audio_tokens", usage.output_audio);
            details.option("accepted_prediction_tokens", usage.accepted_prediction);
            details.option("rejected_prediction_tokens", usage.rejected_prediction);
        });
        object.field("total_tokens", &usage.total.unwrap_or(input.saturating_add(output)));
        if let Some(fetches) = usage.web_fetches {
            object.object("server_tool_use", |tools| tools.field("web_fetch_requests", &fetches));
        }
        if let Some(cost) = usage.cost.as_deref().filter(|cost| cost.parse::<serde_json::Number>().is_ok()) {
            object.raw("cost", cost);
        }
        crate::openai_chat::usage::write_bill(object, usage, PARTS);
    });
}
