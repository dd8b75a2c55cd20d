//! A request as this API expects it.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::HERE;
use super::write_messages::{self, Pen};
use crate::chat::{ChatRequest, Function, OutputFormat, Tool, ToolChoice};
use crate::dialect::{Memo, Profile, Thinking, Written};
use crate::fields::Fields;
use crate::json::{self, Object};
use crate::loss::Why;
use crate::problem::Unsupported;

/// The API's own fields, which a client of another dialect may add to its request.
const OWN: [&str; 1] = ["keep_alive"];

/// The API's own options, which a client of another dialect may add to its request.
const OPTIONS: [&str; 22] = [
    "num_ctx",
    "num_keep",
    "num_predict",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "repeat_last_n",
    "repeat_penalty",
    "typical_p",
    "tfs_z",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "penalize_newline",
    "use_mmap",
    "use_mlock",
    "low_vram",
    "f16_kv",
    "vocab_only",
    "numa",
    "draft_num_predict",
];

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
        write_tools(out, &mut pen, request);
        match &request.output {
            OutputFormat::Text => {}
            OutputFormat::Json => out.field("format", "json"),
            OutputFormat::JsonSchema(schema) => out.raw("format", schema.schema.get()),
        }
        write_think(out, &mut pen, request, profile);
        write_options(out, &mut pen, request, profile);
        lose_knobs(&mut pen, request);
        write_extra(out, &mut pen, request);
    });
    if let Some(refused) = pen.refused {
        return Err(refused);
    }
    let memo = Memo { vendor: profile.vendor.clone(), stop: request.sampling.stop.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses: pen.losses, memo })
}

/// Several answers, likelihoods and sound are content the API cannot give.
fn refuse_answers(pen: &mut Pen, request: &ChatRequest) {
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

fn write_tools(out: &mut Object<'_>, pen: &mut Pen, request: &ChatRequest) {
    let functions = functions(pen, request);
    // Calls in the conversation need no tools beside it.
    if functions.is_empty() || request.tool_choice == Some(ToolChoice::None) {
        return;
    }
    match &request.tool_choice {
        Some(ToolChoice::Required) => pen.losses.dropped("tool_choice"),
        Some(ToolChoice::Tool(_) | ToolChoice::Among(_, true)) => pen.losses.add("tool_choice", Why::Approximated),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Among(_, false)) | None => {}
    }
    if request.parallel_tools == Some(false) {
        pen.losses.dropped("parallel_tool_calls");
    }
    out.array("tools", |out| {
        for function in functions {
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
}

/// The tools to offer: all, or those that may be called, which the API cannot say otherwise.
fn functions<'a>(pen: &mut Pen, request: &'a ChatRequest) -> Vec<&'a Function> {
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
        if function.strict == Some(true) {
            pen.losses.dropped("tools.strict");
        }
        if function.cache.is_some() {
            pen.losses.dropped("cache_control");
        }
        if function.extra.from() != Some(HERE) {
            function.extra.fields().iter().for_each(|(key, _)| pen.losses.dropped(key.clone()));
        }
    }
    functions
}

fn write_think(out: &mut Object<'_>, pen: &mut Pen, request: &ChatRequest, profile: &Profile) {
    if request.extra.fields().iter().any(|(key, _)| key == "think") {
        return;
    }
    let Some(reasoning) = &request.reasoning else { return };
    let effort = reasoning.effort.as_deref();
    if reasoning.enabled == Some(false) || effort == Some("none") || reasoning.budget_tokens == Some(0) {
        return out.field("think", &false);
    }
    let wanted = reasoning.enabled == Some(true) || reasoning.adaptive || effort.is_some() || reasoning.budget_tokens.is_some();
    if !wanted {
        return;
    }
    // The API refuses to make a model think that cannot.
    if profile.thinking == Some(Thinking::Never) {
        return pen.losses.dropped("reasoning");
    }
    if reasoning.budget_tokens.is_some() {
        pen.losses.add("reasoning.max_tokens", Why::Approximated);
    }
    let Some(effort) = effort else { return out.field("think", &true) };
    // Levels are refused by models that only know on and off.
    let has_levels = match &profile.efforts {
        Some(efforts) => !efforts.is_empty(),
        None => profile.thinking == Some(Thinking::Effort) || request.model.contains("gpt-oss"),
    };
    let level = match effort {
        "minimal" | "low" => "low",
        "medium" => "medium",
        _ => "high",
    };
    if !has_levels {
        pen.losses.add("reasoning.effort", Why::Approximated);
        return out.field("think", &true);
    }
    if level != effort {
        pen.losses.add("reasoning.effort", Why::Clamped);
    }
    out.field("think", level);
}

fn write_options(out: &mut Object<'_>, pen: &mut Pen, request: &ChatRequest, profile: &Profile) {
    let sampling = &request.sampling;
    let mut options: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |key: &str, value: Option<Vec<u8>>| options.extend(value.map(|value| (key.to_owned(), value)));
    let number = |value: &Option<serde_json::Number>| value.as_ref().map(|value| value.to_string().into_bytes());
    add("num_predict", request.max_output_tokens.map(|limit| limit.to_string().into_bytes()));
    for (key, value) in [("temperature", &sampling.temperature), ("top_p", &sampling.top_p), ("top_k", &sampling.top_k)] {
        if profile.sampling == Some(false) && value.is_some() {
            pen.losses.dropped(key);
        } else {
            add(key, number(value));
        }
    }
    add("min_p", number(&sampling.min_p));
    add("frequency_penalty", number(&sampling.frequency_penalty));
    add("presence_penalty", number(&sampling.presence_penalty));
    add("repeat_penalty", number(&sampling.repetition_penalty));
    add("seed", number(&sampling.seed));
    let most = profile.max_stop.unwrap_or(usize::MAX).min(sampling.stop.len());
    if most < sampling.stop.len() {
        pen.losses.add("stop", Why::Clamped);
    }
    if let Some(stop) = sampling.stop.get(..most).filter(|stop| !stop.is_empty()) {
        let mut value = Vec::new();
        json::write_value(&mut value, stop);
        add("stop", Some(value));
    }
    if sampling.top_a.is_some() {
        pen.losses.dropped("top_a");
    }
    if sampling.logit_bias.as_deref().is_some_and(|bias| bias.trim() != "{}") {
        pen.losses.dropped("logit_bias");
    }
    add_options(pen, &mut options, request);
    if options.is_empty() {
        return;
    }
    out.object("options", |out| {
        for (key, value) in &options {
            out.raw(key, std::str::from_utf8(value).unwrap_or("null"));
        }
    });
}

/// Options in the API's own words win over translated ones.
fn add_options(pen: &mut Pen, options: &mut Vec<(String, Vec<u8>)>, request: &ChatRequest) {
    let mut set = |key: &str, value: &RawValue| {
        options.retain(|(known, _)| known != key);
        options.push((key.to_owned(), value.get().as_bytes().to_vec()));
    };
    for (key, value) in request.extra.fields() {
        if OPTIONS.contains(&key.as_str()) {
            set(key, value);
        } else if key == "options" {
            match Fields::nested(value) {
                Ok(fields) => fields.rest(HERE).fields().iter().for_each(|(key, value)| set(key, value)),
                Err(_) => pen.refuse("options", "it must be an object"),
            }
        }
    }
}

fn lose_knobs(pen: &mut Pen, request: &ChatRequest) {
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

fn write_extra(out: &mut Object<'_>, pen: &mut Pen, request: &ChatRequest) {
    for (key, value) in request.extra.fields() {
        match key.as_str() {
            "options" => {}
            key if OPTIONS.contains(&key) => {}
            "think" => out.raw(key, value.get()),
            key if OWN.contains(&key) || request.extra.from() == Some(HERE) => out.raw(key, value.get()),
            _ => pen.losses.dropped(key.clone()),
        }
    }
}
