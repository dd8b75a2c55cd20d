//! What OpenRouter's clients ask for and nobody here does: told, not passed over in silence.

use serde::Deserialize;
use switchboard_wire::control::is_steering;
use switchboard_wire::loss::Losses;

use crate::call::{Call, Content};
use crate::deployment::Deployment;

/// Plugins that are none here, by the names under which that is told.
const PLUGINS: [(&str, &str); 4] = [
    ("response-healing", "plugins.response-healing"),
    ("context-compression", "plugins.context-compression"),
    ("moderation", "plugins.moderation"),
    ("file-parser", "plugins.file-parser"),
];
/// Those that are something here.
const TAKEN: [&str; 3] = ["web", "auto-router", "auto-beta-router"];
/// Every other one: what a client calls it is no name for a header.
const UNKNOWN: &str = "plugins";

#[derive(Deserialize)]
struct Plugin {
    #[serde(default)]
    id: String,
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct Debug {
    #[serde(default)]
    echo_upstream_body: bool,
}

/// Adds what of the call's wishes nothing is done about to the losses. Another gateway gets them as they are.
pub(crate) fn tell(call: &Call, target: &Deployment, losses: &mut Losses) {
    let Content::Json(outline) = &call.content else { return };
    if target.gateway {
        return;
    }
    let said = |key: &str| outline.get(key).is_some() && is_steering(call.door.dialect, key);
    if said("plugins") {
        let plugins: Vec<Plugin> = outline.read(&call.body, "plugins").ok().flatten().unwrap_or_default();
        for plugin in plugins.iter().filter(|plugin| plugin.enabled != Some(false) && !TAKEN.contains(&plugin.id.as_str())) {
            let known = PLUGINS.iter().find(|(id, _)| *id == plugin.id);
            losses.dropped(known.map_or(UNKNOWN, |(_, told)| told));
        }
    }
    if said("transforms") && outline.read::<Vec<String>>(&call.body, "transforms").ok().flatten().is_some_and(|list| !list.is_empty()) {
        losses.dropped("transforms");
    }
    if said("debug") && outline.read::<Debug>(&call.body, "debug").ok().flatten().is_some_and(|debug| debug.echo_upstream_body) {
        losses.dropped("debug.echo_upstream_body");
    }
}
