//! What files say there is to be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::kind::{KINDS, Kind, Named, Part};
use super::{rows, secret};
use crate::admin::form;
use crate::admin::models::settings;
use crate::config::yaml::{self, Entry, Limits, Map as Written, Node};
use crate::config::{Diagnostics, Environment, Location};
use crate::live::seal;

/// The owner of what files make, unless they say another.
const OWNER: &str = "gitops";

/// What is everybody's is called so.
pub(super) const GATEWAY: &str = "gateway";
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

impl Object {
    fn new(kind: &'static Kind) -> Self {
        Self { kind, name: String::new(), fields: Map::new(), secrets: Map::new(), parts: BTreeMap::new(), digest: None }
    }

    /// Whether a file says something of that field.
    pub(super) fn says(&self, field: &str) -> bool {
        self.fields.contains_key(field) || self.secrets.contains_key(field)
    }

    /// The name that its fields give it; none where they do not.
    fn composed(&self) -> Option<String> {
        let text = |field: &str| self.fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        match self.kind.named {
            Named::By(..) => None,
            Named::Together(fields, between) => {
                let parts: Vec<&str> = fields.iter().filter_map(|field| text(field)).collect();
                (!parts.is_empty()).then(|| parts.join(between))
            }
            Named::Owner => {
                let owner = self.kind.references.iter().find_map(|(written, field, _)| Some(format!("{written} {}", text(field)?)));
                Some(owner.unwrap_or_else(|| GATEWAY.to_owned()))
            }
        }
    }
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
                Some(kind) if kind.name == "setting" => self.settings(kind, &entry.node, folder),
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
                self.want(object, &item.at);
            }
        }
    }

    fn want(&mut self, object: Object, at: &Location) {
        let kind = object.kind;
        match self.wanted.objects.iter().any(|other| other.kind == kind && other.name == object.name) {
            true => self.found.error(at, format!("the {} `{}` is there twice", kind.name, object.name), "keep one of them"),
            false => self.wanted.objects.push(object),
        }
    }

    /// Settings, by section and key, as the gateway's own file has them.
    fn settings(&mut self, kind: &'static Kind, node: &Node, folder: &Path) {
        let hint = "write them as in config.yaml: `settings: {router_settings: {num_retries: 2}}`";
        let Some(sections) = node.as_map() else {
            self.found.error(&node.at, format!("`settings` must be a map, not {}", node.kind()), hint);
            return;
        };
        for section in &sections.entries {
            let Some(keys) = section.node.as_map() else {
                self.found.error(&section.at, format!("`{}` must be a map, not {}", section.name, section.node.kind()), hint);
                continue;
            };
            for entry in &keys.entries {
                let mut object = Object::new(kind);
                object.fields.insert("section".to_owned(), section.name.as_str().into());
                object.fields.insert("field_name".to_owned(), entry.name.as_str().into());
                self.put(&mut object, "field_value", entry, folder);
                let Some(value) = object.fields.get("field_value").or(object.secrets.get("field_value")).cloned() else { continue };
                if object.fields.contains_key("field_value") && section.name == seal::VARIABLES && seal::is_secret(&entry.name, &value) {
                    self.secret(&entry.name, &entry.at);
                    continue;
                }
                if let Some(why) = settings::wrong_with(&section.name, &entry.name, &value) {
                    self.found.error(&entry.at, why, "see docs/configuration.md for the keys there are");
                    continue;
                }
                if settings::is_hidden(&section.name, &entry.name, &value) {
                    object.secrets.extend(object.fields.remove_entry("field_value"));
                }
                object.name = object.composed().unwrap_or_default();
                self.want(object, &entry.at);
            }
        }
    }

    fn object(&mut self, kind: &'static Kind, node: &Node, folder: &Path) -> Option<Object> {
        let names = kind.names();
        let Some(map) = node.as_map() else {
            let hint = format!("begin with `{}:`", names.first().unwrap_or(&"name"));
            self.found.error(&node.at, format!("a {} must be a map, not {}", kind.name, node.kind()), hint);
            return None;
        };
        let mut object = Object::new(kind);
        for entry in map
            .entries
            .iter()
            .filter(|entry| !matches!(kind.named, Named::By(written, field) if entry.name == written || entry.name == field))
        {
            if let Some((part, _)) = kind.parts().iter().find(|(part, _)| *part == entry.name) {
                object.parts.insert(*part, self.part(kind, entry));
                continue;
            }
            let field = kind.field(&entry.name);
            if !knows(kind, field) {
                let hint = "see docs/gitops.md and /docs for the fields there are";
                self.found.error(&entry.at, format!("a {} has no field `{}`", kind.name, entry.name), hint);
                continue;
            }
            self.put(&mut object, field, entry, folder);
        }
        let named = match kind.named {
            Named::By(written, field) => called(map, written).or_else(|| called(map, field)),
            Named::Together(..) | Named::Owner => object.composed(),
        };
        let Some(name) = named else {
            let message = format!("a {} has no `{}`", kind.name, names.join("` and `"));
            self.found.error(&node.at, message, "give it a name; files know objects by it");
            return None;
        };
        object.name = name;
        self.complete(&object, map, &node.at);
        Some(object)
    }

    /// Complains of what must be said to make one.
    fn complete(&mut self, object: &Object, map: &Written, at: &Location) {
        let kind = object.kind;
        let is_name = |field: &str| matches!(kind.named, Named::By(..)) && kind.is_name(field);
        let missing = kind.forms.iter().take(1).flat_map(|form| form::required(form));
        for field in missing.filter(|field| !is_name(field) && map.get(kind.written(field)).is_none() && map.get(field).is_none()) {
            let message = format!("the {} `{}` has no `{}`", kind.name, object.name, kind.written(field));
            self.found.error(at, message, "none can be made without it");
        }
        let owners = kind.references.iter().filter(|(_, field, _)| object.fields.contains_key(*field)).count();
        if kind.references == rows::OWNERS && owners > 1 {
            self.found.error(at, format!("the {} `{}` has several owners", kind.name, object.name), "name one, or none for everybody's");
        }
    }

    /// Takes a field of an object.
    fn put(&mut self, object: &mut Object, field: &str, entry: &Entry, folder: &Path) {
        let (kind, value) = (object.kind, entry.node.to_json());
        if secret::holds(&value) {
            match secret::resolved(&value, folder, self.environment) {
                Ok(value) => drop(object.secrets.insert(field.to_owned(), value)),
                Err(why) => self.found.error(&entry.at, why, "secrets are read where the command runs"),
            }
            return;
        }
        let is_secret = kind.secret.contains(&field) && value.is_string();
        if let Some(name) = is_secret.then_some(entry.name.as_str()).or_else(|| secret::plain(&entry.name, &value)) {
            self.secret(name, &entry.at);
            return;
        }
        match form::taken(kind.forms, field, &value) {
            Ok(value) if kind.untold.contains(&field) => drop(object.secrets.insert(field.to_owned(), value)),
            Ok(value) => drop(object.fields.insert(field.to_owned(), value)),
            Err(why) => self.found.error(&entry.at, format!("`{}`: {why}", entry.name), "see /docs for what it takes"),
        }
    }

    fn secret(&mut self, name: &str, at: &Location) {
        self.found.error(at, format!("`{name}` must not stand in a file"), "name where it is kept: `{env: NAME}` or `{file: PATH}`");
    }

    /// What is to be in a part of an object.
    fn part(&mut self, kind: &Kind, entry: &Entry) -> Vec<Value> {
        let Some(items) = entry.node.as_list() else {
            self.found.error(&entry.at, format!("`{}` must be a list, not {}", entry.name, entry.node.kind()), "begin each with `- `");
            return Vec::new();
        };
        let part = kind.parts().iter().find(|(part, _)| *part == entry.name).map(|(_, part)| *part);
        let (own, form) = part.map(Part::fields).unwrap_or_default();
        for field in items.iter().filter_map(Node::as_map).flat_map(|map| &map.entries) {
            let known = own.contains(&field.name.as_str()) || form.is_some_and(|form| form::has(form, &field.name));
            let taken = form::taken(form.as_slice(), &field.name, &field.node.to_json());
            match (known, taken) {
                (true, Ok(_)) => {}
                (true, Err(why)) => self.found.error(&field.at, format!("`{}`: {why}", field.name), "see /docs for what it takes"),
                (false, _) => {
                    let message = format!("what is in `{}` of a {} has no field `{}`", entry.name, kind.name, field.name);
                    self.found.error(&field.at, message, "see docs/gitops.md and /docs for the fields there are");
                }
            }
        }
        items.iter().map(Node::to_json).collect()
    }
}

fn called(map: &Written, field: &str) -> Option<String> {
    map.get(field)?.as_text().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Whether the API has a field of that name for such objects.
fn knows(kind: &Kind, field: &str) -> bool {
    let of_forms = || kind.forms.iter().any(|form| form::has(form, field)) && !kind.without.contains(&field);
    kind.forms.is_empty() || kind.apart.contains(&field) || of_forms()
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
