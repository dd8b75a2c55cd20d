//! OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat>, with the fields that LiteLLM's proxy
//! (<https://docs.litellm.ai/docs/completion/input>) and OpenRouter (<https://openrouter.ai/docs/api-reference/chat-completion>)
//! added, and as more than a hundred providers speak it, each with its own accent.
//!
//! # Requests
//!
//! | field | meaning | loss |
//! |---|---|---|
//! | `messages[]` system, developer | `system` where they lead, else a system turn; the role's name comes back | none |
//! | `messages[]` tool, function | a user's turn with a tool's result; legacy functions come back as tools | `is_error` has no place |
//! | `content` | a string is one text part, and one plain text part is written as a string | none |
//! | `image_url`, `input_audio`, `file`, `video_url`, Mistral's `document_url` | media; a `data:` URL is base64 | audio at a URL, files at a URL from other formats, images by file id are refused |
//! | other content types | refused: what cannot be read cannot be guarded | |
//! | `cache_control` on parts, messages, tools | cache marks; a message's moves to its last part | where the profile says that the target refuses them |
//! | `prompt_cache_breakpoint`, `safety_identifier`, `prompt_cache_options`, … | a cache mark, the user, `Extra`: see `openai.rs` | goes on to OpenAI's responses |
//! | `tools` function, custom | tools; `functions` too | none |
//! | `tools` of other types, `web_search_options` | hosted tools, kept as sent | another API's are refused, except web searches: approximated |
//! | `tool_choice`, `function_call` | tool choice; `any` is written `required` | a choice among several tools from other formats: approximated |
//! | `max_tokens`, `max_completion_tokens` | the limit; the profile names the field, else the client | none |
//! | `reasoning_effort`, `reasoning`, `thinking`, `include_reasoning` | reasoning, written back in the fields it came in; from other formats `reasoning_effort`, or `thinking` where the profile says so | effort: the nearest known, clamped; budget: approximated |
//! | `response_format` | output; types beyond OpenAI's stay as sent | schema where the model takes none: plain JSON, the schema told in words, approximated |
//! | `top_k`, `min_p`, `top_a`, `repetition_penalty` | sampling; written for clients of this format and where the profile knows them | dropped for others |
//! | `n` | answers; passes only where the formats agree | refused |
//! | `metadata` | labels where all values are texts, else kept as sent | |
//! | `stream_options` | `include_usage` is always sent: the gateway meters | its other options pass only verbatim |
//! | the rest, and [`STEERING`](crate::control::STEERING) | `Extra` | |
//!
//! What OpenRouter's clients say in words of OpenRouter's is put in the provider's, see `fitted.rs`. Providers whose form of this API is
//! narrower (a role, ids of calls, fields of messages, schemas) get what their rows tell that they take, see `accent.rs` and `plain.rs`.
//! `strict` of formats that are not OpenAI's stays where the schema leaves nothing out, as OpenAI asks; else it is approximated.
//!
//! # Where thoughts are
//!
//! | | client sends and gets, OpenAI flavor | client sends and gets, OpenRouter flavor |
//! |---|---|---|
//! | text | `reasoning_content` | `reasoning` |
//! | sealed blocks | `thinking_blocks`: Anthropic's seal bare, another vendor's as a token (see [`crate::seal`]) | `reasoning_details`, the vendor in `format` |
//! | Google's seal of a call | `tool_calls[].extra_content.google.thought_signature` | the same |
//!
//! Requests may use any of these, whatever the flavor; of several the richest counts (`reasoning_details`, `thinking_blocks`,
//! `reasoning_content`, `reasoning`). In a stream the text comes first, in pieces, and the sealed block of the OpenAI flavor after
//! it, whole, so that a client can keep it as it is. Providers are read with the same fields, and with Mistral's `thinking` parts.
//! They get thoughts back in the field their profile names, else in those the client used, else not at all (approximated); a
//! thought that another vendor sealed is left out. `reasoning_details` that nobody changed go back as sent.
//!
//! # Answers
//!
//! The first choice is the answer, others are its further ones. Fields of a choice that the meaning has not are kept in `Extra` under
//! `choice.…`, and come back to clients of this format. An end is only told at `[DONE]` or at the end of a stream whose choices all gave
//! a finish reason, since the usage may come after the reason.
//!
//! Usage: `prompt_tokens` includes cached tokens. Thoughts that only the total counts (xAI) are added to the output, sound that
//! only the total counts (Mistral) to the input. Counts a provider did not send are not written, but for `cached_tokens` and
//! `reasoning_tokens` inside details that are there, which OpenRouter's clients require.

mod accent;
mod calls;
mod chunk;
pub(crate) mod citations;
pub(crate) mod error;
pub(crate) mod finish;
mod fitted;
mod free_text;
mod glance;
pub(crate) mod likelihood;
mod media;
mod places;
mod plain;
mod read_events;
mod read_messages;
pub(crate) mod read_request;
mod reasoning;
mod reply;
mod skim;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod text;
pub(crate) mod usage;
mod write_events;
mod write_messages;
pub(crate) mod write_request;

pub use self::citations::PAGE;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::chat::{ChatRequest, Part, PartBody};
use crate::dialect::{Dialect, Flavor};
use crate::event::{EventReader, EventWriter};
use crate::fields::Fields;
use crate::frames::Frames;
use crate::framing::Framing;
use crate::half::{Begun, Head, Inbound, Memo, Outbound, Profile, Stamp, Written};
use crate::loss::Losses;
use crate::outline::{Edits, Entry, Outline};
use crate::problem::{Fault, Malformed, Problem, Unsupported};
use crate::reply::ChatReply;
use crate::seal::OPENAI;

const HERE: Dialect = Dialect::OpenAiChat;

/// The longest name of a tool that OpenAI takes.
pub(crate) const LONGEST_NAME: usize = 64;

/// What ends a stream.
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiChat;

impl Inbound for OpenAiChat {
    fn read_request(&self, head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
        read_request::read_request(head, body)
    }

    fn is_worded(&self, outline: &Outline, body: &Frames) -> bool {
        fitted::is_worded(outline, body)
    }

    fn fit(&self, request: &mut ChatRequest, profile: &Profile, losses: &mut Losses) {
        fitted::fit(request, profile, losses);
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

    fn write_stream_problem(&self, problem: &Problem, flavor: Flavor, begun: &Begun<'_>) -> Vec<u8> {
        error::write_stream_problem(problem, flavor, begun)
    }

    fn asks_for_usage(&self) -> bool {
        true
    }

    fn epilogue(&self) -> &'static [u8] {
        DONE
    }
}

impl Outbound for OpenAiChat {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn framing_of(&self, content_type: &str) -> Option<Framing> {
        match Framing::of_content_type(content_type, self.framing()) {
            // Amazon's runtimes wrap a container's stream and leave it as it is.
            Some(Framing::AwsEventStream) => Some(Framing::AwsEventStreamOfSse),
            framing => framing,
        }
    }

    fn model_key(&self) -> Option<&'static str> {
        Some("model")
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/chat/completions".to_owned()
    }

    fn wants_bytes(&self, part: &Part) -> bool {
        // Some providers have types of their own for media at URLs, which readers note.
        let noted = part.extra.noted(HERE, "type").is_some();
        let native = part.extra.from() == Some(HERE);
        !noted && (matches!(part.body, PartBody::Audio(_)) || matches!(part.body, PartBody::File(_)) && !native)
    }

    fn longest_name(&self) -> Option<usize> {
        Some(LONGEST_NAME)
    }

    fn is_refused(&self, outline: &Outline, body: &Frames, profile: &Profile) -> bool {
        let off = || outline.read::<String>(body, "reasoning_effort").is_ok_and(|effort| effort.as_deref() == Some("none"));
        let is_blank = |entry: &Entry| body.slice(entry.value.start, entry.value.end).iter().all(|byte| b"[] \n\r\tnul".contains(byte));
        // There is nothing to choose from.
        let idle = || outline.get("tool_choice").is_some_and(|choice| !is_blank(choice)) && outline.get("tools").is_none_or(is_blank);
        plain::is_refused(body, profile)
            || accent::is_refused(outline, body, profile)
            || profile.thinking_switch == Some(true) && off()
            || profile.vendor.as_deref() == Some(OPENAI) && idle()
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        write_request::write_request(request, profile)
    }

    fn metering_edits(&self, outline: &Outline, body: &Frames) -> Edits {
        metering_edits(outline, body)
    }

    fn glance(&self, body: &bytes::Bytes) -> Option<crate::half::Glance> {
        glance::glance(body)
    }

    fn read_reply(&self, memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
        reply::read_reply(memo, body)
    }

    fn event_reader(&self, memo: Memo) -> Box<dyn EventReader> {
        Box::new(read_events::Reader::new(memo))
    }

    fn is_own_error(&self, body: &[u8]) -> bool {
        is_own_error(body)
    }

    fn read_fault(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Fault {
        error::read_fault(status, body)
    }
}

/// Whether an error is in the form that clients of OpenAI's APIs read; many servers that speak these APIs have others.
pub(crate) fn is_own_error(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Said {
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        #[serde(rename = "message")]
        _message: String,
    }
    serde_json::from_slice::<Said>(body).is_ok_and(|Said { error: Told { .. } }| true)
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
                object.extra(&options.rest(HERE), HERE);
            })
        }
        // `null`, or nonsense that the provider would refuse.
        Some(Err(_)) | None => br#"{"include_usage":true}"#.to_vec(),
    };
    let options = String::from_utf8_lossy(&options).into_owned();
    Edits { set: vec![("stream_options".to_owned(), options)], ..Edits::default() }
}
