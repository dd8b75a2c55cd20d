//! What is done to one of several members.

use serde_json::{Value, json};
use switchboard_store::object::{Budget, Member, Team};
use switchboard_store::{Desk, Time};

use super::member;
use crate::admin::form::Form;
use crate::people;
use crate::refused::Refused;

/// Takes the member that the form names out of the team. The team is kept by the caller.
pub(in crate::admin) async fn take_out(desk: &Desk, team: &mut Team, form: &Form) -> Result<(), Refused> {
    let member = named_member(desk, team, form).await?;
    match &member.user_id {
        Some(user) => people::leave(desk, team, user).await?,
        None => team.members_with_roles.retain(|one| *one != member),
    }
    Ok(())
}

/// The member that the form names.
pub(in crate::admin) async fn named_member(desk: &Desk, team: &Team, form: &Form) -> Result<Member, Refused> {
    member::named(desk, team, form, "/team/member_delete").await
}

/// Keeps a team whose members are others now.
pub(in crate::admin) async fn changed(desk: &Desk, team: &mut Team) -> Result<(), Refused> {
    team.updated_at = Some(Time::now());
    Ok(desk.put(team).await?)
}

/// Gives a member the terms of the form, and tells what holds for it now. Whose own terms are all taken away has those that the
/// members share.
pub(in crate::admin) async fn set_terms(desk: &Desk, team: &Team, user: &str, form: &Form) -> Result<Value, Refused> {
    let (mut row, mut budget) = member::with_terms(desk, team, user, form).await?;
    let shared = team.metadata.as_ref().and_then(|metadata| metadata.get("team_member_budget_id")).and_then(Value::as_str);
    if budget.as_ref().is_some_and(says_nothing) {
        budget = match shared {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        row.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    }
    desk.put(&row).await?;
    let of_team = shared.is_some() && row.budget_id.as_deref() == shared;
    let budget = budget.unwrap_or_default();
    let source = budget.max_budget.map(|_| if of_team { "team_default" } else { "member" });
    Ok(json!({
        "user_id": user, "user_email": form.get("user_email"), "success": true, "error": null, "budget_id": row.budget_id,
        "max_budget": budget.max_budget, "max_budget_source": source, "tpm_limit": budget.tpm_limit, "rpm_limit": budget.rpm_limit,
        "budget_duration": budget.budget_duration, "allowed_models": row.allowed_models,
    }))
}

/// Whether a budget has no terms at all.
fn says_nothing(budget: &Budget) -> bool {
    let money = [budget.max_budget, budget.soft_budget, budget.temp_budget_increase];
    let counts = [budget.tpm_limit, budget.rpm_limit, budget.tpd_limit, budget.max_parallel_requests];
    let models = budget.model_max_budget.as_ref().is_none_or(serde_json::Map::is_empty);
    money.iter().all(Option::is_none) && counts.iter().all(Option::is_none) && budget.budget_duration.is_none() && models
}
