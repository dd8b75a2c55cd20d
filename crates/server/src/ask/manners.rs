//! What an operator wants added to requests, and to what is answered (`general_settings`).

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::call::conversation::session_said;
use switchboard_engine::call::{CALL_ID, Call, Content};
use switchboard_engine::forwarding;
use switchboard_engine::own::{OwnKey, OwnKeys};
use switchboard_engine::principal::Principal;
use switchboard_engine::sign::Secret;
use switchboard_engine::wire::Dialect;
use switchboard_engine::wire::outline::Edits;

use crate::answered::Answered;
use crate::config::Config;
use crate::config::resolved::{Manners, Sessions};
use crate::refused::Refused;

/// Where sessions are written down from.
const SESSION: HeaderName = HeaderName::from_static("x-litellm-session-id");
/// Headers that name a session, beside those of vendors (`x-…-session-id`).
const SESSIONS: [&str; 4] = ["x-litellm-session-id", "x-litellm-trace-id", "x-session-id", "session-id"];
/// What a vendor's header of a session ends in.
const VENDORS: &str = "-session-id";

/// The call as the operator wants it: of a session, with its usage, with the key that its caller brings along.
pub(super) fn shaped(call: Call, config: &Config) -> Result<Call, Refused> {
    let manners = &config.general.manners;
    let call = if manners.leave_requests() { call } else { with_usage(of_session(call, manners.sessions)?, manners)? };
    let forwarding = &config.general.forwarding;
    if forwarding.is_idle() && !forwarding.credentials {
        return Ok(call);
    }
    let token = forwarding::brought_token(&call.headers).map(|token| brought(token, true));
    let key = || forwarding::brought_key(&call.headers).filter(|_| forwarding.credentials)?.to_str().ok().map(|key| brought(key, false));
    Ok(match token.or_else(key) {
        Some(key) => with_key(key, call),
        None => call,
    })
}

fn of_session(mut call: Call, sessions: Sessions) -> Result<Call, Refused> {
    if sessions == Sessions::Missing || is_of_session(&call.headers) {
        return Ok(call);
    }
    let said = session_said(&call);
    if said.is_none() && sessions == Sessions::Required {
        let message = "Request has no session id. Send an `x-litellm-session-id` header or `metadata.session_id`. Required by \
                       `general_settings.missing_session_id: reject`.";
        return Err(Refused::new(400, "bad_request_error", json!("session_id"), message));
    }
    let session = said.unwrap_or_else(crate::id::mint);
    if let Ok(value) = HeaderValue::try_from(session) {
        call.headers.insert(SESSION, value);
    }
    Ok(call)
}

fn is_of_session(headers: &HeaderMap) -> bool {
    let vendors = |name: &HeaderName| name.as_str().starts_with("x-") && name.as_str().ends_with(VENDORS);
    headers.iter().any(|(name, value)| !value.is_empty() && (SESSIONS.contains(&name.as_str()) || vendors(name)))
}

/// A stream says at its end what it took, unless its client has said whether it should.
fn with_usage(call: Call, manners: &Manners) -> Result<Call, Refused> {
    const OPTIONS: &str = "stream_options";
    let is_chat = matches!(call.door.dialect, Dialect::OpenAiChat | Dialect::OpenAiCompletions);
    let (true, Content::Json(outline)) = (manners.stream_usage && call.stream && is_chat, &call.content) else { return Ok(call) };
    let mut options: Map<String, Value> = match outline.read(&call.body, OPTIONS) {
        Ok(options) => options.unwrap_or_default(),
        // What is no map is for the provider to refuse.
        Err(_) => return Ok(call),
    };
    if options.contains_key("include_usage") {
        return Ok(call);
    }
    options.insert("include_usage".to_owned(), Value::Bool(true));
    let edits = Edits { set: vec![(OPTIONS.to_owned(), Value::Object(options).to_string())], ..Edits::default() };
    call.edited(&edits).map_err(|malformed| Refused::bad(malformed.to_string()))
}

/// A key that is for any provider, or the token of a subscription, which is for its own.
fn brought(secret: &str, is_token: bool) -> OwnKey {
    let (id, provider) = if is_token { ("authorization", "anthropic") } else { ("x-api-key", "") };
    let (id, provider, secret) = (id.to_owned(), provider.to_owned(), Secret::from(secret));
    OwnKey { id, provider, secret, is_fallback: false, models: None, is_token }
}

/// The same with a key of its caller's in place of the gateway's.
fn with_key(key: OwnKey, mut call: Call) -> Call {
    let keys = OwnKeys { keys: Vec::new(), counts: true, instead: Some(Arc::new(key)) };
    call.principal = Arc::new(Principal { own_keys: Some(Arc::new(keys)), ..Principal::clone(&call.principal) });
    call
}

/// Whether a whole answer is longer than the operator lets it be, and what its client is told then.
pub(super) fn too_long(body: &AnswerBody, manners: &Manners) -> Option<Refused> {
    const MEGABYTE: f64 = 1024.0 * 1024.0;
    let (Some(most), AnswerBody::Whole(Some(body))) = (manners.max_response, body) else { return None };
    let size = body.len() as f64 / MEGABYTE;
    let message = || format!("Response size is too large. Response size is {size} MB. Max size is {most} MB");
    (size > most).then(|| Refused::new(400, "bad_request_error", json!("content-length"), message()))
}

/// An error that says which call it was.
pub(super) fn naming_call(mut refused: Answered) -> Answered {
    let id = refused.headers().get(CALL_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let is_json = refused.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if let (Some(id), true, AnswerBody::Whole(Some(body))) = (id, is_json, refused.body_mut())
        && let Ok(mut told) = serde_json::from_slice::<Value>(body)
        && let Some(error) = told.get_mut("error").and_then(Value::as_object_mut)
    {
        error.insert("litellm_call_id".to_owned(), Value::String(id));
        *body = told.to_string().into();
    }
    refused
}
