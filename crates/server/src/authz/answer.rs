//! Answers that providers keep (`previous_response_id`, `/v1/responses/{id}`) are for whom they were given, and for administrators.
//!
//! The provider's account is everybody's, and it knows no keys of ours; but the log of requests knows who asked. Of an answer that is
//! not in it, nothing is known, and it is for the provider to say whether there is such a one.

use http::Method;
use serde_json::Value;
use switchboard_engine::call::{Call, Content};
use switchboard_store::ledger::report;

use super::model;
use crate::app::App;
use crate::auth::Caller;
use crate::refused::Refused;

/// Refuses a call that goes on from an answer of somebody else's, or concerns one by its path.
pub async fn own(call: &Call, in_path: Option<String>, caller: &Caller, app: &App) -> Result<(), Refused> {
    let Some(store) = app.store.as_ref().filter(|_| !caller.is_admin() && !app.config.load().general.gates.shares_answers) else {
        return Ok(());
    };
    let former = match &call.content {
        Content::Json(outline) => outline.read::<Value>(&call.body, "previous_response_id").ok().flatten(),
        Content::Form(_) => None,
    };
    let former = former.as_ref().and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
    for id in in_path.into_iter().chain(former) {
        let Some(given) = report::given(store, &id).await? else { continue };
        let foreign = |owner: &Option<String>, own: &Option<String>| owner.is_some() && owner != own;
        let whose = match () {
            () if foreign(&given.user, &caller.user) => "user",
            () if foreign(&given.team, &call.principal.team) => "team",
            () => continue,
        };
        let message = format!(
            "Forbidden. The response id is not associated with the {whose}, who this key belongs to. To disable this security feature, set \
             general_settings::disable_responses_id_security to True in the config.yaml file."
        );
        return Err(Refused::new(403, "permission_error", Value::Null, message));
    }
    Ok(())
}

/// The answer that a request concerns and nothing else: it is read, deleted or stopped, and no model is asked for more.
pub fn alone(method: &Method, path: &str) -> Option<String> {
    let (id, rest) = path.rsplit_once('/').filter(|(_, last)| ["input_items", "cancel"].contains(last)).unwrap_or((path, ""));
    let is_alone = match *method {
        Method::GET => rest != "cancel",
        Method::DELETE => rest.is_empty(),
        _ => *method == Method::POST && rest == "cancel",
    };
    let (before, _) = id.rsplit_once('/')?;
    in_path(path, "responses").filter(|_| is_alone && (before == "responses" || before.ends_with("/responses")))
}

/// Refuses an answer of a model that its caller may not use. Of one that is not in the log, or not yet, nothing is known.
pub async fn listed(id: &str, caller: &Caller, app: &App) -> Result<(), Refused> {
    let Some(store) = &app.store else { return Ok(()) };
    match report::given(store, id).await? {
        Some(given) => model::check(caller, &[&given.asked, &given.model]),
        None => Ok(()),
    }
}

/// The object of that kind that a path concerns: what follows `responses`, or `vector_stores`, in it.
pub fn in_path(path: &str, kind: &str) -> Option<String> {
    let (_, id) = path.split('/').zip(path.split('/').skip(1)).find(|(part, _)| *part == kind)?;
    Some(crate::query::decode(id)).filter(|id| !id.is_empty())
}
