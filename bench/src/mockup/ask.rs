//! What a request asks for, read without parsing all of it: a mock must be cheap beside what it measures.

use crate::http1::Request;
use crate::script::find_nonce;

use super::shape::Shape;
use super::{anthropic, openai};

/// Which door a request knocks at.
pub(super) enum Door {
    Books,
    ResetBooks,
    Models,
    Shape(&'static dyn Shape),
    Unknown,
}

impl Door {
    /// Only the end of the path counts: segments before it order the script.
    pub(super) fn of(request: &Request) -> Self {
        let path = request.target.split('?').next().unwrap_or_default();
        match path {
            "/__books" => Self::Books,
            "/__books/reset" => Self::ResetBooks,
            _ if path.ends_with("/models") => Self::Models,
            _ if path.ends_with("/chat/completions") => Self::Shape(&openai::Chat),
            _ if path.ends_with("/embeddings") => Self::Shape(&openai::Embeddings),
            _ if path.ends_with("/messages") => Self::Shape(&anthropic::Messages),
            _ => Self::Unknown,
        }
    }
}

/// The few facts of a request which the answer depends on.
pub(super) struct Ask<'a> {
    pub(super) shape: &'static dyn Shape,
    pub(super) model: &'a str,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) nonce: Option<&'a str>,
    pub(super) body_bytes: usize,
}

impl<'a> Ask<'a> {
    pub(super) fn read(request: &'a Request, shape: &'static dyn Shape) -> Self {
        let body = &request.body[..];
        Self {
            shape,
            model: find_model(body).unwrap_or("unnamed"),
            stream: shape.can_stream() && find_true(body, "\"stream\""),
            include_usage: find_true(body, "\"include_usage\""),
            nonce: find_nonce(body),
            body_bytes: body.len(),
        }
    }

    /// Four bytes to a token: no tokenizer, but the same for everyone who asks.
    pub(super) fn prompt_tokens(&self) -> u64 {
        (self.body_bytes as u64).div_ceil(4)
    }

    /// The nonce and a space, to be said before the first text.
    pub(super) fn greeting(&self) -> String {
        self.nonce.map(|nonce| format!("{nonce} ")).unwrap_or_default()
    }
}

/// The values of a key, at any depth. Inside of a string its quotes would be escaped, so text never matches.
fn values<'a>(body: &'a [u8], quoted_key: &'a str) -> impl Iterator<Item = &'a [u8]> {
    memchr::memmem::find_iter(body, quoted_key.as_bytes()).filter_map(move |at| {
        let rest = body[at + quoted_key.len()..].trim_ascii_start();
        rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start)
    })
}

fn find_true(body: &[u8], quoted_key: &str) -> bool {
    values(body, quoted_key).any(|value| value.starts_with(b"true"))
}

/// The first string under a key `model`.
pub(super) fn find_model(body: &[u8]) -> Option<&str> {
    values(body, "\"model\"").find_map(|value| {
        let text = value.strip_prefix(b"\"")?;
        let end = memchr::memchr(b'"', text)?;
        std::str::from_utf8(&text[..end]).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_but_not_inside_text() {
        let body = br#"{"messages":[{"content":"\"model\":\"no\", \"stream\": true"}], "model" : "yes", "stream":false}"#;
        assert_eq!(find_model(body), Some("yes"));
        assert!(!find_true(body, "\"stream\""));
        assert!(find_true(br#"{"stream": true}"#, "\"stream\""));
    }
}
