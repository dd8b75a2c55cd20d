//! `/user/…`.

mod change;
mod find;
mod list;
mod new;

pub(super) use change::{bulk_update, delete, delete_one, forget, may_delete, update};
pub(super) use find::{info, own_row};
pub(super) use list::{list, roles};
pub(super) use new::{make, new};

use serde_json::Value;

use crate::refused::Refused;

/// The user whose spend is that of the whole gateway, as LiteLLM has it.
pub(super) const PROXY: &str = "litellm-proxy-budget";

fn missing(id: &str) -> Refused {
    Refused::new(404, "internal_server_error", Value::Null, format!("User {id} not found"))
}
