//! Marks that say who made an object, and of what of it they have charge.

use serde::{Deserialize, Serialize};

use super::joined;
use crate::time::Time;

/// The mark of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owned {
    /// Who has charge of it.
    pub owner: String,
    /// What kind of object it is.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// The fields they have charge of.
    pub fields: Vec<String>,
    /// What tells them whether secrets changed.
    pub digest: Option<String>,
    /// Since when.
    pub created_at: Time,
    /// When it was last said.
    pub updated_at: Time,
}

impl Owned {
    /// The id of the mark of that object.
    pub fn id_of(kind: &str, name: &str) -> String {
        joined(kind, name)
    }
}
