//! Gemini's `generateContent` and `streamGenerateContent`, on AI Studio and on Vertex.
//!
//! Specifications: <https://ai.google.dev/api/generate-content> and
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>. Fields are JSON for protocol buffers: read in
//! `camelCase` and in `snake_case`, written in `camelCase`.
//!
//! | field | meaning | loss |
//! |---|---|---|
//! | `systemInstruction` | `system` | instructions in mid-conversation become a user's turn (approximated) |
//! | `contents[].role` | `User`, `Assistant`; neighbours of one role are merged | a turn's `name` |
//! | `text`, `thought` | text, [`Thought`](crate::chat::Thought) (a summary) | what others sealed comes without its seal |
//! | `thoughtSignature` | the seal of a call or a thought; on any other part of an answer an empty thought after it | |
//! | `functionCall` | a call, whole or in pieces (`partialArgs`, `willContinue`); without an `id` it gets `call_swb_<responseId>_<n>`, which is never sent to Gemini | |
//! | `functionResponse` | a result; `name` is found by the call's id, an id by the name where there is none | |
//! | `inlineData`, `fileData` | media; only `gs:`, YouTube and Google's file store are fetched, other URLs are refused | `detail` |
//! | `executableCode`, `codeExecutionResult`, `toolCall`, `toolResponse` | hosted items | left out elsewhere |
//! | `tools[].functionDeclarations` | functions; schemas are written as `parametersJsonSchema` | `strict` |
//! | `tools[].*` | hosted tools; web search, fetch and code execution map by name | their settings |
//! | `toolConfig.functionCallingConfig` | `tool_choice`; `VALIDATED` with names is `Among(_, false)` | `parallel_tool_calls: false` |
//! | `generationConfig` | sampling, limits, output format, modalities, thinking | `logit_bias`, `min_p`, `top_a`, `repetition_penalty` |
//! | `candidateCount` | `n` | |
//! | `responseLogprobs`, `logprobs`, `logprobsResult` | `logprobs`, `top_logprobs`, `Likelihood` | refused from formats that have no place for the latter |
//! | `safetySettings`, `cachedContent`, … | [`Extra`](crate::extra::Extra); nested ones under a dotted key | all, elsewhere |
//! | `usageMetadata` | `input` = prompt + tool use, `output` = candidates + thoughts | |
//! | `candidates` | the first is the answer, others are its further ones | |
//! | `groundingMetadata`, `citationMetadata` | citations of the last text, in bytes | the rest of them in streams |
//! | `promptFeedback.blockReason` | an empty answer that a content filter ended | |
//!
//! A stream has no end marker: it is complete if a finish reason (or a block reason) was seen. Models that want signatures on calls
//! which no model of Google's made get the stand-in that Google documents for it.

mod answer;
mod citation;
mod count;
mod error;
mod keys;
mod likelihood;
mod partial;
mod read_events;
pub(crate) mod read_parts;
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

use crate::chat::{ChatRequest, Part};
use crate::dialect::Flavor;
use crate::event::{EventReader, EventWriter};
use crate::framing::Framing;
use crate::half::{Begun, Head, Inbound, Memo, Outbound, Profile, Stamp, Written};
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

    fn write_stream_problem(&self, problem: &Problem, _flavor: Flavor, _begun: &Begun<'_>) -> Vec<u8> {
        error::write_stream_problem(problem)
    }
}

/// Reads a whole answer, for operations that are no chat elsewhere.
pub(crate) fn read_whole(memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
    reply::read_reply(memo, body)
}

impl Outbound for Gemini {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn reads(&self, key: &str) -> bool {
        write_request::is_guest(key)
    }

    fn has(&self, key: &str) -> bool {
        write_request::is_own_field(key)
    }

    fn framing_of(&self, content_type: &str) -> Option<Framing> {
        match Framing::of_content_type(content_type, Framing::Sse) {
            // Without `alt=sse` it streams one array; an error stands there alone.
            None if content_type.starts_with("application/json") => Some(Framing::JsonArray),
            framing => framing,
        }
    }

    fn nests(&self) -> bool {
        true
    }

    fn model_key(&self) -> Option<&'static str> {
        None
    }

    fn path(&self, model: &str, stream: bool) -> String {
        let model = percent_encoded(model.strip_prefix("models/").unwrap_or(model));
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        format!("/models/{model}:{method}")
    }

    fn wants_bytes(&self, part: &Part) -> bool {
        let looked_up = |url: &str| read_parts::is_youtube(url) || read_parts::is_stored_file(url);
        part.extra.from() != Some(crate::dialect::Dialect::Gemini) && !crate::media::url_of(part).is_some_and(looked_up)
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
