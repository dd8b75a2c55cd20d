//! `GET /health`: asks deployments for a word, as LiteLLM's proxy does.

use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::call::{Call, Content, Door, Principal};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::{Dialect, Operation};

use crate::accept::Acceptor;
use crate::app::unix_seconds;
use crate::models::document;

/// Asks every deployment that chats, or those of one model, for a word.
pub(crate) async fn check(acceptor: &Acceptor, wanted: Option<&str>) -> Response<AnswerBody> {
    let fleet = acceptor.app.gateway.fleet();
    let (mut healthy, mut unhealthy) = (Vec::new(), Vec::new());
    let asked =
        fleet.deployments().filter(|deployment| wanted.is_none_or(|name| deployment.spec.group == name || deployment.spec.id == name));
    for deployment in asked.filter(|deployment| deployment.serves(Operation::Chat)) {
        let mut entry = json!({"model": format!("{}/{}", deployment.spec.provider, deployment.spec.model), "model_id": deployment.spec.id});
        match word(acceptor, deployment).await {
            Ok(()) => healthy.push(entry),
            Err(why) => {
                entry["error"] = Value::from(why);
                unhealthy.push(entry);
            }
        }
    }
    let none_left = wanted.is_some() && healthy.is_empty();
    let mut response = document(&json!({
        "healthy_count": healthy.len(),
        "unhealthy_count": unhealthy.len(),
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
    }));
    if none_left {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// A short question to one deployment.
async fn word(acceptor: &Acceptor, deployment: &std::sync::Arc<Deployment>) -> Result<(), String> {
    let body = json!({"model": deployment.spec.group, "max_tokens": 16, "messages": [{"role": "user", "content": "Say ok."}]});
    let body = Frames::from(body.to_string().into_bytes());
    let outline = Outline::scan(&body).map_err(|error| error.to_string())?;
    let call = Call {
        id: crate::id::mint(),
        door: Door { operation: Operation::Chat, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false },
        principal: Principal { key: "health".to_owned() },
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
    acceptor
        .app
        .gateway
        .call_one(&call, &acceptor.worker, deployment.clone())
        .await
        .map(drop)
        .map_err(|error| error.problem.message.clone())
}
