//! `/key/…`.

mod change;
mod find;
mod generate;
mod list;
mod retire;

pub(super) use change::{block, bulk_update, unblock, update};
pub(super) use find::{health, info, info_of_many};
pub(super) use generate::{answer, generate, new_key, reset_at, service_account};
pub(super) use list::{aliases, list};

pub(super) use retire::{delete, regenerate, remove};

use switchboard_store::object::{Key, Team};
use switchboard_store::{Desk, StoreError};

use super::Refused;
use crate::auth::{Caller, digest, hex};
use crate::authz::object::{self, Standing};

/// The hash by which a key is named, be it by itself or by its hash.
pub(super) fn hash_of(named: &str) -> String {
    if named.starts_with("sk-") { hex(&digest(named.as_bytes())) } else { named.to_owned() }
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
    Err(Refused::forbidden("You are not authorized to reset this key's spend"))
}
