//! Whoever has signed in by a password sets another, and stays signed in; every other session of theirs ends.

use serde_json::{Value, json};
use switchboard_store::Desk;
use switchboard_store::object::{Password, Role, Session, User};

use super::{Visit, author, cookie};
use crate::admin::form::Form;
use crate::answered::Answered;
use crate::auth::session::{self, COOKIE_NAME, SignedIn, Way};
use crate::auth::{Credential, digest, password};
use crate::refused::Refused;

/// `POST /user/password/change`
pub(super) async fn change(visit: &Visit) -> Result<Answered, Refused> {
    let store = visit.app.store.as_ref().ok_or_else(Refused::no_store)?;
    let elsewhere = || Refused::told(403, "Passwords can only be changed from a dashboard session created by logging in with a password.");
    let secret = session::cookie(&visit.parts.headers).ok_or_else(elsewhere)?.to_owned();
    session::guard(&visit.parts)?;
    let guesses = &visit.app.foundation.guesses;
    guesses.check(visit.from)?;
    let keys = visit.app.keys.load_full();
    let caller = keys.caller(&visit.parts.headers, None, visit.from).await?;
    // Whoever shows a key is who the key says.
    if caller.credential != Credential::Session {
        return Err(elsewhere());
    }
    let body: Option<Value> = serde_json::from_slice(&visit.body).ok();
    let form = Form::read("ChangePasswordRequest", body.as_ref())?;
    let (given, wanted) = (form.text("current_password").unwrap_or_default(), form.text("new_password").unwrap_or_default());
    let (id, user) = (hex::encode(digest(secret.as_bytes())), caller.user.clone().unwrap_or_default());
    let read = {
        let (id, user) = (id.clone(), user.clone());
        store.read(move |desk| async move { Ok::<_, Refused>((desk.get::<Session>(&id).await?, desk.get::<Password>(&user).await?)) })
    };
    let (present, kept) = read.await?;
    let kept = present.filter(|present| present.method == Way::Password.as_str()).and(kept).ok_or_else(elsewhere)?.password_hash;
    if !password::fits(given, Some(&kept)).await? {
        guesses.failed(visit.from);
        return Err(Refused::told(400, "Current password is incorrect."));
    }
    if given == wanted {
        return Err(Refused::told(400, "New password must be different from the current password."));
    }
    let hash = password::hashed(wanted).await?;
    let stamp = keys.stamps().stamp(Way::Password, Some(&hash));
    let work = move |desk: Desk| async move {
        // Somebody else may have set it meanwhile, or ended the session.
        let same = desk.get::<Password>(&user).await?.is_some_and(|now| now.password_hash == kept);
        let row: Option<User> = desk.get(&user).await?;
        let (Some(row), true, true) = (row, same, desk.get::<Session>(&id).await?.is_some()) else { return Err(elsewhere()) };
        password::keep(&desk, &user, hash).await?;
        let role: Role = row.user_role.unwrap_or_default();
        let who = SignedIn { user_id: user, user_email: row.user_email, role, method: Way::Password, stamp };
        Ok((session::open(&desk, &who).await?, who.user_id))
    };
    let (secret, user) = store.write_as(author(visit, caller.actor()), work).await?;
    tracing::info!(user, "somebody set another password");
    let told = json!({"user_id": user, "message": "Password updated successfully.", "csrf_token": session::csrf(&secret)});
    let mut response = crate::answered::document(&told);
    cookie(&mut response, COOKIE_NAME, &secret, (session::LONGEST, "Strict"), visit);
    Ok(response)
}
