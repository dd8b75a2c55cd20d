//! OpenAI responses: <https://platform.openai.com/docs/api-reference/responses>.
//!
//! A request is a list of *items* instead of messages, an answer likewise, and a stream tells of each item by its place. Providers
//! may keep the conversation (`previous_response_id`); a gateway that sends each request where it fits best cannot.
//!
//! | field | meaning | loss |
//! |---|---|---|
//! | `instructions` | `system` | towards this API several pieces are joined by a blank line |
//! | leading `system`, `developer` messages | `system` | |
//! | `input` items of the model between two of the user's | one assistant message, item by item | |
//! | `function_call_output`, `custom_tool_call_output` | `ToolResult` | `is_error` has no field |
//! | `reasoning` | `Thought`s with the item's id, one for each summary and content; the seal is on the last | a thought that the model's maker did not seal is left out |
//! | items of tools that the provider runs | `Hosted`, as sent | left out towards other formats |
//! | `image_generation_call` | `Hosted` and, where there is a result, an `Image` after it | |
//! | `item_reference`, `compaction`, `previous_response_id`, `conversation`, `prompt`, `background` | kept as sent | refused towards other formats |
//! | `tools` | `Function`, `Custom`, else `Hosted` | another format's tool is refused, its web search becomes this one; what other formats make of this one's is in `stand_in` |
//! | `namespace` of a call | `ToolCall.namespace` | |
//! | `tool_choice` | `ToolChoice`; forms that name the provider's tools are kept as sent | |
//! | `text.format`, `text.verbosity`, `reasoning` | `output`, `verbosity`, `reasoning` | |
//! | `max_output_tokens` | the same | the API takes 16 at least |
//! | penalties, `seed`, `stop`, `top_k`, `logit_bias` of other formats | none | lost |
//! | `include` of `message.output_text.logprobs`, `top_logprobs` | `logprobs`, `top_logprobs` | |
//! | `logprobs` of an answer's texts | `Likelihood`s of the answer; those of other formats are told of its first text | |
//! | `n`, `modalities` of other formats | none | refused |
//! | `prompt_cache_breakpoint`, `safety_identifier`, `prompt_cache_options`, … | a cache mark, the user, `Extra`: see `openai.rs` | goes on to OpenAI's chat |
//! | `incomplete_details`, a refusal that another provider words | `Finish`, its words a `refusal` | |
//!
//! Decisions:
//!
//! * A request from another format asks for `store: false`, unless its client says otherwise: those formats keep nothing. Where
//!   the model thinks it also asks for `include: ["reasoning.encrypted_content"]`, without which a thought cannot be sent back.
//! * A function of another format is sent with `strict: false` where its client did not say: this API's default is the other one.
//! * Where a thought of another vendor is shown to a client of this API, `encrypted_content` holds the seal as a token. The seal
//!   of a *call* follows it in a reasoning item without a text, whose token names the call; on its way back it is put on the call.
//! * What the gateway itself answered it does not keep: an `item_reference` to it is refused, one to a thought is left out.
//! * Ids that the gateway gives begin with `msg_swb1.`, `rs_swb1.`, `fc_swb1.`; they are not sent to a provider.
//! * Token counts that typed clients require are 0 where the provider did not say; see `usage.rs`.
//! * Thoughts of other APIs are told as summaries where the client asked for summaries: those who do may show nothing else.
//! * Sound has no form in an answer; a client of this API gets its transcript.
//! * The event `error` of a stream has the documented flat fields and an `error` object: the latter makes OpenAI's libraries raise.
//!   `response.failed` follows it, as OpenAI has it, with the items that were whole by then.

mod content;
mod echo;
mod error;
mod items;
mod likelihood;
mod open_item;
mod output;
mod read_events;
mod read_request;
mod reply;
mod runs;
mod send;
mod stream_event;
mod usage;
mod write_content;
mod write_events;
mod write_input;
mod write_request;

pub(crate) use read_request::read_tool;
pub(crate) use usage::PARTS;

#[cfg(test)]
mod tests;

use http::{HeaderMap, StatusCode};

use crate::chat::{ChatRequest, Part, PartBody};
use crate::dialect::{Dialect, Flavor};
use crate::event::{EventReader, EventWriter};
use crate::frames::Frames;
use crate::framing::Framing;
use crate::half::{Begun, Head, Inbound, Memo, Outbound, Profile, Stamp, Written};
use crate::openai_chat::{self, LONGEST_NAME};
use crate::outline::Outline;
use crate::problem::{Fault, Malformed, Problem, Unsupported};
use crate::reply::ChatReply;

pub use write_request::MIN_OUTPUT_TOKENS;

const DIALECT: Dialect = Dialect::OpenAiResponses;

/// OpenAI responses.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiResponses;

impl Inbound for OpenAiResponses {
    fn read_request(&self, head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
        read_request::read_request(head, body)
    }

    fn check_translation(&self, request: &ChatRequest, target: Dialect) -> Result<(), Unsupported> {
        read_request::check_translation(request, target)
    }

    fn echo(&self, outline: &Outline, body: &Frames) -> Vec<(&'static str, String)> {
        echo::of(outline, body)
    }

    fn write_reply(&self, reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
        reply::write_reply(reply, stamp)
    }

    fn event_writer(&self, stamp: Stamp) -> Box<dyn EventWriter> {
        Box::new(write_events::Writer::new(stamp))
    }

    fn write_problem(&self, problem: &Problem, flavor: Flavor) -> (StatusCode, Vec<u8>) {
        openai_chat::error::write_problem(problem, flavor)
    }

    fn write_stream_problem(&self, problem: &Problem, flavor: Flavor, begun: &Begun<'_>) -> Vec<u8> {
        error::write_stream_problem(problem, flavor, begun)
    }
}

impl Outbound for OpenAiResponses {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn model_key(&self) -> Option<&'static str> {
        Some("model")
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/responses".to_owned()
    }

    fn longest_name(&self) -> Option<usize> {
        Some(LONGEST_NAME)
    }

    fn wants_bytes(&self, part: &Part) -> bool {
        matches!(part.body, PartBody::Audio(_))
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

    fn is_own_error(&self, body: &[u8]) -> bool {
        openai_chat::is_own_error(body)
    }

    fn read_fault(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Fault {
        openai_chat::error::read_fault(status, body)
    }
}
