//! Gemini's `generateContent` and `streamGenerateContent`, on AI Studio and on Vertex.

mod answer;
mod citation;
mod count;
mod error;
mod keys;
mod read_events;
mod read_parts;
mod read_request;
mod reply;
mod schema;
mod thinking;
mod token;
mod write_events;
mod write_parts;
mod write_request;

#[cfg(test)]
mod tests;

pub use count::{read_count_reply, read_count_request, write_count_reply, write_count_request};

use http::{HeaderMap, StatusCode};

use crate::chat::ChatRequest;
use crate::dialect::{Flavor, Head, Inbound, Memo, Outbound, Profile, Stamp, Written};
use crate::event::{EventReader, EventWriter};
use crate::framing::Framing;
use crate::problem::{Fault, Malformed, Problem, Unsupported};
use crate::reply::ChatReply;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

impl Inbound for Gemini {
    fn read_request(&self, head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
        read_request::read_request(head, body)
    }

    fn write_reply(&self, reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
        reply::write_reply(reply, stamp)
    }

    fn event_writer(&self, stamp: Stamp) -> Box<dyn EventWriter> {
        Box::new(write_events::Writer::new(stamp))
    }

    fn write_problem(&self, problem: &Problem, _flavor: Flavor) -> (StatusCode, Vec<u8>) {
        error::write_problem(problem)
    }

    fn write_stream_problem(&self, problem: &Problem, _flavor: Flavor) -> Vec<u8> {
        error::write_stream_problem(problem)
    }
}

impl Outbound for Gemini {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn model_key(&self) -> Option<&'static str> {
        None
    }

    fn path(&self, model: &str, stream: bool) -> String {
        let model = percent_encoded(model.strip_prefix("models/").unwrap_or(model));
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        format!("/models/{model}:{method}")
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        write_request::write_request(request, profile)
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

/// A model's name as one segment of a path: everything but letters, digits and `-._~` is encoded.
fn percent_encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    out
}
