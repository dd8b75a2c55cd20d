//! From an HTTP request to a call, and from its answer to an HTTP response.

mod foreign;
mod pages;

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use http::header::{ALLOW, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use switchboard_engine::call::{Door, named_id};
use switchboard_engine::error::Error;
use switchboard_engine::failpoint;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_engine::wire::{Dialect, Operation};

use crate::admin::{self, Action, Arrived};
use crate::answered::Answered;
use crate::app::Acceptor;
use crate::auth::{self, Caller, Credential, session};
use crate::authz::{self, Policy, gate};
use crate::draft::Draft;
use crate::edge::{Peer, RequestBody};
use crate::refusal::{Refusal, body_refusal, refuse, shown};
use crate::refused::Refused;
use crate::router::{Match, Page, Route, Router, Row};
use crate::trust::Denial;
use crate::{ask, consent, explain, exposition, health, identity, market, models, page, passing, path, several, sso};

/// Where requests come in.
pub struct Entrance {
    /// What they are served with.
    pub acceptor: Arc<Acceptor>,
    /// Where they may go.
    pub router: Router,
}

/// Serves one request.
pub async fn serve(entrance: Arc<Entrance>, request: Request<RequestBody>) -> Answered {
    let received = Instant::now();
    failpoint::hit("arriving");
    let allowed = pages::allowed(&entrance, &request);
    let outcome = match foreign::guard(&entrance.acceptor, &request) {
        Ok(()) => answer(&entrance, request, received).await,
        Err(refusal) => Err(refusal),
    };
    let mut answered = outcome.unwrap_or_else(|refusal| refuse(&refusal));
    pages::tell(answered.headers_mut(), allowed);
    answered
}

async fn answer(Entrance { acceptor, router }: &Entrance, request: Request<RequestBody>, received: Instant) -> Result<Answered, Refusal> {
    let (mut parts, body) = request.into_parts();
    let (row, path_model) = match router.found(&mut parts) {
        Match::Found(row, model) => (row, model),
        Match::OtherMethod(_) if parts.method == Method::OPTIONS => return Ok(pages::preflight(&parts.headers)),
        Match::OtherMethod(allowed) => return Box::pin(elsewhere(acceptor, (parts, body), Some(&allowed), received)).await,
        Match::Nothing => return Box::pin(elsewhere(acceptor, (parts, body), None, received)).await,
    };
    let route = meant(row.route, &parts.headers);
    let is_open = row.policy == Policy::Public;
    match route {
        Route::Page(Page::Metrics) if !acceptor.app.config.load().litellm.metrics.require_auth => {
            return Ok(Box::pin(exposition::page(&acceptor.app)).await);
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
        passing::find(&acceptor.app, &parts.method, acceptor.root.below(parts.uri.path())).filter(|_| allowed.is_none())
    };
    let mut passed = passage(&parts);
    if let Some(uri) = path::plainly(&parts.uri).filter(|_| passed.is_none()) {
        parts.uri = uri;
        passed = passage(&parts);
    }
    if let Some(passage) = passed {
        return passing::serve(acceptor, passage, (parts, body), (from, received)).await;
    }
    let path = acceptor.root.below(parts.uri.path());
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
            return Ok(ask::refuse_call(&refusal, &named.unwrap_or_else(crate::id::of_call)));
        }
    };
    if let Some(beside) = beside.filter(|beside| beside.takes(&call, &acceptor.app)) {
        return Box::pin(beside.pass(acceptor, caller, call)).await;
    }
    match several::named(&call, &acceptor.app) {
        Some(models) => Box::pin(several::ask(acceptor, caller, call, models)).await,
        None => ask::one(acceptor, caller, call).await,
    }
}

/// A step of signing in, which needs nobody to be known.
async fn entered(acceptor: &Acceptor, step: sso::Step, parts: http::request::Parts, body: RequestBody) -> Result<Answered, Refusal> {
    let (app, from) = (acceptor.app.clone(), asker(acceptor, &parts.headers, body.peer()));
    let read = body.collect_within(sso::LONGEST_BODY).await;
    let frames = read.map_err(|error| refusal(parts.uri.path(), Problem::new(Kind::TooLarge, error.to_string())))?;
    let visit = sso::Visit { app, parts, body: frames.into_bytes(), from };
    Ok(Box::pin(sso::serve(&visit, step)).await)
}

/// Who asks, if they may use that route.
async fn identified(acceptor: &Acceptor, row: &Row, parts: &http::request::Parts, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
    if row.policy == Policy::Public {
        return Ok(Arc::new(Caller::trusted(Credential::Open)));
    }
    let keys = acceptor.app.keys.load_full();
    let (path, routes) = (acceptor.root.below(parts.uri.path()), &keys.gates().routes);
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
