//! `/invitation/…`: links by which somebody who has a row sets their first password.
//!
//! Whoever has a link may set the password, so its id is a secret of 122 random bits, told once to who made it; the store has its
//! SHA-256. What it leads to is a step of signing in ([`crate::sso`]). So whoever administers all that somebody is in, and did not bring
//! them in from elsewhere, invites them as long as they cannot sign in: nobody gets into an account that is in use by inviting its owner.

use serde_json::{Value, json};
use switchboard_store::object::{Invitation, Password, Role, User};
use switchboard_store::{Desk, Time};

use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::auth::{Caller, digest};
use crate::authz::Policy::{Admin, Managed};
use crate::authz::object;
use crate::refused::Refused;

/// How long a link is good.
const PATIENCE: i64 = 7 * 86_400;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Invitations {
    New,
    Shown,
    Update,
    Delete,
}

use Invitations as Do;

/// The routes.
pub(super) const ROWS: &[Row] = &[
    post("/invitation/new", Action::Invitations(Do::New), Managed, "InvitationNew", "Make a link by which a user sets a password"),
    get("/invitation/info", Action::Invitations(Do::Shown), Admin, "Such a link"),
    post("/invitation/update", Action::Invitations(Do::Update), Admin, "InvitationUpdate", "Say whether such a link was used"),
    post("/invitation/delete", Action::Invitations(Do::Delete), Managed, "InvitationDelete", "Delete such a link"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::New => new(request).await,
        Do::Shown => shown(request).await,
        Do::Update => update(request).await,
        Do::Delete => delete(request).await,
    }
}

/// What is kept of a link's id.
pub(crate) fn digest_of(id: &str) -> String {
    hex::encode(digest(id.as_bytes()))
}

fn row(id: &str, invitation: &Invitation) -> Value {
    json!({
        "id": id, "user_id": invitation.user_id, "is_accepted": invitation.is_accepted, "accepted_at": invitation.accepted_at,
        "expires_at": invitation.expires_at, "created_at": invitation.created_at, "created_by": invitation.created_by,
        "updated_at": invitation.updated_at, "updated_by": invitation.updated_by,
    })
}

async fn found(desk: &Desk, id: &str) -> Result<Invitation, Refused> {
    let missing = || Refused::detail(400, json!({"error": "Invitation id does not exist in the database."}));
    desk.get(&digest_of(id)).await?.ok_or_else(missing)
}

async fn new(request: &Request) -> Answer {
    let user_id = request.form("InvitationNew")?.owned("user_id").unwrap_or_default();
    let id = uuid();
    let (kept, caller) = (digest_of(&id), request.caller.clone());
    let write = request.write(move |desk| async move {
        let user: Option<User> = desk.get(&user_id).await?;
        may_invite(&desk, &caller, user.as_ref()).await?;
        if user.is_none() {
            let message = "User id does not exist in 'LiteLLM_UserTable'. Fix this by creating user via `/user/new`.";
            return Err(Refused::detail(400, json!({"error": message})));
        }
        let (now, actor) = (Time::now(), desk.actor().to_owned());
        let invitation = Invitation {
            digest: kept,
            user_id,
            expires_at: now.plus_seconds(PATIENCE),
            created_at: now,
            created_by: actor.clone(),
            updated_at: now,
            updated_by: actor,
            ..Invitation::default()
        };
        desk.put(&invitation).await?;
        Ok(invitation)
    });
    Ok(row(&id, &write.await?))
}

/// Refuses who does not answer for the user, and whoever would let somebody into an account that is in use.
async fn may_invite(desk: &Desk, caller: &Caller, user: Option<&User>) -> Result<(), Refused> {
    if caller.is_admin() {
        return Ok(());
    }
    let refused = |message: &str| Refused::told(400, message);
    let foreign = || refused("You can only create invitations for users in your organization or team.");
    let user = user.ok_or_else(foreign)?;
    if !object::answers_for(desk, caller, user).await? {
        return Err(foreign());
    }
    let sees_all = matches!(user.user_role, Some(Role::ProxyAdmin | Role::ProxyAdminViewer));
    if sees_all || user.sso_user_id.is_some() || desk.get::<Password>(&user.user_id).await?.is_some() {
        return Err(refused("This user signs in already; only a proxy admin can invite them again."));
    }
    Ok(())
}

async fn shown(request: &Request) -> Answer {
    let id = request.required("invitation_id")?.to_owned();
    let asked = id.clone();
    let invitation = request.read(move |desk| async move { found(&desk, &asked).await }).await?;
    Ok(row(&id, &invitation))
}

async fn update(request: &Request) -> Answer {
    let form = request.form("InvitationUpdate")?;
    let (id, accepted) = (form.owned("invitation_id").unwrap_or_default(), form.flag("is_accepted") == Some(true));
    let asked = id.clone();
    let write = request.write(move |desk| async move {
        let mut invitation = found(&desk, &asked).await?;
        (invitation.is_accepted, invitation.updated_at, invitation.updated_by) = (accepted, Time::now(), desk.actor().to_owned());
        invitation.accepted_at = accepted.then_some(invitation.updated_at);
        desk.put(&invitation).await?;
        Ok(invitation)
    });
    Ok(row(&id, &write.await?))
}

async fn delete(request: &Request) -> Answer {
    let id = request.form("InvitationDelete")?.owned("invitation_id").unwrap_or_default();
    let (asked, caller) = (id.clone(), request.caller.clone());
    let write = request.write(move |desk| async move {
        let invitation = found(&desk, &asked).await?;
        if !caller.is_admin() && invitation.created_by != desk.actor() {
            return Err(Refused::told(403, "Organization admins can only delete invitations they created."));
        }
        desk.delete::<Invitation>(&invitation.digest).await?;
        Ok(invitation)
    });
    Ok(row(&id, &write.await?))
}

/// A random UUID, of which nobody can guess another.
fn uuid() -> String {
    use rand::RngCore;
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
