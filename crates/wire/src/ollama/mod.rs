//! Ollama's own chat API.
//!
//! The specification is Ollama's API reference (<https://docs.ollama.com/api/chat>). Only providers speak it here.
//!
//! | field | meaning | loss |
//! |---|---|---|
//! | `model`, `stream` | model, stream; `stream` is always written, for here silence means yes | |
//! | `messages[]` | turns; texts of one turn are joined by line breaks | |
//! | `images[]` | images in base64 | other media, and URLs: refused |
//! | `thinking` of an assistant | thoughts without a seal | those with one: approximated |
//! | `tool_calls[]`, `tool_name` | calls and results; where the provider gives no ids, they are derived from the call | |
//! | `tools` | functions | `tool_choice` exists only as "no tools" |
//! | `format` | JSON, with or without schema | |
//! | `think` | `reasoning`: on, off, `low`, `medium`, `high` | levels, where the model has none, and budgets: approximated |
//! | `options` | token limit and `sampling` | |
//! | `logprobs`, `top_logprobs` | the same, and `Likelihood` | |
//! | `keep_alive`, `num_ctx`, … | passed on from whatever dialect carries them | |
//! | `prompt_eval_count`, `eval_count` | `Usage`; a prompt that was cached whole has no count | |
//! | durations | `ChatReply::extra` | |

mod read_events;
mod reply;
#[cfg(test)]
mod tests;
mod write_messages;
mod write_request;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{ChatRequest, Part, PartBody};
use crate::dialect::Dialect;
use crate::event::EventReader;
use crate::framing::Framing;
use crate::half::{Memo, Outbound, Profile, Written};
use crate::problem::{Fault, Kind, Unsupported};
use crate::reply::ChatReply;

const HERE: Dialect = Dialect::Ollama;

/// Ollama's `/api/chat`.
#[derive(Clone, Copy, Debug)]
pub struct Ollama;

impl Outbound for Ollama {
    fn framing(&self) -> Framing {
        Framing::JsonLines
    }

    fn nests(&self) -> bool {
        true
    }

    fn model_key(&self) -> Option<&'static str> {
        Some("model")
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/api/chat".to_owned()
    }

    fn below(&self, key: &str) -> Option<&'static str> {
        write_request::below(key)
    }

    fn has_alone(&self, key: &str) -> bool {
        write_request::is_own(key)
    }

    fn wants_bytes(&self, part: &Part) -> bool {
        matches!(part.body, PartBody::Image(_))
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        write_request::write(request, profile)
    }

    fn read_reply(&self, _memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
        reply::read(body)
    }

    fn event_reader(&self, _memo: Memo) -> Box<dyn EventReader> {
        Box::new(read_events::Reader::default())
    }

    fn read_fault(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Fault {
        Fault { status: Some(status), ..fault(Kind::of_status(status), body) }
    }
}

/// Reads an error: `{"error":"…"}`, from its cloud also with an object in its place.
fn fault(kind: Kind, body: &[u8]) -> Fault {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Error {
        Text(String),
        Object { message: String },
    }
    let said = serde_json::from_slice::<Body<'_>>(body).ok().map(|said| match serde_json::from_str(said.error.get()) {
        Ok(Error::Text(message) | Error::Object { message }) => message,
        Err(_) => said.error.get().to_owned(),
    });
    let message = said.unwrap_or_else(|| crate::problem::in_words(body));
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let too_long = crate::overflow::is_said(&message);
    let kind = match kind {
        Kind::Upstream | Kind::BadRequest if too_long => Kind::BadRequest,
        Kind::Upstream if says(&["server busy", "maximum pending requests"]) => Kind::Overloaded,
        kind => kind,
    };
    let code = (too_long && kind == Kind::BadRequest).then(|| crate::overflow::CODE.to_owned());
    Fault { kind, status: None, message, code, param: None, raw: Bytes::copy_from_slice(body) }
}
