//! A request as this API expects it.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::HERE;
use super::write_messages::{self, Pen};
use crate::chat::{ChatRequest, OutputFormat, ToolChoice};
use crate::fields::Fields;
use crate::half::{Memo, Profile, Thinking, Written};
use crate::json::{self, Object};
use crate::loss::Why;
use crate::pen::schema::described;
use crate::pen::{function, knob};
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

/// Whether that is a field of this API's own.
pub(super) fn is_own(key: &str) -> bool {
    matches!(key, "think" | "options") || OWN.contains(&key) || below(key).is_some()
}

/// Where an option stands.
pub(super) fn below(key: &str) -> Option<&'static str> {
    OPTIONS.contains(&key).then_some("options")
}

/// Writes a request.
pub(super) fn write(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    let mut pen = Pen::new();
    pen.refused.several(request);
    pen.refused.sound(request);
    let body = json::object(|out| {
        if !request.model.is_empty() {
            out.field("model", &request.model);
        }
        out.field("stream", &request.stream);
        write_messages::write(out, &mut pen, request);
        write_tools(out, &mut pen, request);
        match &request.output {
            OutputFormat::Text => {}
            OutputFormat::Json => out.text("format", "json"),
            OutputFormat::JsonSchema(schema) => out.raw("format", described(schema).get()),
        }
        write_think(out, &mut pen, request, profile);
        write_options(out, &mut pen, request, profile);
        let most = request.sampling.top_logprobs.filter(|most| *most > 0);
        out.option("logprobs", request.sampling.logprobs.or(most.map(|_| true)));
        out.option("top_logprobs", most);
        knob::lose_labels(&mut pen.losses, request, &[]);
        knob::lose_marks(&mut pen.losses, request, HERE);
        write_extra(out, &mut pen, request);
    });
    pen.refused.into_result()?;
    let memo = Memo { vendor: profile.vendor.clone(), stop: request.sampling.stop.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses: pen.losses, memo })
}

fn write_tools(out: &mut Object<'_>, pen: &mut Pen, request: &ChatRequest) {
    let functions = function::offered(&mut pen.losses, &mut pen.refused, request, HERE);
    knob::lose(&mut pen.losses, [("tools.strict", functions.iter().any(|function| function.strict == Some(true)))]);
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
    out.array("tools", |out| functions.iter().for_each(|function| function::write(out, function)));
}

fn write_think(out: &mut Object<'_>, pen: &mut Pen, request: &ChatRequest, profile: &Profile) {
    if request.extra.fields().iter().any(|(key, _)| key == "think") {
        return;
    }
    let Some(reasoning) = &request.reasoning else { return };
    let effort = reasoning.effort.as_deref();
    if reasoning.is_off() {
        return out.field("think", &false);
    }
    if !reasoning.is_wanted() {
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
        None => profile.thinking == Some(Thinking::Effort),
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
    let stop = knob::stops(&mut pen.losses, &sampling.stop, profile.max_stop);
    if !stop.is_empty() {
        let mut value = Vec::new();
        json::write_value(&mut value, stop);
        add("stop", Some(value));
    }
    if sampling.top_a.is_some() {
        pen.losses.dropped("top_a");
    }
    knob::lose(&mut pen.losses, [("logit_bias", knob::is_biased(sampling))]);
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
                Err(_) => pen.refused.add("options", "it must be an object"),
            }
        }
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
