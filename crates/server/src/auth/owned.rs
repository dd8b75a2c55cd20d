//! Models that teams have to themselves: each team calls its own by a name of its choice, and nobody else can.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::config::Config;

/// Which models belong to which team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// By team: what it calls its models, and the names of their groups.
    teams: HashMap<String, BTreeMap<String, String>>,
    /// By the name of the group: whose it is, and what that team calls it.
    groups: HashMap<String, (String, String)>,
}

impl Owned {
    /// Those of that configuration.
    pub fn of(config: &Config) -> Self {
        let mut owned = Self::default();
        for deployment in &config.deployments {
            let written = &deployment.model_info.written;
            let text = |name: &str| written.get(name).and_then(Value::as_str).map(str::to_owned);
            let (Some(team), Some(public)) = (text("team_id"), text("team_public_model_name")) else { continue };
            let group = deployment.model_name.clone();
            owned.teams.entry(team.clone()).or_default().insert(public.clone(), group.clone());
            owned.groups.insert(group, (team, public));
        }
        owned
    }

    /// The group that a team means by that name.
    pub fn group(&self, team: Option<&str>, name: &str) -> Option<&str> {
        self.teams.get(team?)?.get(name).map(String::as_str)
    }

    /// Whose group that is, and what that team calls it.
    pub fn owner(&self, group: &str) -> Option<(&str, &str)> {
        self.groups.get(group).map(|(team, public)| (team.as_str(), public.as_str()))
    }

    /// What a team calls its models, and the names of their groups.
    pub fn of_team(&self, team: Option<&str>) -> impl Iterator<Item = (&String, &String)> {
        team.and_then(|team| self.teams.get(team)).into_iter().flatten()
    }
}
