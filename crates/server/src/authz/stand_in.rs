//! Credentials of a team or a project for models of all (`enable_model_config_credential_overrides`).
//!
//! `metadata.model_config` says which named credential a call goes with: by the model's name or by `defaultconfig`, and there by the
//! provider. The project's word goes before the team's, that of a model before the default, and what a call brings along itself before
//! both. Such a call goes to the credential's place alone. A credential is shown to its own provider and to no other.

use std::sync::Arc;

use serde_json::Value;
use switchboard_engine::call::Call;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::sign::Secret;
use switchboard_store::object::Json;

use crate::app::App;
use crate::auth::Caller;
use crate::config::resolved::StandIn;
use crate::fleet::detour::{self, Place};
use crate::refused::Refused;

/// What holds for models that are not named.
const DEFAULT: &str = "defaultconfig";

/// The call on its way with the credential that its project or team names for the model. `asked` is how the caller called that.
pub(super) fn directed(mut call: Call, payer: &Caller, asked: &str, app: &App) -> Result<Call, Refused> {
    if payer.model_config.is_empty() || call.principal.detour.is_some() {
        return Ok(call);
    }
    let config = app.config();
    if !config.litellm.takes_stand_ins {
        return Ok(call);
    }
    let fleet = app.gateway.fleet();
    let Some((group, deployments)) = fleet.find(&call.model) else { return Ok(call) };
    let names = [call.model.as_str(), asked, &*group];
    let chosen = deployments.iter().find_map(|one| Some((one, named(&payer.model_config, &names, one)?)));
    let Some((found, name)) = chosen else { return Ok(call) };
    let Some(StandIn { key, base, version }) = config.stand_ins.get(name) else {
        tracing::warn!(credential = name, "`model_config` names a credential that is not there or has no `api_key`; it has no effect");
        return Ok(call);
    };
    let place = Place { key: Some(Secret::from(key.expose())), base: base.clone(), version: version.clone(), ..Place::of_operator() };
    let made = detour::of(found, &place, &app.catalog(), &config);
    let made = made.map_err(|why| {
        tracing::warn!(credential = name, %why, "a credential that `model_config` names cannot be used");
        Refused::new(503, "credential_unusable", Value::Null, "the credential of your team or project for this model cannot be used")
    })?;
    Arc::make_mut(&mut call.principal).detour = Some(Arc::new(made));
    Ok(call)
}

/// The credential for that deployment of a model of those names.
fn named<'a>(said: &'a [Json], names: &[&str], deployment: &Deployment) -> Option<&'a str> {
    let of_provider = |entry: &'a Value| {
        let mut fitting = entry.as_object()?.iter().filter(|(provider, _)| deployment.facts.is_named(provider));
        fitting.find_map(|(_, own)| own.get("litellm_credentials")?.as_str())
    };
    said.iter().find_map(|own| names.iter().chain([&DEFAULT]).find_map(|name| of_provider(own.get(*name)?)))
}
