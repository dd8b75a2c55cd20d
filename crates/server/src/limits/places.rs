//! Budgets of providers and of deployments, as the configuration has them.

use std::collections::HashMap;

use switchboard_engine::admit::{Book, Budget, Level, ScopeId, Terms};

use crate::config::Config;

/// Keeps providers and deployments within what that configuration says, from now on; those of which it says nothing are free.
pub(super) fn follow(book: &Book, config: &Config) {
    let mut wanted: HashMap<ScopeId, Terms> = HashMap::new();
    for (provider, budget) in &config.router.provider_budgets {
        let terms = Terms { name: provider.clone(), budgets: vec![*budget], ..Terms::default() };
        wanted.insert(ScopeId::new(Level::Provider, provider.as_str()), terms);
    }
    for deployment in &config.deployments {
        let Some(budget) = deployment.limits.budget else { continue };
        let id = deployment.model_info.id.as_str();
        let terms = Terms { name: id.to_owned(), budgets: vec![budget], ..Terms::default() };
        wanted.insert(ScopeId::new(Level::Deployment, id), terms);
    }
    let of_place = |level: Level| matches!(level, Level::Provider | Level::Deployment);
    for scope in book.all().iter().filter(|scope| of_place(scope.id.level) && !wanted.contains_key(&scope.id)) {
        book.scope(scope.id.clone(), Terms::default());
    }
    for (id, terms) in wanted {
        book.scope(id, terms);
    }
}

/// A budget as the configuration writes one.
pub(crate) fn budget(limit: Option<&str>, window: Option<&str>) -> Option<Budget> {
    use switchboard_engine::admit::{NanoUsd, Window};
    let limit = limit.and_then(NanoUsd::parse)?;
    Some(Budget::new(limit, window.and_then(Window::parse).unwrap_or(Window::Lifetime)))
}
