//! From a mapping as written to typed values, checked against the rows of [`super::keys`].

use std::collections::BTreeSet;
use std::time::Duration;

use super::diagnostic::{Diagnostics, Location, closest};
use super::keys::{self, Effect, Key, Kind, Section};
use super::secret::Secret;
use super::yaml::{Entry, Map, Node, Value};

/// Collects findings while sections are read.
pub(super) struct Reader<'a> {
    pub(super) found: &'a mut Diagnostics,
    /// Keys that are set and have no effect yet.
    idle: BTreeSet<String>,
    /// Those of them that would have restricted callers.
    unprotected: BTreeSet<String>,
    /// Where the first of them stands, to give the notices a file.
    first: Option<Location>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(found: &'a mut Diagnostics) -> Reader<'a> {
        Reader { found, idle: BTreeSet::new(), unprotected: BTreeSet::new(), first: None }
    }

    /// The keys of a section whose values are of the right kind. What is wrong or unknown is reported and left out; for
    /// sections that take any key, the unknown ones are kept in [`Fields::unknown`].
    pub(super) fn section(&mut self, section: Section, node: Option<&Node>) -> Fields {
        let mut fields = Fields { section, map: Map::default(), unknown: Map::default() };
        let Some(node) = node.filter(|node| !node.is_absent()) else {
            return fields;
        };
        let Some(map) = node.as_map() else {
            self.wrong_kind(node, section.path(), Kind::Map, "");
            return fields;
        };
        for entry in &map.entries {
            match section.find(&entry.name) {
                Some(key) => {
                    if self.known(section, key, entry) {
                        fields.map.entries.push(entry.clone());
                    }
                }
                None => {
                    self.unknown(section, entry);
                    fields.unknown.entries.push(entry.clone());
                }
            }
        }
        fields
    }

    fn known(&mut self, section: Section, key: &Key, entry: &Entry) -> bool {
        let full = section.name_of(key.name);
        if entry.node.value == Value::Unset {
            // A model without its key is left out, and a gateway without its neighbours serves alone; one that lacks what protects it
            // does not start.
            let tolerable = matches!(section, Section::Params | Section::Credential | Section::Router | Section::Litellm);
            self.unset(&full, key.effect == Effect::Honoured && !tolerable, &entry.node);
            return false;
        }
        // LiteLLM takes it for no time at all being said.
        if matches!(key.kind, Kind::Seconds | Kind::Period) && entry.node.as_text().is_some_and(|text| text.trim().is_empty()) {
            self.found.warn(&entry.node.at, format!("`{full}` is empty, and says nothing"), key.kind.example(key.name));
            return false;
        }
        if !key.kind.accepts(&entry.node) {
            // A nested reference to an unset variable is the cause, and is already named.
            if !contains_unset(&entry.node) {
                // A key without effect must not keep the gateway from starting.
                let (message, hint) = wrong_kind(&entry.node, &full, key.kind, key.name);
                match key.effect {
                    Effect::Honoured => self.found.error(&entry.node.at, message, hint),
                    Effect::NotYet | Effect::Python | Effect::Ignored => self.found.warn(&entry.node.at, message, hint),
                }
            }
            return false;
        }
        match key.effect {
            Effect::Honoured => key.within.look(&full, &entry.node, self.found),
            Effect::NotYet => {
                self.warn_unset_within(&full, &entry.node);
                self.idle(full, key, entry);
            }
            Effect::Python => self.python(&full, key, entry),
            Effect::Ignored => {}
        }
        true
    }

    fn unset(&mut self, full: &str, matters: bool, node: &Node) {
        let variable = node.variable.as_deref().unwrap_or_default();
        let message = format!("`{full}` needs the environment variable `{variable}`, which is not set");
        let hint = format!("set `{variable}`, or remove the key");
        match matters {
            true => self.found.error(&node.at, message, hint),
            false => self.found.warn(&node.at, message, hint),
        }
    }

    pub(super) fn wrong_kind(&mut self, node: &Node, full: &str, kind: Kind, name: &str) {
        let (message, hint) = wrong_kind(node, full, kind, name);
        self.found.error(&node.at, message, hint);
    }

    fn idle(&mut self, full: String, key: &Key, entry: &Entry) {
        let is_default = key.name == "routing_strategy" && entry.node.as_text() == Some("simple-shuffle");
        let is_off = entry.node.is_absent() || keys::flag(&entry.node) == Some(false) && key.kind == Kind::Flag;
        let is_empty =
            entry.node.as_list().is_some_and(<[Node]>::is_empty) || entry.node.as_map().is_some_and(|map| map.entries.is_empty());
        let is_served = key.name.contains("callback")
            && keys::texts(&entry.node).is_some_and(|names| !names.is_empty() && names.iter().all(|name| *name == "prometheus"));
        if is_served || is_default || is_empty || is_off && !defaults_to_on(key.name) {
            return;
        }
        self.first.get_or_insert_with(|| entry.at.clone());
        self.dotted(&full, &entry.node);
        let names = if key.protects { &mut self.unprotected } else { &mut self.idle };
        names.insert(full);
    }

    /// Callbacks may name built-in sinks or Python objects; the latter have a dot.
    fn dotted(&mut self, full: &str, node: &Node) {
        if !full.ends_with("callback") && !full.ends_with("callbacks") {
            return;
        }
        for name in keys::texts(node).unwrap_or_default() {
            if name.contains('.') {
                let message = format!("`{full}` names the Python object `{name}`, which is not loaded");
                self.found.warn(&node.at, message, "send the events to a service instead");
            }
        }
    }

    fn python(&mut self, full: &str, key: &Key, entry: &Entry) {
        if entry.node.is_absent() || keys::flag(&entry.node) == Some(false) {
            return;
        }
        let message = format!("`{full}` names Python code, which is not loaded");
        let hint = match key.protects {
            true => "this check does NOT take place; use keys instead, and remove the setting",
            false => "remove it, or run that code as a service of its own",
        };
        self.found.warn(&entry.at, message, hint);
    }

    fn unknown(&mut self, section: Section, entry: &Entry) {
        let names = section.keys().iter().map(|key| key.name);
        let guess = closest(&entry.name, names);
        if section == Section::Params && keys::is_own(&entry.name) && (guess.is_none() || is_free_name(&entry.name)) {
            if !entry.node.is_absent() && keys::flag(&entry.node) != Some(false) {
                self.first.get_or_insert_with(|| entry.at.clone());
                self.idle.insert(section.name_of(&entry.name));
            }
            return;
        }
        // Any key may stand here: it is a request parameter or a note. Only a likely misspelling is worth a word.
        let open = matches!(section, Section::Params | Section::ModelInfo);
        // The customary place for anchors.
        let holds_anchors = section == Section::Top && entry.name.starts_with("x-");
        if holds_anchors || open && (guess.is_none() || is_free_name(&entry.name)) {
            return;
        }
        let message = format!("`{}` is not a known key", section.name_of(&entry.name));
        let elsewhere = || home_of(&entry.name, section).map(|home| format!("it belongs to {home}"));
        let hint = guess.map(|guess| format!("did you mean `{guess}`?")).or_else(elsewhere).unwrap_or_default();
        self.found.warn(&entry.at, message, hint);
    }

    /// Warns about references to unset variables anywhere inside a value.
    pub(super) fn warn_unset_within(&mut self, full: &str, node: &Node) {
        match &node.value {
            Value::Unset => self.unset(full, false, node),
            Value::List(items) => items.iter().for_each(|item| self.warn_unset_within(full, item)),
            Value::Map(map) => {
                map.entries.iter().for_each(|entry| self.warn_unset_within(&format!("{full}.{}", entry.name), &entry.node));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }

    /// Says once, for all of them, which keys are accepted without effect.
    pub(super) fn finish(self) {
        let Some(at) = self.first.map(|first| Location::whole(first.file)) else {
            return;
        };
        let join = |names: &BTreeSet<String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        if !self.unprotected.is_empty() {
            let message = format!("accepted, no effect yet, and meant to protect something: {}", join(&self.unprotected));
            self.found.warn(&at, message, "do not rely on these settings");
        }
        if !self.idle.is_empty() {
            self.found.note(&at, format!("accepted, no effect yet: {}", join(&self.idle)), "");
        }
    }
}

/// What to say about a value of the wrong kind.
fn wrong_kind(node: &Node, full: &str, kind: Kind, name: &str) -> (String, String) {
    let source = node.variable.as_deref().map(|variable| format!(" (from `{variable}`)")).unwrap_or_default();
    let is_numeric = matches!(kind, Kind::Count | Kind::Integer | Kind::Signed | Kind::Decimal | Kind::Seconds);
    let found = if is_numeric && matches!(node.value, Value::Number(_)) { "this number" } else { node.kind() };
    let message = format!("`{full}` must be {}, not {found}{source}", kind.describe());
    let hint = if name.is_empty() { String::new() } else { kind.example(name) };
    (message, hint)
}

/// The section a key belongs to, when it stands in another one.
fn home_of(name: &str, wrong: Section) -> Option<String> {
    let large = [Section::Top, Section::Params, Section::Router, Section::Litellm, Section::General, Section::Switchboard];
    // What is said of the whole gateway is hardly meant for one deployment.
    let first = [Section::Litellm].into_iter().filter(|_| wrong == Section::General);
    let home = first.chain(large).find(|section| *section != wrong && section.find(name).is_some())?;
    Some(if home == Section::Top { "the top of the file".to_owned() } else { format!("`{}`", home.path()) })
}

/// Keys whose `false` asks for something, since they are on unless said.
fn defaults_to_on(name: &str) -> bool {
    matches!(name, "require_auth_for_metrics_endpoint" | "tag_filtering_match_any" | "ignore_invalid_deployments")
}

/// Names close to a known key that are well-known parameters of their own.
fn is_free_name(name: &str) -> bool {
    matches!(name, "top_k" | "top_a" | "min_p" | "n" | "seed" | "stop" | "user" | "tools" | "logprobs" | "top_logprobs")
        || name.contains("cost")
        || name.starts_with("supports_")
}

fn contains_unset(node: &Node) -> bool {
    match &node.value {
        Value::Unset => true,
        Value::List(items) => items.iter().any(contains_unset),
        Value::Map(map) => map.entries.iter().any(|entry| contains_unset(&entry.node)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => false,
    }
}

/// The checked keys of one section.
pub(super) struct Fields {
    section: Section,
    map: Map,
    /// Keys without a row.
    pub(super) unknown: Map,
}

impl Fields {
    /// The value of a key, unless it is absent.
    pub(super) fn node(&self, name: &str) -> Option<&Node> {
        debug_assert!(self.section.find(name).is_some(), "`{name}` has no row in {:?}", self.section);
        self.map.get(name).filter(|node| !node.is_absent())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.node(name).and_then(keys::text).map(str::to_owned)
    }

    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        let node = self.node(name)?;
        let text = keys::text(node).filter(|text| !text.is_empty())?;
        Some(Secret::new(text).through(node.variable.clone()))
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.node(name).and_then(keys::texts).unwrap_or_default();
        texts.into_iter().map(str::to_owned).collect()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.node(name).and_then(keys::flag)
    }

    pub(super) fn count(&self, name: &str) -> Option<u32> {
        self.node(name).and_then(keys::whole).and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn integer(&self, name: &str) -> Option<u64> {
        self.node(name).and_then(keys::whole).and_then(|number| u64::try_from(number).ok())
    }

    pub(super) fn signed(&self, name: &str) -> Option<i64> {
        self.node(name).and_then(keys::whole).and_then(|number| i64::try_from(number).ok())
    }

    /// For quantities that are not money.
    pub(super) fn float(&self, name: &str) -> Option<f64> {
        self.node(name).and_then(keys::decimal)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    pub(super) fn seconds(&self, name: &str) -> Option<Duration> {
        self.node(name).and_then(keys::seconds)
    }

    pub(super) fn milliseconds(&self, name: &str) -> Option<Duration> {
        self.integer(name).map(|millis| Duration::from_millis(millis).min(keys::LONGEST))
    }

    pub(super) fn map(&self, name: &str) -> Option<&Map> {
        self.node(name).and_then(Node::as_map)
    }

    pub(super) fn list(&self, name: &str) -> &[Node] {
        self.node(name).and_then(Node::as_list).unwrap_or_default()
    }

    /// The checked entries.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.map.entries
    }
}
