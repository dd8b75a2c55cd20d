//! `/model/update` and `PATCH /model/{id}/update`.

use serde_json::{Value, json};
use switchboard_store::object::Model;
use switchboard_store::vault::Vault;
use switchboard_store::{Desk, Time};

use super::brought::{self, Said, is_price};
use super::{Json, in_file, may_store, rename, row, rules, vault};
use crate::admin::form::Form;
use crate::admin::{Answer, Request};
use crate::live;
use crate::live::seal;
use crate::refused::Refused;

/// How a request changes what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// What is sent replaces what is there; null leaves it.
    Merge,
    /// The same, and null removes.
    Patch,
}

/// `POST /model/update`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("UpdateDeployment")?;
    let info = form.object("model_info");
    // LiteLLM's own client names it beside the facts.
    let id = info.and_then(|info| info.get("id")).and_then(Value::as_str).or(form.text("id")).map(str::to_owned);
    let Some(id) = id else {
        let what = if info.is_some() { "model_info.id" } else { "model_info" };
        return Err(Refused::new(400, "auth_error", json!("None"), format!("Authentication Error, {what} not provided")));
    };
    if !form.sent("litellm_params") {
        return Err(Refused::new(400, "auth_error", json!("None"), "Authentication Error, litellm_params not provided"));
    }
    may_store(request)?;
    let in_file = in_file(request, &id);
    let missing = move |_: &str| match in_file {
        true => {
            let message = "{'error': \"Can't edit model. Model in config. Store model in db via `/model/new`. to edit.\"}";
            Refused::new(400, "auth_error", json!("None"), message)
        }
        false => Refused::new(400, "auth_error", json!("None"), "Authentication Error, model not found"),
    };
    apply(request, form, id, Way::Merge, missing).await
}

/// `PATCH /model/{model_id}/update`
pub(super) async fn patch(request: &Request) -> Answer {
    let form = request.form("UpdateDeployment")?;
    let id = request.part(0).to_owned();
    may_store(request)?;
    let in_file = in_file(request, &id);
    let missing = move |id: &str| match in_file {
        true => {
            let message = "Cannot edit config-based model. Store model in DB via /model/new first.";
            Refused::new(400, "validation_error", Value::Null, message)
        }
        false => Refused::new(404, "not_found_error", Value::Null, format!("Model {id} not found on proxy.")),
    };
    apply(request, form, id, Way::Patch, missing).await
}

async fn apply(request: &Request, form: Form, id: String, way: Way, missing: impl Fn(&str) -> Refused + Send + Sync + 'static) -> Answer {
    let (caller, app, vault) = (request.caller.clone(), request.app.clone(), vault(request).await?);
    let base = request.app.live.base();
    let write = request.write(move |desk| async move {
        let present: Model = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        rules::may_write(&desk, &caller, present.team()).await?;
        if form.sent("blocked") && !caller.is_admin() {
            return Err(Refused::new(403, "auth_error", json!("blocked"), "Only proxy admins can change a model's blocked flag."));
        }
        let sent = form.object("litellm_params").cloned().unwrap_or_default();
        let before = seal::params(&desk, Some(&vault), &present).await?;
        detaching(&caller, &sent, &before, way)?;
        rules::credential(&desk, &base.credentials, sent.get("litellm_credential_name"), text(&before, "litellm_credential_name")).await?;
        let params = merged(&before, &sent, way);
        let news: Json =
            sent.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(a, b)| (a.clone(), b.clone())).collect();
        let info = about(&form, &present);
        let said = Said { sent: &sent, news: &news, whole: &params, info: &info, brought: live::is_brought(&desk, &present).await? };
        let is_brought = brought::may_say(&caller, &said)?;
        let mut model = renamed(&desk, &form, &present, &base).await?;
        facts(&mut model, &form, &sent, way, caller.is_admin());
        (model.blocked, model.brought) = (form.flag("blocked").unwrap_or(model.blocked), Some(is_brought));
        (model.updated_at, model.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
        rules::can_be(&app, &model, &params, form.flag("force") == Some(true))?;
        let model = stored(&desk, &vault, model, params.clone()).await?;
        Ok((model, params))
    });
    let (model, params) = write.await?;
    request.app.live.renewed().await;
    Ok(row(&model, &params))
}

async fn stored(desk: &Desk, vault: &Vault, model: Model, params: Json) -> Result<Model, Refused> {
    Ok(seal::put_model(desk, vault, model, params).await?)
}

fn text<'a>(map: &'a Json, name: &str) -> Option<&'a str> {
    map.get(name)?.as_str()
}

/// A credential that an administrator attached is for an administrator to detach.
fn detaching(caller: &crate::auth::Caller, sent: &Json, before: &Json, way: Way) -> Result<(), Refused> {
    const NAME: &str = "litellm_credential_name";
    let detaches = way == Way::Patch && sent.get(NAME).is_some_and(Value::is_null) && before.contains_key(NAME);
    if caller.is_admin() || !detaches {
        return Ok(());
    }
    let role = caller.role.map_or("None", switchboard_store::object::Role::as_str);
    let message = format!("Only a proxy admin can detach a stored credential (litellm_credential_name) on a model. Your role={role}.");
    Err(Refused::new(403, "auth_error", json!(NAME), message))
}

/// What the parameters become. A patch that names the model sends all of them anew, but for secrets and how the model is reached.
fn merged(before: &Json, sent: &Json, way: Way) -> Json {
    let whole = way == Way::Patch && sent.get("model").is_some_and(|model| !model.is_null()) && sent.len() > 1;
    let mut params: Json = match whole {
        true => before.iter().filter(|(name, value)| rules::stays(name, value)).map(|(a, b)| (a.clone(), b.clone())).collect(),
        false => before.clone(),
    };
    for (name, value) in sent {
        match (value.is_null(), way) {
            (true, Way::Merge) => {}
            (true, Way::Patch) => {
                params.remove(name);
            }
            // A masked secret that comes back is the secret.
            (false, _) if before.get(name).is_some_and(|old| seal::is_secret(name, old) && seal::masked(old) == *value) => {}
            (false, _) => {
                params.insert(name.clone(), value.clone());
            }
        }
    }
    params
}

/// Facts that no request changes.
pub(super) const FIXED: [&str; 8] =
    ["id", "db_model", "created_at", "created_by", "updated_at", "updated_by", "blocked", "team_public_model_name"];

/// What a request says anew about a model.
fn about(form: &Form, present: &Model) -> Json {
    let is_new = |name: &str, value: &Value| present.model_info.get(name).unwrap_or(&Value::Null) != value;
    let said = form.object("model_info").into_iter().flatten();
    let news = said.filter(|(name, value)| !FIXED.contains(&name.as_str()) && *name != "team_id" && is_new(name, value));
    news.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What is known of the model: an administrator may change whose it is, nobody its id.
fn facts(model: &mut Model, form: &Form, sent: &Json, way: Way, admin: bool) {
    for (name, value) in form.object("model_info").into_iter().flatten() {
        if FIXED.contains(&name.as_str()) || name == "team_id" && (!admin || model.team().is_some()) {
            continue;
        }
        match value.is_null() {
            true if way == Way::Patch => {
                model.model_info.remove(name);
            }
            true => {}
            false => {
                model.model_info.insert(name.clone(), value.clone());
            }
        }
    }
    if way == Way::Patch {
        for (name, _) in sent.iter().filter(|(name, value)| value.is_null() && (is_price(name) || name.starts_with("max_"))) {
            model.model_info.remove(name);
        }
    }
}

/// The model under the name that was sent, if it is another.
async fn renamed(desk: &Desk, form: &Form, present: &Model, base: &crate::config::Config) -> Result<Model, Refused> {
    let mut model = present.clone();
    let Some(name) = form.text("model_name").filter(|name| !name.is_empty() && *name != present.model_name) else { return Ok(model) };
    match present.team() {
        None => {
            model.model_name = name.to_owned();
            rename::everywhere(desk, base, &present.model_name, name, &present.model_id).await?;
        }
        // The name that a list shows for it is no new one.
        Some(team) if name.starts_with(&format!("model_name_{team}_")) || present.public_name() == Some(name) => {}
        Some(team) => {
            let team = team.to_owned();
            let old = present.public_name().unwrap_or_default().to_owned();
            model.model_name = name.to_owned();
            model = super::new::of_team(desk, model, &team).await?;
            rename::in_team(desk, &team, &old, name, &present.model_id).await?;
        }
    }
    Ok(model)
}
