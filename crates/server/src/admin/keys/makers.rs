//! Who may make keys of teams and of their own, where the configuration says (`key_generation_settings`, `default_team_disabled`).

use serde_json::json;
use switchboard_store::object::{Role, Team};

use crate::admin::form::Form;
use crate::auth::Caller;
use crate::authz::object::Standing;
use crate::config::Config;
use crate::config::resolved::Makers;
use crate::refused::Refused;

/// Refuses a request for a key that does not say what keys of its kind must say. `form` is what was sent: what is filled in by default
/// was not said. Keys of teams that administrators make need say nothing.
pub(super) fn said(config: &Config, caller: &Caller, form: &Form) -> Result<(), Refused> {
    let making = &config.litellm.defaults.making;
    let params = match form.text("team_id") {
        Some(_) if caller.is_admin() => return Ok(()),
        Some(_) => &making.team.params,
        None => &making.personal.params,
    };
    match params.iter().find(|param| !form.sent(param)) {
        Some(param) => Err(refused(format!("Required param {param} not in data"))),
        None => Ok(()),
    }
}

/// Whether nothing is said of who may make keys of teams, and of which.
pub(super) fn anybody(config: &Config) -> bool {
    config.litellm.defaults.making.team == Makers::default() && !config.general.gates.keys_need_team
}

/// Refuses whoever may not make a key that is no team's.
pub(super) fn personal(config: &Config, caller: &Caller) -> Result<(), Refused> {
    let admins = || Makers { roles: Some(vec![Role::ProxyAdmin.as_str().to_owned()]), ..Makers::default() };
    let making = &config.litellm.defaults.making;
    let needs_team = config.general.gates.keys_need_team && making.personal.roles.is_none();
    let makers = if needs_team { admins() } else { making.personal.clone() };
    let (Some(roles), role) = (&makers.roles, caller.role.map_or("None", Role::as_str)) else { return Ok(()) };
    if roles.iter().any(|one| one == role) {
        return Ok(());
    }
    let listed = listed(roles);
    Err(refused(format!("Personal key creation has been restricted by admin. Allowed roles={listed}. Your role={role}")))
}

/// Refuses whoever may not make a key of a team, being what they are to it. Administrators of the gateway may.
pub(super) fn of_team(config: &Config, caller: &Caller, team: &Team, standing: Standing) -> Result<(), Refused> {
    let Some(roles) = &config.litellm.defaults.making.team.roles else { return Ok(()) };
    let member = caller.user.as_deref().and_then(|user| team.member(user)).map(|member| member.role.as_str());
    let role = member.unwrap_or(if standing == Standing::Admin { "admin" } else { "user" });
    if roles.iter().any(|one| one == role) {
        return Ok(());
    }
    Err(refused(format!("Team member role {role} not in allowed_team_member_roles={}", listed(roles))))
}

/// A list as Python shows one.
fn listed(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("'{text}'")).collect();
    format!("[{}]", quoted.join(", "))
}

fn refused(message: String) -> Refused {
    Refused::new(400, "internal_server_error", json!("None"), message)
}
