//! Users, organizations, and who belongs to what.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BudgetLimit, Json, joined};
use crate::money::Money;
use crate::time::Time;

/// What a user may do in the whole gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    ProxyAdmin,
    /// Sees everything.
    ProxyAdminViewer,
    /// Administers organizations.
    OrgAdmin,
    /// Makes and sees what is its own.
    InternalUser,
    /// Sees what is its own.
    #[default]
    InternalUserViewer,
    /// A team that signs in by a token.
    Team,
    /// A customer.
    Customer,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 7] = [
        Self::ProxyAdmin,
        Self::ProxyAdminViewer,
        Self::OrgAdmin,
        Self::InternalUser,
        Self::InternalUserViewer,
        Self::Team,
        Self::Customer,
    ];

    /// Its name in the APIs.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::ProxyAdmin => "proxy_admin",
            Role::ProxyAdminViewer => "proxy_admin_viewer",
            Role::OrgAdmin => "org_admin",
            Role::InternalUser => "internal_user",
            Role::InternalUserViewer => "internal_user_viewer",
            Role::Team => "team",
            Role::Customer => "customer",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct User {
    pub user_id: String,
    pub user_alias: Option<String>,
    pub user_email: Option<String>,
    pub user_role: Option<Role>,
    pub sso_user_id: Option<String>,
    pub team_id: Option<String>,
    pub organization_id: Option<String>,
    /// The teams it belongs to; the teams' own lists are what counts.
    pub teams: Vec<String>,
    pub models: Vec<String>,
    pub metadata: Option<Json>,
    pub max_parallel_requests: Option<u64>,
    pub tpm_limit: Option<u64>,
    pub rpm_limit: Option<u64>,
    pub max_budget: Option<Money>,
    pub budget_duration: Option<String>,
    pub budget_reset_at: Option<Time>,
    /// When its windows were begun, where the calendar does not say: see [`Period`](super::Period).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_since: Option<Time>,
    pub budget_limits: Option<Vec<BudgetLimit>>,
    pub allowed_cache_controls: Vec<String>,
    pub policies: Vec<String>,
    pub model_max_budget: Option<Json>,
    pub object_permission: Option<Value>,
    pub object_permission_id: Option<String>,
    pub created_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

/// Somebody who belongs to a team, as the team lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Member {
    pub user_id: Option<String>,
    pub user_email: Option<String>,
    /// `admin` or `user`.
    pub role: String,
}

/// What a member of a team has of its own there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct TeamMember {
    pub user_id: String,
    pub team_id: String,
    pub budget_id: Option<String>,
    pub allowed_models: Option<Vec<String>>,
    /// Who put in somebody who was there before and whom they did not answer for: that alone gives them no say over the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brought_in_by: Option<String>,
    pub created_at: Option<Time>,
}

impl TeamMember {
    /// The id of that user's membership in that team.
    pub fn id_of(team: &str, user: &str) -> String {
        joined(team, user)
    }
}

/// An organization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Organization {
    pub organization_id: String,
    pub organization_alias: Option<String>,
    pub budget_id: Option<String>,
    pub metadata: Json,
    pub models: Vec<String>,
    pub object_permission: Option<Value>,
    pub object_permission_id: Option<String>,
    pub created_by: Option<String>,
    pub updated_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

/// Somebody who belongs to an organization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct OrganizationMember {
    pub user_id: String,
    pub organization_id: String,
    pub user_role: Option<Role>,
    pub budget_id: Option<String>,
    /// Who put in somebody who was there before and whom they did not answer for: that alone gives them no say over the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brought_in_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

impl OrganizationMember {
    /// The id of that user's membership in that organization.
    pub fn id_of(organization: &str, user: &str) -> String {
        joined(organization, user)
    }
}
