//! YAML as written: a tree in which every key and value knows its place.
//!
//! Scalars mean what they mean to PyYAML (YAML 1.1), since existing files were written for it: `yes` is true, a repeated key
//! overrides the earlier one, `<<` merges. Depth and size are bounded, so an alias bomb is an error and not an outage.

mod build;
mod scalar;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use build::{Limits, parse};

use super::diagnostic::Location;

/// A value and where it stands.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// What is written there.
    pub value: Value,
    /// Where it starts.
    pub at: Location,
    /// The environment variable the text came from, once references are resolved.
    pub variable: Option<Arc<str>>,
}

/// A YAML value, in JSON's model.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A finite number, kept as JSON number text so that prices stay exact.
    Number(String),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
    /// A reference to the environment variable in [`Node::variable`], which is not set.
    Unset,
}

/// A mapping, in the order it was written.
#[derive(Clone, Default, PartialEq)]
pub struct Map {
    /// The entries; no name occurs twice.
    pub entries: Vec<Entry>,
}

/// One key of a mapping.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The key, as text.
    pub name: String,
    /// Where the key stands.
    pub at: Location,
    /// Its value.
    pub node: Node,
}

impl Map {
    /// The value of a key.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| &entry.node)
    }

    /// Replaces the entry of that name, or adds it; returns the entry it replaced.
    pub fn insert(&mut self, entry: Entry) -> Option<Entry> {
        match self.entries.iter_mut().find(|present| present.name == entry.name) {
            Some(present) => Some(std::mem::replace(present, entry)),
            None => {
                self.entries.push(entry);
                None
            }
        }
    }

    /// Removes and returns the entry of that name.
    pub fn remove(&mut self, name: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.name == name)?;
        Some(self.entries.remove(index))
    }
}

impl Node {
    /// A node that did not come from an environment variable.
    pub fn new(value: Value, at: Location) -> Node {
        Node { value, at, variable: None }
    }

    /// The kind of value, with its article, as messages name it.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Unset => "an unset variable",
        }
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Unset => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) | Value::Unset => None,
        }
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) | Value::Unset => None,
        }
    }

    /// Whether there is nothing, or a variable that is not set.
    pub fn is_absent(&self) -> bool {
        matches!(self.value, Value::Null | Value::Unset)
    }

    /// The same value as JSON. An unset variable is `null`.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null | Value::Unset => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(map) => serde_json::Value::Object(map.to_json()),
        }
    }
}

impl Map {
    /// The same mapping as JSON.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.entries.iter().map(|entry| (entry.name.clone(), entry.node.to_json())).collect()
    }
}

/// Shape and place only: any text may be a credential.
impl fmt::Debug for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at {}", self.kind(), self.at)
    }
}
