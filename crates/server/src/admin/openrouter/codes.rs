//! "Sign in with OpenRouter": an application gets a code from somebody's browser and trades it for a key of that person's.
//!
//! The key can call models and nothing else, and has no more than whoever gave the code. A code is traded once, within ten
//! minutes, by whoever knows what it was challenged with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use serde_json::{Value, json};
use switchboard_store::object::{AuthCode, Key, Renewed, Team, User};
use switchboard_store::{Desk, Time};

use super::form;
use crate::admin::form::Form;
use crate::admin::{Answer, Request, keys};
use crate::auth::rules::DEFAULT_WORKSPACE;
use crate::auth::{Caller, Credential, digest};
use crate::authz::contain::Bounds;
use crate::refused::Refused;

/// How long a code can be traded.
const PATIENCE: i64 = 600;
/// What such keys may do.
const ROUTES: [&str; 2] = ["llm_api_routes", "info_routes"];

/// Whether a code may be sent there: over TLS, or to the machine the browser runs on.
pub(crate) fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let clean = !url.contains(['#', '\r', '\n', ' ']) && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    clean
        && match uri.scheme_str() {
            Some("https") => !host.is_empty(),
            Some("http") => local,
            _ => false,
        }
}

/// A number for an application that is known by where its codes go.
fn application(callback: Option<&str>) -> u32 {
    let origin = callback.and_then(|url| url.parse::<http::Uri>().ok()).and_then(|uri| uri.authority().map(ToString::to_string));
    let sum = crate::digest::sha256(origin.unwrap_or_default().as_bytes());
    u32::from_be_bytes([sum[0], sum[1], sum[2], sum[3]]) >> 1
}

/// The key that the caller may give away: a row without a secret.
async fn gift(desk: &Desk, caller: &Caller, form: &Form) -> Result<Key, Refused> {
    let wished = form.owned("workspace_id").filter(|id| !matches!(id.as_str(), DEFAULT_WORKSPACE | "default"));
    let team_id = wished.or_else(|| caller.team.clone());
    let team: Option<Team> = match &team_id {
        Some(id) => Some(desk.get(id).await?.ok_or_else(|| Refused::plain(400, "Workspace not found"))?),
        None => None,
    };
    let member =
        team.as_ref().is_none_or(|team| caller.user.as_deref().is_some_and(|user| team.member(user).is_some()) || caller.team == team_id);
    if !member && !caller.is_admin() {
        return Err(Refused::plain(403, "You are not a member of this workspace"));
    }
    let own: Option<Key> = match &caller.principal.key_hash {
        Some(hash) => desk.get(hash).await?,
        None => None,
    };
    let own = own.unwrap_or_default();
    let routes: Vec<String> = ROUTES.iter().map(|route| (*route).to_owned()).collect();
    let routes = if own.allowed_routes.is_empty() {
        routes
    } else {
        routes.into_iter().filter(|route| own.allowed_routes.contains(route)).collect()
    };
    if routes.is_empty() {
        return Err(Refused::plain(403, "A key that may not call models cannot give one that may"));
    }
    // The master key is nobody: what it gives is no administrator's.
    let user_id = caller.user.clone().filter(|_| caller.credential == Credential::Key);
    let user: Option<User> = match &user_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    let models =
        if own.models.is_empty() && team.is_none() { user.map(|user| user.models).unwrap_or_default() } else { own.models.clone() };
    let expires = form.time("expires_at");
    let mut key = Key {
        user_id,
        team_id,
        models,
        allowed_routes: routes,
        max_budget: form.money("limit").or(own.max_budget),
        budget_duration: form.owned("usage_limit_type").or_else(|| own.budget_duration.clone().filter(|_| form.money("limit").is_none())),
        budget_id: own.budget_id,
        budget_limits: own.budget_limits,
        model_max_budget: own.model_max_budget,
        expires: expires.zip(own.expires).map(|(a, b)| a.min(b)).or(expires).or(own.expires),
        ..Key::default()
    };
    for (field, most) in [(&mut key.tpm_limit, own.tpm_limit), (&mut key.rpm_limit, own.rpm_limit)] {
        *field = most;
    }
    key.max_parallel_requests = own.max_parallel_requests;
    if let Some(bounds) = Bounds::of(desk, caller, team.as_ref()).await? {
        bounds.hold(&key)?;
        key.makers = bounds.makers();
    }
    Ok(key)
}

fn complain(form: &Form) -> Result<(), Refused> {
    if form.text("callback_url").is_some_and(|url| !is_safe(url)) {
        return Err(Refused::plain(400, "callback_url must be https, or http on localhost"));
    }
    let label = form.text("key_label").is_none_or(|label| label.chars().count() <= 100);
    let future = form.time("expires_at").is_none_or(|at| at > Time::now());
    let amount = form.get("limit").and_then(Value::as_f64).is_none_or(|limit| limit >= 0.0);
    let challenge = form.text("code_challenge").is_none_or(|challenge| (1..=256).contains(&challenge.len()));
    match (label, future, amount, challenge) {
        (false, ..) => Err(Refused::plain(400, "key_label must have at most 100 characters")),
        (_, false, ..) => Err(Refused::plain(400, "expires_at must be in the future")),
        (_, _, false, _) => Err(Refused::plain(400, "limit must be a non-negative number")),
        (.., false) => Err(Refused::plain(400, "Invalid code_challenge")),
        _ => Ok(()),
    }
}

/// `POST /auth/keys/code`
pub(super) async fn code(request: &Request) -> Answer {
    let form = form(request, "OpenRouterCode")?;
    if form.text("callback_url").is_none_or(str::is_empty) {
        return Err(Refused::plain(400, "callback_url is required"));
    }
    let (code, callback) = (made(request, form.clone()).await?, form.owned("callback_url"));
    Ok(json!({"data": {"id": code, "app_id": application(callback.as_deref()), "created_at": Time::now()}}))
}

/// A new code for what the form asks. Without a callback it is shown to a person, and must be challenged.
pub(crate) async fn made(request: &Request, form: Form) -> Result<String, Refused> {
    complain(&form)?;
    if form.text("callback_url").is_none() && form.text("code_challenge").is_none() {
        return Err(Refused::plain(400, "without a callback_url a code_challenge is required"));
    }
    let mut bytes = [0; 24];
    rand::rng().fill_bytes(&mut bytes);
    let code = URL_SAFE_NO_PAD.encode(bytes);
    let (told, caller) = (code.clone(), request.caller.clone());
    let write = request.write(move |desk| async move {
        for old in desk.all::<AuthCode>().await?.into_iter().filter(|old| old.until < Time::now()) {
            desk.delete::<AuthCode>(&old.digest).await?;
        }
        let mut key = gift(&desk, &caller, &form).await?;
        let callback = form.owned("callback_url");
        let host = callback.as_deref().and_then(|url| Some(url.parse::<http::Uri>().ok()?.host()?.to_owned()));
        let label = form.owned("key_label").or(host.map(|host| format!("OAuth: {host}"))).unwrap_or_else(|| "OAuth".to_owned());
        key.metadata.insert("name".to_owned(), json!(label));
        let now = Time::now();
        let code = AuthCode {
            digest: hex::encode(digest(told.as_bytes())),
            challenge: form.owned("code_challenge"),
            method: form.owned("code_challenge_method"),
            callback_url: callback,
            user_id: key.user_id.clone(),
            team_id: key.team_id.clone(),
            key: json!(key),
            until: now.plus_seconds(PATIENCE),
            created_at: now,
        };
        Ok(desk.put(&code).await?)
    });
    write.await?;
    Ok(code)
}

fn unknown() -> Refused {
    Refused::plain(403, "Invalid code or code_verifier")
}

/// Whether the verifier is the one that was challenged.
fn verified(code: &AuthCode, form: &Form) -> Result<(), Refused> {
    let Some(challenge) = &code.challenge else { return Ok(()) };
    let said = form.text("code_challenge_method");
    if let (Some(then), Some(now)) = (code.method.as_deref(), said)
        && then != now
    {
        return Err(Refused::plain(400, "Invalid code_challenge_method: use the one the code was made with"));
    }
    let verifier = form.text("code_verifier").ok_or_else(unknown)?;
    let shown = match code.method.as_deref().or(said) {
        Some("S256") => URL_SAFE_NO_PAD.encode(digest(verifier.as_bytes())),
        _ => verifier.to_owned(),
    };
    // Equal digests, compared whole: the time it takes tells nothing.
    if digest(shown.as_bytes()) == digest(challenge.trim_end_matches('=').as_bytes()) { Ok(()) } else { Err(unknown()) }
}

/// `POST /auth/keys`: without a key, for whoever has a code.
pub(super) async fn exchange(request: &Request) -> Answer {
    let guesses = request.app.foundation.guesses.clone();
    guesses.check(request.from)?;
    let form = form(request, "OpenRouterExchange")?;
    let app = request.app.clone();
    let write = request.write(move |desk| async move {
        let sum = hex::encode(digest(form.text("code").unwrap_or_default().as_bytes()));
        let code: AuthCode = desk.get(&sum).await?.ok_or_else(unknown)?;
        if code.until < Time::now() {
            return Err(unknown());
        }
        verified(&code, &form)?;
        desk.delete::<AuthCode>(&sum).await?;
        let given: Key = serde_json::from_value(code.key).map_err(|_| unknown())?;
        if let Some(user) = &given.user_id
            && desk.get::<User>(user).await?.is_none()
        {
            return Err(unknown());
        }
        let (secret, made, _) = keys::new_key(&desk, &app, &Form::default()).await?;
        let mut key = Key {
            token: made.token,
            verifier: made.verifier,
            key_name: made.key_name,
            created_at: made.created_at,
            updated_at: made.updated_at,
            created_by: given.user_id.clone(),
            ..given
        };
        key.begin(&Key::default(), Time::now());
        desk.put(&key).await?;
        Ok((secret, key.user_id))
    });
    match write.await {
        Ok((key, user)) => Ok(json!({"key": key, "user_id": user})),
        Err(refused) => {
            if refused.status == http::StatusCode::FORBIDDEN {
                guesses.failed(request.from);
            }
            Err(refused)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_over_tls_or_to_the_browsers_own_machine() {
        for (url, safe) in [
            ("https://app.example/cb?x=1", true),
            ("http://localhost:3000/cb", true),
            ("http://127.0.0.1:1/", true),
            ("http://app.example/cb", false),
            ("https://user@app.example/", false),
            ("javascript:alert(1)", false),
            ("https://app.example/#f", false),
            ("", false),
        ] {
            assert_eq!(is_safe(url), safe, "{url}");
        }
    }

    #[test]
    fn a_verifier_fits_its_challenge_alone() {
        let form = |verifier: &str, method: Option<&str>| {
            let mut form = Form::default();
            form.put("code_verifier", verifier);
            if let Some(method) = method {
                form.put("code_challenge_method", method);
            }
            form
        };
        // The example of RFC 7636, appendix B.
        let (verifier, challenge) = ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let code = |challenge: &str, method: &str| AuthCode {
            challenge: Some(challenge.to_owned()),
            method: Some(method.to_owned()),
            ..AuthCode::default()
        };
        assert!(verified(&code(challenge, "S256"), &form(verifier, Some("S256"))).is_ok());
        assert!(verified(&code(challenge, "S256"), &form(verifier, None)).is_ok());
        assert_eq!(verified(&code(challenge, "S256"), &form(verifier, Some("plain"))).unwrap_err().status, 400);
        assert_eq!(verified(&code(challenge, "S256"), &form("other", None)).unwrap_err().status, 403);
        assert_eq!(verified(&code(challenge, "S256"), &Form::default()).unwrap_err().status, 403);
        assert!(verified(&code("same", "plain"), &form("same", None)).is_ok());
        assert_eq!(verified(&code(challenge, "plain"), &form(verifier, None)).unwrap_err().status, 403);
    }
}
