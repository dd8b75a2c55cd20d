//! OpenAI's legacy text completions: <https://platform.openai.com/docs/api-reference/completions>.
//!
//! A text in, a text out. Towards other formats the prompt becomes one user's turn; towards this one a chat of a single message
//! becomes that message's text. A longer chat, instructions or tools have no faithful form as one text.
//!
//! | field | meaning | loss |
//! |---|---|---|
//! | `prompt` (a text, or one in an array) | one user's turn | tokens and several prompts are refused |
//! | `max_tokens`, `temperature`, `top_p`, `n`, `stop`, `seed`, penalties, `logit_bias`, `user`, `stream`, `stream_options` | the same as in chat | none |
//! | `suffix`, `echo`, `best_of` | none: they pass only where the formats agree | refused |
//! | `logprobs` (a number) and the rest | `Extra` | a loss towards other formats |
//! | reply `choices[].text` | text; thoughts, sources and media have no place and are left out | |
//!
//! Streams, usage, errors and finish reasons are those of `openai_chat`, whose readers know both shapes of a choice.

#[cfg(test)]
mod tests;
mod write;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::chat::{ChatRequest, Message, OutputFormat, Part, PartBody, Role};
use crate::dialect::{Dialect, Flavor};
use crate::event::{EventReader, EventWriter};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::frames::Frames;
use crate::framing::Framing;
use crate::half::{Begun, Head, Inbound, Memo, Outbound, Profile, Stamp, Written};
use crate::json;
use crate::loss::Losses;
use crate::openai_chat::read_request::{read_knobs, read_model, read_stop};
use crate::openai_chat::write_request::{write_knobs, write_stream};
use crate::openai_chat::{DONE, OpenAiChat, error};
use crate::outline::{Edits, Outline};
use crate::pen::{Refusal, knob};
use crate::problem::{Fault, Malformed, Problem, Unsupported};
use crate::reply::ChatReply;

const HERE: Dialect = Dialect::OpenAiCompletions;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiCompletions;

impl Inbound for OpenAiCompletions {
    fn read_request(&self, head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
        let mut fields = Fields::scan(body)?;
        let mut request = ChatRequest { model: read_model(&mut fields, head)?, ..ChatRequest::default() };
        let part = Part { extra: Extra::new(HERE), ..Part::text(read_prompt(&mut fields)?) };
        request.messages.push(Message::new(Role::User, vec![part]));
        refuse_what_has_no_meaning(&mut fields)?;
        read_knobs(&mut fields, head, &mut request)?;
        request.max_output_tokens = fields.take_count("max_tokens")?;
        let stop = fields.take_raw("stop").filter(|raw| raw.get() != "null");
        request.sampling.stop = stop.map(read_stop).transpose()?.unwrap_or_default();
        request.user = fields.take("user")?;
        request.extra = fields.rest(HERE);
        Ok(request)
    }

    fn write_reply(&self, reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
        write::write_reply(reply, stamp)
    }

    fn event_writer(&self, stamp: Stamp) -> Box<dyn EventWriter> {
        Box::new(write::Writer::new(stamp))
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

fn read_prompt(fields: &mut Fields<'_>) -> Result<String, Malformed> {
    let raw: &RawValue = fields.require("prompt")?;
    if let Ok(text) = serde_json::from_str(raw.get()) {
        return Ok(text);
    }
    match serde_json::from_str::<Vec<String>>(raw.get()).ok().as_deref() {
        Some([text]) => Ok(text.clone()),
        Some(_) => Err(Malformed::field("prompt", "several prompts at once pass only to a provider of the same format")),
        None => Err(Malformed::field("prompt", "must be one text; tokens pass only to a provider of the same format")),
    }
}

fn refuse_what_has_no_meaning(fields: &mut Fields<'_>) -> Result<(), Malformed> {
    let suffix = fields.take::<String>("suffix")?.is_some_and(|suffix| !suffix.is_empty());
    let echo = fields.take::<bool>("echo")?.unwrap_or(false);
    let best_of = fields.take_count("best_of")?.is_some_and(|best_of| best_of > 1);
    match [("suffix", suffix), ("echo", echo), ("best_of", best_of)].iter().find(|(_, asked)| *asked) {
        Some((key, _)) => Err(Malformed::field(key, "passes only to a provider of the same format")),
        None => Ok(()),
    }
}

impl Outbound for OpenAiCompletions {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn model_key(&self) -> Option<&'static str> {
        Some("model")
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/completions".to_owned()
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        let prompt = prompt_of(request)?;
        let mut losses = lost(request)?;
        let body = json::object(|object| {
            object.field("model", &request.model);
            object.field("prompt", prompt);
            object.option("max_tokens", request.max_output_tokens);
            write_knobs(object, request, profile, &mut losses);
            object.option("user", request.user.as_ref());
            write_stream(object, request);
            object.extra(&request.extra, HERE);
        });
        let memo = Memo { vendor: profile.vendor.clone(), stop: request.sampling.stop.clone(), ..Memo::default() };
        Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses, memo })
    }

    fn metering_edits(&self, outline: &Outline, body: &Frames) -> Edits {
        OpenAiChat.metering_edits(outline, body)
    }

    fn read_reply(&self, memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
        OpenAiChat.read_reply(memo, body)
    }

    fn event_reader(&self, memo: Memo) -> Box<dyn EventReader> {
        OpenAiChat.event_reader(memo)
    }

    fn is_own_error(&self, body: &[u8]) -> bool {
        OpenAiChat.is_own_error(body)
    }

    fn read_fault(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
        OpenAiChat.read_fault(status, headers, body)
    }
}

/// What of another format's request has no place here.
fn lost(request: &ChatRequest) -> Result<Losses, Unsupported> {
    let mut losses = Losses::new();
    if request.extra.from() == Some(HERE) {
        return Ok(losses);
    }
    let mut refused = Refusal::new(HERE);
    refused.likelihoods(&mut losses, request, "the likelihoods this format tells cannot be translated");
    refused.sound(request);
    refused.into_result()?;
    knob::lose_foreign(&mut losses, &request.extra, HERE);
    knob::lose_labels(&mut losses, request, &["user"]);
    knob::lose_marks(&mut losses, request, HERE);
    let knobs = [("reasoning", request.reasoning.is_some()), ("parallel_tool_calls", request.parallel_tools == Some(false))];
    knob::lose(&mut losses, knobs);
    Ok(losses)
}

/// The one text of a request.
fn prompt_of(request: &ChatRequest) -> Result<&str, Unsupported> {
    let plain = request.system.is_empty() && request.tools.is_empty() && matches!(request.output, OutputFormat::Text);
    let text = match request.messages.as_slice() {
        [Message { parts, .. }] if plain => match parts.as_slice() {
            [Part { body: PartBody::Text { text, .. }, .. }] => Some(text.as_str()),
            _ => None,
        },
        _ => None,
    };
    text.ok_or_else(|| Unsupported::new("messages", HERE, "a chat has no form as one text"))
}
