//! The gateway's own pages and documents.

mod docs;
mod home;

use http::{Response, StatusCode, request};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::release;
use switchboard_engine::wire::problem::Problem;
use switchboard_store::journal::Standing;
use switchboard_store::{Reach, Store, micros};

use crate::answered::{document, written};
use crate::app::{Acceptor, App};
use crate::fleet::DEMO;
use crate::router::{Page, rows};
use crate::{health, html, models};

/// A page that needs no key.
pub(crate) fn open(page: Page, app: &App, parts: &request::Parts) -> Response<AnswerBody> {
    match page {
        Page::Home => html::answer(home::render(&app.base(parts), &example(app))),
        Page::Docs => html::answer(docs::render(&app.base(parts))),
        Page::Style => html::style(),
        Page::OpenApi => written(crate::openapi::bytes(&app.config().general.root_path)),
        Page::Routes => document(&routes()),
        Page::Alive => document(&json!("I'm alive!")),
        _ if app.config.load().general.tells_readiness => details(app),
        _ => ready(app),
    }
}

/// A page for those with a key.
pub(crate) async fn closed(page: Page, acceptor: &Acceptor, ask: &health::Ask<'_>) -> Result<Response<AnswerBody>, Problem> {
    match page {
        Page::Details => Ok(details(&acceptor.app)),
        Page::Test => Ok(document(&json!({"route": ask.parts.uri.path()}))),
        Page::HealthLatest => Ok(health::latest(acceptor, ask)),
        Page::HealthHistory => health::history(acceptor, ask),
        Page::Metrics => Ok(crate::exposition::page(&acceptor.app).await),
        Page::HealthShared => Ok(document(&acceptor.app.others.told())),
        _ => Ok(health::check(acceptor, ask).await),
    }
}

/// The model that examples ask. Where models are told to keys alone, it is none in particular.
fn example(app: &App) -> String {
    const ANY: &str = "your-model";
    let config = app.config();
    let is_told = config.general.master_key.is_none() || config.switchboard.public_catalog;
    if is_told { models::example(app).unwrap_or_else(|| DEMO.to_owned()) } else { ANY.to_owned() }
}

/// Whether the gateway can serve. A deployment that fails is its own matter; only a stop makes the whole unready.
fn ready(app: &App) -> Response<AnswerBody> {
    if (app.draining)() {
        let mut response = document(&json!({"status": "shutting_down"}));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    }
    let mut response = document(&standing(app));
    if !is_able(app) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// What is told of what the gateway stands on; of its journal only where that takes nothing.
fn standing(app: &App) -> Value {
    let mut said = json!({"status": if is_able(app) { "healthy" } else { "unhealthy" }, "db": memory(app)});
    match app.books.standing() {
        Standing::Open => {}
        Standing::Late => said["journal"] = "late".into(),
        Standing::Closed => said["journal"] = "closed".into(),
    }
    said
}

/// Whether any request could be served. Known keys are for a while without the database, and what costs nothing without the journal.
fn is_able(app: &App) -> bool {
    let knows_nobody = app.store.as_ref().is_some_and(|store| store.silence() > crate::auth::PATIENCE);
    !knows_nobody && (app.books.standing() != Standing::Closed || serves_for_nothing(app))
}

/// Whether any deployment costs nothing.
fn serves_for_nothing(app: &App) -> bool {
    let (fleet, now) = (app.gateway.fleet(), micros());
    fleet.deployments().any(|deployment| app.books.prices.tariffs().of(deployment, now).is_nothing())
}

/// How the database answers.
fn memory(app: &App) -> &'static str {
    match app.store.as_ref().map(Store::reach) {
        None => "Not connected",
        Some(Reach::Whole) => "connected",
        Some(Reach::ReadOnly) => "read-only",
        Some(Reach::Silent) => "disconnected",
    }
}

/// The same, with what an operator asks next.
fn details(app: &App) -> Response<AnswerBody> {
    let mut response = ready(app);
    if response.status().is_success() {
        let config = app.config();
        let callbacks: Vec<&String> = config.litellm.callbacks.every.iter().chain(&config.litellm.callbacks.success).collect();
        let more = json!({
            "cache": null,
            "switchboard_version": env!("CARGO_PKG_VERSION"),
            // Whose API this follows; its clients look for it.
            "litellm_version": release::LITELLM,
            "success_callbacks": callbacks,
            "deployments": app.gateway.fleet().deployments().count(),
            "requests_in_flight": app.gateway.in_flight(),
        });
        let mut said = standing(app);
        if let (Value::Object(said), Value::Object(more)) = (&mut said, more) {
            said.extend(more);
        }
        response = document(&said);
    }
    response
}

/// Every route, in LiteLLM's form.
fn routes() -> Value {
    let mut routes: Vec<Value> = Vec::new();
    for (path, row) in rows() {
        let shown = path.replace("{*model}", "{model}");
        match routes.iter_mut().find(|known| known["path"] == shown.as_str()) {
            Some(known) => {
                if let Some(methods) = known["methods"].as_array_mut() {
                    methods.push(row.method.into());
                }
            }
            None => routes.push(json!({"path": shown, "methods": [row.method], "name": row.summary})),
        }
    }
    json!({"routes": routes})
}
