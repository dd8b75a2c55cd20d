//! What a deployment says of every chat, in the client's words, so that it is translated as what the client says is.
//!
//! What only the provider has a word for is laid into what is sent, as the operator wrote it.

use switchboard_wire::Dialect;
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::problem::Problem;

use crate::call::{Call, Content};
use crate::deployment::Reach;

/// Fields that are translated from OpenAI's chats.
const OPENAI: [&str; 20] = [
    "frequency_penalty",
    "logit_bias",
    "max_completion_tokens",
    "max_tokens",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "user",
    "verbosity",
];
/// Those that mean the same in Anthropic's messages.
const ANTHROPIC: [&str; 5] = ["reasoning_effort", "temperature", "thinking", "top_k", "top_p"];

/// The call with what the deployment says in such fields and the client does not; `None` where there is nothing to add.
pub(crate) fn of(call: &Call, spoken: Dialect, reach: &Reach) -> Result<Option<Call>, Problem> {
    let Content::Json(outline) = &call.content else { return Ok(None) };
    let words: &[&str] = match call.door.dialect {
        door if door == spoken => return Ok(None),
        Dialect::OpenAiChat => &OPENAI,
        Dialect::Anthropic => &ANTHROPIC,
        _ => return Ok(None),
    };
    let default: Vec<(String, String)> =
        reach.edits.default.iter().filter(|(key, _)| words.contains(&key.as_str()) && !is_said(outline, key)).cloned().collect();
    if default.is_empty() {
        return Ok(None);
    }
    Ok(Some(call.clone().edited(&Edits { default, ..Edits::default() })?))
}

/// Whether a call says that field itself, under one of its names.
pub(crate) fn is_said(outline: &Outline, key: &str) -> bool {
    const LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];
    outline.get(key).is_some() || LIMITS.contains(&key) && LIMITS.iter().any(|limit| outline.get(limit).is_some())
}
