//! Who may write which model, and what may stand in it.

use serde_json::{Value, json};
use switchboard_engine::catalog::Prices;
use switchboard_store::object::{Credential, Model, Team};
use switchboard_store::{Desk, Time};

use super::Json;
use crate::app::App;
use crate::auth::Caller;
use crate::authz::object::{self, Standing};
use crate::books::absurd;
use crate::config::resolved::Deployment;
use crate::config::{Config, Laid, REFERENCE, may_name};
use crate::fleet;
use crate::live::seal;
use crate::refused::Refused;

fn refused(status: u16, message: &str) -> Refused {
    let quoted = if message.contains('\'') { format!("\"{message}\"") } else { format!("'{message}'") };
    Refused::new(status, "auth_error", json!("None"), format!("{{'error': {quoted}}}"))
}

/// Whether the caller may write a model of that team, or of everybody's.
pub(in crate::admin) async fn may_write(desk: &Desk, caller: &Caller, team: Option<&str>) -> Result<Option<Team>, Refused> {
    let role = caller.role.map_or("None", switchboard_store::object::Role::as_str);
    let not_allowed = || {
        refused(
            403,
            &format!(
                "User does not have permission to make this model call. Your role={role}. You can only make model calls if you are a \
                 PROXY_ADMIN or if you are a team admin, by specifying a team_id in the model_info."
            ),
        )
    };
    let Some(id) = team else { return if caller.is_admin() { Ok(None) } else { Err(not_allowed()) } };
    match desk.get::<Team>(id).await? {
        Some(team) if object::of_team(desk, caller, &team).await? == Standing::Admin => Ok(Some(team)),
        None if caller.is_admin() => Err(refused(400, &format!("Team id={id} does not exist in db"))),
        Some(_) | None => Err(not_allowed()),
    }
}

/// The variables that parameters name; what opens the gateway itself is named by none.
pub(super) fn named(params: &Json) -> Result<Vec<String>, Refused> {
    let mut names = Vec::new();
    references(&Value::Object(params.clone()), &mut names);
    match names.iter().find(|name| !may_name(name)) {
        Some(own) => Err(Refused::bad(format!("`{REFERENCE}{own}` is the gateway's own; a model may not name it"))),
        None => Ok(names),
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(text.strip_prefix(REFERENCE).map(|name| name.trim().to_owned())),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(map) => map.values().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Refuses a credential's name that stands for none.
pub(super) async fn credential(desk: &Desk, request_names: &[String], sent: Option<&Value>, present: Option<&str>) -> Result<(), Refused> {
    let Some(name) = sent.and_then(Value::as_str) else { return Ok(()) };
    let invalid = |message: String| Err(Refused::new(400, "validation_error", json!("litellm_credential_name"), message));
    if name.is_empty() {
        return invalid(
            "litellm_credential_name cannot be an empty string. Send null to detach the stored credential or omit the field to leave it \
             unchanged."
                .to_owned(),
        );
    }
    if present == Some(name) || request_names.iter().any(|known| known == name) || desk.get::<Credential>(name).await?.is_some() {
        return Ok(());
    }
    invalid(format!("Credential '{name}' not found. Create it via /credentials before attaching it to a model."))
}

/// Refuses what could be no deployment, in the words of the configuration, and prices whose unit is taken for a mistake unless `forced`.
pub(super) fn can_be(app: &App, model: &Model, params: &Json, forced: bool) -> Result<(), Refused> {
    let mut entry = Json::new();
    entry.insert("model_name".to_owned(), model.model_name.clone().into());
    entry.insert("litellm_params".to_owned(), Value::Object(params.clone()));
    entry.insert("model_info".to_owned(), Value::Object(model.model_info.clone()));
    // What it refers to may come later.
    let refers = params.contains_key("litellm_credential_name") || !named(params)?.is_empty();
    if let Some(why) = Config::wrong_with_model(entry.clone()) {
        return Err(Refused::bad(why));
    }
    let brought = model.brought == Some(true);
    let ids = brought.then(|| model.model_id.clone()).into_iter().collect();
    let (config, wrong) = app.live.base().with(&Laid { models: vec![entry], brought: ids, ..Laid::default() });
    let made = config.deployments.iter().find(|one| one.model_info.id == model.model_id);
    let why = match made {
        _ if refers => None,
        Some(made) => fleet::wrong_with(made, &config, &app.catalog()),
        None => Some(wrong.errors().next().map_or_else(|| "the model could be no deployment".to_owned(), |one| one.message.clone())),
    };
    match why {
        None if forced => Ok(()),
        None => made.map_or(Ok(()), |made| is_plausible(app, made)),
        Some(why) => Err(Refused::bad(why)),
    }
}

/// Refuses prices that are far above those in force, unless it has them already.
fn is_plausible(app: &App, made: &Deployment) -> Result<(), Refused> {
    let (catalog, named, tariffs) = (app.catalog(), absurd::named(made), app.books.prices.tariffs());
    let has = |one: &Deployment| one.model_info.id == made.model_info.id && one.model == made.model && absurd::named(one) == named;
    if named.is_empty() || app.config().deployments.iter().any(has) {
        return Ok(());
    }
    let Some((provider, model, card)) = fleet::listed(made, &catalog) else { return Ok(()) };
    let now = Time::now().0;
    let mut known = absurd::in_force(&app.gateway.fleet(), tariffs, now, |spec| (&spec.provider, &spec.model) == (&provider, &model));
    known.extend(tariffs.table().of((&provider, &model, ""), card.as_ref(), now).prices().map(|list| Prices::clone(&list)));
    absurd::refuse(&named, &known, &catalog)
}

/// Parameters that say how a model is reached. A request that sends the rest anew leaves these, unless it says otherwise.
pub(super) fn stays(name: &str, value: &Value) -> bool {
    const REACH: [&str; 12] = [
        "model",
        "api_base",
        "base_url",
        "api_version",
        "custom_llm_provider",
        "litellm_credential_name",
        "organization",
        "region_name",
        "project_id",
        "tenant_id",
        "client_id",
        "mock_response",
    ];
    seal::is_secret(name, value)
        || REACH.contains(&name)
        || ["aws_", "vertex_", "azure_", "watsonx_", "oci_"].iter().any(|own| name.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_own_variables_are_named_by_no_model() {
        for (name, may) in
            [("OPENAI_API_KEY", true), ("SWITCHBOARD_SEALING_KEY", false), ("DATABASE_URL", false), ("LITELLM_SALT_KEY", false)]
        {
            assert_eq!(may_name(name), may, "{name}");
        }
    }
}
