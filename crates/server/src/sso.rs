//! Signing in to the dashboard: by a password, or at an identity provider (OpenID Connect).
//!
//! The paths and variables are LiteLLM's. What they lead to is not: instead of a key that scripts can read, a browser gets a
//! session ([`crate::auth::session`]).
//!
//! At an identity provider the authorization code flow is used, with PKCE, `state` and `nonce`. What must be remembered meanwhile is
//! sealed in a cookie of the browser that began ([`parcel`]), so any gateway can finish what another began, and nobody can finish
//! in one browser what began in another.

mod begin;
mod callback;
mod exchange;
mod form;
mod login;
mod newcomer;
mod onboard;
mod parcel;
mod password;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, SET_COOKIE};
use http::{Response, StatusCode, request};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_store::desk::Author;
use switchboard_store::object::Session;

use crate::answered::Answered;
use crate::app::App;
use crate::auth::session::{self, COOKIE_NAME, SignedIn};
use crate::auth::{Caller, digest};
use crate::authz::Policy;
use crate::refused::Refused;
use crate::row::Row;

/// A step of signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the identity provider, or to a form for name and password.
    Begin,
    /// Back from the identity provider.
    Callback,
    /// A form for name and password.
    Form,
    /// Name and password, from that form.
    Login,
    /// The same, as JSON.
    LoginJson,
    /// Out again.
    Logout,
    /// The same, for whoever is signed in and nobody else.
    End,
    /// Another password.
    Password,
    /// Who is signed in.
    Session,
    /// What ways in there are.
    Ways,
    /// Whom a link invites.
    Invited,
    /// The password of whom a link invites.
    Claim,
}

const fn row(method: &'static str, path: &'static str, step: Step, policy: Policy, summary: &'static str) -> Row<Step> {
    Row { method, path, route: step, policy, summary, form: "" }
}

/// Their routes.
pub const ROWS: &[Row<Step>] = &[
    row("GET", "/sso/key/generate", Step::Begin, Policy::Public, "Sign in at the identity provider, or by a password"),
    row("GET", "/sso/callback", Step::Callback, Policy::Public, "Back from the identity provider"),
    row("GET", "/sso/readiness", Step::Ways, Policy::Public, "How people may sign in"),
    row("GET", "/fallback/login", Step::Form, Policy::Public, "Sign in by a password"),
    row("POST", "/login", Step::Login, Policy::Public, "Sign in by a password, from a form"),
    row("POST", "/v2/login", Step::LoginJson, Policy::Public, "Sign in by a password, as JSON"),
    row("POST", "/logout", Step::Logout, Policy::Public, "Sign out"),
    row("POST", "/session/logout", Step::End, Policy::Public, "End the session that the request is made in"),
    row("POST", "/user/password/change", Step::Password, Policy::Public, "Set another password, signed in by the present one"),
    row("GET", "/onboarding/get_token", Step::Invited, Policy::Public, "Open an invitation"),
    row("POST", "/onboarding/claim_token", Step::Claim, Policy::Public, "Set a password by an invitation, and sign in"),
    row("GET", "/session", Step::Session, Policy::Info, "Who is signed in, and the word that changes need"),
];

/// No form or document of sign-ins is longer.
pub const LONGEST_BODY: u64 = 16 << 10;

/// A request on the way in.
pub(crate) struct Visit {
    pub(crate) app: Arc<App>,
    pub(crate) parts: request::Parts,
    pub(crate) body: Bytes,
    pub(crate) from: Option<IpAddr>,
}

/// Answers a step that needs nobody to be known.
pub(crate) async fn serve(visit: &Visit, step: Step) -> Answered {
    let done = match step {
        Step::Begin => begin::begin(visit),
        Step::Callback => callback::callback(visit).await,
        Step::Form => Ok(form::page(visit, None)),
        Step::Login => login::from_form(visit).await,
        Step::LoginJson => login::from_json(visit).await,
        Step::Logout => logout(visit).await,
        Step::End => end(visit).await,
        Step::Password => password::change(visit).await,
        Step::Invited => onboard::open(visit).await,
        Step::Claim => onboard::claim(visit).await,
        Step::Ways | Step::Session => ways(visit),
    };
    let mut response = done.unwrap_or_else(|refused| refused.response());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Who asks, for a page of ours.
pub(crate) fn told(caller: &Caller, parts: &request::Parts) -> Answered {
    let secret = session::cookie(&parts.headers).filter(|_| caller.credential == crate::auth::Credential::Session);
    crate::answered::document(&json!({
        "user_id": caller.user,
        "user_email": caller.principal.user_email,
        "user_role": caller.role.map(switchboard_store::object::Role::as_str),
        "team_id": caller.team,
        "expires": caller.expires,
        "csrf_token": secret.map(session::csrf),
        "csrf_header": session::CSRF_HEADER,
    }))
}

fn ways(visit: &Visit) -> Result<Answered, Refused> {
    let config = visit.app.config();
    if let Some((provider, missing)) = &config.general.sign_in.unfinished {
        let message = format!("{provider} is missing required environment variables: {}", missing.join(", "));
        return Err(Refused::detail(
            503,
            json!({
                "status": "unhealthy", "sso_configured": true, "provider": provider, "missing_environment_variables": missing, "message": message,
            }),
        ));
    }
    let provider = config.general.sign_in.provider.as_ref().map(|provider| provider.id.as_str());
    let status = if provider.is_some() { "healthy" } else { "unconfigured" };
    Ok(crate::answered::document(&json!({
        "status": status, "sso_configured": provider.is_some(), "provider": provider,
        "password": config.general.master_key.is_some(), "message": "Ways to sign in",
    })))
}

/// Ends the session of the browser, which must be on a page of ours. Gives whether there was one.
async fn ended(visit: &Visit) -> Result<bool, Refused> {
    session::own_origin(&visit.parts)?;
    let (Some(secret), Some(store)) = (session::cookie(&visit.parts.headers), &visit.app.store) else { return Ok(false) };
    let id = hex::encode(digest(secret.as_bytes()));
    let author = author(visit, "session");
    store.write_as(author, move |desk| async move { Ok::<_, Refused>(desk.delete::<Session>(&id).await?) }).await
}

/// `POST /session/logout`: a key ends nothing by it.
async fn end(visit: &Visit) -> Result<Answered, Refused> {
    if session::cookie(&visit.parts.headers).is_none() {
        return Err(Refused::told(403, "Only UI session tokens can be revoked through this endpoint."));
    }
    let message = if ended(visit).await? { "Session revoked." } else { "Session already revoked." };
    let mut response = crate::answered::document(&json!({"message": message}));
    cookie(&mut response, COOKIE_NAME, "", (0, "Strict"), visit);
    Ok(response)
}

/// `POST /logout`
async fn logout(visit: &Visit) -> Result<Answered, Refused> {
    ended(visit).await?;
    let config = visit.app.config();
    let to = config.general.sign_in.logout_url.clone().unwrap_or_else(|| format!("{}/", config.general.root_path));
    let mut response = crate::answered::document(&json!({"status": "success", "redirect_url": to}));
    cookie(&mut response, COOKIE_NAME, "", (0, "Strict"), visit);
    Ok(response)
}

/// Begins a session and ends the one the browser had; the answer takes the browser to `to`, or tells it to go there.
async fn welcome(visit: &Visit, who: SignedIn, to: String, redirect: bool) -> Result<Answered, Refused> {
    let (secret, who) = opened(visit, who).await?;
    let mut response = match redirect {
        true => redirected(&to)?,
        false => crate::answered::document(&json!({
            "redirect_url": format!("{}{to}", visit.app.base(&visit.parts)),
            "user_id": who.user_id, "user_role": who.role.as_str(), "csrf_token": session::csrf(&secret),
        })),
    };
    cookie(&mut response, COOKIE_NAME, &secret, (session::LONGEST, "Strict"), visit);
    Ok(response)
}

/// Begins a session and ends the one the browser had; gives its secret.
async fn opened(visit: &Visit, who: SignedIn) -> Result<(String, SignedIn), Refused> {
    let store = visit.app.store.as_ref().ok_or_else(Refused::no_store)?;
    let former = session::cookie(&visit.parts.headers).map(|secret| hex::encode(digest(secret.as_bytes())));
    let open = move |desk: switchboard_store::Desk| async move {
        if let Some(former) = former {
            desk.delete::<Session>(&former).await?;
        }
        Ok::<_, Refused>((session::open(&desk, &who).await?, who))
    };
    let (secret, who) = store.write_as(author(visit, "sign-in"), open).await?;
    tracing::info!(user = who.user_id, "somebody signed in");
    Ok((secret, who))
}

fn author(visit: &Visit, name: &str) -> Author {
    let (name, source) = (name.to_owned(), crate::trust::source(visit.from));
    Author { name, source, request_id: crate::id::mint(), ..Author::default() }
}

fn redirected(to: &str) -> Result<Answered, Refused> {
    let mut response = Response::new(AnswerBody::Whole(None));
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::try_from(to).map_err(|_| Refused::bad("the address to go to cannot be written"))?;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

/// Sets a cookie that no script reads, for so many seconds.
fn cookie(response: &mut Answered, name: &str, value: &str, (seconds, site): (i64, &str), visit: &Visit) {
    let secure = if visit.app.base(&visit.parts).starts_with("https:") { "; Secure" } else { "" };
    let path = visit.app.config().general.root_path.clone();
    let path = if path.is_empty() { "/".to_owned() } else { path };
    let text = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite={site}{secure}");
    if let Ok(text) = HeaderValue::try_from(text) {
        response.headers_mut().append(SET_COOKIE, text);
    }
}

/// Where a browser is sent that has signed in by a password.
fn arrival(app: &App) -> String {
    format!("{}/ui?login=success", app.config().general.root_path)
}

/// Where the dashboard is, as a browser is sent there that has signed in elsewhere.
fn dashboard(visit: &Visit) -> String {
    format!("{}/ui/?login=success", visit.app.config().general.root_path)
}

/// A place of ours that a caller may be sent back to. Anything else is nowhere.
fn own_place(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('\\');
    (text.starts_with('/') && !text.starts_with("//") && plain && text.len() <= 512).then_some(text)
}

/// Refuses who may not sign in although they have proved who they are.
fn admitted(visit: &Visit, who: SignedIn) -> Result<SignedIn, Refused> {
    use switchboard_store::object::Role;
    let admins_only = visit.app.config().general.sign_in.admins_only;
    if admins_only && !matches!(who.role, Role::ProxyAdmin | Role::ProxyAdminViewer) {
        let message = "User not allowed to access proxy. ui_access_mode=admin_only lets administrators in alone";
        return Err(Refused::unauthenticated("auth_error", Value::Null, message));
    }
    Ok(who)
}

#[cfg(test)]
mod tests {
    use super::own_place;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for good in ["/ui/", "/ui/?page=keys#x", "/"] {
            assert_eq!(own_place(good), Some(good));
        }
        for bad in
            ["", "ui", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nset-cookie: x", "/\u{e9}", "javascript:alert(1)"]
        {
            assert_eq!(own_place(bad), None, "{bad}");
        }
    }
}
