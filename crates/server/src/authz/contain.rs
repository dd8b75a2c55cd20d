//! Nobody hands out more than they have.
//!
//! What a caller who does not administer the gateway makes or changes must stay within what the caller's own key, user and team
//! allow: models, routes, budget, limits and expiry.

use switchboard_store::object::{Budget, BudgetLimit, Json, Key, Team, User};
use switchboard_store::{Desk, StoreError};

use crate::auth::Caller;
use crate::refused::Refused;

/// What a giver has, of which a gift must be a part.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    key: Option<Key>,
    user: Option<User>,
    team: Option<Team>,
}

impl Bounds {
    /// What that caller has to give within that team. None: everything.
    pub async fn of(desk: &Desk, caller: &Caller, team: Option<&Team>) -> Result<Option<Self>, StoreError> {
        if caller.is_admin() && caller.routes.is_empty() {
            return Ok(None);
        }
        let mut bounds = Self { team: team.cloned(), ..Self::default() };
        if let Some(hash) = &caller.principal.key_hash {
            bounds.key = desk.get(hash).await?;
        }
        if let Some(key) = &mut bounds.key
            && let Some(id) = &key.budget_id
            && desk.get::<Budget>(id).await?.is_none_or(|budget| holds_nothing(&budget, key))
        {
            key.budget_id = None;
        }
        if let Some(user) = &caller.user {
            bounds.user = desk.get(user).await?;
        }
        if caller.is_admin() {
            // An administrator with a key for certain routes gives no other routes, and is otherwise free.
            let key = bounds.key.map(|key| Key { allowed_routes: key.allowed_routes, ..Key::default() });
            bounds = Self { key, ..Self::default() };
        }
        Ok(Some(bounds))
    }

    /// Whether the routes of a key that is to be are the giver's to give, beside those it had before. A list narrows what its caller may
    /// do, but it also opens what is made for keys that name it (metrics, provisioning), so only groups are free.
    fn lend(&self, gift: &Key, before: &[String]) -> Result<(), Refused> {
        let own = self.key.as_ref().map(|key| key.allowed_routes.as_slice()).unwrap_or_default();
        let is_free =
            |route: &String| crate::config::keys::ROUTE_GROUPS.contains(&route.as_str()) || own.contains(route) || before.contains(route);
        if gift.allowed_routes.iter().all(is_free) {
            return Ok(());
        }
        let message = "Only proxy admins can set `allowed_routes` on a key. Use `key_type` to pick a preset route bucket instead.";
        Err(Refused::forbidden(message))
    }

    /// The keys whose budgets, tags and enforced parameters go with what the giver makes: the own key where it has any, and those it
    /// was made with.
    pub fn makers(&self) -> Vec<String> {
        let Some(own) = &self.key else { return Vec::new() };
        let bounded = own.max_budget.is_some()
            || own.budget_id.is_some()
            || own.budget_limits.as_ref().is_some_and(|list| !list.is_empty())
            || !own.model_max_budget.is_empty()
            || ["tags", "enforced_params"].iter().any(|name| own.metadata.contains_key(*name));
        let own_hash = bounded.then(|| own.token.clone()).filter(|hash| !hash.is_empty());
        own_hash.into_iter().chain(own.makers.iter().cloned()).collect()
    }

    /// Whether a key that is to be is within them.
    pub fn hold(&self, gift: &Key) -> Result<(), Refused> {
        self.lend(gift, &[])?;
        self.has(gift)
    }

    fn has(&self, gift: &Key) -> Result<(), Refused> {
        if let Some(own) = &self.key {
            let within = |list: &[String], of: &[String]| of.is_empty() || !list.is_empty() && list.iter().all(|one| of.contains(one));
            if !within(&gift.allowed_routes, &own.allowed_routes) {
                return Err(Refused::forbidden("allowed_routes of the new key must be among those of your own key"));
            }
            // Into whatever team: who has only a limited key in hand gives no broader one, whoever it is that holds it.
            let whole_team = own.models.iter().any(|name| name == crate::access::TEAM);
            models("key", &gift.models, if whole_team { &[] } else { &own.models })?;
            groups(gift, own)?;
            budgets(gift, own)?;
            limits(gift, (own.tpm_limit, own.rpm_limit, own.max_parallel_requests))?;
            if own.expires.is_some_and(|own| gift.expires.is_none_or(|gift| gift > own)) {
                return Err(Refused::forbidden("the new key must not outlive your own key"));
            }
        }
        if let Some(user) = self.user.as_ref().filter(|_| gift.team_id.is_none()) {
            models("user", &gift.models, &user.models)?;
            amount("max_budget", gift.max_budget.or(user.max_budget), user.max_budget)?;
        }
        if let Some(team) = &self.team {
            within_team(gift, team)?;
        }
        Ok(())
    }
}

impl Bounds {
    /// Whether what becomes of a key is within them. What it had before from others, in a team that is not the giver's key's, may stay.
    pub fn hold_change(&self, present: &Key, changed: &Key) -> Result<(), Refused> {
        self.lend(changed, &present.allowed_routes)?;
        let elsewhere = |own: &&Key| own.team_id != changed.team_id && bounds_alike(present, changed);
        match self.key.as_ref().filter(elsewhere) {
            Some(own) => {
                let key = Key { allowed_routes: own.allowed_routes.clone(), expires: own.expires, ..Key::default() };
                Self { key: Some(key), user: self.user.clone(), team: self.team.clone() }.has(changed)
            }
            None => self.has(changed),
        }
    }
}

/// Whether two keys are bound alike.
fn bounds_alike(one: &Key, other: &Key) -> bool {
    let limits = |key: &Key| (key.tpm_limit, key.rpm_limit, key.max_parallel_requests);
    let budget = |key: &Key| (key.max_budget, key.budget_duration.clone(), key.budget_id.clone());
    let several = |key: &Key| (key.budget_limits.clone(), key.model_max_budget.clone());
    let lists = |key: &Key| (key.models.clone(), key.access_group_ids.clone());
    limits(one) == limits(other) && budget(one) == budget(other) && several(one) == several(other) && lists(one) == lists(other)
}

/// Whether a budget says nothing that the key does not say, but when to warn.
fn holds_nothing(budget: &Budget, key: &Key) -> bool {
    let limits = [budget.tpm_limit, budget.rpm_limit, budget.tpd_limit, budget.max_parallel_requests];
    let amount = budget.max_budget.is_none() || budget.max_budget == key.max_budget;
    amount && limits.iter().all(Option::is_none) && budget.model_max_budget.as_ref().is_none_or(Json::is_empty)
}

/// Whether a key is within what its team allows; that holds for administrators of the team too.
pub fn within_team(gift: &Key, team: &Team) -> Result<(), Refused> {
    let named: Vec<String> = gift.models.iter().filter(|name| *name != crate::access::TEAM).cloned().collect();
    if !named.is_empty() || gift.models.is_empty() {
        models("team", &if gift.models.is_empty() { team.models.clone() } else { named }, &team.models)?;
    }
    Ok(())
}

/// Refuses a change of the routes that are passed on for a key, a team or a project, and of the credentials that their calls go with:
/// those are for administrators of the gateway to say.
pub fn passages(caller: &Caller, what: &str, before: &Json, after: &Json) -> Result<(), Refused> {
    let said = |metadata: &Json, name: &str| metadata.get(name).filter(|list| list.as_array().is_none_or(|list| !list.is_empty())).cloned();
    // Of a key it says nothing.
    let counts = |name: &str| what != "key" || name != "model_config";
    let is_changed = |name: &&&str| counts(name) && said(before, name) != said(after, name);
    match ["denied_passthrough_routes", "allowed_passthrough_routes", "model_config"].iter().find(is_changed).filter(|_| !caller.is_admin())
    {
        Some(name) => Err(Refused::forbidden(format!("Only proxy admins can set `{name}` on a {what}."))),
        None => Ok(()),
    }
}

/// Refuses a key that is to see what everybody has spent: that is for administrators of the gateway to give.
pub fn spending(caller: &Caller, before: &Key, after: &Key) -> Result<(), Refused> {
    if after.sees_spending() && !before.sees_spending() && !caller.is_admin() {
        return Err(Refused::forbidden("Only proxy admins can set the permission `get_spend_routes` on a key."));
    }
    Ok(())
}

fn everything(models: &[String]) -> bool {
    models.is_empty() || models.iter().any(|name| name == crate::access::ALL || name == "*")
}

fn models(whose: &str, gift: &[String], own: &[String]) -> Result<(), Refused> {
    if everything(own) {
        return Ok(());
    }
    let fits = |name: &String| own.iter().any(|pattern| switchboard_engine::pattern::matches(pattern, name));
    match gift.iter().find(|name| !fits(name) && *name != crate::access::NONE) {
        None if !gift.is_empty() => Ok(()),
        None => Err(Refused::forbidden(format!("models must be named: this {whose} may use only {own:?}"))),
        Some(name) => Err(Refused::forbidden(format!("model `{name}` is not among those this {whose} may use: {own:?}"))),
    }
}

/// Groups open models beside a list, so who has a list gives those of the own key alone.
fn groups(gift: &Key, own: &Key) -> Result<(), Refused> {
    match gift.access_group_ids.iter().find(|group| !everything(&own.models) && !own.access_group_ids.contains(group)) {
        Some(group) => Err(Refused::forbidden(format!("access group `{group}` is not among those of your own key"))),
        None => Ok(()),
    }
}

/// Whether a key has the budgets of the giver's own, or less. What is for ever is less than what begins anew.
fn budgets(gift: &Key, own: &Key) -> Result<(), Refused> {
    amount("max_budget", gift.max_budget, own.max_budget)?;
    let renews = own.max_budget.is_some() && gift.budget_duration.is_some() && gift.budget_duration != own.budget_duration;
    let several = |key: &Key| key.budget_limits.clone().unwrap_or_default();
    let (theirs, ours) = (several(gift), several(own));
    let has_window = |entry: &BudgetLimit| {
        theirs.iter().any(|other| other.budget_duration == entry.budget_duration && other.max_budget <= entry.max_budget)
    };
    let broken = [
        ("budget_duration", renews),
        ("budget_id", own.budget_id.is_some() && gift.budget_id != own.budget_id),
        ("budget_limits", !ours.iter().all(has_window)),
        ("model_max_budget", own.model_max_budget.iter().any(|(model, said)| gift.model_max_budget.get(model) != Some(said))),
    ];
    match broken.iter().find(|(_, is_broken)| *is_broken) {
        Some((name, _)) => Err(Refused::forbidden(format!("{name} of the key must be that of your own key"))),
        None => Ok(()),
    }
}

fn amount<T: PartialOrd>(what: &str, gift: Option<T>, own: Option<T>) -> Result<(), Refused> {
    match (gift, own) {
        (Some(gift), Some(own)) if gift <= own => Ok(()),
        (_, None) => Ok(()),
        (_, Some(_)) => Err(Refused::forbidden(format!("{what} must not exceed your own"))),
    }
}

fn limits(gift: &Key, (tpm, rpm, parallel): (Option<u64>, Option<u64>, Option<u64>)) -> Result<(), Refused> {
    amount("tpm_limit", gift.tpm_limit, tpm)?;
    amount("rpm_limit", gift.rpm_limit, rpm)?;
    amount("max_parallel_requests", gift.max_parallel_requests, parallel)
}

#[cfg(test)]
mod tests;
