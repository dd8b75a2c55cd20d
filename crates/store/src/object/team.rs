//! Teams.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BudgetLimit, Json, Member};
use crate::money::Money;
use crate::time::Time;

/// A team.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Team {
    pub team_id: String,
    pub team_alias: Option<String>,
    pub organization_id: Option<String>,
    pub admins: Vec<String>,
    pub members: Vec<String>,
    /// Who belongs to it, and as what: the only list of members that counts.
    pub members_with_roles: Vec<Member>,
    /// Routes of key management that members may use.
    pub team_member_permissions: Option<Vec<String>>,
    pub metadata: Option<Json>,
    pub tpm_limit: Option<u64>,
    pub rpm_limit: Option<u64>,
    pub tpd_limit: Option<u64>,
    pub max_parallel_requests: Option<u64>,
    pub max_budget: Option<Money>,
    pub soft_budget: Option<Money>,
    pub budget_duration: Option<String>,
    pub budget_reset_at: Option<Time>,
    /// When its windows were begun, where the calendar does not say: see [`Period`](super::Period).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_since: Option<Time>,
    pub budget_limits: Option<Vec<BudgetLimit>>,
    pub models: Vec<String>,
    pub blocked: bool,
    pub router_settings: Option<Value>,
    pub access_group_ids: Option<Vec<String>>,
    pub default_team_member_models: Option<Vec<String>>,
    pub policies: Option<Vec<String>>,
    pub model_aliases: Option<BTreeMap<String, String>>,
    pub model_max_budget: Option<Json>,
    pub allow_team_guardrail_config: Option<bool>,
    pub object_permission: Option<Value>,
    pub object_permission_id: Option<String>,
    pub created_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

impl Team {
    /// What that user is in it, by id or by address.
    pub fn member(&self, user: &str) -> Option<&Member> {
        self.members_with_roles.iter().find(|member| member.user_id.as_deref() == Some(user))
    }

    /// Whether that user administers it.
    pub fn is_admin(&self, user: &str) -> bool {
        self.member(user).is_some_and(|member| member.role == "admin")
    }
}
