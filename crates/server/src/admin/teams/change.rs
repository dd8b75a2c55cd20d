//! Changing and deleting teams.

use serde_json::{Value, json};
use switchboard_engine::terms::{Level, ScopeId};
use switchboard_store::object::{Json, Key, Renewed, Team};
use switchboard_store::{Desk, Time};

use super::new::{only_columns, shared_portion, within_organization};
use super::permitted::{self, Permitted};
use super::{UPDATE, administered, missing};
use crate::admin::form::Form;
use crate::admin::grouping::access_groups;
use crate::admin::scim::Admins;
use crate::admin::{Answer, Request, rows, spent};
use crate::auth::Caller;
use crate::authz::object::{GROUPS, MEMBER_ROUTES, administers_organization};
use crate::authz::{admins_only, contain};
use crate::people;
use crate::refused::Refused;

/// `POST /team/update`
pub(in crate::admin) async fn update(request: &Request) -> Answer {
    let form = request.form("UpdateTeamRequest")?;
    let id = form.owned("team_id").unwrap_or_default();
    let team = apply(request, form, id, false).await?;
    Ok(json!({"team_id": team.team_id, "data": rows::team(&request.app, &team)}))
}

/// `PATCH /team/{team_id}`: metadata is merged with what there is.
pub(in crate::admin) async fn patch(request: &Request) -> Answer {
    let (form, id) = (request.form("PatchTeamRequest")?, request.part(0));
    if let Some(other) = form.text("team_id").filter(|other| *other != id) {
        return Err(Refused::said(400, &format!("team_id in body ({other}) does not match team_id in path ({id})")));
    }
    let team = apply(request, form, id.to_owned(), true).await?;
    Ok(Value::Object(rows::team(&request.app, &team)))
}

async fn apply(request: &Request, mut form: Form, id: String, merges: bool) -> Result<Team, Refused> {
    rows::amounts(&form)?;
    let (caller, spend, admins) = (request.caller.clone(), spent::wanted(&form), Admins::of(request));
    if spend.is_some() && !caller.is_admin() {
        return Err(Refused::forbidden("only an administrator may say what a team has spent"));
    }
    let permitted = Permitted::now(request);
    let write = request.write(move |desk| async move {
        let present = administered(&desk, &caller, &id, UPDATE).await?;
        if merges && let Some(Value::Object(sent)) = form.fields.get("metadata").cloned() {
            let mut metadata = present.metadata.clone().unwrap_or_default();
            merge(&mut metadata, sent);
            form.put("metadata", Value::Object(metadata));
        }
        let mut team: Team = rows::merged(&present, &only_columns(&form), &[])?;
        let metadata = rows::metadata(&form, present.metadata.clone().unwrap_or_default());
        team.metadata = (present.metadata.is_some() || !metadata.is_empty()).then_some(metadata);
        keep_shared_budget(&present, &mut team);
        team.begin(&present, Time::now());
        within_organization(&desk, &team).await?;
        admins.may_be_called(&caller, Some(&present), &team)?;
        if permitted::only_of_team(&desk, &caller, &present).await? {
            permitted.change((&present, &team), &form)?;
        } else if !caller.is_admin() && team.organization_id != present.organization_id {
            return Err(Refused::forbidden("only an administrator may move a team to another organization"));
        }
        let routes = |team: &Team| team.metadata.clone().unwrap_or_default();
        contain::passages(&caller, "team", &routes(&present), &routes(&team))?;
        shared_portion(&desk, &form, &mut team).await?;
        team.updated_at = Some(Time::now());
        desk.put(&team).await?;
        access_groups::mirror(&desk, &id, present.access_group_ids.as_deref(), team.access_group_ids.as_deref()).await?;
        Ok(team)
    });
    let team: Team = write.await?;
    if let Some(spend) = spend {
        let id = ScopeId::new(Level::Team, team.team_id.as_str());
        spent::set(request, &id, team.period(), spend, "/team/update").await?;
    }
    Ok(team)
}

/// Lays one object over another (RFC 7386): null removes what is there.
fn merge(present: &mut Json, sent: Json) {
    for (name, value) in sent {
        match value {
            Value::Null => drop(present.remove(&name)),
            Value::Object(inner) => {
                let mut below = match present.remove(&name) {
                    Some(Value::Object(below)) => below,
                    Some(_) | None => Json::new(),
                };
                merge(&mut below, inner);
                present.insert(name, Value::Object(below));
            }
            value => drop(present.insert(name, value)),
        }
    }
}

/// The members' budget is the gateway's own entry: a request that replaces the metadata does not remove it.
fn keep_shared_budget(present: &Team, team: &mut Team) {
    const NAME: &str = "team_member_budget_id";
    let known = present.metadata.as_ref().and_then(|metadata| metadata.get(NAME));
    match (known, &mut team.metadata) {
        (Some(known), metadata) => {
            metadata.get_or_insert_default().insert(NAME.to_owned(), known.clone());
        }
        (None, Some(metadata)) => {
            metadata.remove(NAME);
        }
        (None, None) => {}
    }
}

/// `POST /team/block`
pub(in crate::admin) async fn block(request: &Request) -> Answer {
    set_blocked(request, true).await
}

/// `POST /team/unblock`
pub(in crate::admin) async fn unblock(request: &Request) -> Answer {
    set_blocked(request, false).await
}

async fn set_blocked(request: &Request, blocked: bool) -> Answer {
    let form = request.form("BlockTeamRequest")?;
    changed(request, form.owned("team_id").unwrap_or_default(), "/team/block", move |team| {
        team.blocked = blocked;
    })
    .await
}

/// `POST /team/model/add`
pub(in crate::admin) async fn add_models(request: &Request) -> Answer {
    let form = request.form("TeamModelAddRequest")?;
    let models = form.texts("models").unwrap_or_default();
    by_admin(request)?;
    changed(request, form.owned("team_id").unwrap_or_default(), "/team/model/add", move |team| {
        for model in models {
            if !team.models.contains(&model) {
                team.models.push(model);
            }
        }
    })
    .await
}

/// `POST /team/model/delete`
pub(in crate::admin) async fn delete_models(request: &Request) -> Answer {
    let form = request.form("TeamModelDeleteRequest")?;
    let models = form.texts("models").unwrap_or_default();
    by_admin(request)?;
    changed(request, form.owned("team_id").unwrap_or_default(), "/team/model/delete", move |team| {
        let some = !team.models.is_empty();
        team.models.retain(|model| !models.contains(model));
        // An empty list would mean every model.
        if some && team.models.is_empty() {
            team.models.push(crate::access::NONE.to_owned());
        }
    })
    .await
}

/// What a team may have is for those above it to say.
fn by_admin(request: &Request) -> Result<(), Refused> {
    if request.caller.is_admin() { Ok(()) } else { Err(Refused::forbidden("Call not allowed. User not proxy admin")) }
}

async fn changed(request: &Request, id: String, route: &'static str, change: impl FnOnce(&mut Team) + Send + 'static) -> Answer {
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let mut team = administered(&desk, &caller, &id, route).await?;
        change(&mut team);
        team.updated_at = Some(Time::now());
        desk.put(&team).await?;
        Ok(team)
    });
    Ok(Value::Object(rows::team(&request.app, &write.await?)))
}

/// `POST /team/delete`: with its keys, and everybody's membership.
pub(in crate::admin) async fn delete(request: &Request) -> Answer {
    let form = request.form("DeleteTeamRequest")?;
    let mut ids: Vec<String> = Vec::new();
    for id in form.texts("team_ids").unwrap_or_default() {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let (told, caller) = (ids.clone(), request.caller.clone());
    let write = request.write(move |desk| async move {
        for id in &ids {
            let mut team = deletable(&desk, &caller, id).await?;
            for key in desk.of_team::<Key>(id).await? {
                people::remove_key(&desk, &key).await?;
            }
            let members: Vec<String> = team.members_with_roles.iter().filter_map(|member| member.user_id.clone()).collect();
            for member in members {
                people::leave(&desk, &mut team, &member).await?;
            }
            crate::admin::grouping::release_tags(&desk, id).await?;
            access_groups::mirror(&desk, id, team.access_group_ids.as_deref(), None).await?;
            desk.delete::<Team>(id).await?;
        }
        Ok(())
    });
    write.await?;
    Ok(json!({"deleted_teams": told}))
}

/// The team, for those above it: who administers it alone does not delete it.
async fn deletable(desk: &Desk, caller: &Caller, id: &str) -> Result<Team, Refused> {
    let team: Option<Team> = desk.get(id).await?;
    if caller.is_admin() {
        return team.ok_or_else(|| super::missing_at("/team/delete", id));
    }
    if let Some(team) = team
        && let Some(organization) = &team.organization_id
        && administers_organization(desk, caller, organization).await?
    {
        return Ok(team);
    }
    Err(admins_only(caller, "/team/delete"))
}

/// Everything a team may let its members do with keys.
const PERMISSIONS: [&str; 13] = [
    "/key/generate",
    "/key/service-account/generate",
    "/key/update",
    "/key/delete",
    "/key/info",
    "/key/regenerate",
    "/key/{key_id}/regenerate",
    "/key/list",
    "/key/block",
    "/key/unblock",
    "/key/bulk_update",
    "/key/health",
    GROUPS,
];

/// `GET /team/permissions_list`
pub(in crate::admin) async fn permissions(request: &Request) -> Answer {
    let (id, caller) = (request.required("team_id")?.to_owned(), request.caller.clone());
    let team = request.read(move |desk| async move { administered(&desk, &caller, &id, "/team/permissions_list").await }).await?;
    let default = || MEMBER_ROUTES.iter().map(|route| (*route).to_owned()).collect();
    let granted: Vec<String> = team.team_member_permissions.clone().filter(|routes| !routes.is_empty()).unwrap_or_else(default);
    Ok(json!({"team_id": team.team_id, "team_member_permissions": granted, "all_available_permissions": PERMISSIONS}))
}

/// `POST /team/permissions_update`
pub(in crate::admin) async fn set_permissions(request: &Request) -> Answer {
    let form = request.form("UpdateTeamMemberPermissionsRequest")?;
    let permissions = form.texts("team_member_permissions").unwrap_or_default();
    if let Some(unknown) = permissions.iter().find(|route| !PERMISSIONS.contains(&route.as_str())) {
        let complaint = json!({
            "type": "enum", "loc": ["body", "team_member_permissions"], "msg": "Input should be a route of key management", "input": unknown,
        });
        return Err(Refused::invalid(vec![complaint]));
    }
    let id = form.owned("team_id").unwrap_or_default();
    if id.is_empty() {
        return Err(missing(&id));
    }
    changed(request, id, "/team/permissions_update", move |team| team.team_member_permissions = Some(permissions)).await
}

/// `POST /team/permissions_bulk_update`: what members may do besides what they may already.
pub(in crate::admin) async fn add_permissions(request: &Request) -> Answer {
    let form = request.form("BulkUpdateTeamMemberPermissionsRequest")?;
    let permissions = form.texts("permissions").unwrap_or_default();
    let (all, ids) = (form.flag("apply_to_all_teams") == Some(true), form.texts("team_ids").unwrap_or_default());
    if all != ids.is_empty() {
        let message = "Pass either team_ids or apply_to_all_teams=true";
        return Err(Refused::detail(400, json!({"error": message})));
    }
    let added = permissions.clone();
    let write = request.write(move |desk| async move {
        let teams: Vec<Team> = if all { desk.all().await? } else { desk.several(&ids).await? };
        if let Some(missing) = ids.iter().find(|id| teams.iter().all(|team| team.team_id != **id)) {
            return Err(Refused::detail(404, json!({"error": format!("Team not found, passed team_id={missing}")})));
        }
        let mut updated = 0;
        for mut team in teams {
            let default = || MEMBER_ROUTES.iter().map(|route| (*route).to_owned()).collect();
            let mut granted: Vec<String> = team.team_member_permissions.clone().filter(|routes| !routes.is_empty()).unwrap_or_else(default);
            let count = granted.len();
            granted.extend(added.iter().filter(|route| !team_has(&team, route)).cloned());
            if granted.len() > count {
                team.team_member_permissions = Some(granted);
                team.updated_at = Some(Time::now());
                desk.put(&team).await?;
                updated += 1;
            }
        }
        Ok(updated)
    });
    let updated: u64 = write.await?;
    let message = format!("Successfully updated team member permissions for {updated} teams");
    Ok(json!({"message": message, "teams_updated": updated, "permissions_appended": permissions}))
}

/// Whether a team's members may use that route already.
fn team_has(team: &Team, route: &str) -> bool {
    match team.team_member_permissions.as_deref().filter(|routes| !routes.is_empty()) {
        Some(routes) => routes.iter().any(|known| known == route),
        None => MEMBER_ROUTES.contains(&route),
    }
}
