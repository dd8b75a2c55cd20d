//! To whom guardrails are assigned. A key or a member holds at most one: assigning another replaces it.

use serde_json::{Value, json};
use switchboard_store::object::{GuardedKey, GuardedMember, Guardrail, Key, User};
use switchboard_store::{Desk, Time};

use super::{cut, form, not_found};
use crate::admin::{Answer, Request};
use crate::refused::Refused;

/// Whom assignments are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    One,
    Every,
}

fn whose(request: &Request) -> Whose {
    if request.part(0).is_empty() { Whose::Every } else { Whose::One }
}

async fn guardrail(desk: &Desk, id: &str) -> Result<Guardrail, Refused> {
    desk.get(id).await?.ok_or_else(not_found)
}

/// `GET /guardrails/assignments/keys` and `GET /guardrails/{id}/assignments/keys`
pub(super) async fn keys(request: &Request) -> Answer {
    let (id, whose) = (request.part(0).to_owned(), whose(request));
    let read = request.read(move |desk| async move {
        let guarded: Vec<GuardedKey> = match whose {
            Whose::Every => desk.all().await?,
            Whose::One => desk.named(&guardrail(&desk, &id).await?.id).await?,
        };
        let mut rows = Vec::new();
        for one in guarded {
            // What was assigned stays with a key that got another secret.
            if let Some(key) = of_account(&desk, &one.key_hash).await? {
                rows.push((one, key));
            }
        }
        Ok(rows)
    });
    let rows: Vec<(GuardedKey, Key)> = read.await?;
    let shown = |(one, key): &(GuardedKey, Key)| {
        let label = key.key_name.clone().unwrap_or_else(|| "sk-...".to_owned());
        let name = key.metadata.get("name").and_then(Value::as_str).map(str::to_owned).or_else(|| key.key_alias.clone());
        json!({
            "id": one.id, "guardrail_id": one.guardrail_id, "key_hash": key.token, "key_label": label,
            "key_name": name.unwrap_or_else(|| label.clone()), "assigned_by": one.assigned_by, "created_at": one.created_at,
        })
    };
    cut(request, &rows, shown)
}

/// The key whose spend is counted under that hash.
async fn of_account(desk: &Desk, hash: &str) -> Result<Option<Key>, Refused> {
    if let Some(key) = desk.get::<Key>(hash).await? {
        return Ok(Some(key));
    }
    Ok(desk.all::<Key>().await?.into_iter().find(|key| key.account() == hash))
}

/// `POST /guardrails/{id}/assignments/keys`
pub(super) async fn assign_keys(request: &Request) -> Answer {
    let form = form(request, "OpenRouterKeyHashes")?;
    let (id, hashes) = (request.part(0).to_owned(), form.texts("key_hashes").unwrap_or_default());
    some(&hashes)?;
    let write = request.write(move |desk| async move {
        let guardrail = guardrail(&desk, &id).await?;
        for hash in &hashes {
            let key: Key = desk.get(hash).await?.ok_or_else(|| Refused::plain(404, "API key not found: name keys by their hash"))?;
            let guarded = GuardedKey {
                id: crate::id::of_object(),
                key_hash: key.account().to_owned(),
                guardrail_id: guardrail.id.clone(),
                assigned_by: Some(desk.actor().to_owned()),
                created_at: Time::now(),
            };
            desk.put(&guarded).await?;
        }
        Ok(hashes.len())
    });
    Ok(json!({"assigned_count": write.await?}))
}

/// `POST /guardrails/{id}/assignments/keys/remove`
pub(super) async fn remove_keys(request: &Request) -> Answer {
    let form = form(request, "OpenRouterKeyHashes")?;
    let (id, hashes) = (request.part(0).to_owned(), form.texts("key_hashes").unwrap_or_default());
    some(&hashes)?;
    let write = request.write(move |desk| async move {
        let guardrail = guardrail(&desk, &id).await?;
        let mut removed = 0;
        for hash in &hashes {
            let key: Option<Key> = desk.get(hash).await?;
            let account = key.as_ref().map_or(hash.as_str(), Key::account);
            let guarded: Option<GuardedKey> = desk.get(account).await?;
            if guarded.is_some_and(|guarded| guarded.guardrail_id == guardrail.id) {
                desk.delete::<GuardedKey>(account).await?;
                removed += 1;
            }
        }
        Ok(removed)
    });
    Ok(json!({"unassigned_count": write.await?}))
}

/// `GET /guardrails/assignments/members` and `GET /guardrails/{id}/assignments/members`
pub(super) async fn members(request: &Request) -> Answer {
    let (id, whose) = (request.part(0).to_owned(), whose(request));
    let read = request.read(move |desk| async move {
        let guarded: Vec<GuardedMember> = match whose {
            Whose::Every => desk.all().await?,
            Whose::One => desk.named(&guardrail(&desk, &id).await?.id).await?,
        };
        let mut rows = Vec::new();
        for one in guarded {
            let user: Option<User> = desk.get(&one.user_id).await?;
            rows.push((one, user.and_then(|user| user.organization_id)));
        }
        Ok(rows)
    });
    let rows: Vec<(GuardedMember, Option<String>)> = read.await?;
    let shown = |(one, organization): &(GuardedMember, Option<String>)| {
        json!({
            "id": one.id, "guardrail_id": one.guardrail_id, "user_id": one.user_id,
            "organization_id": organization.as_deref().unwrap_or("default"), "assigned_by": one.assigned_by, "created_at": one.created_at,
        })
    };
    cut(request, &rows, shown)
}

/// `POST /guardrails/{id}/assignments/members`
pub(super) async fn assign_members(request: &Request) -> Answer {
    let form = form(request, "OpenRouterMemberIds")?;
    let (id, users) = (request.part(0).to_owned(), form.texts("member_user_ids").unwrap_or_default());
    some(&users)?;
    let write = request.write(move |desk| async move {
        let guardrail = guardrail(&desk, &id).await?;
        for user in &users {
            desk.get::<User>(user).await?.ok_or_else(|| Refused::plain(404, &format!("Member {user} not found")))?;
            let guarded = GuardedMember {
                id: crate::id::of_object(),
                user_id: user.clone(),
                guardrail_id: guardrail.id.clone(),
                assigned_by: Some(desk.actor().to_owned()),
                created_at: Time::now(),
            };
            desk.put(&guarded).await?;
        }
        Ok(users.len())
    });
    Ok(json!({"assigned_count": write.await?}))
}

/// `POST /guardrails/{id}/assignments/members/remove`
pub(super) async fn remove_members(request: &Request) -> Answer {
    let form = form(request, "OpenRouterMemberIds")?;
    let (id, users) = (request.part(0).to_owned(), form.texts("member_user_ids").unwrap_or_default());
    some(&users)?;
    let write = request.write(move |desk| async move {
        let guardrail = guardrail(&desk, &id).await?;
        let mut removed = 0;
        for user in &users {
            let guarded: Option<GuardedMember> = desk.get(user).await?;
            if guarded.is_some_and(|guarded| guarded.guardrail_id == guardrail.id) {
                desk.delete::<GuardedMember>(user).await?;
                removed += 1;
            }
        }
        Ok(removed)
    });
    Ok(json!({"unassigned_count": write.await?}))
}

fn some(list: &[String]) -> Result<(), Refused> {
    if list.is_empty() || list.iter().any(String::is_empty) { Err(Refused::plain(400, "Invalid request parameters")) } else { Ok(()) }
}
