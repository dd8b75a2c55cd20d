//! Anthropic messages.
//!
//! The vendor's reference: <https://docs.anthropic.com/en/api/messages>. The same bodies travel in Vertex's and Bedrock's envelopes:
//! there the path names the model and `anthropic_version` stands in the body, and Bedrock streams them in Amazon's event stream, which
//! the event reader opens as well.
//!
//! | field | meaning | towards this API |
//! |---|---|---|
//! | `system`, `messages[].content` | [`ChatRequest::system`](crate::chat::ChatRequest), parts | string ≡ one text block; blank text left out, for the API refuses it |
//! | `role: system` amid messages | [`Role::System`](crate::chat::Role) | where the model takes it, else a user's turn with a note, approximated; what opens a conversation joins `system` |
//! | `thinking`, `redacted_thinking` | [`Thought`](crate::chat::Thought), sealed | only the vendor's own; else left out, approximated |
//! | `tool_use`, `tool_result` | calls, results | names and ids in the API's alphabet; results first in a turn |
//! | `tool_use.signature` | the call's seal | an extension towards clients; never sent to the vendor |
//! | server tools' blocks, unknown blocks | [`Hosted`](crate::chat::Hosted) | as sent; another vendor's are left out, a loss |
//! | `compaction` | [`Hosted`](crate::chat::Hosted) | as sent; elsewhere the last one is a user's text in place of all that stands before it, approximated |
//! | `document`, `search_result` | [`PartBody::File`](crate::chat::PartBody) | PDF, plain text, URL or file; else refused |
//! | `max_tokens` | `max_output_tokens` | required: the model's limit or 4096, approximated |
//! | `thinking`, `output_config.effort` | [`Reasoning`](crate::chat::Reasoning) | by the model's [`Thinking`](crate::half::Thinking); effort ↔ budget approximated |
//! | `output_config.format`, `output_format` | [`OutputFormat`](crate::chat::OutputFormat) | native, or a forced tool; JSON without a schema as an instruction |
//! | `metadata.user_id` | `user` | other metadata is lost |
//! | `temperature`, `top_p`, `top_k` | sampling | to 1 at most; none while thinking; one of the first two |
//! | `seed`, penalties, `logit_bias`, `verbosity` | — | lost |
//! | `n`, `logprobs`, sound, video | — | refused |
//! | `stop_details` of an answer | the words of [`Finish`](crate::reply::Finish) | |
//! | header `anthropic-beta` | an extra of that name | joined with the features the body needs |
//! | everything else | extra | as sent |
//!
//! A request of this dialect comes back as it was, but for `null`, `is_error: false`, `stream: false` and blank text, which are left
//! out, and a lone text block, which is written as a string. A guest's (one read in another dialect) obeys the API's rules: turns
//! alternate, results come first, the thinking budget stays below `max_tokens`, and so on.
//!
//! A stream ends with `message_stop` and in no other way; a second answer begun amid the first is a fault.

pub(crate) mod beta;
pub(crate) mod client_tool;
mod count_tokens;
mod error;
mod fit;
mod names;
mod open_block;
mod pen;
mod read_blocks;
mod read_events;
mod read_request;
mod reply;
mod schema;
mod stop;
pub(crate) mod thinking;
mod usage;
mod write_blocks;
mod write_events;
mod write_request;
mod write_tools;

#[cfg(test)]
mod tests;

use http::{HeaderMap, StatusCode};

pub use count_tokens::{read_count_tokens_reply, write_count_tokens_reply, write_count_tokens_request};

use crate::chat::ChatRequest;
use crate::dialect::{Dialect, Flavor};
use crate::event::{EventReader, EventWriter};
use crate::frames::Frames;
use crate::framing::Framing;
use crate::half::{Begun, Head, Inbound, Memo, Outbound, Profile, Stamp, Written};
use crate::loss::Losses;
use crate::outline::Outline;
use crate::problem::{Fault, Malformed, Problem, Unsupported};
use crate::reply::ChatReply;

const HERE: Dialect = Dialect::Anthropic;
const BETA: &str = "anthropic-beta";

/// The dialect of Anthropic's messages.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic;

impl Inbound for Anthropic {
    fn read_request(&self, head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
        read_request::read(head, body)
    }

    fn write_reply(&self, reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
        reply::write(reply, stamp)
    }

    fn event_writer(&self, stamp: Stamp) -> Box<dyn EventWriter> {
        Box::new(write_events::Writer::new(stamp))
    }

    fn tells_failures_as_errors(&self) -> bool {
        true
    }

    fn write_problem(&self, problem: &Problem, flavor: Flavor) -> (StatusCode, Vec<u8>) {
        error::write(problem, flavor)
    }

    fn write_stream_problem(&self, problem: &Problem, flavor: Flavor, _begun: &Begun<'_>) -> Vec<u8> {
        error::write_event(problem, flavor)
    }
}

impl Outbound for Anthropic {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn model_key(&self) -> Option<&'static str> {
        Some("model")
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/v1/messages".to_owned()
    }

    fn is_refused(&self, outline: &Outline, body: &Frames, profile: &Profile) -> bool {
        fit::is_refused(outline, body, profile)
    }

    fn needed_headers(&self, head: &Head<'_>, profile: &Profile, body: (&Outline, &Frames)) -> Vec<(&'static str, String)> {
        beta::header(head.headers, profile, body).map(|betas| (BETA, betas)).into_iter().collect()
    }

    fn reads(&self, key: &str) -> bool {
        beta::is_read(key)
    }

    fn refused_headers(&self, head: &Head<'_>, profile: &Profile) -> Losses {
        let mut losses = Losses::new();
        beta::refused(head.headers, profile).iter().for_each(|name| losses.dropped(format!("{BETA}.{name}")));
        losses
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        write_request::write(request, profile, false)
    }

    fn read_reply(&self, memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
        reply::read(memo, body)
    }

    fn event_reader(&self, memo: Memo) -> Box<dyn EventReader> {
        Box::new(read_events::Reader::new(memo))
    }

    fn is_own_error(&self, body: &[u8]) -> bool {
        error::is_own(body)
    }

    fn read_fault(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
        error::read(status, headers, body)
    }
}
