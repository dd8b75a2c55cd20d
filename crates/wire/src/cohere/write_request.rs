//! A request as this API expects it.

use bytes::Bytes;

use super::HERE;
use super::write_messages::{self, Pen};
use crate::chat::{ChatRequest, MediaSource, Number, OutputFormat, ToolChoice};
use crate::half::{Memo, Profile, Thinking, Written};
use crate::json::{self, Object};
use crate::loss::Why;
use crate::pen::schema::described;
use crate::pen::{function, knob};
use crate::problem::Unsupported;

/// The API's own fields, which a client of another dialect may add to its request.
const OWN: [&str; 6] = ["documents", "citation_options", "safety_mode", "priority", "strict_tools", "raw_prompting"];

/// The most stop sequences the API takes.
const MOST_STOPS: usize = 5;

/// Writes a request.
pub(super) fn write(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    let mut pen = Pen::new();
    pen.refused.answers(&mut pen.losses, request, "the likelihoods this provider tells cannot be translated");
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
        knob::lose_labels(&mut pen.losses, request, &[]);
        knob::lose_marks(&mut pen.losses, request, HERE);
        write_extra(out, &mut pen, request);
    });
    pen.refused.into_result()?;
    let memo = Memo { vendor: profile.vendor.clone(), stop: request.sampling.stop.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses: pen.losses, memo })
}

fn sent(request: &ChatRequest, key: &str) -> bool {
    request.extra.fields().iter().any(|(known, _)| known == key)
}

fn write_documents(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    if pen.documents.is_empty() {
        return;
    }
    if sent(request, "documents") {
        return pen.refused.add("documents", "documents stand both in the conversation and beside it");
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
    let functions = function::offered(&mut pen.losses, &mut pen.refused, request, HERE);
    if functions.is_empty() {
        return;
    }
    out.array("tools", |out| functions.iter().for_each(|function| function::write(out, function)));
    match &request.tool_choice {
        Some(ToolChoice::None) => out.text("tool_choice", "NONE"),
        Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Among(_, true)) => out.text("tool_choice", "REQUIRED"),
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
        OutputFormat::JsonSchema(schema) => Some(described(schema)),
    };
    out.object("response_format", |out| {
        out.text("type", "json_object");
        if let Some(schema) = schema {
            out.raw("json_schema", schema.get());
        }
    });
}

fn write_thinking(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest, profile: &Profile) {
    let Some(reasoning) = &request.reasoning else { return };
    let never = profile.thinking == Some(Thinking::Never);
    if reasoning.is_off() {
        // Models that can think do so unless they are told not to.
        if !never {
            out.object("thinking", |out| out.text("type", "disabled"));
        }
        return;
    }
    if !reasoning.is_wanted() {
        return;
    }
    if never {
        return pen.losses.dropped("reasoning");
    }
    if reasoning.effort.is_some() {
        pen.losses.add("reasoning.effort", Why::Approximated);
    }
    out.object("thinking", |out| {
        out.text("type", "enabled");
        out.option("token_budget", reasoning.budget_tokens);
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
    let stop = knob::stops(&mut pen.losses, &sampling.stop, profile.max_stop.or(Some(MOST_STOPS)));
    if !stop.is_empty() {
        out.field("stop_sequences", stop);
    }
    let numbers =
        [("min_p", &sampling.min_p, 0.0), ("top_a", &sampling.top_a, 0.0), ("repetition_penalty", &sampling.repetition_penalty, 1.0)];
    knob::lose_numbers(&mut pen.losses, numbers);
    knob::lose(&mut pen.losses, [("logit_bias", knob::is_biased(sampling))]);
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

fn write_extra(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    for (key, value) in request.extra.fields() {
        if OWN.contains(&key.as_str()) || request.extra.from() == Some(HERE) {
            out.raw(key, value.get());
        } else {
            pen.losses.dropped(key.clone());
        }
    }
}
