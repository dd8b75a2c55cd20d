//! A request as this API expects it.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::pen::{Family, Pen};
use super::thinking::{self, Plan};
use super::{HERE, write_blocks, write_tools};
use crate::anthropic::beta::of_field;
use crate::chat::{ChatRequest, Number, OutputFormat};
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::half::{Memo, Profile, Written};
use crate::json::{self, Object};
use crate::loss::Why;
use crate::pen::knob;
use crate::pen::schema::{is_open, narrowed};
use crate::problem::Unsupported;
use crate::seal::ANTHROPIC;

/// The API's own fields, which a client of another dialect may add to its request.
const OWN: [&str; 6] =
    ["guardrailConfig", "performanceConfig", "requestMetadata", "serviceTier", "promptVariables", "additionalModelResponseFieldPaths"];

/// The API's other fields, which this writes from what it was told.
const WRITTEN: [&str; 6] = ["messages", "system", "inferenceConfig", "toolConfig", "outputConfig", ADDITIONAL];

/// Where a client gives fields in the model's own words.
const ADDITIONAL: &str = "additionalModelRequestFields";

/// Where a field stands that is none of the API's, and so the model's.
pub(super) fn below(key: &str) -> Option<&'static str> {
    (!OWN.contains(&key) && !WRITTEN.contains(&key)).then_some(ADDITIONAL)
}

/// Claude's features that Bedrock can be opted into.
const BETAS: [&str; 13] = [
    "compact-2026-01-12",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "token-efficient-tools-2025-02-19",
    "tool-examples-2025-10-29",
];

/// Writes a request.
pub(super) fn write(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    let mut pen = Pen::new(request, profile);
    pen.refused.answers(&mut pen.losses, request, "this provider does not tell the likelihood of tokens");
    if let OutputFormat::JsonSchema(schema) = &request.output
        && (profile.json_schema != Some(true) || is_open(&schema.schema))
    {
        pen.json_tool = Some(pen.names.tools.free("json_answer"));
        pen.losses.add("response_format", Why::Approximated);
    }
    let forced = pen.json_tool.is_some();
    let plan = thinking::write(&mut pen, request, forced);
    let body = json::object(|out| {
        write_blocks::write_messages(out, &mut pen, request);
        write_blocks::write_system(out, &mut pen, request);
        write_inference(out, &mut pen, request, plan);
        write_tools::write(out, &mut pen, request);
        write_output(out, &mut pen, request);
        write_knobs(out, &mut pen, request);
        write_extra(out, &mut pen, request);
        write_additional(out, &mut pen);
    });
    let family = pen.family;
    let Pen { losses, names, json_tool, refused, .. } = pen;
    refused.into_result()?;
    let vendor = if family == Family::Claude { Some(ANTHROPIC.to_owned()) } else { profile.vendor.clone() };
    let memo = Memo { renamed: names.tools.into_renamed(), json_tool, vendor, stop: request.sampling.stop.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses, memo })
}

fn write_inference(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest, plan: Plan) {
    knob::lose_rare(&mut pen.losses, &request.sampling);
    let limit = request.max_output_tokens.filter(|_| !plan.unlimited);
    if limit.is_none() && request.max_output_tokens.is_some() {
        pen.losses.dropped("max_tokens");
    }
    let fixed = plan.fixed_sampling || pen.profile.sampling == Some(false);
    let temperature = temperature(pen, request, fixed);
    let top_p = top_p(pen, request, fixed, temperature.is_some());
    top_k(pen, request, fixed);
    // The API refuses stop sequences of nothing but white space.
    let stop = knob::visible_stops(&mut pen.losses, &request.sampling.stop, pen.profile.max_stop);
    if limit.is_none() && temperature.is_none() && top_p.is_none() && stop.is_empty() {
        return;
    }
    out.object("inferenceConfig", |out| {
        out.option("maxTokens", limit);
        out.option("temperature", temperature);
        out.option("topP", top_p);
        if !stop.is_empty() {
            out.field("stopSequences", &stop);
        }
    });
}

/// A number within 0 and 1; what the model's default says anyway is no loss.
fn temperature(pen: &mut Pen<'_>, request: &ChatRequest, fixed: bool) -> Option<Number> {
    let wanted = request.sampling.temperature.as_ref()?;
    let value = wanted.as_f64();
    if fixed {
        if value != Some(1.0) {
            pen.losses.dropped("temperature");
        }
        return None;
    }
    if value.is_some_and(|value| value > 1.0) {
        pen.losses.add("temperature", Why::Clamped);
        return Some(Number::from(1));
    }
    Some(wanted.clone())
}

fn top_p(pen: &mut Pen<'_>, request: &ChatRequest, fixed: bool, warm: bool) -> Option<Number> {
    let wanted = request.sampling.top_p.as_ref()?;
    // Newer models of Anthropic's take one of the two.
    let one_of_two = warm && pen.family == Family::Claude;
    if fixed || one_of_two {
        if wanted.as_f64() != Some(1.0) {
            pen.losses.dropped("top_p");
        }
        return None;
    }
    Some(wanted.clone())
}

fn top_k(pen: &mut Pen<'_>, request: &ChatRequest, fixed: bool) {
    let Some(k) = request.sampling.top_k.as_ref().filter(|k| k.as_i64() != Some(0)) else { return };
    match pen.family {
        _ if fixed => pen.losses.dropped("top_k"),
        Family::Claude | Family::Mistral => pen.add("top_k", k),
        Family::Nova => pen.add_object("inferenceConfig", |out| out.field("topK", k)),
        Family::Command => pen.add("k", k),
        Family::GptOss | Family::Other => pen.losses.dropped("top_k"),
    }
}

fn write_output(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let schema = match &request.output {
        OutputFormat::Text => return,
        // It is asked for in words.
        OutputFormat::Json => return pen.losses.add("response_format", Why::Approximated),
        OutputFormat::JsonSchema(_) if pen.json_tool.is_some() => return,
        OutputFormat::JsonSchema(schema) => schema,
    };
    let narrowed = narrowed(&schema.schema);
    if narrowed.is_some() {
        pen.losses.add("response_format", Why::Approximated);
    }
    out.object("outputConfig", |out| {
        out.object("textFormat", |out| {
            out.text("type", "json_schema");
            out.object("structure", |out| {
                out.object("jsonSchema", |out| {
                    out.field("schema", narrowed.as_deref().unwrap_or(schema.schema.get()));
                    out.option("name", schema.name.as_ref());
                    out.option("description", schema.description.as_ref());
                });
            });
        });
    });
}

fn write_knobs(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let sent = |key: &str| request.extra.fields().iter().any(|(known, _)| known == key);
    match request.service_tier.as_deref() {
        Some(_) if sent("serviceTier") => {}
        Some(tier @ ("default" | "priority" | "flex" | "reserved")) => out.object("serviceTier", |out| out.field("type", tier)),
        Some("auto") | None => {}
        Some(_) => pen.losses.dropped("service_tier"),
    }
    if !request.metadata.is_empty() && !sent("requestMetadata") {
        write_metadata(out, pen, &request.metadata);
    }
    knob::lose_labels(&mut pen.losses, request, &["metadata", "service_tier"]);
}

/// Labels, as far as the API's alphabet goes.
fn write_metadata(out: &mut Object<'_>, pen: &mut Pen<'_>, metadata: &[(String, String)]) {
    let fits =
        |text: &str| text.len() <= 256 && text.chars().all(|letter| letter.is_ascii_alphanumeric() || " :_@$#=/+,-.".contains(letter));
    let (mut kept, lost): (Vec<_>, Vec<_>) = metadata.iter().partition(|(key, value)| !key.is_empty() && fits(key) && fits(value));
    if !lost.is_empty() || kept.len() > 16 {
        pen.losses.dropped("metadata");
        kept.truncate(16);
    }
    if !kept.is_empty() {
        out.object("requestMetadata", |out| kept.iter().for_each(|(key, value)| out.field(key, value)));
    }
}

/// Fields that the client added: the API's own wherever they come from, and Claude's.
fn write_extra(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let from_anthropic = request.extra.from() == Some(Dialect::Anthropic) && pen.family == Family::Claude;
    let of_claudes = matches!(request.extra.from(), Some(Dialect::Anthropic | Dialect::OpenAiChat)) && pen.family == Family::Claude;
    if pen.family == Family::Claude {
        request.betas.iter().for_each(|name| add_beta(pen, name));
    }
    for (key, value) in request.extra.fields() {
        match key.as_str() {
            ADDITIONAL => add_fields(pen, value),
            key if OWN.contains(&key) => out.raw(key, value.get()),
            "anthropic-beta" if from_anthropic => {
                let names: String = serde_json::from_str(value.get()).unwrap_or_default();
                names.split(',').map(str::trim).filter(|name| !name.is_empty()).for_each(|name| add_beta(pen, name));
            }
            "anthropic_beta" if of_claudes => {
                let names: Vec<String> = serde_json::from_str(value.get()).unwrap_or_default();
                names.iter().for_each(|name| add_beta(pen, name));
            }
            "context_management" if of_claudes => {
                of_field(key, value).into_iter().for_each(|name| pen.beta(name));
                pen.add_raw(key, value.get().as_bytes().to_vec());
            }
            _ if request.extra.from() == Some(HERE) => out.raw(key, value.get()),
            _ => pen.losses.dropped(key.clone()),
        }
    }
}

/// Opts into a feature that the client asked Anthropic for. Bedrock refuses the whole request for a name it does not know.
fn add_beta(pen: &mut Pen<'_>, name: &str) {
    if BETAS.contains(&name) {
        pen.beta(name);
    } else {
        pen.losses.dropped(format!("anthropic-beta.{name}"));
    }
}

fn add_fields(pen: &mut Pen<'_>, value: &RawValue) {
    let Ok(fields) = Fields::nested(value) else { return pen.refused.add(ADDITIONAL, "it must be an object") };
    for (key, value) in fields.rest(HERE).fields() {
        pen.add_raw(key, value.get().as_bytes().to_vec());
    }
}

fn write_additional(out: &mut Object<'_>, pen: &mut Pen<'_>) {
    if !pen.betas.is_empty() && !pen.additional.iter().any(|(key, _)| key == "anthropic_beta") {
        let betas = std::mem::take(&mut pen.betas);
        pen.add("anthropic_beta", &betas);
    }
    if pen.additional.is_empty() {
        return;
    }
    out.object(ADDITIONAL, |out| {
        for (key, value) in &pen.additional {
            out.raw(key, std::str::from_utf8(value).unwrap_or("null"));
        }
    });
}
