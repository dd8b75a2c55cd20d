//! What a request cannot do without and does not have; the provider need not be asked for that.

use serde_json::json;
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::error::Error;
use switchboard_engine::route::UNKNOWN_MODEL;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_engine::wire::{Dialect, Operation, multipart};

use crate::app::App;
use crate::refusal::{Refusal, shown};
use crate::refused::Refused;

/// The refusal of a request that lacks something; `None` where it has everything.
pub(crate) fn refusal(call: &Call, app: &App) -> Option<Refusal> {
    let door = &call.door;
    if door.operation == Operation::Transcriptions && lacks_part(call, &["file"]) {
        let missing = json!({"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": null});
        return Some(shown(Refused::invalid(vec![missing]), door));
    }
    let missing = missing(call, app)?;
    let place = place(door).map(|place| format!("{place}: ")).unwrap_or_default();
    let problem = Problem::new(Kind::BadRequest, format!("{place}Missing required parameter: '{missing}'.")).with_param(missing);
    Some(Refusal { error: problem.into(), dialect: door.dialect, flavor: door.flavor })
}

fn missing(call: &Call, app: &App) -> Option<&'static str> {
    let Content::Json(outline) = &call.content else {
        let is_picture = call.door.operation == Operation::ImageEdits && lacks_part(call, &["image", "image[]"]);
        return is_picture.then_some("image");
    };
    let is_said = |name: &str| outline.get(name).is_some_and(|entry| !is_null(call, (entry.value.start, entry.value.end)));
    // A prompt, or what was said before, may stand for what is said now.
    let stands_for = |names: &[&str]| names.iter().any(|name| is_said(name));
    let needed: &[&'static str] = match (call.door.operation, call.door.dialect) {
        (Operation::Chat, Dialect::OpenAiChat) if !stands_for(&["prompt"]) => &["messages"],
        (Operation::Chat | Operation::Compact | Operation::CountTokens, Dialect::OpenAiResponses)
            if !stands_for(&["prompt", "previous_response_id", "conversation"]) =>
        {
            &["input"]
        }
        (Operation::Chat, Dialect::OpenAiCompletions) | (Operation::ImageGenerations, Dialect::OpenAiChat) => &["prompt"],
        (Operation::Chat, Dialect::Anthropic) => &["messages", "max_tokens"],
        (Operation::Chat, Dialect::Gemini) => &["contents"],
        (Operation::Embeddings | Operation::Speech | Operation::Moderations, Dialect::OpenAiChat) => &["input"],
        (Operation::ImageEdits, Dialect::OpenAiChat) if !stands_for(&["images"]) => &["image"],
        (Operation::Rerank, Dialect::OpenAiChat) => &["query", "documents"],
        _ => return None,
    };
    needed.iter().find(|name| !is_said(name) && !is_given(call, app, name)).copied()
}

/// Whether a deployment of the model says so itself.
fn is_given(call: &Call, app: &App, name: &str) -> bool {
    let found = app.gateway.fleet().find(&call.model);
    let says = |fields: &[(String, String)]| fields.iter().any(|(field, _)| field == name);
    found.is_some_and(|(_, group)| group.iter().any(|deployment| says(&deployment.spec.defaults) || says(&deployment.spec.set)))
}

fn is_null(call: &Call, (start, end): (usize, usize)) -> bool {
    end - start == 4 && call.body.slice(start, end).as_ref() == b"null"
}

/// Whether it is a form without any of those parts. What is no good form is for whoever reads it to tell.
fn lacks_part(call: &Call, names: &[&str]) -> bool {
    let Content::Form(kind) = &call.content else { return false };
    !names.iter().any(|name| multipart::has(&call.body, kind, name).unwrap_or(true))
}

/// The refusal of a request that names no model, or one by no name.
pub(super) fn model(door: &Door, named: Option<&str>) -> Problem {
    let mut problem = *Error::model_missing().problem;
    if let Some(place) = place(door).filter(|place| place.starts_with('/')) {
        let named = named.unwrap_or("None");
        problem.message = format!("{place}: {UNKNOWN_MODEL}{named}. Call `/v1/models` to view available models for your key.");
    }
    problem
}

/// What LiteLLM's messages call the place that was asked.
fn place(door: &Door) -> Option<&'static str> {
    if door.flavor == Flavor::OpenRouter {
        return None;
    }
    Some(match (door.operation, door.dialect) {
        (Operation::Chat, Dialect::OpenAiChat) => "/chat/completions",
        (Operation::Chat, Dialect::OpenAiResponses) => "/responses",
        (Operation::Compact, _) => "/responses/compact",
        (Operation::CountTokens, Dialect::OpenAiResponses) => "/responses/input_tokens",
        (Operation::Chat, Dialect::OpenAiCompletions) => "/completions",
        (Operation::Chat, Dialect::Anthropic) => "anthropic_messages",
        (Operation::Chat, Dialect::Gemini) => "agenerate_content",
        (Operation::Embeddings, _) => "/embeddings",
        (Operation::Speech, _) => "/audio/speech",
        (Operation::Moderations, _) => "/moderations",
        (Operation::ImageGenerations, _) => "/image/generations",
        (Operation::ImageEdits, _) => "/images/edits",
        (Operation::Rerank, _) => "/rerank",
        _ => return None,
    })
}
