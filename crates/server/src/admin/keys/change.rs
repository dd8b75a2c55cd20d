//! Changing keys.

use serde_json::{Value, json};
use switchboard_store::object::{Budget, Key, Team};
use switchboard_store::{Desk, Money, Time};

use super::generate::{alias_is_free, no_team, only_columns, placed, reset_at};
use crate::admin::form::Form;
use crate::admin::teams::Permitted;
use crate::admin::{Answer, Refused, Request, defaults, duration, rows, spent};
use crate::auth::Caller;
use crate::authz::contain::{self, Bounds};
use crate::authz::object::{self, Standing};

/// `POST /key/update`
pub(in crate::admin) async fn update(request: &Request) -> Answer {
    let form = request.form("UpdateKeyRequest")?;
    let named = named(&form)?;
    let (key, budget) = apply(request, form, named.clone()).await?;
    let mut row = rows::key_with_hash(&request.app, &key, budget.as_ref());
    row.insert("key".to_owned(), json!(named));
    Ok(Value::Object(row))
}

/// `POST /key/bulk_update`: each for itself, and what failed is told.
pub(in crate::admin) async fn bulk_update(request: &Request) -> Answer {
    let form = request.form("BulkUpdateKeyRequest")?;
    let items = form.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    if items.is_empty() {
        return Err(Refused::said(400, "No keys provided for update"));
    }
    for item in &items {
        let form = Form { fields: item.as_object().cloned().unwrap_or_default() };
        let key = form.owned("key").unwrap_or_default();
        match apply(request, form, key.clone()).await {
            Ok((row, budget)) => {
                done.push(json!({"key": key, "key_info": rows::key_with_hash(&request.app, &row, budget.as_ref())}));
            }
            Err(refused) => failed.push(json!({"key": key, "key_info": null, "failed_reason": refused.message()})),
        }
    }
    Ok(json!({"total_requested": items.len(), "successful_updates": done, "failed_updates": failed}))
}

fn named(form: &Form) -> Result<String, Refused> {
    form.owned("key").or_else(|| form.owned("key_alias")).ok_or_else(|| {
        let complaint = json!({"type": "missing", "loc": ["body", "key"], "msg": "Field required", "input": form.fields});
        Refused::invalid(vec![complaint])
    })
}

fn not_found() -> Refused {
    Refused::new(404, "not_found_error", json!("key"), "Key not found.")
}

async fn apply(request: &Request, form: Form, named: String) -> Result<(Key, Option<Budget>), Refused> {
    rows::amounts(&form)?;
    defaults::within(&request.app.config(), &form)?;
    let (caller, by_alias, spend) = (request.caller.clone(), form.text("key").is_none(), spent::wanted(&form));
    if spend.is_some() && !caller.is_admin() {
        return Err(Refused::forbidden("only an administrator may say what a key has spent"));
    }
    let permitted = Permitted::now(request);
    let write = request.write(move |desk| async move {
        let found = if by_alias { desk.named::<Key>(&named).await?.pop() } else { super::named(&desk, &named).await? };
        let present = found.ok_or_else(|| unseen(&caller, "/key/update", not_found()))?;
        may_change(&desk, &caller, &present, "/key/update").await?;
        let key = changed(&desk, &form, &present).await?;
        permitted.key(&desk, &caller, (&present, &key), &form).await?;
        within(&desk, &caller, &present, &key).await?;
        desk.put(&key).await?;
        let budget = match &key.budget_id {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        Ok::<_, Refused>((key, budget))
    });
    let (mut key, budget): (Key, Option<Budget>) = write.await?;
    if let Some(spend) = spend {
        let of_budget = budget.as_ref().and_then(|budget| budget.budget_duration.as_deref());
        let duration = key.budget_duration.as_deref().or(of_budget);
        let before = spent::set_key(request, &key, duration, spend, "/key/update").await?;
        key.spend_reset = Some(Money(key.spend_reset.unwrap_or_default().0.plus(before.minus(spend))));
    }
    Ok((key, budget))
}

/// Refuses who may not change that key by that route.
pub(super) async fn may_change(desk: &Desk, caller: &Caller, key: &Key, route: &str) -> Result<(), Refused> {
    match object::of_key(desk, caller, key).await? {
        Standing::Admin => return Ok(()),
        Standing::Owner if key.team_id.is_none() => return Ok(()),
        Standing::Owner | Standing::Member => {
            if let Some(id) = &key.team_id
                && let Some(team) = desk.get::<Team>(id).await?
                && object::of_team(desk, caller, &team).await? >= Standing::Member
            {
                // Of a key that is there members are told as LiteLLM does: by 403, where making one anew is refused with 401.
                return object::permits(&team, route).then_some(()).ok_or_else(|| match route {
                    "/key/regenerate" => super::not_permitted(&team, route),
                    _ => Refused::forbidden(super::not_permitted(&team, route).message()),
                });
            }
        }
        Standing::Stranger => {}
    }
    Err(not_yours(route))
}

fn not_yours(route: &str) -> Refused {
    Refused::forbidden(format!("You are not authorized to use {route} on this key"))
}

/// What is told of a key that is not there: to those who do not see all keys, the same as of one that is not theirs.
pub(super) fn unseen(caller: &Caller, route: &str, missing: Refused) -> Refused {
    if caller.sees_all() { missing } else { not_yours(route) }
}

/// The key as the form wants it.
async fn changed(desk: &Desk, form: &Form, present: &Key) -> Result<Key, Refused> {
    let now = Time::now();
    let mut key: Key = rows::merged(present, &only_columns(form), &[])?;
    key.metadata = rows::metadata(form, present.metadata.clone());
    if form.sent("duration") {
        let wanted = form.text("duration").filter(|text| *text != "-1");
        key.expires = wanted.map(|text| duration::after(now, text)).transpose()?;
    }
    if form.sent("budget_duration") {
        key.budget_reset_at = reset_at(now, form.text("budget_duration"));
    }
    if let Some(interval) = key.rotation_interval.as_deref().filter(|_| key.auto_rotate == Some(true)) {
        key.key_rotation_at = Some(key.last_rotation_at.map_or(duration::after(now, interval), |last| duration::after(last, interval))?);
    }
    if key.key_alias != present.key_alias {
        alias_is_free(desk, key.key_alias.as_deref(), &key.token).await?;
    }
    if let (Some(before), Some(after)) = (&present.project_id, &key.project_id)
        && before != after
    {
        return Err(Refused::said(400, "a key does not go from one project to another; take it out of its project first"));
    }
    if let Some(id) = key.team_id.as_ref().filter(|_| key.team_id != present.team_id)
        && desk.get::<Team>(id).await?.is_none()
    {
        return Err(no_team(id));
    }
    placed(desk, &mut key).await?;
    (key.updated_at, key.settings_updated_at, key.updated_by) = (Some(now), Some(now), Some(desk.actor().to_owned()));
    Ok(key)
}

/// A key stays within what its changer has; it is given to nobody else, and into no team the changer does not administer.
pub(super) async fn within(desk: &Desk, caller: &Caller, present: &Key, key: &Key) -> Result<(), Refused> {
    contain::passages(caller, "key", &present.metadata, &key.metadata)?;
    let moved = key.team_id != present.team_id;
    let team: Option<Team> = match &key.team_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    let Some(bounds) = Bounds::of(desk, caller, team.as_ref()).await? else { return Ok(()) };
    if caller.is_admin() {
        return bounds.hold(key);
    }
    if key.user_id != present.user_id || key.organization_id != present.organization_id {
        return Err(Refused::forbidden("only an administrator may give a key to another user or organization"));
    }
    if moved {
        let administers = match &team {
            Some(team) => object::of_team(desk, caller, team).await? == Standing::Admin,
            None => false,
        };
        if !administers {
            return Err(Refused::forbidden("only an administrator of the team may move a key into it"));
        }
    }
    bounds.hold_change(present, key)
}

/// `POST /key/block`
pub(in crate::admin) async fn block(request: &Request) -> Answer {
    set_blocked(request, true).await
}

/// `POST /key/unblock`
pub(in crate::admin) async fn unblock(request: &Request) -> Answer {
    set_blocked(request, false).await
}

async fn set_blocked(request: &Request, blocked: bool) -> Answer {
    let form = request.form("BlockKeyRequest")?;
    let named = form.owned("key").unwrap_or_default();
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let mut key = super::named(&desk, &named).await?.ok_or_else(|| unseen(&caller, "/key/block", not_found()))?;
        may_change(&desk, &caller, &key, "/key/block").await?;
        key.blocked = Some(blocked);
        (key.updated_at, key.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
        desk.put(&key).await?;
        Ok::<_, Refused>(key)
    });
    Ok(Value::Object(rows::key_with_hash(&request.app, &write.await?, None)))
}
