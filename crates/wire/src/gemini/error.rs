//! Errors: `{"error": {"code", "message", "status", "details"}}`, with the statuses of `google.rpc.Code`.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::json;
use crate::overflow;
use crate::problem::{Fault, Kind, Problem};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sent {
    code: Option<u16>,
    message: Option<String>,
    status: Option<String>,
    details: Option<Vec<Detail>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    reason: Option<String>,
    field_violations: Option<Vec<Violation>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Violation {
    field: Option<String>,
}

/// An error's envelope; Google's sign-in service names the error in plain text instead.
#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
    error_description: Option<String>,
}

/// The kind a status of `google.rpc.Code` stands for.
fn kind_of_status(status: &str) -> Option<Kind> {
    Some(match status {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "ALREADY_EXISTS" | "ABORTED" => Kind::BadRequest,
        "UNAUTHENTICATED" => Kind::Unauthenticated,
        "PERMISSION_DENIED" => Kind::Forbidden,
        "NOT_FOUND" => Kind::NotFound,
        "RESOURCE_EXHAUSTED" => Kind::RateLimited,
        "UNAVAILABLE" => Kind::Overloaded,
        "DEADLINE_EXCEEDED" => Kind::Timeout,
        "UNIMPLEMENTED" => Kind::Unsupported,
        // `UNKNOWN` says nothing: the answer's own status says more.
        "INTERNAL" | "DATA_LOSS" | "CANCELLED" => Kind::Upstream,
        _ => return None,
    })
}

/// Reads an error answer: an object, the same in an array (streams without `alt=sse`), or whatever stands there instead.
pub(super) fn read_fault(status: StatusCode, body: &[u8]) -> Fault {
    let text = body.trim_ascii();
    let found = serde_json::from_slice::<Envelope<'_>>(text)
        .ok()
        .or_else(|| serde_json::from_slice::<Vec<Envelope<'_>>>(text).ok().and_then(|list| list.into_iter().next()));
    let mut fault = match found {
        Some(envelope) => read_error(envelope.error, envelope.error_description, Some(status)),
        None => Fault {
            kind: Kind::of_status(status),
            status: None,
            message: plain_message(status, text),
            code: None,
            param: None,
            raw: Bytes::new(),
        },
    };
    fault.status = Some(status);
    fault.raw = Bytes::copy_from_slice(body);
    fault
}

/// Reads the error that broke a stream off.
pub(super) fn fault_in_stream(error: &RawValue) -> Fault {
    let mut fault = read_error(error, None, None);
    let body = json::object(|out| out.raw("error", error.get()));
    fault.raw = Bytes::from(body);
    fault
}

fn read_error(error: &RawValue, description: Option<String>, status: Option<StatusCode>) -> Fault {
    let fallback = |status: Option<StatusCode>| status.map_or(Kind::Upstream, Kind::of_status);
    let Ok(sent) = serde_json::from_str::<Sent>(error.get()) else {
        let name = serde_json::from_str::<String>(error.get()).unwrap_or_else(|_| error.get().to_owned());
        let message = description.unwrap_or_else(|| name.clone());
        return Fault { kind: fallback(status), status: None, message, code: Some(name), param: None, raw: Bytes::new() };
    };
    let message = sent.message.unwrap_or_default();
    let details = sent.details.unwrap_or_default();
    let status = status.or_else(|| sent.code.and_then(|code| StatusCode::from_u16(code).ok()));
    let kind = sent.status.as_deref().and_then(kind_of_status).unwrap_or_else(|| fallback(status));
    let reasons: Vec<&str> = details.iter().filter_map(|detail| detail.reason.as_deref()).collect();
    let kind = refine(kind, &message, &reasons);
    let too_long = matches!(kind, Kind::BadRequest | Kind::TooLarge) && overflow::is_said(&message);
    let kind = if too_long { Kind::BadRequest } else { kind };
    let violations = details.iter().filter_map(|detail| detail.field_violations.as_ref()).flatten();
    let param = violations.filter_map(|violation| violation.field.clone()).next();
    let code = sent.status.or_else(|| sent.code.map(|code| code.to_string()));
    let code = if too_long { Some(overflow::CODE.to_owned()) } else { code };
    Fault { kind, status: None, message, code, param, raw: Bytes::new() }
}

/// Tells apart what Google puts under one status.
fn refine(kind: Kind, message: &str, reasons: &[&str]) -> Kind {
    let says = |words: &str| message.contains(words);
    match kind {
        Kind::BadRequest if reasons.contains(&"API_KEY_INVALID") || says("API key not valid") || says("API key expired") => {
            Kind::Unauthenticated
        }
        // A quota that fills up again is a rate; credits that are used up are not.
        Kind::RateLimited if says("credits are depleted") || says("spending cap") || says("spend cap") => Kind::BudgetSpent,
        Kind::Forbidden if reasons.contains(&"BILLING_DISABLED") => Kind::BudgetSpent,
        Kind::BadRequest if says("request payload size exceeds") => Kind::TooLarge,
        kind => kind,
    }
}

fn plain_message(status: StatusCode, text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    if text.is_empty() || text.starts_with('<') {
        format!("the provider answered with status {}", status.as_u16())
    } else {
        text.chars().take(500).collect()
    }
}

/// The status of `google.rpc.Code` for each kind.
fn rpc_status(kind: Kind) -> &'static str {
    match kind {
        Kind::BadRequest | Kind::TooLarge | Kind::Unsupported | Kind::Filtered => "INVALID_ARGUMENT",
        Kind::Unauthenticated => "UNAUTHENTICATED",
        Kind::Forbidden => "PERMISSION_DENIED",
        Kind::NotFound => "NOT_FOUND",
        Kind::RateLimited => "RESOURCE_EXHAUSTED",
        Kind::BudgetSpent => "FAILED_PRECONDITION",
        Kind::Overloaded => "UNAVAILABLE",
        Kind::Timeout => "DEADLINE_EXCEEDED",
        Kind::Upstream | Kind::Internal => "INTERNAL",
    }
}

/// Writes an error as the body of an answer.
pub(super) fn write_problem(problem: &Problem) -> (StatusCode, Vec<u8>) {
    let too_long = problem.code.as_deref() == Some(overflow::CODE);
    let status = if too_long { StatusCode::BAD_REQUEST } else { problem.status() };
    let message = overflow::told(Dialect::Gemini, problem.code.as_deref(), &problem.message);
    let body = json::object(|out| {
        out.object("error", |out| {
            out.field("code", &status.as_u16());
            out.field("message", &message);
            out.field("status", rpc_status(problem.kind));
            out.array("details", |out| write_details(problem, out));
            out.option("availability", problem.availability.as_deref());
        });
    });
    (status, body)
}

fn write_details(problem: &Problem, out: &mut json::Array<'_>) {
    if let Some(code) = &problem.code {
        out.object(|out| {
            out.field("@type", "type.googleapis.com/google.rpc.ErrorInfo");
            out.field("reason", code);
            out.field("domain", problem.provider.as_deref().unwrap_or("switchboard"));
        });
    }
    if let Some(param) = &problem.param {
        out.object(|out| {
            out.field("@type", "type.googleapis.com/google.rpc.BadRequest");
            out.array("fieldViolations", |out| {
                out.object(|out| {
                    out.field("field", param);
                    out.field("description", &problem.message);
                });
            });
        });
    }
    if let Some(after) = problem.retry_after {
        out.object(|out| {
            out.field("@type", "type.googleapis.com/google.rpc.RetryInfo");
            out.field("retryDelay", &format!("{}s", after.as_millis().div_ceil(1000)));
        });
    }
}

/// Writes an error as an event of a stream.
pub(super) fn write_stream_problem(problem: &Problem) -> Vec<u8> {
    let (_, body) = write_problem(problem);
    let mut out = Vec::with_capacity(body.len() + 10);
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&body);
    out.extend_from_slice(b"\r\n\r\n");
    out
}
