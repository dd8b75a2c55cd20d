//! OpenRouter's plugin `response-healing`: an answer that was to be JSON and is none is put right.

use bytes::Bytes;
use serde::Deserialize;
use switchboard_wire::{Dialect, heal};

use crate::call::{Call, Content};
use crate::deployment::Deployment;
use crate::plugins;

/// The plugin.
pub(super) const HEALING: &str = "response-healing";

/// Whether whole answers to that call are looked at: those that are to be JSON.
pub(super) fn is_done(call: &Call) -> bool {
    !call.stream && plugins::is_wanted(call, HEALING) && wants_json(call)
}

/// The answer put right. Another gateway has done so itself.
pub(crate) fn healed(call: &Call, target: &Deployment, body: Bytes) -> Bytes {
    if target.gateway || !is_done(call) {
        return body;
    }
    heal::whole(call.door.dialect, &body).unwrap_or(body)
}

fn wants_json(call: &Call) -> bool {
    #[derive(Deserialize)]
    struct Format {
        r#type: Option<String>,
    }
    #[derive(Deserialize)]
    struct Text {
        format: Option<Format>,
    }
    let Content::Json(outline) = &call.content else { return false };
    let format = match call.door.dialect {
        Dialect::OpenAiChat => outline.read::<Format>(&call.body, "response_format").ok().flatten(),
        Dialect::OpenAiResponses => outline.read::<Text>(&call.body, "text").ok().flatten().and_then(|text| text.format),
        _ => None,
    };
    format.and_then(|format| format.r#type).is_some_and(|kind| matches!(kind.as_str(), "json_object" | "json_schema"))
}
