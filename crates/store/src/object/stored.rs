//! What the database adds to the configuration: models, credentials, settings.
//!
//! No secret stands here: those of a model's parameters and all values of a credential are sealed, and the document keeps their
//! names alone.

use serde::{Deserialize, Serialize};

use super::Json;
use crate::time::Time;

/// A deployment that was added over the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Model {
    pub model_id: String,
    /// The name of its group; for a team's model one that nobody else has.
    pub model_name: String,
    /// Its parameters, without those that are sealed.
    pub litellm_params: Json,
    /// The names of those that are sealed.
    pub sealed: Vec<String>,
    pub model_info: Json,
    pub blocked: bool,
    /// Whether somebody who administers a team alone said where it is and what is shown there. `None`: it was not noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brought: Option<bool>,
    pub created_at: Option<Time>,
    pub created_by: Option<String>,
    pub updated_at: Option<Time>,
    pub updated_by: Option<String>,
}

impl Model {
    /// The team whose model it is.
    pub fn team(&self) -> Option<&str> {
        self.model_info.get("team_id")?.as_str()
    }

    /// What that team calls it.
    pub fn public_name(&self) -> Option<&str> {
        self.model_info.get("team_public_model_name")?.as_str()
    }
}

/// Values for models that refer to them by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct Credential {
    pub credential_name: String,
    pub display_name: Option<String>,
    /// The names of its values, all of which are sealed.
    pub sealed: Vec<String>,
    pub credential_info: Json,
    pub created_at: Option<Time>,
    pub created_by: Option<String>,
    pub updated_at: Option<Time>,
    pub updated_by: Option<String>,
}

/// A section of the configuration, as far as it was set over the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    /// The section's name, such as `router_settings`.
    pub section: String,
    /// Its keys.
    pub values: Json,
    /// The names of keys whose values are sealed.
    pub sealed: Vec<String>,
    /// When it was set last.
    pub updated_at: Option<Time>,
    /// By whom.
    pub updated_by: Option<String>,
}
