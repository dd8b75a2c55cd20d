//! Looking at one team.

use serde_json::{Value, json};
use switchboard_engine::terms::Level;
use switchboard_store::object::{Budget, Key, Member, Organization, Team, TeamMember, User};
use switchboard_store::{Desk, StoreError};

use super::{Permitted, missing};
use crate::admin::{Answer, Request, rows};
use crate::app::App;
use crate::auth::Caller;
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// `GET /team/info`
pub(in crate::admin) async fn info(request: &Request) -> Answer {
    let id = request.value("team_id").map(str::to_owned).or_else(|| request.caller.team.clone()).unwrap_or_default();
    let caller = request.caller.clone();
    let read = request.read(move |desk| async move {
        let team = seen(&desk, &caller, &id).await?;
        let standing = object::of_team(&desk, &caller, &team.0).await?;
        let keys = desk.of_team::<Key>(&team.0.team_id).await?;
        let organization: Option<Organization> = match &team.0.organization_id {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        let ids: Vec<String> = team.0.members_with_roles.iter().filter_map(|member| member.user_id.clone()).collect();
        let people: Vec<User> = desk.several(&ids).await?;
        Ok((team, standing, keys, memberships(&desk, &id).await?, (organization, people)))
    });
    let ((team, shared), standing, keys, memberships, (organization, people)) = read.await?;
    let app = &request.app;
    let mut row = rows::team(app, &team);
    row.insert("team_member_budget_table".to_owned(), shared.as_ref().map_or(Value::Null, rows::budget));
    row.insert("organization_models".to_owned(), json!(organization.map(|organization| organization.models)));
    row.insert("caller_edit_access".to_owned(), access(request, standing));
    row.insert("members_with_roles".to_owned(), team.members_with_roles.iter().map(|member| described(member, &people)).collect());
    let whole = |key: &Key| Value::Object(rows::key_with_hash(app, key, None));
    let keys: Vec<Value> = keys.iter().filter(|key| may_see(&request.caller, standing, key)).map(whole).collect();
    let memberships: Vec<Value> = memberships.iter().map(|(member, budget)| membership(app, member, budget.as_ref())).collect();
    Ok(json!({"team_id": team.team_id, "team_info": row, "keys": keys, "team_memberships": memberships}))
}

/// A member, with what their own row says of who they are.
fn described(member: &Member, people: &[User]) -> Value {
    let user = people.iter().find(|user| Some(&user.user_id) == member.user_id.as_ref());
    let email = member.user_email.as_ref().or_else(|| user?.user_email.as_ref());
    json!({
        "user_id": member.user_id, "user_email": email, "user_alias": user.and_then(|user| user.user_alias.as_ref()), "role": member.role,
    })
}

/// Members see their own keys and those of nobody; administrators see all.
fn may_see(caller: &Caller, standing: Standing, key: &Key) -> bool {
    let own = caller.user.is_some() && caller.user == key.user_id;
    let itself = caller.principal.key_hash.as_deref() == Some(key.token.as_str());
    standing == Standing::Admin || caller.sees_all() || own || itself
}

fn access(request: &Request, standing: Standing) -> Value {
    let kind = match standing {
        Standing::Admin if request.caller.is_admin() => "unrestricted",
        Standing::Admin => "team_admin",
        Standing::Owner | Standing::Member | Standing::Stranger => "none",
    };
    let editable = Permitted::now(request).fields();
    json!({"kind": kind, "editable_fields": if kind == "team_admin" { editable } else { Vec::new() }})
}

/// The team and its members' shared budget, for a caller who may see it.
async fn seen(desk: &Desk, caller: &Caller, id: &str) -> Result<(Team, Option<Budget>), Refused> {
    let not_authorized = || {
        let message = format!("key not allowed to access this team's info. Key team_id={:?}", caller.team);
        Refused::forbidden(message)
    };
    let team: Team = match desk.get(id).await? {
        Some(team) => team,
        None if caller.sees_all() => return Err(missing(id)),
        None => return Err(not_authorized()),
    };
    if object::of_team(desk, caller, &team).await? == Standing::Stranger {
        return Err(not_authorized());
    }
    let shared = team.metadata.as_ref().and_then(|metadata| metadata.get("team_member_budget_id")).and_then(Value::as_str);
    let shared: Option<Budget> = match shared {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    Ok((team, shared))
}

/// Everybody in a team, with their budgets.
pub(in crate::admin) async fn memberships(desk: &Desk, team: &str) -> Result<Vec<(TeamMember, Option<Budget>)>, StoreError> {
    let members = desk.of_team::<TeamMember>(team).await?;
    let ids: Vec<String> = members.iter().filter_map(|member| member.budget_id.clone()).collect();
    let budgets: Vec<Budget> = desk.several(&ids).await?;
    let with = |member: TeamMember| {
        let budget = budgets.iter().find(|budget| Some(&budget.budget_id) == member.budget_id.as_ref()).cloned();
        (member, budget)
    };
    Ok(members.into_iter().map(with).collect())
}

/// What a member has of its own, as answers show it.
pub(in crate::admin) fn membership(app: &App, member: &TeamMember, budget: Option<&Budget>) -> Value {
    let spend = rows::spent(app, Level::TeamMember, &TeamMember::id_of(&member.team_id, &member.user_id));
    let table = budget.map(|budget| {
        let mut table = rows::budget_columns(budget);
        if member.allowed_models.is_some() {
            table.insert("allowed_models".to_owned(), json!(member.allowed_models));
        }
        Value::Object(table)
    });
    let table = table.or_else(|| member.allowed_models.as_ref().map(|models| json!({"allowed_models": models})));
    json!({
        "user_id": member.user_id, "team_id": member.team_id, "budget_id": member.budget_id, "spend": spend, "total_spend": spend,
        "litellm_budget_table": table,
    })
}

/// `GET /team/{team_id}/members/me`
pub(in crate::admin) async fn own_membership(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let (caller, app) = (request.caller.clone(), request.app.clone());
    let user = caller.user.clone().ok_or_else(|| Refused::said(400, "the key belongs to no user"))?;
    let read = request.read(move |desk| async move {
        let none = || Refused::said(404, &format!("User={user} is not a member of team={id}"));
        let team: Team = desk.get(&id).await?.ok_or_else(none)?;
        let entry = team.member(&user).cloned().ok_or_else(none)?;
        let all = memberships(&desk, &id).await?;
        let own = all.into_iter().find(|(member, _)| member.user_id == user).ok_or_else(none)?;
        let row: Option<User> = desk.get(&user).await?;
        Ok((team, entry, own, row))
    });
    let (team, entry, (member, budget), row) = read.await?;
    let mut answer = membership(&app, &member, budget.as_ref());
    answer["role"] = json!(entry.role);
    answer["user_email"] = json!(row.and_then(|row| row.user_email));
    answer["team_alias"] = json!(team.team_alias);
    Ok(answer)
}
