//! A call of a model: named as its caller means it, refused where it must be, and asked.

mod instead;
mod manners;
mod presets;
mod served;

use std::sync::Arc;

use http::Response;
use http::header::{HeaderName, HeaderValue};
use switchboard_engine::call::{CALL_ID, Call};
use switchboard_engine::error::Error;
use switchboard_engine::terms::NanoUsd;
use switchboard_engine::wire::Dialect;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::problem::Kind;
use switchboard_engine::{figures, online, release, service, thinking};

use crate::answered::Answered;
use crate::app::{Acceptor, App};
use crate::auth::Caller;
use crate::draft::lacking;
use crate::refusal::{Refusal, refuse, shown};
use crate::refused::Refused;
use crate::{authz, identity, keep, preset};
use served::Served;

/// How long was waited for what did not come.
const WAITED: HeaderName = HeaderName::from_static("x-litellm-timeout");

/// A call of one model, for the caller who makes it.
pub(crate) async fn one(acceptor: &Arc<Acceptor>, caller: &Arc<Caller>, call: Call) -> Result<Answered, Refusal> {
    let id = call.told_id().to_owned();
    let answered = judged(acceptor, caller, call).await;
    Ok(answered.unwrap_or_else(|refusal| refuse_call(&refusal, &id)))
}

/// A refusal that names the call.
pub(crate) fn refuse_call(refusal: &Refusal, id: &str) -> Answered {
    let mut refused = refuse(refusal);
    if let Ok(id) = HeaderValue::try_from(id) {
        refused.headers_mut().insert(CALL_ID, id);
    }
    refused.headers_mut().insert(release::VERSION, HeaderValue::from_static(release::LITELLM));
    refused
}

/// The same, unless something about it refuses it before a model is asked.
async fn judged(acceptor: &Arc<Acceptor>, caller: &Arc<Caller>, call: Call) -> Result<Answered, Refusal> {
    let door = call.door;
    let refused = |refused| shown(refused, &door);
    let call = named(call, caller, &acceptor.app).await.map_err(refused)?;
    if door.dialect == Dialect::OpenAiResponses {
        authz::answer::own(&call, None, caller, &acceptor.app).await.map_err(refused)?;
    }
    if let Some(refusal) = lacking::refusal(&call, &acceptor.app) {
        return Err(refusal);
    }
    let call = engaged(call, caller, &acceptor.app).await.map_err(refused)?;
    let page = keep::page(&acceptor.app, caller, &call);
    let answered = called(acceptor, call).await;
    Ok(match page {
        Some(page) => page.watch(answered),
        None => answered,
    })
}

/// The call as its names mean it: with the settings of its preset, the search and the thoughts it asks for, and a model that its caller
/// may use.
pub(crate) async fn named(call: Call, caller: &Caller, app: &App) -> Result<Call, Refused> {
    let call = match preset::is_named(&call) {
        true => Box::pin(presets::applied(call, caller, app)).await?,
        false => call,
    };
    let call = authz::call::may(call, caller, app)?;
    if !(online::is_wanted(&call) || thinking::is_wanted(&call)) {
        return Ok(call);
    }
    let target = app.gateway.fleet().find(&call.model).and_then(|(_, group)| group.first().cloned());
    let call = thinking::applied(call, target.as_deref()).and_then(|call| online::applied(call, target.as_deref()));
    call.map_err(|problem| Refused::bad(problem.message))
}

/// The call as it goes to a model: without what its caller may not say, held to what holds for whom it is made, and in the operator's
/// manners. What is only explained is held to the same.
pub(crate) async fn engaged(call: Call, caller: &Caller, app: &App) -> Result<Call, Refused> {
    let call = match &caller.filters {
        Some(filters) => filters.applied(call)?,
        None => call,
    };
    let call = identity::engaged(call, app).await?;
    manners::shaped(call, &app.config.load())
}

/// What comes of a call. Whoever is refused is told too what its key has spent.
async fn called(acceptor: &Arc<Acceptor>, call: Call) -> Answered {
    let gateway = &acceptor.app.gateway;
    let (door, principal, id) = (call.door, call.principal.clone(), HeaderValue::try_from(call.told_id()));
    let answered = if service::is_wanted(gateway, &call) {
        Box::pin(service::serve(Arc::new(Served { acceptor: acceptor.clone(), call }))).await
    } else {
        match gateway.call_untold(&call, &acceptor.worker).await {
            Ok(answer) => Ok(answer),
            Err(untold) if untold.error.refusal.is_some() => Box::pin(instead::ask(acceptor, &call, untold)).await,
            Err(untold) => Err(untold.told(&door)),
        }
    };
    match answered {
        Ok(answer) => {
            let config = acceptor.app.config.load();
            if let Some(refused) = manners::too_long(&answer.body, &config.general.manners) {
                return refuse(&shown(refused, &door));
            }
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            response
        }
        Err(error) => {
            let error = as_configured(error, door.flavor, &acceptor.app);
            // In seconds, as LiteLLM writes them.
            let waited = error.waited.and_then(|waited| HeaderValue::try_from(format!("{:?}", waited.as_secs_f64())).ok());
            let mut refused = refuse(&Refusal { error, dialect: door.dialect, flavor: door.flavor });
            refused.headers_mut().extend(figures::key(&principal, NanoUsd::ZERO));
            if let Ok(id) = id {
                refused.headers_mut().insert(CALL_ID, id);
            }
            refused.headers_mut().insert(release::VERSION, HeaderValue::from_static(release::LITELLM));
            if let Some(value) = waited {
                refused.headers_mut().insert(WAITED, value);
            }
            let names_call = acceptor.app.config.load().general.manners.call_id_in_errors;
            if names_call { manners::naming_call(refused) } else { refused }
        }
    }
}

/// The refusal for a spent budget with the status that the configuration gives it (`budget_exceeded_status_code`).
pub(crate) fn as_configured(mut error: Error, flavor: Flavor, app: &App) -> Error {
    let spent = error.problem.kind == Kind::BudgetSpent && error.problem.status.is_none();
    if spent && flavor != Flavor::OpenRouter {
        let status = app.config.load().litellm.spending.refused;
        error.problem.status = Some(status).filter(|status| *status != Kind::BudgetSpent.status());
    }
    error
}
