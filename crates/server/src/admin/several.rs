//! Many at a time, as LiteLLM's `/management/v1` has them: members of a team and users, each for itself. What failed is told of each,
//! and keeps no other from being done. What refuses a request as a whole is told as a problem (RFC 9457).

use std::collections::HashSet;

use serde_json::{Value, json};
use switchboard_store::Desk;
use switchboard_store::object::Team;

use super::form::{self, Form};
use super::routes::Row;
use super::routes::{Action, post};
use super::{Answer, Request, teams, users};
use crate::auth::Caller;
use crate::authz::Policy::Managed;
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// The most that are done at once.
pub(super) const MOST: usize = 500;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Several {
    MembersDelete,
    MembersUpdate,
    UsersNew,
    UsersDelete,
}

use Several as Do;

const fn row(path: &'static str, action: Do, form: &'static str, summary: &'static str) -> Row {
    post(path, Action::Several(action), Managed, form, summary)
}

/// The routes.
pub(super) const ROWS: &[Row] = &[
    row(
        "/management/v1/teams/{team_id}/members/bulk_delete",
        Do::MembersDelete,
        "BulkTeamMemberDeleteRequest",
        "Take several people out of a team",
    ),
    row(
        "/management/v1/teams/{team_id}/members/bulk_update",
        Do::MembersUpdate,
        "BulkTeamMemberBudgetUpdateRequest",
        "Change what several people have in a team",
    ),
    row("/management/v1/users/bulk", Do::UsersNew, "BulkNewUserRequest", "Make several users"),
    row("/management/v1/users/bulk_delete", Do::UsersDelete, "BulkDeleteUserRequest", "Delete several users with their keys"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::MembersDelete => remove_members(request).await,
        Do::MembersUpdate => change_members(request).await,
        Do::UsersNew => new_users(request).await,
        Do::UsersDelete => delete_users(request).await,
    }
}

fn wrong(field: &str, message: &str) -> Refused {
    Refused::invalid(vec![json!({"type": "value_error", "loc": ["body", field], "msg": message, "input": null})])
}

/// The objects of a list that a request has, none of which says anything that its form does not know: whoever misspells a limit would
/// believe that it holds.
fn items(request: &Request, (whole, field, each): (&'static str, &str, &str)) -> Result<Vec<Form>, Refused> {
    let form = request.form(whole)?;
    let body = request.body.as_ref();
    let unknown = |body: &Value, form: &str| {
        let names = body.as_object().into_iter().flatten().map(|(name, _)| name);
        names.filter(|name| !form::has(form, name)).cloned().collect::<Vec<_>>()
    };
    let mut extra = body.map(|body| unknown(body, whole)).unwrap_or_default();
    extra.extend(body.and_then(|body| body[field].as_array()).into_iter().flatten().flat_map(|item| unknown(item, each)));
    if let Some(name) = extra.first() {
        return Err(wrong(name, "Extra inputs are not permitted"));
    }
    let list = form.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    if list.is_empty() || list.len() > MOST {
        return Err(wrong(field, &format!("there must be at least one and at most {MOST}")));
    }
    Ok(list.into_iter().map(|item| Form { fields: item.as_object().cloned().unwrap_or_default() }).collect())
}

/// Members, each named by its id or else its address.
fn members(request: &Request, (whole, each): (&'static str, &str)) -> Result<Vec<Form>, Refused> {
    let members = items(request, (whole, "members", each))?;
    match members.iter().all(|member| member.text("user_id").is_some() != member.text("user_email").is_some()) {
        true => Ok(members),
        false => Err(wrong("members", "Each member must be identified by exactly one of user_id or user_email")),
    }
}

/// The team, for a caller who administers it.
async fn led(desk: &Desk, caller: &Caller, id: &str) -> Result<Team, Refused> {
    match desk.get::<Team>(id).await? {
        Some(team) if object::of_team(desk, caller, &team).await? == Standing::Admin => Ok(team),
        None if caller.is_admin() => Err(Refused::missing(format!("Team id={id} does not exist in db"))),
        Some(_) | None => Err(Refused::forbidden("Call not allowed. User not proxy admin OR team admin OR org admin for this team.")),
    }
}

/// Which of them repeat an earlier one.
fn repeated(members: &[Form]) -> Vec<bool> {
    let mut seen = HashSet::new();
    let name = |member: &Form| (member.owned("user_id"), member.text("user_email").map(str::to_lowercase));
    members.iter().map(|member| !seen.insert(name(member))).collect()
}

/// What came of one: what is wrong with it is for its row to tell, what is wrong with the gateway is not.
fn told<T>(done: Result<T, Refused>) -> Result<Result<T, String>, Refused> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(refused) if refused.status.is_server_error() => Err(refused),
        Err(refused) => Ok(Err(refused.message().to_owned())),
    }
}

const TWICE: &str = "Duplicate member in request";
const ABSENT: &str = "User not found in team";

/// `POST /management/v1/teams/{team_id}/members/bulk_delete`
async fn remove_members(request: &Request) -> Answer {
    let members = members(request, ("BulkTeamMemberDeleteRequest", "TeamMemberRef"))?;
    let (id, caller) = (request.part(0).to_owned(), request.caller.clone());
    let write = request.write(move |desk| async move {
        let mut team = led(&desk, &caller, &id).await?;
        let mut results = Vec::new();
        for (member, repeated) in members.iter().zip(repeated(&members)) {
            let error = match () {
                () if repeated => Some(TWICE),
                () => told(teams::take_out(&desk, &mut team, member).await)?.err().map(|_| ABSENT),
            };
            results.push(json!({
                "user_id": member.get("user_id"), "user_email": member.get("user_email"), "success": error.is_none(), "error": error,
            }));
        }
        teams::changed(&desk, &mut team).await?;
        Ok(results)
    });
    Ok(json!({"data": write.await?}))
}

/// `POST /management/v1/teams/{team_id}/members/bulk_update`
async fn change_members(request: &Request) -> Answer {
    let members = members(request, ("BulkTeamMemberBudgetUpdateRequest", "TeamMemberBudgetPatch"))?;
    for member in &members {
        super::rows::amounts(member)?;
    }
    let (id, caller) = (request.part(0).to_owned(), request.caller.clone());
    let write = request.write(move |desk| async move {
        let team = led(&desk, &caller, &id).await?;
        let (mut results, mut done) = (Vec::new(), HashSet::new());
        for (member, repeated) in members.iter().zip(repeated(&members)) {
            let failed = |error: &str| {
                json!({"user_id": member.get("user_id"), "user_email": member.get("user_email"), "success": false, "error": error})
            };
            let named = told(teams::named_member(&desk, &team, member).await)?.ok().and_then(|member| member.user_id);
            let Some(user) = named.filter(|_| !repeated) else {
                results.push(failed(if repeated { TWICE } else { ABSENT }));
                continue;
            };
            if !done.insert(user.clone()) {
                results.push(failed(TWICE));
                continue;
            }
            match told(teams::set_terms(&desk, &team, &user, member).await)? {
                Ok(terms) => results.push(terms),
                Err(error) => results.push(failed(&error)),
            }
        }
        Ok(results)
    });
    Ok(json!({"data": write.await?}))
}

/// `POST /management/v1/users/bulk`
async fn new_users(request: &Request) -> Answer {
    let rows = items(request, ("BulkNewUserRequest", "users", "NewUserRequest"))?;
    if rows.iter().any(|row| row.flag("send_invite_email") == Some(true)) {
        return Err(wrong("send_invite_email", "nobody is sent an e-mail; invite users separately"));
    }
    let (mut results, mut made) = (Vec::new(), 0);
    for mut row in rows {
        let (id, email) = (row.owned("user_id"), row.owned("user_email"));
        if row.flag("auto_create_key").is_none() {
            row.put("auto_create_key", false);
        }
        results.push(match told(users::make(request, row).await)? {
            Ok((user, key)) => {
                made += 1;
                json!({
                    "user_id": user.user_id, "user_email": user.user_email, "success": true, "teams": user.teams, "key": key, "error": null,
                })
            }
            Err(error) => json!({"user_id": id, "user_email": email, "success": false, "teams": null, "key": null, "error": error}),
        });
    }
    let meta = json!({"total_requested": results.len(), "created": made, "failed": results.len() - made});
    Ok(json!({"data": results, "meta": meta}))
}

/// `POST /management/v1/users/bulk_delete`
async fn delete_users(request: &Request) -> Answer {
    items(request, ("BulkDeleteUserRequest", "user_ids", ""))?;
    let ids = request.form("BulkDeleteUserRequest")?.texts("user_ids").unwrap_or_default();
    users::may_delete(request).await?;
    let (mut results, mut seen) = (Vec::new(), HashSet::new());
    for id in ids {
        let failed = |error: String| json!({"user_id": id, "user_email": null, "success": false, "teams_removed": [], "error": error});
        if !seen.insert(id.clone()) {
            results.push(failed(format!("Duplicate user_id in request: {id}")));
            continue;
        }
        results.push(match told(users::delete_one(request, &id).await)? {
            Ok(user) => json!({
                "user_id": id, "user_email": user.user_email, "success": true, "teams_removed": user.teams, "error": null,
            }),
            Err(error) => failed(error),
        });
    }
    Ok(json!({"data": results}))
}
