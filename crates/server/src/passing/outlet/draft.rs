//! What a request for a provider is: the call that its path and its body tell, and the models it names where its provider looks for them.

use std::time::Instant;

use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use serde_json::Value;
use switchboard_engine::call::{Call, Content, Door, OWN_FORM};
use switchboard_engine::catalog::{JOB, Known, Outlet, Provider};
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_engine::wire::{Dialect, Operation, job, multipart};

use super::{DOOR, Way, here};
use crate::auth::Caller;
use crate::clock::unix_seconds;

/// What LiteLLM's clients of these routes name tags in, and what all others do.
const TAGS: [HeaderName; 2] = [HeaderName::from_static("tags"), HeaderName::from_static("x-litellm-tags")];
/// Fields that name further models, which may answer in the place of the first.
const INSTEAD: [&str; 2] = ["models", "fallbacks"];
/// Requests within a request.
const WITHIN: &str = "requests";

/// A request for a provider.
pub(super) struct Drafted {
    pub(super) call: Call,
    pub(super) models: Models,
}

/// The models that a request names.
pub(super) struct Models {
    /// All of them.
    pub(super) names: Vec<String>,
    /// Whether they are what is asked for: the path names one, or the body does at a path where that is known to count.
    pub(super) is_known: bool,
}

/// The call, as its path and its body tell it.
pub(super) fn drafted(
    outlet: &Outlet<'_>,
    way: &Way,
    caller: &Caller,
    (parts, body, received): (&Parts, Bytes, Instant),
) -> Result<Drafted, Problem> {
    let body = Frames::from(body);
    let known = outlet.known(&way.rest).filter(|_| ![Method::GET, Method::DELETE].contains(&parts.method));
    let content = content(&body, &parts.headers, known.as_ref())?;
    let field = known.as_ref().map_or(Some("model"), |known| known.field);
    let said = match (&content, field) {
        (Content::Json(outline), Some(field)) => outline.read::<String>(&body, field).ok().flatten(),
        // A field that is there twice counts for some the first time, for others the last.
        (Content::Form(kind), Some(field)) if is_form(kind) => multipart::field(&body, kind, field)?,
        (Content::Json(_) | Content::Form(_), _) => None,
    };
    let said = said.filter(|model| !model.is_empty()).map(|model| here::plain(model, outlet.provider));
    let named = match known.as_ref().and_then(|known| known.model.clone()) {
        Some(model) => vec![model],
        None => outlet.named(&way.rest),
    };
    let named: Vec<String> = named.into_iter().map(|model| here::plain(model, outlet.provider)).collect();
    check(known.as_ref(), &named, said.as_deref())?;
    let asked = match &content {
        Content::Json(outline) => outline.read::<bool>(&body, "stream").ok().flatten().unwrap_or(false),
        Content::Form(_) => false,
    };
    let mut models = models(&named, said.as_ref().filter(|_| known.is_some()), further(&content, &body), outlet.provider);
    if known.as_ref().is_some_and(|known| known.shape == Some(JOB)) {
        models.is_known |= names_all(&body.join());
    }
    let call = Call {
        id: crate::id::of_call(),
        door: door(outlet.provider, known.as_ref()),
        principal: caller.principal.clone(),
        model_in_path: !named.is_empty(),
        model: named.into_iter().next().or(said).unwrap_or_default(),
        stream: asked || known.is_some_and(|known| known.streamed),
        headers: tagged(&parts.headers),
        body,
        content,
        strict: false,
        lenient: false,
        received,
        created: unix_seconds(),
        mentioned: Default::default(),
        laid: Default::default(),
    };
    Ok(Drafted { call, models })
}

/// What the body is. What is read must be JSON, or a form, that can be read in one way alone.
fn content(body: &Frames, headers: &HeaderMap, known: Option<&Known>) -> Result<Content, Problem> {
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or("application/octet-stream").to_owned();
    match (Outline::scan(body), known) {
        (Ok(outline), _) => Ok(Content::Json(outline)),
        (Err(malformed), Some(known)) if known.operation == Operation::Chat || !is_form(&kind) => Err(malformed.into()),
        (Err(_), _) => Ok(Content::Form(kind)),
    }
}

fn is_form(kind: &str) -> bool {
    kind.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

/// Refuses an image of nobody's: where no model is named its provider takes one of its own, and what that costs is not known.
fn check(known: Option<&Known>, named: &[String], said: Option<&str>) -> Result<(), Problem> {
    let draws = |known: &Known| {
        matches!(known.operation, Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations | Operation::Speech)
    };
    match known {
        Some(known) if draws(known) && named.is_empty() && said.is_none() => {
            Err(Problem::new(Kind::BadRequest, "the request names no model").with_param("model"))
        }
        _ => Ok(()),
    }
}

/// The models of a request: what its path names, what its body says where that counts, and those that may come in their place.
fn models(named: &[String], said: Option<&String>, further: Vec<String>, provider: &Provider) -> Models {
    let is_known = !named.is_empty() || said.is_some();
    let further = further.into_iter().map(|model| here::plain(model, provider));
    let mut names: Vec<String> = named.iter().chain(said).cloned().chain(further).collect();
    names.dedup();
    Models { names, is_known }
}

/// Whether every request of a job stands in its body, with its model.
fn names_all(body: &[u8]) -> bool {
    let names = |asked: job::Asked| asked.files.is_empty() && !asked.is_more && asked.requests.iter().all(|one| one.model.is_some());
    job::asked(body).is_some_and(names)
}

/// The models that a body names beside its own.
fn further(content: &Content, body: &Frames) -> Vec<String> {
    let Content::Json(outline) = content else { return Vec::new() };
    let list = |field: &str| match outline.read::<Value>(body, field).ok().flatten() {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let own = |value: &Value| value.get("model").and_then(Value::as_str).map(str::to_owned);
    let instead = INSTEAD.into_iter().flat_map(list).filter_map(|one| one.as_str().map(str::to_owned).or_else(|| own(&one)));
    let within = list(WITHIN).into_iter().flat_map(|one| [own(&one), one.get("params").and_then(own), one.get("body").and_then(own)]);
    instead.chain(within.flatten()).collect()
}

/// A chat in the provider's own format, if it has one.
pub(super) fn chat(provider: &Provider) -> Option<Door> {
    let dialect = provider.chat.first().copied()?;
    Some(Door { operation: Operation::Chat, dialect, ..DOOR })
}

/// What it is asked for, and how its client is told what goes wrong.
pub(super) fn door(provider: &Provider, known: Option<&Known>) -> Door {
    let spoken = known.and_then(|known| known.dialect).or_else(|| provider.chat.first().copied());
    match known {
        Some(Known { operation: Operation::Chat, dialect, .. }) => {
            let spoken = dialect.or(spoken).unwrap_or(Dialect::OpenAiChat);
            Door { operation: Operation::Chat, dialect: spoken, shape: dialect.map_or(OWN_FORM, |_| DOOR.shape), ..DOOR }
        }
        Some(known) if known.operation != Operation::PassThrough => {
            Door { operation: known.operation, shape: known.shape.unwrap_or(DOOR.shape), ..DOOR }
        }
        known => {
            let dialect = spoken.filter(|spoken| spoken.inbound().is_some()).unwrap_or(Dialect::OpenAiChat);
            Door { dialect, shape: known.and_then(|known| known.shape).unwrap_or(DOOR.shape), ..DOOR }
        }
    }
}

/// The headers, with tags where all calls have them.
fn tagged(headers: &HeaderMap) -> HeaderMap {
    let [named, usual] = TAGS;
    let mut headers = headers.clone();
    if let Some(tags) = headers.get(&named).cloned().filter(|_| !headers.contains_key(&usual)) {
        headers.insert(usual, tags);
    }
    headers
}
