//! What a call of a model must satisfy besides its route.

use switchboard_engine::call::{Call, Content};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::route::overrides::named_fallbacks;

use super::{brought, model, stand_in, store};
use crate::app::App;
use crate::auth::Caller;
use crate::auth::owned::Owned;
use crate::refused::Refused;

/// The call, if its caller may make it; the caller's own name for a model replaced by the model's.
pub fn may(mut call: Call, caller: &Caller, app: &App) -> Result<Call, Refused> {
    let (asked, mut payer) = (call.model.clone(), caller);
    let meant = caller.meant_whole(&call.model, |name| app.gateway.fleet().whole_name(name));
    if meant != call.model {
        call.model = meant.into_owned();
    }
    if !caller.layers.is_empty() || *caller.owned != Owned::default() {
        let found = app.gateway.fleet().find(&call.model);
        let group = found.as_ref().map_or(call.model.as_str(), |(group, _)| group);
        let names = [call.model.as_str(), group];
        // A token that names several teams is used as the first that has the model.
        let other = caller.others.iter().find(|other| other.barred.is_none() && other.may_use(&names));
        let caller = match (model::check(caller, &names), other) {
            (Err(_), Some(other)) => {
                call.principal = other.principal.clone();
                other
            }
            (checked, _) => checked.map(|()| caller)?,
        };
        payer = caller;
        for name in named_fallbacks(&call) {
            let meant = caller.meant(&name);
            let found = app.gateway.fleet().find(&meant);
            let group = found.as_ref().map_or(&*meant, |(group, _)| group);
            model::check(caller, &[&meant, group])?;
        }
    }
    enforced(&call, caller)?;
    store::allowed(&call, None, caller)?;
    if app.config.load().litellm.spending.blocks_unpriced {
        priced(&call.model, app)?;
    }
    stand_in::directed(brought::directed(call, app)?, payer, &asked, app)
}

/// Refuses a model of which no deployment has a price, not even that of nothing.
fn priced(model: &str, app: &App) -> Result<(), Refused> {
    let Some((_, group)) = app.gateway.fleet().find(model) else { return Ok(()) };
    let is_priced = |deployment: &Deployment| deployment.card.as_ref().is_some_and(|card| card.prices.iter().next().is_some());
    if group.is_empty() || group.iter().any(|deployment| is_priced(deployment)) {
        return Ok(());
    }
    let message = format!(
        "Model '{model}' has no pricing in the cost map, so litellm cannot price the request. Requests for unpriced models are blocked \
         because 'block_requests_for_models_without_pricing' is enabled. Add pricing (input_cost_per_token/output_cost_per_token) to allow \
         the request."
    );
    Err(Refused::new(403, "model_cost_map_missing", "model".into(), message))
}

/// Refuses a call without the parameters that the key says every call must have: `user`, or `metadata.something`.
pub(crate) fn enforced(call: &Call, caller: &Caller) -> Result<(), Refused> {
    let Content::Json(outline) = &call.content else { return Ok(()) };
    for name in &caller.enforced_params {
        let (top, inner) = name.split_once('.').map_or((name.as_str(), None), |(top, inner)| (top, Some(inner)));
        let value: Option<serde_json::Value> = outline.read(&call.body, top).ok().flatten();
        let present = match (&value, inner) {
            (Some(value), Some(inner)) => value.get(inner).is_some(),
            (value, None) => value.is_some(),
            (None, Some(_)) => false,
        };
        if !present {
            return Err(Refused::said(400, &format!("BadRequest please pass param={name} in request body. This is a required param")));
        }
    }
    Ok(())
}
