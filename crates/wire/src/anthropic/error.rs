//! Errors, in the vendor's words and statuses.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::dialect::{Dialect, Flavor};
use crate::json;
use crate::openai_chat::error::{error_type, write_account};
use crate::overflow;
use crate::problem::{Fault, Kind, Problem};

/// The vendor's word and status for a kind.
fn row(kind: Kind) -> (&'static str, StatusCode) {
    match kind {
        Kind::BadRequest | Kind::Unsupported | Kind::Filtered => ("invalid_request_error", StatusCode::BAD_REQUEST),
        Kind::Unauthenticated => ("authentication_error", StatusCode::UNAUTHORIZED),
        Kind::BudgetSpent => ("billing_error", StatusCode::PAYMENT_REQUIRED),
        Kind::Forbidden => ("permission_error", StatusCode::FORBIDDEN),
        Kind::NotFound => ("not_found_error", StatusCode::NOT_FOUND),
        Kind::TooLarge => ("request_too_large", StatusCode::PAYLOAD_TOO_LARGE),
        Kind::RateLimited => ("rate_limit_error", StatusCode::TOO_MANY_REQUESTS),
        Kind::Overloaded => ("overloaded_error", overloaded()),
        Kind::Timeout => ("timeout_error", StatusCode::GATEWAY_TIMEOUT),
        Kind::Upstream => ("api_error", StatusCode::BAD_GATEWAY),
        Kind::Internal => ("api_error", StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// 529, which only this vendor uses.
fn overloaded() -> StatusCode {
    StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// The kind of one of the vendor's words.
fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "invalid_request_error" => Kind::BadRequest,
        "authentication_error" => Kind::Unauthenticated,
        "billing_error" => Kind::BudgetSpent,
        "permission_error" => Kind::Forbidden,
        "not_found_error" => Kind::NotFound,
        "request_too_large" => Kind::TooLarge,
        "rate_limit_error" => Kind::RateLimited,
        "overloaded_error" => Kind::Overloaded,
        "timeout_error" => Kind::Timeout,
        "api_error" => Kind::Upstream,
        _ => return None,
    })
}

/// The kind of an exception of Bedrock's, which wraps the same models.
fn kind_of_exception(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    let table = [
        ("throttling", Kind::RateLimited),
        ("servicequotaexceeded", Kind::RateLimited),
        ("validation", Kind::BadRequest),
        ("accessdenied", Kind::Forbidden),
        ("unrecognizedclient", Kind::Unauthenticated),
        ("expiredtoken", Kind::Unauthenticated),
        ("resourcenotfound", Kind::NotFound),
        ("modeltimeout", Kind::Timeout),
        ("modelnotready", Kind::Overloaded),
        ("serviceunavailable", Kind::Overloaded),
        ("modelstreamerror", Kind::Upstream),
        ("modelerror", Kind::Upstream),
        ("internalserver", Kind::Upstream),
    ];
    table.into_iter().find(|(start, _)| lower.starts_with(start)).map(|(_, kind)| kind)
}

/// Writes an error in place of an answer.
pub(super) fn write(problem: &Problem, flavor: Flavor) -> (StatusCode, Vec<u8>) {
    let (_, status) = row(problem.kind);
    let status = if problem.code.as_deref() == Some(overflow::CODE) { status } else { problem.status.unwrap_or(status) };
    (status, body(problem, flavor))
}

/// Writes an error inside a stream.
pub(super) fn write_event(problem: &Problem, flavor: Flavor) -> Vec<u8> {
    let mut out = b"event: error\ndata: ".to_vec();
    out.extend_from_slice(&body(problem, flavor));
    out.extend_from_slice(b"\n\n");
    out
}

fn body(problem: &Problem, flavor: Flavor) -> Vec<u8> {
    let (word, _) = row(problem.kind);
    json::object(|out| {
        out.text("type", "error");
        out.object("error", |out| {
            out.field("type", word);
            out.field("message", &overflow::told(Dialect::Anthropic, problem.code.as_deref(), &problem.message));
            if flavor == Flavor::OpenRouter {
                out.text("error_type", error_type(problem));
            }
            out.option("availability", problem.availability.as_deref());
        });
        // OpenRouter's clients expect the field; what would stand in it is the vendor's own.
        if flavor == Flavor::OpenRouter {
            out.raw("request_id", "null");
        }
        write_account(out, problem);
    })
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Cow<'a, str>,
    error: Option<Inner>,
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "__type")]
    exception: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Inner {
    Object {
        #[serde(rename = "type")]
        kind: Option<String>,
        message: Option<String>,
        status: Option<String>,
        param: Option<String>,
        details: Option<Details>,
    },
    Text(String),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Details {
    Object { error_code: Option<String> },
    Other(serde::de::IgnoredAny),
}

fn envelope(body: &[u8]) -> Option<Envelope<'_>> {
    serde_json::from_slice(body).ok().or_else(|| {
        // Vertex wraps the errors of streamed calls in a list.
        let mut list: Vec<Envelope<'_>> = serde_json::from_slice(body).ok()?;
        (!list.is_empty()).then(|| list.swap_remove(0))
    })
}

/// Whether that is an error in the vendor's own form; clouds that serve its models have others.
pub(super) fn is_own(body: &[u8]) -> bool {
    serde_json::from_slice::<Envelope<'_>>(body).is_ok_and(|found| found.kind == "error" && found.error.is_some())
}

/// An error in place of an answer though the status says success.
pub(super) fn read_inside(body: &[u8]) -> Option<Fault> {
    let found = envelope(body)?;
    let is_error = found.kind == "error" || (found.kind.is_empty() && found.error.is_some());
    is_error.then(|| fault(None, "", found, body))
}

/// Reads an error event, or an exception of an event stream of Amazon's.
pub(super) fn read_event(name: &str, payload: &[u8]) -> Fault {
    match envelope(payload) {
        Some(found) => fault(None, name, found, payload),
        None => plain(None, name, payload),
    }
}

/// Reads an error answer.
pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
    let exception = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match envelope(body) {
        Some(found) => fault(Some(status), exception, found, body),
        None => plain(Some(status), exception, body),
    }
}

fn plain(status: Option<StatusCode>, exception: &str, body: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let message = match status {
        _ if !text.is_empty() && !text.starts_with('<') => text.chars().take(1000).collect(),
        Some(status) => format!("the provider answered with status {}", status.as_u16()),
        None => "the provider reported an error without a message".to_owned(),
    };
    finish(Fault {
        kind: kind_of_exception(exception).or(status.map(Kind::of_status)).unwrap_or(Kind::Upstream),
        status,
        message,
        code: (!exception.is_empty()).then(|| exception.to_owned()),
        param: None,
        raw: Bytes::copy_from_slice(body),
    })
}

fn fault(status: Option<StatusCode>, exception: &str, found: Envelope<'_>, body: &[u8]) -> Fault {
    let exception = found.exception.as_deref().map_or(exception, |name| name.rsplit('#').next().unwrap_or(name));
    let (word, message, param, detail) = match found.error {
        Some(Inner::Object { kind, message, status, param, details }) => {
            let detail = details.and_then(|details| match details {
                Details::Object { error_code } => error_code,
                Details::Other(_) => None,
            });
            (kind.or(status), message, param, detail)
        }
        Some(Inner::Text(text)) => (None, Some(text), None, None),
        Some(Inner::Other(_)) | None => (None, None, None, None),
    };
    let Some(message) = message.or(found.message) else {
        return plain(status, exception, body);
    };
    let of_word = word.as_deref().and_then(|word| kind_of(word).or_else(|| kind_of_google(word)));
    // A proxy in between may say `api_error` with a status that tells more.
    let of_status = status.map(Kind::of_status);
    let kind = match (of_word, of_status) {
        (Some(Kind::Upstream | Kind::BadRequest), Some(more)) => more,
        (Some(kind), _) => kind,
        (None, other) => kind_of_exception(exception).or(other).unwrap_or(Kind::Upstream),
    };
    let code = detail.or(word).or_else(|| (!exception.is_empty()).then(|| exception.to_owned()));
    finish(Fault { kind, status, message, code, param, raw: Bytes::copy_from_slice(body) })
}

fn kind_of_google(word: &str) -> Option<Kind> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => Kind::BadRequest,
        "UNAUTHENTICATED" => Kind::Unauthenticated,
        "PERMISSION_DENIED" => Kind::Forbidden,
        "NOT_FOUND" => Kind::NotFound,
        "RESOURCE_EXHAUSTED" => Kind::RateLimited,
        "UNAVAILABLE" => Kind::Overloaded,
        "DEADLINE_EXCEEDED" => Kind::Timeout,
        "INTERNAL" => Kind::Upstream,
        _ => return None,
    })
}

/// What only the message tells.
fn finish(mut fault: Fault) -> Fault {
    let lower = fault.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let spent = ["credit balance is too low", "enforced_spend_limit_reached", "specified api usage limits"];
    if says(&spent) || memchr::memmem::find(&fault.raw, b"enforced_spend_limit_reached").is_some() {
        fault.kind = Kind::BudgetSpent;
    } else if matches!(fault.kind, Kind::BadRequest | Kind::TooLarge) && (overflow::is_said(&lower) || says(&["prompt: length"])) {
        fault.kind = Kind::BadRequest;
        fault.code = Some(overflow::CODE.to_owned());
    } else if fault.kind == Kind::BadRequest && says(&["blocked by content filtering", "content filtering policy"]) {
        fault.kind = Kind::Filtered;
    }
    fault
}
