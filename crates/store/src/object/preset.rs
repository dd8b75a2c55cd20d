//! Presets: settings of requests under a name, kept version by version.

use serde::{Deserialize, Serialize};

use super::Json;
use crate::time::Time;

/// A name for settings of requests, in one workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct Preset {
    pub id: String,
    pub creator_user_id: Option<String>,
    pub workspace_id: Option<String>,
    pub name: String,
    pub slug: String,
    pub description: Option<String>,
    /// `active`, `disabled` or `archived`.
    pub status: String,
    pub designated_version_id: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
    pub status_updated_at: Option<Time>,
}

/// The settings as they were said at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of OpenRouter's API, and say what they are")]
pub struct PresetVersion {
    pub id: String,
    pub preset_id: String,
    pub creator_id: String,
    pub version: u64,
    pub system_prompt: Option<String>,
    pub config: Json,
    pub created_at: Time,
    pub updated_at: Time,
}
