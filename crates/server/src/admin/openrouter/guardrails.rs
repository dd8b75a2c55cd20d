//! Guardrails: rules for what is asked with a key, by a member, or in a whole workspace.
//!
//! A new guardrail holds for nobody until it is assigned. The guardrail of a workspace itself has an id that follows from the
//! workspace's; it comes into being when something is first said of it.

use serde_json::{Value, json};
use switchboard_store::object::{GuardedKey, GuardedMember, Guardrail};
use switchboard_store::{Desk, Time};

use super::workspaces::{self, Place};
use super::{cut, form, not_found};
use crate::admin::form::Form;
use crate::admin::{Answer, Request, rows};
use crate::auth::rules::default_guardrail;
use crate::guard;
use crate::refused::Refused;

/// A guardrail as it is told.
fn shown(guardrail: &Guardrail) -> Value {
    let mut row = rows::columns(guardrail);
    row.remove("created_by");
    Value::Object(row)
}

/// The guardrail of that id, or what it will be if it is that of a workspace and nothing was said of it yet.
async fn found(desk: &Desk, id: &str) -> Result<Option<Guardrail>, Refused> {
    Ok(desk.get(id).await?)
}

async fn of_workspace(desk: &Desk, id: &str) -> Result<Option<Guardrail>, Refused> {
    let place = workspaces::all(desk).await?.into_iter().find(|place| default_guardrail(place.id()) == id);
    Ok(place.map(|place| Guardrail {
        id: id.to_owned(),
        name: default_name(&place),
        workspace_id: Some(place.id().to_owned()),
        created_by: Some(desk.actor().to_owned()),
        created_at: Some(Time::now()),
        ..Guardrail::default()
    }))
}

fn default_name(place: &Place) -> String {
    format!("{} default guardrail", place.name())
}

/// Checks what no form can.
fn sound(guardrail: &Guardrail) -> Result<(), Refused> {
    let length = guardrail.name.chars().count();
    if !(1..=200).contains(&length) {
        return Err(Refused::plain(400, "name must have 1 to 200 characters"));
    }
    if guardrail.description.as_ref().is_some_and(|text| text.chars().count() > 1000) {
        return Err(Refused::plain(400, "description must have at most 1000 characters"));
    }
    let lists = [&guardrail.allowed_models, &guardrail.ignored_models, &guardrail.allowed_providers, &guardrail.ignored_providers];
    if lists.into_iter().flatten().any(Vec::is_empty) {
        return Err(Refused::plain(400, "a list must have at least one entry; null means no restriction"));
    }
    if guardrail.limit_usd.is_some_and(|limit| limit.0.0 < 0) {
        return Err(Refused::plain(400, "limit_usd must be a non-negative number"));
    }
    for filter in guardrail.content_filters.iter().flatten() {
        let label = filter.label.as_ref().is_none_or(|label| label.chars().count() <= 100);
        if filter.pattern.is_empty() || !label {
            return Err(Refused::plain(400, "a content filter needs a pattern, and a label of at most 100 characters"));
        }
        guard::pattern(&filter.pattern).map_err(|why| Refused::plain(400, &format!("a content filter is no pattern: {why}")))?;
    }
    let foreign = guardrail.content_filter_builtins.iter().flatten().find(|filter| !guard::knows(&filter.slug));
    match foreign {
        // A filter that is kept and finds nothing would be believed in.
        Some(filter) => Err(Refused::plain(400, &format!("the built-in filter `{}` is not recognised by this gateway", filter.slug))),
        None => Ok(()),
    }
}

/// What a form says, written into a guardrail.
fn said(guardrail: &Guardrail, form: &Form) -> Result<Guardrail, Refused> {
    let mut fields = rows::columns(guardrail);
    for (name, value) in &form.fields {
        fields.insert(name.clone(), value.clone());
    }
    if let Some(zdr) = form.get("enforce_zdr") {
        for maker in ["anthropic", "google", "openai", "xai", "other"] {
            let name = format!("enforce_zdr_{maker}");
            if !form.sent(&name) {
                fields.insert(name, zdr.clone());
            }
        }
    }
    if fields.get("include_byok_in_budgets").is_some_and(Value::is_null) {
        fields.remove("include_byok_in_budgets");
    }
    serde_json::from_value(Value::Object(fields)).map_err(|_| Refused::plain(400, "Invalid request parameters"))
}

/// `GET /guardrails`
pub(super) async fn list(request: &Request) -> Answer {
    let place = request.value("workspace_id").filter(|id| !id.is_empty()).map(str::to_owned);
    let read = request.read(move |desk| async move {
        let mut all: Vec<Guardrail> = desk.all().await?;
        if let Some(named) = place {
            let place = workspaces::find(&desk, &named).await?;
            all.retain(|guardrail| guardrail.workspace_id.as_deref() == Some(place.id()));
        }
        Ok(all)
    });
    let all = read.await?;
    cut(request, &all, shown)
}

/// `POST /guardrails`
pub(super) async fn new(request: &Request) -> Answer {
    let form = form(request, "OpenRouterGuardrail")?;
    let write = request.write(move |desk| async move {
        let place = workspaces::named(&desk, form.text("workspace_id")).await?;
        let blank = Guardrail {
            id: crate::id::of_object(),
            created_by: Some(desk.actor().to_owned()),
            created_at: Some(Time::now()),
            ..Guardrail::default()
        };
        let guardrail = Guardrail { workspace_id: Some(place.id().to_owned()), ..said(&blank, &form)? };
        sound(&guardrail)?;
        desk.put(&guardrail).await?;
        Ok(guardrail)
    });
    Ok(json!({"data": shown(&write.await?)}))
}

/// `GET /guardrails/{id}`
pub(super) async fn one(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let read = request.read(move |desk| async move { found(&desk, &id).await?.ok_or_else(not_found) });
    Ok(json!({"data": shown(&read.await?)}))
}

/// `PATCH /guardrails/{id}`
pub(super) async fn update(request: &Request) -> Answer {
    let (form, id) = (form(request, "OpenRouterGuardrailChange")?, request.part(0).to_owned());
    let write = request.write(move |desk| async move {
        let known = found(&desk, &id).await?;
        let own = of_workspace(&desk, &id).await?;
        let present = known.or_else(|| own.clone()).ok_or_else(not_found)?;
        if own.is_some() && form.text("name").is_some_and(|name| name != present.name) {
            return Err(Refused::plain(
                400,
                "The name of a workspace's default guardrail follows from the workspace and cannot be changed",
            ));
        }
        let mut guardrail = said(&present, &form)?;
        sound(&guardrail)?;
        guardrail.updated_at = Some(Time::now());
        desk.put(&guardrail).await?;
        Ok(guardrail)
    });
    Ok(json!({"data": shown(&write.await?)}))
}

/// `DELETE /guardrails/{id}`: with its assignments.
pub(super) async fn delete(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let write = request.write(move |desk| async move {
        found(&desk, &id).await?.ok_or_else(not_found)?;
        remove(&desk, &id).await
    });
    write.await?;
    Ok(json!({"deleted": true}))
}

/// Deletes a guardrail with its assignments.
pub(super) async fn remove(desk: &Desk, id: &str) -> Result<(), Refused> {
    for guarded in desk.named::<GuardedKey>(id).await? {
        desk.delete::<GuardedKey>(&guarded.key_hash).await?;
    }
    for guarded in desk.named::<GuardedMember>(id).await? {
        desk.delete::<GuardedMember>(&guarded.user_id).await?;
    }
    desk.delete::<Guardrail>(id).await?;
    Ok(())
}
