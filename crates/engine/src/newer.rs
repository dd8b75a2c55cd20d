//! Models that call functions while they think in the responses API alone: in chat completions their maker refuses the two together.

use serde::Deserialize;
use serde_json::Value;
use switchboard_wire::{Dialect, Operation};

use crate::call::{Call, Content};
use crate::deployment::Deployment;

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
}

/// Whether that call must be made in the newer form at that target.
pub(crate) fn is_needed(call: &Call, target: &Deployment) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    if !target.newer_calls || outline.get("tools").is_none() {
        return false;
    }
    let own = if call.door.dialect == Dialect::Anthropic { "custom" } else { "function" };
    let tools = outline.read::<Vec<Tool>>(&call.body, "tools").ok().flatten().unwrap_or_default();
    let is_function = |tool: &Tool| match &tool.kind {
        Some(kind) => kind == own,
        None => call.door.dialect != Dialect::OpenAiChat,
    };
    tools.iter().any(is_function) && thinks(call, target)
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

/// Whether the model thinks where a call does not say so. At a maker's API with an address of the user's own may be anybody, who thinks
/// otherwise.
fn thinks_by_itself(call: &Call, target: &Deployment) -> bool {
    let reach = target.reach(Operation::Chat, Some(Dialect::OpenAiChat), call.stream);
    let said = reach.and_then(|reach| reach.edits.default.iter().find(|(name, _)| name == "reasoning_effort"));
    let usual = target.card.as_ref().and_then(|card| card.default_effort.as_deref());
    let elsewhere = target.moved && target.profile.vendor.as_ref() == Some(&target.spec.provider);
    match said {
        Some((_, json)) => json != "\"none\"",
        None => !elsewhere && target.thinks() != Some(false) && usual != Some("none"),
    }
}
