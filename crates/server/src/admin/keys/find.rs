//! Looking at keys.

use serde_json::{Value, json};
use switchboard_store::Time;
use switchboard_store::object::{Budget, Key};

use super::hash_of;
use crate::admin::{Answer, Request, rows};
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// `GET /key/info`
pub(in crate::admin) async fn info(request: &Request) -> Answer {
    let own = request.caller.principal.key_hash.clone();
    let named = request.value("key").map(str::to_owned).or(own).unwrap_or_default();
    let (hash, caller) = (hash_of(&named), request.caller.clone());
    let is_hash = hash == named;
    let read = request.read(move |desk| async move {
        let (key, deleted) = match desk.get::<Key>(&hash).await? {
            Some(key) => (key, false),
            None => match desk.deleted::<Key>(&hash).await?.into_iter().next().filter(|_| caller.sees_all()) {
                Some(key) => (key, true),
                None if caller.sees_all() => return Err(missing()),
                // Who knows the whole key learns as much by using it; a hash alone tells nobody what is there.
                None if !is_hash => return Err(missing()),
                None => return Err(not_yours()),
            },
        };
        if object::of_key(&desk, &caller, &key).await? == Standing::Stranger {
            return Err(not_yours());
        }
        let budget: Option<Budget> = match &key.budget_id {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        Ok((key, deleted, budget))
    });
    let (key, deleted, budget) = read.await?;
    let mut info = rows::key(&request.app, &key, budget.as_ref());
    info.insert("status".to_owned(), json!(status(&key, deleted)));
    Ok(json!({"key": named, "info": info}))
}

/// Also of what is not there, for those who do not see all keys.
fn not_yours() -> Refused {
    Refused::forbidden("You are not allowed to access this key's info. Your role does not have permission")
}

fn missing() -> Refused {
    Refused::new(404, "not_found_error", json!("key"), "Key not found in database")
}

/// What has become of a key.
pub(super) fn status(key: &Key, deleted: bool) -> &'static str {
    match () {
        () if deleted => "deleted",
        () if key.blocked == Some(true) => "revoked",
        () if key.expires.is_some_and(|expires| expires <= Time::now()) => "expired",
        () => "active",
    }
}

/// `POST /v2/key/info`
pub(in crate::admin) async fn info_of_many(request: &Request) -> Answer {
    let form = request.form("KeyInfoRequest")?;
    let named = form.texts("keys").unwrap_or_default();
    let hashes: Vec<String> = named.iter().map(|key| hash_of(key)).collect();
    let caller = request.caller.clone();
    let read = request.read(move |desk| async move {
        let mut seen = Vec::new();
        for key in desk.several::<Key>(&hashes).await? {
            if object::of_key(&desk, &caller, &key).await? > Standing::Stranger {
                seen.push(key);
            }
        }
        Ok::<_, Refused>(seen)
    });
    let keys = read.await?;
    let info: Vec<Value> = keys.iter().map(|key| Value::Object(rows::key_with_hash(&request.app, key, None))).collect();
    Ok(json!({"key": named, "info": info}))
}

/// What callbacks of LiteLLM's look for. Nothing of it is read here, whatever the environment holds.
const VARIABLES: [(&str, &str); 3] =
    [("gcs_bucket", "GCS_BUCKET_NAME"), ("langfuse", "LANGFUSE_PUBLIC_KEY"), ("langsmith", "LANGSMITH_API_KEY")];

/// `POST /key/health`: whether the caller's own key, and what its metadata asks for, can be used.
pub(in crate::admin) async fn health(request: &Request) -> Answer {
    let own = request.caller.principal.key_hash.clone().unwrap_or_default();
    let read = request.read(move |desk| async move { Ok::<_, Refused>(desk.get::<Key>(&own).await?) });
    let key = read.await?;
    let wanted = key.as_ref().and_then(|key| key.metadata.get("logging")).and_then(Value::as_array);
    let names: Vec<&Value> = wanted.into_iter().flatten().filter_map(|one| one.get("callback_name")).collect();
    if names.is_empty() {
        return Ok(json!({"key": "healthy", "logging_callbacks": null}));
    }
    let unset = names.iter().filter_map(|name| VARIABLES.iter().find(|(callback, _)| Some(*callback) == name.as_str()));
    let unset: Vec<String> = unset.map(|(_, variable)| format!("{variable} is not set in the environment")).collect();
    let ours = "this gateway calls none of the callbacks that keys name; its own are named in its configuration".to_owned();
    let details = [unset, vec![ours]].concat().join("; ");
    Ok(json!({"key": "unhealthy", "logging_callbacks": {"callbacks": names, "status": "unhealthy", "details": details}}))
}
