//! A request, written for a provider.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::write_content::unsupported;
use super::write_input::{is_item, write_input};
use super::{DIALECT, likelihood};
use crate::chat::{ChatRequest, Function, OutputFormat, Part, PartBody, Reasoning, Tool, ToolChoice};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::{Memo, Profile, Thinking, Written};
use crate::json::{self, Array, Object};
use crate::loss::{Losses, Why};
use crate::openai;
use crate::pen::{effort, knob, schema};
use crate::problem::Unsupported;
use crate::seal::OPENAI;

/// The smallest limit the API takes.
pub const MIN_OUTPUT_TOKENS: u64 = 16;

/// Writes a request.
pub(super) fn write_request(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    let mut losses = Losses::new();
    let vendor = profile.vendor.as_deref().unwrap_or(OPENAI);
    let own = request.extra.from() == Some(DIALECT);
    refuse(request)?;
    let instructions = instructions(&request.system)?;
    let input = write_input(request, vendor, &mut losses)?;
    let input = String::from_utf8(input).unwrap_or_default();
    let (instructions, input) = match instructions {
        // The API wants input.
        Some(text) if input == "[]" && !own => (None, alone(&text)),
        instructions => (instructions, input),
    };
    let tools = write_tools(&request.tools, &mut losses)?;
    let reasoning = request.reasoning.as_ref().map(|reasoning| knobs(reasoning, profile, &mut losses));
    let thinks = reasoning.as_ref().is_some_and(|knobs| knobs.effort.as_deref() != Some("none"))
        || request.reasoning.is_none() && profile.thinking.is_some_and(|thinking| thinking != Thinking::Never);
    lose_knobs(request, profile, &mut losses);
    let body = json::object(|object| {
        object.option("model", Some(&request.model).filter(|model| !model.is_empty()));
        object.option("instructions", instructions.as_ref());
        if !request.extra.of(DIALECT).iter().any(|(key, _)| key == "prompt") || input != "[]" {
            object.raw("input", &input);
        }
        if !request.tools.is_empty() {
            object.raw("tools", &tools);
        }
        write_tool_choice(object, request);
        object.option("parallel_tool_calls", request.parallel_tools);
        write_sampling(object, request, profile);
        object.option("max_output_tokens", request.max_output_tokens.map(|most| if own { most } else { most.max(MIN_OUTPUT_TOKENS) }));
        write_reasoning(object, reasoning.as_ref(), &request.extra);
        write_text(object, request, &mut losses);
        if request.stream {
            object.field("stream", &true);
        }
        openai::write_user(object, request, (DIALECT, profile), &mut losses);
        object.option("service_tier", request.service_tier.as_ref());
        object.option("prompt_cache_key", request.cache_key.as_ref().or(request.session.as_ref()));
        if !request.metadata.is_empty() {
            object.object("metadata", |metadata| request.metadata.iter().for_each(|(key, value)| metadata.field(key, value)));
        }
        // The conversation is the client's to keep unless it says otherwise, and so are the thoughts.
        object.option("store", request.store.or(Some(false).filter(|_| !own)));
        object.option("include", include(request, thinks && !own));
        openai::write_shared(object, &request.extra, (DIALECT, profile), &mut losses);
        write_extra(object, &request.extra);
    });
    let memo = Memo { vendor: profile.vendor.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses, memo })
}

/// What the answer is to hold beside what it always does.
fn include(request: &ChatRequest, sealed_thoughts: bool) -> Option<Vec<String>> {
    let said = request.extra.of(DIALECT).iter().find(|(key, _)| key == "include");
    let mut include: Vec<String> = said.and_then(|(_, raw)| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    include.extend(sealed_thoughts.then(|| "reasoning.encrypted_content".to_owned()));
    include.extend((request.sampling.logprobs == Some(true)).then(|| likelihood::ASKED.to_owned()));
    Some(include).filter(|include| said.is_some() || !include.is_empty())
}

/// What changes the answer itself and has no form here.
fn refuse(request: &ChatRequest) -> Result<(), Unsupported> {
    if request.sampling.n.is_some_and(|n| n > 1) {
        return Err(unsupported("n", "only one answer is given"));
    }
    if request.modalities.iter().any(|modality| modality != "text") {
        return Err(unsupported("modalities", "answers are text"));
    }
    Ok(())
}

/// The text that stands before the conversation.
fn instructions(system: &[Part]) -> Result<Option<String>, Unsupported> {
    let mut text: Option<String> = None;
    for part in system.iter().take_while(|part| !is_item(part)) {
        let PartBody::Text { text: more, .. } = &part.body else {
            return Err(unsupported("system", "instructions are text"));
        };
        match &mut text {
            Some(text) => {
                text.push_str("\n\n");
                text.push_str(more);
            }
            None => text = Some(more.clone()),
        }
    }
    Ok(text)
}

/// Instructions that stand alone, as an input.
fn alone(text: &str) -> String {
    let mut out = Vec::new();
    json::write_array(&mut out, |input| {
        input.object(|message| {
            message.field("type", "message");
            message.field("role", "system");
            message.field("content", text);
        });
    });
    String::from_utf8(out).unwrap_or_default()
}

/// Records what has no field here.
fn lose_knobs(request: &ChatRequest, profile: &Profile, losses: &mut Losses) {
    let sampling = &request.sampling;
    let numbers = [
        ("top_k", &sampling.top_k),
        ("min_p", &sampling.min_p),
        ("top_a", &sampling.top_a),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("presence_penalty", &sampling.presence_penalty),
        ("repetition_penalty", &sampling.repetition_penalty),
        ("seed", &sampling.seed),
    ];
    for (field, value) in numbers {
        if value.is_some() {
            losses.dropped(field);
        }
    }
    if !sampling.stop.is_empty() {
        losses.dropped("stop");
    }
    if sampling.logit_bias.is_some() {
        losses.dropped("logit_bias");
    }
    if profile.sampling == Some(false) {
        let knobs = [("temperature", &sampling.temperature), ("top_p", &sampling.top_p)];
        knob::lose_numbers(losses, knobs.map(|(field, value)| (field, value, knob::neutral(field))));
    }
    let own = request.extra.from() == Some(DIALECT);
    if !own && request.max_output_tokens.is_some_and(|most| most < MIN_OUTPUT_TOKENS) {
        losses.add("max_output_tokens", Why::Clamped);
    }
    // Its own clients say it in words of its own, which go on.
    if request.extra.from() != Some(DIALECT) {
        knob::lose_marks(losses, request, DIALECT);
    }
}

fn write_sampling(object: &mut Object<'_>, request: &ChatRequest, profile: &Profile) {
    if profile.sampling != Some(false) {
        object.option("temperature", request.sampling.temperature.as_ref());
        object.option("top_p", request.sampling.top_p.as_ref());
    }
    object.option("top_logprobs", request.sampling.top_logprobs);
}

/// The fields of this API that the meaning does not know; those inside an object are written with it.
fn write_extra(object: &mut Object<'_>, extra: &Extra) {
    for (key, value) in extra.of(DIALECT).iter().filter(|(key, _)| !matches!(key.as_str(), "text" | "reasoning" | "include")) {
        object.raw(key, value.get());
    }
}

/// The unknown fields of the object `key`.
fn write_inner(object: &mut Object<'_>, extra: &Extra, key: &str) {
    let Some((_, raw)) = extra.of(DIALECT).iter().find(|(known, _)| known == key) else { return };
    let Ok(fields) = crate::fields::Fields::nested(raw) else { return };
    object.extra(&fields.rest(DIALECT), DIALECT);
}

// === reasoning and the form of the answer ===

/// What is said about thinking.
struct Knobs {
    effort: Option<String>,
    summary: Option<String>,
}

fn knobs(reasoning: &Reasoning, profile: &Profile, losses: &mut Losses) -> Knobs {
    let wanted = match (&reasoning.effort, reasoning.enabled, reasoning.budget_tokens) {
        (Some(effort), _, _) => Some(effort.clone()),
        (None, Some(false), _) => Some("none".to_owned()),
        (None, _, Some(budget)) => {
            losses.add("reasoning.budget_tokens", Why::Approximated);
            Some(effort::of_budget(budget).to_owned())
        }
        (None, enabled, None) if reasoning.adaptive || enabled == Some(true) => {
            losses.add("reasoning", Why::Approximated);
            Some("medium".to_owned())
        }
        (None, _, None) => None,
    };
    let effort = wanted.map(|effort| clamp(effort, profile, losses));
    let summary = match reasoning.summary.as_deref() {
        Some("summarized") => Some("auto"),
        Some("omitted") => None,
        // Nothing is shown unless a summary is asked for.
        None if reasoning.exclude == Some(false) => Some("auto"),
        other => other,
    };
    Knobs { effort, summary: summary.map(str::to_owned).filter(|_| reasoning.exclude != Some(true)) }
}

/// The nearest effort that the model knows.
fn clamp(effort: String, profile: &Profile, losses: &mut Losses) -> String {
    let Some(known) = profile.efforts.as_ref().filter(|known| !known.is_empty() && !known.contains(&effort)) else { return effort };
    if !effort::is_known(&effort) {
        return effort;
    }
    losses.add("reasoning.effort", Why::Clamped);
    effort::nearest(&effort, known).map_or(effort, str::to_owned)
}

fn write_reasoning(object: &mut Object<'_>, knobs: Option<&Knobs>, extra: &Extra) {
    let more = extra.of(DIALECT).iter().any(|(key, _)| key == "reasoning");
    let said = knobs.is_some_and(|knobs| knobs.effort.is_some() || knobs.summary.is_some());
    if !(more || said) {
        return;
    }
    object.object("reasoning", |object| {
        object.option("effort", knobs.and_then(|knobs| knobs.effort.as_ref()));
        object.option("summary", knobs.and_then(|knobs| knobs.summary.as_ref()));
        write_inner(object, extra, "reasoning");
    });
}

fn write_text(object: &mut Object<'_>, request: &ChatRequest, losses: &mut Losses) {
    let more = request.extra.of(DIALECT).iter().any(|(key, _)| key == "text");
    let formed = !matches!(request.output, OutputFormat::Text);
    if !(more || formed || request.verbosity.is_some()) {
        return;
    }
    object.object("text", |object| {
        match &request.output {
            OutputFormat::Text => {}
            OutputFormat::Json => object.raw("format", r#"{"type":"json_object"}"#),
            OutputFormat::JsonSchema(schema) => object.object("format", |format| {
                format.text("type", "json_schema");
                format.field("name", schema.name.as_deref().unwrap_or("response"));
                format.option("description", schema.description.as_ref());
                format.raw("schema", schema.schema.get());
                format.option("strict", schema::strict(schema.strict, Some(&schema.schema), (&request.extra, "response_format"), losses));
            }),
        }
        object.option("verbosity", request.verbosity.as_ref());
        write_inner(object, &request.extra, "text");
    });
}

// === tools ===

fn write_tools(tools: &[Tool], losses: &mut Losses) -> Result<String, Unsupported> {
    let mut out = Vec::new();
    let mut refused = None;
    json::write_array(&mut out, |array| {
        for tool in tools {
            match tool {
                Tool::Function(function) => write_function(array, function, losses),
                Tool::Custom { name, description, format, extra } => array.object(|object| {
                    lose_beside_tool(losses, extra);
                    object.text("type", "custom");
                    object.field("name", name);
                    object.option("description", description.as_ref());
                    if let Some(format) = format {
                        object.raw("format", format);
                    }
                    object.extra(extra, DIALECT);
                }),
                Tool::Hosted(hosted) if hosted.from == DIALECT => array.raw(hosted.raw.get()),
                Tool::Hosted(hosted) if is_web_search(&hosted.kind) => {
                    losses.add(format!("tools.{}", hosted.kind), Why::Approximated);
                    array.object(|object| write_web_search(object, &hosted.raw));
                }
                Tool::Hosted(hosted) => {
                    let why = format!("the tool `{}` runs only at its own provider", hosted.kind);
                    refused.get_or_insert_with(|| unsupported("tools", &why));
                }
            }
        }
    });
    refused.map_or_else(|| Ok(String::from_utf8(out).unwrap_or_default()), Err)
}

/// Writes a web search of another format's: which sites count and where the user is are said alike or nearly so.
fn write_web_search(object: &mut Object<'_>, raw: &RawValue) {
    object.text("type", "web_search");
    let Ok(mut fields) = Fields::nested(raw) else { return };
    let sites = fields.take_raw("allowed_domains").filter(|sites| sites.get() != "null");
    if let Some(filters) = fields.take_raw("filters") {
        object.raw("filters", filters.get());
    } else if let Some(sites) = sites {
        object.object("filters", |filters| filters.raw("allowed_domains", sites.get()));
    }
    if let Some(size) = fields.take_raw("search_context_size") {
        object.raw("search_context_size", size.get());
    }
    let Some(Ok(mut place)) = fields.take_raw("user_location").map(Fields::nested) else { return };
    if let Some(Ok(inner)) = place.take_raw("approximate").map(Fields::nested) {
        place = inner;
    }
    object.object("user_location", |out| {
        out.text("type", "approximate");
        for key in ["city", "region", "country", "timezone"] {
            if let Some(value) = place.take_raw(key).filter(|raw| raw.get() != "null") {
                out.raw(key, value.get());
            }
        }
    });
}

/// Whether another format's tool is its web search.
fn is_web_search(kind: &str) -> bool {
    kind.starts_with("web_search") || matches!(kind, "googleSearch" | "google_search")
}

/// Records what another format says of a tool as lost.
fn lose_beside_tool(losses: &mut Losses, extra: &Extra) {
    if extra.from() != Some(DIALECT) {
        extra.fields().iter().for_each(|(key, _)| losses.dropped(format!("tools.{key}")));
    }
}

/// Writes a function. The API takes a function to be strict unless told otherwise; other formats take it not to be.
fn write_function(array: &mut Array<'_>, function: &Function, losses: &mut Losses) {
    let own = function.extra.from() == Some(DIALECT);
    lose_beside_tool(losses, &function.extra);
    array.object(|object| {
        object.text("type", "function");
        object.field("name", &function.name);
        object.option("description", function.description.as_ref());
        match &function.parameters {
            Some(schema) => object.raw("parameters", schema.get()),
            None if own => object.raw("parameters", "null"),
            None => object.raw("parameters", r#"{"type":"object","properties":{}}"#),
        }
        let strict = schema::strict(function.strict, function.parameters.as_deref(), (&function.extra, "tools.strict"), losses);
        object.option("strict", strict.or(Some(false).filter(|_| !own)));
        object.extra(&function.extra, DIALECT);
    });
}

fn write_tool_choice(object: &mut Object<'_>, request: &ChatRequest) {
    let write = |choice: &mut Object<'_>, name: &str| match sort_of(&request.tools, name) {
        "web_search" => choice.field("type", "web_search"),
        sort => {
            choice.field("type", sort);
            choice.field("name", name);
        }
    };
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => object.field("tool_choice", "auto"),
        Some(ToolChoice::None) => object.field("tool_choice", "none"),
        Some(ToolChoice::Required) => object.field("tool_choice", "required"),
        Some(ToolChoice::Tool(name)) => object.object("tool_choice", |choice| write(choice, name)),
        Some(ToolChoice::Among(names, must)) => object.object("tool_choice", |choice| {
            choice.text("type", "allowed_tools");
            choice.field("mode", if *must { "required" } else { "auto" });
            choice.array("tools", |array| {
                for name in names {
                    array.object(|tool| write(tool, name));
                }
            });
        }),
    }
}

/// What a tool of that name is here. Anthropic's search has one, this API's has none.
fn sort_of(tools: &[Tool], name: &str) -> &'static str {
    let own = tools.iter().find_map(|tool| match tool {
        Tool::Function(function) => (function.name == name).then_some("function"),
        Tool::Custom { name: known, .. } => (known == name).then_some("custom"),
        Tool::Hosted(_) => None,
    });
    let searches = |tool: &Tool| match tool {
        Tool::Hosted(hosted) if hosted.from != DIALECT && is_web_search(&hosted.kind) => {
            let known: Option<String> = Fields::nested(&hosted.raw).ok().and_then(|mut fields| fields.take("name").ok().flatten());
            known.as_deref() == Some(name)
        }
        _ => false,
    };
    own.unwrap_or_else(|| if tools.iter().any(searches) { "web_search" } else { "function" })
}
