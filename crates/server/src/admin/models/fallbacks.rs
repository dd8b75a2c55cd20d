//! `/fallback`: where calls of a model go when it fails.

use serde_json::{Value, json};

use super::settings::{self, Section};
use super::{Json, may_store};
use crate::admin::{Answer, Request};
use crate::refused::Refused;

/// The key of `router_settings` for that kind of failure.
fn key(kind: &str) -> Result<&'static str, Refused> {
    match kind {
        "general" => Ok("fallbacks"),
        "context_window" => Ok("context_window_fallbacks"),
        "content_policy" => Ok("content_policy_fallbacks"),
        _ => {
            let message = "Input should be 'general', 'context_window' or 'content_policy'";
            Err(Refused::invalid(vec![json!({"type": "literal_error", "loc": ["query", "fallback_type"], "msg": message, "input": kind})]))
        }
    }
}

fn missing(kind: &str, model: &str) -> Refused {
    Refused::detail(404, json!({"error": format!("No {kind} fallbacks configured for model '{model}'")}))
}

/// Every name that calls may use: groups, aliases, and what teams call their models.
fn names(request: &Request) -> Vec<String> {
    let (fleet, config) = (request.app.gateway.fleet(), request.app.config());
    let mut names: Vec<String> = config.deployments.iter().map(|deployment| deployment.model_name.clone()).collect();
    names.extend(fleet.names().into_iter().map(|(name, _)| name.to_owned()));
    let public = |deployment: &crate::config::resolved::Deployment| {
        deployment.model_info.written.get("team_public_model_name").and_then(Value::as_str).map(str::to_owned)
    };
    names.extend(config.deployments.iter().filter_map(public));
    names.sort_unstable();
    names.dedup();
    names
}

/// `POST /fallback`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("FallbackCreateRequest")?;
    let model = form.owned("model").unwrap_or_default();
    let targets = form.texts("fallback_models").unwrap_or_default();
    let kind = form.owned("fallback_type").unwrap_or_else(|| "general".to_owned());
    let key = key(&kind)?;
    if targets.is_empty() || model.is_empty() {
        let message = "Value error, fallback_models must name at least one model";
        return Err(Refused::invalid(vec![
            json!({"type": "value_error", "loc": ["body", "fallback_models"], "msg": message, "input": []}),
        ]));
    }
    if (1..targets.len()).any(|at| targets[..at].contains(&targets[at])) {
        let message = "Value error, fallback_models must not contain duplicates";
        return Err(Refused::invalid(vec![
            json!({"type": "value_error", "loc": ["body", "fallback_models"], "msg": message, "input": targets}),
        ]));
    }
    let known = names(request);
    let is_known = |name: &String| known.contains(name) || request.app.gateway.fleet().find(name).is_some();
    if !is_known(&model) {
        let detail = json!({"error": format!("Model '{model}' not found in router"), "available_models": known});
        return Err(Refused::detail(404, detail));
    }
    let unknown: Vec<&String> = targets.iter().filter(|name| !is_known(name)).collect();
    if !unknown.is_empty() {
        let detail = json!({"error": format!("Invalid fallback models: {unknown:?}"), "available_models": known});
        return Err(Refused::detail(400, detail));
    }
    if targets.contains(&model) {
        return Err(Refused::detail(400, json!({"error": format!("Model '{model}' cannot be its own fallback")})));
    }
    may_store(request)?;
    let (name, list) = (model.clone(), targets.clone());
    let base = settings::in_file(request, Section::Router, key);
    let updated = settings::change(request, Section::Router, move |values| {
        let mut entries = entries(values.get(key).or(base.as_ref()));
        let present = entries.iter().position(|(model, _)| *model == name);
        let updated = present.is_some();
        match present {
            Some(at) => entries[at].1 = json!(list),
            None => entries.push((name, json!(list))),
        }
        values.insert(key.to_owned(), written(entries));
        Ok(updated)
    });
    let done = if updated.await? { "updated" } else { "created" };
    Ok(json!({
        "model": model,
        "fallback_models": targets,
        "fallback_type": kind,
        "message": format!("Fallback configuration {done} successfully"),
    }))
}

/// A list of maps as pairs.
fn entries(list: Option<&Value>) -> Vec<(String, Value)> {
    let maps = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    maps.flat_map(|map| map.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
}

fn written(entries: Vec<(String, Value)>) -> Value {
    entries.into_iter().map(|(name, value)| Value::Object(Json::from_iter([(name, value)]))).collect()
}

fn kind_of(request: &Request) -> String {
    request.value("fallback_type").unwrap_or("general").to_owned()
}

/// `GET /fallback/{model}`
pub(super) async fn info(request: &Request) -> Answer {
    let (model, kind) = (request.part(0).to_owned(), kind_of(request));
    key(&kind)?;
    let config = request.app.config();
    let list = match kind.as_str() {
        "context_window" => &config.router.context_window_fallbacks,
        "content_policy" => &config.router.content_policy_fallbacks,
        _ => &config.router.fallbacks,
    };
    let found = list.iter().find(|fallback| fallback.model == model).ok_or_else(|| missing(&kind, &model))?;
    let models: Vec<&str> = found.targets.iter().map(|target| target.model.as_str()).collect();
    Ok(json!({"model": model, "fallback_models": models, "fallback_type": kind}))
}

/// `DELETE /fallback/{model}`
pub(super) async fn delete(request: &Request) -> Answer {
    let (model, kind) = (request.part(0).to_owned(), kind_of(request));
    let key = key(&kind)?;
    may_store(request)?;
    let base = settings::in_file(request, Section::Router, key);
    let (name, of) = (model.clone(), kind.clone());
    settings::change(request, Section::Router, move |values| {
        let mut entries = entries(values.get(key).or(base.as_ref()));
        let count = entries.len();
        entries.retain(|(model, _)| *model != name);
        if entries.len() == count {
            return Err(missing(&of, &name));
        }
        values.insert(key.to_owned(), written(entries));
        Ok(())
    })
    .await?;
    Ok(json!({"model": model, "fallback_type": kind, "message": "Fallback configuration deleted successfully"}))
}
