//! `/model/new`.

use serde_json::{Value, json};
use switchboard_store::object::{Model, Team};
use switchboard_store::{Desk, Time};

use super::brought::{self, Said};
use super::change::FIXED;
use super::{Json, in_file, may_store, row, rules, vault};
use crate::access::ALL;
use crate::admin::form::Form;
use crate::admin::{Answer, Request};
use crate::live::seal;
use crate::refused::Refused;

/// `POST /model/new`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("Deployment")?;
    let params = form.object("litellm_params").cloned().unwrap_or_default();
    let params: Json = params.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let team = form.object("model_info").and_then(|info| info.get("team_id")).and_then(Value::as_str).map(str::to_owned);
    let (caller, asked) = (request.caller.clone(), team.clone());
    request.read(move |desk| async move { rules::may_write(&desk, &caller, asked.as_deref()).await.map(|_| ()) }).await?;
    may_store(request)?;
    if form.flag("blocked").is_some() && !request.caller.is_admin() {
        return Err(Refused::new(403, "auth_error", json!("blocked"), "Only proxy admins can set a model's blocked flag."));
    }
    let mut info = form.object("model_info").cloned().unwrap_or_default();
    info.retain(|name, value| !value.is_null() && !FIXED.contains(&name.as_str()) && name != "team_id");
    let said = Said { sent: &params, news: &params, whole: &params, info: &info, brought: false };
    let is_brought = brought::may_say(&request.caller, &said)?;
    let model = Model { brought: Some(is_brought), ..made(request, &form)? };
    rules::can_be(&request.app, &model, &params, form.flag("force") == Some(true))?;
    let (vault, credentials) = (vault(request).await?, request.app.live.base().credentials.clone());
    let write = request.write(move |desk| async move {
        rules::credential(&desk, &credentials, params.get("litellm_credential_name"), None).await?;
        if desk.get::<Model>(&model.model_id).await?.is_some() {
            return Err(Refused::bad(format!("there is a model with the id `{}` already", model.model_id)));
        }
        let mut model = model;
        if let Some(team) = team {
            model = of_team(&desk, model, &team).await?;
        }
        let model = seal::put_model(&desk, &vault, model, params.clone()).await?;
        Ok((model, params))
    });
    let (model, params) = write.await?;
    request.app.live.renewed().await;
    Ok(row(&model, &params))
}

fn made(request: &Request, form: &Form) -> Result<Model, Refused> {
    let mut info: Json = form.object("model_info").cloned().unwrap_or_default();
    info.retain(|_, value| !value.is_null());
    let id = info.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map_or_else(crate::id::of_object, str::to_owned);
    if in_file(request, &id) {
        return Err(Refused::bad(format!("the configuration file has a model with the id `{id}`")));
    }
    info.insert("id".to_owned(), id.as_str().into());
    info.insert("db_model".to_owned(), true.into());
    let (now, actor) = (Some(Time::now()), Some(request.actor()));
    Ok(Model {
        model_id: id,
        model_name: form.owned("model_name").unwrap_or_default(),
        model_info: info,
        blocked: form.flag("blocked").unwrap_or(false),
        created_at: now,
        created_by: actor.clone(),
        updated_at: now,
        updated_by: actor,
        ..Model::default()
    })
}

/// A team's model has a name that nobody else has; the team calls it by its own.
pub(super) async fn of_team(desk: &Desk, mut model: Model, team: &str) -> Result<Model, Refused> {
    let public = std::mem::take(&mut model.model_name);
    let siblings: Vec<Model> = desk.of_team(team).await?;
    let shared = siblings.iter().find(|sibling| sibling.public_name() == Some(&public)).map(|sibling| sibling.model_name.clone());
    model.model_name = shared.unwrap_or_else(|| format!("model_name_{team}_{}", crate::id::of_object()));
    model.model_info.insert("team_id".to_owned(), team.into());
    model.model_info.insert("team_public_model_name".to_owned(), public.as_str().into());
    let Some(mut team) = desk.get::<Team>(team).await? else { return Ok(model) };
    if !team.models.contains(&public) {
        // A team without a list may use every model, which a list with this one alone would end.
        if team.models.is_empty() {
            team.models.push(ALL.to_owned());
        }
        team.models.push(public);
        team.updated_at = Some(Time::now());
        desk.put(&team).await?;
    }
    Ok(model)
}
