//! What administrators make, as it is kept: a few columns to find it by, and a typed document.
//!
//! The names of fields are those of LiteLLM's tables, so that a document is also what its API shows. What is spent is no part of
//! an object: money has one place, the ledger.

mod grouping;
mod identity;
mod key;
mod kind;
mod money;
mod openrouter;
mod owned;
mod people;
mod period;
mod preset;
mod stored;
mod team;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use grouping::{AccessGroup, Budget, Customer, GroupBudget, Project, Tag};
pub use identity::{Invitation, JwtKeyMapping, Password, Session};
pub use key::{FormerKey, Key};
pub use money::{CreditAccount, CreditEntry, CreditExpiry, DatedPrice, GATEWAY, WITHDRAWAL};
pub use openrouter::{
    AuthCode, BuiltinFilter, ContentFilter, GuardedKey, GuardedMember, Guardrail, ProviderKey, Workspace, WorkspaceBudget,
};
pub use owned::Owned;
pub use people::{Member, Organization, OrganizationMember, Role, TeamMember, User};
pub use period::{Period, Renewal, Renewed};
pub use preset::{Preset, PresetVersion};
pub use stored::{Credential, Model, Setting};
pub use team::Team;

use crate::money::Money;
use crate::time::Time;

/// A JSON object as callers wrote it.
pub type Json = Map<String, Value>;

/// By what an object is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// What people call it: an alias, an address.
    pub name: Option<String>,
    /// The user it belongs to.
    pub user: Option<String>,
    /// The team it belongs to.
    pub team: Option<String>,
    /// The organization it belongs to.
    pub organization: Option<String>,
    /// The project it belongs to.
    pub project: Option<String>,
    /// Who made it.
    pub created_by: Option<String>,
    /// When it ends.
    pub expires: Option<Time>,
    /// When it was made.
    pub created: Time,
}

/// Something that is kept.
pub trait Object: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is, in the table.
    const KIND: &'static str;
    /// The version of its document. A reader also understands the one before.
    const FORM: i64 = 1;

    /// Which one it is.
    fn id(&self) -> String;

    /// By what it is found.
    fn columns(&self) -> Columns;
}

/// One of several budgets that hold at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(default)]
pub struct BudgetLimit {
    /// For how long.
    pub budget_duration: Option<String>,
    /// How much.
    pub max_budget: Option<Money>,
    /// When it starts anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Time>,
    /// When its windows were begun, where the calendar does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_since: Option<Time>,
}

/// Two ids as one.
pub(crate) fn joined(left: &str, right: &str) -> String {
    format!("{left}/{right}")
}
