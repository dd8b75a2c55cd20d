//! Secrets that the operator's files name and others keep.
//!
//! `os.environ/NAME` is looked up where `key_management_system` says, then in the environment, as LiteLLM does. Keys that hold a
//! secret may also say `env:NAME`, `file:/path`, `vault:name`, `aws:name`, `gcp:name` or `azure:name`, with `#field` for one field
//! of a secret that holds several. All of this is for files that an operator writes; what comes in over an API is text and stays
//! text, whatever it looks like.

mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use switchboard_engine::keeper::{KeeperError, Reference};
use switchboard_engine::sign::Secret as Shown;
use switchboard_engine::upstream::{Settings as UpstreamSettings, Upstream};

use super::diagnostic::{Diagnostics, Location};
use super::environment::Environment;
use super::keys::Section;
use super::secret::Secret;
use super::yaml::{Map, Node, Value};

use settings::{Management, System};

/// What starts a reference to an environment variable.
pub(super) const ENVIRON: &str = "os.environ/";

/// A reference as it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Written {
    /// `os.environ/NAME`
    Environ(String),
    /// `env:NAME`
    Variable(String),
    /// `file:/path`
    File(PathBuf),
    /// `vault:name` and the like.
    Kept(System, String),
}

impl Written {
    /// The reference that a text is. Forms other than `os.environ/` are references only where a secret is expected.
    pub(super) fn read(text: &str, is_secret: bool) -> Option<Self> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix(ENVIRON) {
            return Some(Self::Environ(name.trim().to_owned()));
        }
        let (scheme, rest) = text.split_once(':').filter(|(_, rest)| is_secret && !rest.is_empty())?;
        match scheme {
            "env" => Some(Self::Variable(rest.to_owned())),
            "file" => Some(Self::File(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest)))),
            "vault" => Some(Self::Kept(System::HashiCorp, rest.to_owned())),
            "aws" => Some(Self::Kept(System::Aws, rest.to_owned())),
            "gcp" => Some(Self::Kept(System::Gcp, rest.to_owned())),
            "azure" => Some(Self::Kept(System::Azure, rest.to_owned())),
            _ => None,
        }
    }

    /// As messages name it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Environ(name) | Self::Variable(name) => name.clone(),
            Self::File(path) => format!("file:{}", path.display()),
            Self::Kept(system, name) => format!("{}:{name}", system.scheme()),
        }
    }
}

/// What was read of it all.
#[derive(Clone, Default)]
pub struct Elsewhere {
    values: Arc<BTreeMap<String, (Secret, Reference)>>,
}

impl Elsewhere {
    /// Where the secret of that name can be read again; none for what came from the environment.
    pub fn reference(&self, name: &str) -> Option<&Reference> {
        self.values.get(name).map(|(_, reference)| reference)
    }

    /// The secret of that name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(secret, _)| secret.expose())
    }

    /// Reads everything that a configuration names.
    pub(super) fn gather(root: &Node, environment: &Environment, found: &mut Diagnostics) -> Self {
        let general = root.as_map().and_then(|map| map.get("general_settings"));
        let management = Management::read(general, environment, found);
        let mut wanted = BTreeMap::new();
        collect(root, "", &mut wanted);
        let mut names: BTreeSet<String> = management.hosted().iter().cloned().collect();
        names.extend(wanted.keys().filter_map(|written| match written {
            Written::Environ(name) if management.hosts(name) => Some(name.clone()),
            _ => None,
        }));
        let mut asked: Vec<Asked> = Vec::new();
        for (written, at) in &wanted {
            let place = match written {
                Written::File(path) => Ok(Reference::File(path.clone())),
                Written::Kept(system, name) => management.keeper(*system, environment).map(|keeper| Reference::Kept(keeper, name.clone())),
                Written::Environ(_) | Written::Variable(_) => continue,
            };
            asked.push(Asked { name: written.shown(), at: at.clone(), place, required: true, by_name: false });
        }
        if let Some(system) = management.system.filter(|_| management.reads) {
            let at = general.map_or_else(Location::environment, |node| node.at.clone());
            for name in names {
                let path = management.path(&name);
                let place = management.keeper(system, environment).map(|keeper| Reference::Kept(keeper, path));
                let required = environment.get_non_empty(&name).is_none();
                asked.push(Asked { name, at: at.clone(), place, required, by_name: true });
            }
        }
        read(asked, found)
    }

    /// The environment with what was read laid over it, for those who look there for a provider's key.
    pub(super) fn over(&self, environment: &Environment) -> Environment {
        environment
            .with(self.values.iter().filter(|(name, _)| !name.contains(':')).map(|(name, (secret, _))| (name.as_str(), secret.expose())))
    }
}

/// Something to be read.
struct Asked {
    name: String,
    at: Location,
    place: Result<Reference, String>,
    /// Nothing else could stand in for it.
    required: bool,
    /// It was asked for by the name of a variable, which may as well be nowhere.
    by_name: bool,
}

/// Reads on a thread and a runtime of its own: who loads a configuration may have one already, or none.
fn read(asked: Vec<Asked>, found: &mut Diagnostics) -> Elsewhere {
    if asked.is_empty() {
        return Elsewhere::default();
    }
    let mut places = Vec::new();
    for asked in asked {
        match &asked.place {
            Ok(reference) => places.push((reference.clone(), asked)),
            Err(why) => complain(found, &asked, why),
        }
    }
    let fetched: Vec<Result<Shown, KeeperError>> = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return Vec::new() };
            runtime.block_on(async {
                let upstream = Upstream::new(UpstreamSettings::default());
                let mut all = Vec::new();
                for (reference, _) in &places {
                    all.push(reference.read(&upstream).await);
                }
                all
            })
        });
        reading.join().unwrap_or_default()
    });
    let mut values = BTreeMap::new();
    for ((reference, asked), secret) in places.into_iter().zip(fetched) {
        match secret {
            Ok(secret) => {
                values.insert(asked.name, (Secret::new(secret.reveal()), reference));
            }
            // Whether it is missed is said where its meaning is known.
            Err(KeeperError::Absent) if asked.by_name => {}
            Err(error) => complain(found, &asked, &error.to_string()),
        }
    }
    Elsewhere { values: Arc::new(values) }
}

fn complain(found: &mut Diagnostics, asked: &Asked, why: &str) {
    let message = format!("`{}` cannot be read: {why}", asked.name);
    if asked.required {
        found.error(&asked.at, message, "");
    } else {
        found.warn(&asked.at, message, "the environment variable of that name is used");
    }
}

/// Every reference below a node, and where the first of each stands.
fn collect(node: &Node, name: &str, wanted: &mut BTreeMap<Written, Location>) {
    match &node.value {
        Value::Text(_) if name.ends_with("_ref") || node.variable.is_some() => {}
        Value::Text(text) => {
            if let Some(written) = Written::read(text, holds_secret(name)) {
                wanted.entry(written).or_insert_with(|| node.at.clone());
            }
        }
        Value::List(items) => items.iter().for_each(|item| collect(item, name, wanted)),
        Value::Map(map) => below(map, name, wanted),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Unset => {}
    }
}

fn below(map: &Map, name: &str, wanted: &mut BTreeMap<Written, Location>) {
    for entry in &map.entries {
        collect(&entry.node, inner(name, &entry.name), wanted);
    }
}

/// The name by which it is judged whether a value is a secret: all values of some maps are.
pub(super) fn inner<'a>(outer: &'a str, name: &'a str) -> &'a str {
    if matches!(outer, "credential_values" | "extra_headers") { outer } else { name }
}

/// Whether a key of that name holds a secret.
pub(crate) fn holds_secret(name: &str) -> bool {
    let declared = || Section::ALL.iter().filter_map(|section| section.find(name)).any(|key| key.kind == super::keys::Kind::Secret);
    matches!(name, "credential_values" | "extra_headers" | "vertex_credentials") || declared()
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.values.keys()).finish()
    }
}
