//! `/tag/…`: marks on requests that have budgets, and choose deployments.

use serde_json::{Map, Value, json};
use switchboard_engine::terms::Level;
use switchboard_store::ledger::report::{self, By, Days, SumSort};
use switchboard_store::object::{Budget, Key, Tag, Team, User};
use switchboard_store::{Desk, StoreError, Time};

use super::terms;
use crate::admin::form::Form;
use crate::admin::{Answer, Request, rows};
use crate::app::App;
use crate::auth::Caller;
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// The most keys that are looked at to see whose a tag is.
const MOST_USERS: i64 = 1_000;

fn missing(name: &str) -> Refused {
    Refused::detail(404, json!(format!("Tag {name} not found")))
}

fn shown(app: &App, tag: &Tag, budget: Option<&Budget>) -> Value {
    let mut row = rows::columns(tag);
    row.insert("spend".to_owned(), rows::spent(app, Level::Tag, &tag.name));
    row.insert("litellm_budget_table".to_owned(), json!(budget.map(rows::budget)));
    Value::Object(row)
}

/// What an administrator of a team may say of the team's tags.
const OF_TEAM: [&str; 5] = ["name", "team_id", "description", "models", "model_info"];

/// Refuses whoever administers neither the gateway nor the team that has the tag, and what is not for a team to say.
async fn allowed(desk: &Desk, caller: &Caller, owner: Option<&str>, form: &Form) -> Result<(), Refused> {
    if caller.is_admin() {
        return Ok(());
    }
    if let Some(name) = form.fields.keys().find(|name| !OF_TEAM.contains(&name.as_str())) {
        return Err(Refused::forbidden(format!("only an administrator may set `{name}` of a tag")));
    }
    let team: Option<Team> = match owner {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    match team {
        Some(team) if object::of_team(desk, caller, &team).await? == Standing::Admin => Ok(()),
        Some(_) | None => Err(Refused::forbidden("only administrators of the gateway, or of the team that has the tag, may do this")),
    }
}

/// Tags of a team that is no more are nobody's.
pub(in crate::admin) async fn release(desk: &Desk, team: &str) -> Result<(), StoreError> {
    for tag in desk.all::<Tag>().await?.into_iter().filter(|tag| tag.team_id.as_deref() == Some(team)) {
        desk.put(&Tag { team_id: None, updated_at: Some(Time::now()), ..tag }).await?;
    }
    Ok(())
}

/// The keys that have borne a tag that is to be a team's.
async fn users(request: &Request, form: &Form) -> Result<Vec<String>, Refused> {
    let (Some(name), Some(_)) = (form.owned("name"), form.text("team_id")) else { return Ok(Vec::new()) };
    let days = Days { kind: "tag", entities: vec![name], ..Days::default() };
    let sums = report::sums(&request.store, days, &[By::Key], SumSort::Dearest, (MOST_USERS, 0)).await?;
    Ok(sums.into_iter().map(|sum| sum.api_key).collect())
}

/// Refuses to make a tag a team's that others bear: their calls would be refused from then on.
async fn unused(desk: &Desk, keys: &[String], name: &str, team: &str) -> Result<(), Refused> {
    let own = desk.several::<Key>(keys).await?.iter().filter(|key| key.team_id.as_deref() == Some(team)).count();
    if own == keys.len() {
        return Ok(());
    }
    let message = format!("Tag {name} has been used by keys that are not of team {team}, and cannot be made the team's");
    Err(Refused::new(409, "tag_ownership_conflict", json!("team_id"), message))
}

/// `POST /tag/new`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("TagNewRequest")?;
    rows::amounts(&form)?;
    let caller = request.caller.clone();
    let used = users(request, &form).await?;
    let write = request.write(move |desk| async move {
        let name = form.owned("name").unwrap_or_default();
        allowed(&desk, &caller, form.text("team_id"), &form).await?;
        if desk.get::<Tag>(&name).await?.is_some() {
            return Err(Refused::detail(400, json!(format!("Tag {name} already exists"))));
        }
        if let Some(team) = form.text("team_id") {
            unused(&desk, &used, &name, team).await?;
        }
        let (made_by, now) = (Some(desk.actor().to_owned()), Some(Time::now()));
        put(&desk, &form, Tag { name, created_by: made_by, created_at: now, ..Tag::default() }).await
    });
    let (tag, budget) = write.await?;
    Ok(json!({"message": format!("Tag {} created successfully", tag.name), "tag": shown(&request.app, &tag, budget.as_ref())}))
}

/// `POST /tag/update`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("TagUpdateRequest")?;
    rows::amounts(&form)?;
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let name = form.owned("name").unwrap_or_default();
        let tag = owned(&desk, &caller, &name, &form).await?;
        if form.sent("team_id") && form.text("team_id") != tag.team_id.as_deref() && !caller.is_admin() {
            return Err(Refused::forbidden("only an administrator may give a tag to another team"));
        }
        put(&desk, &form, tag).await
    });
    let (tag, budget) = write.await?;
    Ok(json!({"message": format!("Tag {} updated successfully", tag.name), "tag": shown(&request.app, &tag, budget.as_ref())}))
}

/// The tag, for a caller who may do this with it. Those who see no tags are not told whether there is one.
async fn owned(desk: &Desk, caller: &Caller, name: &str, form: &Form) -> Result<Tag, Refused> {
    let tag: Option<Tag> = desk.get(name).await?;
    allowed(desk, caller, tag.as_ref().and_then(|tag| tag.team_id.as_deref()), form).await?;
    tag.ok_or_else(|| missing(name))
}

async fn put(desk: &Desk, form: &Form, tag: Tag) -> Result<(Tag, Option<Budget>), Refused> {
    let mut own = Form::default();
    for name in ["description", "models", "model_info", "team_id"] {
        if let Some(value) = form.fields.get(name) {
            own.fields.insert(name.to_owned(), value.clone());
        }
    }
    let budget = terms::budget(desk, form, tag.budget_id.as_deref()).await?;
    let mut tag: Tag = rows::merged(&tag, &own, &[])?;
    tag.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    tag.updated_at = Some(Time::now());
    if let Some(team) = &tag.team_id
        && desk.get::<Team>(team).await?.is_none()
    {
        return Err(Refused::detail(404, json!({"error": format!("Team not found, passed team_id={team}")})));
    }
    desk.put(&tag).await?;
    Ok((tag, budget))
}

/// `POST /tag/delete`
pub(super) async fn delete(request: &Request) -> Answer {
    let name = request.form("TagDeleteRequest")?.owned("name").unwrap_or_default();
    let (told, caller) = (name.clone(), request.caller.clone());
    let write = request.write(move |desk| async move {
        owned(&desk, &caller, &name, &Form::default()).await?;
        Ok(desk.delete::<Tag>(&name).await?)
    });
    write.await?;
    Ok(json!({"message": format!("Tag {told} deleted successfully")}))
}

/// `POST /tag/info`: by name.
pub(super) async fn info(request: &Request) -> Answer {
    let names = request.form("TagInfoRequest")?.texts("names").unwrap_or_default();
    let read = request.read(move |desk| async move {
        let tags: Vec<Tag> = desk.several(&names).await?;
        if tags.is_empty() {
            return Err(Refused::detail(404, json!(format!("No tags found for names: {names:?}"))));
        }
        let budgets = terms::several(&desk, tags.iter().map(|tag| tag.budget_id.clone())).await?;
        Ok((tags, budgets))
    });
    let (tags, budgets) = read.await?;
    let row = |tag: &Tag| (tag.name.clone(), shown(&request.app, tag, terms::find(&budgets, tag.budget_id.as_ref())));
    Ok(Value::Object(tags.iter().map(row).collect::<Map<_, _>>()))
}

/// `GET /tag/list`: those who do not see everything see the tags of their teams.
pub(super) async fn list(request: &Request) -> Answer {
    let caller = request.caller.clone();
    let read = request.read(move |desk| async move {
        let mut tags: Vec<Tag> = desk.all().await?;
        if !caller.sees_all() {
            let teams = teams(&desk, &caller).await?;
            tags.retain(|tag| tag.team_id.as_ref().is_some_and(|team| teams.contains(team)));
        }
        let budgets = terms::several(&desk, tags.iter().map(|tag| tag.budget_id.clone())).await?;
        Ok((tags, budgets))
    });
    let (tags, budgets) = read.await?;
    let row = |tag: &Tag| shown(&request.app, tag, terms::find(&budgets, tag.budget_id.as_ref()));
    Ok(tags.iter().map(row).collect())
}

/// The teams that the caller or its key is in.
async fn teams(desk: &Desk, caller: &Caller) -> Result<Vec<String>, StoreError> {
    let mut teams: Vec<String> = caller.team.iter().cloned().collect();
    if let Some(user) = &caller.user {
        teams.extend(desk.get::<User>(user).await?.map(|user| user.teams).unwrap_or_default());
    }
    Ok(teams)
}
