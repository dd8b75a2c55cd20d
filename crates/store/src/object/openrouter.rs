//! What OpenRouter's API manages beside keys: workspaces, guardrails, keys of providers, and codes to be traded for keys.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::money::Money;
use crate::time::Time;

/// What a workspace has beside its team, whose id is also its own. A team without one is a workspace with nothing said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct Workspace {
    pub id: String,
    pub name: Option<String>,
    pub slug: Option<String>,
    pub description: Option<String>,
    pub default_text_model: Option<String>,
    pub default_image_model: Option<String>,
    pub default_provider_sort: Option<String>,
    pub include_byok_in_budgets: bool,
    pub io_logging_sampling_rate: Option<f64>,
    pub io_logging_api_key_ids: Option<Vec<i64>>,
    pub is_observability_io_logging_enabled: bool,
    pub is_observability_broadcast_enabled: bool,
    pub is_data_discount_logging_enabled: bool,
    pub budgets: Vec<WorkspaceBudget>,
    pub created_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

/// What a workspace may spend in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct WorkspaceBudget {
    pub id: String,
    /// `daily`, `weekly` or `monthly`; none is the lifetime.
    pub reset_interval: Option<String>,
    pub limit_usd: Money,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Rules for what is asked with a key, by a member, or in a workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct Guardrail {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub workspace_id: Option<String>,
    pub allowed_models: Option<Vec<String>>,
    pub ignored_models: Option<Vec<String>>,
    pub allowed_providers: Option<Vec<String>>,
    pub ignored_providers: Option<Vec<String>>,
    pub enforce_zdr: Option<bool>,
    pub enforce_zdr_anthropic: Option<bool>,
    pub enforce_zdr_google: Option<bool>,
    pub enforce_zdr_openai: Option<bool>,
    pub enforce_zdr_xai: Option<bool>,
    pub enforce_zdr_other: Option<bool>,
    pub enable_paid_model_training: Option<bool>,
    pub enable_free_model_training: Option<bool>,
    pub enable_free_model_publication: Option<bool>,
    pub limit_usd: Option<Money>,
    pub reset_interval: Option<String>,
    pub include_byok_in_budgets: bool,
    pub content_filters: Option<Vec<ContentFilter>>,
    pub content_filter_builtins: Option<Vec<BuiltinFilter>>,
    pub created_by: Option<String>,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
}

/// A pattern that requests must not hold, or not reach providers with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct ContentFilter {
    pub pattern: String,
    pub action: String,
    pub label: Option<String>,
}

/// A kind of content that is recognised here, and what is done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct BuiltinFilter {
    pub slug: String,
    pub action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_scope: Option<String>,
}

/// The one guardrail of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct GuardedKey {
    pub id: String,
    pub key_hash: String,
    pub guardrail_id: String,
    pub assigned_by: Option<String>,
    pub created_at: Time,
}

/// The one guardrail of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct GuardedMember {
    pub id: String,
    pub user_id: String,
    pub guardrail_id: String,
    pub assigned_by: Option<String>,
    pub created_at: Time,
}

/// A key of a provider's that a workspace brings along. The key itself is in the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct ProviderKey {
    pub id: String,
    pub provider: String,
    pub name: Option<String>,
    /// The key, masked.
    pub label: String,
    pub disabled: bool,
    pub is_fallback: bool,
    pub allowed_models: Option<Vec<String>>,
    pub allowed_api_key_hashes: Option<Vec<String>>,
    pub allowed_user_ids: Option<Vec<String>>,
    pub sort_order: u64,
    pub workspace_id: String,
    /// Counts the changes of the key itself, so that every gateway hears of them.
    pub revision: u64,
    pub created_by: Option<String>,
    pub created_at: Time,
    pub updated_at: Option<Time>,
}

/// A code that an application trades for a key, once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct AuthCode {
    /// The SHA-256 of the code, in hex.
    pub digest: String,
    pub challenge: Option<String>,
    /// `S256` or `plain`.
    pub method: Option<String>,
    pub callback_url: Option<String>,
    pub user_id: Option<String>,
    pub team_id: Option<String>,
    /// The row of the key that is made for it.
    pub key: Value,
    /// Until when it can be traded.
    pub until: Time,
    pub created_at: Time,
}
