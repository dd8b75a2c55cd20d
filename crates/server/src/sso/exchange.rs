//! From a code to who came back.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde_json::{Map, Value, json};
use switchboard_engine::upstream::Transport;

use super::Visit;
use super::begin::{encoded, percent};
use super::parcel::Parcel;
use crate::auth::fetch::{Question, ask};
use crate::auth::token::issuer::Belief;
use crate::auth::token::{Claims, TokenError, Verifier};
use crate::clock::unix_seconds;
use crate::config::resolved::{ClaimFields, IdentityProvider, Issuer, Unmapped};
use crate::refused::Refused;

/// Clocks may differ by this many seconds.
const LEEWAY: f64 = 60.0;

/// What the provider says of who came back with that code.
pub(super) async fn claims(visit: &Visit, provider: &IdentityProvider, parcel: &Parcel, code: &str) -> Result<Claims, Refused> {
    let transport = crate::fleet::transport::of(&visit.app.config()).unwrap_or_else(|_| Transport::default());
    let tokens = redeemed(&transport, provider, parcel, code).await?;
    let identity = match tokens.get("id_token").and_then(Value::as_str) {
        Some(token) => Some(identity(visit, provider, parcel, token).await?),
        // Who has keys to sign with, signs.
        None if provider.keys.is_some() => return Err(refused("the identity provider sent no identity token")),
        None => None,
    };
    let access = tokens.get("access_token").and_then(Value::as_str);
    let told = match (&provider.userinfo, access) {
        (Some(url), Some(access)) => Some(userinfo(&transport, url, access).await?),
        _ => None,
    };
    let mut all = identity.unwrap_or_default();
    if let Some(told) = told {
        let differs = all.get("sub").zip(told.get("sub")).is_some_and(|(one, other)| one != other);
        if differs {
            return Err(refused("the identity provider told of two people"));
        }
        all.extend(told);
    }
    if all.is_empty() { Err(refused("the identity provider did not say who signed in")) } else { Ok(all) }
}

/// A code becomes tokens.
async fn redeemed(transport: &Transport, provider: &IdentityProvider, parcel: &Parcel, code: &str) -> Result<Map<String, Value>, Refused> {
    let form = encoded(&[
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &parcel.redirect),
        ("client_id", &provider.client_id),
        ("code_verifier", &parcel.verifier),
    ]);
    let authorization = provider.client_secret.as_ref().and_then(|secret| {
        let login = format!("{}:{}", percent(&provider.client_id), percent(secret.expose()));
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(login))).ok()
    });
    let question = Question { url: &provider.token, authorization, form: Some(form) };
    let (status, body) = ask(transport, question).await.ok_or_else(away)?;
    if status.is_server_error() {
        return Err(away());
    }
    if !status.is_success() {
        tracing::warn!(status = status.as_u16(), "the identity provider refused a code");
        return Err(refused("the identity provider refused the sign-in"));
    }
    serde_json::from_slice(&body).map_err(|_| refused("the identity provider's answer cannot be read"))
}

async fn userinfo(transport: &Transport, url: &str, access: &str) -> Result<Claims, Refused> {
    let authorization = HeaderValue::try_from(format!("Bearer {access}")).map_err(|_| refused("the access token cannot be used"))?;
    let (status, body) = ask(transport, Question { authorization: Some(authorization), ..Question::of(url) }).await.ok_or_else(away)?;
    match status {
        status if status.is_success() => serde_json::from_slice(&body).map_err(|_| refused("who signed in cannot be read")),
        status if status.is_server_error() => Err(away()),
        _ => Err(refused("the identity provider did not say who signed in")),
    }
}

/// What an identity token says, if it is the provider's, for us, and for this sign-in.
async fn identity(visit: &Visit, provider: &IdentityProvider, parcel: &Parcel, token: &str) -> Result<Claims, Refused> {
    let claims = match &provider.keys {
        Some(keys) => signed(visit, provider, keys, token).await?,
        None => unsigned(provider, token).ok_or_else(|| refused("the identity token is not for this gateway"))?,
    };
    if claims.get("nonce").and_then(Value::as_str) != Some(parcel.nonce.as_str()) {
        return Err(refused("the identity token belongs to another sign-in"));
    }
    Ok(claims)
}

async fn signed(visit: &Visit, provider: &IdentityProvider, keys: &str, token: &str) -> Result<Claims, Refused> {
    let issuer = Issuer {
        key_url: keys.to_owned(),
        names: provider.issuer.iter().cloned().collect(),
        audiences: vec![provider.client_id.clone()],
        fields: ClaimFields::default(),
        unmapped: Unmapped::default(),
    };
    let belief = Belief { ttl: std::time::Duration::from_secs(600), patience: std::time::Duration::from_secs(24 * 3600) };
    let transport = crate::fleet::transport::of(&visit.app.config()).unwrap_or_else(|_| Transport::default());
    let verifier = Verifier::of(vec![issuer], &visit.app.foundation.places, belief, transport);
    match verifier.claims(token).await {
        Ok((claims, _)) => Ok(claims),
        Err(TokenError::Away(_)) => Err(away()),
        Err(error) => Err(refused(&format!("the identity token is not believed: {error}"))),
    }
}

/// A token that came from the provider itself, over the connection that its secret opened: its claims count without its signature,
/// as OpenID Connect has it (Core, 3.1.3.7).
fn unsigned(provider: &IdentityProvider, token: &str) -> Option<Claims> {
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?).ok()?;
    let us = match claims.get("aud")? {
        Value::String(one) => *one == provider.client_id,
        Value::Array(all) => all.contains(&json!(provider.client_id)),
        _ => false,
    };
    let issuer = provider.issuer.as_ref().is_none_or(|issuer| claims.get("iss") == Some(&json!(issuer)));
    let alive = claims.get("exp")?.as_f64()? > unix_seconds() as f64 - LEEWAY;
    (us && issuer && alive).then_some(claims)
}

pub(super) fn refused(message: &str) -> Refused {
    Refused::unauthenticated("auth_error", json!("sso"), format!("Authentication Error, {message}"))
}

/// The provider's trouble is nobody's wrong credential.
fn away() -> Refused {
    let message = "The identity provider does not answer at the moment; try again soon";
    Refused::new(503, "identity_provider_unavailable", Value::Null, message).after(1)
}
