//! By an invitation: its link is opened, and whoever opened it sets a password and is signed in.
//!
//! Opening a link gives a word that is good for a quarter of an hour and for that link alone; LiteLLM's clients read it as `key` out of
//! a token of three parts. No other request takes it. Who sets the password must show it, and every opening gives another one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use rand::RngCore;
use ring::hmac;
use serde_json::{Value, json};
use switchboard_store::object::{Invitation, Role, User};
use switchboard_store::{Desk, Time};

use super::{Visit, admitted, author, begin, cookie, opened};
use crate::admin::form::Form;
use crate::answered::Answered;
use crate::auth::resolve::is_active;
use crate::auth::session::{self, COOKIE_NAME, SignedIn, Way};
use crate::auth::{digest, password};
use crate::digest::same;
use crate::refused::Refused;

/// How long the word is good, in seconds.
const PATIENCE: i64 = 900;

/// `GET /onboarding/get_token?invite_link=…`
pub(super) async fn open(visit: &Visit) -> Result<Answered, Refused> {
    let store = visit.app.store.as_ref().ok_or_else(Refused::no_store)?;
    visit.app.foundation.guesses.check(visit.from)?;
    if visit.app.config().general.master_key.is_none() {
        return Err(begin::no_master());
    }
    let missing =
        || Refused::invalid(vec![json!({"type": "missing", "loc": ["query", "invite_link"], "msg": "Field required", "input": null})]);
    let id = crate::query::value(visit.parts.uri.query().unwrap_or_default(), "invite_link").ok_or_else(missing)?;
    let word = secret();
    let kept = hex::encode(digest(word.as_bytes()));
    let open = move |desk: Desk| async move {
        let mut invitation = good(&desk, &id).await?;
        let user = invited(&desk, &invitation).await?;
        (invitation.word, invitation.word_until) = (Some(kept), Some(Time::now().plus_seconds(PATIENCE)));
        desk.put(&invitation).await?;
        Ok::<_, Refused>(user)
    };
    let found = store.write_as(author(visit, "invitation"), open).await;
    let user = found.inspect_err(|_| visit.app.foundation.guesses.failed(visit.from))?;
    let token = token(&word, &user);
    let email = user.user_email.clone().unwrap_or_default();
    let place = format!("{}/ui/onboarding", visit.app.base(&visit.parts));
    let query = begin::encoded(&[("token", &token), ("user_email", &email)]);
    Ok(crate::answered::document(&json!({"login_url": format!("{place}?{query}"), "token": token, "user_email": user.user_email})))
}

/// `POST /onboarding/claim_token`
pub(super) async fn claim(visit: &Visit) -> Result<Answered, Refused> {
    session::own_origin(&visit.parts)?;
    let store = visit.app.store.as_ref().ok_or_else(Refused::no_store)?;
    visit.app.foundation.guesses.check(visit.from)?;
    let body: Value = serde_json::from_slice(&visit.body).map_err(|_| Refused::bad("the body must be JSON"))?;
    let form = Form::read("InvitationClaim", Some(&body))?;
    let (id, user_id) = (form.owned("invitation_link").unwrap_or_default(), form.owned("user_id").unwrap_or_default());
    let shown = visit.parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shown = digest(shown.strip_prefix("Bearer ").unwrap_or(shown).trim().as_bytes());
    let hash = password::hashed(form.text("password").unwrap_or_default()).await?;
    let stamp = visit.app.keys.load().stamps().stamp(Way::Password, Some(&hash));
    let take = move |desk: Desk| async move {
        let mut invitation = good(&desk, &id).await?;
        if invitation.user_id != user_id {
            let message = format!(
                "Invalid invitation link. The user id submitted does not match the user id this link is attached to. Got={user_id}"
            );
            return Err(refused(&message));
        }
        let now = Time::now();
        let word = invitation.word.take().filter(|_| invitation.word_until.is_some_and(|until| until > now));
        if !word.is_some_and(|word| same(&hex::decode(word).unwrap_or_default(), &shown)) {
            return Err(refused("Invalid onboarding session for invitation link."));
        }
        let user = invited(&desk, &invitation).await?;
        password::keep(&desk, &user.user_id, hash).await?;
        (invitation.is_accepted, invitation.accepted_at, invitation.word_until) = (true, Some(now), None);
        (invitation.updated_at, invitation.updated_by) = (now, user.user_id.clone());
        desk.put(&invitation).await?;
        Ok(user)
    };
    let taken = store.write_as(author(visit, "invitation"), take).await;
    let user: User = taken.inspect_err(|_| visit.app.foundation.guesses.failed(visit.from))?;
    let role = user.user_role.unwrap_or_default();
    let who = SignedIn { user_id: user.user_id.clone(), user_email: user.user_email.clone(), role, method: Way::Password, stamp };
    let (secret, who) = opened(visit, admitted(visit, who)?).await?;
    let mut response = crate::answered::document(&json!({
        "login_url": format!("{}/ui?login=success", visit.app.base(&visit.parts)),
        "token": session::csrf(&secret),
        "user_email": who.user_email,
        "user": crate::admin::user_row(&visit.app, &user),
    }));
    cookie(&mut response, COOKIE_NAME, &secret, (session::LONGEST, "Strict"), visit);
    Ok(response)
}

fn refused(message: &str) -> Refused {
    Refused::detail(401, json!({"error": message}))
}

/// The invitation of that id, if it may still be used.
async fn good(desk: &Desk, id: &str) -> Result<Invitation, Refused> {
    let found: Option<Invitation> = desk.get(&hex::encode(digest(id.as_bytes()))).await?;
    let invitation = found.ok_or_else(|| refused("Invitation link does not exist in db."))?;
    if invitation.expires_at <= Time::now() {
        return Err(refused("Invitation link has expired."));
    }
    if invitation.is_accepted {
        return Err(refused("Invitation link has already been used."));
    }
    Ok(invitation)
}

async fn invited(desk: &Desk, invitation: &Invitation) -> Result<User, Refused> {
    let found: Option<User> = desk.get(&invitation.user_id).await?;
    found.filter(is_active).ok_or_else(|| refused("User does not exist in db."))
}

fn secret() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The word as LiteLLM's clients read it: the `key` of a token. Its signature is made with the word itself, so that it tells nothing
/// of any key of the gateway's.
fn token(word: &str, user: &User) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let role = user.user_role.map_or(Role::InternalUser, |role| role).as_str();
    let claims = json!({
        "user_id": user.user_id, "key": word, "user_email": user.user_email, "user_role": role, "login_method": "username_password",
        "premium_user": true, "auth_header_name": "Authorization",
    });
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, word.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}
