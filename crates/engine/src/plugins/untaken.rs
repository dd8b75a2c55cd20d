//! What OpenRouter's clients ask for and nobody here does: told, not passed over in silence.

use serde::Deserialize;
use switchboard_wire::control::is_steering;
use switchboard_wire::loss::Losses;

use super::compression::{self, COMPRESSION, TRANSFORMS};
use super::healing::{self, HEALING};
use crate::call::{Call, Content};
use crate::deployment::Deployment;
use crate::plugins;

/// Plugins that are none here, or not for every call, by the names under which that is told.
const PLUGINS: [(&str, &str); 4] = [
    (HEALING, "plugins.response-healing"),
    (COMPRESSION, "plugins.context-compression"),
    ("moderation", "plugins.moderation"),
    ("file-parser", "plugins.file-parser"),
];
/// Those that are something here.
const TAKEN: [&str; 3] = ["web", "auto-router", "auto-beta-router"];
/// Every other one: what a client calls it is no name for a header.
const UNKNOWN: &str = "plugins";

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
    let is_done = |plugin: &str| match plugin {
        HEALING => healing::is_done(call),
        COMPRESSION => compression::is_done(call, target),
        other => TAKEN.contains(&other),
    };
    for plugin in plugins::wanted(call).iter().filter(|plugin| !is_done(plugin)) {
        let known = PLUGINS.iter().find(|(id, _)| id == plugin);
        losses.dropped(known.map_or(UNKNOWN, |(_, told)| told));
    }
    let is_known = |transform: &String| transform == compression::MIDDLE_OUT && compression::is_done(call, target);
    if !compression::transforms(call).iter().all(is_known) {
        losses.dropped(TRANSFORMS);
    }
    let said = |key: &str| outline.get(key).is_some() && is_steering(call.door.dialect, key);
    if said("debug") && outline.read::<Debug>(&call.body, "debug").ok().flatten().is_some_and(|debug| debug.echo_upstream_body) {
        losses.dropped("debug.echo_upstream_body");
    }
}
