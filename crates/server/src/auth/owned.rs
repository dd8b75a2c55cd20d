//! Models that teams have to themselves: each team calls its own by a name of its choice, and nobody else can.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use switchboard_engine::pattern::matches;
use switchboard_engine::principal::OwnNames;

use crate::config::Config;

/// Which models belong to which team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// By team: what it calls its models, and the names of their groups.
    teams: HashMap<String, Arc<OwnNames>>,
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
            Arc::make_mut(owned.teams.entry(team.clone()).or_default()).insert(public.clone(), group.clone());
            // A name that others have too is not the team's: its deployments of that name are (`Reserved`).
            if deployment.model_info.reserved.team.is_none() {
                owned.groups.insert(group, (team, public));
            }
        }
        owned
    }

    /// The group that a team means by that name: its own of that name, else the longest pattern's.
    pub fn group(&self, team: Option<&str>, name: &str) -> Option<Cow<'_, str>> {
        self.teams.get(team?)?.group(name)
    }

    /// What a team calls its models.
    pub fn names(&self, team: Option<&str>) -> Option<&Arc<OwnNames>> {
        self.teams.get(team?)
    }

    /// Whose group that is, and what that team calls it.
    pub fn owner<'a>(&'a self, group: &'a str) -> Option<(&'a str, &'a str)> {
        if let Some((team, public)) = self.groups.get(group) {
            return Some((team, public));
        }
        self.of_pattern(group)
    }

    /// The same of a group below a pattern.
    pub fn of_pattern<'a>(&'a self, group: &'a str) -> Option<(&'a str, &'a str)> {
        let (base, name) = group.split_once('/')?;
        let (team, public) = self.groups.get(base)?;
        (public.contains('*') && matches(public, name)).then_some((team.as_str(), name))
    }

    /// The pattern's group that a group is below.
    pub fn base<'a>(&self, group: &'a str) -> Option<&'a str> {
        self.of_pattern(group).and(group.split_once('/')).map(|(base, _)| base)
    }

    /// Whether a team calls models by patterns.
    pub fn has_patterns(&self, team: Option<&str>) -> bool {
        self.of_team(team).any(|(public, _)| public.contains('*'))
    }

    /// What a team calls its models, and the names of their groups.
    pub fn of_team(&self, team: Option<&str>) -> impl Iterator<Item = (&String, &String)> {
        self.names(team).into_iter().flat_map(|own| own.iter())
    }
}
