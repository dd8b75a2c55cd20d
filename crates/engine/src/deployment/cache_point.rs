//! Where an operator wants requests marked for a provider's cache.

use serde::Deserialize;
use serde_json::{Value, json};

/// Where a mark is wanted.
#[derive(Clone, Debug, Deserialize)]
pub struct CachePoint {
    pub(crate) location: String,
    pub(crate) role: Option<String>,
    pub(crate) index: Option<Index>,
    control: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Index {
    Number(i64),
    Text(String),
}

impl CachePoint {
    /// Those of a list that can be read.
    pub fn read_all(list: &[Value]) -> Vec<Self> {
        list.iter().filter_map(|point| Self::deserialize(point).ok()).collect()
    }

    /// Instructions and the last message: what the next request of a conversation begins with.
    pub(crate) fn usual() -> Vec<Self> {
        let point =
            |role: Option<&str>, index| Self { location: "message".to_owned(), role: role.map(str::to_owned), index, control: None };
        vec![point(Some("system"), None), point(None, Some(Index::Number(-1)))]
    }

    pub(crate) fn mark(&self) -> Value {
        self.control.clone().filter(Value::is_object).unwrap_or_else(|| json!({"type": "ephemeral"}))
    }

    /// Which of so many messages it means; those of a role, or the one at a place, counted from the end where below zero.
    pub(crate) fn targets(&self, roles: &[Option<String>]) -> Vec<usize> {
        let index = match &self.index {
            Some(Index::Number(index)) => Some(*index),
            Some(Index::Text(text)) => text.trim().parse().ok(),
            None => None,
        };
        let count = i64::try_from(roles.len()).unwrap_or(i64::MAX);
        match (index, &self.role) {
            (Some(index), _) => {
                let at = if index < 0 { index.saturating_add(count) } else { index };
                usize::try_from(at).ok().filter(|at| *at < roles.len()).into_iter().collect()
            }
            (None, Some(role)) => (0..roles.len()).filter(|at| roles[*at].as_ref() == Some(role)).collect(),
            (None, None) => Vec::new(),
        }
    }
}
