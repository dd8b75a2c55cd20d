//! What new keys, users and teams are given unless their requests say otherwise, and the most they may be given.

use serde_json::{Map, Value};

use crate::config::fields::Fields;
use crate::config::yaml;

/// A JSON object.
type Json = Map<String, Value>;

/// What is given, and the most that may be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// To a key.
    pub key: Json,
    /// The most that a key may be given.
    pub most: Json,
    /// To a user who is no administrator.
    pub user: Json,
    /// To a user of the role `internal_user` besides.
    pub internal_user: Json,
    /// To a team.
    pub team: Json,
}

impl Defaults {
    pub(super) fn read(litellm: &Fields, older: &Json) -> Self {
        let map = |name: &str| litellm.map(name).map(yaml::Map::to_json).unwrap_or_default();
        let most = map("upperbound_key_generate_params");
        let mut internal_user = Json::new();
        for (name, key) in [("max_budget", "max_internal_user_budget"), ("budget_duration", "internal_user_budget_duration")] {
            let value = litellm.node(key).map(yaml::Node::to_json);
            internal_user.extend(value.map(|value| (name.to_owned(), value)));
        }
        Self {
            key: map("default_key_generate_params"),
            most: if most.is_empty() { older.clone() } else { most },
            user: map("default_internal_user_params"),
            internal_user,
            team: map("default_team_params"),
        }
    }
}
