//! The configuration as written: files joined, references to variables replaced, nothing typed yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostics, Location};
use super::elsewhere::{self, Elsewhere};
use super::environment::Environment;
use super::keys;
use super::yaml::{self, Entry, Limits, Map, Node, Value};

/// What starts a reference to an environment variable.
const REFERENCE: &str = elsewhere::ENVIRON;

/// Files one configuration may consist of.
const MOST_FILES: usize = 256;

/// All files of a configuration, joined.
pub struct Written {
    /// The whole, with references replaced.
    pub root: Node,
    /// Every file that was read or should have been, for the watch.
    pub files: Vec<PathBuf>,
    /// The environment with `environment_variables` laid over it.
    pub environment: Environment,
    /// What secret managers and files had of what is named.
    pub elsewhere: Elsewhere,
    /// A file could not be read, so that anything said about what is in force would be wrong.
    pub incomplete: bool,
}

/// Reads a file and what it includes.
pub fn read(path: &Path, environment: &Environment, found: &mut Diagnostics) -> Written {
    let mut files = Files { read: Vec::new(), open: Vec::new(), root: path.parent().unwrap_or(Path::new("")).to_owned(), found };
    let root = files.load(path, None);
    let read = std::mem::take(&mut files.read);
    finish(root, read, environment, found)
}

/// Reads a configuration from memory; `include` is relative to the working directory.
pub fn read_text(name: &str, text: &[u8], environment: &Environment, found: &mut Diagnostics) -> Written {
    let mut files = Files { read: Vec::new(), open: Vec::new(), root: PathBuf::new(), found };
    let root = files.parse(Path::new(name), text);
    let root = files.include(root, Path::new(""));
    let read = std::mem::take(&mut files.read);
    finish(root, read, environment, found)
}

fn finish(root: Map, files: Vec<PathBuf>, environment: &Environment, found: &mut Diagnostics) -> Written {
    let at = root.entries.first().map_or_else(Location::environment, |entry| Location::whole(Arc::clone(&entry.at.file)));
    let mut root = root;
    let incomplete = found.has_errors();
    let environment = overlay(&mut root, environment, found);
    let mut root = Node::new(Value::Map(root), at);
    let elsewhere = if incomplete { Elsewhere::default() } else { Elsewhere::gather(&root, &environment, found) };
    let environment = elsewhere.over(&environment);
    resolve(&mut root, ("", ""), &Known { environment: &environment, elsewhere: &elsewhere, inner: false }, found);
    Written { root, files, environment, elsewhere, incomplete }
}

struct Files<'a> {
    read: Vec<PathBuf>,
    /// The files between the root and the one being read, resolved, to notice circles.
    open: Vec<PathBuf>,
    /// The folder of the root file.
    root: PathBuf,
    found: &'a mut Diagnostics,
}

impl Files<'_> {
    fn load(&mut self, path: &Path, from: Option<&Location>) -> Map {
        let whole = Location::whole(path.display().to_string());
        let at = from.unwrap_or(&whole);
        if self.read.len() >= MOST_FILES {
            self.found.error(at, format!("more than {MOST_FILES} files are included"), "join some of them");
            return Map::default();
        }
        self.read.push(path.to_owned());
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.display());
                self.found.error(at, message, "check the path and the permissions");
                return Map::default();
            }
        };
        let identity = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if self.open.contains(&identity) {
            let message = format!("`{}` includes itself, directly or through another file", path.display());
            self.found.error(at, message, "remove one `include` of the circle");
            return Map::default();
        }
        let root = self.parse(path, &text);
        self.open.push(identity);
        let root = self.include(root, path.parent().unwrap_or(Path::new("")));
        self.open.pop();
        root
    }

    fn parse(&mut self, path: &Path, text: &[u8]) -> Map {
        let name: Arc<str> = path.display().to_string().into();
        match yaml::parse(&name, text, Limits::default(), self.found) {
            Ok(Node { value: Value::Map(map), .. }) => map,
            Ok(Node { value: Value::Null, .. }) => Map::default(),
            Ok(node) => {
                let message = format!("the file must be a map, not {}", node.kind());
                self.found.error(&node.at, message, "start with `model_list:`");
                Map::default()
            }
            Err(finding) => {
                let hint = finding.hint.unwrap_or_default();
                self.found.push(finding.severity, &finding.at, finding.message, hint);
                Map::default()
            }
        }
    }

    /// Joins lists, lets every other key of an included file win.
    fn include(&mut self, mut root: Map, folder: &Path) -> Map {
        let Some(entry) = root.remove("include") else {
            return root;
        };
        let Some(names) = keys::texts(&entry.node) else {
            let message = format!("`include` must be a list of text, not {}", entry.node.kind());
            self.found.error(&entry.node.at, message, "write `include: [\"models.yaml\"]`");
            return root;
        };
        for name in names {
            let path = self.find(folder, name, &entry.node.at);
            for included in self.load(&path, Some(&entry.node.at)).entries {
                join(&mut root, included);
            }
        }
        root
    }

    /// Beside the declaring file, or else beside the root file.
    fn find(&mut self, folder: &Path, name: &str, at: &Location) -> PathBuf {
        let beside = folder.join(name);
        let fallback = self.root.join(name);
        if beside.exists() || !fallback.exists() {
            return beside;
        }
        let message = format!("`{name}` is not beside the file that includes it; the one beside the first file is used");
        self.found.warn(at, message, format!("write `{}`", fallback.display()));
        fallback
    }
}

fn join(root: &mut Map, included: Entry) {
    let present = root.entries.iter_mut().find(|entry| entry.name == included.name);
    match (present.map(|entry| &mut entry.node.value), included) {
        (Some(Value::List(items)), Entry { node: Node { value: Value::List(more), .. }, .. }) => items.extend(more),
        (_, included) => {
            root.insert(included);
        }
    }
}

/// Takes `environment_variables` out of the file and lays it over the environment.
fn overlay(root: &mut Map, environment: &Environment, found: &mut Diagnostics) -> Environment {
    let Some(entry) = root.entries.iter_mut().find(|entry| entry.name == "environment_variables") else {
        return environment.clone();
    };
    let nowhere = Elsewhere::default();
    resolve(&mut entry.node, ("environment_variables", ""), &Known { environment, elsewhere: &nowhere, inner: false }, found);
    let Value::Map(map) = &entry.node.value else {
        return environment.clone();
    };
    let mut set = Vec::new();
    for variable in &map.entries {
        let value = match &variable.node.value {
            Value::Text(text) | Value::Number(text) => text.clone(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null => continue,
            Value::Unset => {
                let wanted = variable.node.variable.as_deref().unwrap_or_default();
                let message = format!("`environment_variables.{}` needs `{wanted}`, which is not set", variable.name);
                found.warn(&variable.node.at, message, format!("set `{wanted}`, or remove the line"));
                continue;
            }
            Value::List(_) | Value::Map(_) => {
                let message = format!("`environment_variables.{}` must be text, not {}", variable.name, variable.node.kind());
                found.error(&variable.node.at, message, "write `NAME: \"value\"`");
                continue;
            }
        };
        set.push((variable.name.clone(), value));
    }
    environment.with(set)
}

/// Where references are looked up.
struct Known<'a> {
    environment: &'a Environment,
    elsewhere: &'a Elsewhere,
    /// Whether a reference at the end of a text is replaced where it is used.
    inner: bool,
}

/// Routes whose headers may hold references beside other text.
const ROUTES: &str = "pass_through_endpoints";

/// Replaces references in every text below `node`. Keys that end in `_ref` name secrets for others and are left alone.
/// A name comes with the one by which it is judged whether its value is a secret.
fn resolve(node: &mut Node, (name, judged): (&str, &str), known: &Known<'_>, found: &mut Diagnostics) {
    match &mut node.value {
        Value::Text(_) if name.ends_with("_ref") || node.variable.is_some() => {}
        Value::Text(text) => match elsewhere::Written::read(text, elsewhere::holds_secret(judged)) {
            Some(written) => {
                let variable: Arc<str> = written.shown().into();
                node.value = match known.elsewhere.value(&variable) {
                    Some(value) => Value::Text(value.to_owned()),
                    None => lookup(&variable, &node.at, known.environment, found),
                };
                node.variable = Some(variable);
            }
            None if known.inner && text.split_whitespace().next_back().is_some_and(|last| last.starts_with(REFERENCE)) => {}
            None => warn_unexpanded(text, name, &node.at, found),
        },
        Value::List(items) => items.iter_mut().for_each(|item| resolve(item, (name, judged), known, found)),
        Value::Map(map) => {
            for entry in &mut map.entries {
                let known = Known { inner: known.inner || entry.name == ROUTES, ..*known };
                resolve(&mut entry.node, (&entry.name, elsewhere::inner(judged, &entry.name)), &known, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Unset => {}
    }
}

/// Warns about what looks like a reference and is not one.
fn warn_unexpanded(text: &str, name: &str, at: &Location, found: &mut Diagnostics) {
    if let Some(variable) = shell_reference(text) {
        let message = format!("`${{{variable}}}` in `{name}` is not expanded");
        found.warn(at, message, format!("write `os.environ/{variable}` as the whole value"));
    } else if text.contains(REFERENCE) {
        let message = format!("`{REFERENCE}...` inside the text of `{name}` is not expanded");
        found.warn(at, message, "make it the whole value, and put the rest into the variable");
    }
}

/// Whether a missing variable is an error is decided where the key's meaning is known.
fn lookup(variable: &str, at: &Location, environment: &Environment, found: &mut Diagnostics) -> Value {
    if let Some(value) = environment.get(variable) {
        return Value::Text(value.to_owned());
    }
    if environment.is_unreadable(variable) {
        found.error(at, format!("the environment variable `{variable}` is not UTF-8"), "set it to plain text");
    } else if let Some(close) = environment.closest_name(variable) {
        found.note(at, format!("`{variable}` is not set, but `{close}` is"), "");
    }
    Value::Unset
}

/// The name in the first `${NAME}` of a text.
fn shell_reference(text: &str) -> Option<&str> {
    text.match_indices("${").find_map(|(at, _)| {
        let rest = &text[at + 2..];
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')?;
        let closes = rest[end..].starts_with('}') || rest[end..].starts_with(":-") || rest[end..].starts_with(":?");
        (end > 0 && closes).then(|| &rest[..end])
    })
}
