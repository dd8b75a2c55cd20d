//! What administrators of teams may change, who administer nothing else: what the configuration lets them
//! (`team_admin_editable_team_fields`), and what their team is called.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use switchboard_store::object::{Json, Key, Team};
use switchboard_store::{Desk, StoreError};

use crate::admin::Request;
use crate::admin::form::Form;
use crate::admin::rows::{self, IN_METADATA};
use crate::auth::Caller;
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// Their permission to make and change projects.
const PROJECTS: &str = "projects";
/// Their permission to set budgets of members' keys.
const MEMBER_KEY_BUDGETS: &str = "member_key_budgets";
/// Fields of a team that they may be let change.
const FIELDS: [&str; 3] = ["max_budget", "tpm_limit", "rpm_limit"];
/// Fields of a key that are its budget.
const BUDGET: [&str; 4] = ["max_budget", "budget_duration", "soft_budget", "budget_limits"];
/// What follows from other fields, or from the change itself.
const DERIVED: [&str; 14] = [
    "metadata",
    "token",
    "verifier",
    "key_name",
    "account",
    "rotation_count",
    "last_rotation_at",
    "updated_at",
    "updated_by",
    "settings_updated_at",
    "budget_reset_at",
    "budget_since",
    "key_rotation_at",
    // The members' budget is the gateway's own entry.
    "team_member_budget_id",
];

/// What the configuration lets administrators of teams do.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Permitted(Vec<String>);

impl Permitted {
    /// As it is now.
    pub(in crate::admin) fn now(request: &Request) -> Self {
        Self(request.app.config().general.gates.team_admins.clone())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|one| one == name)
    }

    /// The fields of a team that they may change.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        FIELDS.into_iter().filter(|name| self.has(name)).collect()
    }

    /// Refuses a change of a team that is not theirs to make.
    pub(super) fn change(&self, (present, changed): (&Team, &Team), form: &Form) -> Result<(), Refused> {
        let (before, after) = (rows::columns(present), rows::columns(changed));
        let mut fields = differing(&before, &after);
        // What every member gets stands elsewhere.
        fields.extend(form.fields.keys().filter(|name| name.starts_with("team_member_") && !after.contains_key(*name)).cloned());
        let may = |name: &String| name == "team_alias" || FIELDS.contains(&name.as_str()) && self.has(name);
        match fields.iter().find(|name| !may(name)) {
            None => Ok(()),
            Some(_) if !FIELDS.iter().any(|name| self.has(name)) => Err(said(
                "Team admins on this proxy cannot edit team settings. Ask a proxy admin to enable fields under Settings > UI > Team admin \
                 editable fields.",
            )),
            Some(name) => Err(said(&format!(
                "Team admins on this proxy do not have permission to update '{name}'. Ask a proxy admin to add it under Settings > UI > \
                 Team admin editable fields."
            ))),
        }
    }

    /// Refuses a change of a key of somebody else's in a team that the caller administers, but of its budget, where they are let.
    pub(in crate::admin) async fn key(
        &self,
        desk: &Desk,
        caller: &Caller,
        (present, changed): (&Key, &Key),
        form: &Form,
    ) -> Result<(), Refused> {
        let (Some(team), Some(user)) = (&present.team_id, &present.user_id) else { return Ok(()) };
        let Some(team) = desk.get::<Team>(team).await?.filter(|_| caller.user.as_ref() != Some(user)) else { return Ok(()) };
        if !only_of_team(desk, caller, &team).await? || object::of_team(desk, caller, &team).await? != Standing::Admin {
            return Ok(());
        }
        let mut fields = differing(&rows::columns(present), &rows::columns(changed));
        fields.extend(form.sent("duration").then(|| "duration".to_owned()));
        if fields.is_empty() {
            return Ok(());
        }
        if !self.has(MEMBER_KEY_BUDGETS) {
            return Err(said(
                "Team admins on this proxy cannot update budgets on other members' keys. Ask a proxy admin to enable \
                 'member_key_budgets' under Settings > UI > Team admin editable fields.",
            ));
        }
        match fields.iter().find(|name| !BUDGET.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(said(&format!(
                "Team admins on this proxy may only update budget fields on other members' keys, not '{name}'. Ask a proxy admin to add \
                 it under Settings > UI > Team admin editable fields."
            ))),
        }
    }

    /// Whether the caller may make and change projects of a team that it administers.
    pub(in crate::admin) async fn projects(&self, desk: &Desk, caller: &Caller, team: &Team) -> Result<bool, StoreError> {
        Ok(self.has(PROJECTS) || !only_of_team(desk, caller, team).await?)
    }
}

/// Whether the caller administers neither the gateway nor the team's organization.
pub(super) async fn only_of_team(desk: &Desk, caller: &Caller, team: &Team) -> Result<bool, StoreError> {
    if caller.is_admin() {
        return Ok(false);
    }
    match &team.organization_id {
        Some(id) => Ok(!object::administers_organization(desk, caller, id).await?),
        None => Ok(true),
    }
}

/// Whether the caller administers the gateway, or that very team.
pub(in crate::admin) fn leads(caller: &Caller, team: &Team) -> bool {
    let member = caller.user.as_deref().and_then(|user| team.member(user));
    caller.is_admin() || member.is_some_and(|member| member.role == "admin")
}

fn said(message: &str) -> Refused {
    Refused::detail(403, json!(message))
}

/// The names of what differs; what stands in the metadata and is a field of requests goes by its own name.
pub(in crate::admin) fn differing(before: &Json, after: &Json) -> BTreeSet<String> {
    let none = Json::new();
    let metadata = |row: &Json| row.get("metadata").and_then(Value::as_object).cloned().unwrap_or_else(|| none.clone());
    let (inner_before, inner_after) = (metadata(before), metadata(after));
    let unlike = |name: &String, [a, b]: [&Json; 2]| {
        let said = |row: &Json| row.get(name).filter(|value| !value.is_null()).cloned();
        !DERIVED.contains(&name.as_str()) && said(a) != said(b)
    };
    let columns = before.keys().chain(after.keys()).filter(|name| unlike(name, [before, after])).cloned();
    let inner = inner_before.keys().chain(inner_after.keys()).filter(|name| unlike(name, [&inner_before, &inner_after]));
    let named = |name: &String| if IN_METADATA.contains(&name.as_str()) { name.clone() } else { "metadata".to_owned() };
    columns.chain(inner.map(named)).collect()
}
