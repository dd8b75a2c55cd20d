//! A whole answer, and the pieces that streams share with it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{HERE, fault};
use crate::chat::{Part, PartBody, Thought, ToolCall};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::lenient::{Count, or_default};
use crate::openai_chat::likelihood;
use crate::problem::{Fault, Kind};
use crate::reply::{ChatReply, Finish, Likelihood, Reason, Usage};
use crate::rfc3339::unix_seconds;

/// A line of a stream, or a whole answer.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) created_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) done: bool,
    pub(super) done_reason: Option<String>,
    pub(super) prompt_eval_count: Count,
    pub(super) eval_count: Count,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Call<'a> {
    id: Option<String>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl Line<'_> {
    /// When, in Unix seconds.
    pub(super) fn created(&self) -> Option<u64> {
        self.created_at.as_deref().and_then(unix_seconds)
    }

    /// How likely its tokens were, which is told as OpenAI tells it.
    pub(super) fn likelihoods(&self) -> Vec<Likelihood> {
        self.logprobs.map(likelihood::read_list).unwrap_or_default()
    }

    /// The counts, where there are any.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.prompt_eval_count.is_none() && self.eval_count.is_none() {
            return None;
        }
        Some(Usage { input: *self.prompt_eval_count, output: *self.eval_count, ..Usage::default() })
    }
}

impl Call<'_> {
    /// The call; `ordinal` counts the calls of the answer, `salt` tells answers apart.
    pub(super) fn read(self, ordinal: usize, salt: &str) -> ToolCall {
        let Function { name, arguments } = self.function;
        // Some versions and models write the input as text.
        let arguments = arguments.map_or("{}", RawValue::get);
        let arguments = serde_json::from_str::<String>(arguments).unwrap_or_else(|_| arguments.to_owned());
        let arguments = if matches!(arguments.trim(), "" | "null") { "{}".to_owned() } else { arguments };
        let id = self.id.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            let seed = format!("{salt}\n{ordinal}\n{name}\n{arguments}");
            format!("call_{:08x}", crc32fast::hash(seed.as_bytes()))
        });
        ToolCall { id, name, arguments, ..ToolCall::default() }
    }
}

/// Reads a whole answer.
pub(super) fn read(body: &[u8]) -> Result<ChatReply, Fault> {
    let line: Line<'_> = serde_json::from_slice(body).map_err(|error| Fault::protocol(&error.to_string()))?;
    if line.error.is_some() {
        return Err(fault(Kind::Upstream, body));
    }
    let mut reply =
        ChatReply { model: line.model.as_deref().map(str::to_owned), created: line.created(), usage: line.usage(), ..ChatReply::default() };
    reply.likelihoods = line.likelihoods();
    reply.extra = extra(body);
    let salt = line.created_at.clone().unwrap_or_default();
    let Some(message) = line.message else { return Err(Fault::protocol("an answer without a message")) };
    if let Some(text) = message.thinking.filter(|text| !text.is_empty()) {
        reply.parts.push(Part::new(PartBody::Reasoning(Thought { text: text.into_owned(), ..Thought::default() })));
    }
    if let Some(text) = message.content.filter(|text| !text.is_empty()) {
        reply.parts.push(Part::text(text));
    }
    let calls = message.tool_calls.unwrap_or_default();
    reply.finish = finish(line.done_reason, !calls.is_empty());
    reply.parts.extend(calls.into_iter().enumerate().map(|(at, call)| Part::new(PartBody::ToolCall(call.read(at, &salt)))));
    Ok(reply)
}

/// What the meaning has no place for: how long each step took.
fn extra(body: &[u8]) -> Extra {
    const KNOWN: [&str; 8] = ["model", "created_at", "message", "done", "done_reason", "prompt_eval_count", "eval_count", "logprobs"];
    let mut extra = Extra::new(HERE);
    if let Ok(fields) = Fields::scan(body) {
        for (key, value) in fields.rest(HERE).fields().iter().filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
            extra.push(key, value.clone());
        }
    }
    extra
}

/// Why the answer ended. That there are tools to run is not said.
pub(super) fn finish(raw: Option<String>, calls: bool) -> Finish {
    let reason = match raw.as_deref() {
        Some("length") => Reason::Length,
        Some("stop" | "tool_calls") | None if calls => Reason::ToolCalls,
        // Older versions say only that they are done.
        Some("stop") | None => Reason::Stop,
        Some(_) => Reason::Other,
    };
    Finish { reason, raw, stop_sequence: None, words: None }
}
