//! Whether a request does nothing but have a model speak.
//!
//! What is asked twice for speed, or once for several callers, must have no effect beside its answer: nothing kept at the provider,
//! no tool that the provider runs.

use serde::Deserialize;
use serde::de::IgnoredAny;
use switchboard_wire::{Dialect, Operation};

use crate::call::{Call, Content};

/// Fields by whose presence something is kept, continued or run at the provider.
const LASTING: [&str; 7] =
    ["previous_response_id", "conversation", "background", "container", "mcp_servers", "cachedContent", "stop_server_tools_when"];
/// Tools of Anthropic's that the client runs.
const CLIENTS: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// A tool, as far as it says who runs it.
#[derive(Deserialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<IgnoredAny>,
    #[serde(alias = "functionDeclarations")]
    function_declarations: Option<IgnoredAny>,
}

impl Tool {
    fn is_clients(&self) -> bool {
        match self.kind.as_deref() {
            Some(kind) => matches!(kind, "function" | "custom") || CLIENTS.iter().any(|prefix| kind.starts_with(prefix)),
            None => self.name.is_some() || self.function_declarations.is_some(),
        }
    }
}

/// Whether what that call asks for is one text and nothing that goes with it word by word.
pub(crate) fn is_plain_text(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let more_than_one = call.amount("n").is_some_and(|choices| choices > 1);
    let beside = ["logprobs", "top_logprobs", "modalities", "audio", "echo"];
    let any = |key: &&str| outline.get(key).is_some() && outline.read::<bool>(&call.body, key).ok().flatten() != Some(false);
    let several = outline
        .read::<Box<serde_json::value::RawValue>>(&call.body, "generationConfig")
        .is_ok_and(|config| config.is_some_and(|config| config.get().contains("candidateCount")));
    has_no_effect(call) && !several && !more_than_one && !beside.iter().any(any)
}

/// Whether that call does nothing but have a model speak. In doubt it does more.
pub(crate) fn is_mere_inference(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    if call.door.operation != Operation::Chat {
        return false;
    }
    let flag = |key: &str| outline.read::<bool>(&call.body, key).ok().flatten();
    // Responses are kept unless the caller says otherwise.
    let kept = flag("store").unwrap_or(call.door.dialect == Dialect::OpenAiResponses);
    !kept && has_no_effect(call)
}

/// Whether nothing that the call names is continued or run at the provider.
fn has_no_effect(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let flag = |key: &str| outline.read::<bool>(&call.body, key).ok().flatten();
    if outline.entries().iter().any(|entry| LASTING.contains(&&*entry.key) && flag(&entry.key) != Some(false)) {
        return false;
    }
    match outline.read::<Vec<Tool>>(&call.body, "tools") {
        Ok(tools) => tools.unwrap_or_default().iter().all(Tool::is_clients),
        Err(_) => false,
    }
}
