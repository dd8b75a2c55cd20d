//! Cohere's chat API, version 2.
//!
//! The specification is Cohere's API reference (<https://docs.cohere.com/reference/chat>). Only providers speak it here.
//!
//! | field | meaning | loss |
//! |---|---|---|
//! | `model`, `stream` | model, stream | |
//! | `messages[]` of `system`, `user` | `system`, turns; system turns stay where they are | |
//! | `content[]` of `text`, `image_url` | `Text`, `Image` by URL or base64 | other media: refused |
//! | `documents[]` | documents of plain text; they leave their turn: approximated | others: refused |
//! | `messages[]` of `assistant` | text and calls | thoughts are not taken back: approximated |
//! | `messages[]` of `tool` | results, a message each | that a tool failed: dropped |
//! | `tools`, `tool_choice`, `strict_tools` | functions | one certain tool: the others are left out |
//! | `response_format` | JSON, with or without schema | not beside tools or documents: dropped |
//! | `thinking` | `reasoning`: on, off, a budget | efforts: approximated |
//! | `p`, `k`, `temperature`, `seed`, penalties, `stop_sequences` | `sampling` | clamped to the API's ranges |
//! | `safety_mode`, `citation_options`, `documents`, … | passed on from whatever dialect carries them | |
//! | `tool_plan` | a thought without a seal | |
//! | `citations[]` | `Citation` of the text they belong to, one for each source | those of plans are left out |
//! | `usage.tokens`, `.cached_tokens` | `Usage`; `billed_units` is what is charged, not what was used | |
//! | `logprobs` of an answer | `ChatReply::extra` | |

mod error;
mod read_events;
mod reply;
#[cfg(test)]
mod tests;
mod write_messages;
mod write_request;

use http::{HeaderMap, StatusCode};

use crate::chat::ChatRequest;
use crate::dialect::Dialect;
use crate::event::EventReader;
use crate::framing::Framing;
use crate::half::{Memo, Outbound, Profile, Written};
use crate::problem::{Fault, Unsupported};
use crate::reply::ChatReply;

const HERE: Dialect = Dialect::Cohere;

/// Cohere chat, version 2.
#[derive(Clone, Copy, Debug)]
pub struct Cohere;

impl Outbound for Cohere {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn model_key(&self) -> Option<&'static str> {
        Some("model")
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/v2/chat".to_owned()
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        write_request::write(request, profile)
    }

    fn read_reply(&self, memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
        reply::read(memo, body)
    }

    fn event_reader(&self, memo: Memo) -> Box<dyn EventReader> {
        Box::new(read_events::Reader::new(memo))
    }

    fn read_fault(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Fault {
        error::read(status, body)
    }
}
