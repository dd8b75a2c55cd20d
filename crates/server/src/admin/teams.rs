//! `/team/…`.

mod callbacks;
mod change;
mod find;
mod list;
mod member;
mod new;
mod permitted;

pub(super) use callbacks::{add as add_callback, disable as disable_logging, list as callbacks, remove as remove_callback};
pub(super) use change::{add_models, add_permissions, block, delete, delete_models, patch, permissions, set_permissions, unblock, update};
pub(super) use find::{info, membership, memberships, own_membership};
pub(super) use list::{list, paged};
pub(super) use member::{add, add_many, change as change_member, remove as remove_member};
pub(super) use new::new;
pub(super) use permitted::Permitted;

use serde_json::json;
use switchboard_store::Desk;
use switchboard_store::object::Team;

use super::refused::Refused;
use crate::auth::Caller;
use crate::authz::object::{self, Standing};

/// A team that is not there.
fn missing(id: &str) -> Refused {
    Refused::new(404, "auth_error", json!("None"), format!("{{'message': 'Team not found, passed team id: {id}.'}}"))
}

/// The team, for a caller who administers it. To a stranger it is as if the team were not there.
async fn administered(desk: &Desk, caller: &Caller, id: &str, route: &str) -> Result<Team, Refused> {
    let not_allowed = || {
        let message = format!("Call not allowed. User not proxy admin OR team admin. route={route}, team_id={id}");
        if route == UPDATE { Refused::new(403, "auth_error", json!("None"), message) } else { Refused::told(403, &message) }
    };
    match desk.get::<Team>(id).await? {
        Some(team) if object::of_team(desk, caller, &team).await? == Standing::Admin => Ok(team),
        None if caller.is_admin() => Err(missing_at(route, id)),
        Some(_) | None => Err(not_allowed()),
    }
}

/// The one route that answers refusals in another form than the others.
const UPDATE: &str = "/team/update";

/// A team that is not there, as that route tells it.
fn missing_at(route: &str, id: &str) -> Refused {
    match route {
        UPDATE => missing(id),
        "/team/member_delete" | "/team/member_update" => Refused::told(400, &format!("Team id={id} does not exist in db")),
        _ => Refused::told(404, &format!("Team not found, passed team_id={id}")),
    }
}
