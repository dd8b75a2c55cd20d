//! `/v1/access_group`: models under one name, assigned to teams and keys.
//!
//! Who has a group is written at the key and at the team, as with every other of their fields; the group lists the same.

use serde_json::{Value, json};
use switchboard_store::object::{AccessGroup, Key, Team, User};
use switchboard_store::{Desk, Time};

use crate::admin::form::Form;
use crate::admin::{Answer, Request, rows};
use crate::refused::Refused;

fn missing(id: &str) -> Refused {
    Refused::detail(404, json!(format!("Access group '{id}' not found")))
}

fn shown(group: &AccessGroup, teams: &[Team], keys: &[Key], people: &[User]) -> Value {
    let bare = |ids: &[String]| ids.iter().map(|id| json!({"id": id, "name": null})).collect::<Vec<_>>();
    let mut row = rows::columns(group);
    let team = |id: &String| teams.iter().find(|team| team.team_id == *id).and_then(|team| team.team_alias.clone());
    let key = |id: &String| keys.iter().find(|key| key.token == *id).and_then(|key| key.key_alias.clone());
    let with = |ids: &[String], name: &dyn Fn(&String) -> Option<String>| {
        ids.iter().map(|id| json!({"id": id, "name": name(id)})).collect::<Vec<_>>()
    };
    row.insert("access_mcp_servers".to_owned(), json!(bare(&group.access_mcp_server_ids)));
    row.insert("access_agents".to_owned(), json!(bare(&group.access_agent_ids)));
    row.insert("assigned_teams".to_owned(), json!(with(&group.assigned_team_ids, &team)));
    row.insert("assigned_keys".to_owned(), json!(with(&group.assigned_key_ids, &key)));
    let person = |id: &Option<String>| {
        let known = |id: &String| {
            people.iter().find(|user| user.user_id == *id).and_then(|user| user.user_alias.as_ref().or(user.user_email.as_ref()))
        };
        id.as_ref().map(|id| json!({"id": id, "name": known(id)}))
    };
    row.insert("created_by_user".to_owned(), json!(person(&group.created_by)));
    row.insert("updated_by_user".to_owned(), json!(person(&group.updated_by)));
    Value::Object(row)
}

async fn with_names(desk: &Desk, group: AccessGroup) -> Result<Value, Refused> {
    let teams: Vec<Team> = desk.several(&group.assigned_team_ids).await?;
    let keys: Vec<Key> = desk.several(&group.assigned_key_ids).await?;
    let writers: Vec<String> = group.created_by.iter().chain(&group.updated_by).cloned().collect();
    let people: Vec<User> = desk.several(&writers).await?;
    Ok(shown(&group, &teams, &keys, &people))
}

/// `GET /v1/access_group`
pub(super) async fn list(request: &Request) -> Answer {
    let read = request.read(|desk| async move {
        let mut rows = Vec::new();
        for group in desk.all::<AccessGroup>().await? {
            rows.push(with_names(&desk, group).await?);
        }
        Ok(Value::Array(rows))
    });
    read.await
}

/// `GET /v1/access_group/{access_group_id}`
pub(super) async fn one(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let read = request.read(move |desk| async move {
        let group: AccessGroup = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        with_names(&desk, group).await
    });
    read.await
}

/// `POST /v1/access_group`
pub(super) async fn create(request: &Request) -> Answer {
    let form = request.form("AccessGroupCreateRequest")?;
    let write = request.write(move |desk| async move {
        let (actor, now) = (Some(desk.actor().to_owned()), Some(Time::now()));
        let group = AccessGroup { access_group_id: crate::id::of_object(), created_by: actor, created_at: now, ..AccessGroup::default() };
        let group = put(&desk, &form, group).await?;
        with_names(&desk, group).await
    });
    write.await
}

/// `PUT /v1/access_group/{access_group_id}`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("AccessGroupUpdateRequest")?;
    let id = request.part(0).to_owned();
    let write = request.write(move |desk| async move {
        let group: AccessGroup = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        let group = put(&desk, &form, group).await?;
        with_names(&desk, group).await
    });
    write.await
}

/// `DELETE /v1/access_group/{access_group_id}`
pub(super) async fn remove(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let write = request.write(move |desk| async move {
        let group: AccessGroup = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        assign(&desk, &group, &AccessGroup { access_group_id: id.clone(), ..AccessGroup::default() }).await?;
        desk.delete::<AccessGroup>(&id).await?;
        Ok(Value::Null)
    });
    write.await
}

async fn put(desk: &Desk, form: &Form, present: AccessGroup) -> Result<AccessGroup, Refused> {
    let mut group: AccessGroup = rows::merged(&present, form, &[])?;
    let named = desk.named::<AccessGroup>(&group.access_group_name).await?;
    if named.iter().any(|other| other.access_group_id != group.access_group_id) {
        return Err(Refused::detail(409, json!(format!("Access group '{}' already exists", group.access_group_name))));
    }
    (group.updated_at, group.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
    assign(desk, &present, &group).await?;
    desk.put(&group).await?;
    Ok(group)
}

/// Writes at groups that a team has them, or no longer.
pub(in crate::admin) async fn mirror(desk: &Desk, team: &str, before: Option<&[String]>, after: Option<&[String]>) -> Result<(), Refused> {
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    for id in before.iter().chain(after) {
        let Some(mut group) = desk.get::<AccessGroup>(id).await? else { continue };
        let (listed, wanted) = (group.assigned_team_ids.iter().any(|one| one == team), after.contains(id));
        if listed == wanted {
            continue;
        }
        group.assigned_team_ids.retain(|one| one != team);
        group.assigned_team_ids.extend(wanted.then(|| team.to_owned()));
        desk.put(&group).await?;
    }
    Ok(())
}

/// Writes at teams and keys that they have the group, or no longer.
async fn assign(desk: &Desk, before: &AccessGroup, after: &AccessGroup) -> Result<(), Refused> {
    let id = &after.access_group_id;
    for team in before.assigned_team_ids.iter().chain(&after.assigned_team_ids) {
        let Some(mut team) = desk.get::<Team>(team).await? else {
            if !after.assigned_team_ids.contains(team) {
                continue;
            }
            return Err(Refused::detail(404, json!(format!("Team '{team}' not found"))));
        };
        let groups = team.access_group_ids.get_or_insert_default();
        groups.retain(|group| group != id);
        if after.assigned_team_ids.contains(&team.team_id) {
            groups.push(id.clone());
        }
        desk.put(&team).await?;
    }
    for key in before.assigned_key_ids.iter().chain(&after.assigned_key_ids) {
        let Some(mut key) = desk.get::<Key>(key).await? else {
            if !after.assigned_key_ids.contains(key) {
                continue;
            }
            return Err(Refused::detail(404, json!("Key not found: name keys by their hash")));
        };
        key.access_group_ids.retain(|group| group != id);
        if after.assigned_key_ids.contains(&key.token) {
            key.access_group_ids.push(id.clone());
        }
        desk.put(&key).await?;
    }
    Ok(())
}
