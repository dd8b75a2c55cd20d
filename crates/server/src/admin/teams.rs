//! `/team/…`.

mod callbacks;
mod change;
mod find;
mod list;
mod member;
mod new;
mod permitted;
mod several;

pub(super) use callbacks::{add as add_callback, disable as disable_logging, list as callbacks, remove as remove_callback};
pub(super) use change::{add_models, add_permissions, block, delete, delete_models, patch, permissions, set_permissions, unblock, update};
pub(super) use find::{info, membership, memberships, own_membership};
pub(super) use list::{list, paged};
pub(super) use member::{add, add_many, change as change_member, remove as remove_member, reset_budget};
pub(super) use new::new;
pub(super) use permitted::{Permitted, differing, leads};
pub(super) use several::{changed, named_member, set_terms, take_out};

use serde_json::json;
use switchboard_store::Desk;
use switchboard_store::object::{Team, TeamMember};

use crate::auth::Caller;
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

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

/// What somebody has of their own in a team, for a caller who administers the team.
pub(super) async fn member_of(
    desk: &Desk,
    caller: &Caller,
    (team, user): (&str, &str),
    route: &str,
) -> Result<(Team, TeamMember), Refused> {
    let team = administered(desk, caller, team, route).await?;
    let own: Option<TeamMember> = desk.get(&TeamMember::id_of(&team.team_id, user)).await?;
    let absent = || Refused::told(404, &format!("User {user} is not a member of team {}.", team.team_id));
    let own = own.or_else(|| {
        let member = TeamMember { user_id: user.to_owned(), team_id: team.team_id.clone(), ..TeamMember::default() };
        team.member(user).is_some().then_some(member)
    });
    Ok((team.clone(), own.ok_or_else(absent)?))
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
