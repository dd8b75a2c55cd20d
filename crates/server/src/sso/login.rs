//! By name and password.

use serde_json::{Value, json};
use switchboard_store::object::{Password, Role, User};

use super::{Visit, admitted, arrival, begin, form, welcome};
use crate::answered::Answered;
use crate::auth::caller::ADMIN;
use crate::auth::resolve::is_active;
use crate::auth::session::{self, SignedIn, Way};
use crate::auth::{digest, password};
use crate::digest::same;
use crate::people;
use crate::refused::Refused;

/// `POST /login`, from a page.
pub(super) async fn from_form(visit: &Visit) -> Result<Answered, Refused> {
    session::own_origin(&visit.parts)?;
    let text = std::str::from_utf8(&visit.body).map_err(|_| Refused::bad("the form is not text"))?;
    let pairs = crate::query::pairs(text);
    let field = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    let asks_for_page =
        visit.parts.headers.get("accept").is_some_and(|kinds| kinds.to_str().is_ok_and(|kinds| kinds.contains("text/html")));
    let found = authenticated(visit, field("username"), field("password")).await.and_then(|who| admitted(visit, who));
    match found {
        Ok(who) => welcome(visit, who, arrival(&visit.app), true).await,
        Err(refused) if asks_for_page => Ok(form::page(visit, Some(&refused))),
        Err(refused) => Err(refused),
    }
}

/// `POST /v2/login`, as JSON.
pub(super) async fn from_json(visit: &Visit) -> Result<Answered, Refused> {
    session::own_origin(&visit.parts)?;
    let body: Value = serde_json::from_slice(&visit.body).map_err(|_| Refused::bad("the body must be JSON"))?;
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let who = admitted(visit, authenticated(visit, field("username"), field("password")).await?)?;
    welcome(visit, who, "/ui?login=success".to_owned(), false).await
}

/// Who has that name and that password. Guesses are counted with those of keys.
async fn authenticated(visit: &Visit, username: &str, given: &str) -> Result<SignedIn, Refused> {
    let guesses = &visit.app.foundation.guesses;
    guesses.check(visit.from)?;
    if visit.app.config().general.master_key.is_none() {
        return Err(begin::no_master());
    }
    let found = if is_root(visit, username, given) { Some(root(visit)) } else { user(visit, username, given).await? };
    found.ok_or_else(|| {
        guesses.failed(visit.from);
        let message = "Invalid credentials used to access UI.\nCheck 'UI_USERNAME', 'UI_PASSWORD' in .env file";
        Refused::unauthenticated("auth_error", json!("invalid_credentials"), message)
    })
}

fn is_root(visit: &Visit, username: &str, given: &str) -> bool {
    let config = visit.app.config();
    let sign_in = &config.general.sign_in;
    let master = config.general.master_key.as_ref().map(|key| key.expose());
    let Some(own) = sign_in.password.as_ref().map(|password| password.expose()).or(master) else { return false };
    // Digests are of one length, so that comparing tells nothing of it.
    let fits = |one: &str, other: &str| same(&digest(one.as_bytes()), &digest(other.as_bytes()));
    fits(username, &sign_in.username) & fits(given, own)
}

fn root(visit: &Visit) -> SignedIn {
    let stamp = visit.app.keys.load().stamps().stamp(Way::Root, None);
    let user_id = visit.app.config().general.sign_in.admin_id.clone().unwrap_or_else(|| ADMIN.to_owned());
    SignedIn { user_id, user_email: None, role: Role::ProxyAdmin, method: Way::Root, stamp }
}

async fn user(visit: &Visit, username: &str, given: &str) -> Result<Option<SignedIn>, Refused> {
    let Some(store) = &visit.app.store else { return Ok(None) };
    let name = username.to_owned();
    let read = store.read(move |desk| async move {
        let user: Option<User> = match people::find(&desk, None, Some(&name)).await? {
            Some(user) => Some(user),
            None => desk.get(&name).await?,
        };
        let password: Option<Password> = match &user {
            Some(user) => desk.get(&user.user_id).await?,
            None => None,
        };
        Ok::<_, Refused>((user, password))
    });
    let (user, kept) = read.await?;
    let kept = kept.map(|kept| kept.password_hash);
    let fits = password::fits(given, kept.as_deref()).await?;
    let Some(user) = user.filter(|user| fits && is_active(user)) else { return Ok(None) };
    let stamp = visit.app.keys.load().stamps().stamp(Way::Password, kept.as_deref());
    let (role, user_email) = (user.user_role.unwrap_or_default(), user.user_email.clone());
    Ok(Some(SignedIn { user_id: user.user_id, user_email, role, method: Way::Password, stamp }))
}
