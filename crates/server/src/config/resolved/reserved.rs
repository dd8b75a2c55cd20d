//! For which teams deployments are kept (`model_info.team_id`, `access_windows`).

use switchboard_engine::deployment::{AccessWindow, Reserved};

use super::Deployment;
use crate::config::fields::{Fields, Reader};
use crate::config::keys;
use crate::config::yaml::Map;

/// What is written of one deployment.
pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Reserved {
    let mut windows = Vec::new();
    for node in fields.list("access_windows") {
        match node.as_map().ok_or_else(|| "it is no map".to_owned()).and_then(window) {
            Ok(window) => windows.push(window),
            Err(why) => {
                let hint = "write `{start: \"09:00\", end: \"17:00\", timezone: UTC, team_ids: [a-team]}`";
                reader.found.error(&node.at, format!("this entry of `model_info.access_windows` cannot be used: {why}"), hint);
            }
        }
    }
    Reserved { team: fields.text("team_id"), windows }
}

fn window(map: &Map) -> Result<AccessWindow, String> {
    let text = |name: &str| map.get(name).and_then(keys::text).ok_or_else(|| format!("`{name}` is missing"));
    let teams = map.get("team_ids").filter(|node| !node.is_absent()).and_then(keys::texts).unwrap_or_default();
    let teams = teams.into_iter().filter(|team| !team.is_empty()).map(str::to_owned).collect();
    AccessWindow::of(text("start")?, text("end")?, text("timezone")?, teams)
}

/// A name that is one team's alone is kept for it by the name (see `auth::owned`), so that its administrators still reach it; of a
/// name that others have too, each deployment is kept by itself.
pub(super) fn settle(deployments: &mut [Deployment]) {
    let alone: Vec<bool> = deployments.iter().map(|one| one.model_info.public_name().is_some() && is_alone(one, deployments)).collect();
    for (deployment, alone) in deployments.iter_mut().zip(alone) {
        if alone {
            deployment.model_info.reserved.team = None;
        }
    }
}

fn is_alone(one: &Deployment, all: &[Deployment]) -> bool {
    all.iter().all(|other| other.model_name != one.model_name || other.model_info.reserved.team == one.model_info.reserved.team)
}

impl super::ModelInfo {
    /// The team whose deployment it is.
    pub fn team(&self) -> Option<&str> {
        self.written.get("team_id").and_then(serde_json::Value::as_str)
    }

    /// What the deployment's team calls it.
    pub fn public_name(&self) -> Option<&str> {
        self.written.get("team_public_model_name").and_then(serde_json::Value::as_str)
    }
}
