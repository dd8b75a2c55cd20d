//! From rows to what they allow: budgets and limits of a key and of everything that stands around it.
//!
//! Every object a key belongs to has a scope, limited or not: what is spent is counted for all of them. A limit that an object has
//! itself goes before the one of the budget it names (`budget_id`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use switchboard_engine::book::{Book, Scope};
use switchboard_engine::terms;
use switchboard_engine::terms::{Level, Limit, ScopeId, Terms, Unit, Window};
use switchboard_store::object::{Budget, BudgetLimit, CreditAccount, Json, Key, Period, Renewed, Team, TeamMember};
use switchboard_store::{Money, Time};

use super::resolve::{Groups, Surroundings};
use crate::books::accounts;
use crate::config::Config;
use crate::config::resolved::Newcomer;

/// What the metadata of a service account's keys has.
pub(crate) const SERVICE_ACCOUNT: &str = "service_account_id";

const DAY: Duration = Duration::from_secs(86_400);

/// What the configuration says of budgets and limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// A user's budget also counts for keys of teams.
    pub user_on_team_keys: bool,
    /// Requests at a time of a key that says nothing of its own.
    pub parallel_per_key: Option<u64>,
    /// Which tokens the limits of tokens count.
    pub tokens: Unit,
    /// What each request of a key must say.
    pub params_of_all: Vec<String>,
    /// What each request of a service account must say.
    pub params_of_services: Vec<String>,
    /// What a customer may spend who has no budget.
    pub customer: Option<terms::Budget>,
    /// The budget of customers without one, by its id; it goes before the amount.
    pub customer_budget_id: Option<String>,
    /// What may be spent under tags that have no budget in the database.
    pub tags: BTreeMap<String, terms::Budget>,
    /// What somebody is given whom a token names for the first time.
    pub newcomer: Newcomer,
    /// What somebody may spend while signed in.
    pub session: Option<terms::Budget>,
}

impl Policy {
    /// That of a configuration.
    pub fn of(config: &Config) -> Self {
        let (gates, litellm) = (&config.general.gates, &config.litellm);
        let ever = |amount: terms::NanoUsd| terms::Budget::new(amount, Window::Lifetime);
        Self {
            user_on_team_keys: config.general.budget_of_user_on_team_keys,
            parallel_per_key: gates.parallel_per_key,
            tokens: gates.tokens,
            params_of_all: gates.params_of_all.clone(),
            params_of_services: gates.params_of_services.clone(),
            customer: litellm.spending.customer.map(ever),
            customer_budget_id: litellm.spending.customer_budget_id.clone(),
            tags: litellm.spending.tags.clone(),
            newcomer: config.general.sign_in.newcomer.clone(),
            session: litellm.spending.session.map(ever),
        }
    }
}

/// The scopes of a key.
#[derive(Debug, Default)]
pub struct Allowance {
    /// Whose budgets and limits hold.
    pub scopes: Vec<Arc<Scope>>,
    /// Whose spend is counted, and nothing else.
    pub counted: Vec<Arc<Scope>>,
    /// When something of it ends, and it must be looked at again.
    pub until: Option<Time>,
    /// What each of its requests must say, beside what the key says of that.
    pub params: Vec<String>,
}

/// The limits of one object, wherever it has them from.
#[derive(Default)]
struct Own<'a> {
    name: String,
    max_budget: Option<Money>,
    soft_budget: Option<Money>,
    period: Period<'a>,
    several: &'a [BudgetLimit],
    requests: Option<u64>,
    tokens: Option<u64>,
    tokens_of_day: Option<u64>,
    parallel: Option<u64>,
    model_budgets: Option<&'a Json>,
    metadata: Option<&'a Json>,
    /// Limits by model that are columns and not metadata: of requests, of tokens.
    by_model: [Option<&'a Json>; 2],
    row: Option<&'a Budget>,
    /// The models that it is for, where it is of a group of models.
    group: &'a [String],
}

/// An amount that is more for a while.
fn raised(amount: Money, more: Option<Money>, expiry: Option<Time>, until: &mut Option<Time>) -> Money {
    let (Some(more), Some(expiry)) = (more, expiry) else { return amount };
    if expiry <= Time::now() {
        return amount;
    }
    *until = Some(until.map_or(expiry, |until| until.min(expiry)));
    Money(amount.0.plus(more.0))
}

impl Own<'_> {
    /// What holds for every model, and what for one alone.
    fn terms(&self, book: &Book, counted: Unit, until: &mut Option<Time>) -> (Terms, BTreeMap<String, Terms>) {
        let row = self.row;
        let text = |name: &str| self.metadata.and_then(|metadata| metadata.get(name));
        let windows = |period: Period<'_>| period.window(book.calendar()).unwrap_or(Window::Lifetime);
        let window = windows(self.period.or(row.map(Renewed::period)));
        let mut budgets = Vec::new();
        if let Some(most) = self.max_budget.or(row.and_then(|row| row.max_budget)) {
            let (more, expiry) = (text("temp_budget_increase").and_then(money), text("temp_budget_expiry").and_then(time));
            let most = raised(most, more, expiry, until);
            let most = raised(most, row.and_then(|row| row.temp_budget_increase), row.and_then(|row| row.temp_budget_expiry), until);
            budgets.push(terms::Budget::new(most.0, window));
        }
        if let Some(soft) = self.soft_budget.or(row.and_then(|row| row.soft_budget)) {
            budgets.push(terms::Budget::soft(soft.0, window));
        }
        for entry in self.several {
            budgets.extend(entry.max_budget.map(|most| terms::Budget::new(most.0, windows(entry.period()))));
        }
        let of_day = |amount| Limit { unit: counted, amount, within: DAY };
        let limits = [
            self.requests.or(row.and_then(|row| row.rpm_limit)).map(Limit::rpm),
            self.tokens.or(row.and_then(|row| row.tpm_limit)).map(|amount| Limit { unit: counted, ..Limit::tpm(amount) }),
            self.tokens_of_day.or(row.and_then(|row| row.tpd_limit)).map(of_day),
            self.parallel.or(row.and_then(|row| row.max_parallel_requests)).map(Limit::parallel),
        ];
        let limits = limits.into_iter().flatten().collect();
        let terms = Terms { name: self.name.clone(), budgets, limits, parent: None, models: self.group.to_vec() };
        (terms, self.models(counted))
    }

    /// What holds for one model alone.
    fn models(&self, counted: Unit) -> BTreeMap<String, Terms> {
        let mut models: BTreeMap<String, Terms> = BTreeMap::new();
        let mut of = |model: &str, budget: Option<terms::Budget>, limit: Option<Limit>| {
            let terms = models.entry(model.to_owned()).or_insert_with(|| Terms { name: self.name.clone(), ..Terms::default() });
            terms.budgets.extend(budget);
            terms.limits.extend(limit);
        };
        let budgets = self.model_budgets.filter(|map| !map.is_empty()).or(self.row.and_then(|row| row.model_max_budget.as_ref()));
        for (model, said) in budgets.into_iter().flatten() {
            let first = |names: [&str; 2]| names.into_iter().find_map(|name| said.get(name).filter(|value| !value.is_null()));
            let most = first(["budget_limit", "max_budget"]).or(said.as_number().map(|_| said)).and_then(money);
            let window = first(["time_period", "budget_duration"]).and_then(Value::as_str).and_then(Window::parse);
            let budget = most.map(|most| terms::Budget::new(most.0, window.unwrap_or(Window::Lifetime)));
            if budget.is_some() {
                of(model, budget, None);
            }
        }
        let minute = |unit| move |amount| Limit { unit, amount, within: Duration::from_secs(60) };
        let metadata = |name: &str| self.metadata.and_then(|metadata| metadata.get(name)).and_then(Value::as_object);
        let kinds = [
            (self.by_model[0], Unit::Requests),
            (self.by_model[1], counted),
            (metadata("model_rpm_limit"), Unit::Requests),
            (metadata("model_tpm_limit"), counted),
            (metadata("model_itpm_limit"), Unit::InputTokens),
            (metadata("model_otpm_limit"), Unit::OutputTokens),
        ];
        for (limits, unit) in kinds {
            for (model, amount) in limits.into_iter().flatten() {
                if let Some(amount) = amount.as_u64() {
                    of(model, None, Some(minute(unit)(amount)));
                }
            }
        }
        models
    }
}

fn money(value: &Value) -> Option<Money> {
    Money::of(value.as_number()?)
}

fn time(value: &Value) -> Option<Time> {
    Time::parse(value.as_str()?)
}

/// Enters an object's scopes in the book: its own, and one for each model it says something of. A model it no longer speaks of is
/// limited no more, since no principal lists its scope.
fn entered(book: &Book, id: &ScopeId, own: &Own<'_>, counted: Unit, until: &mut Option<Time>) -> Vec<Arc<Scope>> {
    let (terms, models) = own.terms(book, counted, until);
    let mut scopes = vec![book.scope(id.clone(), terms)];
    scopes.extend(models.into_iter().map(|(model, terms)| book.scope(id.clone().of_model(model), terms)));
    scopes
}

/// The scopes of a key and of everything around it.
pub fn of(book: &Book, key: &Key, (around, groups): (&Surroundings, &Groups), policy: &Policy) -> Allowance {
    let of_service = key.metadata.contains_key(SERVICE_ACCOUNT);
    let params = policy.params_of_services.iter().filter(|_| of_service).chain(&policy.params_of_all).cloned().collect();
    let mut found = Allowance { params, ..Allowance::default() };
    let row = |id: &Option<String>| id.as_ref().and_then(|id| around.budgets.iter().find(|budget| budget.budget_id == *id));
    let enter = |found: &mut Allowance, level, id: &str, own: Own<'_>| {
        let scopes = entered(book, &ScopeId::new(level, id), &own, policy.tokens, &mut found.until);
        found.scopes.extend(scopes);
    };
    let several = |list: &'_ Option<Vec<BudgetLimit>>| -> Vec<BudgetLimit> { list.clone().unwrap_or_default() };
    if let Some(one) = &around.organization {
        let name = one.organization_alias.clone().unwrap_or_else(|| one.organization_id.clone());
        let own = Own { name, metadata: Some(&one.metadata), row: row(&one.budget_id), ..Own::default() };
        enter(&mut found, Level::Organization, &one.organization_id, own);
    }
    if let Some(one) = &around.team {
        enter(&mut found, Level::Team, &one.team_id, of_team(one, &several(&one.budget_limits)));
    }
    // A team that is not there has no members.
    if let (Some(team), Some(user)) = (around.team.as_ref().map(|team| &team.team_id), &key.user_id) {
        let row = around.member.as_ref().and_then(|member| row(&member.budget_id));
        enter(&mut found, Level::TeamMember, &TeamMember::id_of(team, user), Own { name: user.clone(), row, ..Own::default() });
    }
    if let Some(one) = &around.project {
        let own = Own {
            name: one.project_alias.clone().unwrap_or_else(|| one.project_id.clone()),
            metadata: one.metadata.as_ref(),
            by_model: [one.model_rpm_limit.as_ref(), one.model_tpm_limit.as_ref()],
            row: row(&one.budget_id),
            ..Own::default()
        };
        enter(&mut found, Level::Project, &one.project_id, own);
    }
    for pool in &around.pools {
        let Some(group) = groups.get(&pool.access_group_name) else { continue };
        let own = Own { name: pool.access_group_name.clone(), row: row(&pool.budget_id), group, ..Own::default() };
        enter(&mut found, Level::AccessGroup, &pool.access_group_name, own);
    }
    user(book, key, around, policy, &mut found);
    for one in [key].into_iter().chain(&around.makers) {
        enter(&mut found, Level::Key, one.account(), of_key(one, &several(&one.budget_limits), row(&one.budget_id), policy));
    }
    // As with budgets, a user's credits are for its own keys.
    let holds = |account: &&CreditAccount| {
        accounts::owner(&account.account_id).level != Level::User || key.team_id.is_none() || policy.user_on_team_keys
    };
    found.scopes.extend(around.credits.iter().filter(holds).map(|account| accounts::scope(book, account)));
    found
}

fn of_key<'a>(key: &'a Key, several: &'a [BudgetLimit], row: Option<&'a Budget>, policy: &Policy) -> Own<'a> {
    Own {
        name: key_name(key),
        max_budget: key.max_budget,
        period: key.period(),
        several,
        requests: key.rpm_limit,
        tokens: key.tpm_limit,
        tokens_of_day: key.tpd_limit,
        parallel: key.max_parallel_requests.or_else(|| row?.max_parallel_requests).or(policy.parallel_per_key),
        model_budgets: Some(&key.model_max_budget),
        metadata: Some(&key.metadata),
        row,
        ..Own::default()
    }
}

fn of_team<'a>(team: &'a Team, several: &'a [BudgetLimit]) -> Own<'a> {
    Own {
        name: team.team_alias.clone().unwrap_or_else(|| team.team_id.clone()),
        max_budget: team.max_budget,
        soft_budget: team.soft_budget,
        period: team.period(),
        several,
        requests: team.rpm_limit,
        tokens: team.tpm_limit,
        tokens_of_day: team.tpd_limit,
        parallel: team.max_parallel_requests,
        model_budgets: team.model_max_budget.as_ref(),
        metadata: team.metadata.as_ref(),
        ..Own::default()
    }
}

/// The key's user: what it spends is counted wherever it spends it, and its budget holds for its own keys.
fn user(book: &Book, key: &Key, around: &Surroundings, policy: &Policy, found: &mut Allowance) {
    let Some(id) = &key.user_id else { return };
    let scope = ScopeId::new(Level::User, id.as_str());
    let several = around.user.as_ref().and_then(|one| one.budget_limits.clone()).unwrap_or_default();
    let own = around.user.as_ref().map_or_else(Own::default, |one| Own {
        name: one.user_alias.clone().or_else(|| one.user_email.clone()).unwrap_or_else(|| one.user_id.clone()),
        max_budget: one.max_budget,
        period: one.period(),
        several: &several,
        requests: one.rpm_limit,
        tokens: one.tpm_limit,
        parallel: one.max_parallel_requests,
        model_budgets: one.model_max_budget.as_ref(),
        metadata: one.metadata.as_ref(),
        ..Own::default()
    });
    let scopes = entered(book, &scope, &own, policy.tokens, &mut found.until);
    if key.team_id.is_none() || policy.user_on_team_keys {
        found.scopes.extend(scopes);
    } else {
        found.counted.extend(scopes);
    }
}

/// What a refusal calls a key.
fn key_name(key: &Key) -> String {
    let short = key.key_name.as_deref().unwrap_or("sk-...");
    format!("{} ({short})", key.key_alias.as_deref().unwrap_or("key"))
}

/// The scopes of a customer, by its own budget or by the one of all who have none.
pub fn of_customer(book: &Book, id: &str, row: Option<&Budget>, policy: &Policy, until: &mut Option<Time>) -> Vec<Arc<Scope>> {
    let most = policy.customer.filter(|_| row.is_none()).map(|budget| Money(budget.limit));
    let own = Own { name: id.to_owned(), max_budget: most, row, ..Own::default() };
    entered(book, &ScopeId::new(Level::Customer, id), &own, policy.tokens, until)
}

/// The scopes of a customer without a budget at a key that names one for such: where they are kept, and what the customer is called.
pub fn of_customer_by_key(
    book: &Book,
    (place, name): (&str, &str),
    row: &Budget,
    policy: &Policy,
    until: &mut Option<Time>,
) -> Vec<Arc<Scope>> {
    let own = Own { name: name.to_owned(), row: Some(row), ..Own::default() };
    entered(book, &ScopeId::new(Level::Customer, place), &own, policy.tokens, until)
}

/// The scopes of a tag, by its own budget or by the configuration's.
pub fn of_tag(book: &Book, name: &str, row: Option<&Budget>, policy: &Policy, until: &mut Option<Time>) -> Vec<Arc<Scope>> {
    let id = ScopeId::new(Level::Tag, name);
    match policy.tags.get(name).filter(|_| row.is_none()) {
        Some(budget) => vec![book.scope(id, Terms { name: name.to_owned(), budgets: vec![*budget], ..Terms::default() })],
        None => entered(book, &id, &Own { name: name.to_owned(), row, ..Own::default() }, policy.tokens, until),
    }
}
