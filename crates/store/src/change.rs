//! Changes of objects, who makes them and who hears of them.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was deleted.
    Deleted,
}

/// A change of an object, as it was committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its number: larger than those of all changes before.
    pub seq: i64,
    /// What was done.
    pub action: Action,
    /// To what kind of object.
    pub kind: String,
    /// To which one.
    pub id: String,
    /// Who did it. None: another gateway, whose changes are known by kind and id alone.
    pub actor: Option<String>,
    /// What it was.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
}

/// Who writes, and what the audit log says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub name: String,
    /// The SHA-256 of the key it is done with, in hex; empty for none.
    pub key: String,
    /// From where.
    pub source: String,
    /// The id of the request.
    pub request_id: String,
}

impl Author {
    /// Somebody of that name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// Hears of every change, after it is committed and before its author is answered.
pub trait Listener: Send + Sync {
    /// Those were committed together.
    fn changed(&self, changes: &[Change]);
}

/// Who listens.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<RwLock<Vec<Arc<dyn Listener>>>>);

impl Listeners {
    pub(crate) fn add(&self, listener: Arc<dyn Listener>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    pub(crate) fn tell(&self, changes: &[Change]) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in all {
            listener.changed(changes);
        }
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Listeners")
    }
}
