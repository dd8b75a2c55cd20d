//! To the identity provider.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::parcel::{COOKIE, Parcel};
use super::{Visit, cookie, form, own_place, redirected};
use crate::answered::Answered;
use crate::auth::returned::AWAY;
use crate::digest::sha256;
use crate::refused::Refused;

/// Sends the browser to the identity provider, or shows a form where there is none.
pub(super) fn begin(visit: &Visit) -> Result<Answered, Refused> {
    let config = visit.app.config();
    let master = config.general.master_key.as_ref().ok_or_else(no_master)?;
    let Some(provider) = &config.general.sign_in.provider else { return Ok(form::page(visit, None)) };
    let asked = |name: &str| crate::query::value(visit.parts.uri.query()?, name);
    let to = asked("return_to").or_else(|| asked("redirect_to"));
    let to = to.as_deref().and_then(own_place).map(str::to_owned);
    let parcel = Parcel::new(format!("{}/sso/callback", visit.app.base(&visit.parts)), to);
    let challenge = URL_SAFE_NO_PAD.encode(sha256(parcel.verifier.as_bytes()));
    let query = encoded(&[
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", &parcel.redirect),
        ("scope", &provider.scope),
        ("state", &parcel.state),
        ("nonce", &parcel.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let joined = if provider.authorization.contains('?') { '&' } else { '?' };
    let mut response = redirected(&format!("{}{joined}{query}", provider.authorization))?;
    let sealed = parcel.sealed(master.expose().as_bytes()).ok_or_else(|| Refused::bad("the sign-in cannot begin"))?;
    // It must come along when another site sends the browser back.
    cookie(&mut response, COOKIE, &sealed, (i64::try_from(AWAY).unwrap_or(0), "Lax"), visit);
    Ok(response)
}

pub(super) fn no_master() -> Refused {
    let message = "Master Key not set for Proxy. Set `general_settings.master_key` to sign in";
    Refused::new(500, "auth_error", serde_json::json!("master_key"), message)
}

/// Names and values as a query or a form has them.
pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| format!("{name}={}", percent(value));
    pairs.iter().map(one).collect::<Vec<_>>().join("&")
}

/// Everything but letters, digits and `-._~` as `%XX`.
pub(super) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
