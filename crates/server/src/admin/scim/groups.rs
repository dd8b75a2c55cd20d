//! Groups, which are teams.

use serde_json::{Map, Value, json};
use switchboard_store::object::{Key, Member, Team};
use switchboard_store::{Desk, Time};

use super::{attribute, cut, filter, ids, meta, part, patch as patching, refused, text, window};
use crate::admin::people::{self, Portion};
use crate::admin::{Answer, Refused, Request, keys};

const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

type Resource = Map<String, Value>;

fn missing(id: &str) -> Refused {
    refused(404, "", format!("Group not found, passed group_id={id}"))
}

fn external(team: &Team) -> Option<&str> {
    team.metadata.as_ref()?.get("scim_metadata")?.get("externalId")?.as_str()
}

fn shown(request: &Request, team: &Team) -> Value {
    let member = |member: &Member| {
        let id = member.user_id.as_ref()?;
        Some(json!({"value": id, "display": member.user_email.as_ref().unwrap_or(id)}))
    };
    let mut resource = json!({
        "schemas": [SCHEMA], "id": team.team_id, "displayName": team.team_alias.as_ref().unwrap_or(&team.team_id),
        "members": team.members_with_roles.iter().filter_map(member).collect::<Vec<_>>(),
        "meta": meta(request, "Group", &team.team_id, team.created_at, team.updated_at),
    });
    if let Some(external) = external(team) {
        resource["externalId"] = external.into();
    }
    resource
}

pub(super) async fn list(request: &Request) -> Answer {
    let (window, terms) = (window(request), request.value("filter").filter(|text| !text.is_empty()).map(filter::read).transpose()?);
    let read = request.read(move |desk| async move {
        match &terms {
            None => Ok(part::<Team>(&desk, window).await?),
            Some(terms) => Ok(cut(wanted(&desk, terms).await?, window)),
        }
    });
    let (found, total) = read.await?;
    Ok(super::list(found.iter().map(|team| shown(request, team)).collect(), Some((total, window.0))))
}

async fn wanted(desk: &Desk, terms: &[filter::Term]) -> Result<Vec<Team>, Refused> {
    let Some((first, value)) = terms.first() else { return Ok(Vec::new()) };
    let mut found = match first.as_str() {
        "id" => desk.get::<Team>(value).await?.into_iter().collect(),
        "displayname" => desk.named::<Team>(value).await?,
        _ => desk.all::<Team>().await?,
    };
    for (name, value) in terms {
        match name.as_str() {
            "id" => found.retain(|team| team.team_id == *value),
            "displayname" => found.retain(|team| team.team_alias.as_ref() == Some(value)),
            "externalid" => found.retain(|team| external(team) == Some(value)),
            "members" | "members.value" => found.retain(|team| team.member(value).is_some()),
            name => return Err(refused(400, "invalidFilter", format!("groups cannot be found by `{name}`"))),
        }
    }
    Ok(found)
}

pub(super) async fn get(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let team = request.read(move |desk| async move { desk.get::<Team>(&id).await?.ok_or_else(|| missing(&id)) }).await?;
    Ok(shown(request, &team))
}

pub(super) async fn new(request: &Request) -> Answer {
    let resource = super::body(request)?;
    if text(&resource, "displayName").is_none() {
        return Err(refused(400, "invalidValue", "`displayName` is needed"));
    }
    let write = request.write(move |desk| async move {
        let id = text(&resource, "id").unwrap_or_else(people::new_id);
        if desk.get::<Team>(&id).await?.is_some() {
            return Err(refused(409, "uniqueness", format!("Group already exists with id: {id}")));
        }
        let made = Team { team_id: id, created_by: Some(desk.actor().to_owned()), created_at: Some(Time::now()), ..Team::default() };
        replaced(&desk, made, &resource).await
    });
    Ok(shown(request, &write.await?))
}

pub(super) async fn put(request: &Request) -> Answer {
    let (id, mut resource) = (request.part(0).to_owned(), super::body(request)?);
    // A replacement without members has none.
    if attribute(&resource, "members").is_none() {
        resource.insert("members".to_owned(), json!([]));
    }
    let write = request.write(move |desk| async move {
        let team: Team = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        replaced(&desk, team, &resource).await
    });
    Ok(shown(request, &write.await?))
}

pub(super) async fn patch(request: &Request) -> Answer {
    let (id, changes) = (request.part(0).to_owned(), super::body(request)?);
    let wanted = id.clone();
    let present = request.read(move |desk| async move { desk.get::<Team>(&wanted).await?.ok_or_else(|| missing(&wanted)) }).await?;
    let mut resource = shown(request, &present).as_object().cloned().unwrap_or_default();
    patching::apply(&mut resource, &changes)?;
    resource.entry("members").or_insert_with(|| json!([]));
    let write = request.write(move |desk| async move {
        let team: Team = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        replaced(&desk, team, &resource).await
    });
    Ok(shown(request, &write.await?))
}

pub(super) async fn delete(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let write = request.write(move |desk| async move {
        let mut team: Team = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        for key in desk.of_team::<Key>(&id).await? {
            keys::remove(&desk, &key).await?;
        }
        let members: Vec<String> = team.members_with_roles.iter().filter_map(|member| member.user_id.clone()).collect();
        for member in members {
            people::leave(&desk, &mut team, &member).await?;
        }
        crate::admin::grouping::release_tags(&desk, &id).await?;
        desk.delete::<Team>(&id).await?;
        Ok(())
    });
    write.await?;
    Ok(Value::Null)
}

/// The team as the resource says it is to be, written. Who stays in it stays what they are there.
async fn replaced(desk: &Desk, mut team: Team, resource: &Resource) -> Result<Team, Refused> {
    team.team_alias = text(resource, "displayName").or(team.team_alias);
    if let Some(external) = text(resource, "externalId") {
        team.metadata.get_or_insert_default().insert("scim_metadata".to_owned(), json!({"externalId": external}));
    }
    if let Some(members) = attribute(resource, "members") {
        let wanted = ids(members);
        let present: Vec<String> = team.members_with_roles.iter().filter_map(|member| member.user_id.clone()).collect();
        for id in present.iter().filter(|id| !wanted.contains(id)) {
            people::leave(desk, &mut team, id).await?;
        }
        for id in wanted.iter().filter(|id| !present.contains(id)) {
            let known = people::find(desk, Some(id), None).await?;
            let email = known.and_then(|user| user.user_email);
            let member = Member { user_id: Some(id.clone()), user_email: email, role: "user".to_owned() };
            people::join(desk, &mut team, &member, &Portion::default()).await?;
        }
    }
    team.updated_at = Some(Time::now());
    desk.put(&team).await?;
    Ok(team)
}
