//! What is laid over a configuration that was read: models, credentials and settings that were made over the API.
//!
//! They become nodes as if they stood in the file, at a place called `database`, and go through the same reading: a model from the
//! database means what the same entry of a file means. What is wrong with one of them leaves it out and nothing else.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Any;

type Json = serde_json::Map<String, Any>;

use super::diagnostic::{Diagnostics, Location, Severity};
use super::environment::Environment;
use super::load::{Overrides, ProviderKeys};
use super::raw::Written;
use super::resolved::{self, Config};
use super::yaml::{Entry, Map, Node, Value};

/// Where all of it stands, as messages name it.
pub(super) const PLACE: &str = "database";
/// The same of models whose place and credential a team brought.
const BROUGHT: &str = "database, of a team";
/// The key of `general_settings` whose list grows by what is laid over it.
const PASSED_ON: &str = "pass_through_endpoints";
/// What starts a reference to an environment variable.
pub const REFERENCE: &str = "os.environ/";
/// Variables that no model may name: they open the gateway or what it keeps.
const OWN: [&str; 8] =
    ["SWITCHBOARD_", "LITELLM_MASTER_KEY", "LITELLM_SALT_KEY", "LITELLM_LICENSE", "DATABASE_", "REDIS_", "UI_PASSWORD", "STORE_"];

/// What a configuration was made from, kept to make it anew with something else laid over it.
pub(crate) struct Origin {
    pub(super) written: Written,
    pub(super) overrides: Overrides,
    pub(super) providers: Option<Vec<ProviderKeys>>,
    /// Those that can be used where the file says that keys are enough.
    pub(super) inferable: Vec<ProviderKeys>,
}

/// What is laid over a configuration.
#[derive(Clone, Default, PartialEq)]
pub struct Laid {
    /// Entries of `model_list`.
    pub models: Vec<Json>,
    /// The ids of those whose place and credential a team brought: they refer to nothing of the gateway's.
    pub brought: BTreeSet<String>,
    /// Entries of `credential_list`; they come before those of the file.
    pub credentials: Vec<Json>,
    /// Sections, with keys that replace those of the file.
    pub settings: BTreeMap<String, Json>,
    /// Variables laid over the environment.
    pub variables: BTreeMap<String, String>,
}

impl Laid {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty() && self.credentials.is_empty() && self.settings.is_empty() && self.variables.is_empty()
    }

    /// The root and the environment with all of it laid over them.
    pub(super) fn over<'a>(&self, written: &'a Written) -> (Cow<'a, Node>, Environment) {
        if self.is_empty() {
            return (Cow::Borrowed(&written.root), written.environment.clone());
        }
        let environment = written.environment.with(self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut root = written.root.as_map().cloned().unwrap_or_default();
        let models = self.models.iter().map(|model| self.model(model, &environment)).collect();
        append(&mut root, "model_list", models, Side::After);
        let credentials = self.credentials.iter().map(|one| node(&Any::Object(one.clone()), &environment, &place())).collect();
        append(&mut root, "credential_list", credentials, Side::Before);
        for (name, values) in &self.settings {
            let mut section = root.get(name).and_then(Node::as_map).cloned().unwrap_or_default();
            for (key, value) in values {
                let mut made = node(value, &environment, &place());
                if let (PASSED_ON, Value::List(items)) = (key.as_str(), &mut made.value) {
                    // They come beside those of the file; of two with the same path the later one counts.
                    items.splice(0..0, section.get(key).and_then(Node::as_list).unwrap_or_default().iter().cloned());
                }
                section.insert(entry(key, made));
            }
            root.insert(entry(name, Node::new(Value::Map(section), place())));
        }
        (Cow::Owned(Node { value: Value::Map(root), ..written.root.clone() }), environment)
    }

    /// An entry of `model_list`; what a team brought knows no environment.
    fn model(&self, entry: &Json, environment: &Environment) -> Node {
        let id = entry.get("model_info").and_then(|info| info.get("id")).and_then(Any::as_str);
        match id.is_some_and(|id| self.brought.contains(id)) {
            true => node(&Any::Object(entry.clone()), &Environment::default(), &Location::whole(BROUGHT)),
            false => node(&Any::Object(entry.clone()), environment, &place()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

fn append(root: &mut Map, name: &str, made: Vec<Node>, side: Side) {
    if made.is_empty() {
        return;
    }
    let present = root.get(name).and_then(Node::as_list).unwrap_or_default().to_vec();
    let list = if side == Side::Before { [made, present].concat() } else { [present, made].concat() };
    root.insert(entry(name, Node::new(Value::List(list), place())));
}

fn place() -> Location {
    Location::whole(PLACE)
}

fn entry(name: &str, node: Node) -> Entry {
    Entry { name: name.to_owned(), at: place(), node }
}

/// A JSON value as if it had been written. Of references only those to variables are followed, and not to the gateway's own.
fn node(value: &Any, environment: &Environment, place: &Location) -> Node {
    let plain = |value| Node::new(value, place.clone());
    match value {
        Any::Null => plain(Value::Null),
        Any::Bool(flag) => plain(Value::Bool(*flag)),
        Any::Number(number) => plain(Value::Number(number.to_string())),
        Any::String(text) => match text.strip_prefix(REFERENCE).map(str::trim) {
            Some(name) if may_name(name) => {
                let value = environment.get(name).map_or(Value::Unset, |value| Value::Text(value.to_owned()));
                Node { value, at: place.clone(), variable: Some(Arc::from(name)) }
            }
            Some(_) | None => plain(Value::Text(text.clone())),
        },
        Any::Array(items) => plain(Value::List(items.iter().map(|item| node(item, environment, place)).collect())),
        Any::Object(map) => {
            let entries =
                map.iter().map(|(name, value)| Entry { at: place.clone(), ..entry(name, node(value, environment, place)) }).collect();
            plain(Value::Map(Map { entries }))
        }
    }
}

/// Whether what stands there is laid over a file.
pub(super) fn is_laid(at: &Location) -> bool {
    [PLACE, BROUGHT].contains(&&*at.file)
}

/// Whether a team brought what stands there.
pub(super) fn is_brought(at: &Location) -> bool {
    &*at.file == BROUGHT
}

/// Whether a model may name that variable.
pub fn may_name(variable: &str) -> bool {
    !OWN.iter().any(|own| variable.starts_with(own))
}

impl Config {
    /// The same configuration with that laid over it, and what is wrong with what is laid.
    pub fn with(&self, laid: &Laid) -> (Config, Diagnostics) {
        let mut found = Diagnostics::default();
        let mut config = resolved::resolve(&self.origin, laid, &mut found);
        self.origin.overrides.apply(&mut config);
        config.notices.clone_from(&self.notices);
        let mut own = Diagnostics::default();
        for one in found.errors().filter(|one| is_laid(&one.at)) {
            own.push(Severity::Error, &one.at, one.message.clone(), one.hint.clone().unwrap_or_default());
        }
        (config, own)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Origin").finish_non_exhaustive()
    }
}

/// How much there is: any value may be a credential.
impl fmt::Debug for Laid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { models, brought, credentials, settings, variables } = self;
        out.debug_struct("Laid")
            .field("models", &models.len())
            .field("brought", &brought.len())
            .field("credentials", &credentials.len())
            .field("settings", &settings.keys())
            .field("variables", &variables.keys())
            .finish()
    }
}

/// A text by which it can be seen whether it is a reference; a variable's value is not known here and not asked for.
fn unreferring(value: &Any) -> Any {
    match value {
        Any::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.as_str().is_some_and(|text| text.starts_with(REFERENCE)));
            Any::Object(kept.map(|(name, value)| (name.clone(), unreferring(value))).collect())
        }
        Any::Array(items) => items.iter().map(unreferring).collect(),
        value => value.clone(),
    }
}

impl Config {
    /// What keeps an entry of `model_list` from being a deployment, if anything does.
    pub fn wrong_with_model(entry: Json) -> Option<String> {
        let entry = unreferring(&Any::Object(entry)).as_object().cloned().unwrap_or_default();
        let tolerant = Json::from_iter([("store_model_in_db".to_owned(), Any::Bool(true))]);
        let settings = BTreeMap::from_iter([("general_settings".to_owned(), tolerant)]);
        Self::wrong_with(&Laid { models: vec![entry], settings, ..Laid::default() })
    }

    /// What is wrong with keys of a section, if anything is.
    pub fn wrong_with_section(name: &str, values: &Json) -> Option<String> {
        let values = unreferring(&Any::Object(values.clone())).as_object().cloned().unwrap_or_default();
        Self::wrong_with(&Laid { settings: BTreeMap::from_iter([(name.to_owned(), values)]), ..Laid::default() })
    }

    fn wrong_with(laid: &Laid) -> Option<String> {
        let root = Node::new(Value::Map(Map::default()), Location::environment());
        let environment = Environment::default();
        let written = Written { root, files: Vec::new(), environment, elsewhere: super::Elsewhere::default(), incomplete: false };
        let origin = Arc::new(Origin { written, overrides: Overrides::default(), providers: None, inferable: Vec::new() });
        let mut found = Diagnostics::default();
        resolved::resolve(&origin, laid, &mut found);
        let first = found.errors().find(|one| is_laid(&one.at))?;
        Some(first.hint.as_ref().map_or_else(|| first.message.clone(), |hint| format!("{}; {hint}", first.message)))
    }

    /// The parameters of the deployment of that id, as the file has them. They may be secrets.
    pub fn params_in_file(&self, id: &str) -> Option<Json> {
        let at = &self.deployments.iter().find(|deployment| deployment.model_info.id == id)?.at;
        let list = self.origin.written.root.as_map()?.get("model_list")?.as_list()?;
        let entry = list.iter().find(|entry| entry.at == *at)?;
        Some(entry.as_map()?.get("litellm_params")?.as_map()?.to_json())
    }

    /// What the file says for a key of a section. It may be a secret.
    pub fn in_file(&self, section: &str, key: &str) -> Option<Any> {
        let node = self.origin.written.root.as_map()?.get(section)?.as_map()?.get(key)?;
        Some(node.to_json())
    }
}
