//! Tokens that are given a virtual key when they come for the first time (`unregistered_jwt_client_behavior: auto_register`).
//!
//! What the settings ask of tokens has been asked before: a key is made for the user and the team that a token was found to be of.
//! Nobody is told the key itself, until somebody who may regenerates it.

use serde_json::json;
use switchboard_store::object::{Json, JwtKeyMapping, Key, User};
use switchboard_store::{Desk, Store, Time};

use super::claims::{Bearer, Mapping};
use super::principal::Means;
use crate::auth::caller::Caller;
use crate::auth::{digest, mint};
use crate::people;
use crate::refused::Refused;

/// Who makes such keys and mappings, in logs and rows.
const ACTOR: &str = "auto_register";
/// What the metadata of such a key has.
const MARK: &str = "auto_registered";

/// Makes the mapping of a token, with a key where there is none for it yet. Of several at once, the first makes it.
pub(super) async fn registered(store: &Store, means: &Means, bearer: &Bearer, issuer: &str, caller: &Caller) -> Result<(), Refused> {
    let Some((mapping, value)) = bearer.key.clone().and_then(|mapping| mapping.value.clone().map(|value| (mapping, value))) else {
        return Ok(());
    };
    let (means, issuer) = (means.clone(), issuer.to_owned());
    let owner = Owner {
        user: caller.user.clone(),
        team: caller.team.clone(),
        organization: caller.organization.clone(),
        is_user: means.settings.reuses_keys && mapping.is_user,
    };
    let work = move |desk: Desk| async move {
        for issuer in [issuer.as_str(), ""] {
            // Somebody was faster; or it was shut, and stays so.
            if !desk.named::<JwtKeyMapping>(&JwtKeyMapping::name_of(issuer, &mapping.claim, &value)).await?.is_empty() {
                return Ok(());
            }
        }
        let token = match owner.known(&desk).await? {
            Some(key) => key.token,
            None => owner.made(&desk, &means, (&mapping, &value)).await?.token,
        };
        let (now, actor) = (Some(Time::now()), Some(desk.actor().to_owned()));
        desk.put(&JwtKeyMapping {
            id: crate::id::of_object(),
            jwt_issuer: issuer,
            jwt_claim_name: mapping.claim,
            jwt_claim_value: value,
            token,
            description: None,
            is_active: true,
            created_at: now,
            updated_at: now,
            created_by: actor.clone(),
            updated_by: actor,
        })
        .await?;
        Ok::<_, Refused>(())
    };
    store.write(ACTOR, work).await
}

/// Whose a key is to be.
struct Owner {
    user: Option<String>,
    team: Option<String>,
    organization: Option<String>,
    /// The claim names the user, and a key that the user has may stand for the token.
    is_user: bool,
}

impl Owner {
    /// The newest of the user's own keys that lasts and calls models.
    async fn known(&self, desk: &Desk) -> Result<Option<Key>, Refused> {
        let Some(user) = self.user.as_ref().filter(|_| self.is_user) else { return Ok(None) };
        let fits = |key: &Key| {
            let calls = key.allowed_routes.is_empty() || key.allowed_routes.iter().any(|route| route == "llm_api_routes");
            let lasts = key.expires.is_none() && key.blocked != Some(true);
            lasts && calls && key.team_id == self.team && key.metadata.get(MARK) != Some(&json!(true))
        };
        Ok(desk.of_user::<Key>(user).await?.into_iter().filter(fits).max_by_key(|key| key.created_at))
    }

    /// A new key.
    async fn made(&self, desk: &Desk, means: &Means, (mapping, value): (&Mapping, &str)) -> Result<Key, Refused> {
        let (secret, now, actor) = (mint::key(), Some(Time::now()), Some(desk.actor().to_owned()));
        let told = [(MARK, json!(true)), ("jwt_claim_field", json!(mapping.claim)), ("jwt_claim_value", json!(value))];
        let key = Key {
            token: hex::encode(digest(secret.as_bytes())),
            verifier: means.pepper.as_ref().map(|pepper| pepper.proof(&secret)),
            key_name: Some(mint::short(&secret)),
            user_id: self.user.clone(),
            team_id: self.team.clone(),
            organization_id: self.organization.clone(),
            metadata: Json::from_iter(told.map(|(name, value)| (name.to_owned(), value))),
            created_at: now,
            updated_at: now,
            created_by: actor.clone(),
            updated_by: actor,
            ..Key::default()
        };
        desk.put(&key).await?;
        Ok(key)
    }
}

/// The key as a token uses it: what the token is limited to holds where a key that was made for it says nothing.
pub(super) fn narrowed(key: Key, bearer: &Bearer) -> Key {
    if key.metadata.get(MARK) != Some(&json!(true)) {
        return key;
    }
    let or = |own: Vec<String>, said: &Vec<String>| if own.is_empty() { said.clone() } else { own };
    Key { models: or(key.models, &bearer.models), allowed_routes: or(key.allowed_routes, &bearer.routes), ..key }
}

/// Writes down the address of a mapped key's user, where none is known and the user's own token tells one that nobody else has.
pub(super) async fn addressed(store: &Store, bearer: &Bearer, caller: &Caller) -> Result<(), Refused> {
    let (Some(user), Some(email)) = (caller.user.clone(), bearer.email.clone()) else { return Ok(()) };
    if bearer.user.as_ref() != Some(&user) || caller.principal.user_email.is_some() {
        return Ok(());
    }
    let work = move |desk: Desk| async move {
        let Some(known) = desk.get::<User>(&user).await?.filter(|user| user.user_email.is_none()) else { return Ok(()) };
        if people::find(&desk, None, Some(&email)).await?.is_none() {
            desk.put(&User { user_email: Some(email), updated_at: Some(Time::now()), ..known }).await?;
        }
        Ok::<_, Refused>(())
    };
    store.write("jwt", work).await
}
