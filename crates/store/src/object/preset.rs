//! Presets: settings of requests under a name, kept version by version.

use serde::{Deserialize, Serialize};

use super::{Columns, Json, Object};
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

impl Object for Preset {
    const KIND: &'static str = "preset";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn columns(&self) -> Columns {
        Columns {
            name: Some(self.slug.clone()),
            team: self.workspace_id.clone(),
            created_by: self.creator_user_id.clone(),
            created: self.created_at,
            ..Columns::default()
        }
    }
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

impl Object for PresetVersion {
    const KIND: &'static str = "preset_version";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn columns(&self) -> Columns {
        Columns {
            name: Some(self.preset_id.clone()),
            created_by: Some(self.creator_id.clone()),
            created: self.created_at,
            ..Columns::default()
        }
    }
}
