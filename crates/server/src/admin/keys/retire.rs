//! Deleting keys, and putting new ones in their place.

use serde_json::json;
use switchboard_store::object::{FormerKey, JwtKeyMapping, Key};
use switchboard_store::{Desk, Time};

use super::change::{budget, changed, set_spend, spend, within};
use super::generate::answer;
use super::hash_of;
use super::may::{self, Deed};
use crate::admin::form::Form;
use crate::admin::teams::Permitted;
use crate::admin::{Answer, Request, defaults, duration, rows};
use crate::auth::{digest, mint};
use crate::authz::object::Standing;
use crate::people;
use crate::refused::Refused;

/// `POST /key/delete`
pub(in crate::admin) async fn delete(request: &Request) -> Answer {
    let form = request.form("KeyRequest")?;
    let (keys, aliases) = (form.texts("keys"), form.texts("key_aliases"));
    if keys.is_none() && aliases.is_none() {
        let complaint = json!({
            "type": "value_error", "loc": ["body"], "msg": "Value error, At least one of 'keys' or 'key_aliases' must be provided.",
            "input": form.fields, "ctx": {"error": {}},
        });
        return Err(Refused::invalid(vec![complaint]));
    }
    let told = keys.clone().or_else(|| aliases.clone()).unwrap_or_default();
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let mut found = Vec::new();
        for key in keys.unwrap_or_default() {
            found.extend(desk.get::<Key>(&hash_of(&key)).await?);
        }
        for alias in aliases.unwrap_or_default() {
            found.extend(desk.named::<Key>(&alias).await?);
        }
        if found.is_empty() {
            return Err(Deed::Delete.unseen(&caller, Refused::said(404, "No keys found")));
        }
        for key in &found {
            may::may(&desk, &caller, key, Deed::Delete).await?;
        }
        for key in &found {
            people::remove_key(&desk, key).await?;
        }
        Ok(())
    });
    write.await?;
    Ok(json!({"deleted_keys": told}))
}

/// `POST /key/regenerate` and `POST /key/{key}/regenerate`
pub(in crate::admin) async fn regenerate(request: &Request) -> Answer {
    let form = match &request.body {
        Some(_) => request.form("RegenerateKeyRequest")?,
        None => Form::default(),
    };
    rows::amounts(&form)?;
    defaults::within(&request.app.config(), &form)?;
    let part = (!request.part(0).is_empty()).then(|| request.part(0).to_owned());
    let named = part.or_else(|| request.value("key").map(str::to_owned)).or_else(|| form.owned("key"));
    let named = named.ok_or_else(|| Refused::said(400, "No key passed in."))?;
    let spend = spend(&request.caller, &form)?;
    let (caller, app, permitted) = (request.caller.clone(), request.app.clone(), Permitted::now(request));
    let write = request.write(move |desk| async move {
        let missing = || Deed::Regenerate.unseen(&caller, Refused::said(404, &format!("Key {} not found.", mint::short(&named))));
        let present = super::named(&desk, &named).await?.ok_or_else(missing)?;
        may::may(&desk, &caller, &present, Deed::Regenerate).await?;
        let secret = form.owned("new_key").unwrap_or_else(mint::key);
        if !mint::may_be_key(&secret) || secret.len() < mint::SHORTEST {
            return Err(Refused::said(400, "Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: ****"));
        }
        let mut key = changed(&desk, &form, &present).await?;
        // What is changed on the way is changed as without it.
        let standing = match may::differs(&present, &key, &form) {
            true => may::may(&desk, &caller, &present, Deed::Update).await?,
            false => Standing::Owner,
        };
        permitted.key(&desk, &caller, (&present, &key), &form).await?;
        within(&desk, &caller, standing, (&present, &key), &form).await?;
        renew(&desk, &present, &mut key, &secret);
        key.verifier = app.keys.load().pepper().map(|pepper| pepper.proof(&secret));
        if desk.get::<Key>(&key.token).await?.is_some() {
            return Err(Refused::bad("the new key exists already"));
        }
        retire(&desk, &form, &present, &key).await?;
        desk.put(&key).await?;
        let budget = budget(&desk, &key).await?;
        Ok::<_, Refused>((secret, key, budget, form))
    });
    let (secret, mut key, budget, form) = write.await?;
    set_spend(request, (&mut key, budget.as_ref()), spend, "/key/regenerate").await?;
    let mut made = answer("GenerateKeyResponse", &secret, &key, None, &form);
    made["rotation_count"] = json!(key.rotation_count);
    Ok(made)
}

/// Gives a key another secret.
fn renew(desk: &Desk, present: &Key, key: &mut Key, secret: &str) {
    let now = Time::now();
    key.account = Some(present.account().to_owned());
    key.token = hex::encode(digest(secret.as_bytes()));
    key.key_name = Some(mint::short(secret));
    key.rotation_count += 1;
    key.last_rotation_at = Some(now);
    (key.updated_at, key.updated_by) = (Some(now), Some(desk.actor().to_owned()));
}

/// Takes the former secret out of use, at once or when its grace is over.
async fn retire(desk: &Desk, form: &Form, present: &Key, key: &Key) -> Result<(), Refused> {
    let now = Time::now();
    desk.delete::<Key>(&present.token).await?;
    for mapping in people::mappings(desk, &present.token).await? {
        desk.put(&JwtKeyMapping { token: key.token.clone(), updated_at: Some(now), ..mapping }).await?;
    }
    // What was in its grace stays so, for the key that is now.
    for former in desk.named::<FormerKey>(&present.token).await? {
        desk.put(&FormerKey { active_token: key.token.clone(), ..former }).await?;
    }
    // Without a grace it opens nothing any more, and tells where the key is that others were made with.
    let grace = form.text("grace_period").filter(|text| !matches!(*text, "0" | "0s" | ""));
    let former = FormerKey {
        token: present.token.clone(),
        verifier: present.verifier.clone(),
        active_token: key.token.clone(),
        revoke_at: grace.map_or(Ok(now), |grace| duration::after(now, grace))?,
        created_at: now,
    };
    desk.put(&former).await?;
    Ok(())
}
