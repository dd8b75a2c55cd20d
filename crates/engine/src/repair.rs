//! Requests that a provider would refuse or answer with less than it could, put right where the operator says so.
//!
//! LiteLLM's `modify_params` and `reasoning_auto_summary`. Only what is translated is read at all; a request that passes as it came
//! is its client's own business.

use std::collections::HashSet;

use serde::Deserialize;
use switchboard_wire::Dialect;
use switchboard_wire::chat::{ChatRequest, Message, Part, PartBody, Reasoning, Role, ToolCall, ToolResult};
use switchboard_wire::prepare;
use switchboard_wire::problem::Problem;

use crate::call::{Call, Content};
use crate::deployment::Deployment;
use crate::error::Error;

/// What is put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Calls of tools without a result, results without a call, and more tokens asked for than the model gives.
    pub requests: bool,
    /// Summaries of reasoning are asked for where reasoning is.
    pub summaries: bool,
}

/// The kind of summary that is asked for.
const SUMMARY: &str = "detailed";
/// The fields in which requests say how much is generated at most.
const LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

impl Repairs {
    /// The request put right for a target that is spoken to in that dialect; `None` where nothing is to be put right.
    pub(crate) fn of(self, call: &Call, spoken: Dialect) -> Result<Option<ChatRequest>, Problem> {
        let pairs = self.requests && matches!(spoken, Dialect::Anthropic | Dialect::Bedrock);
        let summary = self.summaries && spoken == Dialect::OpenAiResponses;
        if !(pairs || summary) || spoken == call.door.dialect {
            return Ok(None);
        }
        let mut request = prepare::read(call.door.dialect, &call.head(), &call.body)?;
        if pairs {
            pair(&mut request.messages);
        }
        if let Some(reasoning) = request.reasoning.as_mut().filter(|reasoning| summary && reasoning.effort.as_deref() != Some("none")) {
            reasoning.summary.get_or_insert_with(|| SUMMARY.to_owned());
        }
        Ok(Some(request))
    }

    /// The most tokens that the model gives, where more are asked for.
    pub(crate) fn cap(self, call: &Call, target: &Deployment) -> Option<u64> {
        let most = target.card.as_ref().filter(|_| self.requests)?.max_output_tokens?;
        let asked = LIMITS.into_iter().find_map(|key| call.amount(key))?;
        (asked > most).then_some(most)
    }
}

/// The field in which Anthropic's clients tell a model to think.
const THINKING: &str = "thinking";

/// Whether a provider refused a call because of thoughts in its history that it cannot open: another provider's, or ones whose seal was
/// lost. Who wants to be told of thoughts from another conversation is.
pub(crate) fn refuses_thoughts(call: &Call, error: &Error) -> bool {
    let said = error.problem.message.to_ascii_lowercase();
    let has = |words: &str| said.contains(words);
    let unsigned = has("signature") && (has("invalid") || has("valid string"));
    let refuses = error.answered == Some(400) && has(THINKING) && (unsigned || has("must contain thinking"));
    refuses && !(has("bound to a different conversation") && wants_to_know(call))
}

fn wants_to_know(call: &Call) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Binding {
        prefix_mismatch_behavior: Option<String>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Thinking {
        block_binding: Option<Binding>,
    }
    let Content::Json(outline) = &call.content else { return false };
    let thinking = outline.read::<Thinking>(&call.body, THINKING).ok().flatten();
    thinking.and_then(|thinking| thinking.block_binding?.prefix_mismatch_behavior).is_some_and(|behavior| behavior == "error")
}

/// The request without the thoughts in its history, and without a word of thinking; `None` where it has no such thoughts.
pub(crate) fn without_thoughts(call: &Call) -> Result<Option<ChatRequest>, Problem> {
    let mut request = prepare::read(call.door.dialect, &call.head(), &call.body)?;
    let is_thought = |part: &Part| matches!(part.body, PartBody::Reasoning(_));
    if !request.messages.iter().any(|message| message.parts.iter().any(is_thought)) {
        return Ok(None);
    }
    for message in &mut request.messages {
        message.parts.retain(|part| !is_thought(part));
    }
    request.messages.retain(|message| !message.parts.is_empty());
    let effort = request.reasoning.take().and_then(|reasoning| reasoning.effort).filter(|_| call.door.dialect == Dialect::Anthropic);
    request.reasoning = effort.map(|effort| Reasoning { effort: Some(effort), ..Reasoning::default() });
    request.extra.remove(THINKING);
    Ok(Some(request))
}

/// Gives each call of a tool one result, the last one there is, and takes away results of calls that there are not.
fn pair(messages: &mut Vec<Message>) {
    let mut answered = HashSet::new();
    // From the end, so that of several results the last one is met first.
    for at in (0..messages.len()).rev() {
        if messages[at].role == Role::Assistant {
            let missing: Vec<ToolCall> = calls(&messages[at]).filter(|call| !answered.contains(&call.id)).cloned().collect();
            answered.clear();
            give(messages, at, missing);
            continue;
        }
        let known: HashSet<String> = messages[..at]
            .iter()
            .rfind(|before| before.role == Role::Assistant)
            .into_iter()
            .flat_map(calls)
            .map(|call| call.id.clone())
            .collect();
        let parts = &mut messages[at].parts;
        let mut kept: Vec<Part> = std::mem::take(parts).into_iter().rev().filter(|part| stays(part, &known, &mut answered)).collect();
        kept.reverse();
        *parts = kept;
    }
    messages.retain(|message| !message.parts.is_empty());
}

fn stays(part: &Part, known: &HashSet<String>, answered: &mut HashSet<String>) -> bool {
    match &part.body {
        PartBody::ToolResult(result) => known.contains(&result.call) && answered.insert(result.call.clone()),
        _ => true,
    }
}

fn calls(message: &Message) -> impl Iterator<Item = &ToolCall> {
    message.parts.iter().filter_map(|part| match &part.body {
        PartBody::ToolCall(call) => Some(call),
        _ => None,
    })
}

/// Says behind a turn of the model's that those calls of its were not carried out.
fn give(messages: &mut Vec<Message>, at: usize, missing: Vec<ToolCall>) {
    if missing.is_empty() {
        return;
    }
    let skipped = |call: ToolCall| {
        let text = format!("[System: Tool execution skipped/interrupted by user. No result provided for tool '{}'.]", call.name);
        let result = ToolResult { call: call.id, name: Some(call.name), parts: vec![Part::text(text)], is_error: false };
        Part::new(PartBody::ToolResult(result))
    };
    let parts = missing.into_iter().map(skipped);
    match messages.get_mut(at + 1).filter(|next| next.role == Role::User) {
        Some(next) => drop(next.parts.splice(0..0, parts)),
        None => messages.insert(at + 1, Message::new(Role::User, parts.collect())),
    }
}
