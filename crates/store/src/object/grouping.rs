//! Budgets, customers, projects, tags and groups of models.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Json;
use crate::money::Money;
use crate::time::Time;

/// Limits that have a name, and that several objects may share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Budget {
    pub budget_id: String,
    pub max_budget: Option<Money>,
    pub soft_budget: Option<Money>,
    pub max_parallel_requests: Option<u64>,
    pub tpm_limit: Option<u64>,
    pub rpm_limit: Option<u64>,
    pub tpd_limit: Option<u64>,
    pub model_max_budget: Option<Json>,
    pub budget_duration: Option<String>,
    pub budget_reset_at: Option<Time>,
    /// When its windows were begun, where the calendar does not say: see [`Period`](super::Period).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_since: Option<Time>,
    pub allowed_models: Option<Vec<String>>,
    pub temp_budget_increase: Option<Money>,
    pub temp_budget_expiry: Option<Time>,
    pub created_by: Option<String>,
    pub updated_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

/// Somebody for whom callers ask: their customer, their end user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Customer {
    pub user_id: String,
    pub alias: Option<String>,
    pub blocked: bool,
    /// Whether it was unblocked, so that it is let through although the configuration lists it as blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifted: Option<bool>,
    pub allowed_model_region: Option<String>,
    pub default_model: Option<String>,
    pub models: Vec<String>,
    pub budget_id: Option<String>,
    pub object_permission: Option<Value>,
    pub object_permission_id: Option<String>,
    pub created_at: Option<Time>,
}

/// A project within a team.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Project {
    pub project_id: String,
    pub project_alias: Option<String>,
    pub description: Option<String>,
    pub team_id: Option<String>,
    pub budget_id: Option<String>,
    pub metadata: Option<Json>,
    pub models: Vec<String>,
    pub model_rpm_limit: Option<Json>,
    pub model_tpm_limit: Option<Json>,
    pub blocked: bool,
    pub object_permission: Option<Value>,
    pub object_permission_id: Option<String>,
    pub created_by: Option<String>,
    pub updated_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

/// A mark on requests that has a budget or chooses deployments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Tag {
    pub name: String,
    pub description: Option<String>,
    pub models: Vec<String>,
    pub model_info: Option<Json>,
    pub team_id: Option<String>,
    pub budget_id: Option<String>,
    pub created_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

/// The budget that is shared by everybody who may use models because they are in a group: one that models say they are in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct GroupBudget {
    pub access_group_name: String,
    pub budget_id: Option<String>,
    pub created_by: Option<String>,
    pub updated_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

/// Models under one name, assigned to teams and keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct AccessGroup {
    pub access_group_id: String,
    pub access_group_name: String,
    pub description: Option<String>,
    pub access_model_names: Vec<String>,
    pub access_mcp_server_ids: Vec<String>,
    pub access_agent_ids: Vec<String>,
    pub assigned_team_ids: Vec<String>,
    pub assigned_key_ids: Vec<String>,
    pub created_by: Option<String>,
    pub updated_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}
