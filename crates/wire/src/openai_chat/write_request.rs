//! A request for a provider: what stands beside the conversation.

use bytes::Bytes;

use super::write_messages::write_messages;
use super::{accent, free_text, plain};
use crate::chat::{ChatRequest, Function, OutputFormat, Reasoning, Tool, ToolChoice};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::{Memo, Profile, Thinking, Written};
use crate::json::{self, Array, Object};
use crate::loss::{Losses, Why};
use crate::openai;
use crate::pen::{effort, knob, schema};
use crate::problem::Unsupported;
use crate::seal::OPENAI;

const HERE: Dialect = Dialect::OpenAiChat;

/// Writes a request.
pub(super) fn write_request(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    let native = request.extra.from() == Some(HERE);
    let mut losses = Losses::new();
    let told = accent::in_words(request, profile);
    let request = told.as_ref().unwrap_or(request);
    let plain = plain::of(request, profile, &mut losses);
    let request = plain.as_ref().unwrap_or(request);
    let messages = write_messages(request, profile, &mut losses)?;
    let tools = write_tools(&request.tools, profile, &mut losses)?;
    let body = json::object(|object| {
        object.text("model", &request.model);
        object.raw("messages", &messages);
        write_knobs(object, request, profile, &mut losses);
        write_limit(object, request, profile);
        write_reasoning(object, request, profile, &mut losses);
        write_output(object, request, profile, &mut losses);
        write_labels(object, request, profile, &mut losses);
        openai::write_shared(object, &request.extra, (HERE, profile), &mut losses);
        if !tools.list.is_empty() {
            object.raw("tools", &tools.list);
        }
        if let Some(options) = &tools.web_search {
            object.raw("web_search_options", options);
        }
        // A client of this format knows what its provider takes; OpenAI refuses a choice among no tools.
        let offered = !request.tools.is_empty() || native && profile.vendor.as_deref() != Some(OPENAI);
        if request.tool_choice.as_ref().is_some_and(|choice| !offered && *choice != ToolChoice::None) {
            losses.dropped("tool_choice");
        }
        if let Some(choice) = request.tool_choice.as_ref().filter(|_| offered) {
            match choice {
                // Only OpenAI itself knows a choice among some tools; a client of this format knows what it says.
                ToolChoice::Among(names, must) if !native => {
                    write_choice(object, &nearest_choice(names, *must, &mut losses), &request.tools);
                }
                // What another format's client calls a search is no tool here.
                ToolChoice::Tool(name) if !native && !is_offered(name, &request.tools) => {
                    losses.add("tool_choice", Why::Approximated);
                }
                choice => write_choice(object, choice, &request.tools),
            }
        }
        object.option("parallel_tool_calls", request.parallel_tools);
        write_stream(object, request);
        object.extra(&request.extra, HERE);
    });
    let memo = Memo { vendor: profile.vendor.clone(), stop: request.sampling.stop.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses, memo })
}

/// The usage is always asked for: who pays for the answer must know what it took. The client sees it only if it asked.
pub(crate) fn write_stream(object: &mut Object<'_>, request: &ChatRequest) {
    if request.stream {
        object.field("stream", &true);
        object.object("stream_options", |options| options.field("include_usage", &true));
    }
}

/// The knobs that this format shares with its older sister.
pub(crate) fn write_knobs(object: &mut Object<'_>, request: &ChatRequest, profile: &Profile, losses: &mut Losses) {
    let sampling = &request.sampling;
    let mut knob = |key: &'static str, value: &Option<serde_json::Number>, known: bool| match value {
        Some(value) if known => object.field(key, value),
        value => knob::lose_numbers(losses, [(key, value, knob::neutral(key))]),
    };
    // Fields beyond OpenAI's own are refused by some providers: they go where a client of this format asked for them, or the provider is
    // known to take them.
    let native = matches!(request.extra.from(), Some(Dialect::OpenAiChat | Dialect::OpenAiCompletions));
    let known = |key: &str| native || profile.knobs.as_ref().is_some_and(|knobs| knobs.iter().any(|known| known == key));
    let sampled = profile.sampling != Some(false);
    knob("temperature", &sampling.temperature, sampled);
    knob("top_p", &sampling.top_p, sampled);
    knob("top_k", &sampling.top_k, sampled && known("top_k"));
    knob("min_p", &sampling.min_p, known("min_p"));
    knob("top_a", &sampling.top_a, known("top_a"));
    knob("repetition_penalty", &sampling.repetition_penalty, known("repetition_penalty"));
    knob("frequency_penalty", &sampling.frequency_penalty, true);
    knob("presence_penalty", &sampling.presence_penalty, true);
    knob("seed", &sampling.seed, true);
    let most = profile.max_stop.or(profile.accent.max_stop.filter(|_| !native)).unwrap_or(usize::MAX);
    let stop = &sampling.stop[..sampling.stop.len().min(most)];
    if stop.len() < sampling.stop.len() {
        losses.add("stop", Why::Clamped);
    }
    match stop {
        [] => {}
        [one] if request.extra.noted(HERE, "stop").is_some() => object.field("stop", one),
        several => object.field("stop", several),
    }
    object.option("n", sampling.n);
    // The responses API asks for them by their number alone.
    let likely = sampling.top_logprobs.is_some_and(|top| top > 0 && !native).then_some(true);
    object.option("logprobs", sampling.logprobs.or(likely));
    object.option("top_logprobs", sampling.top_logprobs);
    if let Some(biases) = &sampling.logit_bias {
        object.raw("logit_bias", biases);
    }
}

fn write_limit(object: &mut Object<'_>, request: &ChatRequest, profile: &Profile) {
    let newer = profile.max_completion_tokens.unwrap_or_else(|| request.extra.noted(HERE, "limit").is_some());
    object.option(if newer { "max_completion_tokens" } else { "max_tokens" }, request.max_output_tokens);
}

fn write_reasoning(object: &mut Object<'_>, request: &ChatRequest, profile: &Profile, losses: &mut Losses) {
    let Some(reasoning) = &request.reasoning else { return };
    if is_switched_off(reasoning, profile) {
        return write_thinking(object, &Reasoning { enabled: Some(false), ..Reasoning::default() }, None);
    }
    if profile.thinking == Some(Thinking::Never) {
        if reasoning.enabled != Some(false) && reasoning.effort.as_deref() != Some("none") {
            losses.dropped("reasoning");
        }
        return;
    }
    let effort = known_effort(reasoning.effort.as_deref(), profile, losses);
    match request.extra.noted(HERE, "reasoning") {
        Some(spelled) => {
            let rest = ["reasoning_rest", "thinking_rest"].map(|key| request.extra.noted(HERE, key));
            write_reasoning_as(object, reasoning, effort, (spelled, rest));
        }
        None => write_reasoning_of_others(object, reasoning, effort, profile, losses),
    }
}

/// Whether the model is told not to think by a switch rather than by an effort.
fn is_switched_off(reasoning: &Reasoning, profile: &Profile) -> bool {
    profile.thinking_switch == Some(true) && reasoning.is_off()
}

fn known_effort(wanted: Option<&str>, profile: &Profile, losses: &mut Losses) -> Option<String> {
    let wanted = wanted?;
    match &profile.efforts {
        Some(known) if !known.iter().any(|effort| effort == wanted) => {
            let nearest = effort::nearest(wanted, known);
            losses.add("reasoning_effort", if nearest.is_some() { Why::Clamped } else { Why::NoEquivalent });
            nearest.map(str::to_owned)
        }
        _ => Some(wanted.to_owned()),
    }
}

/// In the words the client used.
fn write_reasoning_as(
    object: &mut Object<'_>,
    reasoning: &Reasoning,
    effort: Option<String>,
    (spelled, [rest, thinking_rest]): (&str, [Option<&str>; 2]),
) {
    let has = |name: &str| spelled.split(',').any(|word| word == name);
    if has("reasoning_effort") {
        object.option("reasoning_effort", effort.as_ref());
    }
    if has("reasoning") {
        object.object("reasoning", |inner| {
            if !has("reasoning_effort") {
                inner.option("effort", effort.as_ref());
            }
            if !has("thinking") {
                inner.option("max_tokens", reasoning.budget_tokens);
                inner.option("enabled", reasoning.enabled);
            }
            if !has("include_reasoning") {
                inner.option("exclude", reasoning.exclude);
            }
            inner.option("summary", reasoning.summary.as_ref());
            write_rest(inner, rest);
        });
    }
    if has("include_reasoning") {
        object.option("include_reasoning", reasoning.exclude.map(|exclude| !exclude));
    }
    if has("thinking") {
        write_thinking(object, reasoning, thinking_rest);
    }
}

/// The fields of an object that the meaning has not, noted as one object.
fn write_rest(object: &mut Object<'_>, rest: Option<&str>) {
    let raw: Option<&serde_json::value::RawValue> = rest.and_then(|rest| serde_json::from_str(rest).ok());
    if let Some(Ok(fields)) = raw.map(Fields::nested) {
        object.extra(&fields.rest(HERE), HERE);
    }
}

fn write_thinking(object: &mut Object<'_>, reasoning: &Reasoning, rest: Option<&str>) {
    let kind = match reasoning.enabled {
        Some(false) => "disabled",
        _ if reasoning.adaptive => "adaptive",
        _ => "enabled",
    };
    object.object("thinking", |inner| {
        inner.field("type", kind);
        inner.option("budget_tokens", reasoning.budget_tokens);
        write_rest(inner, rest);
    });
}

/// What another dialect's client asked for, in this format's words.
fn write_reasoning_of_others(
    object: &mut Object<'_>,
    reasoning: &Reasoning,
    effort: Option<String>,
    profile: &Profile,
    losses: &mut Losses,
) {
    if profile.thinking == Some(Thinking::Budget) {
        return write_thinking(object, reasoning, None);
    }
    if let Some(effort) = effort {
        object.field("reasoning_effort", &effort);
    } else if reasoning.enabled == Some(false) {
        // Off is what most models of this format are unless told otherwise; only those that think are told, and know the word as far as
        // their cards say.
        match profile.efforts.as_deref() {
            Some(known) if known.iter().any(|effort| effort == "none") => object.text("reasoning_effort", "none"),
            // A model that cannot but think does so as little as it can.
            Some(known) => {
                losses.add("reasoning", Why::Approximated);
                object.option("reasoning_effort", effort::nearest("none", known));
            }
            None if profile.thinking == Some(Thinking::Effort) && profile.vendor.as_deref() != Some(OPENAI) => {
                object.text("reasoning_effort", "none");
            }
            None => {}
        }
    } else if let Some(budget) = reasoning.budget_tokens {
        let effort = effort::of_budget(budget);
        losses.add("reasoning.budget_tokens", Why::Approximated);
        object.option("reasoning_effort", known_effort(Some(effort), profile, losses));
    } else if reasoning.adaptive || reasoning.enabled == Some(true) {
        losses.add("reasoning", Why::Approximated);
        object.option("reasoning_effort", known_effort(Some("medium"), profile, losses));
    }
    if reasoning.summary.is_some() {
        losses.dropped("reasoning.summary");
    }
}

fn write_output(object: &mut Object<'_>, request: &ChatRequest, profile: &Profile, losses: &mut Losses) {
    match &request.output {
        OutputFormat::Text => {}
        OutputFormat::Json => object.object("response_format", |format| format.text("type", "json_object")),
        OutputFormat::JsonSchema(_) if accent::is_told_schema(profile) => {
            losses.add("response_format.json_schema", Why::Approximated);
            object.object("response_format", |format| format.text("type", "json_object"));
        }
        OutputFormat::JsonSchema(schema) => object.object("response_format", |format| {
            format.text("type", "json_schema");
            format.object("json_schema", |inner| {
                // The format wants a name, though it means nothing; clients who gave none have a provider that needs none.
                let spare = (request.extra.from() != Some(HERE)).then_some("response");
                inner.option("name", schema.name.as_deref().or(spare));
                inner.option("description", schema.description.as_ref());
                inner.raw("schema", schema.schema.get());
                let strict = schema::strict(schema.strict, Some(&schema.schema), (&request.extra, "response_format"), losses);
                inner.option("strict", strict);
            });
        }),
    }
    write_modalities(object, request, losses);
    object.option("verbosity", request.verbosity.as_ref());
}

/// Sound needs a voice and a form here, which is bare samples, and comes with its words.
fn write_modalities(object: &mut Object<'_>, request: &ChatRequest, losses: &mut Losses) {
    if request.modalities.is_empty() {
        return;
    }
    if request.extra.from() == Some(HERE) || !request.modalities.iter().any(|modality| modality == "audio") {
        return object.field("modalities", &request.modalities);
    }
    if request.voice.is_none() {
        losses.add("audio.voice", Why::Approximated);
    }
    object.field("modalities", &["text", "audio"]);
    object.object("audio", |audio| {
        audio.text("voice", request.voice.as_deref().unwrap_or("alloy"));
        audio.text("format", "pcm16");
    });
}

fn write_labels(object: &mut Object<'_>, request: &ChatRequest, profile: &Profile, losses: &mut Losses) {
    openai::write_user(object, request, (HERE, profile), losses);
    object.option("service_tier", request.service_tier.as_ref());
    // Others than OpenAI may refuse a field of which the client said nothing.
    let session = request.session.as_ref().filter(|_| profile.vendor.as_deref() == Some(OPENAI) && profile.reasoning_field.is_none());
    object.option("prompt_cache_key", request.cache_key.as_ref().or(session));
    // That nothing is kept goes without saying, but at OpenAI.
    let keeps = request.store.filter(|store| *store || profile.vendor.as_deref() == Some(OPENAI) || request.extra.from() == Some(HERE));
    object.option("store", keeps);
    if !request.metadata.is_empty() {
        object.object("metadata", |labels| {
            for (key, value) in &request.metadata {
                labels.field(key, value);
            }
        });
    }
}

#[derive(Default)]
struct WrittenTools {
    list: String,
    web_search: Option<String>,
}

fn write_tools(tools: &[Tool], profile: &Profile, losses: &mut Losses) -> Result<WrittenTools, Unsupported> {
    let mut written = WrittenTools::default();
    let mut failed = None;
    let mut list = Vec::new();
    json::write_array(&mut list, |array| {
        for (at, tool) in tools.iter().enumerate() {
            match tool {
                Tool::Function(function) => write_function(array, function, (at, &mut *losses)),
                Tool::Custom { name, description, format, extra } => array.object(|object| {
                    lose_beside_tool(losses, extra, at);
                    object.text("type", "custom");
                    object.object("custom", |custom| {
                        custom.field("name", name);
                        custom.option("description", description.as_ref());
                        if let Some(format) = format {
                            custom.raw("format", &free_text::nested(format));
                        }
                        custom.extra(extra, HERE);
                    });
                }),
                Tool::Hosted(hosted) if hosted.from == HERE && hosted.kind == "web_search_options" => {
                    written.web_search = Some(hosted.raw.get().to_owned());
                }
                Tool::Hosted(hosted) if hosted.from == HERE => array.raw(hosted.raw.get()),
                Tool::Hosted(hosted) if is_web_search(&hosted.kind) && profile.web_search == Some(false) => {
                    failed = Some(Unsupported::new(format!("tools[{at}]"), HERE, "this model has no search of the web"));
                }
                Tool::Hosted(hosted) if is_web_search(&hosted.kind) => {
                    losses.add(format!("tools[{at}]"), Why::Approximated);
                    written.web_search = Some("{}".to_owned());
                }
                Tool::Hosted(hosted) => {
                    let why = format!("the hosted tool `{}` is another API's", hosted.kind);
                    failed = Some(Unsupported::new(format!("tools[{at}]"), HERE, why));
                }
            }
        }
        if !array.is_empty() {
            written.list.push(' ');
        }
    });
    if let Some(unsupported) = failed {
        return Err(unsupported);
    }
    if !written.list.is_empty() {
        written.list = json::text(list);
    }
    Ok(written)
}

fn is_web_search(kind: &str) -> bool {
    kind.starts_with("web_search") || matches!(kind, "googleSearch" | "google_search" | "googleSearchRetrieval")
}

fn write_function(array: &mut Array<'_>, function: &Function, (at, losses): (usize, &mut Losses)) {
    lose_beside_tool(losses, &function.extra, at);
    array.object(|object| {
        object.text("type", "function");
        object.object("function", |inner| {
            inner.text("name", &function.name);
            inner.option("description", function.description.as_ref());
            if let Some(parameters) = &function.parameters {
                inner.raw("parameters", parameters.get());
            }
            inner.option(
                "strict",
                schema::strict(function.strict, function.parameters.as_deref(), (&function.extra, "tools.strict"), losses),
            );
            inner.extra(&function.extra, HERE);
        });
        super::write_messages::write_cache(object, function.cache.as_ref());
    });
}

/// Records what another format says of a tool as lost.
fn lose_beside_tool(losses: &mut Losses, extra: &Extra, at: usize) {
    if extra.from() != Some(HERE) {
        extra.fields().iter().for_each(|(key, _)| losses.dropped(format!("tools[{at}].{key}")));
    }
}

/// Whether a tool of the client's has that name.
fn is_offered(name: &str, tools: &[Tool]) -> bool {
    tools.iter().any(|tool| match tool {
        Tool::Function(function) => function.name == name,
        Tool::Custom { name: known, .. } => known == name,
        Tool::Hosted(_) => false,
    })
}

fn nearest_choice(names: &[String], must: bool, losses: &mut Losses) -> ToolChoice {
    if let ([name], true) = (names, must) {
        return ToolChoice::Tool(name.clone());
    }
    losses.add("tool_choice", Why::Approximated);
    if must { ToolChoice::Required } else { ToolChoice::Auto }
}

fn write_choice(object: &mut Object<'_>, choice: &ToolChoice, tools: &[Tool]) {
    let custom = |name: &str| tools.iter().any(|tool| matches!(tool, Tool::Custom { name: known, .. } if known == name));
    let named = |object: &mut Object<'_>, name: &str| {
        let kind = if custom(name) { "custom" } else { "function" };
        object.field("type", kind);
        object.object(kind, |inner| inner.field("name", name));
    };
    match choice {
        ToolChoice::Auto => object.text("tool_choice", "auto"),
        ToolChoice::None => object.text("tool_choice", "none"),
        ToolChoice::Required => object.text("tool_choice", "required"),
        ToolChoice::Tool(name) => object.object("tool_choice", |inner| named(inner, name)),
        ToolChoice::Among(names, must) => object.object("tool_choice", |inner| {
            inner.text("type", "allowed_tools");
            inner.object("allowed_tools", |allowed| {
                allowed.field("mode", if *must { "required" } else { "auto" });
                allowed.array("tools", |list| {
                    for name in names {
                        list.object(|item| named(item, name));
                    }
                });
            });
        }),
    }
}
