//! Coming into a team, changing there, leaving it.

use serde_json::{Value, json};
use switchboard_store::object::{Budget, Member, Renewed, Team, TeamMember, User};
use switchboard_store::{Desk, Time};

use super::find::membership;
use super::{administered, member_of, missing};
use crate::admin::form::Form;
use crate::admin::{Answer, Request, members, rows};
use crate::people::{self, Portion};
use crate::refused::Refused;

/// `POST /team/member_add`
pub(in crate::admin) async fn add(request: &Request) -> Answer {
    let form = request.form("TeamMemberAddRequest")?;
    rows::amounts(&form)?;
    let members = members::named(form.get("member"));
    let id = form.owned("team_id").unwrap_or_default();
    let (team, added) = put_in(request, id, members, form).await?;
    let app = &request.app;
    let mut row = rows::team(app, &team);
    let users: Vec<Value> = added.iter().map(|(user, ..)| Value::Object(rows::user(app, user))).collect();
    let memberships: Vec<Value> = added.iter().map(|(_, member, budget)| membership(app, member, budget.as_ref())).collect();
    row.insert("updated_users".to_owned(), Value::Array(users));
    row.insert("updated_team_memberships".to_owned(), Value::Array(memberships));
    Ok(Value::Object(row))
}

type Added = (User, TeamMember, Option<Budget>);

async fn put_in(request: &Request, id: String, members: Vec<Member>, form: Form) -> Result<(Team, Vec<Added>), Refused> {
    if members.is_empty() || members.iter().any(|member| member.user_id.is_none() && member.user_email.is_none()) {
        let message = "Either user_id or user_email must be provided";
        return Err(Refused::invalid(vec![json!({"type": "value_error", "loc": ["body", "member"], "msg": message, "input": null})]));
    }
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let mut team = administered(&desk, &caller, &id, "/team/member_add").await?;
        let shared = team.metadata.as_ref().and_then(|metadata| metadata.get("team_member_budget_id")).and_then(Value::as_str);
        let portion = Portion { budget_id: shared.map(str::to_owned), ..members::portion(&form) };
        contained(&team, &portion)?;
        let several = members.len() > 1;
        let mut added = Vec::new();
        for member in &members {
            if present(&desk, &team, member).await? {
                // One of several who is in it already is passed over.
                if several {
                    continue;
                }
                return Err(already(&team, member));
            }
            let brought_in_by = members::bringing(&desk, &caller, member.user_id.as_deref(), member.user_email.as_deref()).await?;
            let portion = Portion { brought_in_by, ..portion.clone() };
            let (user, row) = people::join(&desk, &mut team, member, &portion).await?;
            let budget: Option<Budget> = match &row.budget_id {
                Some(id) => desk.get(id).await?,
                None => None,
            };
            added.push((user, row, budget));
        }
        team.updated_at = Some(Time::now());
        desk.put(&team).await?;
        Ok((team, added))
    });
    write.await
}

/// A member has no models that the team has not.
fn contained(team: &Team, portion: &Portion) -> Result<(), Refused> {
    let every = team.models.is_empty() || team.models.iter().any(|model| model == crate::access::ALL);
    let foreign = portion.allowed_models.iter().flatten().find(|model| !every && !team.models.contains(model));
    match foreign {
        Some(model) => Err(Refused::said(400, &format!("allowed_models: '{model}' is not among the team's models {:?}", team.models))),
        None => Ok(()),
    }
}

async fn present(desk: &Desk, team: &Team, member: &Member) -> Result<bool, Refused> {
    if let Some(id) = &member.user_id {
        return Ok(team.member(id).is_some());
    }
    let user = people::find(desk, None, member.user_email.as_deref()).await?;
    Ok(user.is_some_and(|user| team.member(&user.user_id).is_some()))
}

fn already(team: &Team, member: &Member) -> Refused {
    let message = format!(
        "User already in team. Member: user_id={}, user_email={} in team: team_id={}",
        member.user_id.as_deref().unwrap_or("None"),
        member.user_email.as_deref().unwrap_or("None"),
        team.team_id
    );
    Refused::new(400, "team_member_already_in_team", json!("user_id"), message)
}

/// `POST /team/bulk_member_add`
pub(in crate::admin) async fn add_many(request: &Request) -> Answer {
    let form = request.form("BulkTeamMemberAddRequest")?;
    rows::amounts(&form)?;
    let id = form.owned("team_id").unwrap_or_default();
    let mut members = members::named(form.get("members"));
    if form.flag("all_users") == Some(true) {
        // Who there is besides their team is not for its administrators to know.
        if !request.caller.is_admin() {
            let message = "`all_users=true` is restricted to PROXY_ADMIN. Org/team admins must specify explicit member lists.";
            return Err(Refused::told(403, message));
        }
        let all = request.read(|desk| async move { Ok(desk.all::<User>().await?) }).await?;
        members.extend(all.into_iter().map(|user| Member {
            user_id: Some(user.user_id),
            user_email: user.user_email,
            role: "user".to_owned(),
        }));
    }
    if members.is_empty() {
        return Err(Refused::told(400, "At least one member is required"));
    }
    let (mut results, mut team) = (Vec::new(), None);
    for member in &members {
        match put_in(request, id.clone(), vec![member.clone()], form.clone()).await {
            Ok((row, added)) => {
                let users: Vec<Value> = added.iter().map(|(user, ..)| Value::Object(rows::user(&request.app, user))).collect();
                let own: Vec<Value> = added.iter().map(|(_, row, budget)| membership(&request.app, row, budget.as_ref())).collect();
                let id = member.user_id.as_ref().or_else(|| Some(&added.first()?.0.user_id));
                results.push(json!({
                    "user_id": id, "user_email": member.user_email, "success": true, "error": null, "updated_user": users.first(),
                    "updated_team_membership": own.first(),
                }));
                team = Some(row);
            }
            Err(refused) => results.push(json!({
                "user_id": member.user_id, "user_email": member.user_email, "success": false, "error": refused.message(),
                "updated_user": null, "updated_team_membership": null,
            })),
        }
    }
    let done = results.iter().filter(|result| result["success"] == true).count();
    Ok(json!({
        "team_id": id, "results": results, "total_requested": members.len(), "successful_additions": done,
        "failed_additions": members.len() - done, "updated_team": team.map(|team| rows::team(&request.app, &team)),
    }))
}

/// The member that a request names by id or by address.
pub(super) async fn named(desk: &Desk, team: &Team, form: &Form, route: &str) -> Result<Member, Refused> {
    let (id, email) = (form.text("user_id"), form.text("user_email"));
    if id.is_none() && email.is_none() {
        return Err(Refused::told(400, "Either user_id or user_email needs to be passed in"));
    }
    let user = people::find(desk, id, email).await?;
    let by_id = |id: &str| team.member(id).cloned();
    let by_email = |email: &str| {
        let is = |member: &&Member| member.user_email.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email));
        team.members_with_roles.iter().find(is).cloned()
    };
    let not_there = || match route {
        "/team/member_update" => {
            let (id, email) = (id.unwrap_or("None"), email.unwrap_or("None"));
            Refused::told(
                400,
                &format!("User id doesn't exist in team table. Data=team_id={}, user_id={id}, user_email={email}", team.team_id),
            )
        }
        _ => Refused::told(400, "User not found in team"),
    };
    let found = id.and_then(by_id).or_else(|| user.as_ref().and_then(|user| by_id(&user.user_id))).or_else(|| email.and_then(by_email));
    found.ok_or_else(not_there)
}

/// `POST /team/member_delete`
pub(in crate::admin) async fn remove(request: &Request) -> Answer {
    let form = request.form("TeamMemberDeleteRequest")?;
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let id = form.owned("team_id").unwrap_or_default();
        let mut team = administered(&desk, &caller, &id, "/team/member_delete").await?;
        super::several::take_out(&desk, &mut team, &form).await?;
        super::several::changed(&desk, &mut team).await?;
        Ok(team)
    });
    Ok(Value::Object(rows::team(&request.app, &write.await?)))
}

/// `POST /team/member_update`
pub(in crate::admin) async fn change(request: &Request) -> Answer {
    let form = request.form("TeamMemberUpdateRequest")?;
    rows::amounts(&form)?;
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let id = form.owned("team_id").unwrap_or_default();
        let mut team = administered(&desk, &caller, &id, "/team/member_update").await?;
        let member = named(&desk, &team, &form, "/team/member_update").await?;
        let user = member.user_id.clone().ok_or_else(|| missing(&id))?;
        if let Some(role) = form.owned("role") {
            for entry in team.members_with_roles.iter_mut().filter(|entry| entry.user_id.as_deref() == Some(&user)) {
                entry.role.clone_from(&role);
            }
            desk.put(&team).await?;
        }
        let (row, budget) = with_terms(&desk, &team, &user, &form).await?;
        desk.put(&row).await?;
        let found: Option<User> = desk.get(&user).await?;
        Ok((row, budget, found.and_then(|user| user.user_email).or(member.user_email)))
    });
    let (row, budget, email) = write.await?;
    let budget = budget.unwrap_or_default();
    Ok(json!({
        "team_id": row.team_id, "user_id": row.user_id, "user_email": email, "max_budget_in_team": budget.max_budget,
        "tpm_limit": budget.tpm_limit, "rpm_limit": budget.rpm_limit, "budget_duration": budget.budget_duration,
        "allowed_models": row.allowed_models, "temp_budget_increase": budget.temp_budget_increase,
        "temp_budget_expiry": budget.temp_budget_expiry,
    }))
}

/// What a member has of its own in the team, as the form wants it; the budget is kept, the row is for the caller to keep.
pub(super) async fn with_terms(desk: &Desk, team: &Team, user: &str, form: &Form) -> Result<(TeamMember, Option<Budget>), Refused> {
    let known: Option<TeamMember> = desk.get(&TeamMember::id_of(&team.team_id, user)).await?;
    let mut row = known.unwrap_or_else(|| TeamMember {
        user_id: user.to_owned(),
        team_id: team.team_id.clone(),
        created_at: Some(Time::now()),
        ..TeamMember::default()
    });
    if form.sent("allowed_models") {
        row.allowed_models = form.texts("allowed_models");
        contained(team, &Portion { allowed_models: row.allowed_models.clone(), ..Portion::default() })?;
    }
    let budget = own_budget(desk, team, form, &mut row).await?;
    Ok((row, budget))
}

/// `POST /team/{team_id}/member/{user_id}/reset_budget`: the member has the budget that the team's members share, or none.
pub(in crate::admin) async fn reset_budget(request: &Request) -> Answer {
    let (team, user, caller) = (request.part(0).to_owned(), request.part(1).to_owned(), request.caller.clone());
    let write = request.write(move |desk| async move {
        let (team, mut member) = member_of(&desk, &caller, (&team, &user), "/team/member/reset_budget").await?;
        // Nobody lifts a budget of their own.
        if !caller.is_admin() && caller.user.as_ref() == Some(&user) {
            return Err(Refused::told(403, "Cannot reset your own budget. Ask a proxy admin."));
        }
        let shared = team.metadata.as_ref().and_then(|metadata| metadata.get("team_member_budget_id")).and_then(Value::as_str);
        let shared: Option<Budget> = match shared {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        let before = std::mem::replace(&mut member.budget_id, shared.map(|budget| budget.budget_id));
        desk.put(&member).await?;
        Ok((member, before))
    });
    let (member, before) = write.await?;
    let source = if member.budget_id.is_some() { "team_default" } else { "none" };
    Ok(json!({
        "team_id": member.team_id, "user_id": member.user_id, "budget_id": member.budget_id, "previous_budget_id": before,
        "budget_source": source,
    }))
}

/// The member's own budget, as the form wants it; a shared one is left to the others.
async fn own_budget(desk: &Desk, team: &Team, form: &Form, row: &mut TeamMember) -> Result<Option<Budget>, Refused> {
    const FIELDS: [&str; 6] =
        ["max_budget_in_team", "tpm_limit", "rpm_limit", "budget_duration", "temp_budget_increase", "temp_budget_expiry"];
    let known: Option<Budget> = match &row.budget_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    if FIELDS.iter().all(|field| !form.sent(field)) {
        return Ok(known);
    }
    let of_team = team.metadata.as_ref().and_then(|metadata| metadata.get("team_member_budget_id")).and_then(Value::as_str);
    let shared = match &row.budget_id {
        Some(id) => of_team == Some(id) || desk.named::<TeamMember>(id).await?.len() > 1,
        None => false,
    };
    let own = known.clone().filter(|_| !shared);
    let mut budget = match own {
        Some(budget) => budget,
        None => {
            let made = people::new_budget(desk, None, None).await?;
            Budget { budget_id: made.budget_id.clone(), created_at: made.created_at, ..known.unwrap_or(made) }
        }
    };
    if form.sent("max_budget_in_team") {
        budget.max_budget = form.money("max_budget_in_team");
    }
    if form.sent("tpm_limit") {
        budget.tpm_limit = form.count("tpm_limit");
    }
    if form.sent("rpm_limit") {
        budget.rpm_limit = form.count("rpm_limit");
    }
    if form.sent("budget_duration") {
        let before = budget.clone();
        budget.budget_duration = form.owned("budget_duration");
        budget.begin(&before, Time::now());
    }
    if form.sent("temp_budget_increase") {
        (budget.temp_budget_increase, budget.temp_budget_expiry) = (form.money("temp_budget_increase"), form.time("temp_budget_expiry"));
    }
    (budget.updated_at, budget.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
    desk.put(&budget).await?;
    row.budget_id = Some(budget.budget_id.clone());
    Ok(Some(budget))
}
