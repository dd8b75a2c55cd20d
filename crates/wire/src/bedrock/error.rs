//! Errors as this API reports them: a type in a header (or a stream event's name) and a message.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::overflow;
use crate::problem::{Fault, Kind, in_words};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "originalMessage")]
    original: Option<String>,
    #[serde(rename = "__type", alias = "code")]
    kind: Option<String>,
}

/// Reads an error answer.
pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
    let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    Fault { status: Some(status), ..of(header, Kind::of_status(status), body) }
}

/// Reads an exception in a stream; `name` is its type.
pub(super) fn in_stream(name: &str, payload: &[u8]) -> Fault {
    of(Some(name), Kind::Upstream, payload)
}

/// A success that holds no answer: its body says why, if anything does.
pub(super) fn in_success(body: &[u8]) -> Option<Fault> {
    let fault = of(None, Kind::Upstream, body);
    (fault.code.is_some() || serde_json::from_slice::<Body>(body).is_ok_and(|body| body.message.is_some())).then_some(fault)
}

fn of(name: Option<&str>, otherwise: Kind, bytes: &[u8]) -> Fault {
    let body = serde_json::from_slice::<Body>(bytes).unwrap_or_default();
    let name = name.map(str::to_owned).or(body.kind);
    // `ValidationException:http://internal.amazon.com/…`, `com.amazon.coral.service#ThrottlingException`
    let name = name.map(|name| name.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default().to_owned());
    let name = name.filter(|name| !name.is_empty());
    let message = body.message.filter(|text| !text.is_empty()).or(body.original);
    let message = message.unwrap_or_else(|| in_words(bytes));
    let kind = name.as_deref().and_then(kind_of).unwrap_or(otherwise);
    let kind = refine(kind, &message);
    let code = if is_too_long(kind, &message) { Some(overflow::CODE.to_owned()) } else { name };
    Fault { kind, status: None, message, code, param: None, raw: Bytes::copy_from_slice(bytes) }
}

/// The kind of an exception. In streams the names begin with a small letter.
fn kind_of(name: &str) -> Option<Kind> {
    Some(match name.to_ascii_lowercase().trim_end_matches("exception") {
        "validation" | "serialization" | "conflict" | "malformedquerystring" | "invalidrequest" => Kind::BadRequest,
        "unrecognizedclient"
        | "invalidsignature"
        | "incompletesignature"
        | "missingauthenticationtoken"
        | "expiredtoken"
        | "invalidclienttokenid"
        | "expiredtokenexception" => Kind::Unauthenticated,
        "accessdenied" | "optinrequired" => Kind::Forbidden,
        "resourcenotfound" | "unknownoperation" => Kind::NotFound,
        "throttling" | "toomanyrequests" | "servicequotaexceeded" | "limitexceeded" => Kind::RateLimited,
        "modelnotready" | "serviceunavailable" => Kind::Overloaded,
        "modeltimeout" | "requesttimeout" => Kind::Timeout,
        "modelerror" | "modelstreamerror" | "internalserver" | "internalfailure" => Kind::Upstream,
        _ => return None,
    })
}

/// Where the type says less than the message.
fn refine(kind: Kind, message: &str) -> Kind {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match kind {
        Kind::Forbidden if says(&["security token", "signature", "api key is invalid", "authentication fail"]) => Kind::Unauthenticated,
        Kind::BadRequest if says(&["model identifier is invalid", "end of its life"]) => Kind::NotFound,
        kind => kind,
    }
}

fn is_too_long(kind: Kind, message: &str) -> bool {
    kind == Kind::BadRequest && overflow::is_said(message)
}
