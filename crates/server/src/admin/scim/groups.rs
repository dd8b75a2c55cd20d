//! Groups, which are teams.

use serde_json::{Map, Value, json};
use switchboard_store::object::{Key, Member, Team};
use switchboard_store::{Desk, Time};

use super::admins::Admins;
use super::{attribute, cut, filter, ids, meta, part, patch as patching, refused, text, window};
use crate::admin::grouping::access_groups;
use crate::admin::{Answer, Request};
use crate::people::{self, Portion};
use crate::refused::Refused;

const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

type Resource = Map<String, Value>;

fn missing(id: &str) -> Refused {
    refused(404, "", format!("Group not found with ID: {id}"))
}

/// Where in a team's metadata it stands that a provider keeps it, what the provider said of it, and its id there.
const MANAGED: &str = "scim_managed";
const SAID: &str = "scim_data";
const EXTERNAL: &str = "externalId";

fn external(team: &Team) -> Option<&str> {
    let metadata = team.metadata.as_ref()?;
    let within = |place: &str| metadata.get(place)?.get(EXTERNAL);
    // The last place is that of teams written by earlier versions.
    metadata.get(EXTERNAL).or_else(|| within(SAID)).or_else(|| within("scim_metadata"))?.as_str()
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
    let admins = Admins::of(request);
    let write = request.write(move |desk| async move {
        let id = text(&resource, "id").or_else(|| text(&resource, EXTERNAL)).unwrap_or_else(crate::id::of_object);
        if desk.get::<Team>(&id).await?.is_some() {
            return Err(refused(409, "uniqueness", format!("Group already exists with ID: {id}")));
        }
        let mut made = Team { team_id: id, created_by: Some(desk.actor().to_owned()), created_at: Some(Time::now()), ..Team::default() };
        let metadata = made.metadata.get_or_insert_default();
        metadata.insert(MANAGED.to_owned(), true.into());
        metadata.extend(text(&resource, EXTERNAL).map(|id| (EXTERNAL.to_owned(), id.into())));
        replaced(&desk, made, &resource, &admins).await
    });
    Ok(shown(request, &write.await?))
}

pub(super) async fn put(request: &Request) -> Answer {
    let (id, mut resource) = (request.part(0).to_owned(), super::body(request)?);
    // A replacement without members has none.
    if attribute(&resource, "members").is_none() {
        resource.insert("members".to_owned(), json!([]));
    }
    let admins = Admins::of(request);
    let write = request.write(move |desk| async move {
        let mut team: Team = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        let metadata = team.metadata.get_or_insert_default();
        metadata.insert(MANAGED.to_owned(), true.into());
        if metadata.contains_key(EXTERNAL) {
            set(metadata, EXTERNAL, text(&resource, EXTERNAL));
        }
        metadata.insert(SAID.to_owned(), Value::Object(resource.clone()));
        replaced(&desk, team, &resource, &admins).await
    });
    Ok(shown(request, &write.await?))
}

fn set(metadata: &mut Resource, name: &str, value: Option<String>) {
    match value {
        Some(value) => metadata.insert(name.to_owned(), value.into()),
        None => metadata.remove(name),
    };
}

/// Writes down what operations without a path said, over what was said before. Of the two attributes that have places of their own
/// it tells what all operations made of them; the members are the team's.
fn noted(team: &mut Team, said: Option<Resource>, resource: &Resource) {
    let before = external(team).map(str::to_owned);
    let after = text(resource, EXTERNAL);
    let metadata = team.metadata.get_or_insert_default();
    // What an operation without a path once left behind.
    metadata.remove("");
    metadata.insert(MANAGED.to_owned(), true.into());
    if after != before || said.as_ref().is_some_and(|said| attribute(said, EXTERNAL).is_some()) {
        set(metadata, EXTERNAL, after.clone());
    }
    let Some(said) = said else { return };
    let mut kept = metadata.get(SAID).and_then(Value::as_object).cloned().unwrap_or_default();
    kept.extend(said.into_iter().filter(|(name, _)| !name.is_empty() && !name.eq_ignore_ascii_case("members")));
    for (name, value) in [("displayName", text(resource, "displayName")), (EXTERNAL, after)] {
        let count = kept.len();
        kept.retain(|key, _| !key.eq_ignore_ascii_case(name));
        if kept.len() < count {
            set(&mut kept, name, value);
        }
    }
    metadata.insert(SAID.to_owned(), Value::Object(kept));
}

pub(super) async fn patch(request: &Request) -> Answer {
    let (id, changes) = (request.part(0).to_owned(), super::body(request)?);
    let wanted = id.clone();
    let present = request.read(move |desk| async move { desk.get::<Team>(&wanted).await?.ok_or_else(|| missing(&wanted)) }).await?;
    let mut resource = shown(request, &present).as_object().cloned().unwrap_or_default();
    patching::apply(&mut resource, &changes)?;
    resource.entry("members").or_insert_with(|| json!([]));
    let (admins, said) = (Admins::of(request), patching::whole(&changes));
    let write = request.write(move |desk| async move {
        let mut team: Team = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        noted(&mut team, said, &resource);
        replaced(&desk, team, &resource, &admins).await
    });
    Ok(shown(request, &write.await?))
}

pub(super) async fn delete(request: &Request) -> Answer {
    let (id, admins) = (request.part(0).to_owned(), Admins::of(request));
    let write = request.write(move |desk| async move {
        let mut team: Team = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        for key in desk.of_team::<Key>(&id).await? {
            people::remove_key(&desk, &key).await?;
        }
        let members: Vec<String> = team.members_with_roles.iter().filter_map(|member| member.user_id.clone()).collect();
        let were = admins.in_team(&team);
        for member in members {
            people::leave(&desk, &mut team, &member).await?;
        }
        crate::admin::grouping::release_tags(&desk, &id).await?;
        access_groups::mirror(&desk, &id, team.access_group_ids.as_deref(), None).await?;
        desk.delete::<Team>(&id).await?;
        admins.settle(&desk, &were, &[]).await?;
        Ok(())
    });
    write.await?;
    Ok(Value::Null)
}

/// The team as the resource says it is to be, written. Who stays in it stays what they are there.
async fn replaced(desk: &Desk, mut team: Team, resource: &Resource, admins: &Admins) -> Result<Team, Refused> {
    let were = admins.in_team(&team);
    team.team_alias = text(resource, "displayName").or(team.team_alias);
    if let Some(members) = attribute(resource, "members") {
        let wanted = admins.members(desk, &ids(members)).await?;
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
    let are = admins.in_team(&team);
    admins.settle(desk, &were, &are).await?;
    Ok(team)
}
