//! How people and machines prove who they are: virtual keys that stand for signed tokens, and sessions.

use serde_json::{Value, json};
use switchboard_store::desk::{Filter, Order, Page, Sort};
use switchboard_store::object::{JwtKeyMapping, Key, Session};
use switchboard_store::{Desk, Time};

use super::form::Form;
use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::auth::{digest, session};
use crate::authz::Policy;
use crate::refused::Refused;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Proof {
    MappingNew,
    MappingUpdate,
    MappingDelete,
    MappingList,
    MappingInfo,
    SessionList,
    SessionRevoke,
}

/// Their routes.
pub(super) const ROWS: &[Row] = &[
    post(
        "/jwt/key/mapping/new",
        Action::Proof(Proof::MappingNew),
        Policy::Admin,
        "CreateJWTKeyMappingRequest",
        "Let a virtual key stand for the tokens with a claim",
    ),
    post(
        "/jwt/key/mapping/update",
        Action::Proof(Proof::MappingUpdate),
        Policy::Admin,
        "UpdateJWTKeyMappingRequest",
        "Change for which tokens a virtual key stands",
    ),
    post(
        "/jwt/key/mapping/delete",
        Action::Proof(Proof::MappingDelete),
        Policy::Admin,
        "DeleteJWTKeyMappingRequest",
        "Let a virtual key no longer stand for tokens",
    ),
    get("/jwt/key/mapping/list", Action::Proof(Proof::MappingList), Policy::Viewer, "Virtual keys that stand for tokens, page by page"),
    get("/jwt/key/mapping/info", Action::Proof(Proof::MappingInfo), Policy::Viewer, "For which tokens a virtual key stands"),
    get("/session/list", Action::Proof(Proof::SessionList), Policy::Viewer, "Who is signed in"),
    post("/session/revoke", Action::Proof(Proof::SessionRevoke), Policy::Admin, "RevokeSessionRequest", "Sign somebody out everywhere"),
];

pub(super) async fn dispatch(action: Proof, request: &Request) -> Answer {
    match action {
        Proof::MappingNew => new(request).await,
        Proof::MappingUpdate => update(request).await,
        Proof::MappingDelete => delete(request).await,
        Proof::MappingList => list(request).await,
        Proof::MappingInfo => info(request).await,
        Proof::SessionList => sessions(request).await,
        Proof::SessionRevoke => revoke(request).await,
    }
}

fn told(status: u16, message: impl Into<String>) -> Refused {
    Refused::detail(status, Value::String(message.into()))
}

/// A mapping as answers show it: without the key's hash.
fn shown(mapping: &JwtKeyMapping) -> Value {
    json!({
        "id": mapping.id, "jwt_issuer": Some(&mapping.jwt_issuer).filter(|issuer| !issuer.is_empty()),
        "jwt_claim_name": mapping.jwt_claim_name, "jwt_claim_value": mapping.jwt_claim_value, "description": mapping.description,
        "is_active": mapping.is_active, "created_at": mapping.created_at, "updated_at": mapping.updated_at,
        "created_by": mapping.created_by, "updated_by": mapping.updated_by,
    })
}

/// The hash of the key that a request names by itself or by its hash.
fn token(form: &Form) -> Result<Option<String>, Refused> {
    match (form.text("key"), form.text("token")) {
        (Some(_), Some(_)) => Err(told(400, "Provide exactly one of `key` (the plaintext virtual key) or `token` (its SHA-256 hash).")),
        (Some(key), None) => Ok(Some(hex::encode(digest(key.as_bytes())))),
        (None, Some(hash)) if hash.len() == 64 && hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) => {
            Ok(Some(hash.to_owned()))
        }
        (None, Some(_)) => Err(told(400, "`token` must be the SHA-256 hash of a virtual key (64 lowercase hex characters).")),
        (None, None) => Ok(None),
    }
}

/// Refuses a mapping whose key is not there, or whose claim another one has.
async fn check(desk: &Desk, mapping: &JwtKeyMapping) -> Result<(), Refused> {
    if desk.get::<Key>(&mapping.token).await?.is_none() {
        return Err(told(400, "The provided key does not match an existing virtual key."));
    }
    if desk.named::<JwtKeyMapping>(&mapping.name()).await?.iter().any(|other| other.id != mapping.id) {
        let JwtKeyMapping { jwt_claim_name: name, jwt_claim_value: value, jwt_issuer: issuer, .. } = mapping;
        return Err(told(409, format!("A mapping for claim '{name}' = '{value}' already exists for issuer '{issuer}'.")));
    }
    Ok(())
}

async fn new(request: &Request) -> Answer {
    let form = request.form("CreateJWTKeyMappingRequest")?;
    let token = token(&form)?;
    let missing = || told(400, "Provide exactly one of `key` (the plaintext virtual key) or `token` (its SHA-256 hash).");
    let (now, actor) = (Some(Time::now()), Some(request.actor()));
    let text = |name: &str| form.owned(name).unwrap_or_default();
    let mapping = JwtKeyMapping {
        id: crate::id::of_object(),
        jwt_issuer: text("jwt_issuer"),
        jwt_claim_name: text("jwt_claim_name"),
        jwt_claim_value: text("jwt_claim_value"),
        token: token.ok_or_else(missing)?,
        description: form.owned("description"),
        is_active: form.flag("is_active").unwrap_or(true),
        created_at: now,
        updated_at: now,
        created_by: actor.clone(),
        updated_by: actor,
    };
    let write = request.write(move |desk| async move {
        check(&desk, &mapping).await?;
        desk.put(&mapping).await?;
        Ok(mapping)
    });
    Ok(shown(&write.await?))
}

async fn update(request: &Request) -> Answer {
    let form = request.form("UpdateJWTKeyMappingRequest")?;
    let (token, actor) = (token(&form)?, Some(request.actor()));
    let write = request.write(move |desk| async move {
        let id = form.text("id").unwrap_or_default();
        let mut mapping: JwtKeyMapping = desk.get(id).await?.ok_or_else(|| told(404, "Mapping not found"))?;
        if let Some(token) = token {
            mapping.token = token;
        }
        if form.sent("jwt_issuer") {
            mapping.jwt_issuer = form.owned("jwt_issuer").unwrap_or_default();
        }
        mapping.jwt_claim_name = form.owned("jwt_claim_name").unwrap_or(mapping.jwt_claim_name);
        mapping.jwt_claim_value = form.owned("jwt_claim_value").unwrap_or(mapping.jwt_claim_value);
        if form.sent("description") {
            mapping.description = form.owned("description");
        }
        mapping.is_active = form.flag("is_active").unwrap_or(mapping.is_active);
        (mapping.updated_at, mapping.updated_by) = (Some(Time::now()), actor);
        check(&desk, &mapping).await?;
        desk.put(&mapping).await?;
        Ok(mapping)
    });
    Ok(shown(&write.await?))
}

async fn delete(request: &Request) -> Answer {
    let form = request.form("DeleteJWTKeyMappingRequest")?;
    let id = form.owned("id").unwrap_or_default();
    let found = request.write(move |desk| async move { Ok(desk.delete::<JwtKeyMapping>(&id).await?) }).await?;
    if found { Ok(json!({"status": "success"})) } else { Err(told(404, "Mapping not found")) }
}

async fn list(request: &Request) -> Answer {
    let (number, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("size", 50, 1, 100)?);
    let page = Page { number, size, sort: Sort::Created, order: Order::Descending };
    let (found, total) = request.read(move |desk| async move { Ok(desk.page::<JwtKeyMapping>(&Filter::default(), page).await?) }).await?;
    let mappings: Vec<Value> = found.iter().map(shown).collect();
    Ok(json!({"mappings": mappings, "total_count": total, "current_page": number, "total_pages": (total + size - 1) / size}))
}

async fn info(request: &Request) -> Answer {
    let id = request.required("id")?.to_owned();
    let found = request.read(move |desk| async move { Ok(desk.get::<JwtKeyMapping>(&id).await?) }).await?;
    found.as_ref().map(shown).ok_or_else(|| told(404, "Mapping not found"))
}

async fn sessions(request: &Request) -> Answer {
    let user = request.value("user_id").map(str::to_owned);
    let all = request.read(move |desk| async move {
        Ok(match user {
            Some(user) => desk.of_user::<Session>(&user).await?,
            None => desk.all::<Session>().await?,
        })
    });
    let now = Time::now();
    let one = |session: &Session| {
        json!({
            "user_id": session.user_id, "user_email": session.user_email, "user_role": session.role.as_str(),
            "login_method": if session.method == "sso" { "sso" } else { "username_password" },
            "created_at": session.created_at, "expires_at": session.expires_at,
        })
    };
    Ok(json!({"sessions": all.await?.iter().filter(|session| session.expires_at > now).map(one).collect::<Vec<_>>()}))
}

async fn revoke(request: &Request) -> Answer {
    let form = request.form("RevokeSessionRequest")?;
    let user = form.owned("user_id").unwrap_or_default();
    let told = user.clone();
    request.write(move |desk| async move { Ok(session::close_all(&desk, &user).await?) }).await?;
    Ok(json!({"status": "success", "user_id": told}))
}
