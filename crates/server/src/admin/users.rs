//! `/user/…`.

mod change;
mod find;
mod list;
mod new;

pub(super) use change::{bulk_update, delete, forget, update};
pub(super) use find::{info, own_row};
pub(super) use list::{list, roles};
pub(super) use new::new;

use serde_json::{Value, json};
use switchboard_store::object::Role;

use super::refused::Refused;
use crate::auth::Caller;

/// The user whose spend is that of the whole gateway, as LiteLLM has it.
pub(super) const PROXY: &str = "litellm-proxy-budget";

/// What they are told who administer neither the gateway nor an organization.
fn not_allowed(caller: &Caller, route: &str) -> Refused {
    let role = caller.role.map_or("unknown", Role::as_str);
    let message = format!(
        "Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route={route}. \
         Your role={role}. Your user_id=*******"
    );
    Refused::unauthenticated("auth_error", json!("None"), message)
}

fn missing(id: &str) -> Refused {
    Refused::new(404, "internal_server_error", Value::Null, format!("User {id} not found"))
}
