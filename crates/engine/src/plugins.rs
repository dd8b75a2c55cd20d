//! Plugins that OpenRouter's clients ask for.

pub(crate) mod compression;
pub(crate) mod healing;
pub(crate) mod untaken;

use serde::Deserialize;
use switchboard_wire::control::is_steering;

use crate::call::{Call, Content};

const PLUGINS: &str = "plugins";

#[derive(Deserialize)]
struct Plugin {
    #[serde(default)]
    id: String,
    enabled: Option<bool>,
}

/// The ids of those that the call wants.
fn wanted(call: &Call) -> Vec<String> {
    let Content::Json(outline) = &call.content else { return Vec::new() };
    if outline.get(PLUGINS).is_none() || !is_steering(call.door.dialect, PLUGINS) {
        return Vec::new();
    }
    let said: Vec<Plugin> = outline.read(&call.body, PLUGINS).ok().flatten().unwrap_or_default();
    said.into_iter().filter(|plugin| plugin.enabled != Some(false)).map(|plugin| plugin.id).collect()
}

/// Whether the call wants that one.
fn is_wanted(call: &Call, id: &str) -> bool {
    wanted(call).iter().any(|wanted| wanted == id)
}
