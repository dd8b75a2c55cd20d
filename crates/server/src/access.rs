//! What keys, teams and users are let use: lists of models, and of stores of vectors. What comes of them for a call is said above,
//! in [`authz`](crate::authz).

use serde_json::{Value, json};
use switchboard_engine::pattern::matches;

use crate::refused::Refused;

/// Every model there is.
pub const ALL: &str = "all-proxy-models";
/// The models of the key's team.
pub const TEAM: &str = "all-team-models";
/// No model, unless another entry names it.
pub const NONE: &str = "no-default-models";

/// Whose list of models it is; the name begins the type of the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The key's.
    Key,
    /// The team's.
    Team,
    /// The member's, within the team.
    Member,
    /// The user's.
    User,
    /// The organization's.
    Organization,
    /// The project's.
    Project,
    /// The customer's.
    Customer,
}

impl Whose {
    fn kind(self) -> &'static str {
        match self {
            Whose::Key => "key_model_access_denied",
            Whose::Team | Whose::Member => "team_model_access_denied",
            Whose::User => "user_model_access_denied",
            Whose::Organization => "org_model_access_denied",
            Whose::Project => "project_model_access_denied",
            Whose::Customer => "customer_model_access_denied",
        }
    }
}

/// A list of models, groups replaced by what is in them. Lists that allow everything are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Whose it is.
    pub whose: Whose,
    /// Names and patterns.
    pub models: Vec<String>,
}

impl Layer {
    /// The list, unless it allows everything.
    pub fn of(whose: Whose, models: &[String]) -> Option<Self> {
        let everything = models.is_empty() || models.iter().any(|name| name == ALL || name == "*");
        (!everything).then(|| Self { whose, models: models.iter().filter(|name| *name != NONE).cloned().collect() })
    }

    /// Whether it has that model.
    pub fn has(&self, model: &str) -> bool {
        self.models.iter().any(|entry| matches(entry, model))
    }
}

/// The refusal of a model.
pub fn denied(whose: Whose, model: &str) -> Refused {
    if whose == Whose::Customer {
        let message = format!(
            "The requested model '{model}' is not in the allowed models for this customer. Check the models this customer can use and \
             try again."
        );
        return Refused::new(403, whose.kind(), json!("model"), message);
    }
    let message = format!(
        "The requested model '{model}' is not available for this API key, or the model name is invalid. Check the models available to \
         you and try again."
    );
    Refused::new(403, whose.kind(), json!("model"), message)
}

/// Replaces the names of groups of models by the models in them; `members` tells what is in one.
pub fn expanded(models: &[String], members: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut out = Vec::with_capacity(models.len());
    for name in models {
        let inside = members(name);
        if inside.is_empty() {
            out.push(name.clone());
        }
        out.extend(inside);
    }
    out
}

/// A list of stores, and whose it is, as the type of a refusal begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stores {
    pub(crate) whose: &'static str,
    pub(crate) ids: Vec<String>,
}

impl Stores {
    /// That of a key's or a team's permission, unless it lets every store be used.
    pub fn of(whose: &'static str, permission: Option<&Value>) -> Option<Self> {
        let ids = texts(permission?.get("vector_stores"));
        (!ids.is_empty()).then_some(Self { whose, ids })
    }
}

/// The texts of a list.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn lists_that_allow_everything_are_none() {
        assert_eq!(Layer::of(Whose::Key, &[]), None);
        assert_eq!(Layer::of(Whose::Key, &texts(&["a", ALL])), None);
        let none = Layer::of(Whose::Key, &texts(&[NONE])).expect("a list");
        assert!(!none.has("a"));
        let some = Layer::of(Whose::Team, &texts(&["openai/*", "b"])).expect("a list");
        assert!(some.has("openai/x") && some.has("b") && !some.has("c"));
    }
}
