//! What LiteLLM's clients ask beside managing: prices, parameters, counts of tokens, what is switched on.

mod estimate;
mod rendition;

use serde_json::{Value, json};
use switchboard_engine::catalog::ModelCard;
use switchboard_store::object::{Team, User};

use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request, cost_map, rows};
use crate::authz::Policy::{Admin, Info, Viewer};
use crate::models::info;
use crate::refused::Refused;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Tool {
    SupportedParams,
    TokenCounter,
    CostEstimate,
    CostMap,
    Callbacks,
    CallbackConfigs,
    ConfigYaml,
    ModelInfo,
    TransformRequest,
    Backlog,
    CachePing,
    CacheDelete,
    CacheFlush,
    CacheRedis,
    CacheSettings,
    CacheSet,
    CacheTest,
    UserFilter,
    TeamFilter,
}

use Tool as Do;

/// The routes.
pub(super) const ROWS: &[Row] = &[
    get("/utils/supported_openai_params", Action::Tool(Do::SupportedParams), Info, "The parameters of OpenAI's chat that a model takes"),
    post("/utils/token_counter", Action::Tool(Do::TokenCounter), Info, "TokenCountRequest", "How many tokens a prompt has, by estimate"),
    post("/cost/estimate", Action::Tool(Do::CostEstimate), Info, "CostEstimateRequest", "What so many tokens of a model cost"),
    get("/get/litellm_model_cost_map", Action::Tool(Do::CostMap), Info, "Every known model with prices, limits and abilities"),
    get("/public/litellm_model_cost_map", Action::Tool(Do::CostMap), Info, "Every known model with prices, limits and abilities"),
    get("/utils/model_info", Action::Tool(Do::ModelInfo), Info, "What the catalogue knows of a model"),
    post(
        "/utils/transform_request",
        Action::Tool(Do::TransformRequest),
        Viewer,
        "TransformRequestBody",
        "What a request would be at the provider; nothing is sent",
    ),
    get("/callbacks/list", Action::Tool(Do::Callbacks), Viewer, "Which callbacks are configured"),
    get("/callbacks/configs", Action::Tool(Do::CallbackConfigs), Viewer, "Which callbacks keys and teams may have; there are none"),
    get("/config/yaml", Action::Tool(Do::ConfigYaml), Info, "What a config.yaml may say"),
    get("/health/backlog", Action::Tool(Do::Backlog), Info, "How many requests are under way"),
    get("/cache/ping", Action::Tool(Do::CachePing), Viewer, "Whether the cache of answers is well; there is none"),
    post("/cache/delete", Action::Tool(Do::CacheDelete), Admin, "CacheDeleteRequest", "Delete from the cache of answers; there is none"),
    post("/cache/flushall", Action::Tool(Do::CacheFlush), Admin, "", "Empty the cache of answers; there is none"),
    get("/cache/redis/info", Action::Tool(Do::CacheRedis), Viewer, "What the cache of answers is kept in; there is none"),
    get("/cache/settings", Action::Tool(Do::CacheSettings), Viewer, "How answers are cached; they are not"),
    post("/cache/settings", Action::Tool(Do::CacheSet), Admin, "CacheSettingsUpdateRequest", "Say how answers are cached; they are not"),
    post(
        "/cache/settings/test",
        Action::Tool(Do::CacheTest),
        Admin,
        "CacheSettingsUpdateRequest",
        "Try settings of a cache; there is none",
    ),
    get("/team/filter/ui", Action::Tool(Do::TeamFilter), Viewer, "Teams by part of their id or name, page by page"),
    get("/user/filter/ui", Action::Tool(Do::UserFilter), Viewer, "Users by part of their id or address"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::SupportedParams => supported(request),
        Do::TokenCounter => count(request).await,
        Do::CostEstimate => estimate::estimate(request),
        Do::CostMap => Ok(cost_map::of(&request.app.catalog())),
        Do::Callbacks => Ok(callbacks(request)),
        Do::CallbackConfigs => Ok(json!([])),
        Do::ConfigYaml => Ok(rendition::config_yaml()),
        Do::ModelInfo => rendition::model_info(request),
        Do::TransformRequest => rendition::transformed(request).await,
        Do::Backlog => Ok(json!({"in_flight_requests": request.app.gateway.in_flight()})),
        Do::CachePing => Err(no_cache(503, "Service Unhealthy", ".Cache parameters: {}.specific_cache_params: {}")),
        Do::CacheFlush | Do::CacheRedis => Err(no_cache(503, "Service Unhealthy", "")),
        Do::CacheDelete => {
            request.form("CacheDeleteRequest")?;
            Err(no_cache(503, "Cache Delete Failed", ""))
        }
        Do::CacheSettings => Ok(json!({"fields": [], "current_values": {}, "redis_type_descriptions": {}})),
        Do::CacheSet => {
            request.form("CacheSettingsUpdateRequest")?;
            Err(Refused::detail(400, json!({"error": NO_CACHE})))
        }
        Do::CacheTest => {
            request.form("CacheSettingsUpdateRequest")?;
            Ok(json!({"status": "failed", "message": "Cache connection test failed", "error": NO_CACHE}))
        }
        Do::UserFilter => users(request).await,
        Do::TeamFilter => teams(request).await,
    }
}

/// Why nothing of a cache can be told or changed.
const NO_CACHE: &str = "Cache not initialized. This gateway keeps no cache of answers";

/// That there is no cache, as LiteLLM tells it where none is configured.
fn no_cache(status: u16, what: &str, more: &str) -> Refused {
    Refused::detail(status, json!(format!("{what} (503: {NO_CACHE}){more}")))
}

/// The first deployment of a model that the caller may use.
fn supported(request: &Request) -> Answer {
    let name = request.required("model")?;
    let fleet = request.app.gateway.fleet();
    let meant = request.caller.meant(name);
    let found = fleet.find(&meant).filter(|(group, _)| request.caller.may_use(&[&meant, group]));
    let unknown = || Refused::detail(400, json!({"error": format!("Could not map model={name}")}));
    let (_, deployments) = found.ok_or_else(unknown)?;
    let first = deployments.first().ok_or_else(unknown)?;
    Ok(json!({"supported_openai_params": info::openai_params(first)}))
}

/// `POST /utils/token_counter`
async fn count(request: &Request) -> Answer {
    let form = request.form("TokenCountRequest")?;
    let messages = match (form.get("messages").or(form.get("contents")), form.text("prompt")) {
        (Some(messages), _) => messages.clone(),
        (None, Some(prompt)) => json!([{"role": "user", "content": prompt}]),
        (None, None) => return Err(Refused::detail(400, json!("prompt or messages or contents must be provided"))),
    };
    let model = form.text("model").unwrap_or_default().to_owned();
    let mut body = json!({"model": model, "messages": messages});
    if let (Some(system), Some(messages)) = (form.get("system"), body["messages"].as_array_mut()) {
        messages.insert(0, json!({"role": "system", "content": told(system)}));
    }
    if let Some(tools) = form.get("tools") {
        // Those of other vendors are counted as they are written.
        let is_openai = tools.as_array().is_some_and(|tools| tools.iter().all(|tool| tool.get("function").is_some()));
        match body["messages"].as_array_mut() {
            Some(messages) if !is_openai => messages.push(json!({"role": "user", "content": tools.to_string()})),
            _ => body["tools"] = tools.clone(),
        }
    }
    let counted = switchboard_engine::chat_tokens(body.to_string().into_bytes()).await;
    let total = counted.ok_or_else(|| Refused::detail(400, json!("the messages cannot be read")))?;
    let fleet = request.app.gateway.fleet();
    let used = fleet.find(&request.caller.meant(&model)).and_then(|(_, group)| group.first().map(|first| first.spec.model.clone()));
    Ok(json!({
        "total_tokens": total,
        "request_model": model,
        "model_used": used.unwrap_or_else(|| model.clone()),
        // One vocabulary of OpenAI's, whosever model it is.
        "tokenizer_type": "openai_tokenizer",
        "count_source": "local_estimate",
        "original_response": null,
        "error": false,
        "error_message": null,
        "status_code": null,
    }))
}

/// The text of a system prompt, however it is written.
fn told(system: &Value) -> String {
    system.as_str().map_or_else(|| system.to_string(), str::to_owned)
}

/// The card of a model by a name that callers use.
pub(in crate::admin) fn card(request: &Request, name: &str) -> Option<ModelCard> {
    let (fleet, catalog) = (request.app.gateway.fleet(), request.app.catalog());
    let served = fleet.find(&request.caller.meant(name)).and_then(|(_, group)| group.iter().find_map(|one| one.card.clone()));
    served.or_else(|| {
        let found = catalog.lookup(name)?;
        catalog.model(&found.provider, &found.model)
    })
}

/// `GET /callbacks/list`
fn callbacks(request: &Request) -> Value {
    let config = request.app.config();
    let named = &config.litellm.callbacks;
    // What every call costs is always written down; LiteLLM counts that among the callbacks, under this name.
    let every: Vec<&str> = ["_ProxyDBLogger"].into_iter().chain(named.every.iter().map(String::as_str)).collect();
    json!({"success": named.success, "failure": named.failure, "success_and_failure": every})
}

/// A part that is looked for, whatever its case.
fn part(request: &Request, name: &str) -> Option<String> {
    request.value(name).filter(|text| !text.is_empty()).map(str::to_lowercase)
}

fn has(text: Option<&str>, part: &Option<String>) -> bool {
    part.as_ref().is_none_or(|part| text.is_some_and(|text| text.to_lowercase().contains(part)))
}

/// `GET /team/filter/ui`: the latest first.
async fn teams(request: &Request) -> Answer {
    let (page, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("page_size", 50, 1, 100)?);
    let (id, alias) = (part(request, "team_id"), part(request, "team_alias"));
    let mut all: Vec<Team> = request.read(|desk| async move { Ok::<_, Refused>(desk.all().await?) }).await?;
    all.retain(|team| has(Some(&team.team_id), &id) && has(team.team_alias.as_deref(), &alias));
    all.sort_by_key(|team| std::cmp::Reverse(team.created_at));
    let [passed, size] = [(page - 1) * size, size].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    Ok(all.iter().skip(passed).take(size).map(|team| Value::Object(rows::team(&request.app, team))).collect())
}

/// `GET /user/filter/ui`
async fn users(request: &Request) -> Answer {
    let (id, email) = (part(request, "user_id"), part(request, "user_email"));
    let read = request.read(move |desk| async move { Ok::<_, Refused>(desk.all::<User>().await?) });
    let found = read.await?.into_iter().filter(|user| has(Some(&user.user_id), &id) && has(user.user_email.as_deref(), &email));
    const MOST: usize = 50;
    Ok(found.take(MOST).map(|user| Value::Object(rows::user(&request.app, &user))).collect())
}
