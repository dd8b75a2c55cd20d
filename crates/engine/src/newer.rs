//! What is asked for in the responses API where a provider has both forms: calls of functions by models that think, which their maker
//! refuses in chat completions, and searches of the web.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use switchboard_wire::{Dialect, Operation};

use crate::call::{Call, Content};
use crate::deployment::{Deployment, NewerCalls};

/// What says how much is thought, where it stands.
const EFFORTS: [&str; 5] = [
    "/reasoning_effort",
    "/reasoning_effort/effort",
    "/reasoning/effort",
    "/output_config/effort",
    "/generationConfig/thinkingConfig/thinkingLevel",
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "googleSearch", alias = "google_search")]
    google: Option<IgnoredAny>,
}

/// Whether that call's tools are to be told in the newer form at that target, which has both.
pub(crate) fn is_needed(call: &Call, target: &Deployment) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    // What clients of OpenAI's own forms ask for they have said in the form they want.
    let other = matches!(call.door.dialect, Dialect::Anthropic | Dialect::Gemini);
    let searches = other && target.chat.contains(&Dialect::OpenAiResponses);
    let calls = target.newer_calls != NewerCalls::Never;
    if !(searches || calls) || outline.get("tools").is_none() {
        return false;
    }
    let tools = outline.read::<Vec<Tool>>(&call.body, "tools").ok().flatten().unwrap_or_default();
    searches && tools.iter().any(Tool::searches)
        || calls && tools.iter().any(|tool| tool.is_function(call.door.dialect)) && thinks(call, target)
}

impl Tool {
    fn is_function(&self, client: Dialect) -> bool {
        let own = if client == Dialect::Anthropic { "custom" } else { "function" };
        self.kind.as_deref().map_or(client != Dialect::OpenAiChat, |kind| kind == own)
    }

    /// Whether it has the web searched.
    fn searches(&self) -> bool {
        self.google.is_some() || self.kind.as_deref().is_some_and(|kind| kind.starts_with("web_search"))
    }
}

/// Whether the model will think: as the call says, or else the deployment, or else as it does by itself.
fn thinks(call: &Call, target: &Deployment) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let said = |key: &str| outline.read::<Value>(&call.body, key).ok().flatten();
    let fields = ["reasoning_effort", "reasoning", "output_config", "thinking", "generationConfig"];
    let asked: Value = fields.into_iter().filter_map(|key| Some((key.to_owned(), said(key)?))).collect::<serde_json::Map<_, _>>().into();
    let effort = EFFORTS.iter().find_map(|place| asked.pointer(place)?.as_str());
    match (effort, asked.pointer("/thinking/type").and_then(Value::as_str), asked.pointer("/reasoning/enabled")) {
        (Some(effort), ..) => effort != "none",
        (None, Some(kind), _) => kind != "disabled",
        (None, None, Some(enabled)) => enabled == &Value::Bool(true),
        (None, None, None) => thinks_by_itself(call, target),
    }
}

/// Whether the model thinks where a call does not say so.
fn thinks_by_itself(call: &Call, target: &Deployment) -> bool {
    let reach = target.reach(Operation::Chat, Some(Dialect::OpenAiChat), call.stream);
    let said = reach.and_then(|reach| reach.edits.default.iter().find(|(name, _)| name == "reasoning_effort"));
    let usual = target.card.as_ref().and_then(|card| card.default_effort.as_deref());
    match said {
        Some((_, json)) => json != "\"none\"",
        None => target.newer_calls == NewerCalls::Always && target.thinks() != Some(false) && usual != Some("none"),
    }
}
