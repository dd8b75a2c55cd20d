//! Workspaces. Every team is one, by the same id; keys without a team are in the default one. What OpenRouter's API says of a
//! workspace beyond its team is kept beside it.

mod budgets;
mod members;

use serde_json::{Value, json};
use switchboard_store::object::{Guardrail, Key, Member, ProviderKey, Team, Workspace};
use switchboard_store::{Desk, Time};

pub(super) use budgets::{budget, budgets, remove_budget, set_budget};
pub(super) use members::{add_members, members, organization, remove_members};

use super::{cut, form, guardrails, not_found};
use crate::admin::form::Form;
use crate::admin::{Answer, Request};
use crate::auth::rules::{self, DEFAULT_WORKSPACE, default_guardrail};
use crate::people;
use crate::refused::Refused;

/// A workspace, and the team it is; the default one is none.
#[derive(Clone, Debug)]
pub(super) struct Place {
    workspace: Workspace,
    team: Option<Team>,
}

impl Place {
    fn of(team: Option<Team>, said: Option<Workspace>) -> Self {
        let id = team.as_ref().map_or(DEFAULT_WORKSPACE, |team| team.team_id.as_str());
        Self { workspace: said.unwrap_or_else(|| Workspace { id: id.to_owned(), ..Workspace::default() }), team }
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.workspace.id
    }

    /// What people call it.
    pub(super) fn name(&self) -> &str {
        match &self.team {
            Some(team) => team.team_alias.as_deref().unwrap_or(&team.team_id),
            None => self.workspace.name.as_deref().unwrap_or("Default"),
        }
    }

    fn slug(&self) -> String {
        let own = self.workspace.slug.clone();
        own.unwrap_or_else(|| if self.team.is_some() { slug_of(self.name()) } else { "default".to_owned() })
    }

    fn shown(&self) -> Value {
        let said = &self.workspace;
        let created = said.created_at.or_else(|| self.team.as_ref()?.created_at).unwrap_or_default();
        json!({
            "id": said.id, "name": self.name(), "slug": self.slug(), "description": said.description,
            "default_text_model": said.default_text_model, "default_image_model": said.default_image_model,
            "default_provider_sort": said.default_provider_sort, "default_guardrail_id": default_guardrail(&said.id),
            "include_byok_in_budgets": said.include_byok_in_budgets, "io_logging_sampling_rate": said.io_logging_sampling_rate.unwrap_or(1.0),
            "io_logging_api_key_ids": said.io_logging_api_key_ids,
            "is_observability_io_logging_enabled": said.is_observability_io_logging_enabled,
            "is_observability_broadcast_enabled": said.is_observability_broadcast_enabled,
            "is_data_discount_logging_enabled": said.is_data_discount_logging_enabled, "created_at": created,
            "created_by": said.created_by.as_ref().or_else(|| self.team.as_ref()?.created_by.as_ref()), "updated_at": said.updated_at,
        })
    }
}

/// A name as it may stand in a URL.
fn slug_of(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// Every workspace, the default one first.
pub(super) async fn all(desk: &Desk) -> Result<Vec<Place>, Refused> {
    let mut said: Vec<Workspace> = desk.all().await?;
    let mut take = |id: &str| said.iter().position(|one| one.id == id).map(|at| said.swap_remove(at));
    let mut places = vec![Place::of(None, take(DEFAULT_WORKSPACE))];
    for team in desk.all::<Team>().await? {
        let own = take(&team.team_id);
        places.push(Place::of(Some(team), own));
    }
    Ok(places)
}

/// The workspace of that id or slug.
pub(super) async fn find(desk: &Desk, name: &str) -> Result<Place, Refused> {
    if matches!(name, DEFAULT_WORKSPACE | "default") {
        return Ok(Place::of(None, desk.get(DEFAULT_WORKSPACE).await?));
    }
    if let Some(team) = desk.get::<Team>(name).await? {
        let said = desk.get(&team.team_id).await?;
        return Ok(Place::of(Some(team), said));
    }
    all(desk).await?.into_iter().find(|place| place.slug() == name).ok_or_else(not_found)
}

/// The workspace a request names, or the default one.
pub(super) async fn named(desk: &Desk, name: Option<&str>) -> Result<Place, Refused> {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => find(desk, name).await.map_err(|_| Refused::plain(400, "Workspace not found")),
        None => find(desk, DEFAULT_WORKSPACE).await,
    }
}

/// A slug that no other workspace has.
async fn free(desk: &Desk, slug: &str, id: &str) -> Result<String, Refused> {
    if slug.is_empty() || slug.len() > 50 || slug_of(slug) != slug {
        return Err(Refused::plain(400, "slug must be lower-case letters and digits with single hyphens, at most 50"));
    }
    if all(desk).await?.iter().any(|other| other.id() != id && other.slug() == slug) {
        return Err(Refused::plain(400, "a workspace with this slug exists already"));
    }
    Ok(slug.to_owned())
}

/// What a form says, written into a workspace.
async fn said(desk: &Desk, form: &Form, place: &mut Place) -> Result<(), Refused> {
    if let Some(name) = form.text("name") {
        if !(1..=100).contains(&name.chars().count()) {
            return Err(Refused::plain(400, "name must have 1 to 100 characters"));
        }
        match &mut place.team {
            Some(team) => team.team_alias = Some(name.to_owned()),
            None => place.workspace.name = Some(name.to_owned()),
        }
    }
    if form.sent("slug") {
        place.workspace.slug = match form.text("slug") {
            Some(slug) => Some(free(desk, slug, place.id()).await?),
            None => None,
        };
    }
    let own = &mut place.workspace;
    if form.text("description").is_some_and(|text| text.chars().count() > 500) {
        return Err(Refused::plain(400, "description must have at most 500 characters"));
    }
    if let Some(sort) = form.text("default_provider_sort")
        && !["price", "throughput", "latency", "exacto"].contains(&sort)
    {
        return Err(Refused::plain(400, "default_provider_sort must be price, throughput, latency or exacto"));
    }
    for (name, field) in [
        ("description", &mut own.description),
        ("default_text_model", &mut own.default_text_model),
        ("default_image_model", &mut own.default_image_model),
        ("default_provider_sort", &mut own.default_provider_sort),
    ] {
        if form.sent(name) {
            *field = form.owned(name);
        }
    }
    for (name, field) in [
        ("is_observability_io_logging_enabled", &mut own.is_observability_io_logging_enabled),
        ("is_observability_broadcast_enabled", &mut own.is_observability_broadcast_enabled),
        ("is_data_discount_logging_enabled", &mut own.is_data_discount_logging_enabled),
        ("include_byok_in_budgets", &mut own.include_byok_in_budgets),
    ] {
        if let Some(flag) = form.flag(name) {
            *field = flag;
        }
    }
    if let Some(rate) = form.get("io_logging_sampling_rate").and_then(Value::as_f64) {
        if !(0.0001..=1.0).contains(&rate) {
            return Err(Refused::plain(400, "io_logging_sampling_rate must be between 0.0001 and 1"));
        }
        own.io_logging_sampling_rate = Some(rate);
    } else if form.sent("io_logging_sampling_rate") {
        own.io_logging_sampling_rate = None;
    }
    if form.sent("io_logging_api_key_ids") {
        own.io_logging_api_key_ids =
            form.get("io_logging_api_key_ids").and_then(Value::as_array).map(|ids| ids.iter().filter_map(Value::as_i64).collect());
    }
    Ok(())
}

/// Keeps a workspace, and its team where it is one.
async fn keep(desk: &Desk, place: &mut Place) -> Result<(), Refused> {
    let now = Some(Time::now());
    if let Some(team) = &mut place.team {
        team.updated_at = now;
        desk.put(team).await?;
    }
    Ok(desk.put(&place.workspace).await?)
}

/// `GET /workspaces`
pub(super) async fn list(request: &Request) -> Answer {
    let all = request.read(|desk| async move { all(&desk).await }).await?;
    cut(request, &all, Place::shown)
}

/// `POST /workspaces`
pub(super) async fn new(request: &Request) -> Answer {
    let form = form(request, "OpenRouterWorkspace")?;
    let user = request.caller.user.clone();
    let write = request.write(move |desk| async move {
        let now = Some(Time::now());
        let mut team = Team { team_id: crate::id::of_object(), created_at: now, updated_at: now, ..Team::default() };
        team.created_by = Some(desk.actor().to_owned());
        if let Some(user) = user {
            let member = Member { user_id: Some(user), user_email: None, role: "admin".to_owned() };
            people::join(&desk, &mut team, &member, &people::Portion::default()).await?;
        }
        let own = Workspace { id: team.team_id.clone(), created_by: team.created_by.clone(), created_at: now, ..Workspace::default() };
        let mut place = Place::of(Some(team), Some(own));
        said(&desk, &form, &mut place).await?;
        keep(&desk, &mut place).await?;
        Ok(place)
    });
    Ok(json!({"data": write.await?.shown()}))
}

/// `GET /workspaces/{id}`
pub(super) async fn one(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let place = request.read(move |desk| async move { find(&desk, &id).await }).await?;
    Ok(json!({"data": place.shown()}))
}

/// `PATCH /workspaces/{id}`
pub(super) async fn update(request: &Request) -> Answer {
    let (form, id) = (form(request, "OpenRouterWorkspaceChange")?, request.part(0).to_owned());
    let write = request.write(move |desk| async move {
        let mut place = find(&desk, &id).await?;
        said(&desk, &form, &mut place).await?;
        place.workspace.updated_at = Some(Time::now());
        keep(&desk, &mut place).await?;
        Ok(place)
    });
    Ok(json!({"data": write.await?.shown()}))
}

/// `DELETE /workspaces/{id}`: with its guardrails and its keys of providers, but not while it has keys of its own.
pub(super) async fn delete(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let write = request.write(move |desk| async move {
        let place = find(&desk, &id).await?;
        let Some(mut team) = place.team else {
            return Err(Refused::plain(403, "The default workspace cannot be deleted"));
        };
        let id = team.team_id.clone();
        if desk.of_team::<Key>(&id).await?.iter().any(|key| key.blocked != Some(true)) {
            return Err(Refused::plain(400, "The workspace has active API keys; remove them first"));
        }
        for guardrail in desk.of_team::<Guardrail>(&id).await? {
            guardrails::remove(&desk, &guardrail.id).await?;
        }
        let sealed: Vec<ProviderKey> = desk.of_team(&id).await?;
        for key in &sealed {
            desk.delete::<ProviderKey>(&key.id).await?;
        }
        for key in desk.of_team::<Key>(&id).await? {
            people::remove_key(&desk, &key).await?;
        }
        let members: Vec<String> = team.members_with_roles.iter().filter_map(|member| member.user_id.clone()).collect();
        for member in members {
            people::leave(&desk, &mut team, &member).await?;
        }
        desk.delete::<Workspace>(&id).await?;
        crate::admin::grouping::release_tags(&desk, &id).await?;
        desk.delete::<Team>(&id).await?;
        Ok(sealed)
    });
    for key in write.await? {
        request.app.trust()?.vault().await?.remove(rules::CELL, key.id).await?;
    }
    Ok(json!({"deleted": true}))
}
