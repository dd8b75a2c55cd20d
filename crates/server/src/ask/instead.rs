//! What is asked instead of a model whose budget is spent (`budget_fallbacks` of a key), or whose limit is reached (its fallbacks).

use std::sync::Arc;

use serde_json::Value;
use switchboard_engine::answer::Answer;
use switchboard_engine::call::Call;
use switchboard_engine::error::Error;
use switchboard_engine::gateway::Untold;
use switchboard_engine::guidance::Fallback;
use switchboard_engine::terms::{Level, Why};
use switchboard_engine::wire::outline::Edits;

use crate::app::Acceptor;

const FALLBACKS: &str = "budget_fallbacks";

/// Whether a call was refused for want of money that another model may not need.
fn is_by_budget(error: &Error) -> bool {
    let budget = |refusal: &&switchboard_engine::terms::Refusal| matches!(refusal.why, Why::Budget { .. });
    error.refusal.as_deref().filter(budget).is_some_and(|refusal| !matches!(refusal.scope.level, Level::Provider | Level::Deployment))
}

/// Whether a call was refused for a limit that holds for its model alone, so that another one may be within it.
fn is_by_models_limit(error: &Error) -> bool {
    let limit = |refusal: &&switchboard_engine::terms::Refusal| matches!(refusal.why, Why::Limit { .. });
    error.refusal.as_deref().filter(limit).is_some_and(|refusal| refusal.scope.model.is_some() && !refusal.is_of_target())
}

/// The answer of the first model that may stand for the one that was asked for: where its budget is spent, one that the key names and
/// that has a budget left; where a limit for it alone is reached, one of its fallbacks. Else the refusal. What was refused is not in the
/// log where another model was asked: to the caller it is one call.
pub(crate) async fn ask(acceptor: &Arc<Acceptor>, call: &Call, mut refused: Untold) -> Result<Answer, Error> {
    let is_same: fn(&Error) -> bool = if is_by_budget(&refused.error) { is_by_budget } else { is_by_models_limit };
    // A call that came to something has its line in the log, and another one has one of its own.
    let mut is_nothing = refused.give_back();
    for Fallback { model, params } in others(acceptor, call, &refused.error) {
        let id = if is_nothing { call.id.clone() } else { crate::id::of_call() };
        let other = Call { id, model, model_in_path: true, ..call.clone() };
        let Ok(other) = other.edited(&Edits { set: params, ..Edits::default() }) else { continue };
        match acceptor.app.gateway.call_untold(&other, &acceptor.worker).await {
            Err(again) if is_same(&again.error) => is_nothing &= again.forgotten(&call.door),
            answered => {
                refused.forgotten(&call.door);
                return answered.map_err(|untold| untold.told(&call.door));
            }
        }
    }
    Err(refused.told(&call.door))
}

fn others(acceptor: &Acceptor, call: &Call, refused: &Error) -> Vec<Fallback> {
    if is_by_models_limit(refused) {
        let plan = acceptor.app.gateway.fleet().plan(call);
        return plan.map_or_else(|_| Vec::new(), |plan| plan.fallbacks.general.iter().take(plan.fallbacks.max).cloned().collect());
    }
    let metadata = call.principal.metadata.as_deref().filter(|text| is_by_budget(refused) && text.contains(FALLBACKS));
    let Some(said) = metadata.and_then(|text| serde_json::from_str::<Value>(text).ok()) else { return Vec::new() };
    let named = said.get(FALLBACKS).and_then(|map| map.get(&call.model));
    let named = crate::access::texts(named).into_iter().filter(|model| call.principal.may_use(model));
    named.map(Fallback::to).collect()
}
