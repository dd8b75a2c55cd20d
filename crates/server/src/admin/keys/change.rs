//! Changing keys.

use serde_json::{Value, json};
use switchboard_engine::terms::NanoUsd;
use switchboard_store::object::{Budget, Json, Key, Renewed, Team};
use switchboard_store::{Desk, Money, Time};

use super::generate::{alias_is_free, no_team, only_columns, placed, stays};
use super::may::{self, Deed};
use crate::admin::form::Form;
use crate::admin::teams::Permitted;
use crate::admin::{Answer, Request, defaults, duration, rows, spent};
use crate::auth::{Caller, SERVICE_ACCOUNT};
use crate::authz::contain::{self, Bounds};
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

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

/// The most keys of a team that are changed at once.
const MOST: usize = 500;

/// `POST /team/key/bulk_update`: the same for several keys of one team, or for all that are neither blocked nor over.
pub(in crate::admin) async fn bulk_update_of_team(request: &Request) -> Answer {
    let form = request.form("BulkUpdateTeamKeysRequest")?;
    let Some(team) = form.owned("team_id").filter(|id| !id.is_empty()) else { return Err(Refused::told(400, "team_id is required")) };
    let mut wanted = form.texts("key_ids").unwrap_or_default();
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|key| seen.insert(super::hash_of(key)));
    let all = form.flag("all_keys_in_team") == Some(true);
    if wanted.len() > MOST {
        return Err(Refused::told(400, &format!("Maximum {MOST} keys can be updated at once. Found {} key_ids.", wanted.len())));
    }
    if wanted.is_empty() && !all {
        return Err(Refused::told(400, "key_ids must be provided when all_keys_in_team is False"));
    }
    let (caller, id) = (request.caller.clone(), team.clone());
    let read = request.read(move |desk| async move {
        // Who may change none of its keys is not told which there are.
        let any = Key { team_id: Some(id.clone()), ..Key::default() };
        may::may(&desk, &caller, &any, Deed::Update).await?;
        Ok(desk.of_team::<Key>(&id).await?)
    });
    let own: Vec<Key> = read.await?;
    if all {
        let now = Time::now();
        let open = |key: &&Key| key.blocked != Some(true) && key.expires.is_none_or(|end| end > now);
        wanted = own.iter().filter(open).map(|key| key.token.clone()).collect();
    }
    if wanted.is_empty() {
        return Err(Refused::told(404, &format!("No keys found for team {team}")));
    }
    if wanted.len() > MOST {
        let message = format!("Team {team} has more than {MOST} keys. Use `key_ids` to update in batches of {MOST}.");
        return Err(Refused::told(400, &message));
    }
    let changes = form.object("update_fields").cloned().unwrap_or_default();
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for key in &wanted {
        let hash = super::hash_of(key);
        let mut form = Form { fields: changes.clone() };
        form.put("key", key.as_str());
        let changed = match own.iter().any(|one| one.token == hash) {
            true => apply(request, form, key.clone()).await,
            false => Err(Refused::told(404, &format!("Key not found in team {team}"))),
        };
        match changed {
            Ok((row, budget)) => {
                done.push(json!({"key": key, "key_info": rows::key_with_hash(&request.app, &row, budget.as_ref())}));
            }
            Err(refused) => failed.push(json!({"key": key, "key_info": null, "failed_reason": refused.message()})),
        }
    }
    Ok(json!({"total_requested": wanted.len(), "successful_updates": done, "failed_updates": failed}))
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
    let (caller, by_alias, spend) = (request.caller.clone(), form.text("key").is_none(), spend(&request.caller, &form)?);
    let permitted = Permitted::now(request);
    let write = request.write(move |desk| async move {
        let found = if by_alias { desk.named::<Key>(&named).await?.pop() } else { super::named(&desk, &named).await? };
        let present = found.ok_or_else(|| Deed::Update.unseen(&caller, not_found()))?;
        let standing = may::may(&desk, &caller, &present, Deed::Update).await?;
        let key = changed(&desk, &form, &present).await?;
        permitted.key(&desk, &caller, (&present, &key), &form).await?;
        within(&desk, &caller, standing, (&present, &key), &form).await?;
        desk.put(&key).await?;
        let budget = budget(&desk, &key).await?;
        Ok::<_, Refused>((key, budget))
    });
    let (mut key, budget): (Key, Option<Budget>) = write.await?;
    set_spend(request, (&mut key, budget.as_ref()), spend, "/key/update").await?;
    Ok((key, budget))
}

/// The budget that a key names.
pub(super) async fn budget(desk: &Desk, key: &Key) -> Result<Option<Budget>, Refused> {
    Ok(match &key.budget_id {
        Some(id) => desk.get(id).await?,
        None => None,
    })
}

/// What a form wants a key to have spent, if it says so; that is for administrators of the gateway to say.
pub(super) fn spend(caller: &Caller, form: &Form) -> Result<Option<NanoUsd>, Refused> {
    match spent::wanted(form) {
        Some(_) if !caller.is_admin() => Err(Refused::forbidden("only an administrator may say what a key has spent")),
        wanted => Ok(wanted),
    }
}

/// Sets what a key has spent, where that is said.
pub(super) async fn set_spend(
    request: &Request,
    (key, budget): (&mut Key, Option<&Budget>),
    spend: Option<NanoUsd>,
    route: &str,
) -> Result<(), Refused> {
    let Some(spend) = spend else { return Ok(()) };
    let before = spent::set_key(request, key, key.period().or(budget.map(Renewed::period)), spend, route).await?;
    key.spend_reset = Some(Money(key.spend_reset.unwrap_or_default().0.plus(before.minus(spend))));
    Ok(())
}

/// The key as the form wants it.
pub(super) async fn changed(desk: &Desk, form: &Form, present: &Key) -> Result<Key, Refused> {
    stays(form)?;
    let now = Time::now();
    let mut key: Key = rows::merged(present, &only_columns(form), &[])?;
    key.metadata = rows::metadata(form, present.metadata.clone());
    keep_account(form, &present.metadata, &mut key.metadata)?;
    if form.sent("duration") {
        let wanted = form.text("duration").filter(|text| *text != "-1");
        key.expires = wanted.map(|text| duration::after(now, text)).transpose()?;
    }
    key.begin(present, now);
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
    if key.team_id == present.team_id && !form.sent("organization_id") {
        // What its team has come into since is not this change.
        key.organization_id.clone_from(&present.organization_id);
    }
    (key.updated_at, key.settings_updated_at, key.updated_by) = (Some(now), Some(now), Some(desk.actor().to_owned()));
    Ok(key)
}

/// The account of a service is said once: what is for such accounts alone holds for its key as long as there is one.
fn keep_account(form: &Form, before: &Json, after: &mut Json) -> Result<(), Refused> {
    let Some(account) = before.get(SERVICE_ACCOUNT).filter(|account| !account.is_null()) else { return Ok(()) };
    let said = match form.fields.get("metadata") {
        None => None,
        Some(Value::Object(metadata)) => metadata.get(SERVICE_ACCOUNT),
        Some(none) => Some(none),
    };
    if said.is_some_and(|said| said != account) {
        return Err(Refused::said(400, &format!("{SERVICE_ACCOUNT} is immutable once set and cannot be changed via update.")));
    }
    after.insert(SERVICE_ACCOUNT.to_owned(), account.clone());
    Ok(())
}

/// A key stays within what its changer has and may change; it is given to nobody else, and into no team the changer does not administer.
pub(super) async fn within(
    desk: &Desk,
    caller: &Caller,
    standing: Standing,
    (present, key): (&Key, &Key),
    form: &Form,
) -> Result<(), Refused> {
    contain::passages(caller, "key", &present.metadata, &key.metadata)?;
    contain::spending(caller, present, key)?;
    may::bounding(caller, standing, (present, key), form)?;
    may::given(desk, caller, (present, key)).await?;
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
    if key.allowed_routes != present.allowed_routes && !may::may_hold(desk, caller, key).await? {
        return Err(Refused::forbidden("only an administrator of the gateway says what else than calls such a key is for"));
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
    set_blocked(request, Deed::Block).await
}

/// `POST /key/unblock`
pub(in crate::admin) async fn unblock(request: &Request) -> Answer {
    set_blocked(request, Deed::Unblock).await
}

async fn set_blocked(request: &Request, deed: Deed) -> Answer {
    let form = request.form("BlockKeyRequest")?;
    let named = form.owned("key").unwrap_or_default();
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let mut key = super::named(&desk, &named).await?.ok_or_else(|| deed.unseen(&caller, not_found()))?;
        may::may(&desk, &caller, &key, deed).await?;
        key.blocked = Some(deed == Deed::Block);
        (key.updated_at, key.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
        desk.put(&key).await?;
        Ok::<_, Refused>(key)
    });
    Ok(Value::Object(rows::key_with_hash(&request.app, &write.await?, None)))
}
