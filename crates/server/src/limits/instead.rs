//! What a key wants asked instead of a model whose budget is spent (`budget_fallbacks`).

use std::sync::Arc;

use serde_json::Value;
use switchboard_engine::admit::{Level, Why};
use switchboard_engine::answer::Answer;
use switchboard_engine::call::Call;
use switchboard_engine::error::Error;

use crate::app::Acceptor;

const FALLBACKS: &str = "budget_fallbacks";

/// Whether a call was refused for want of money that another model may not need.
fn is_by_budget(error: &Error) -> bool {
    let budget = |refusal: &&switchboard_engine::admit::Refusal| matches!(refusal.why, Why::Budget { .. });
    error.refusal.as_deref().filter(budget).is_some_and(|refusal| !matches!(refusal.scope.level, Level::Provider | Level::Deployment))
}

/// The answer of the first model that the key names for the one that was asked for and has a budget left; else the refusal.
pub(crate) async fn ask(acceptor: &Arc<Acceptor>, call: &Call, refused: Error) -> Result<Answer, Error> {
    let metadata = call.principal.metadata.as_deref().filter(|text| is_by_budget(&refused) && text.contains(FALLBACKS));
    let Some(said) = metadata.and_then(|text| serde_json::from_str::<Value>(text).ok()) else { return Err(refused) };
    let named = said.get(FALLBACKS).and_then(|map| map.get(&call.model));
    for model in crate::auth::resolve::texts(named).into_iter().filter(|model| call.principal.may_use(model)) {
        // A call of its own in the log, beside the one that was refused.
        let cheaper = Call { id: crate::id::of_call(), model, model_in_path: true, ..call.clone() };
        match acceptor.app.gateway.call(&cheaper, &acceptor.worker).await {
            Err(error) if is_by_budget(&error) => {}
            answered => return answered,
        }
    }
    Err(refused)
}
