//! Virtual keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BudgetLimit, Json};
use crate::money::Money;
use crate::time::Time;

/// A virtual key, without the key itself: of that only the SHA-256 and a proof are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Key {
    /// The SHA-256 of the key in hex: its identity in both ecosystems.
    pub token: String,
    /// The HMAC-SHA-256 of the key under the pepper, in hex. Without the pepper nobody can make a row that opens the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// The key, shortened: `sk-...abcd`.
    pub key_name: Option<String>,
    pub key_alias: Option<String>,
    /// Under which hash its spend is counted, where it has been regenerated: what is spent stays spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// By how much its spend was set back, all together: what it has ever spent is more by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend_reset: Option<Money>,
    pub expires: Option<Time>,
    pub models: Vec<String>,
    pub aliases: BTreeMap<String, String>,
    pub config: Json,
    pub router_settings: Option<Value>,
    pub user_id: Option<String>,
    pub team_id: Option<String>,
    pub agent_id: Option<String>,
    pub project_id: Option<String>,
    pub organization_id: Option<String>,
    pub permissions: Json,
    pub max_parallel_requests: Option<u64>,
    pub metadata: Json,
    pub blocked: Option<bool>,
    pub tpm_limit: Option<u64>,
    pub rpm_limit: Option<u64>,
    pub tpd_limit: Option<u64>,
    pub max_budget: Option<Money>,
    pub budget_duration: Option<String>,
    pub budget_reset_at: Option<Time>,
    /// When its windows were begun, where the calendar does not say: see [`Period`](super::Period).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_since: Option<Time>,
    pub budget_limits: Option<Vec<BudgetLimit>>,
    pub budget_id: Option<String>,
    pub allowed_cache_controls: Vec<String>,
    pub allowed_routes: Vec<String>,
    pub key_type: Option<String>,
    pub policies: Vec<String>,
    pub access_group_ids: Vec<String>,
    pub model_max_budget: Json,
    pub budget_fallbacks: Json,
    pub object_permission_id: Option<String>,
    pub object_permission: Option<Value>,
    /// The keys it was made with, as they were then: what it spends, their budgets bear too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub makers: Vec<String>,
    pub created_at: Option<Time>,
    pub created_by: Option<String>,
    pub updated_at: Option<Time>,
    pub updated_by: Option<String>,
    pub settings_updated_at: Option<Time>,
    pub last_active: Option<Time>,
    pub rotation_count: u64,
    pub auto_rotate: Option<bool>,
    pub rotation_interval: Option<String>,
    pub last_rotation_at: Option<Time>,
    pub key_rotation_at: Option<Time>,
}

impl Key {
    /// Under which hash its spend is counted.
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or(&self.token)
    }

    /// Whether it sees what everybody has spent (LiteLLM's permission `get_spend_routes`).
    pub fn sees_spending(&self) -> bool {
        self.permissions.get("get_spend_routes") == Some(&Value::Bool(true))
    }
}

/// The SHA-256 that a key had before it was regenerated, and how long it still opens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerKey {
    /// The former SHA-256, in hex.
    pub token: String,
    /// The proof that belonged to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// The SHA-256 of the key now.
    pub active_token: String,
    /// Until when it opens.
    pub revoke_at: Time,
    /// Since when it is a former one.
    pub created_at: Time,
}
