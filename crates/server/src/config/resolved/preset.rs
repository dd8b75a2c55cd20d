//! `switchboard.presets`: settings of requests under a name.

use crate::config::fields::Reader;
use crate::config::yaml::Node;
use crate::preset::{Preset, Settings};

/// All of them.
pub(super) fn read_all(reader: &mut Reader<'_>, items: &[Node]) -> Vec<Preset> {
    let mut found: Vec<Preset> = Vec::new();
    for item in items {
        let mut said = item.as_map().map(|map| map.to_json()).unwrap_or_default();
        let mut text = |name: &str| said.remove(name).and_then(|value| value.as_str().map(str::to_owned));
        let (slug, system_prompt) = (text("slug").or_else(|| text("name")).unwrap_or_default(), text("system_prompt"));
        if slug.is_empty() || found.iter().any(|other| other.slug == slug) {
            let message = format!("`switchboard.presets[]` needs a `slug` of its own, not `{slug}`");
            reader.found.error(&item.at, message, "give each preset a `slug` by which requests name it");
            continue;
        }
        if let Some(unknown) = said.keys().find(|name| !Settings::knows(name)) {
            let message = format!("`switchboard.presets[].{unknown}` is no field that a preset may say");
            reader.found.error(&item.at, message, "name fields as chat completions do");
            continue;
        }
        found.push(Preset { slug, active: true, settings: Settings { system_prompt, config: said } });
    }
    found
}
