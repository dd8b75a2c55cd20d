//! Replicate's predictions, as far as they are chat.
//!
//! The specification is Replicate's HTTP reference (<https://replicate.com/docs/reference/http>); what a model takes as `input` is in
//! the schema on the model's own page. Only providers speak it here.
//!
//! | field | meaning | loss |
//! |---|---|---|
//! | path | model `owner/name`; a community model `owner/name:version` is asked for by `version` in the body | |
//! | `input.prompt` | the turns; one user's turn is its text, more are labelled `User:`, `Assistant:`, `System:` and end in `Assistant:` | `messages`: approximated |
//! | `input.system_prompt` or its like | what stands before the conversation | |
//! | `input.image` or its like, which may be a list | images, as URL or data URI | a second one where there is one place: refused |
//! | `input.max_tokens` or its like | token limit | |
//! | `input.stop_sequences` | stop sequences, joined by commas | one that holds a comma: left out |
//! | other `input` | `sampling`; of some models reasoning and verbosity | what the model's schema lacks: dropped |
//! | a client's `input` | goes into `input` as it is and wins | |
//! | `output` | text, whole or in pieces | |
//! | `metrics` | `Usage` | |
//!
//! What a model calls its inputs is in its [`Profile`], from the provider's row; where it is not, the usual names are.
//!
//! Tools, other media and JSON answers have no place here and are refused. Thoughts are left out. A provider waits at most a minute
//! (`Prefer: wait`); what is not finished then is a failure, for nothing here may wait longer. Nothing streams.

mod error;
mod reply;
mod request;
#[cfg(test)]
mod tests;

use http::{HeaderMap, StatusCode};

use crate::chat::ChatRequest;
use crate::dialect::Dialect;
use crate::event::{Event, EventReader, Frame};
use crate::framing::Framing;
use crate::half::{Memo, Outbound, Profile, Written};
use crate::problem::{Fault, Malformed, Unsupported};
use crate::reply::ChatReply;

const HERE: Dialect = Dialect::Replicate;

/// Replicate's predictions.
#[derive(Clone, Copy, Debug)]
pub struct Replicate;

impl Outbound for Replicate {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn framing_of(&self, _content_type: &str) -> Option<Framing> {
        // Whatever it is called, it is a whole answer.
        None
    }

    fn nests(&self) -> bool {
        true
    }

    fn model_key(&self) -> Option<&'static str> {
        None
    }

    fn path(&self, model: &str, _stream: bool) -> String {
        match request::version(model) {
            Some(_) => "/predictions".to_owned(),
            None => format!("/models/{model}/predictions"),
        }
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        request::write(request, profile)
    }

    fn read_reply(&self, _memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
        reply::read(body)
    }

    fn event_reader(&self, _memo: Memo) -> Box<dyn EventReader> {
        Box::new(NoStream)
    }

    fn read_fault(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Fault {
        error::read(status, body)
    }
}

/// Reads what cannot be: a stream of this API.
struct NoStream;

impl EventReader for NoStream {
    fn read(&mut self, _frame: Frame<'_>, _out: &mut Vec<Event>) -> Result<(), Malformed> {
        Err(Malformed::new("a stream, where predictions come whole"))
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        out.push(Event::Fault(Box::new(Fault::truncated())));
    }
}
