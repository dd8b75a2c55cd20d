//! Limits of a model that hold for each key which has none of its own (`default_api_key_rpm_limit`, `default_api_key_tpm_limit`).

use std::collections::BTreeMap;
use std::sync::Arc;

use switchboard_engine::book::{Book, Scope};
use switchboard_engine::call::Call;
use switchboard_engine::gateway::Gateway;
use switchboard_engine::pattern::matches;
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Level, Limit, ScopeId, Terms, Unit};

use crate::config::Config;

/// What each key may ask of a model, where it says nothing of its own.
#[derive(Debug, Default)]
pub(crate) struct OfKeys {
    /// By the model's name, or the pattern it is below.
    models: BTreeMap<String, Vec<Limit>>,
}

impl OfKeys {
    /// Those of that configuration. Where deployments of one model differ, the least holds: any of them may be asked.
    pub(super) fn of(config: &Config) -> Self {
        let mut models: BTreeMap<String, Vec<Limit>> = BTreeMap::new();
        for deployment in &config.deployments {
            let said = &deployment.limits;
            let tokens = config.general.gates.tokens;
            let requests = said.rpm_of_key.map(Limit::rpm);
            let tokens = said.tpm_of_key.map(|amount| Limit { unit: tokens, ..Limit::tpm(amount) });
            for limit in [requests, tokens].into_iter().flatten() {
                let limits = models.entry(deployment.model_name.clone()).or_default();
                match limits.iter_mut().find(|known| known.unit == limit.unit) {
                    Some(known) => known.amount = known.amount.min(limit.amount),
                    None => limits.push(limit),
                }
            }
        }
        Self { models }
    }

    /// The scope of a call, where its key has one.
    pub(crate) fn scopes(&self, book: &Book, call: &Call, gateway: &Gateway) -> Vec<Arc<Scope>> {
        let Some(key) = call.principal.key_hash.as_deref().filter(|_| !self.models.is_empty()) else { return Vec::new() };
        let group = gateway.fleet().find(&call.model).map(|(group, _)| group);
        let model = group.as_deref().unwrap_or(&call.model);
        let Some(limits) = self.limits(model) else { return Vec::new() };
        let left: Vec<Limit> = limits.iter().filter(|limit| !says(&call.principal, limit.unit)).copied().collect();
        if left.is_empty() {
            return Vec::new();
        }
        // The key may have terms of its own for that model, a budget for one, which these do not replace.
        let id = format!("{key}:default");
        let terms = Terms { name: call.principal.key.clone(), limits: left, ..Terms::default() };
        vec![book.scope(ScopeId::new(Level::Key, id).of_model(model), terms)]
    }

    fn limits(&self, model: &str) -> Option<&Vec<Limit>> {
        let pattern =
            || self.models.iter().filter(|(name, _)| name.contains('*') && matches(name, model)).max_by_key(|(name, _)| name.len());
        self.models.get(model).or_else(|| pattern().map(|(_, limits)| limits))
    }
}

/// Whether a key, or its team, has limits of that kind for single models.
fn says(principal: &Principal, unit: Unit) -> bool {
    principal.scopes.iter().any(|scope| {
        let of_model = matches!(scope.id.level, Level::Key | Level::Team) && scope.id.model.is_some();
        of_model && scope.terms().limits.iter().any(|limit| limit.unit == unit)
    })
}
