//! `/config/pass_through_endpoint`: routes that lead somewhere else, made while the gateway runs.
//!
//! They stand in `general_settings.pass_through_endpoints` beside those of the file, which the API shows and does not change.

use serde_json::{Value, json};
use switchboard_engine::upstream::Origin;
use switchboard_store::object::Team;

use super::settings::{self, Section};
use super::{Json, may_store};
use crate::admin::form::Form;
use crate::admin::{Answer, Request};
use crate::auth::resolve;
use crate::live::seal;
use crate::refused::Refused;
use crate::{access, passing};

const KEY: &str = "pass_through_endpoints";

/// The fields of an endpoint, each with what it is unless said.
fn defaults() -> Json {
    let all = json!({
        "id": null, "path": null, "target": null, "headers": {}, "default_query_params": {}, "include_subpath": false,
        "cost_per_request": 0.0, "timeout": null, "auth": true, "guardrails": null, "methods": null, "display_name": null,
        "show_in_model_hub": false, "forward_headers": false,
    });
    all.as_object().cloned().unwrap_or_default()
}

/// As it is told: credentials masked.
fn told(stored: &Json, is_from_config: bool) -> Value {
    let mut told = defaults();
    told.extend(stored.clone());
    if let Some(Value::Object(headers)) = told.get_mut("headers") {
        for (name, value) in headers.iter_mut() {
            // A reference says where the value is, not what it is.
            let refers = value.as_str().is_some_and(|text| !is_from_config && text.contains(crate::config::REFERENCE));
            if !refers && (is_from_config || seal::is_secret(name, value)) {
                *value = seal::masked(value);
            }
        }
    }
    told.insert("is_from_config".to_owned(), is_from_config.into());
    Value::Object(told)
}

/// Those that were made over the API, with their credentials.
async fn stored(request: &Request) -> Result<Vec<Json>, Refused> {
    Ok(entries(settings::set(request, Section::General).await?.get(KEY)))
}

fn entries(value: Option<&Value>) -> Vec<Json> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).cloned().collect()
}

fn is_called(endpoint: &Json, id: &str) -> bool {
    endpoint.get("id").and_then(Value::as_str) == Some(id)
}

fn all(list: Vec<Value>) -> Answer {
    Ok(json!({"endpoints": list}))
}

/// `GET /config/pass_through_endpoint`
pub(super) async fn list(request: &Request) -> Answer {
    if let Some(team) = request.value("team_id").filter(|id| !id.is_empty()) {
        return for_team(request, team.to_owned()).await;
    }
    every(request).await
}

async fn every(request: &Request) -> Answer {
    let stored = stored(request).await?;
    if let Some(id) = request.value("endpoint_id") {
        return all(stored.iter().filter(|one| is_called(one, id)).map(|one| told(one, false)).collect());
    }
    let config = request.app.config();
    let hidden = |path: &str| stored.iter().any(|one| one.get("path").and_then(Value::as_str) == Some(path));
    let of_file = config.general.pass_through.iter().filter(|one| !one.is_stored && !hidden(&one.path));
    let of_file = of_file.map(|one| {
        let mut written = one.written.clone();
        written.insert("id".to_owned(), one.id.clone().into());
        told(&written, true)
    });
    all(of_file.chain(stored.iter().map(|one| told(one, false))).collect())
}

/// `GET /config/pass_through_endpoint/team/{team_id}`: those that the team's keys may use.
pub(super) async fn of_team(request: &Request) -> Answer {
    for_team(request, request.part(0).to_owned()).await
}

async fn for_team(request: &Request, id: String) -> Answer {
    let unknown = format!("Team not found, passed team_id={id}");
    let read = request.read(move |desk| async move { Ok::<_, Refused>(desk.get::<Team>(&id).await?) });
    let team = read.await?.ok_or_else(|| Refused::missing(unknown))?;
    let said = |name: &str| access::texts(resolve::metadata(&team.metadata, name));
    let (listed, closed) = (said("allowed_passthrough_routes"), said("denied_passthrough_routes"));
    let is_open = |path: &str| (listed.is_empty() || listed.iter().any(|one| one == path)) && passing::closed(&closed, path).is_none();
    let mut answer = every(request).await?;
    if let Some(endpoints) = answer["endpoints"].as_array_mut() {
        endpoints.retain(|one| one["auth"] == false || one["path"].as_str().is_some_and(is_open));
    }
    Ok(answer)
}

/// Refuses what leads nowhere.
fn leads_somewhere(form: &Form) -> Result<(), Refused> {
    let target = form.text("target").unwrap_or_default();
    let path = form.text("path").unwrap_or_default();
    if Origin::of(target).is_err() {
        return Err(Refused::bad(format!("`{target}` is no `http` or `https` URL without user and password")));
    }
    match path.starts_with('/') && path.trim_end_matches('/').len() > 1 {
        true => Ok(()),
        false => Err(Refused::bad(format!("`{path}` is no path that begins with a slash and goes on"))),
    }
}

fn named(headers: &Json) -> Result<(), Refused> {
    let variables = headers.values().filter_map(Value::as_str).filter_map(|text| text.split_once(crate::config::REFERENCE));
    match variables.map(|(_, name)| name.trim()).find(|name| !crate::config::may_name(name)) {
        Some(own) => Err(Refused::bad(format!("`{own}` is the gateway's own; an endpoint may not name it"))),
        None => Ok(()),
    }
}

fn sent(form: &Form) -> Result<Json, Refused> {
    leads_somewhere(form)?;
    let known = defaults();
    let sent: Json =
        form.fields.iter().filter(|(name, _)| known.contains_key(*name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(headers) = form.object("headers") {
        named(headers)?;
    }
    Ok(sent)
}

/// Changes the list and waits until it is in force.
async fn change<T: Send + 'static>(
    request: &Request,
    change: impl FnOnce(&mut Vec<Json>) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    may_store(request)?;
    settings::change(request, Section::General, move |values| {
        let mut list = entries(values.get(KEY));
        let done = change(&mut list)?;
        match list.is_empty() {
            true => values.remove(KEY),
            false => values.insert(KEY.to_owned(), list.into_iter().map(Value::Object).collect()),
        };
        Ok(done)
    })
    .await
}

/// `POST /config/pass_through_endpoint`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("PassThroughGenericEndpoint")?;
    let mut made = defaults();
    made.extend(sent(&form)?);
    if form.text("id").is_none() {
        made.insert("id".to_owned(), crate::id::of_object().into());
    }
    let kept = made.clone();
    change(request, move |list| {
        if kept.get("id").and_then(Value::as_str).is_some_and(|id| list.iter().any(|one| is_called(one, id))) {
            return Err(Refused::bad("there is an endpoint with that id already"));
        }
        list.push(kept);
        Ok(())
    })
    .await?;
    all(vec![told(&made, false)])
}

/// `POST /config/pass_through_endpoint/{endpoint_id}`: what is sent replaces what was there, and null leaves it.
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("PassThroughGenericEndpoint")?;
    let mut sent = sent(&form)?;
    sent.retain(|_, value| !value.is_null());
    let id = request.part(0).to_owned();
    let changed = change(request, move |list| {
        if list.is_empty() {
            return Err(Refused::detail(404, json!({"error": "No pass-through endpoints found"})));
        }
        let missing = || Refused::detail(404, json!({"error": format!("Endpoint with ID '{id}' not found")}));
        let endpoint = list.iter_mut().find(|one| is_called(one, &id)).ok_or_else(missing)?;
        keep_masked(endpoint, &mut sent);
        endpoint.extend(sent);
        Ok(endpoint.clone())
    });
    all(vec![told(&changed.await?, false)])
}

/// A credential that is sent back as it was shown stays what it is.
fn keep_masked(endpoint: &Json, sent: &mut Json) {
    let (Some(Value::Object(present)), Some(Value::Object(headers))) = (endpoint.get("headers"), sent.get_mut("headers")) else { return };
    for (name, value) in headers.iter_mut() {
        if let Some(kept) = present.get(name).filter(|kept| seal::masked(kept) == *value) {
            *value = kept.clone();
        }
    }
}

/// `DELETE /config/pass_through_endpoint`
pub(super) async fn delete(request: &Request) -> Answer {
    let id = request.required("endpoint_id")?.to_owned();
    let gone = change(request, move |list| {
        if list.is_empty() {
            return Err(Refused::detail(400, json!({"error": "There are no pass-through endpoints setup."})));
        }
        let missing =
            || Refused::detail(400, json!({"error": format!("Endpoint with ID '{id}' was not found in pass-through endpoint list.")}));
        let at = list.iter().position(|one| is_called(one, &id)).ok_or_else(missing)?;
        Ok(list.remove(at))
    });
    all(vec![told(&gone.await?, false)])
}
