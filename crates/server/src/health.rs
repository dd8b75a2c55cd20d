//! `GET /health`: asks deployments for a word, as LiteLLM's proxy does.

mod together;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::principal::Principal;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::{Dialect, Operation};

use crate::app::Acceptor;
use crate::app::unix_seconds;
use crate::config::Config;
use crate::models::document;

/// How long a deployment may take for its word.
const PATIENCE: Duration = Duration::from_secs(30);
/// Deployments asked at the same time.
const AT_ONCE: usize = 32;

/// Asks every deployment, or those of one model, for a word.
pub(crate) async fn check(acceptor: &Acceptor, wanted: Option<&str>) -> Response<AnswerBody> {
    let (fleet, config) = (acceptor.app.gateway.fleet(), acceptor.app.config());
    let is_wanted = |deployment: &&Arc<Deployment>| wanted.is_none_or(|name| deployment.spec.group == name || deployment.spec.id == name);
    let (mut questions, mut unchecked) = (Vec::new(), Vec::new());
    for deployment in fleet.deployments().filter(is_wanted) {
        match question(deployment, &config) {
            Some((operation, body)) => questions.push((deployment, operation, body)),
            None => unchecked.push(entry(deployment)),
        }
    }
    let asked = questions.into_iter().map(|(deployment, operation, body)| async move {
        let word = tokio::time::timeout(PATIENCE, word(acceptor, deployment, operation, body)).await;
        (deployment, word.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))))
    });
    let (mut healthy, mut unhealthy) = (Vec::new(), Vec::new());
    for (deployment, word) in together::all(asked, AT_ONCE).await {
        let mut entry = entry(deployment);
        match word {
            Ok(()) => healthy.push(entry),
            Err(why) => {
                entry["error"] = Value::from(why);
                unhealthy.push(entry);
            }
        }
    }
    let none_left = wanted.is_some() && healthy.is_empty();
    let mut value = json!({
        "healthy_count": healthy.len(),
        "unhealthy_count": unhealthy.len(),
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
    });
    if !unchecked.is_empty() {
        value["unchecked_endpoints"] = unchecked.into();
    }
    let mut response = document(&value);
    if none_left {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

fn entry(deployment: &Deployment) -> Value {
    json!({"model": format!("{}/{}", deployment.spec.provider, deployment.spec.model), "model_id": deployment.spec.id})
}

/// What to ask a deployment, by what it is for: by its configuration, else by its card, else whatever it serves. Images and speech
/// are not asked for, since each costs money, and patterns name no model; those stay unchecked.
fn question(deployment: &Deployment, config: &Config) -> Option<(Operation, Value)> {
    let configured = config.deployments.iter().find(|configured| configured.model_info.id == deployment.spec.id);
    let mode = configured.and_then(|configured| configured.model_info.mode.as_deref());
    let mode = mode.or_else(|| deployment.card.as_ref()?.mode.as_deref());
    let operation = match mode {
        Some("chat" | "completion" | "responses") => Operation::Chat,
        Some("embedding") => Operation::Embeddings,
        Some("rerank") => Operation::Rerank,
        Some("moderation") => Operation::Moderations,
        Some(_) => return None,
        None => [Operation::Chat, Operation::Embeddings, Operation::Rerank].into_iter().find(|operation| deployment.serves(*operation))?,
    };
    let body = match operation {
        Operation::Embeddings | Operation::Moderations => json!({"input": "ok"}),
        Operation::Rerank => json!({"query": "ok", "documents": ["ok"]}),
        _ => json!({"max_tokens": 16, "messages": [{"role": "user", "content": "Say ok."}]}),
    };
    deployment.serves(operation).then_some((operation, body))
}

/// A short question to one deployment.
async fn word(acceptor: &Acceptor, deployment: &Arc<Deployment>, operation: Operation, mut body: Value) -> Result<(), String> {
    body["model"] = deployment.spec.group.as_str().into();
    let body = Frames::from(body.to_string().into_bytes());
    let outline = Outline::scan(&body).map_err(|error| error.to_string())?;
    let shape = if operation == Operation::Rerank { "cohere" } else { "openai" };
    let call = Call {
        id: crate::id::mint(),
        door: Door { operation, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape, array: false },
        principal: Arc::new(Principal::named("health")),
        model: deployment.spec.group.clone(),
        model_in_path: false,
        stream: false,
        headers: HeaderMap::new(),
        body,
        content: Content::Json(outline),
        strict: false,
        received: std::time::Instant::now(),
        created: unix_seconds(),
    };
    let answer = acceptor.app.gateway.call_one(&call, &acceptor.worker, deployment.clone()).await;
    answer.map(drop).map_err(|error| error.problem.message.clone())
}
