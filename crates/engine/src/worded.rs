//! What a deployment says of every chat, in the client's words, so that it is translated as what the client says is.
//!
//! What only the provider has a word for is laid into what is sent, as the operator wrote it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
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

/// Fields of Anthropic's that a request must opt into: what they need is read where the client says them.
const FEATURED: [&str; 6] = ["container", "context_management", "mcp_servers", "output_format", "safeguards", "speed"];

/// Fields of Gemini's that clients of OpenAI's format may say, too.
const GEMINI: [&str; 7] = ["audio", "cached_content", "image_config", "imageConfig", "safety_settings", "speech_config", "speechConfig"];

/// Fields of Converse's own; it has no others, but one for what is the model's.
const CONVERSE: [&str; 11] = [
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "inferenceConfig",
    "messages",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
    "system",
    "toolConfig",
];
/// The header of Anthropic's features, which Converse takes in the body alone.
const FEATURES: &str = "anthropic-beta";
const ADDITIONAL: &str = "additionalModelRequestFields";

/// The call with what the deployment says in such fields and the client does not; `None` where there is nothing to add.
pub(crate) fn of(call: &Call, spoken: Dialect, reach: &Reach) -> Result<Option<Call>, Problem> {
    let Content::Json(outline) = &call.content else { return Ok(None) };
    if reach.edits.default.is_empty() && !reach.headers.contains_key(FEATURES) {
        return Ok(None);
    }
    let added = reach.edits.default.iter().filter(|(key, _)| !is_said(outline, key));
    let (default, others): (Vec<_>, Vec<_>) = added.cloned().partition(|(key, _)| is_clients(call.door.dialect, spoken, key));
    let mut edits = Edits { default, ..Edits::default() };
    let models: Vec<(String, String)> = others.into_iter().filter(|(key, _)| spoken == Dialect::Bedrock && is_models(key)).collect();
    if !models.is_empty() {
        let mut fields: BTreeMap<String, Box<RawValue>> = outline.read(&call.body, ADDITIONAL)?.unwrap_or_default();
        for (key, json) in models {
            let Ok(value) = RawValue::from_string(json) else { continue };
            fields.entry(key).or_insert(value);
        }
        edits.set.push((ADDITIONAL.to_owned(), serde_json::to_string(&fields).unwrap_or_default()));
    }
    let features = reach.headers.get_all(FEATURES).into_iter().filter(|_| spoken == Dialect::Bedrock);
    let mut features = features.peekable();
    if edits.is_empty() && features.peek().is_none() {
        return Ok(None);
    }
    let mut worded = call.clone().edited(&edits)?;
    for names in features {
        worded.headers.append(FEATURES, names.clone());
    }
    Ok(Some(worded))
}

/// What of a deployment's fields is still to be laid into what is sent of that call.
pub(crate) fn lay(edits: &mut Edits, call: &Call, spoken: Dialect) {
    let Content::Json(outline) = &call.content else { return };
    if call.door.dialect != spoken {
        // What the call says is translated: it may have another name there.
        edits.default.retain(|(key, _)| !(is_said(outline, key) || spoken == Dialect::Bedrock && is_models(key)));
    }
}

/// Whether a field is to be read as the client's.
fn is_clients(client: Dialect, spoken: Dialect, key: &str) -> bool {
    match client {
        Dialect::OpenAiChat | Dialect::Anthropic if spoken == Dialect::Anthropic && FEATURED.contains(&key) => true,
        _ if client == spoken => false,
        Dialect::OpenAiChat => OPENAI.contains(&key) || spoken == Dialect::Gemini && GEMINI.contains(&key),
        Dialect::Anthropic => ANTHROPIC.contains(&key),
        _ => false,
    }
}

/// Whether a field is the model's, behind Converse.
fn is_models(key: &str) -> bool {
    key != ADDITIONAL && !CONVERSE.contains(&key)
}

/// Whether a call says that field itself, under one of its names.
fn is_said(outline: &Outline, key: &str) -> bool {
    const LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];
    outline.get(key).is_some() || LIMITS.contains(&key) && LIMITS.iter().any(|limit| outline.get(limit).is_some())
}
