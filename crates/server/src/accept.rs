//! From an HTTP request to a call, and from its answer to an HTTP response.

mod draft;
pub(crate) mod either;
mod lacking;
mod manners;
mod pages;

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use switchboard_engine::admit::NanoUsd;
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::call::{CALL_ID, Call, Door, named_id};
use switchboard_engine::error::Error;
use switchboard_engine::online;
use switchboard_engine::service;
use switchboard_engine::thinking;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_engine::wire::{Dialect, Operation};
use switchboard_engine::{failpoint, figures, release};

use crate::admin::{self, Action, Arrived};
use crate::answered::Answered;
use crate::app::{Acceptor, App};
use crate::auth::{self, Caller, Credential, session};
use crate::authz::{self, Policy, gate};
use crate::edge::{Peer, RequestBody};
use crate::limits::instead;
use crate::refused::Refused;
use crate::router::{Match, Page, Route, Row};
use crate::served::Served;
use crate::trust::Denial;
use crate::{consent, explain, health, identity, keep, market, metrics, models, page, passing, path, preset, several, sso};

/// How long was waited for what did not come.
const WAITED: HeaderName = HeaderName::from_static("x-litellm-timeout");

pub(crate) use draft::Draft;

/// A request that cannot be answered, and how its client wants to be told.
pub struct Refusal {
    pub(crate) error: Error,
    pub(crate) dialect: Dialect,
    pub(crate) flavor: Flavor,
}

/// Serves one request.
pub async fn serve(acceptor: Arc<Acceptor>, request: Request<RequestBody>) -> Answered {
    let received = Instant::now();
    failpoint::hit("arriving");
    let allowed = pages::allowed(&acceptor, &request);
    let mut answered = match answer(&acceptor, request, received).await {
        Ok(answered) => answered,
        Err(refusal) => refuse(&refusal),
    };
    pages::tell(answered.headers_mut(), allowed);
    answered
}

async fn answer(acceptor: &Arc<Acceptor>, request: Request<RequestBody>, received: Instant) -> Result<Answered, Refusal> {
    let (mut parts, body) = request.into_parts();
    let (row, path_model) = match path::found(&acceptor.router, &mut parts) {
        Match::Found(row, model) => (row, model),
        Match::OtherMethod(_) if parts.method == Method::OPTIONS => return Ok(pages::preflight(&parts.headers)),
        Match::OtherMethod(allowed) => return Box::pin(elsewhere(acceptor, (parts, body), Some(&allowed), received)).await,
        Match::Nothing => return Box::pin(elsewhere(acceptor, (parts, body), None, received)).await,
    };
    let route = meant(row.route, &parts.headers);
    let is_open = row.policy == Policy::Public;
    match route {
        Route::Page(Page::Metrics) if !acceptor.app.config.load().litellm.metrics.require_auth => {
            return Ok(Box::pin(metrics::page(&acceptor.app)).await);
        }
        Route::Page(page) if is_open => return Ok(page::open(page, &acceptor.app, &parts)),
        Route::SignIn(step) if is_open => return Box::pin(entered(acceptor, step, parts, body)).await,
        _ => {}
    }
    let (door, path_model, path_stream) = doors(route, path_model, &parts)?;
    let told = |problem: Problem| Refusal { error: problem.into(), dialect: door.dialect, flavor: door.flavor };
    let from = asker(acceptor, &parts.headers, body.peer());
    if route == Route::Consent {
        let frames = body.collect().await.map_err(|error| body_refusal(&error, &door))?;
        return Ok(Box::pin(consent::answer(&acceptor.app, &parts, &frames.into_bytes(), from)).await);
    }
    let caller = identified(acceptor, &row, &parts, from).await.map_err(|refused| shown(refused, &door))?;
    match route {
        Route::Models => {
            let customer = identity::customer_list(&parts.headers, &acceptor.app).await.map_err(|refused| shown(refused, &door))?;
            models::list(&acceptor.app, &caller, &parts, customer.as_ref()).map_err(told)
        }
        Route::Market(listing) => {
            let ask = market::Ask { caller: &caller, parts: &parts, model: path_model.as_deref() };
            market::answer(&acceptor.app, listing, &ask).map_err(told)
        }
        Route::Model => models::one(&acceptor.app, &caller, &parts, &path_model.unwrap_or_default()).map_err(told),
        Route::GeminiModels => models::gemini(&acceptor.app, &caller, path_model.as_deref(), parts.uri.query()).map_err(told),
        Route::Info(document) => {
            let ask = models::info::Ask { caller: &caller, parts: &parts };
            models::info::answer(&acceptor.app, document, &ask).map_err(told)
        }
        Route::Page(page) => {
            let ask = health::Ask { caller: &caller, parts: &parts };
            Box::pin(page::closed(page, acceptor, &ask)).await.map_err(told)
        }
        Route::SignIn(_) => Ok(sso::told(&caller, &parts)),
        Route::Explain(_) => Box::pin(explain::answer(&acceptor.app, parts, body, (door, caller, received))).await,
        Route::Admin(action) => {
            let frames = body.collect().await.map_err(|error| body_refusal(&error, &door))?;
            let arrived = Arrived { parts, body: frames.into_bytes(), from };
            Ok(Box::pin(admin::serve(acceptor, caller, action, row.path, arrived)).await)
        }
        // It has been answered above, without a key.
        Route::Consent => Err(told(Problem::new(Kind::NotFound, "there is nothing here"))),
        Route::Call(_) | Route::Gemini => {
            let beside = passing::outlet::beside(acceptor, &parts);
            let draft = Draft { door, principal: caller.principal.clone(), headers: parts.headers, path_model, path_stream, received };
            // The connection moves what it is given, more than once: the longest journey goes where it stays.
            Pin::from(Box::write(Box::new_uninit(), asked(acceptor, &caller, (draft, beside), body))).await
        }
    }
}

/// What Google's clients send and nobody else; their key others may show.
const GOOGLES: &str = "x-goog-api-client";

/// The route a client means: Anthropic's say who they are, on OpenRouter's path too, and Google's, whose lists have the same path.
fn meant(route: Route, headers: &HeaderMap) -> Route {
    match route {
        Route::Models | Route::Model if headers.contains_key(GOOGLES) => Route::GeminiModels,
        Route::Market(market::Listing::Models) if headers.contains_key("anthropic-version") => Route::Models,
        route => route,
    }
}

/// What no route leads to, or none of that method: what an operator lets be passed on, a provider's own path, or nothing.
async fn elsewhere(
    acceptor: &Arc<Acceptor>,
    (mut parts, body): (http::request::Parts, RequestBody),
    allowed: Option<&str>,
    received: Instant,
) -> Result<Answered, Refusal> {
    let from = asker(acceptor, &parts.headers, body.peer());
    let passage = |parts: &http::request::Parts| {
        passing::find(&acceptor.app, &parts.method, acceptor.router.below(parts.uri.path())).filter(|_| allowed.is_none())
    };
    let mut passed = passage(&parts);
    if let Some(uri) = path::plainly(&parts.uri).filter(|_| passed.is_none()) {
        parts.uri = uri;
        passed = passage(&parts);
    }
    if let Some(passage) = passed {
        return passing::serve(acceptor, passage, (parts, body), (from, received)).await;
    }
    let path = acceptor.router.below(parts.uri.path());
    if let Some(way) = passing::outlet::find(&acceptor.app, &parts, path) {
        return passing::outlet::serve(acceptor, way, (parts, body), (from, received)).await;
    }
    if let Some(allowed) = allowed {
        return Ok(other_method(&parts, allowed));
    }
    let message = format!("there is nothing at `{}`; see /docs", parts.uri.path());
    Err(refusal(parts.uri.path(), Problem::new(Kind::NotFound, message)))
}

/// A call of a model; one that has no answer when the gateway's time is up is told so.
async fn asked(
    acceptor: &Arc<Acceptor>,
    caller: &Arc<Caller>,
    drafted: (Draft, Option<passing::outlet::Beside>),
    body: RequestBody,
) -> Result<Answered, Refusal> {
    failpoint::hit("identified");
    let (Door { dialect, flavor, .. }, last_call) = (drafted.0.door, body.last_call());
    let stopping = || Err(Refusal { error: Error::stopping(), dialect, flavor });
    last_call.before(pin!(drawn(acceptor, caller, drafted, body))).await.unwrap_or_else(stopping)
}

/// The same, once its body is there.
async fn drawn(
    acceptor: &Arc<Acceptor>,
    caller: &Arc<Caller>,
    (draft, beside): (Draft, Option<passing::outlet::Beside>),
    body: RequestBody,
) -> Result<Answered, Refusal> {
    let door = draft.door;
    let frames = body.collect().await.map_err(|error| body_refusal(&error, &door))?;
    failpoint::hit("body_read");
    let (frames, _drawn) = frames.into_parts();
    let named = named_id(&draft.headers).map(str::to_owned);
    let call = match draft.call(frames.into(), &acceptor.app) {
        Ok(call) => call,
        Err(problem) => {
            let refusal = Refusal { error: problem.into(), dialect: door.dialect, flavor: door.flavor };
            return Ok(refuse_call(&refusal, &named.unwrap_or_else(crate::id::of_call)));
        }
    };
    if let Some(beside) = beside.filter(|beside| beside.takes(&call, &acceptor.app)) {
        return Box::pin(beside.pass(acceptor, caller, call)).await;
    }
    match several::named(&call, &acceptor.app) {
        Some(models) => Box::pin(several::ask(acceptor, caller, call, models)).await,
        None => one(acceptor, caller, call).await,
    }
}

/// A call of one model, for the caller who makes it.
pub(crate) async fn one(acceptor: &Arc<Acceptor>, caller: &Arc<Caller>, call: Call) -> Result<Answered, Refusal> {
    let id = call.told_id().to_owned();
    let answered = judged(acceptor, caller, call).await;
    Ok(answered.unwrap_or_else(|refusal| refuse_call(&refusal, &id)))
}

/// A refusal that names the call.
fn refuse_call(refusal: &Refusal, id: &str) -> Answered {
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
    let call = match &caller.filters {
        Some(filters) => filters.applied(call).map_err(refused)?,
        None => call,
    };
    let call = identity::engaged(call, &acceptor.app).await.map_err(refused)?;
    let call = manners::shaped(call, &acceptor.app.config.load()).map_err(refused)?;
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
        true => Box::pin(preset::applied(call, caller, app)).await?,
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

/// A step of signing in, which needs nobody to be known.
async fn entered(acceptor: &Acceptor, step: sso::Step, parts: http::request::Parts, body: RequestBody) -> Result<Answered, Refusal> {
    let (app, from) = (acceptor.app.clone(), asker(acceptor, &parts.headers, body.peer()));
    let read = body.collect_within(sso::LONGEST_BODY).await;
    let frames = read.map_err(|error| refusal(parts.uri.path(), Problem::new(Kind::TooLarge, error.to_string())))?;
    let visit = sso::Visit { app, parts, body: frames.into_bytes(), from };
    Ok(Box::pin(sso::serve(&visit, step)).await)
}

/// What comes of a call. Whoever is refused is told too what its key has spent.
async fn called(acceptor: &Arc<Acceptor>, call: Call) -> Answered {
    let gateway = &acceptor.app.gateway;
    let (door, principal, id) = (call.door, call.principal.clone(), HeaderValue::try_from(call.told_id()));
    let answered = if service::is_wanted(gateway, &call) {
        Box::pin(service::serve(Arc::new(Served { acceptor: acceptor.clone(), call }))).await
    } else {
        match gateway.call(&call, &acceptor.worker).await {
            Err(error) if error.refusal.is_some() => Box::pin(instead::ask(acceptor, &call, error)).await,
            answered => answered,
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

/// Who asks, if they may use that route.
async fn identified(acceptor: &Acceptor, row: &Row, parts: &http::request::Parts, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
    if row.policy == Policy::Public {
        return Ok(Arc::new(Caller::trusted(Credential::Open)));
    }
    let keys = acceptor.app.keys.load_full();
    let (path, routes) = (acceptor.router.below(parts.uri.path()), &keys.gates().routes);
    gate::served(routes, row.policy, path)?;
    let is_told =
        || matches!(row.route, Route::Market(listing) if listing.is_of_all()) && acceptor.app.config.load().switchboard.public_catalog;
    let caller = match keys.caller(&parts.headers, parts.uri.query(), from).await {
        // Whoever has no key, or not this one, may come in where none is asked for, if from a place that may ask.
        Err(refused) if refused.status != StatusCode::FORBIDDEN && (is_told() || gate::is_public(routes, row.policy, path)) => {
            keys.anybody().clone()
        }
        found => found?,
    };
    if caller.credential == Credential::Session {
        session::guard(parts)?;
    }
    if let Err(refused) = authz::enter(row.policy, path, &caller).and_then(|()| gate::for_admins(routes, (row.policy, path), &caller)) {
        // Calls of models are in their own log.
        if let (Some(trust), Route::Admin(_)) = (&acceptor.app.trust, row.route) {
            let (who, action, route) = (caller.who(), parts.method.as_str(), row.path);
            let request_id = &crate::id::mint();
            Box::pin(trust.denied(Denial { who, action, route, asked: None, from, request_id })).await;
        }
        return Err(match row.route {
            Route::Admin(Action::OpenRouter(_)) => Refused::plain(403, "Only management keys can perform this operation"),
            _ => refused,
        });
    }
    Ok(caller)
}

/// The address a request comes from: its connection's other end, or whom a proxy there names that is believed.
fn asker(acceptor: &Acceptor, headers: &HeaderMap, peer: Peer) -> Option<IpAddr> {
    let peer = match peer {
        Peer::Tcp(address) => Some(address.ip()),
        Peer::Unix => None,
    };
    auth::asker(&acceptor.app.keys.load().gates().proxies, peer, headers)
}

/// A refusal as the client of that door expects it: in LiteLLM's words where the form is OpenAI's, else in the dialect's own.
pub(crate) fn shown(refused: Refused, door: &Door) -> Refusal {
    let mut error = Error::from(refused.problem());
    let own = matches!(door.dialect, Dialect::Anthropic | Dialect::Gemini) || door.flavor == Flavor::OpenRouter;
    if !own {
        error.verbatim = Some(refused.bytes());
    } else if door.dialect == Dialect::Anthropic && door.flavor != Flavor::OpenRouter {
        error.verbatim = with_param(&error.problem, &refused);
    }
    Refusal { error, dialect: door.dialect, flavor: door.flavor }
}

/// The refusal in Anthropic's form, with the parameter and the code that LiteLLM's clients look for; `None` where it is about none.
fn with_param(problem: &Problem, refused: &Refused) -> Option<Bytes> {
    let (param, code) = refused.about()?;
    let (_, body) = Dialect::Anthropic.inbound()?.write_problem(problem, Flavor::OpenAi);
    let mut told: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let error = told.get_mut("error")?.as_object_mut()?;
    error.insert("param".to_owned(), param.into());
    error.insert("code".to_owned(), code.into());
    Some(told.to_string().into())
}

/// The door behind a route; for Gemini's form it stands in the path.
fn doors(route: Route, path_model: Option<String>, parts: &http::request::Parts) -> Result<(Door, Option<String>, Option<bool>), Refusal> {
    let plain = Door { operation: Operation::Chat, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false };
    let gemini = Door { dialect: Dialect::Gemini, shape: "gemini", ..plain };
    match route {
        Route::Call(door) => Ok((door, path_model, None)),
        Route::Models | Route::Model if parts.headers.contains_key("anthropic-version") => {
            Ok((Door { dialect: Dialect::Anthropic, ..plain }, path_model, None))
        }
        Route::Admin(Action::OpenRouter(_)) => Ok((Door { flavor: Flavor::OpenRouter, ..plain }, path_model, None)),
        Route::Models | Route::Model | Route::Info(_) | Route::Page(_) | Route::SignIn(_) | Route::Admin(_) | Route::Consent => {
            Ok((plain, path_model, None))
        }
        // Its form is known when its body is.
        Route::Explain(flavor) => Ok((Door { flavor, ..plain }, None, None)),
        Route::Market(_) => Ok((Door { flavor: Flavor::OpenRouter, ..plain }, path_model, None)),
        Route::GeminiModels => Ok((gemini, path_model, None)),
        Route::Gemini => {
            let path = path_model.unwrap_or_default();
            let unknown = || Refusal {
                error: Problem::new(Kind::NotFound, format!("`{path}` is no `model:method` that this gateway serves")).into(),
                dialect: Dialect::Gemini,
                flavor: Flavor::OpenAi,
            };
            let (model, method) = path.rsplit_once(':').ok_or_else(unknown)?;
            let sse = parts.uri.query().and_then(|query| crate::query::value(query, "alt")).as_deref() == Some("sse");
            let (operation, stream) = match method {
                "generateContent" => (Operation::Chat, false),
                "streamGenerateContent" => (Operation::Chat, true),
                "countTokens" => (Operation::CountTokens, false),
                "embedContent" | "batchEmbedContents" => (Operation::Embeddings, false),
                _ => return Err(unknown()),
            };
            let shape = if method == "batchEmbedContents" { "gemini-batch" } else { "gemini" };
            Ok((Door { operation, shape, array: stream && !sse, ..gemini }, Some(model.to_owned()), Some(stream)))
        }
    }
}

/// A refusal before a door is known: the path tells whose client asks.
fn refusal(path: &str, problem: Problem) -> Refusal {
    let dialect = match path {
        path if path.contains("/messages") => Dialect::Anthropic,
        path if path.contains("/v1beta") || path.contains("/models/") && path.contains(':') => Dialect::Gemini,
        _ => Dialect::OpenAiChat,
    };
    let flavor = if path.contains("/api/v1") { Flavor::OpenRouter } else { Flavor::OpenAi };
    Refusal { error: problem.into(), dialect, flavor }
}

/// The answer to a method that a path does not take.
fn other_method(parts: &http::request::Parts, allowed: &str) -> Answered {
    let path = parts.uri.path();
    let message = format!("`{path}` takes {allowed}, not {}", parts.method);
    let problem = Problem { status: Some(StatusCode::METHOD_NOT_ALLOWED), ..Problem::new(Kind::BadRequest, message) };
    let mut response = refuse(&refusal(path, problem));
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

pub(crate) fn body_refusal(error: &crate::edge::BodyError, door: &Door) -> Refusal {
    let status = error.status();
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::REQUEST_TIMEOUT => Kind::Timeout,
        StatusCode::SERVICE_UNAVAILABLE => Kind::Overloaded,
        _ => Kind::BadRequest,
    };
    let problem = Problem { status: Some(status), ..Problem::new(kind, error.to_string()) };
    Refusal { error: problem.into(), dialect: door.dialect, flavor: door.flavor }
}

/// Tells a client, in its own dialect, why there is no answer.
pub(crate) fn refuse(refusal: &Refusal) -> Answered {
    let problem = &refusal.error.problem;
    let (status, body) = match (&refusal.error.verbatim, refusal.dialect.inbound()) {
        (Some(verbatim), _) => (problem.status(), verbatim.clone()),
        (None, Some(inbound)) => {
            let (status, body) = inbound.write_problem(problem, refusal.flavor);
            (status, Bytes::from(body))
        }
        (None, None) => (problem.status(), Bytes::from(problem.message.clone())),
    };
    let mut response = Response::new(AnswerBody::Whole(Some(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(told) = &refusal.error.headers {
        response.headers_mut().extend(told.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    if let Some(reason) = &refusal.error.refusal {
        response.headers_mut().extend(reason.headers());
    }
    if let Some(wait) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
    }
    response
}
