//! What files say there is to be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::kind::{KINDS, Kind};
use super::secret;
use crate::admin::form;
use crate::config::yaml::{self, Limits, Node};
use crate::config::{Diagnostics, Environment, Location};

/// The owner of what files make, unless they say another.
const OWNER: &str = "gitops";

/// Everything that files say.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Under whose name it is marked.
    pub(super) owner: String,
    /// Each object, in the order of kinds and files.
    pub(super) objects: Vec<Object>,
}

/// One object as a file says it is to be.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) kind: &'static Kind,
    /// What people call it.
    pub(super) name: String,
    /// The fields of the API that can be compared; names of other objects still stand for their ids.
    pub(super) fields: Map<String, Value>,
    /// Fields with secrets in them, as they are sent.
    pub(super) secrets: Map<String, Value>,
    /// Parts that have calls of their own.
    pub(super) parts: BTreeMap<&'static str, Vec<Value>>,
    /// What tells whether the secrets changed.
    pub(super) digest: Option<String>,
}

struct Reading<'a> {
    environment: &'a Environment,
    found: &'a mut Diagnostics,
    wanted: Wanted,
    owner: Option<String>,
}

/// Reads files, and every YAML file of folders. What is wrong is noted with its place.
pub(super) fn read(paths: &[PathBuf], environment: &Environment, found: &mut Diagnostics) -> Wanted {
    let mut reading = Reading { environment, found, wanted: Wanted::default(), owner: None };
    let mut read = 0;
    for path in paths {
        for file in reading.files_of(path) {
            read += 1;
            reading.file(&file);
        }
    }
    if read == 0 && !reading.found.has_errors() {
        let at = Location::whole(paths.first().map_or_else(String::new, |path| path.display().to_string()));
        reading.found.error(&at, "there is no .yaml or .yml file", "name a file or a folder with -f");
    }
    let order = |object: &Object| KINDS.iter().position(|kind| kind.name == object.kind.name);
    reading.wanted.objects.sort_by_key(order);
    reading.wanted.owner = reading.owner.unwrap_or_else(|| OWNER.to_owned());
    let owner = reading.wanted.owner.clone();
    for object in reading.wanted.objects.iter_mut().filter(|object| !object.secrets.is_empty()) {
        let whole = Value::Object(object.secrets.clone());
        object.digest = Some(secret::digest(&owner, object.kind.name, &object.name, &whole));
    }
    reading.wanted
}

impl Reading<'_> {
    fn files_of(&mut self, path: &Path) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_owned()];
        }
        let mut files: Vec<PathBuf> = match std::fs::read_dir(path) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) => {
                let at = Location::whole(path.display().to_string());
                self.found.error(&at, format!("the folder cannot be read: {error}"), "check the path and the permissions");
                return Vec::new();
            }
        };
        files.retain(|file| file.is_file() && file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"));
        files.sort();
        files
    }

    fn file(&mut self, path: &Path) {
        let name: Arc<str> = path.display().to_string().into();
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) => {
                self.found.error(&Location::whole(name), format!("it cannot be read: {error}"), "check the path and the permissions");
                return;
            }
        };
        let root = match yaml::parse(&name, &text, Limits::default(), self.found) {
            Ok(root) => root,
            Err(finding) => {
                let hint = finding.hint.unwrap_or_default();
                self.found.error(&finding.at, finding.message, hint);
                return;
            }
        };
        if root.is_absent() {
            return;
        }
        let Some(map) = root.as_map() else {
            self.found.error(&root.at, format!("the file must be a map, not {}", root.kind()), "start with `keys:` or `teams:`");
            return;
        };
        for entry in &map.entries {
            let folder = path.parent().unwrap_or(Path::new(""));
            match KINDS.iter().find(|kind| kind.section == entry.name) {
                Some(kind) => self.section(kind, &entry.node, folder),
                None if entry.name == "owner" => self.owned_by(&entry.node),
                None => {
                    let known: Vec<&str> = KINDS.iter().map(|kind| kind.section).collect();
                    self.found.error(
                        &entry.at,
                        format!("`{}` is no section", entry.name),
                        format!("sections are owner, {}", known.join(", ")),
                    );
                }
            }
        }
    }

    fn owned_by(&mut self, node: &Node) {
        match (node.as_text().filter(|name| !name.is_empty()), &self.owner) {
            (Some(name), Some(other)) if name != other => {
                self.found.error(&node.at, "another file names another owner", "let all files of one run have the same `owner`");
            }
            (Some(name), _) => self.owner = Some(name.to_owned()),
            (None, _) => self.found.error(&node.at, "`owner` must be text", "for example `owner: platform-team`"),
        }
    }

    fn section(&mut self, kind: &'static Kind, node: &Node, folder: &Path) {
        if node.is_absent() {
            return;
        }
        let Some(items) = node.as_list() else {
            self.found.error(&node.at, format!("`{}` must be a list, not {}", kind.section, node.kind()), "begin each object with `- `");
            return;
        };
        for item in items {
            if let Some(object) = self.object(kind, item, folder) {
                let twice = self.wanted.objects.iter().any(|other| other.kind == kind && other.name == object.name);
                if twice {
                    self.found.error(&item.at, format!("the {} `{}` is there twice", kind.name, object.name), "keep one of them");
                } else {
                    self.wanted.objects.push(object);
                }
            }
        }
    }

    fn object(&mut self, kind: &'static Kind, node: &Node, folder: &Path) -> Option<Object> {
        let Some(map) = node.as_map() else {
            self.found.error(
                &node.at,
                format!("a {} must be a map, not {}", kind.name, node.kind()),
                format!("begin with `{}:`", kind.named),
            );
            return None;
        };
        let name = [kind.named, kind.alias].into_iter().find_map(|field| map.get(field)?.as_text()).filter(|name| !name.is_empty());
        let Some(name) = name.map(str::to_owned) else {
            self.found.error(&node.at, format!("a {} has no `{}`", kind.name, kind.named), "give it a name; files know objects by it");
            return None;
        };
        let (mut fields, mut secrets, mut parts) = (Map::new(), Map::new(), BTreeMap::new());
        for entry in map.entries.iter().filter(|entry| entry.name != kind.named && entry.name != kind.alias) {
            if let Some((part, _)) = kind.parts().iter().find(|(part, _)| *part == entry.name) {
                let items = entry.node.as_list().unwrap_or_default();
                parts.insert(*part, items.iter().map(Node::to_json).collect());
                continue;
            }
            let field =
                kind.references.iter().find(|(written, ..)| *written == entry.name).map_or(entry.name.as_str(), |(_, field, _)| field);
            if !knows(kind, field) {
                let hint = "see docs/gitops.md and /docs for the fields there are";
                self.found.error(&entry.at, format!("a {} has no field `{}`", kind.name, entry.name), hint);
                continue;
            }
            let value = entry.node.to_json();
            if !secret::holds(&value) {
                if field == "value" {
                    self.found.error(&entry.at, "a key must not stand in a file", "name where it is kept: `{env: NAME}` or `{file: PATH}`");
                }
                fields.insert(field.to_owned(), value);
                continue;
            }
            match secret::resolved(&value, folder, self.environment) {
                Ok(value) => {
                    secrets.insert(field.to_owned(), value);
                }
                Err(why) => self.found.error(&entry.at, why, "secrets are read where the command runs"),
            }
        }
        Some(Object { kind, name, fields, secrets, parts, digest: None })
    }
}

/// Whether the API has a field of that name for such objects.
fn knows(kind: &Kind, field: &str) -> bool {
    kind.forms.is_empty() || kind.apart.contains(&field) || kind.forms.iter().any(|form| form::has(form, field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> (Wanted, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.yaml"), text).expect("written");
        let environment = Environment::from_iter([("KEY", "sk-secret-0123456789")]);
        let mut found = Diagnostics::default();
        let wanted = read(&[folder.path().to_owned()], &environment, &mut found);
        (wanted, found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn objects_are_read_with_their_fields_references_and_secrets() {
        let (wanted, found) = wanted(
            "owner: platform\nkeys:\n  - {alias: ci, team: lab, max_budget: 5, value: {env: KEY}}\nteams:\n  - {alias: lab, members: [ann]}\n",
        );
        assert_eq!((found.len(), wanted.owner.as_str()), (0, "platform"), "{found:?}");
        let [team, key] = &wanted.objects[..] else { panic!("{wanted:?}") };
        assert_eq!((team.name.as_str(), team.parts["members"].len()), ("lab", 1));
        assert_eq!((key.fields["team_id"].as_str(), key.secrets["value"].as_str()), (Some("lab"), Some("sk-secret-0123456789")));
        assert!(key.digest.as_ref().is_some_and(|digest| digest.len() == 64));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_secrets() {
        for (text, said) in [
            ("keyz: []\n", "is no section"),
            ("keys:\n  - {alias: ci, max_budgt: 5}\n", "no field `max_budgt`"),
            ("keys:\n  - {max_budget: 5}\n", "has no `alias`"),
            ("keys:\n  - {alias: ci}\n  - {alias: ci}\n", "there twice"),
            ("keys:\n  - {alias: ci, value: sk-secret}\n", "must not stand in a file"),
            ("keys:\n  - {alias: ci, value: {env: NONE}}\n", "`NONE` is not set"),
            ("keys: 1\n", "must be a list"),
            ("- 1\n", "must be a map"),
        ] {
            let (_, found) = wanted(text);
            assert!(found.iter().any(|line| line.contains(said) && line.contains("a.yaml")), "{text}: {found:?}");
            assert!(!found.iter().any(|line| line.contains("sk-secret")), "{found:?}");
        }
    }
}
