//! `/model/info`, `/v2/model/info`, `/model_group/info` and their like: what LiteLLM's clients are told of deployments.
//!
//! Of a deployment's parameters only those are told that can hold no credential; where it is reached is for administrators.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, request};
use serde_json::{Map, Number, Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::catalog::{ModelCard, derive};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::route::supported;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_engine::wire::seal::OPENAI;
use switchboard_engine::wire::{Dialect, Operation};

use super::{deprecations, routers};
use crate::answered::document;
use crate::app::App;
use crate::auth::Caller;
use crate::config::Config;
use crate::config::resolved::Deployment as Configured;
use crate::market::Offer;

/// Documents on deployments, in LiteLLM's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Info {
    /// All of them.
    Models,
    /// Page by page.
    Paged,
    /// By the name that callers use.
    Groups,
    /// Those that end.
    Deprecations,
}

/// The abilities that are told of each model, known or not.
const ABILITIES: [&str; 18] = [
    "system_messages",
    "response_schema",
    "vision",
    "function_calling",
    "tool_choice",
    "assistant_prefill",
    "prompt_caching",
    "audio_input",
    "audio_output",
    "pdf_input",
    "video_input",
    "embedding_image_input",
    "native_streaming",
    "web_search",
    "url_context",
    "reasoning",
    "computer_use",
    "parallel_function_calling",
];

/// The prices that are told of each model, known or not.
const PRICES: [&str; 14] = [
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_creation_input_token_cost",
    "cache_read_input_token_cost",
    "input_cost_per_character",
    "output_cost_per_character",
    "input_cost_per_audio_token",
    "output_cost_per_audio_token",
    "output_cost_per_reasoning_token",
    "input_cost_per_query",
    "input_cost_per_second",
    "output_cost_per_second",
    "output_cost_per_image",
    "input_cost_per_image",
];

/// Fields of a request to OpenAI that concern how it is sent, and that every deployment for chat takes.
const SENDING: [&str; 4] = ["stream", "stream_options", "max_completion_tokens", "extra_headers"];
/// Parameters of OpenAI's own models beside those that others take.
const OPENAIS: [&str; 12] = [
    "n",
    "modalities",
    "prediction",
    "audio",
    "store",
    "user",
    "service_tier",
    "prompt_cache_key",
    "safety_identifier",
    "metadata",
    "functions",
    "function_call",
];
/// Parameters that are OpenRouter's alone.
const NOT_OPENAI: [&str; 7] = ["top_k", "min_p", "top_a", "repetition_penalty", "structured_outputs", "include_reasoning", "reasoning"];

/// Whoever asks, and how.
pub(crate) struct Ask<'a> {
    /// Who.
    pub(crate) caller: &'a Caller,
    /// How.
    pub(crate) parts: &'a request::Parts,
}

impl Ask<'_> {
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.parts.uri.query().and_then(|query| crate::query::value(query, name)).filter(|value| !value.is_empty())
    }

    fn is_on(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    fn whole(&self, name: &str, usual: usize) -> Result<usize, Problem> {
        let Some(text) = self.value(name) else { return Ok(usual) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| Problem::new(Kind::BadRequest, format!("`{name}` must be a whole number from 1")).with_param(name))
    }
}

/// One deployment and how it was configured.
struct Entry<'a> {
    deployment: &'a Deployment,
    configured: Option<&'a Configured>,
    /// The parameters that were sent over the API, if it was.
    shown: Option<&'a Map<String, Value>>,
}

/// One of these documents.
pub(crate) fn answer(app: &App, document: Info, ask: &Ask<'_>) -> Result<Response<AnswerBody>, Problem> {
    match document {
        Info::Models => all(app, ask),
        Info::Paged => paged(app, ask),
        Info::Groups => Ok(groups(app, ask)),
        Info::Deprecations => deprecations::answer(app, ask),
    }
}

/// `GET /model/info`.
fn all(app: &App, ask: &Ask<'_>) -> Result<Response<AnswerBody>, Problem> {
    let id = ask.value("litellm_model_id");
    let list = entries(app, ask, &|(_, own, _)| id.as_deref().is_none_or(|id| own == id));
    match id {
        Some(id) if list.is_empty() => {
            let message = format!("{{'error': 'Model id = {id} not found on litellm proxy'}}");
            Err(Problem::new(Kind::BadRequest, message).with_param("litellm_model_id"))
        }
        _ => Ok(document(&json!({"data": list.into_iter().map(|(_, told)| told).collect::<Vec<_>>()}))),
    }
}

/// `GET /v2/model/info`.
fn paged(app: &App, ask: &Ask<'_>) -> Result<Response<AnswerBody>, Problem> {
    let (page, size) = (ask.whole("page", 1)?, ask.whole("size", 50)?);
    let search = ask.value("search").map(|text| text.to_lowercase());
    let (model, id, group) = (ask.value("model"), ask.value("modelId"), ask.value("access_group"));
    let wildcards = ask.is_on("wildcard_only");
    let fits = |(name, own, groups): (&str, &str, &[String])| {
        search.as_deref().is_none_or(|text| name.to_lowercase().contains(text))
            && model.as_ref().is_none_or(|model| model == name)
            && id.as_ref().is_none_or(|id| id == own)
            && group.as_ref().is_none_or(|group| groups.contains(group))
            && (!wildcards || name.contains('*'))
    };
    let mut list = entries(app, ask, &fits);
    if let Some(by) = ask.value("sortBy") {
        let downwards = ask.value("sortOrder").is_some_and(|order| order.eq_ignore_ascii_case("desc"));
        sort(&mut list, &by, downwards)?;
    }
    let (count, start) = (list.len(), (page - 1).saturating_mul(size));
    let data: Vec<Value> = list.into_iter().skip(start).take(size).map(|(_, told)| told).collect();
    Ok(document(&json!({
        "data": data,
        "total_count": count,
        "current_page": page,
        "total_pages": count.div_ceil(size),
        "size": size,
    })))
}

/// What is not known is last, whichever way the order goes.
fn sort(list: &mut [(String, Value)], by: &str, downwards: bool) -> Result<(), Problem> {
    let pointer = match by {
        "model_name" => "/model_name",
        "created_at" => "/model_info/created_at",
        "updated_at" => "/model_info/updated_at",
        "costs" => "/model_info/input_cost_per_token",
        "status" => "/model_info/db_model",
        _ => {
            let message = "`sortBy` must be one of `model_name`, `created_at`, `updated_at`, `costs`, `status`";
            return Err(Problem::new(Kind::BadRequest, message).with_param("sortBy"));
        }
    };
    let compare = |a: &Value, b: &Value| match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        (a, b) => a.as_str().cmp(&b.as_str()),
    };
    list.sort_by(|(_, a), (_, b)| {
        let known = |value: &Value| value.pointer(pointer).filter(|value| !value.is_null()).cloned();
        match (known(a), known(b)) {
            (Some(a), Some(b)) if downwards => compare(&b, &a),
            (Some(a), Some(b)) => compare(&a, &b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    });
    Ok(())
}

/// Whether what has that name, that id and those groups is wanted.
pub(super) type Fits<'a> = &'a dyn Fn((&str, &str, &[String])) -> bool;

/// The deployments and routers that the caller may use and that fit, by name, each as it is told.
fn entries(app: &App, ask: &Ask<'_>, fits: Fits<'_>) -> Vec<(String, Value)> {
    let (fleet, config) = (app.gateway.fleet(), app.config());
    let by_id: HashMap<&str, &Configured> = config.deployments.iter().map(|one| (one.model_info.id.as_str(), one)).collect();
    let shown = app.live.shown();
    let mut list = Vec::new();
    for deployment in fleet.deployments().filter(|deployment| ask.caller.may_use(&[&deployment.spec.group])) {
        let configured = by_id.get(deployment.spec.id.as_str()).copied();
        let groups = configured.map(|own| own.model_info.access_groups.as_slice()).unwrap_or_default();
        if fits((&deployment.spec.group, &deployment.spec.id, groups)) {
            let entry = Entry { deployment, configured, shown: shown.get(&deployment.spec.id) };
            list.push((deployment.spec.group.clone(), told(&entry, ask)));
        }
    }
    list.extend(routers::told(app, ask, fits));
    list.sort_by(|(a, _), (b, _)| a.cmp(b));
    list
}

fn told(entry: &Entry<'_>, ask: &Ask<'_>) -> Value {
    let spec = &entry.deployment.spec;
    json!({
        "model_name": spec.group,
        "litellm_params": params(entry, ask.caller.sees_places()),
        "model_info": model_info(entry),
    })
}

/// Parameters that LiteLLM tells of every deployment.
const SWITCHES: [&str; 3] = ["use_in_pass_through", "use_litellm_proxy", "merge_reasoning_content_in_choices"];

/// The parameters that can hold no credential.
fn params(entry: &Entry<'_>, admin: bool) -> Value {
    let mut params = written(entry, admin);
    for name in SWITCHES {
        params.entry(name).or_insert(Value::Bool(false));
    }
    params.into()
}

/// The same, as they were written.
fn written(entry: &Entry<'_>, admin: bool) -> Map<String, Value> {
    let spec = &entry.deployment.spec;
    if let Some(shown) = entry.shown {
        let places = ["api_base", "base_url"];
        return shown.iter().filter(|(name, _)| admin || !places.contains(&name.as_str())).map(|(a, b)| (a.clone(), b.clone())).collect();
    }
    let Some(configured) = entry.configured else {
        return Map::from_iter([("model".to_owned(), json!(format!("{}/{}", spec.provider, spec.model)))]);
    };
    let (connection, limits) = (&configured.connection, &configured.limits);
    let seconds =
        |time: Option<Duration>| time.map(|time| if time.subsec_nanos() == 0 { json!(time.as_secs()) } else { json!(time.as_secs_f64()) });
    let written = [
        ("model", Some(json!(configured.model))),
        ("custom_llm_provider", connection.provider.as_ref().map(|provider| json!(provider))),
        ("api_base", connection.api_base.as_deref().filter(|_| admin).map(|base| json!(bare(base)))),
        ("api_version", connection.api_version.as_ref().map(|version| json!(version))),
        ("region_name", connection.region_name.as_ref().map(|region| json!(region))),
        ("aws_region_name", connection.aws.region_name.as_ref().map(|region| json!(region))),
        ("vertex_location", connection.vertex.location.as_ref().map(|location| json!(location))),
        ("rpm", limits.rpm.map(Value::from)),
        ("tpm", limits.tpm.map(Value::from)),
        ("max_parallel_requests", limits.max_parallel_requests.map(Value::from)),
        ("timeout", seconds(limits.timeout)),
        ("stream_timeout", seconds(limits.stream_timeout)),
        ("max_retries", limits.max_retries.map(Value::from)),
        ("cooldown_time", seconds(limits.cooldown_time)),
        ("weight", limits.weight.map(Value::from)),
        ("order", limits.order.map(Value::from)),
        ("tags", Some(&limits.tags).filter(|tags| !tags.is_empty()).map(|tags| json!(tags))),
    ];
    let prices = configured.prices.iter().map(|(name, price)| (name.clone(), number(price.as_str())));
    written.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).chain(prices).collect()
}

/// A URL without what may be a credential.
pub(crate) fn bare(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => url.to_owned(),
    }
}

fn number(text: &str) -> Value {
    serde_json::from_str::<Number>(text).map_or(Value::Null, Value::Number)
}

fn model_info(entry: &Entry<'_>) -> Value {
    let deployment = entry.deployment;
    let card = deployment.card.as_ref();
    let mut told = facts(card);
    told.insert("key".to_owned(), deployment.spec.base_model.as_ref().unwrap_or(&deployment.spec.model).as_str().into());
    told.insert("litellm_provider".to_owned(), deployment.spec.provider.as_str().into());
    told.insert("supported_openai_params".to_owned(), json!(openai_params(deployment)));
    if let Some(configured) = entry.configured {
        told.extend(configured.model_info.written.iter().map(|(name, value)| (name.clone(), value.clone())));
        told.insert("access_groups".to_owned(), json!(configured.model_info.access_groups));
    }
    told.insert("id".to_owned(), deployment.spec.id.as_str().into());
    told.insert("db_model".to_owned(), entry.shown.is_some().into());
    told.into()
}

/// What a card says, by the names of LiteLLM's price list; what it does not say is null.
pub(crate) fn facts(card: Option<&ModelCard>) -> Map<String, Value> {
    let mut told: Map<String, Value> = PRICES.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    let limit = |of: fn(&ModelCard) -> Option<u64>| Value::from(card.and_then(of));
    told.insert("max_tokens".to_owned(), limit(|card| card.max_tokens));
    told.insert("max_input_tokens".to_owned(), limit(|card| card.max_input_tokens));
    told.insert("max_output_tokens".to_owned(), limit(|card| card.max_output_tokens));
    told.insert("output_vector_size".to_owned(), limit(|card| card.vector_size));
    told.insert("rpm".to_owned(), limit(|card| card.rpm));
    told.insert("tpm".to_owned(), limit(|card| card.tpm));
    told.insert("mode".to_owned(), card.and_then(|card| card.mode.clone()).into());
    let can = |ability: &str| card.and_then(|card| card.supports(ability));
    told.extend(ABILITIES.iter().map(|ability| (format!("supports_{ability}"), can(ability).into())));
    if let Some(card) = card {
        told.extend(derive::listed_prices(card).map(|(name, usd)| (name, number(&usd))));
    }
    told
}

/// The parameters of OpenAI's chat that it is known to take.
pub(crate) fn openai_params(deployment: &Deployment) -> Vec<&'static str> {
    let known = supported(deployment).into_iter().filter(|name| !NOT_OPENAI.contains(name));
    let sending = SENDING.into_iter().filter(|_| deployment.serves(Operation::Chat));
    known.chain(sending).chain(further(deployment)).collect()
}

/// Those beside that formats have: OpenAI's own at its own models, and what is written in the words of Anthropic's and Gemini's.
fn further(deployment: &Deployment) -> Vec<&'static str> {
    let thinks = deployment.card.as_ref().is_some_and(|card| card.supports("reasoning") == Some(true));
    let mut names = match deployment.dialect_for(Dialect::OpenAiChat) {
        Some(Dialect::OpenAiChat) if deployment.profile.vendor.as_deref() == Some(OPENAI) => OPENAIS.to_vec(),
        Some(Dialect::Anthropic) => vec!["user"],
        Some(Dialect::Gemini) => vec!["n", "modalities", "service_tier"],
        _ => Vec::new(),
    };
    let budgets = matches!(deployment.dialect_for(Dialect::OpenAiChat), Some(Dialect::Anthropic | Dialect::Gemini));
    names.extend(Some("thinking").filter(|_| thinks && budgets));
    names
}

/// `GET /model_group/info`.
fn groups(app: &App, ask: &Ask<'_>) -> Response<AnswerBody> {
    let config = app.config();
    let offers = match ask.value("model_group") {
        Some(name) => Offer::find(app, &ask.caller.meant(&name)).into_iter().collect(),
        None => Offer::all(app),
    };
    let data: Vec<Value> = offers.iter().filter(|offer| ask.caller.may_use(&offer.names())).map(|offer| group(offer, &config)).collect();
    document(&json!({"data": data}))
}

/// The same of those models, which everyone may see.
pub(crate) fn public_groups(app: &App, names: &[String]) -> Vec<Value> {
    let config = app.config();
    names.iter().filter_map(|name| Offer::find(app, name)).map(|offer| group(&offer, &config)).collect()
}

/// What a group can do: the most that any of its deployments can.
fn group(offer: &Offer, config: &Config) -> Value {
    let cards = || offer.endpoints.iter().filter_map(|endpoint| endpoint.card.as_ref());
    let most = |of: fn(&ModelCard) -> Option<u64>| cards().filter_map(of).max();
    let dearest = |name: &str| {
        let prices = cards().flat_map(derive::listed_prices).filter(|(known, _)| known == name).map(|(_, usd)| number(&usd));
        prices.max_by(|a, b| a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal))
    };
    let limits = |of: fn(&Configured) -> Option<u64>| {
        let own = |endpoint: &crate::market::Endpoint| {
            config.deployments.iter().find(|known| known.model_info.id == endpoint.deployment.spec.id).and_then(of)
        };
        offer.endpoints.iter().filter_map(own).reduce(|sum, one| sum.saturating_add(one))
    };
    let mut providers: Vec<&str> = offer.endpoints.iter().map(|endpoint| endpoint.deployment.spec.provider.as_str()).collect();
    providers.sort_unstable();
    providers.dedup();
    let mut params: Vec<&str> = Vec::new();
    let deployments: Vec<&Arc<Deployment>> = offer.endpoints.iter().map(|endpoint| &endpoint.deployment).collect();
    for name in deployments.iter().flat_map(|deployment| openai_params(deployment)) {
        if !params.contains(&name) {
            params.push(name);
        }
    }
    let mut told = json!({
        "model_group": offer.id,
        "providers": providers,
        "max_input_tokens": most(|card| card.max_input_tokens),
        "max_output_tokens": most(|card| card.max_output_tokens),
        "input_cost_per_token": dearest("input_cost_per_token"),
        "output_cost_per_token": dearest("output_cost_per_token"),
        "mode": offer.top().mode,
        "tpm": limits(|configured| configured.limits.tpm),
        "rpm": limits(|configured| configured.limits.rpm),
        "supported_openai_params": params,
        "configurable_clientside_auth_params": null,
        "is_public_model_group": config.litellm.public_models.contains(&offer.id),
    });
    for ability in ABILITIES {
        told[format!("supports_{ability}")] = cards().any(|card| card.supports(ability) == Some(true)).into();
    }
    told
}
