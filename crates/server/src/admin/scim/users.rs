//! Users.

use serde_json::{Map, Value, json};
use switchboard_store::object::{Json, Key, Team, User};
use switchboard_store::{Desk, StoreError, Time};

use super::admins::{self, Admins};
use super::{ENTERPRISE, attribute, cut, filter, flag, ids, meta, part, patch as patching, refused, text, window};
use crate::admin::{Answer, Request, users};
use crate::auth::resolve::is_active;
use crate::auth::session;
use crate::auth::token::principal::join_all;
use crate::people;
use crate::refused::Refused;

const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// Marks keys that were blocked because their user was deactivated.
const MARK: &str = "scim_blocked";

type Resource = Map<String, Value>;

fn missing(id: &str) -> Refused {
    refused(404, "", format!("User not found with ID: {id}"))
}

/// Where in a user's metadata the names of a person stand, and what else SCIM says of it.
const NAMES: &str = "scim_metadata";
const OTHERS: &str = "scim_data";
/// Attributes that are kept as they come, and where.
const KEPT: [(&str, &str); 3] = [(ENTERPRISE, "scim_enterprise"), ("entitlements", "scim_entitlements"), ("roles", "scim_roles")];

/// What SCIM says of a user beside what every user has.
fn said<'a>(user: &'a User, name: &str) -> Option<&'a str> {
    let metadata = user.metadata.as_ref()?;
    [OTHERS, NAMES].iter().find_map(|place| metadata.get(*place)?.get(name)?.as_str())
}

fn user_name(user: &User) -> &str {
    said(user, "userName").or(user.user_email.as_deref()).unwrap_or(&user.user_id)
}

/// A user with its teams, as SCIM shows it.
fn shown(request: &Request, user: &User, teams: &[Team]) -> Value {
    let own = |name: &str| said(user, name).or(user.user_alias.as_deref()).unwrap_or(user_name(user));
    let emails: Vec<Value> = user.user_email.iter().map(|email| json!({"value": email, "type": "work", "primary": true})).collect();
    let groups = teams.iter().map(|team| json!({"value": team.team_id, "display": team.team_alias, "type": "direct"}));
    let mut resource = json!({
        "schemas": [SCHEMA], "id": user.user_id, "userName": user_name(user), "displayName": own("displayName"),
        "name": {"givenName": own("givenName"), "familyName": own("familyName")},
        "emails": emails, "groups": groups.collect::<Vec<_>>(), "active": is_active(user),
        "meta": meta(request, "User", &user.user_id, user.created_at, user.updated_at),
    });
    if let Some(external) = said(user, "externalId") {
        resource["externalId"] = external.into();
    }
    for (name, place) in KEPT {
        if let Some(kept) = user.metadata.as_ref().and_then(|metadata| metadata.get(place)) {
            resource[name] = kept.clone();
        }
    }
    if !resource[ENTERPRISE].is_null() {
        resource["schemas"] = json!([SCHEMA, ENTERPRISE]);
    }
    resource
}

async fn with_teams(desk: &Desk, user: User) -> Result<(User, Vec<Team>), StoreError> {
    let teams = desk.several(&user.teams).await?;
    Ok((user, teams))
}

pub(super) async fn list(request: &Request) -> Answer {
    let (window, terms) = (window(request), request.value("filter").filter(|text| !text.is_empty()).map(filter::read).transpose()?);
    let read = request.read(move |desk| async move {
        let (users, total) = match &terms {
            None => part::<User>(&desk, window).await?,
            Some(terms) => cut(wanted(&desk, terms).await?, window),
        };
        let mut found = Vec::new();
        for user in users {
            found.push(with_teams(&desk, user).await?);
        }
        Ok((found, total))
    });
    let (found, total) = read.await?;
    Ok(super::list(found.iter().map(|(user, teams)| shown(request, user, teams)).collect(), Some((total, window.0))))
}

/// The users that fit every term.
async fn wanted(desk: &Desk, terms: &[filter::Term]) -> Result<Vec<User>, Refused> {
    let known = ["id", "username", "emails", "emails.value", "externalid", "active", "displayname"];
    if let Some((name, _)) = terms.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(refused(400, "invalidFilter", format!("users cannot be found by `{name}`")));
    }
    let mut candidates = Vec::new();
    for (_, value) in terms.iter().filter(|(name, _)| name != "active") {
        candidates.extend(desk.get::<User>(value).await?);
        candidates.extend(people::find(desk, None, Some(value)).await?);
    }
    let fits = |user: &User| {
        terms.iter().all(|(name, value)| {
            let same = |text: Option<&str>| text.is_some_and(|text| text.to_lowercase() == value.to_lowercase());
            match name.as_str() {
                "id" => user.user_id == *value,
                "username" => same(Some(user_name(user))),
                "externalid" => said(user, "externalId") == Some(value),
                "active" => value.eq_ignore_ascii_case(if is_active(user) { "true" } else { "false" }),
                "displayname" => same(said(user, "displayName").or(user.user_alias.as_deref())),
                _ => same(user.user_email.as_deref()),
            }
        })
    };
    candidates.retain(fits);
    candidates.dedup_by(|one, other| one.user_id == other.user_id);
    if candidates.is_empty() {
        // What no column holds is looked for in the rows themselves.
        candidates = desk.all::<User>().await?.into_iter().filter(fits).collect();
    }
    Ok(candidates)
}

pub(super) async fn get(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let read = request.read(move |desk| async move {
        let user: User = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        Ok(with_teams(&desk, user).await?)
    });
    let (user, teams) = read.await?;
    Ok(shown(request, &user, &teams))
}

pub(super) async fn new(request: &Request) -> Answer {
    let resource = without_empty_groups(super::body(request)?);
    let name = text(&resource, "userName").ok_or_else(|| refused(400, "invalidValue", "`userName` is needed"))?;
    let newcomer = request.app.config().general.sign_in.newcomer.clone();
    let (role, admins) = (admins::usual(request), Admins::of(request));
    let write = request.write(move |desk| async move {
        let sent = email(&resource);
        let known = match &sent {
            Some(email) => people::find(&desk, None, Some(email)).await?,
            None => None,
        };
        let named = wanted(&desk, &[("username".to_owned(), name.clone())]).await?;
        let other = |user: &User| known.as_ref().is_none_or(|known| known.user_id != user.user_id);
        if named.iter().any(other) || desk.get::<User>(&name).await?.is_some() {
            return Err(taken(&name));
        }
        if let Some(user) = known {
            // Somebody who was here before is told of: with the id, the role, the teams and the keys that they have.
            return replaced(&desk, user, &resource, &admins).await;
        }
        let now = Some(Time::now());
        let user = User {
            user_email: sent.or_else(|| name.contains('@').then(|| name.clone())),
            user_id: name,
            user_role: Some(role),
            models: newcomer.models,
            max_budget: newcomer.max_budget.as_deref().and_then(|text| switchboard_store::Money::of(&text.parse().ok()?)),
            budget_duration: newcomer.budget_duration,
            budget_since: now,
            created_by: Some(desk.actor().to_owned()),
            created_at: now,
            ..User::default()
        };
        replaced(&desk, user, &resource, &admins).await
    });
    let (user, teams) = write.await?;
    Ok(shown(request, &user, &teams))
}

/// A user of that name is there; in the form that LiteLLM answers this alone in.
fn taken(name: &str) -> Refused {
    let error = format!("User already exists with username: {name}");
    let mut body = refused(409, "uniqueness", error.clone()).body().clone();
    body["detail"] = json!({"error": error});
    Refused::with(409, body)
}

/// Providers that say who is in which group by the groups send users with no groups at all.
fn without_empty_groups(mut resource: Resource) -> Resource {
    if attribute(&resource, "groups").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        resource.retain(|name, _| !name.eq_ignore_ascii_case("groups"));
    }
    resource
}

pub(super) async fn put(request: &Request) -> Answer {
    let (id, resource) = (request.part(0).to_owned(), without_empty_groups(super::body(request)?));
    let admins = Admins::of(request);
    let write = request.write(move |desk| async move {
        let user: User = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        replaced(&desk, user, &resource, &admins).await
    });
    let (user, teams) = write.await?;
    Ok(shown(request, &user, &teams))
}

pub(super) async fn patch(request: &Request) -> Answer {
    let (id, changes) = (request.part(0).to_owned(), super::body(request)?);
    let wanted = id.clone();
    let read = request.read(move |desk| async move {
        let user: User = desk.get(&wanted).await?.ok_or_else(|| missing(&wanted))?;
        Ok(with_teams(&desk, user).await?)
    });
    let (user, teams) = read.await?;
    let before = shown(request, &user, &teams).as_object().cloned().unwrap_or_default();
    let mut resource = before.clone();
    patching::apply(&mut resource, &changes)?;
    let patched = resource.clone();
    // What is shown for want of better is not what anybody said.
    resource.retain(|name, value| before.get(name) != Some(value) || name == "active");
    for (name, _) in KEPT.iter().filter(|(name, _)| before.contains_key(*name)) {
        // One that is the same was left out just now; one that was removed is to go.
        if !patched.contains_key(*name) {
            resource.insert((*name).to_owned(), Value::Null);
        }
    }
    let admins = Admins::of(request);
    let write = request.write(move |desk| async move {
        let user: User = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        replaced(&desk, user, &resource, &admins).await
    });
    let (user, teams) = write.await?;
    Ok(shown(request, &user, &teams))
}

pub(super) async fn delete(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let write = request.write(move |desk| async move {
        let user: User = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        activated(&desk, &id, false).await?;
        users::forget(&desk, &user).await
    });
    write.await?;
    Ok(Value::Null)
}

/// The primary address of a resource, or its first.
fn email(resource: &Resource) -> Option<String> {
    let all = attribute(resource, "emails")?.as_array()?;
    let first = all.iter().find(|one| one["primary"] == true).or_else(|| all.first())?;
    first["value"].as_str().or_else(|| first.as_str()).map(str::to_owned)
}

/// What a user's metadata says of it once the resource has said its part.
fn described(user: &mut User, resource: &Resource) -> Json {
    let mut metadata = user.metadata.take().unwrap_or_default();
    let part = |place: &str| metadata.get(place).and_then(Value::as_object).cloned().unwrap_or_default();
    let (mut names, mut others) = (part(NAMES), part(OTHERS));
    let name = attribute(resource, "name").and_then(Value::as_object).cloned().unwrap_or_default();
    for key in ["givenName", "familyName"] {
        let present = names.entry(key).or_insert(Value::Null);
        if let Some(value) = text(&name, key) {
            *present = value.into();
        }
    }
    for key in ["userName", "displayName", "externalId"] {
        let older = names.remove(key);
        if let Some(value) = text(resource, key).map(Value::from).or(older) {
            others.insert(key.to_owned(), value);
        }
    }
    let alias = others.get("displayName").or_else(|| names.get("givenName")).and_then(Value::as_str).map(str::to_owned);
    user.user_alias = alias.or(user.user_alias.take());
    metadata.insert(NAMES.to_owned(), Value::Object(names));
    if !others.is_empty() {
        metadata.insert(OTHERS.to_owned(), Value::Object(others));
    }
    for (name, place) in KEPT {
        match resource.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value) {
            Some(Value::Null) => metadata.remove(place),
            Some(value) => metadata.insert(place.to_owned(), as_kept(value)),
            None => None,
        };
    }
    metadata
}

/// An attribute without what it says nothing of, and with items that are texts as objects.
fn as_kept(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), as_kept(value))).collect()
        }
        Value::Array(items) => items.iter().map(|item| if item.is_string() { json!({"value": item}) } else { as_kept(item) }).collect(),
        value => value.clone(),
    }
}

/// The user as the resource says it is to be, written.
async fn replaced(desk: &Desk, mut user: User, resource: &Resource, admins: &Admins) -> Result<(User, Vec<Team>), Refused> {
    let (was_active, was_admin) = (is_active(&user), admins.has(desk, &user).await?);
    let email = email(resource);
    if let Some(email) = email.filter(|email| Some(email) != user.user_email.as_ref()) {
        if people::find(desk, None, Some(&email)).await?.is_some_and(|other| other.user_id != user.user_id) {
            return Err(refused(409, "uniqueness", format!("User already exists with email: {email}")));
        }
        user.user_email = Some(email);
    }
    let mut metadata = described(&mut user, resource);
    let active = attribute(resource, "active").and_then(flag).unwrap_or(was_active);
    metadata.insert("scim_active".to_owned(), active.into());
    user.metadata = Some(metadata);
    user.updated_at = Some(Time::now());
    desk.put(&user).await?;
    if let Some(groups) = attribute(resource, "groups") {
        belongs(desk, &user, &ids(groups)).await?;
    }
    if active != was_active {
        activated(desk, &user.user_id, active).await?;
    }
    let were: Vec<String> = was_admin.then(|| user.user_id.clone()).into_iter().collect();
    admins.settle(desk, &were, std::slice::from_ref(&user.user_id)).await?;
    let user: User = desk.get(&user.user_id).await?.unwrap_or(user);
    Ok(with_teams(desk, user).await?)
}

/// Puts a user into those teams, and out of all others.
async fn belongs(desk: &Desk, user: &User, wanted: &[String]) -> Result<(), Refused> {
    for id in user.teams.iter().filter(|id| !wanted.contains(id)) {
        if let Some(mut team) = desk.get::<Team>(id).await? {
            people::leave(desk, &mut team, &user.user_id).await?;
            desk.put(&team).await?;
        }
    }
    let mut teams: Vec<Team> = desk.several(wanted).await?;
    join_all(desk, user, &mut teams).await
}

/// Blocks a user's keys and ends its sessions, or unblocks those that were blocked for this.
async fn activated(desk: &Desk, user: &str, active: bool) -> Result<(), Refused> {
    for mut key in desk.of_user::<Key>(user).await? {
        let marked = key.metadata.contains_key(MARK);
        match (active, marked) {
            (false, _) if key.blocked != Some(true) => {
                key.blocked = Some(true);
                key.metadata.insert(MARK.to_owned(), true.into());
            }
            (true, true) => {
                key.blocked = Some(false);
                key.metadata = key.metadata.into_iter().filter(|(name, _)| name != MARK).collect::<Json>();
            }
            _ => continue,
        }
        key.updated_at = Some(Time::now());
        desk.put(&key).await?;
    }
    if !active {
        session::close_all(desk, user).await?;
    }
    Ok(())
}
