//! `/tag/…`: marks on requests that have budgets, and choose deployments.

use serde_json::{Map, Value, json};
use switchboard_engine::admit::Level;
use switchboard_store::object::{Budget, Tag, Team};
use switchboard_store::{Desk, Time};

use super::terms;
use crate::admin::form::Form;
use crate::admin::{Answer, Refused, Request, rows};
use crate::app::App;

fn missing(name: &str) -> Refused {
    Refused::detail(404, json!(format!("Tag {name} not found")))
}

fn shown(app: &App, tag: &Tag, budget: Option<&Budget>) -> Value {
    let mut row = rows::columns(tag);
    row.insert("spend".to_owned(), rows::spent(app, Level::Tag, &tag.name));
    row.insert("litellm_budget_table".to_owned(), json!(budget.map(rows::budget)));
    Value::Object(row)
}

/// `POST /tag/new`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("TagNewRequest")?;
    rows::amounts(&form)?;
    let write = request.write(move |desk| async move {
        let name = form.owned("name").unwrap_or_default();
        if desk.get::<Tag>(&name).await?.is_some() {
            return Err(Refused::detail(400, json!(format!("Tag {name} already exists"))));
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
    let write = request.write(move |desk| async move {
        let name = form.owned("name").unwrap_or_default();
        let tag: Tag = desk.get(&name).await?.ok_or_else(|| missing(&name))?;
        put(&desk, &form, tag).await
    });
    let (tag, budget) = write.await?;
    Ok(json!({"message": format!("Tag {} updated successfully", tag.name), "tag": shown(&request.app, &tag, budget.as_ref())}))
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
    let told = name.clone();
    let write = request.write(move |desk| async move {
        match desk.delete::<Tag>(&name).await? {
            true => Ok(()),
            false => Err(missing(&name)),
        }
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

/// `GET /tag/list`
pub(super) async fn list(request: &Request) -> Answer {
    let read = request.read(|desk| async move {
        let tags: Vec<Tag> = desk.all().await?;
        let budgets = terms::several(&desk, tags.iter().map(|tag| tag.budget_id.clone())).await?;
        Ok((tags, budgets))
    });
    let (tags, budgets) = read.await?;
    let row = |tag: &Tag| shown(&request.app, tag, terms::find(&budgets, tag.budget_id.as_ref()));
    Ok(tags.iter().map(row).collect())
}
