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

use switchboard_store::object::Key;
use switchboard_store::{Desk, StoreError};

use crate::auth::{digest, hex};

/// The hash by which a key is named, be it by itself or by its hash.
pub(super) fn hash_of(named: &str) -> String {
    if named.starts_with("sk-") { hex(&digest(named.as_bytes())) } else { named.to_owned() }
}

/// The key that is named by itself, by its hash or by its alias.
pub(super) async fn named(desk: &Desk, named: &str) -> Result<Option<Key>, StoreError> {
    desk.get(&hash_of(named)).await
}
