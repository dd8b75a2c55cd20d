//! Who asks, and whose money it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::book::Scope;
use crate::deployment::Deployment;
use crate::guidance::{Guidance, RouterOverride};
use crate::own::OwnKeys;
use crate::pattern::matches;

/// What the holder of the master key is called.
pub const MASTER: &str = "master";
/// What everybody is called where no key is asked for.
pub const OPEN: &str = "open";

/// Who asks: everything the engine must know of it, found once and kept for as long as the key stays as it is.
///
/// What refuses a caller outright (a blocked or expired key, a route it may not use) has been decided before there is a principal.
#[derive(Clone, Debug, Default)]
pub struct Principal {
    /// The key's public name in logs and records; never the key.
    pub key: String,
    /// The SHA-256 of the key, in hex: how both ecosystems identify one. None for the master key and an open gateway.
    pub key_hash: Option<String>,
    /// The key's alias.
    pub key_alias: Option<String>,
    /// The user whose key it is.
    pub user: Option<String>,
    /// That user's address.
    pub user_email: Option<String>,
    /// The team.
    pub team: Option<String>,
    /// The team's alias.
    pub team_alias: Option<String>,
    /// The organization.
    pub organization: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The customer of the caller, for whom the request is made (`user` of a request, `end_user` in LiteLLM).
    pub customer: Option<String>,
    /// The budget of customers who have none of their own, by its id.
    pub customer_budget: Option<String>,
    /// Models it may use: names and patterns with `*`, access groups resolved. Empty means every model.
    pub allowed: Vec<String>,
    /// Further lists of models (its team's, its user's), each of which must have what it uses. None of them is empty by chance: an
    /// empty one has nothing.
    pub also: Vec<Vec<String>>,
    /// Names of its own for models; looked up before `allowed` is.
    pub aliases: BTreeMap<String, String>,
    /// Models that its team has to itself, by what the team calls them.
    pub own: Arc<OwnNames>,
    /// Tags stamped on each of its requests.
    pub tags: Vec<String>,
    /// The key's metadata, as JSON.
    pub metadata: Option<Arc<str>>,
    /// What lines of the log keep for its key and team, as a JSON object.
    pub kept: Option<Arc<str>>,
    /// Who goes first where requests must wait: lower first; none goes with the rest.
    pub priority: Option<u8>,
    /// Whose limits and budgets every one of its requests must fit in, and whose spend it adds to. A scope of one model is
    /// engaged for requests of that model alone.
    pub scopes: Vec<Arc<Scope>>,
    /// Whose spend it adds to without being held to their limits.
    pub counted: Vec<Arc<Scope>>,
    /// What the key, its team or a policy says of routing.
    pub guidance: Option<Arc<Guidance>>,
    /// Whether the key says that its calls are to have no fallback, or may have one whatever they say themselves.
    pub disables_fallbacks: Option<bool>,
    /// Whether the key wants its prompts marked for a provider's cache, where the client marks nothing.
    pub caches_prompts: bool,
    /// What the key, or else its team, says instead of the router's settings.
    pub router: Option<Arc<RouterOverride>>,
    /// The place that the caller wants asked instead of the model's own, with a credential of the caller's or none.
    pub detour: Option<Arc<Deployment>>,
    /// Keys of providers that the caller brings along.
    pub own_keys: Option<Arc<OwnKeys>>,
}

/// What a team calls the models that it has to itself.
///
/// Such a name may be a pattern (`openai/*`). The models it stands for are groups below the team's own: `group/openai/gpt-4o`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnNames(BTreeMap<String, String>);

impl OwnNames {
    /// Has the group of that name called so.
    pub fn insert(&mut self, name: String, group: String) {
        self.0.insert(name, group);
    }

    /// The names, and the groups they stand for.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// The group that is meant by that name: the one of that name, else the longest pattern's.
    pub fn group(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(group) = self.0.get(name) {
            return Some(Cow::Borrowed(group));
        }
        let patterns = self.0.iter().filter(|(public, _)| public.contains('*') && matches(public, name));
        let (_, group) = patterns.max_by_key(|(public, _)| public.len())?;
        Some(Cow::Owned(format!("{group}/{name}")))
    }

    /// What a group is called, if it is one of these.
    pub fn name_of<'a>(&'a self, group: &'a str) -> Option<&'a str> {
        let plain = self.0.iter().find(|(_, own)| *own == group);
        let below = || {
            let (base, name) = group.split_once('/')?;
            self.0.iter().any(|(public, own)| own == base && public.contains('*') && matches(public, name)).then_some(name)
        };
        plain.map(|(public, _)| public.as_str()).or_else(below)
    }
}

impl Principal {
    /// A principal without limits, known by that name.
    pub fn named(key: impl Into<String>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }

    /// The model meant by that name: its own alias for it, else the name.
    pub fn meant<'a>(&'a self, model: &'a str) -> &'a str {
        self.aliases.get(model).map_or(model, String::as_str)
    }

    /// The group meant by that name: its team's own, else the one that all call so. What is a group of the team's already is meant.
    pub fn group<'a>(&'a self, model: &'a str) -> Cow<'a, str> {
        let meant = self.meant(model);
        let own = if self.own.name_of(meant).is_some() { None } else { self.own.group(meant) };
        own.unwrap_or(Cow::Borrowed(meant))
    }

    /// Whether what its own keys spend counts in its budgets.
    pub fn own_keys_count(&self) -> bool {
        self.own_keys.as_ref().is_some_and(|own| own.counts)
    }

    /// Whether it may use that model.
    pub fn may_use(&self, model: &str) -> bool {
        let has = |list: &[String]| list.iter().any(|pattern| matches(pattern, model));
        (self.allowed.is_empty() || has(&self.allowed)) && self.also.iter().all(|list| has(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_teams_own_names_come_before_those_of_all() {
        let mut own = OwnNames::default();
        for (name, group) in [("p", "model_name_t_1"), ("openai/*", "model_name_t_2"), ("*", "model_name_t_3")] {
            own.insert(name.to_owned(), group.to_owned());
        }
        let one = Principal { own: Arc::new(own), ..Principal::named("k") };
        for (name, group, public) in
            [("p", "model_name_t_1", "p"), ("openai/x", "model_name_t_2/openai/x", "openai/x"), ("other", "model_name_t_3/other", "other")]
        {
            assert_eq!((&*one.group(name), one.own.name_of(group)), (group, Some(public)));
            assert_eq!(one.group(group), group, "said once, it is meant");
        }
        assert_eq!(Principal::named("k").group("p"), "p");
    }

    #[test]
    fn no_list_of_models_means_every_model() {
        let anyone = Principal::named("k");
        assert!(anyone.may_use("x"));
        let some = Principal { allowed: vec!["openai/*".into()], ..anyone };
        assert!(some.may_use("openai/x") && !some.may_use("x"));
    }
}
