//! Secrets of files: named there and kept elsewhere, known by a digest, and never told.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::{Environment, REFERENCE, holds_secret};

/// What stands for a secret wherever something is told.
pub(super) const HIDDEN: &str = "(secret)";

/// Whether a value is a reference to a secret: `{env: NAME}` or `{file: PATH}`.
pub(super) fn is_reference(value: &Value) -> bool {
    let Value::Object(fields) = value else { return false };
    fields.len() == 1 && ["env", "file"].iter().any(|name| fields.get(*name).is_some_and(Value::is_string))
}

/// Whether a value holds one anywhere.
pub(super) fn holds(value: &Value) -> bool {
    match value {
        _ if is_reference(value) => true,
        Value::Object(fields) => fields.values().any(holds),
        Value::Array(items) => items.iter().any(holds),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The name of a secret that stands in a value itself, if any does. What the gateway's own environment holds may be named there.
pub(super) fn plain<'a>(name: &'a str, value: &'a Value) -> Option<&'a str> {
    match value {
        Value::String(text) => (!text.starts_with(REFERENCE) && holds_secret(name)).then_some(name),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| plain(name, value)),
        Value::Array(items) => items.iter().find_map(|item| plain(name, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The value with what is referred to in it; paths are relative to that folder.
pub(super) fn resolved(value: &Value, folder: &Path, environment: &Environment) -> Result<Value, String> {
    Ok(match value {
        _ if is_reference(value) => Value::String(read(value, folder, environment)?),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((name.clone(), resolved(value, folder, environment)?)));
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| resolved(item, folder, environment)).collect::<Result<_, String>>()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    })
}

fn read(reference: &Value, folder: &Path, environment: &Environment) -> Result<String, String> {
    let text = |name: &str| reference.get(name).and_then(Value::as_str);
    if let Some(name) = text("env") {
        let found = environment.get_non_empty(name).map(str::to_owned);
        return found.ok_or_else(|| format!("the variable `{name}` is not set"));
    }
    let path = folder.join(text("file").unwrap_or_default());
    let found =
        std::fs::read_to_string(&path).map_err(|error| format!("the secret's file `{}` cannot be read: {error}", path.display()))?;
    let found = found.trim().to_owned();
    if found.is_empty() { Err(format!("the secret's file `{}` is empty", path.display())) } else { Ok(found) }
}

/// What tells whether a secret changed, and nothing else of it: bound to whose it is, so that equal secrets look different.
pub(super) fn digest(owner: &str, kind: &str, name: &str, value: &Value) -> String {
    let text = format!("switchboard gitops\n{owner}\n{kind}\n{name}\n{value}");
    hex::encode(crate::auth::digest(text.as_bytes()))
}

/// Where generated keys are written: a file that only its owner can read.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    file: File,
}

impl KeyFile {
    /// Opens it before anything is generated; what it holds stays.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("the file for keys `{}` cannot be written: {error}", path.display());
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(told)?;
        let mode = file.metadata().map_err(told)?.permissions().mode() & 0o077;
        if mode != 0 {
            return Err(format!("the file for keys `{}` can be read by others than its owner: chmod 600 it first", path.display()));
        }
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes one down; when this returns it is on the disk.
    pub(super) fn write(&mut self, alias: &str, key: &str) -> Result<(), String> {
        let line = format!("{}: {}\n", Value::from(alias), Value::from(key));
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| format!("the key of `{alias}` could not be written to `{}`: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_map_of_one_reference_is_a_secret() {
        assert!(is_reference(&json!({"env": "A"})) && is_reference(&json!({"file": "a"})));
        assert!(!is_reference(&json!({"env": "A", "more": 1})) && !is_reference(&json!({"env": 1})) && !is_reference(&json!("env")));
        assert!(holds(&json!({"a": [{"b": {"env": "A"}}]})));
    }

    #[test]
    fn a_secret_is_known_where_it_stands() {
        let params = |key: &str| json!([{"api_key": key, "model": "some/model"}]);
        assert_eq!(plain("params", &params("sk-1")), Some("api_key"));
        assert_eq!((plain("params", &params("os.environ/KEY")), plain("api_key", &json!({"env": "KEY"}))), (None, None));
    }

    #[test]
    fn a_secret_is_read_from_where_it_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("key"), "sk-from-file\n").expect("written");
        let environment = Environment::from_iter([("NAME", "sk-from-variable")]);
        let read = |value: Value| resolved(&value, folder.path(), &environment);
        assert_eq!(
            read(json!({"a": {"env": "NAME"}, "b": [{"file": "key"}]})),
            Ok(json!({"a": "sk-from-variable", "b": ["sk-from-file"]}))
        );
        assert!(read(json!({"env": "OTHER"})).is_err() && read(json!({"file": "none"})).is_err());
    }

    #[test]
    fn generated_keys_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.yaml");
        KeyFile::open(&path).expect("opened").write("ci", "sk-1").expect("written");
        KeyFile::open(&path).expect("opened").write("cd: x", "sk-2").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "\"ci\": \"sk-1\"\n\"cd: x\": \"sk-2\"\n");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(KeyFile::open(&path).is_err());
    }
}
