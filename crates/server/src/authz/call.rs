//! What a call of a model must satisfy besides its route.

use switchboard_engine::call::{Call, Content};

use super::model;
use crate::admin::Refused;
use crate::app::App;
use crate::auth::Caller;
use crate::auth::owned::Owned;

/// The call, if its caller may make it; the caller's own name for a model replaced by the model's.
pub fn may(mut call: Call, caller: &Caller, app: &App) -> Result<Call, Refused> {
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
        match (model::check(caller, &names), other) {
            (Err(_), Some(other)) => call.principal = other.principal.clone(),
            (checked, _) => checked?,
        }
    }
    enforced(&call, caller)?;
    Ok(call)
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
