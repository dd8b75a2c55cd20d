//! Names that stand for other names: aliases and fallbacks.

use serde_json::{Map, Value};

use super::Config;
use crate::config::diagnostic::{Diagnostics, Location, Severity, closest};
use crate::config::fields::{Fields, Reader};
use crate::config::keys::{self, Kind};
use crate::config::yaml::{Entry, Node};

/// Another name of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The other name.
    pub name: String,
    /// The model it stands for.
    pub model: String,
    /// Not shown in the list of models.
    pub hidden: bool,
    /// Where it stands.
    pub at: Location,
}

/// What to try when a model fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The model; `*` for any.
    pub model: String,
    /// The models to try, in order.
    pub targets: Vec<FallbackTarget>,
    /// Where it stands.
    pub at: Location,
}

/// A model to try, and what is different for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackTarget {
    /// The model.
    pub model: String,
    /// Body fields to set there.
    pub params: Map<String, Value>,
}

/// Aliases of `router_settings.model_group_alias` and, where it has none, of `litellm_settings.model_alias_map`.
pub(super) fn aliases(reader: &mut Reader<'_>, router: &Fields, litellm: &Fields) -> Vec<Alias> {
    let mut aliases: Vec<Alias> = Vec::new();
    for (section, fields, key) in [("router_settings", router, "model_group_alias"), ("litellm_settings", litellm, "model_alias_map")] {
        for entry in fields.map(key).map(|map| map.entries.as_slice()).unwrap_or_default() {
            let full = format!("{section}.{key}.{}", entry.name);
            let is_new = aliases.iter().all(|alias| alias.name != entry.name);
            if let Some(alias) = alias(reader, &full, entry).filter(|_| is_new) {
                aliases.push(alias);
            }
        }
    }
    aliases
}

fn alias(reader: &mut Reader<'_>, full: &str, entry: &Entry) -> Option<Alias> {
    let (model, hidden) = match entry.node.as_map() {
        Some(map) => {
            let model = map.get("model").and_then(keys::text);
            (model, map.get("hidden").and_then(keys::flag).unwrap_or(false))
        }
        None => (keys::text(&entry.node), false),
    };
    let Some(model) = model else {
        let message = format!("`{full}` does not say which model it stands for");
        let hint = format!("write `{}: model` or `{}: {{model: ..., hidden: true}}`", entry.name, entry.name);
        reader.found.error(&entry.node.at, message, hint);
        return None;
    };
    Some(Alias { name: entry.name.clone(), model: model.to_owned(), hidden, at: entry.at.clone() })
}

/// A list of `{model: [target, ...]}`.
pub(super) fn read(reader: &mut Reader<'_>, name: &str, items: &[Node]) -> Vec<Fallback> {
    let mut fallbacks = Vec::new();
    for item in items {
        let Some(map) = item.as_map() else {
            let message = format!("an entry of `{name}` must be a map, not {}", item.kind());
            reader.found.error(&item.at, message, format!("write `{name}: [{{\"model\": [\"other\"]}}]`"));
            continue;
        };
        for entry in &map.entries {
            let single = std::slice::from_ref(&entry.node);
            let targets = entry.node.as_list().unwrap_or(single);
            let targets = targets.iter().filter_map(|target| self::target(reader, name, entry, target)).collect();
            fallbacks.push(Fallback { model: entry.name.clone(), targets, at: entry.at.clone() });
        }
    }
    fallbacks
}

/// A model, or a map with a model and parameters to change for it.
fn target(reader: &mut Reader<'_>, name: &str, entry: &Entry, node: &Node) -> Option<FallbackTarget> {
    if let Some(text) = keys::text(node) {
        return Some(FallbackTarget { model: text.to_owned(), params: Map::new() });
    }
    let full = format!("{name}.{}", entry.name);
    let Some(map) = node.as_map() else {
        reader.wrong_kind(node, &full, Kind::Texts, &entry.name);
        return None;
    };
    let model = map.get("model").and_then(keys::text);
    if model.is_none() {
        reader.found.error(&node.at, format!("a fallback in `{full}` has no `model`"), "write the model's name only");
    }
    let mut params = map.to_json();
    params.remove("model");
    Some(FallbackTarget { model: model?.to_owned(), params })
}

/// Tells of aliases, fallbacks, targets and settings of models that lead nowhere.
pub(super) fn check_targets(config: &Config, fields: &Fields, default_fallbacks_at: &Location, found: &mut Diagnostics) {
    let router = &config.router;
    let deployments = || config.deployments.iter().chain(&config.routers);
    let names: Vec<&str> = deployments().map(|deployment| deployment.model_name.as_str()).collect();
    let autos = || config.switchboard.smart.auto.iter().flat_map(|auto| &auto.names);
    let is_model = |model: &str| {
        let is_id = || deployments().any(|deployment| deployment.model_info.id == model);
        names.iter().any(|name| matches(name, model)) || is_id() || autos().any(|name| name == model)
    };
    let is_alias = |model: &str| config.aliases.iter().any(|alias| alias.name == model);
    for alias in config.aliases.iter().filter(|alias| is_alias(&alias.model) && !is_model(&alias.model)) {
        let message = format!("the alias `{}` stands for `{}`, which is an alias itself: it leads nowhere", alias.name, alias.model);
        found.warn(&alias.at, message, "write the model's own name");
    }
    if config.general.store_model_in_db {
        return;
    }
    let hint = |model: &str| {
        let close = closest(model, names.iter().copied()).map(|name| format!("did you mean `{name}`?"));
        close.unwrap_or_else(|| "add it to `model_list`".to_owned())
    };
    for target in &config.switchboard.virtual_targets {
        let is_served = names.iter().take(config.deployments.len()).any(|name| matches(name, &target.model));
        if !is_served && !is_alias(&target.model) {
            let (of, model) = (&target.of, &target.model);
            let message = format!("the virtual model `{of}` has the target `{model}`, which is not in `model_list`");
            found.push(Severity::Fault, &target.at, message, hint(model));
        }
    }
    let mut missing = |kind: &str, model: &str, at: &Location| {
        if !is_model(model) && !is_alias(model) {
            found.warn(at, format!("{kind} `{model}`, which is not in `model_list`"), hint(model));
        }
    };
    for alias in &config.aliases {
        missing(&format!("the alias `{}` stands for", alias.name), &alias.model, &alias.at);
    }
    for (kind, model, at) in named(fields) {
        missing(kind, model, at);
    }
    for router in &config.routers {
        for auto in config.switchboard.smart.auto.iter().filter(|auto| auto.names.contains(&router.model_name)) {
            let choices = auto.tiers.iter().flatten().map(|choice| &choice.model);
            let models = choices.chain(&auto.default).chain(&auto.reference);
            models.for_each(|model| missing(&format!("`{}` chooses", router.model_name), model, &router.at));
        }
    }
    let lists = [&router.fallbacks, &router.context_window_fallbacks, &router.content_policy_fallbacks];
    for fallback in lists.into_iter().flatten() {
        if fallback.model != "*" {
            missing("there are fallbacks for", &fallback.model, &fallback.at);
        }
        for target in &fallback.targets {
            missing(&format!("`{}` falls back to", fallback.model), &target.model, &fallback.at);
        }
    }
    for target in &router.default_fallbacks {
        missing("`default_fallbacks` names", target, default_fallbacks_at);
    }
}

/// The models that `router_settings` says more of, each with what it says.
fn named(fields: &Fields) -> impl Iterator<Item = (&'static str, &str, &Location)> {
    let maps = [("weights", "there are `weights` for"), ("model_group_retry_policy", "there is a `model_group_retry_policy` for")];
    let entries = maps.into_iter().flat_map(|(key, kind)| {
        let entries = fields.map(key).map(|map| map.entries.as_slice()).unwrap_or_default();
        entries.iter().map(move |entry| (kind, entry.name.as_str(), &entry.at))
    });
    let groups = fields.list("routing_groups").iter().filter_map(|group| group.as_map()?.get("models")?.as_list()).flatten();
    entries.chain(groups.filter_map(|model| Some(("a group of `routing_groups` has", keys::text(model)?, &model.at))))
}

/// Whether a public name, in which `*` is any text, covers a model.
fn matches(name: &str, model: &str) -> bool {
    let mut parts = name.split('*');
    let Some(mut rest) = parts.next().and_then(|first| model.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    false
}
