//! A request as this API expects it: one prompt, and knobs by the names the model gives them.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::HERE;
use crate::chat::{ChatRequest, Media, MediaSource, OutputFormat, Part, PartBody, Role, ToolChoice};
use crate::fields::Fields;
use crate::half::{Inputs, Memo, Profile, Written};
use crate::json;
use crate::loss::{Losses, Why};
use crate::pen::{Refusal, knob};
use crate::problem::Unsupported;

/// Inputs of models that a client may name as it would name them here.
const OWN: [&str; 7] =
    ["max_new_tokens", "min_new_tokens", "min_tokens", "prompt_template", "length_penalty", "dynamic_thinking", "max_image_resolution"];

/// The version in `owner/name:version`.
pub(super) fn version(model: &str) -> Option<&str> {
    model.split_once(':').map(|(_, version)| version).filter(|version| !version.is_empty())
}

/// A request under way.
struct Pen<'a> {
    /// What the model calls its inputs.
    names: &'a Inputs,
    /// The inputs, values as JSON text.
    input: Vec<(String, Vec<u8>)>,
    images: Vec<String>,
    losses: Losses,
    refused: Refusal,
}

impl Pen<'_> {
    fn set<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        let mut json = Vec::new();
        json::write_value(&mut json, value);
        self.input.retain(|(known, _)| known != key);
        self.input.push((key.to_owned(), json));
    }

    /// A knob, where the model's schema has it.
    fn knob<T: Serialize>(&mut self, key: &'static str, value: Option<&T>) {
        match value {
            Some(value) if self.names.knows(key) => self.set(key, value),
            Some(_) => self.losses.dropped(key),
            None => {}
        }
    }
}

/// Writes a request.
pub(super) fn write(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    let model = profile.model.as_deref().unwrap_or(&request.model);
    let usual = Inputs::default();
    let names = profile.inputs.as_deref().unwrap_or(&usual);
    let mut pen = Pen { names, input: Vec::new(), images: Vec::new(), losses: Losses::new(), refused: Refusal::new(HERE) };
    refuse_forms(&mut pen, request);
    write_turns(&mut pen, request);
    write_images(&mut pen);
    write_knobs(&mut pen, request, profile);
    write_extra(&mut pen, request);
    pen.refused.into_result()?;
    let body = json::object(|out| {
        out.option("version", version(model));
        out.object("input", |out| {
            for (key, value) in &pen.input {
                out.raw(key, std::str::from_utf8(value).unwrap_or("null"));
            }
        });
    });
    let memo = Memo { vendor: profile.vendor.clone(), stop: request.sampling.stop.clone(), ..Memo::default() };
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses: pen.losses, memo })
}

/// What the answer cannot be or hold.
fn refuse_forms(pen: &mut Pen<'_>, request: &ChatRequest) {
    if !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None) {
        pen.refused.add("tools", "this provider's models take a prompt and know no tools");
    }
    if !matches!(request.output, OutputFormat::Text) {
        pen.refused.add("response_format", "this provider does not hold its models to JSON");
    }
    pen.refused.answers(&mut pen.losses, request, "this provider does not tell likelihoods");
}

/// The conversation as one prompt.
fn write_turns(pen: &mut Pen<'_>, request: &ChatRequest) {
    let system: Vec<String> = text_of(pen, &request.system, "system").into_iter().collect();
    if !system.is_empty() {
        let key = &pen.names.system;
        pen.set(key, &system.concat());
    }
    knob::lose_beside(&mut pen.losses, request, HERE);
    let mut turns: Vec<(Role, String)> = Vec::new();
    for (at, message) in request.messages.iter().enumerate() {
        if message.name.is_some() {
            pen.losses.dropped(format!("messages.{at}.name"));
        }
        let Some(text) = text_of(pen, &message.parts, &format!("messages.{at}.content")) else { continue };
        match turns.last_mut() {
            Some((role, said)) if *role == message.role => {
                said.push_str("\n\n");
                said.push_str(&text);
            }
            _ => turns.push((message.role, text)),
        }
    }
    match turns.as_slice() {
        [] => pen.set("prompt", ""),
        [(Role::User, text)] => pen.set("prompt", text),
        turns => {
            pen.losses.add("messages", Why::Approximated);
            let mut prompt = String::new();
            for (role, text) in turns {
                let label = match role {
                    Role::System => "System",
                    Role::User => "User",
                    Role::Assistant => "Assistant",
                };
                prompt.push_str(label);
                prompt.push_str(": ");
                prompt.push_str(text);
                prompt.push_str("\n\n");
            }
            match turns.last() {
                // The client began the answer: the model goes on with it.
                Some((Role::Assistant, _)) => prompt.truncate(prompt.len() - 2),
                _ => prompt.push_str("Assistant:"),
            }
            pen.set("prompt", &prompt);
        }
    }
}

/// The text of a turn; `None` where it has none. Its images are put aside.
fn text_of(pen: &mut Pen<'_>, parts: &[Part], field: &str) -> Option<String> {
    let mut texts: Vec<&str> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let at = format!("{field}.{index}");
        match &part.body {
            PartBody::Text { text, .. } | PartBody::Refusal(text) => texts.push(text),
            PartBody::Image(media) => put_aside(pen, media, &at),
            PartBody::File(Media { source: MediaSource::Text(text), .. }) => {
                pen.losses.add(at, Why::Approximated);
                texts.push(text);
            }
            PartBody::Reasoning(_) | PartBody::Hosted(_) => pen.losses.add(at, Why::Approximated),
            PartBody::ToolCall(_) | PartBody::ToolResult(_) => {
                pen.refused.add(&at, "this provider's models take a prompt, which cannot hold calls of tools");
            }
            PartBody::Audio(_) | PartBody::Video(_) | PartBody::File(_) => pen.refused.add(&at, "this provider takes text and images"),
        }
    }
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn put_aside(pen: &mut Pen<'_>, media: &Media, at: &str) {
    if !pen.names.lists_images && !pen.images.is_empty() {
        return pen.refused.add(at, "this model takes one image");
    }
    match &media.source {
        MediaSource::Url(url) if url.starts_with("https://") || url.starts_with("http://") => pen.images.push(url.clone()),
        MediaSource::Base64(bytes) => {
            let media_type = media.media_type.as_deref().unwrap_or("application/octet-stream");
            pen.images.push(format!("data:{media_type};base64,{bytes}"));
        }
        _ => pen.refused.add(at, "this provider takes images from URLs or as base64"),
    }
    if media.detail.is_some() {
        pen.losses.dropped("detail");
    }
}

fn write_images(pen: &mut Pen<'_>) {
    let (key, images) = (&pen.names.image, std::mem::take(&mut pen.images));
    match images.as_slice() {
        [] => {}
        images if pen.names.lists_images => pen.set(key, images),
        [image, ..] => pen.set(key, image),
    }
}

fn write_knobs(pen: &mut Pen<'_>, request: &ChatRequest, profile: &Profile) {
    let sampling = &request.sampling;
    if let Some(limit) = request.max_output_tokens {
        let key = &pen.names.limit;
        pen.set(key, &limit);
    }
    for (key, value) in [("temperature", &sampling.temperature), ("top_p", &sampling.top_p), ("top_k", &sampling.top_k)] {
        match value {
            Some(_) if profile.sampling == Some(false) => pen.losses.dropped(key),
            value => pen.knob(key, value.as_ref()),
        }
    }
    pen.knob("min_p", sampling.min_p.as_ref());
    pen.knob("frequency_penalty", sampling.frequency_penalty.as_ref());
    pen.knob("presence_penalty", sampling.presence_penalty.as_ref());
    pen.knob("repetition_penalty", sampling.repetition_penalty.as_ref());
    pen.knob("seed", sampling.seed.as_ref());
    write_stop(pen, &sampling.stop);
    write_reasoning(pen, request);
    match &request.verbosity {
        // No field of most models: one schema must say so.
        Some(_) if pen.names.knobs.is_none() => pen.losses.dropped("verbosity"),
        verbosity => pen.knob("verbosity", verbosity.as_ref()),
    }
    knob::lose(&mut pen.losses, [("top_a", sampling.top_a.is_some()), ("logit_bias", knob::is_biased(sampling))]);
    knob::lose_labels(&mut pen.losses, request, &["verbosity"]);
    knob::lose_marks(&mut pen.losses, request, HERE);
}

/// The sequences are one text with commas between them, so none may hold one.
fn write_stop(pen: &mut Pen<'_>, stop: &[String]) {
    if stop.is_empty() {
        return;
    }
    if !pen.names.knows("stop_sequences") {
        return pen.losses.dropped("stop");
    }
    let fit: Vec<&str> = stop.iter().map(String::as_str).filter(|text| !text.is_empty() && !text.contains(',')).collect();
    if fit.len() < stop.len() {
        pen.losses.add("stop", if fit.is_empty() { Why::NoEquivalent } else { Why::Clamped });
    }
    if !fit.is_empty() {
        pen.set("stop_sequences", &fit.join(","));
    }
}

fn write_reasoning(pen: &mut Pen<'_>, request: &ChatRequest) {
    let Some(reasoning) = &request.reasoning else { return };
    let off = reasoning.enabled == Some(false);
    let effort = reasoning.effort.as_deref().or(off.then_some("none"));
    let budget = reasoning.budget_tokens.or((off || effort == Some("none")).then_some(0));
    match (&pen.names.effort, effort, &pen.names.budget, budget) {
        (Some(key), Some(effort), ..) => pen.set(key, effort),
        (_, _, Some(key), Some(budget)) => pen.set(key, &budget),
        (..) if effort.is_some() || budget.is_some() || reasoning.adaptive || reasoning.enabled == Some(true) => {
            pen.losses.dropped("reasoning");
        }
        (..) => {}
    }
}

/// Inputs in the model's own words win over translated ones.
fn write_extra(pen: &mut Pen<'_>, request: &ChatRequest) {
    let own = request.extra.fields().iter().filter(|(key, _)| key != "input");
    for (key, value) in own {
        match OWN.contains(&key.as_str()) {
            true => pen.set::<RawValue>(key, value),
            false => pen.losses.dropped(key.clone()),
        }
    }
    let Some((_, input)) = request.extra.fields().iter().find(|(key, _)| key == "input") else { return };
    match Fields::nested(input) {
        Ok(fields) => fields.rest(HERE).fields().iter().for_each(|(key, value)| pen.set::<RawValue>(key, value)),
        Err(_) => pen.refused.add("input", "it must be an object"),
    }
}
