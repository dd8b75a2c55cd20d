//! `/key/…`.

mod change;
mod find;
mod generate;
mod list;
mod makers;
mod may;
mod retire;

pub(super) use change::{block, bulk_update, bulk_update_of_team, unblock, update};
pub(super) use find::{health, info, info_of_many};
pub(super) use generate::{answer, generate, new_key, service_account};
pub(super) use list::{aliases, list};
pub(super) use may::given;

pub(super) use retire::{delete, regenerate};

use switchboard_store::object::{Key, Team};
use switchboard_store::{Desk, StoreError};

use crate::auth::{Caller, digest};
use crate::authz::object::{self, MEMBER_ROUTES, Standing};
use crate::refused::Refused;

/// The refusal of somebody whose team does not let its members use that route.
pub(super) fn not_permitted(team: &Team, route: &str) -> Refused {
    let granted = team.team_member_permissions.clone().filter(|routes| !routes.is_empty());
    let granted = granted.unwrap_or_else(|| MEMBER_ROUTES.iter().map(|route| (*route).to_owned()).collect());
    let listed: Vec<String> = granted.iter().map(|route| format!("'{route}'")).collect();
    let message = format!(
        "Team member does not have permissions for endpoint: {route}. You only have access to the following endpoints: [{}] for team {}. To \
         create keys for this team, please ask your proxy admin to check the team member permission settings and update the settings to \
         allow team member users to create keys.",
        listed.join(", "),
        team.team_id
    );
    Refused::unauthenticated("team_member_permission_error", route.into(), message)
}

/// The hash by which a key is named, be it by itself or by its hash.
pub(super) fn hash_of(named: &str) -> String {
    if named.starts_with("sk-") { hex::encode(digest(named.as_bytes())) } else { named.to_owned() }
}

/// The key that is named by itself, by its hash or by its alias.
pub(super) async fn named(desk: &Desk, named: &str) -> Result<Option<Key>, StoreError> {
    desk.get(&hash_of(named)).await
}

/// Refuses who may not set back what a key has spent: those who administer the gateway or the key's team may, its holder may not.
pub(super) async fn may_reset(desk: &Desk, caller: &Caller, key: &Key) -> Result<(), Refused> {
    if caller.is_admin() {
        return Ok(());
    }
    if let Some(id) = &key.team_id
        && let Some(team) = desk.get::<Team>(id).await?
        && object::of_team(desk, caller, &team).await? == Standing::Admin
    {
        return Ok(());
    }
    // Of what is not theirs, nobody learns that it is there.
    Err(match object::of_key(desk, caller, key).await? {
        Standing::Stranger => Refused::said(404, "Key not found"),
        _ => Refused::forbidden("You are not authorized to reset this key's spend"),
    })
}
