//! Keys of providers that workspaces bring along. A key itself goes to the vault and is never told again.

use serde_json::{Value, json};
use switchboard_engine::own;
use switchboard_store::object::{Key, ProviderKey};
use switchboard_store::{Desk, Time};
use zeroize::Zeroizing;

use super::{cut, form, not_found, workspaces};
use crate::admin::form::Form;
use crate::admin::{Answer, Request, rows};
use crate::app::App;
use crate::auth::rules;
use crate::refused::Refused;

/// The longest list of models, keys or users.
const MOST: usize = 100;
/// Stands for every workspace in lists.
const ALL: &str = "all";

fn shown(key: &ProviderKey) -> Value {
    let mut row = rows::columns(key);
    for name in ["created_by", "updated_at", "revision"] {
        row.remove(name);
    }
    // What nobody can say of a key here: it is neither bound to a region nor the only one for its provider.
    for (name, value) in
        [("declared_region", Value::Null), ("declared_zdr", Value::Null), ("is_byok_only", json!(false)), ("is_required", json!(false))]
    {
        row.insert(name.to_owned(), value);
    }
    Value::Object(row)
}

/// A key as it may be shown.
fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    if letters.len() < 12 {
        return "...".to_owned();
    }
    let (first, last): (String, String) = (letters[..3].iter().collect(), letters[letters.len() - 4..].iter().collect());
    format!("{first}...{last}")
}

/// The name under which a provider's keys are kept: OpenRouter's where it has one.
fn provider(app: &App, name: &str) -> Result<String, Refused> {
    let catalog = app.catalog();
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', ' '], "-");
    let row = catalog.providers().find(|row| row.names().any(|known| plain(known) == plain(name)));
    let row = row.ok_or_else(|| Refused::plain(400, &format!("there is no provider `{name}` in this gateway's catalogue")))?;
    if !own::takes_keys(&row.auth) {
        let message =
            format!("provider `{name}` takes no plain key (it wants `{}`); its credentials belong into the configuration", row.auth);
        return Err(Refused::plain(400, &message));
    }
    Ok(name.to_owned())
}

/// What a form says, written into a key's row.
async fn said(desk: &Desk, form: &Form, key: &mut ProviderKey) -> Result<(), Refused> {
    if form.sent("name") {
        key.name = form.owned("name");
        if key.name.as_ref().is_some_and(|name| name.chars().count() > 255) {
            return Err(Refused::plain(400, "name must have at most 255 characters"));
        }
    }
    key.disabled = form.flag("disabled").unwrap_or(key.disabled);
    key.is_fallback = form.flag("is_fallback").unwrap_or(key.is_fallback);
    let lists = [
        ("allowed_models", &mut key.allowed_models),
        ("allowed_api_key_hashes", &mut key.allowed_api_key_hashes),
        ("allowed_user_ids", &mut key.allowed_user_ids),
    ];
    for (name, field) in lists {
        if form.sent(name) {
            *field = form.texts(name);
            if field.as_ref().is_some_and(|list| list.len() > MOST) {
                return Err(Refused::plain(400, &format!("{name} must have at most {MOST} entries")));
            }
        }
    }
    for hash in key.allowed_api_key_hashes.iter().flatten() {
        if desk.get::<Key>(hash).await?.is_none() {
            return Err(Refused::plain(400, "API key not found: name keys by their hash"));
        }
    }
    if key.allowed_api_key_hashes.as_ref().is_some_and(Vec::is_empty) {
        return Err(Refused::plain(400, "allowed_api_key_hashes must name a key, or be null"));
    }
    Ok(())
}

fn secret(form: &Form) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
    let Some(key) = form.text("key") else { return Ok(None) };
    let sendable = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !sendable {
        return Err(Refused::plain(400, "key must be visible ASCII characters without blanks"));
    }
    Ok(Some(Zeroizing::new(key.as_bytes().to_vec())))
}

/// `GET /byok`: those of one workspace, or of `all`.
pub(super) async fn list(request: &Request) -> Answer {
    let (place, provider) = (request.value("workspace_id").map(str::to_owned), request.value("provider").map(str::to_owned));
    let read = request.read(move |desk| async move {
        let mut keys: Vec<ProviderKey> = match place.as_deref() {
            Some(ALL) => desk.all().await?,
            place => desk.of_team(workspaces::named(&desk, place).await?.id()).await?,
        };
        keys.retain(|key| provider.as_ref().is_none_or(|provider| key.provider == *provider));
        keys.sort_by(|a, b| (&a.provider, &a.workspace_id, a.sort_order).cmp(&(&b.provider, &b.workspace_id, b.sort_order)));
        Ok(keys)
    });
    cut(request, &read.await?, shown)
}

/// `POST /byok`
pub(super) async fn new(request: &Request) -> Answer {
    let form = form(request, "OpenRouterProviderKey")?;
    let provider = provider(&request.app, form.text("provider").unwrap_or_default())?;
    let secret = secret(&form)?.ok_or_else(|| Refused::plain(400, "key is required"))?;
    let label = masked(form.text("key").unwrap_or_default());
    let named = form.owned("workspace_id");
    let place = request.read(move |desk| async move { workspaces::named(&desk, named.as_deref()).await }).await?;
    let place = place.id().to_owned();
    let key =
        ProviderKey { id: crate::id::of_object(), provider, label, workspace_id: place, created_at: Time::now(), ..ProviderKey::default() };
    // Sealed before there is a row that says so: a row without its key would be a promise nobody keeps.
    let vault = request.app.trust()?.vault().await?;
    vault.put(rules::cell(&key), secret).await?;
    let id = key.id.clone();
    let write = request.write(move |desk| async move {
        let mut key = key;
        let others: Vec<ProviderKey> = desk.of_team(&key.workspace_id).await?;
        let orders = others.iter().filter(|other| other.provider == key.provider).map(|other| other.sort_order + 1);
        key.sort_order = orders.max().unwrap_or(0);
        key.created_by = Some(desk.actor().to_owned());
        said(&desk, &form, &mut key).await?;
        desk.put(&key).await?;
        Ok(key)
    });
    match write.await {
        Ok(key) => Ok(json!({"data": shown(&key)})),
        Err(refused) => {
            vault.remove(rules::CELL, id).await?;
            Err(refused)
        }
    }
}

/// `GET /byok/{id}`
pub(super) async fn one(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let key: ProviderKey = request.read(move |desk| async move { desk.get(&id).await?.ok_or_else(not_found) }).await?;
    Ok(json!({"data": shown(&key)}))
}

/// `PATCH /byok/{id}`
pub(super) async fn update(request: &Request) -> Answer {
    let (form, id) = (form(request, "OpenRouterProviderKeyChange")?, request.part(0).to_owned());
    let named = id.clone();
    let present: ProviderKey = request.read(move |desk| async move { desk.get(&named).await?.ok_or_else(not_found) }).await?;
    let label = form.text("key").map(masked);
    if let Some(secret) = secret(&form)? {
        request.app.trust()?.vault().await?.put(rules::cell(&present), secret).await?;
    }
    let write = request.write(move |desk| async move {
        let mut key: ProviderKey = desk.get(&id).await?.ok_or_else(not_found)?;
        said(&desk, &form, &mut key).await?;
        if let Some(label) = label {
            (key.label, key.revision) = (label, key.revision + 1);
        }
        key.updated_at = Some(Time::now());
        desk.put(&key).await?;
        Ok(key)
    });
    Ok(json!({"data": shown(&write.await?)}))
}

/// `DELETE /byok/{id}`: what was sealed is wiped.
pub(super) async fn delete(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let named = id.clone();
    let deleted = request.write(move |desk| async move { Ok(desk.delete::<ProviderKey>(&named).await?) }).await?;
    if !deleted {
        return Err(not_found());
    }
    request.app.trust()?.vault().await?.remove(rules::CELL, id).await?;
    Ok(json!({"deleted": true}))
}
