//! What is looked up when somebody asks: budgets and limits of those who called, and the state of deployments.

use std::collections::BTreeSet;
use std::time::Instant;

use switchboard_engine::book::Scope;
use switchboard_engine::clock::Micros;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::health::View;
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Level, Mode, Unit};

use crate::app::App;
use crate::metrics::label::{Label, Shown, of_deployment};
use crate::metrics::row::CallRow;
use crate::metrics::text::{Kind, Metric, Page, Value, dollars, number};

const HOUR: Micros = 3_600_000_000;

/// Writes all of them.
pub(super) fn write(page: &mut Page, shown: &Shown, app: &App, calls: &[CallRow]) {
    page.one("litellm_in_flight_requests", "Requests being served", Kind::Gauge, number(app.gateway.in_flight() as u64));
    let now = app.book.now();
    let holders = holders(calls);
    budgets(page, shown, &holders, now);
    limits(page, shown, &holders, now);
    providers(page, app, now);
    deployments(page, app);
}

/// Who has called, once each, as last seen.
fn holders(calls: &[CallRow]) -> Vec<&Principal> {
    let mut seen = BTreeSet::new();
    calls.iter().map(|row| &*row.principal).filter(|who| seen.insert((&who.key_hash, &who.team, &who.user, &who.customer))).collect()
}

/// The levels whose budgets are told: LiteLLM's name for each, and what help calls it.
const TOLD: [(Level, &str); 5] =
    [(Level::Team, "team"), (Level::Organization, "org"), (Level::Key, "api_key"), (Level::User, "user"), (Level::Customer, "customer")];

fn budgets(page: &mut Page, shown: &Shown, holders: &[&Principal], now: Micros) {
    for (level, name) in TOLD {
        if level == Level::Customer && !shown.customers {
            continue;
        }
        let gauge = |name: String, help| page.metric(name, help, Kind::Gauge);
        let (left, most, hours) = (
            gauge(format!("litellm_remaining_{name}_budget_metric"), "US dollars that are left of a budget"),
            gauge(format!("litellm_{name}_max_budget_metric"), "US dollars of a budget"),
            gauge(format!("litellm_{name}_budget_remaining_hours_metric"), "Hours until a budget begins anew"),
        );
        let (mut left, mut most, mut hours) = (left, most, hours);
        for (principal, scope) in scopes(holders, level) {
            let terms = scope.terms();
            let Some(budget) = terms.budgets.iter().find(|budget| budget.mode == Mode::Enforce) else { continue };
            let labels = labels(level, principal, &scope.id.id);
            let labels: Vec<(&str, &str)> = labels.iter().map(|(name, said)| (*name, said.as_str())).collect();
            let spent = scope.spent_in(budget.window, now).unwrap_or_default();
            let put = |metric: &mut Option<Metric>, value| {
                if let Some(metric) = metric {
                    metric.put(&labels, Value::Number(value));
                }
            };
            put(&mut left, dollars(budget.limit.0.saturating_sub(spent.0)));
            put(&mut most, dollars(budget.limit.0));
            if let Some(end) = budget.window.end(budget.window.start(now)) {
                put(&mut hours, number(u64::try_from(end - now).unwrap_or(0)) / number(HOUR.unsigned_abs()));
            }
        }
        [left, most, hours].iter().flatten().for_each(|metric| page.add(metric));
    }
}

/// The scopes of that level, once each, with somebody who is in it.
fn scopes<'a>(holders: &[&'a Principal], level: Level) -> Vec<(&'a Principal, &'a Scope)> {
    let mut seen = BTreeSet::new();
    let all = holders.iter().flat_map(|who| who.scopes.iter().chain(&who.counted).map(|scope| (*who, &**scope)));
    all.filter(|(_, scope)| scope.id.level == level && scope.id.model.is_none() && seen.insert(scope.id.id.clone())).collect()
}

fn labels(level: Level, principal: &Principal, id: &str) -> Vec<(&'static str, String)> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "None".to_owned());
    match level {
        Level::Key => vec![
            ("api_key_alias", or_none(&principal.key_alias)),
            ("hashed_api_key", principal.key_hash.clone().unwrap_or_else(|| id.to_owned())),
        ],
        Level::Team => vec![("team", id.to_owned()), ("team_alias", or_none(&principal.team_alias))],
        Level::Organization => vec![("org_alias", "None".to_owned()), ("org_id", id.to_owned())],
        Level::Customer => vec![("end_user", id.to_owned())],
        _ => vec![("user", id.to_owned())],
    }
}

fn limits(page: &mut Page, shown: &Shown, holders: &[&Principal], now: Micros) {
    for (level, name) in [(Level::Key, "api_key"), (Level::Team, "team")] {
        let allowed = page.metric(format!("litellm_{name}_rate_limit_allowed_metric"), "What a limit allows", Kind::Gauge);
        let used = page.metric(format!("litellm_{name}_rate_limit_used_metric"), "What of a limit is used", Kind::Gauge);
        let (Some(mut allowed), Some(mut used)) = (allowed, used) else { continue };
        for (principal, scope) in scopes(holders, level) {
            for standing in scope.standings(now) {
                let mut labels = labels(level, principal, &scope.id.id);
                labels.push(("rate_limit_type", standing.unit.as_str().to_owned()));
                labels.sort_unstable();
                let labels: Vec<(&str, &str)> = labels.iter().map(|(name, said)| (*name, said.as_str())).collect();
                allowed.put(&labels, Value::Number(number(standing.limit)));
                used.put(&labels, Value::Number(number(standing.limit - standing.remaining.min(standing.limit))));
            }
        }
        page.add(&allowed);
        page.add(&used);
    }
    models(page, shown, holders, now);
}

/// What keys with limits for one model may still do there.
fn models(page: &mut Page, shown: &Shown, holders: &[&Principal], now: Micros) {
    let requests =
        page.metric("litellm_remaining_api_key_requests_for_model", "Requests that a key may still make of a model", Kind::Gauge);
    let tokens = page.metric("litellm_remaining_api_key_tokens_for_model", "Tokens that a key may still take of a model", Kind::Gauge);
    let (Some(mut requests), Some(mut tokens)) = (requests, tokens) else { return };
    let master = shown.master.as_deref().unwrap_or("None");
    for principal in holders {
        // Its own come before those of the keys it was made with.
        let mut seen = BTreeSet::new();
        for scope in principal.scopes.iter().filter(|scope| scope.id.level == Level::Key) {
            let Some(model) = scope.id.model.as_ref().filter(|model| seen.insert((*model).clone())) else { continue };
            let hash = principal.key_hash.as_deref().unwrap_or(master);
            let alias = principal.key_alias.as_deref().unwrap_or("None");
            let labels = [("api_key_alias", alias), ("hashed_api_key", hash), ("model", model), ("model_id", "None")];
            for standing in scope.standings(now) {
                let metric = match standing.unit {
                    Unit::Requests => &mut requests,
                    Unit::Tokens => &mut tokens,
                    Unit::InputTokens | Unit::OutputTokens | Unit::Parallel => continue,
                };
                metric.put(&labels, Value::Number(number(standing.remaining)));
            }
        }
    }
    page.add(&requests);
    page.add(&tokens);
}

/// What providers with a budget may still be paid.
fn providers(page: &mut Page, app: &App, now: Micros) {
    let Some(mut left) =
        page.metric("litellm_provider_remaining_budget_metric", "US dollars that a provider may still be paid", Kind::Gauge)
    else {
        return;
    };
    for scope in app.book.all().iter().filter(|scope| scope.id.level == Level::Provider) {
        let terms = scope.terms();
        let Some(budget) = terms.budgets.first() else { continue };
        let spent = scope.spent_in(budget.window, now).unwrap_or_default();
        left.put(&[("api_provider", &scope.id.id)], Value::Number(dollars(budget.limit.0.saturating_sub(spent.0))));
    }
    page.add(&left);
}

/// The labels of deployments.
const PLACE: [Label; 4] = [Label::ApiBase, Label::ApiProvider, Label::LitellmModelName, Label::ModelId];

fn deployments(page: &mut Page, app: &App) {
    let gauge = |name: &'static str, help| page.metric(name, help, Kind::Gauge);
    let mut state = gauge("litellm_deployment_state", "How a deployment is doing: 0 well, 1 failing in part, 2 not asked at all");
    let mut tpm = gauge("litellm_deployment_tpm_limit", "Tokens a minute, as configured");
    let mut rpm = gauge("litellm_deployment_rpm_limit", "Requests a minute, as configured");
    let mut requests = gauge("litellm_remaining_requests_metric", "Requests that a deployment may still get this minute");
    let mut tokens = gauge("litellm_remaining_tokens_metric", "Tokens that a deployment may still take this minute");
    let now = Instant::now();
    for deployment in app.gateway.fleet().deployments() {
        let view = deployment.health.view(now);
        let traits = &deployment.spec.traits;
        let put = |metric: &mut Option<Metric>, more: &[(&'static str, &str)], value: Option<f64>| {
            if let (Some(metric), Some(value)) = (metric, value) {
                of(deployment, more, |labels| metric.put(labels, Value::Number(value)));
            }
        };
        let group = ("model_group", deployment.spec.group.as_str());
        let whose = [("api_key_alias", "None"), ("hashed_api_key", "None"), group];
        put(&mut state, &[], Some(number(doing(&view))));
        put(&mut tpm, &[group], traits.tpm.map(number));
        put(&mut rpm, &[group], traits.rpm.map(number));
        put(&mut requests, &whose, traits.rpm.map(|rpm| number(rpm.saturating_sub(view.requests_this_minute.into()))));
        put(&mut tokens, &whose, traits.tpm.map(|tpm| number(tpm.saturating_sub(view.tokens_this_minute))));
    }
    [state, tpm, rpm, requests, tokens].iter().flatten().for_each(|metric| page.add(metric));
}

/// LiteLLM's number for how a deployment is doing.
fn doing(view: &View) -> u64 {
    match (view.refusal, view.recent_failures) {
        (Some(_), _) => 2,
        (None, failures) => u64::from(failures > 0),
    }
}

fn of(deployment: &Deployment, more: &[(&'static str, &str)], put: impl FnOnce(&[(&str, &str)])) {
    let said = PLACE.map(|label| (label.name(), of_deployment(deployment, label)));
    let mut labels: Vec<(&str, &str)> = said.iter().map(|(name, said)| (*name, said.as_deref().unwrap_or("None"))).collect();
    labels.extend(more);
    labels.sort_unstable();
    put(&labels);
}
