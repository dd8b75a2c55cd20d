//! What new keys, users and teams are given unless their requests say otherwise, and the most they may be given.

use serde_json::{Map, Value};

use crate::config::fields::Fields;
use crate::config::{keys, yaml};

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
    /// The budget of a team that is given none: the first entry's of the older `default_team_settings`.
    pub team_budget: Option<Value>,
    /// Who may make keys, and of what form.
    pub making: Making,
}

/// Who may make keys, and of what form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Making {
    /// Keys of teams.
    pub team: Makers,
    /// Keys of nobody's team.
    pub personal: Makers,
    /// Whether aliases must be of LiteLLM's form.
    pub checks_aliases: bool,
}

/// Who may make keys of one kind, and what they must say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Makers {
    /// The roles that may; none said: all.
    pub roles: Option<Vec<String>>,
    /// What a request must say.
    pub params: Vec<String>,
}

impl Making {
    fn read(litellm: &Fields) -> Self {
        let settings = litellm.map("key_generation_settings");
        let makers = |name: &str, roles: &str| {
            let said = settings.and_then(|map| map.get(name)).and_then(yaml::Node::as_map);
            let texts = |name: &str| {
                let texts = said.and_then(|map| map.get(name)).filter(|node| !node.is_absent()).and_then(keys::texts);
                texts.map(|texts| texts.into_iter().map(str::to_owned).collect())
            };
            Makers { roles: texts(roles), params: texts("required_params").unwrap_or_default() }
        };
        Self {
            team: makers("team_key_generation", "allowed_team_member_roles"),
            personal: makers("personal_key_generation", "allowed_user_roles"),
            checks_aliases: litellm.flag("enable_key_alias_format_validation").unwrap_or(false),
        }
    }
}

impl Defaults {
    pub(super) fn read(litellm: &Fields, older: &Json) -> Self {
        let map = |name: &str| litellm.map(name).map(yaml::Map::to_json).unwrap_or_default();
        let most = map("upperbound_key_generate_params");
        let mut internal_user = Json::new();
        let given = [
            // The older name first: what is said under the newer one replaces it.
            ("max_budget", "default_max_internal_user_budget"),
            ("max_budget", "max_internal_user_budget"),
            ("budget_duration", "internal_user_budget_duration"),
        ];
        for (name, key) in given {
            let value = litellm.node(key).map(yaml::Node::to_json);
            internal_user.extend(value.map(|value| (name.to_owned(), value)));
        }
        Self {
            key: map("default_key_generate_params"),
            most: if most.is_empty() { older.clone() } else { most },
            user: map("default_internal_user_params"),
            internal_user,
            team: map("default_team_params"),
            team_budget: litellm
                .list("default_team_settings")
                .first()
                .and_then(|entry| entry.as_map()?.get("max_budget"))
                .map(yaml::Node::to_json),
            making: Making::read(litellm),
        }
    }
}
