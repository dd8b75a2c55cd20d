//! Errors as this API reports them: a message, sometimes a type.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use crate::overflow;
use crate::problem::{Fault, Kind};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    message: Option<String>,
    error: Option<String>,
    error_type: Option<String>,
}

/// Reads an error answer.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Fault {
    let kind = match status.as_u16() {
        // Cohere's own status for what its safety filter stops.
        498 => Kind::Filtered,
        _ => Kind::of_status(status),
    };
    let said = serde_json::from_slice::<Body>(body).unwrap_or_default();
    let message = said.message.or(said.error).unwrap_or_else(|| crate::problem::in_words(body));
    Fault { status: Some(status), ..of(kind, message, said.error_type, body) }
}

/// An answer that ended in an error, whole or streamed.
pub(super) fn in_answer(message: Option<String>, kind: Option<String>, bytes: &[u8]) -> Fault {
    of(Kind::Upstream, message.unwrap_or_else(|| "the provider failed to answer".to_owned()), kind, bytes)
}

/// A body in place of an answer, if it says what is wrong.
pub(super) fn in_place(bytes: &[u8]) -> Option<Fault> {
    let said = serde_json::from_slice::<Body>(bytes).ok()?;
    let message = said.message.or(said.error)?;
    Some(of(Kind::Upstream, message, said.error_type, bytes))
}

fn of(kind: Kind, message: String, error_type: Option<String>, bytes: &[u8]) -> Fault {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let too_long = error_type.as_deref() == Some("TOO_MANY_TOKENS") || kind == Kind::BadRequest && overflow::is_said(&message);
    let kind = match error_type.as_deref() {
        Some("TOO_MANY_TOKENS") => Kind::BadRequest,
        _ if kind == Kind::BadRequest && says(&["invalid api token", "no api key"]) => Kind::Unauthenticated,
        _ => kind,
    };
    let code = if too_long { Some(overflow::CODE.to_owned()) } else { error_type };
    Fault { kind, status: None, message, code, param: None, raw: Bytes::copy_from_slice(bytes) }
}
