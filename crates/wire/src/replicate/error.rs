//! Errors as this API reports them: `title` and `detail` in place of a prediction, `error` in one that failed.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::overflow;
use crate::problem::{Fault, Kind};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    title: Option<String>,
    detail: Option<String>,
}

/// Reads an error answer.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Fault {
    let message = said(body).unwrap_or_else(|| crate::problem::in_words(body));
    Fault { status: Some(status), ..of(Kind::of_status(status), message, body) }
}

/// A success that holds no prediction, if it says what is wrong.
pub(super) fn in_place(body: &[u8]) -> Option<Fault> {
    said(body).map(|message| of(Kind::Upstream, message, body))
}

/// A prediction that failed.
pub(super) fn in_prediction(error: Option<&RawValue>, otherwise: &str, body: &[u8]) -> Fault {
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    let message = error.filter(|raw| raw.get() != "null").map(text).filter(|text| !text.is_empty());
    of(Kind::Upstream, message.unwrap_or_else(|| otherwise.to_owned()), body)
}

fn said(body: &[u8]) -> Option<String> {
    let body = serde_json::from_slice::<Body>(body).unwrap_or_default();
    body.detail.or(body.title).filter(|text| !text.is_empty())
}

fn of(kind: Kind, message: String, body: &[u8]) -> Fault {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let too_long = overflow::is_said(&message);
    let (kind, own) = match kind {
        Kind::Upstream | Kind::BadRequest if too_long => (Kind::BadRequest, Some(overflow::CODE)),
        Kind::Upstream if says(&["flagged as sensitive", "nsfw content"]) => (Kind::Filtered, None),
        Kind::Upstream if says(&["high demand", "temporarily unavailable"]) => (Kind::Overloaded, None),
        kind => (kind, None),
    };
    let code = own.or_else(|| code(&message)).map(str::to_owned);
    Fault { kind, status: None, message, code, param: None, raw: Bytes::copy_from_slice(body) }
}

/// The code in a message such as `… (E1001)`.
fn code(message: &str) -> Option<&str> {
    let is_code = |word: &&str| {
        let digits = word.strip_prefix('E').unwrap_or_default();
        (3..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    message.split(|letter: char| !letter.is_ascii_alphanumeric()).find(is_code)
}
