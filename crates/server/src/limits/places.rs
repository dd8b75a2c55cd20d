//! Budgets of providers, and budgets and limits of deployments, as the configuration has them.
//!
//! A deployment's requests and tokens a minute are limits only where the operator wants them kept; else they are hints for routing.
//! Where they are limits, gateways that share a Redis share them as they share those of keys.

use std::collections::HashMap;

use switchboard_engine::book::Book;
use switchboard_engine::terms::{Level, Limit, ScopeId, Terms, Unit};

use switchboard_engine::catalog::Catalog;

use crate::config::Config;
use crate::config::resolved::Deployment;

/// Keeps providers and deployments within what that configuration says, from now on; those of which it says nothing are free.
pub(super) fn follow(book: &Book, config: &Config, catalog: &Catalog) {
    let mut wanted: HashMap<ScopeId, Terms> = HashMap::new();
    for (provider, budget) in &config.router.provider_budgets {
        let terms = Terms { name: provider.clone(), budgets: vec![*budget], ..Terms::default() };
        wanted.insert(ScopeId::new(Level::Provider, catalog.provider_id(provider)), terms);
    }
    for deployment in &config.deployments {
        let id = deployment.model_info.id.as_str();
        let budgets = deployment.limits.budget.into_iter().collect();
        let terms = Terms { name: id.to_owned(), budgets, limits: limits(deployment, config), ..Terms::default() };
        if !terms.are_empty() {
            wanted.insert(ScopeId::new(Level::Deployment, id), terms);
        }
    }
    let of_place = |level: Level| matches!(level, Level::Provider | Level::Deployment);
    for scope in book.all().iter().filter(|scope| of_place(scope.id.level) && !wanted.contains_key(&scope.id)) {
        book.scope(scope.id.clone(), Terms::default());
    }
    for (id, terms) in wanted {
        book.scope(id, terms);
    }
}

/// The limits that a deployment is kept to.
fn limits(deployment: &Deployment, config: &Config) -> Vec<Limit> {
    let said = &deployment.limits;
    let kept = config.router.routing.keeps_rates(&deployment.model_name);
    let of = |unit: Unit| move |amount: u64| Limit { unit, ..Limit::tpm(amount) };
    let apart = [said.itpm.map(of(Unit::InputTokens)), said.otpm.map(of(Unit::OutputTokens))];
    let rates = [said.rpm.map(Limit::rpm), said.tpm.map(Limit::tpm)].into_iter().chain(apart).flatten().filter(|_| kept);
    let places = said.max_parallel_requests.map(|most| Limit::parallel(most.into()));
    rates.chain(places).collect()
}
