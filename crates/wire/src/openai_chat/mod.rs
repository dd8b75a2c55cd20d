//! OpenAI chat completions.

mod calls;
mod chunk;
mod citations;
pub mod control;
pub(crate) mod error;
pub(crate) mod finish;
mod glance;
mod media;
mod read_events;
mod read_messages;
pub(crate) mod read_request;
mod reasoning;
mod reply;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod text;
pub(crate) mod usage;
mod write_events;
mod write_messages;
pub(crate) mod write_request;

use http::{HeaderMap, StatusCode};

use crate::chat::ChatRequest;
use crate::dialect::{Flavor, Head, Inbound, Memo, Outbound, Profile, Stamp, Written};
use crate::event::{EventReader, EventWriter};
use crate::fields::Fields;
use crate::frames::Frames;
use crate::framing::Framing;
use crate::outline::{Edits, Outline};
use crate::problem::{Fault, Malformed, Problem, Unsupported};
use crate::reply::ChatReply;

/// What ends a stream.
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiChat;

impl Inbound for OpenAiChat {
    fn read_request(&self, head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
        read_request::read_request(head, body)
    }

    fn write_reply(&self, reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
        reply::write_reply(reply, stamp)
    }

    fn event_writer(&self, stamp: Stamp) -> Box<dyn EventWriter> {
        Box::new(write_events::Writer::new(stamp))
    }

    fn write_problem(&self, problem: &Problem, flavor: Flavor) -> (StatusCode, Vec<u8>) {
        error::write_problem(problem, flavor)
    }

    fn write_stream_problem(&self, problem: &Problem, flavor: Flavor) -> Vec<u8> {
        error::write_stream_problem(problem, flavor)
    }

    fn epilogue(&self) -> &'static [u8] {
        DONE
    }
}

impl Outbound for OpenAiChat {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn model_key(&self) -> Option<&'static str> {
        Some("model")
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/chat/completions".to_owned()
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        write_request::write_request(request, profile)
    }

    fn metering_edits(&self, outline: &Outline, body: &Frames) -> Edits {
        metering_edits(outline, body)
    }

    fn glance(&self, body: &[u8]) -> Option<crate::dialect::Glance> {
        glance::glance(body)
    }

    fn read_reply(&self, memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
        reply::read_reply(memo, body)
    }

    fn event_reader(&self, memo: Memo) -> Box<dyn EventReader> {
        Box::new(read_events::Reader::new(memo))
    }

    fn read_fault(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Fault {
        error::read_fault(status, body)
    }
}

/// A streamed request has the usage reported; its other stream options stay.
pub(crate) fn metering_edits(outline: &Outline, body: &Frames) -> Edits {
    let streams = outline.read::<bool>(body, "stream").ok().flatten().unwrap_or(false);
    if !streams {
        return Edits::default();
    }
    let entry = outline.get("stream_options").map(|entry| body.slice(entry.value.start, entry.value.end));
    let raw = entry.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let options = match raw.map(Fields::nested) {
        Some(Ok(mut options)) => {
            if options.take::<bool>("include_usage").ok().flatten() == Some(true) {
                return Edits::default();
            }
            crate::json::object(|object| {
                object.field("include_usage", &true);
                object.extra(&options.rest(crate::Dialect::OpenAiChat), crate::Dialect::OpenAiChat);
            })
        }
        // `null`, or nonsense that the provider would refuse.
        Some(Err(_)) | None => br#"{"include_usage":true}"#.to_vec(),
    };
    let options = String::from_utf8_lossy(&options).into_owned();
    Edits { set: vec![("stream_options".to_owned(), options)], ..Edits::default() }
}
