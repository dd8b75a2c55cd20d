//! The models there are, in each client's form.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, request};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::catalog::ModelCard;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::error::Error;
use switchboard_engine::wire::problem::Problem;

use crate::app::App;

/// When models were "created": OpenAI's clients want a number, and LiteLLM gives this one.
const CREATED: u64 = 1_677_610_602;
const CREATED_DATE: &str = "2023-02-28T18:56:42Z";

/// A model that callers can name.
struct Listed {
    name: String,
    provider: String,
    card: Option<ModelCard>,
}

/// Everything callers can name: groups, aliases, and what patterns stand for.
fn listed(app: &App) -> Vec<Listed> {
    let fleet = app.gateway.fleet();
    let of =
        |name: String, deployment: &Deployment| Listed { name, provider: deployment.spec.provider.clone(), card: deployment.card.clone() };
    let mut list: Vec<Listed> = fleet.names().into_iter().map(|(name, deployment)| of(name.to_owned(), deployment)).collect();
    for (pattern, deployment) in fleet.patterns() {
        let (prefix, suffix) = pattern.split_once('*').unwrap_or((&pattern, ""));
        for card in app.catalog.models_of(&deployment.spec.provider) {
            // A bare `*` stands for the whole name, provider included.
            let stem = if prefix.is_empty() && suffix.is_empty() { format!("{}/", card.provider) } else { prefix.to_owned() };
            list.push(Listed {
                name: format!("{stem}{}{suffix}", card.model),
                provider: deployment.spec.provider.clone(),
                card: Some(card),
            });
        }
    }
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list.dedup_by(|a, b| a.name == b.name);
    list
}

/// `GET /v1/models`.
pub(crate) fn list(app: &App, parts: &request::Parts) -> Response<AnswerBody> {
    let list = listed(app);
    if parts.headers.contains_key("anthropic-version") {
        let data: Vec<Value> = list.iter().map(anthropic).collect();
        let id = |listed: Option<&Listed>| listed.map(|listed| listed.name.clone());
        return document(&json!({"data": data, "has_more": false, "first_id": id(list.first()), "last_id": id(list.last())}));
    }
    let data: Vec<Value> = list.iter().map(openai).collect();
    document(&json!({"data": data, "object": "list"}))
}

/// `GET /v1/models/{id}`.
pub(crate) fn one(app: &App, parts: &request::Parts, name: &str) -> Result<Response<AnswerBody>, Problem> {
    let found = find(app, name)?;
    Ok(document(&if parts.headers.contains_key("anthropic-version") { anthropic(&found) } else { openai(&found) }))
}

/// `GET /v1beta/models` and `GET /v1beta/models/{id}`.
pub(crate) fn gemini(app: &App, name: Option<&str>) -> Result<Response<AnswerBody>, Problem> {
    match name {
        Some(name) => Ok(document(&google(&find(app, name)?))),
        None => Ok(document(&json!({"models": listed(app).iter().map(google).collect::<Vec<_>>()}))),
    }
}

fn find(app: &App, name: &str) -> Result<Listed, Problem> {
    let plan = app.gateway.fleet().plan(name).map_err(|error| *error.problem)?;
    let first = plan.targets.first().ok_or_else(|| *Error::model_not_found(name).problem)?;
    Ok(Listed { name: name.to_owned(), provider: first.spec.provider.clone(), card: first.card.clone() })
}

fn openai(listed: &Listed) -> Value {
    let card = listed.card.as_ref();
    let mut value = json!({"id": listed.name, "object": "model", "created": CREATED, "owned_by": listed.provider});
    let facts = [
        ("mode", card.and_then(|card| card.mode.clone()).map(Value::from)),
        ("max_input_tokens", card.and_then(|card| card.max_input_tokens).map(Value::from)),
        ("max_output_tokens", card.and_then(|card| card.max_output_tokens).map(Value::from)),
    ];
    for (key, fact) in facts {
        if let Some(fact) = fact {
            value[key] = fact;
        }
    }
    value
}

fn anthropic(listed: &Listed) -> Value {
    let card = listed.card.as_ref();
    json!({
        "type": "model",
        "id": listed.name,
        "display_name": listed.name,
        "created_at": CREATED_DATE,
        "max_input_tokens": card.and_then(|card| card.max_input_tokens),
        "max_tokens": card.and_then(|card| card.max_output_tokens),
    })
}

fn google(listed: &Listed) -> Value {
    let card = listed.card.as_ref();
    let methods = match card.and_then(|card| card.mode.as_deref()) {
        Some("embedding") => json!(["embedContent", "batchEmbedContents"]),
        _ => json!(["generateContent", "streamGenerateContent", "countTokens"]),
    };
    let mut value = json!({"name": format!("models/{}", listed.name), "displayName": listed.name, "supportedGenerationMethods": methods});
    let limits = [
        ("inputTokenLimit", card.and_then(|card| card.max_input_tokens)),
        ("outputTokenLimit", card.and_then(|card| card.max_output_tokens)),
    ];
    for (key, limit) in limits {
        if let Some(limit) = limit {
            value[key] = limit.into();
        }
    }
    value
}

/// A JSON document as an answer.
pub(crate) fn document(value: &Value) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from(value.to_string()))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
