//! Errors: what providers of this API send, and what its clients expect.
//!
//! The same words as chat completions use; what differs is the event of a stream. Clients built on OpenAI's libraries raise an
//! exception for any event with an `error` in it and pass over `response.failed`, typed ones want the flat fields of the
//! documentation: the event written here has both.

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use super::content::{is_string, string};
use crate::dialect::Flavor;
use crate::fields::Fields;
use crate::json::{self, Object};
use crate::problem::{Fault, Kind, Problem};

/// The longest message taken from a body that is not JSON.
const MAX_PLAIN: usize = 500;

/// What an error says.
#[derive(Debug, Default)]
struct Said {
    message: Option<String>,
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
}

/// Reads an error answer.
pub(super) fn read_fault(status: StatusCode, body: &[u8]) -> Fault {
    let said = serde_json::from_slice::<&RawValue>(body).ok().map(|raw| read_said(raw, 0)).unwrap_or_default();
    let message = said.message.clone().unwrap_or_else(|| plain_message(status, body));
    fault(said, message, Some(status), body)
}

/// Reads the error object of an event or of a failed answer.
pub(super) fn read_error(raw: Option<&RawValue>, body: &[u8]) -> Fault {
    let said = raw.map(|raw| read_said(raw, 0)).unwrap_or_default();
    let message = said.message.clone().unwrap_or_else(|| "the provider reported an error without saying which".to_owned());
    let status = said.code.as_deref().and_then(|code| code.parse().ok()).and_then(|code| StatusCode::from_u16(code).ok());
    fault(said, message, status.filter(|status| status.as_u16() >= 400), body)
}

/// How deep an error may be wrapped.
const MAX_WRAPS: usize = 4;

fn read_said(raw: &RawValue, depth: usize) -> Said {
    if is_string(raw) {
        return Said { message: string(raw).ok(), ..Said::default() };
    }
    let Ok(mut fields) = Fields::nested(raw) else { return Said::default() };
    let wrapped = fields.take_raw("error").filter(|raw| raw.get() != "null" && depth < MAX_WRAPS);
    let mut said = wrapped.map(|raw| read_said(raw, depth + 1)).unwrap_or_default();
    for key in ["message", "detail", "msg"] {
        if let (None, Some(raw)) = (&said.message, fields.take_raw(key).filter(|raw| raw.get() != "null")) {
            said.message = string(raw).ok().or_else(|| Some(raw.get().to_owned()));
        }
    }
    said.code = said.code.or_else(|| word(fields.take_raw("code")));
    said.kind = said.kind.or_else(|| word(fields.take_raw("type")));
    said.param = said.param.or_else(|| word(fields.take_raw("param")));
    said
}

/// A word or a number, as text.
fn word(raw: Option<&RawValue>) -> Option<String> {
    let raw = raw.filter(|raw| raw.get() != "null")?;
    if is_string(raw) { string(raw).ok() } else { Some(raw.get().to_owned()) }
}

/// A body that is not JSON: its text, unless it is a page.
fn plain_message(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() || text.starts_with(['<', '{', '[']) {
        return format!("the provider answered with status {}", status.as_u16());
    }
    text.chars().take(MAX_PLAIN).collect()
}

fn fault(said: Said, message: String, status: Option<StatusCode>, body: &[u8]) -> Fault {
    let kind = classify(&said, &message, status.map(Kind::of_status));
    let code = said.code.or(said.kind.filter(|kind| kind != "error"));
    Fault { kind, status, message, code, param: said.param, raw: Bytes::copy_from_slice(body) }
}

/// What kind of failure it is: the code and the words say more than the status.
fn classify(said: &Said, message: &str, by_status: Option<Kind>) -> Kind {
    let words = [said.code.as_deref(), said.kind.as_deref()].map(|word| word.unwrap_or_default().to_ascii_lowercase());
    let text = message.to_ascii_lowercase();
    let by_word = BY_WORD.iter().find(|(names, _)| words.iter().any(|word| names.contains(&word.as_str()))).map(|(_, kind)| *kind);
    if text.contains("incorrect api key") || text.contains("invalid api key") {
        return Kind::Unauthenticated;
    }
    match (by_word, by_status) {
        (Some(kind @ (Kind::Filtered | Kind::BudgetSpent)), _) => kind,
        // A word is more exact than a bare 400 or 500; any other status is more exact than a word.
        (Some(kind), None | Some(Kind::BadRequest | Kind::Upstream)) => kind,
        (_, Some(kind)) => kind,
        (None, None) => Kind::Upstream,
    }
}

const BY_WORD: &[(&[&str], Kind)] = &[
    (&["content_filter", "content_policy_violation", "moderation_blocked", "image_content_policy_violation", "bio_policy"], Kind::Filtered),
    (&["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"], Kind::BudgetSpent),
    (&["model_not_found", "deploymentnotfound", "not_found", "not_found_error"], Kind::NotFound),
    (&["invalid_api_key", "authentication_error", "unauthenticated"], Kind::Unauthenticated),
    (&["permission_denied", "permission_error"], Kind::Forbidden),
    (&["rate_limit_exceeded", "rate_limit_error", "too_many_requests"], Kind::RateLimited),
    (&["overloaded_error", "engine_overloaded", "service_unavailable", "service_unavailable_error", "slow_down"], Kind::Overloaded),
    (&["timeout", "timeout_error", "vector_store_timeout"], Kind::Timeout),
    (&["context_length_exceeded", "invalid_prompt", "invalid_request_error", "invalid_image", "image_parse_error"], Kind::BadRequest),
];

/// OpenAI's name of a kind of error.
fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::BadRequest | Kind::NotFound | Kind::TooLarge | Kind::Unsupported | Kind::Filtered => "invalid_request_error",
        Kind::Unauthenticated => "authentication_error",
        Kind::Forbidden => "permission_denied",
        Kind::RateLimited => "rate_limit_error",
        Kind::BudgetSpent => "budget_exceeded",
        Kind::Overloaded => "service_unavailable_error",
        Kind::Timeout => "timeout_error",
        Kind::Upstream => "api_error",
        Kind::Internal => "internal_server_error",
    }
}

/// OpenRouter's status for a kind of error.
fn openrouter_status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::BudgetSpent => StatusCode::PAYMENT_REQUIRED,
        Kind::Filtered => StatusCode::FORBIDDEN,
        Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
        other => other.status(),
    }
}

fn status_of(problem: &Problem, flavor: Flavor) -> StatusCode {
    problem.status.unwrap_or_else(|| match flavor {
        Flavor::OpenAi => problem.kind.status(),
        Flavor::OpenRouter => openrouter_status(problem.kind),
    })
}

/// Writes an error in place of an answer.
pub(super) fn write_problem(problem: &Problem, flavor: Flavor) -> (StatusCode, Vec<u8>) {
    let status = status_of(problem, flavor);
    (status, json::object(|object| write_error(object, problem, flavor)))
}

/// Writes an error inside a stream, as the event of that number.
pub(super) fn write_stream_problem(problem: &Problem, flavor: Flavor, number: u64) -> Vec<u8> {
    let mut out = b"event: error\ndata: ".to_vec();
    json::write_object(&mut out, |object| {
        object.field("type", "error");
        object.field("sequence_number", &number);
        object.field("code", &code_of(problem, flavor));
        object.field("message", &problem.message);
        object.field("param", &problem.param);
        write_error(object, problem, flavor);
    });
    out.extend_from_slice(b"\n\n");
    out
}

fn code_of(problem: &Problem, flavor: Flavor) -> String {
    problem.code.clone().unwrap_or_else(|| status_of(problem, flavor).as_u16().to_string())
}

fn write_error(object: &mut Object<'_>, problem: &Problem, flavor: Flavor) {
    object.object("error", |error| match flavor {
        Flavor::OpenAi => {
            error.field("message", &problem.message);
            error.field("type", openai_type(problem.kind));
            error.field("param", &problem.param);
            error.field("code", &code_of(problem, flavor));
        }
        Flavor::OpenRouter => {
            error.field("code", &status_of(problem, flavor).as_u16());
            error.field("message", &problem.message);
            error.object("metadata", |metadata| {
                metadata.option("provider_name", problem.provider.as_ref());
                metadata.option("provider_code", problem.code.as_ref().filter(|_| problem.provider.is_some()));
                metadata.option("raw", problem.raw.as_ref());
            });
        }
    });
}
