//! A request as this API expects it.

use bytes::Bytes;

use super::HERE;
use super::write_messages::{self, Pen};
use crate::chat::{ChatRequest, Function, MediaSource, Number, OutputFormat, Reasoning, Tool, ToolChoice};
use crate::dialect::{Memo, Profile, Thinking, Written};
use crate::json::{self, Object};
use crate::loss::Why;
use crate::problem::Unsupported;

/// The API's own fields, which a client of another dialect may add to its request.
const OWN: [&str; 6] = ["documents", "citation_options", "safety_mode", "priority", "strict_tools", "raw_prompting"];

/// The most stop sequences the API takes.
const MOST_STOPS: usize = 5;

/// Writes a request.
pub(super) fn write(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    let mut pen = Pen::default();
    refuse_answers(&mut pen, request);
    let body = json::object(|out| {
        if !request.model.is_empty() {
            out.field("model", &request.model);
        }
        out.field("stream", &request.stream);
        write_messages::write(out, &mut pen, request);
        write_documents(out, &mut pen, request);
        write_tools(out, &mut pen, request);
        write_format(out, &mut pen, request);
        write_thinking(out, &mut pen, request, profile);
        write_sampling(out, &mut pen, request, profile);
        lose_knobs(&mut pen, request);
        write_extra(out, &mut pen, request);
    });
    if let Some(refused) = pen.refused {
        return Err(refused);
    }
    let memo = Memo { vendor: profile.vendor.clone(), stop: request.sampling.stop.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses: pen.losses, memo })
}

/// Several answers and sound are content the API cannot give, likelihoods have no place in the answer's meaning.
fn refuse_answers(pen: &mut Pen<'_>, request: &ChatRequest) {
    let sampling = &request.sampling;
    if sampling.n.is_some_and(|n| n > 1) {
        pen.refuse("n", "this provider gives one answer to a request");
    }
    if sampling.logprobs == Some(true) || sampling.top_logprobs.is_some_and(|top| top > 0) {
        pen.refuse("logprobs", "the likelihoods this provider tells cannot be translated");
    }
    if request.modalities.iter().any(|modality| modality != "text") {
        pen.refuse("modalities", "this provider answers in text alone");
    }
}

fn sent(request: &ChatRequest, key: &str) -> bool {
    request.extra.fields().iter().any(|(known, _)| known == key)
}

fn write_documents(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    if pen.documents.is_empty() {
        return;
    }
    if sent(request, "documents") {
        return pen.refuse("documents", "documents stand both in the conversation and beside it");
    }
    out.array("documents", |out| {
        for (at, media) in pen.documents.iter().enumerate() {
            let MediaSource::Text(text) = &media.source else { continue };
            out.object(|out| {
                out.field("id", &format!("doc-{at}"));
                out.object("data", |out| {
                    out.option("title", media.name.as_ref());
                    out.field("text", text);
                });
            });
        }
    });
}

fn write_tools(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let functions = functions(pen, request);
    if functions.is_empty() {
        return;
    }
    out.array("tools", |out| {
        for function in &functions {
            out.object(|out| {
                out.field("type", "function");
                out.object("function", |out| {
                    out.field("name", &function.name);
                    out.option("description", function.description.as_ref());
                    let schema = function.parameters.as_ref().map(|raw| raw.get()).filter(|schema| *schema != "null");
                    out.raw("parameters", schema.unwrap_or(r#"{"type":"object","properties":{}}"#));
                });
            });
        }
    });
    match &request.tool_choice {
        Some(ToolChoice::None) => out.field("tool_choice", "NONE"),
        Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Among(_, true)) => out.field("tool_choice", "REQUIRED"),
        Some(ToolChoice::Auto | ToolChoice::Among(_, false)) | None => {}
    }
    let strict = functions.iter().filter(|function| function.strict == Some(true)).count();
    if strict == functions.len() && !sent(request, "strict_tools") {
        out.field("strict_tools", &true);
    } else if strict > 0 && !sent(request, "strict_tools") {
        pen.losses.dropped("tools.strict");
    }
    if request.parallel_tools == Some(false) {
        pen.losses.dropped("parallel_tool_calls");
    }
}

/// The tools to offer: all, or those of which one must be called, which the API cannot say otherwise.
fn functions<'a>(pen: &mut Pen<'_>, request: &'a ChatRequest) -> Vec<&'a Function> {
    let is_chosen = |name: &String| match &request.tool_choice {
        Some(ToolChoice::Tool(chosen)) => name == chosen,
        Some(ToolChoice::Among(chosen, _)) => chosen.contains(name),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => true,
    };
    let mut functions = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) if is_chosen(&function.name) => functions.push(function),
            Tool::Function(_) => pen.losses.add("tools", Why::Approximated),
            Tool::Custom { .. } => pen.refuse(&format!("tools.{at}"), "this provider knows no tools that take free text"),
            Tool::Hosted(hosted) => pen.refuse(&format!("tools.{at}"), &format!("this provider does not run the tool `{}`", hosted.kind)),
        }
    }
    for function in &functions {
        if function.cache.is_some() {
            pen.losses.dropped("cache_control");
        }
        if function.extra.from() != Some(HERE) {
            function.extra.fields().iter().for_each(|(key, _)| pen.losses.dropped(key.clone()));
        }
    }
    functions
}

fn write_format(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let schema = match &request.output {
        OutputFormat::Text => return,
        // The API takes a form of the answer neither beside tools nor beside documents.
        OutputFormat::Json | OutputFormat::JsonSchema(_)
            if !request.tools.is_empty() || !pen.documents.is_empty() || sent(request, "documents") =>
        {
            return pen.losses.dropped("response_format");
        }
        OutputFormat::Json => None,
        OutputFormat::JsonSchema(schema) => Some(schema.schema.get()),
    };
    out.object("response_format", |out| {
        out.field("type", "json_object");
        if let Some(schema) = schema {
            out.raw("json_schema", schema);
        }
    });
}

fn write_thinking(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest, profile: &Profile) {
    let Some(reasoning) = &request.reasoning else { return };
    let Reasoning { enabled, adaptive, effort, budget_tokens, .. } = reasoning;
    let never = profile.thinking == Some(Thinking::Never);
    if *enabled == Some(false) || effort.as_deref() == Some("none") || *budget_tokens == Some(0) {
        // Models that can think do so unless they are told not to.
        if !never {
            out.object("thinking", |out| out.field("type", "disabled"));
        }
        return;
    }
    if !(*enabled == Some(true) || *adaptive || effort.is_some() || budget_tokens.is_some()) {
        return;
    }
    if never {
        return pen.losses.dropped("reasoning");
    }
    if effort.is_some() {
        pen.losses.add("reasoning.effort", Why::Approximated);
    }
    out.object("thinking", |out| {
        out.field("type", "enabled");
        out.option("token_budget", *budget_tokens);
    });
}

fn write_sampling(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest, profile: &Profile) {
    let sampling = &request.sampling;
    out.option("max_tokens", request.max_output_tokens);
    if profile.sampling == Some(false) {
        let knobs = [("temperature", &sampling.temperature), ("top_p", &sampling.top_p), ("top_k", &sampling.top_k)];
        knobs.into_iter().filter(|(_, value)| value.is_some()).for_each(|(name, _)| pen.losses.dropped(name));
    } else {
        out.option("temperature", sampling.temperature.as_ref());
        out.option("p", within(pen, "top_p", sampling.top_p.as_ref(), 0.01, 0.99));
        out.option("k", within(pen, "top_k", sampling.top_k.as_ref(), 0.0, 500.0));
    }
    out.option("frequency_penalty", within(pen, "frequency_penalty", sampling.frequency_penalty.as_ref(), 0.0, 1.0));
    out.option("presence_penalty", within(pen, "presence_penalty", sampling.presence_penalty.as_ref(), 0.0, 1.0));
    out.option("seed", sampling.seed.as_ref());
    let most = profile.max_stop.unwrap_or(MOST_STOPS);
    if sampling.stop.len() > most {
        pen.losses.add("stop", Why::Clamped);
    }
    if let Some(stop) = sampling.stop.get(..most.min(sampling.stop.len())).filter(|stop| !stop.is_empty()) {
        out.field("stop_sequences", stop);
    }
    for (name, value, neutral) in
        [("min_p", &sampling.min_p, 0.0), ("top_a", &sampling.top_a, 0.0), ("repetition_penalty", &sampling.repetition_penalty, 1.0)]
    {
        if value.as_ref().is_some_and(|value| value.as_f64() != Some(neutral)) {
            pen.losses.dropped(name);
        }
    }
    if sampling.logit_bias.as_deref().is_some_and(|bias| bias.trim() != "{}") {
        pen.losses.dropped("logit_bias");
    }
}

/// A number within the API's range, as written where it is.
fn within(pen: &mut Pen<'_>, name: &'static str, value: Option<&Number>, least: f64, most: f64) -> Option<Number> {
    let written = value?;
    let value = written.as_f64()?;
    if (least..=most).contains(&value) {
        return Some(written.clone());
    }
    pen.losses.add(name, Why::Clamped);
    let nearest = value.clamp(least, most);
    if nearest.fract() == 0.0 { format!("{nearest:.0}").parse::<u64>().ok().map(Number::from) } else { Number::from_f64(nearest) }
}

fn lose_knobs(pen: &mut Pen<'_>, request: &ChatRequest) {
    let lost = [
        ("user", request.user.is_some()),
        ("verbosity", request.verbosity.is_some()),
        ("prompt_cache_key", request.cache_key.is_some()),
        ("store", request.store == Some(true)),
        ("metadata", !request.metadata.is_empty()),
        ("service_tier", request.service_tier.as_deref().is_some_and(|tier| !matches!(tier, "auto" | "default"))),
    ];
    for (name, _) in lost.into_iter().filter(|(_, is_set)| *is_set) {
        pen.losses.dropped(name);
    }
}

fn write_extra(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    for (key, value) in request.extra.fields() {
        if OWN.contains(&key.as_str()) || request.extra.from() == Some(HERE) {
            out.raw(key, value.get());
        } else {
            pen.losses.dropped(key.clone());
        }
    }
}
