//! Looking into the gateway: whether a model could be reached, what is told about requests, what providers may still be paid.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use switchboard_engine::clock::Micros;
use switchboard_engine::health::Registry;
use switchboard_engine::terms::{Level, ScopeId};

use super::models::brought::{self, Said};
use super::models::{rules, vault};
use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::authz::Policy::{Admin, Info, Viewer};
use crate::config::Laid;
use crate::config::resolved::Deployment;
use crate::live::seal;
use crate::refused::Refused;
use crate::{fleet, health};

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Diagnosis {
    TestConnection,
    Services,
    License,
    ActiveCallbacks,
    ProviderBudgets,
}

use Diagnosis as Do;

/// The routes.
pub(super) const ROWS: &[Row] = &[
    // Whose model it is decides who may try it, which the body says.
    post(
        "/health/test_connection",
        Action::Diagnosis(Do::TestConnection),
        Info,
        "ConnectionTestRequest",
        "Whether a model could be reached",
    ),
    get("/health/services", Action::Diagnosis(Do::Services), Admin, "Whether something that is told about requests answers"),
    get("/health/license", Action::Diagnosis(Do::License), Viewer, "Which features there are: all of them"),
    get("/active/callbacks", Action::Diagnosis(Do::ActiveCallbacks), Viewer, "What is told about requests"),
    get("/settings", Action::Diagnosis(Do::ActiveCallbacks), Viewer, "What is told about requests"),
    get("/provider/budgets", Action::Diagnosis(Do::ProviderBudgets), Viewer, "What providers may be paid, and were"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::TestConnection => test(request).await,
        Do::Services => services(request),
        Do::License => Ok(license()),
        Do::ActiveCallbacks => Ok(callbacks(request)),
        Do::ProviderBudgets => budgets(request),
    }
}

/// A JSON object.
type Json = Map<String, Value>;

/// `POST /health/test_connection`: a deployment as sent, with what is known of the one it names where nothing is said, is asked for a
/// word.
async fn test(request: &Request) -> Answer {
    let form = request.form("ConnectionTestRequest")?;
    let sent: Json = form.object("litellm_params").cloned().unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null()).collect();
    let info = form.object("model_info").cloned().unwrap_or_default();
    let team = info.get("team_id").and_then(Value::as_str).map(str::to_owned);
    let caller = request.caller.clone();
    let asked_for = team.clone();
    request.read(move |desk| async move { rules::may_write(&desk, &caller, asked_for.as_deref()).await.map(|_| ()) }).await?;
    if refers(&Value::Object(sent.clone())) || refers(&Value::Object(info.clone())) {
        return Err(Refused::detail(400, json!({"error": "os.environ/ references are not allowed in the request"})));
    }
    let config = request.app.config();
    let name = sent.get("model").and_then(Value::as_str).unwrap_or_default();
    let id = info.get("id").and_then(Value::as_str);
    let known = config.deployments.iter().find(|one| Some(one.model_info.id.as_str()) == id);
    let known = known.or_else(|| config.deployments.iter().find(|one| id.is_none() && (one.model_name == name || one.model == name)));
    // What is kept of another's model is not for a team to try.
    let known = known.filter(|one| request.caller.is_admin() || one.model_info.team() == team.as_deref());
    // Whoever sends the request decides where what is sent goes; what is kept goes only where it went.
    let redirected = known.is_some() && ["api_base", "base_url"].into_iter().any(|place| sent.contains_key(place));
    let mut params = match known.filter(|_| !redirected && sent.get("litellm_credential_name").is_none()) {
        Some(known) => stored(request, known).await?,
        None => Json::new(),
    };
    let before = params.clone();
    params.extend(sent.clone());
    if let Some(known) = known.filter(|known| known.model_name == name) {
        params.insert("model".to_owned(), known.model.clone().into());
    }
    let mut news = sent.clone();
    news.retain(|name, value| before.get(name) != Some(value) && !(name == "model" && value.as_str() == Some(name_of(known))));
    let said = Said { sent: &sent, news: &news, whole: &params, info: &Json::new(), brought: known.is_some_and(|one| one.brought) };
    let brought = brought::may_say(&request.caller, &said)?;
    if let Some(mode) = form.text("mode").filter(|mode| *mode != "anthropic_messages") {
        params.remove("mode");
        let mut info = info.clone();
        info.insert("mode".to_owned(), mode.into());
        return asked(request, params, info, brought).await;
    }
    asked(request, params, info, brought).await
}

/// What a deployment that is known is called.
fn name_of(known: Option<&Deployment>) -> &str {
    known.map_or("", |known| known.model_name.as_str())
}

fn refers(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(crate::config::REFERENCE),
        Value::Array(items) => items.iter().any(refers),
        Value::Object(map) => map.values().any(refers),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The parameters of a deployment that is known, as they were written, secrets among them.
async fn stored(request: &Request, known: &Deployment) -> Result<Json, Refused> {
    if let Some(written) = request.app.live.base().params_in_file(&known.model_info.id) {
        return Ok(written);
    }
    let (vault, id) = (vault(request).await?, known.model_info.id.clone());
    let read = request.read(move |desk| async move {
        match desk.get::<switchboard_store::object::Model>(&id).await? {
            Some(model) => Ok(seal::params(&desk, Some(&vault), &model).await?),
            None => Ok::<_, Refused>(Json::new()),
        }
    });
    read.await
}

/// Asks a deployment made for the question.
async fn asked(request: &Request, params: Json, mut info: Json, brought: bool) -> Answer {
    const NAME: &str = "test_connection";
    let shown: Json =
        params.iter().filter(|(name, value)| !seal::is_secret(name, value)).map(|(name, value)| (name.clone(), value.clone())).collect();
    info.insert("id".to_owned(), NAME.into());
    info.remove("team_id");
    let entry = json!({"model_name": NAME, "litellm_params": params, "model_info": info});
    let ids = brought.then(|| NAME.to_owned()).into_iter().collect();
    let laid = Laid { models: entry.as_object().cloned().into_iter().collect(), brought: ids, ..Laid::default() };
    let (config, found) = request.app.live.base().with(&laid);
    let failed = |error: String| {
        let mut result = shown.clone();
        result.insert("error".to_owned(), error.into());
        Ok(json!({"status": "error", "result": result}))
    };
    if let Some(wrong) = found.errors().next() {
        return failed(wrong.message.clone());
    }
    let config = Arc::new(config);
    let (fleet, unusable) = fleet::build(&config, &request.app.catalog(), None, &Registry::default());
    if let Some(why) = unusable.into_iter().find(|one| one.model_name == NAME) {
        return failed(why.why);
    }
    let Some((_, group)) = fleet.find(NAME) else { return failed("the model cannot be reached".to_owned()) };
    let (Some(target), Some(acceptor)) = (group.first(), &request.acceptor) else { return failed("nobody can be asked".to_owned()) };
    match health::once(target, acceptor, &config).await {
        Ok(()) => Ok(json!({"status": "success", "result": shown})),
        Err(error) => failed(error),
    }
}

/// `GET /health/services`: this gateway tells nobody but Prometheus and its log.
fn services(request: &Request) -> Answer {
    let service = request.required("service")?;
    let config = request.app.config();
    let named = &config.litellm.callbacks;
    let configured = named.every.iter().chain(&named.success).chain(&named.failure).any(|name| name == service);
    match service {
        "prometheus" if request.app.metrics.is_some() => Ok(json!({"status": "healthy", "message": "`/metrics` is served"})),
        service if configured => Err(Refused::detail(
            422,
            json!({"error": format!("`{service}` is configured, and this gateway does not call it; it writes a log and serves `/metrics`")}),
        )),
        service => Err(Refused::detail(400, json!({"error": format!("Service must be in list. Service={service} is not configured")}))),
    }
}

/// `GET /health/license`: there is no edition that has less.
fn license() -> Value {
    json!({
        "has_license": true,
        "license_type": "enterprise",
        "expiration_date": null,
        "allowed_features": [],
        "limits": {"max_users": null, "max_teams": null},
    })
}

/// `GET /active/callbacks`
fn callbacks(request: &Request) -> Value {
    let config = request.app.config();
    let named = &config.litellm.callbacks;
    // What the gateway tells of itself, beside what is configured.
    let own = [("spend_logs", true), ("prometheus", request.app.metrics.is_some())]
        .into_iter()
        .filter_map(|(name, is_told)| is_told.then_some(name));
    let configured = named.every.iter().chain(&named.failure).chain(&named.success).map(String::as_str);
    let mut all: Vec<&str> = own.chain(configured).collect();
    all.dedup();
    json!({
        "alerting": "None",
        "litellm.callbacks": named.every,
        "litellm.input_callback": [],
        "litellm.failure_callback": named.failure,
        "litellm.success_callback": named.success,
        "litellm._async_success_callback": [],
        "litellm._async_failure_callback": [],
        "litellm._async_input_callback": [],
        "all_litellm_callbacks": all,
        "num_callbacks": all.len(),
        "num_alerting": 0,
        "litellm.request_timeout": config.litellm.request_timeout.as_secs_f64(),
    })
}

/// `GET /provider/budgets`
fn budgets(request: &Request) -> Answer {
    let config = request.app.config();
    if config.router.provider_budgets.is_empty() {
        let message = "No provider budget config found. Please set a provider budget config in the router settings.";
        return Err(Refused::new(400, "bad_request_error", json!("None"), message));
    }
    let (book, catalog) = (&request.app.book, request.app.catalog.load());
    let rows = config.router.provider_budgets.iter().map(|(provider, budget)| {
        let spent = book.spent(&ScopeId::new(Level::Provider, catalog.provider_id(provider)), budget.window);
        let end: Option<Micros> = budget.window.end(budget.window.start(book.now()));
        let row = json!({
            "budget_limit": switchboard_store::Money(budget.limit).number(),
            "time_period": budget.window.name(),
            "spend": switchboard_store::Money(spent).number(),
            "budget_reset_at": end.map(|end| switchboard_engine::sign::rfc3339(u64::try_from(end / 1_000_000).unwrap_or(0))),
        });
        (provider.clone(), row)
    });
    Ok(json!({"providers": rows.collect::<Json>()}))
}
