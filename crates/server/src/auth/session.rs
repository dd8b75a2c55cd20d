//! People who are signed in.
//!
//! A browser holds 256 random bits in a cookie that no script can read; of them, the store has the SHA-256. A session ends with
//! its time, when it is not used, when its holder signs out, when what they signed in with is no longer what it was (their password,
//! the administrator's, the identity provider), and when they become something else than they were.
//!
//! A cookie is sent by a browser whoever asked it to. So whatever changes something must also say a word that only a page of ours
//! can read ([`guard`]).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, HOST, ORIGIN};
use http::{HeaderMap, Method, request};
use rand::RngCore;
use ring::hmac;
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Level, ScopeId, Terms};
use switchboard_store::object::{Key, Password, Role, Session, User};
use switchboard_store::{Desk, StoreError, Time};

use super::caller::{Caller, Credential};
use super::digest;
use super::token::principal;
use crate::config::Config;
use crate::refused::Refused;

/// What a refusal calls a session.
const SESSION: &str = "litellm-dashboard";

/// The cookie.
pub const COOKIE_NAME: &str = "token";
/// The header with the word.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// The longest a session lasts, in seconds.
pub const LONGEST: i64 = 8 * 3600;
/// So long it may lie unused.
const IDLE: i64 = 30 * 60;
/// How often it is looked at again, and its use noted.
const AGAIN: i64 = 5 * 60;
/// Longer cookies are nobody's.
const LONGEST_COOKIE: usize = 256;

/// How somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the administrator whom the configuration names.
    Root,
    /// By a password of their own.
    Password,
    /// At the identity provider.
    Sso,
}

impl Way {
    /// As sessions keep it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Password => "password",
            Self::Sso => "sso",
        }
    }
}

/// Fingerprints of what people sign in with, as the configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    root: String,
    sso: String,
}

impl Stamps {
    /// Those of that configuration.
    pub fn of(config: &Config) -> Self {
        let sign_in = &config.general.sign_in;
        let master = config.general.master_key.as_ref().map_or("", |key| key.expose());
        let key = hmac::Key::new(hmac::HMAC_SHA256, master.as_bytes());
        let stamp = |text: String| hex::encode(hmac::sign(&key, text.as_bytes()).as_ref())[..32].to_owned();
        let password = sign_in.password.as_ref().map_or(master, |password| password.expose());
        let provider = sign_in.provider.as_ref().map(|provider| (&provider.id, &provider.client_id, &provider.token, &provider.issuer));
        Self {
            root: stamp(format!("root {:?} {password:?}", sign_in.username)),
            sso: stamp(format!("sso {provider:?} {:?} {}", sign_in.email_domains, sign_in.admins_only)),
        }
    }

    /// The fingerprint of somebody's way in.
    pub fn stamp(&self, method: Way, password_hash: Option<&str>) -> String {
        match method {
            Way::Root => self.root.clone(),
            Way::Sso => self.sso.clone(),
            Way::Password => password_hash.map(|hash| hex::encode(digest(hash.as_bytes()))[..32].to_owned()).unwrap_or_default(),
        }
    }
}

/// Somebody who has just proved who they are.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub user_id: String,
    /// Their address.
    pub user_email: Option<String>,
    /// What they are.
    pub role: Role,
    /// How.
    pub method: Way,
    /// The fingerprint of that.
    pub stamp: String,
}

/// Begins a session; the secret goes to the browser and nowhere else.
pub async fn open(desk: &Desk, who: &SignedIn) -> Result<String, StoreError> {
    let now = Time::now();
    for old in desk.of_user::<Session>(&who.user_id).await? {
        let unused = desk.touched::<Session>(&old.id).await?.is_none_or(|used| used.plus_seconds(IDLE) <= now);
        if old.expires_at <= now || unused {
            desk.delete::<Session>(&old.id).await?;
        }
    }
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let session = Session {
        id: hex::encode(digest(secret.as_bytes())),
        user_id: who.user_id.clone(),
        user_email: who.user_email.clone(),
        role: who.role,
        method: who.method.as_str().to_owned(),
        stamp: who.stamp.clone(),
        created_at: now,
        expires_at: now.plus_seconds(LONGEST),
    };
    desk.put(&session).await?;
    Ok(secret)
}

/// Ends every session of a user.
pub async fn close_all(desk: &Desk, user: &str) -> Result<(), StoreError> {
    for session in desk.of_user::<Session>(user).await? {
        desk.delete::<Session>(&session.id).await?;
    }
    Ok(())
}

/// Who holds the session of that SHA-256, and that they use it now.
pub async fn caller(desk: &Desk, id: &str, stamps: &Stamps, means: &principal::Around) -> Result<Option<Caller>, Refused> {
    let Some(session) = desk.get::<Session>(id).await? else { return Ok(None) };
    let (now, used) = (Time::now(), desk.touched::<Session>(id).await?);
    if session.expires_at <= now || used.is_none_or(|used| used.plus_seconds(IDLE) <= now) {
        return Ok(None);
    }
    let user: Option<User> = desk.get(&session.user_id).await?;
    let known = user.as_ref().is_some_and(|user| user.user_role.unwrap_or_default() == session.role);
    let valid = match session.method.as_str() {
        "root" => session.stamp == stamps.root,
        "sso" => session.stamp == stamps.sso && known,
        "password" => {
            let password: Option<Password> = desk.get(&session.user_id).await?;
            let stamp = stamps.stamp(Way::Password, password.as_ref().map(|password| password.password_hash.as_str()));
            known && !stamp.is_empty() && session.stamp == stamp
        }
        _ => false,
    };
    if !valid {
        return Ok(None);
    }
    if let Err(error) = desk.touch::<Session>(id).await {
        tracing::debug!(%error, "the use of a session could not be noted");
    }
    let key = Key { user_id: Some(session.user_id.clone()), expires: Some(session.expires_at), ..Key::default() };
    let caller = principal::without_key(desk, &key, means).await?;
    let mut named = Principal { key: "session".to_owned(), ..(*caller.principal).clone() };
    if let Some(budget) = means.policy.session {
        let terms = Terms { name: SESSION.to_owned(), budgets: vec![budget], ..Terms::default() };
        named.scopes.push(means.book.scope(ScopeId::new(Level::Key, id), terms));
    }
    Ok(Some(Caller {
        principal: std::sync::Arc::new(named),
        credential: Credential::Session,
        role: Some(session.role),
        until: caller.until.into_iter().chain(Some(now.plus_seconds(AGAIN))).min(),
        ..caller
    }))
}

/// The secret of a browser's session.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    value(headers, COOKIE_NAME)
}

/// A cookie's value.
pub fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let longest = if name == COOKIE_NAME { LONGEST_COOKIE } else { 4096 };
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).find(|value| !value.is_empty() && value.len() <= longest)
}

/// The word that belongs to a session: whoever reads it has read an answer of ours, which pages of others cannot.
pub fn csrf(secret: &str) -> String {
    hex::encode(digest(format!("csrf {secret}").as_bytes()))
}

/// Refuses what a page of somebody else's may have made a browser send.
pub fn guard(parts: &request::Parts) -> Result<(), Refused> {
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    own_origin(parts)?;
    let given = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let word = cookie(&parts.headers).map(csrf).unwrap_or_default();
    if !word.is_empty() && crate::digest::same(given.as_bytes(), word.as_bytes()) {
        return Ok(());
    }
    Err(Refused::forbidden(format!("A session needs the header `{CSRF_HEADER}`; `GET /session` tells its value")))
}

/// Refuses what a browser says another site made it send.
pub fn own_origin(parts: &request::Parts) -> Result<(), Refused> {
    let text = |name: http::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let host = parts.uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST)).unwrap_or_default();
    let foreign = text(ORIGIN).is_some_and(|origin| origin.split_once("://").is_none_or(|(_, own)| own != host));
    let site = parts.headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if foreign || site.is_some_and(|site| site == "cross-site") {
        return Err(Refused::forbidden("This request was made by a page of another site"));
    }
    Ok(())
}
