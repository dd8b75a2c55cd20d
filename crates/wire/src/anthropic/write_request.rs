//! A request as this API expects it.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::fit::BLANK;
use super::pen::Pen;
use super::thinking::{Mode, Plan, plan};
use super::{BETA, HERE, beta, schema, write_blocks, write_tools};
use crate::chat::{ChatRequest, OutputFormat};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::{Memo, Profile, Written};
use crate::json::{self, Object};
use crate::lenient;
use crate::loss::Why;
use crate::pen::knob;
use crate::pen::schema::{described, is_open};
use crate::problem::Unsupported;

/// Writes a request for an answer or, `counting`, for a count of its tokens, which takes only what counts.
pub(super) fn write(request: &ChatRequest, profile: &Profile, counting: bool) -> Result<Written, Unsupported> {
    let mut pen = Pen::new(request, profile, counting);
    pen.client_betas(request);
    pen.refused.answers(&mut pen.losses, request, "this provider does not tell the likelihood of tokens");
    choose_json_tool(&mut pen, request);
    let forced = pen.json_tool.is_some();
    let plan = plan(&mut pen, request, forced);
    let body = json::object(|out| {
        if !request.model.is_empty() {
            out.text("model", &request.model);
        }
        if !counting {
            out.field("max_tokens", &plan.max_tokens);
        }
        write_blocks::write_system(out, &mut pen, request);
        write_blocks::write_messages(out, &mut pen, request);
        write_tools::write(out, &mut pen, request);
        write_thinking(out, request, &plan);
        write_output_config(out, request, &mut pen, &plan);
        if !counting {
            write_knobs(out, &mut pen, request, &plan);
        }
        write_extra(out, &mut pen, request);
    });
    let Pen { losses, names, betas, json_tool, refused, .. } = pen;
    refused.into_result()?;
    // Where none of the client's is left, its header must not go on.
    let said = is_kept(request, BETA) || !request.betas.is_empty();
    let headers = if betas.is_empty() && !said { Vec::new() } else { vec![(BETA, beta::joined(betas))] };
    let memo = Memo { renamed: names.into_renamed(), json_tool, vendor: profile.vendor.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers, losses, memo })
}

/// Fields of this API that clients of OpenAI's format add to their requests.
const GUESTS: [&str; 7] = ["cache_control", "container", "context_management", "inference_geo", "mcp_servers", BLANK, "speed"];
/// Another one, which this gateway has something to say in, too.
const CONFIG: &str = "output_config";

fn is_guest(request: &ChatRequest) -> bool {
    request.extra.from() == Some(Dialect::OpenAiChat)
}

/// The fields that are written as sent.
fn kept(request: &ChatRequest) -> impl Iterator<Item = &(String, Box<RawValue>)> {
    let (native, guest) = (request.extra.from() == Some(HERE), is_guest(request));
    request.extra.fields().iter().filter(move |(key, value)| match key.as_str() {
        BLANK if value.get() == "null" => false,
        CONFIG => false,
        _ if native => true,
        key => guest && GUESTS.contains(&key) && value.get() != "null",
    })
}

/// Whether the request holds that field as sent, which then is what is written.
fn is_kept(request: &ChatRequest, key: &str) -> bool {
    kept(request).any(|(known, _)| known == key)
}

/// What is said in this API's words of the answer and has no other place: all of it by clients of OpenAI's format, what the meaning does
/// not hold by its own.
fn told_config(request: &ChatRequest) -> Option<Extra> {
    let says = is_guest(request) || request.extra.from() == Some(HERE);
    let (_, raw) = request.extra.fields().iter().find(|(key, _)| key == CONFIG).filter(|_| says)?;
    Fields::nested(raw).ok().map(|fields| fields.rest(HERE))
}

/// Models that take no schema, or not one like that, are made to call a tool that has it.
fn choose_json_tool(pen: &mut Pen<'_>, request: &ChatRequest) {
    let OutputFormat::JsonSchema(schema) = &request.output else { return };
    if !pen.native && (pen.profile.json_schema != Some(true) || is_open(&schema.schema)) {
        pen.json_tool = Some(pen.names.free("json_answer"));
        pen.losses.add("response_format", Why::Approximated);
    }
}

fn write_thinking(out: &mut Object<'_>, request: &ChatRequest, plan: &Plan) {
    if is_kept(request, "thinking") {
        return;
    }
    let Some(mode) = &plan.mode else { return };
    out.object("thinking", |out| match mode {
        Mode::Disabled => out.text("type", "disabled"),
        Mode::Enabled(budget, display) => {
            out.text("type", "enabled");
            out.option("budget_tokens", *budget);
            out.option("display", display.as_ref());
        }
        Mode::Adaptive(display) => {
            out.text("type", "adaptive");
            out.option("display", display.as_ref());
        }
    });
}

fn write_output_config(out: &mut Object<'_>, request: &ChatRequest, pen: &mut Pen<'_>, plan: &Plan) {
    let told = told_config(request).unwrap_or_default();
    let says = |key: &str| told.fields().iter().any(|(known, _)| known == key);
    let effort = plan.effort.as_ref().filter(|_| !says("effort"));
    let schema = match &request.output {
        OutputFormat::JsonSchema(_) if is_kept(request, "output_format") || says("format") => None,
        OutputFormat::JsonSchema(schema) if pen.json_tool.is_none() => Some(schema),
        OutputFormat::JsonSchema(_) | OutputFormat::Json | OutputFormat::Text => None,
    };
    if effort.is_none() && schema.is_none() && told.is_empty() {
        return;
    }
    out.object(CONFIG, |out| {
        out.extra(&told, HERE);
        out.option("effort", effort);
        if let Some(schema) = schema {
            out.object("format", |out| {
                out.text("type", "json_schema");
                if pen.native {
                    out.raw("schema", schema.schema.get());
                } else if schema::write_narrowed(out, &described(schema)) {
                    pen.losses.add("response_format", Why::Approximated);
                }
            });
        }
    });
}

fn write_knobs(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest, plan: &Plan) {
    write_sampling(out, pen, request, plan);
    write_stop(out, pen, request);
    if request.stream {
        out.field("stream", &true);
    }
    // Clients of OpenAI's format may say who asks as this API has it.
    let labelled = request.metadata.iter().find(|(key, _)| key == "user_id").map(|(_, user)| user);
    if let Some(user) = request.user.as_ref().or(labelled).filter(|_| !is_kept(request, "metadata")) {
        out.object("metadata", |out| out.field("user_id", user));
    }
    match request.service_tier.as_deref() {
        Some("default") => out.text("service_tier", "standard_only"),
        Some(tier) if pen.native || tier == "auto" => out.field("service_tier", tier),
        Some(_) => pen.losses.dropped("service_tier"),
        None => {}
    }
    let labels = if labelled.is_some() && request.metadata.len() == 1 { "metadata" } else { "user" };
    knob::lose_labels(&mut pen.losses, request, &["user", "service_tier", labels]);
}

fn write_sampling(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest, plan: &Plan) {
    let sampling = &request.sampling;
    knob::lose_rare(&mut pen.losses, sampling);
    if pen.native {
        match &sampling.temperature {
            Some(value) if plan.cold && value.as_f64() != Some(1.0) => pen.losses.dropped("temperature"),
            value => out.option("temperature", value.as_ref()),
        }
        out.option("top_p", sampling.top_p.as_ref());
        out.option("top_k", sampling.top_k.as_ref());
        return;
    }
    let number = |value: &Option<serde_json::Number>| value.as_ref().and_then(serde_json::Number::as_f64);
    let fixed = pen.profile.sampling == Some(false) || plan.thinks();
    let mut warm = false;
    match (&sampling.temperature, number(&sampling.temperature)) {
        // While thinking only the default is taken; `1` is the default.
        (Some(_), Some(1.0)) if fixed => {}
        (Some(_), _) if fixed => pen.losses.dropped("temperature"),
        (Some(_), Some(value)) if value > 1.0 => {
            warm = true;
            pen.losses.add("temperature", Why::Clamped);
            out.field("temperature", &1);
        }
        (Some(value), _) => {
            warm = true;
            out.field("temperature", value);
        }
        (None, _) => {}
    }
    match (&sampling.top_p, number(&sampling.top_p)) {
        (_, Some(1.0)) | (None, _) => {}
        // Newer models take one of the two.
        (Some(_), _) if fixed || warm => pen.losses.dropped("top_p"),
        (Some(value), _) => out.field("top_p", value),
    }
    match &sampling.top_k {
        Some(_) if fixed => pen.losses.dropped("top_k"),
        // The API has no words for all of them but silence.
        Some(value) => out.option("top_k", lenient::count(value).filter(|k| *k > 0)),
        None => {}
    }
}

fn write_stop(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let all = &request.sampling.stop;
    // The API refuses stop sequences of nothing but white space; its own client's are the client's affair.
    let stop: Vec<&String> = match pen.native {
        true => knob::stops(&mut pen.losses, all, pen.profile.max_stop).iter().collect(),
        false => knob::visible_stops(&mut pen.losses, all, pen.profile.max_stop),
    };
    if !stop.is_empty() {
        out.field("stop_sequences", &stop);
    }
}

/// Fields that a count does not take.
const ANSWER_ONLY: [&str; 4] = ["metadata", "container", "inference_geo", "speed"];

fn write_extra(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let takes = |key: &str| is_guest(request) && (key == CONFIG || GUESTS.contains(&key));
    for (key, _) in request.extra.fields().iter().filter(|(key, _)| !pen.native && !takes(key)) {
        pen.losses.dropped(key.clone());
    }
    for (key, value) in kept(request).filter(|(key, _)| key != BETA) {
        beta::of_field(key, value).into_iter().for_each(|name| pen.beta(name));
        if !pen.counting || !ANSWER_ONLY.contains(&key.as_str()) {
            out.raw(key, value.get());
        }
    }
}
