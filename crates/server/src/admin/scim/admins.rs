//! Who is in groups, and who administers the gateway by being in one (`litellm_settings.scim_admin_group`).
//!
//! Whoever comes into the group is an administrator, and whoever leaves it has the role of newcomers again. The role of all others,
//! such as administrators made by hand, is not for provisioning to change.

use switchboard_store::object::{Role, Team, User};
use switchboard_store::{Desk, Time};

use crate::admin::Request;
use crate::auth::{Caller, session};
use crate::people;
use crate::refused::Refused;

/// The group of administrators, as the configuration names it.
pub(in crate::admin) struct Admins {
    group: Option<String>,
    usual: Role,
    makes_users: bool,
}

impl Admins {
    pub(in crate::admin) fn of(request: &Request) -> Self {
        let config = request.app.config();
        Self { group: config.litellm.scim_admins.clone(), usual: usual(request), makes_users: config.litellm.scim_makes_users }
    }

    /// The ids of members, who may be named by their addresses; whoever is unknown is made, where that is wanted.
    pub(super) async fn members(&self, desk: &Desk, named: &[String]) -> Result<Vec<String>, Refused> {
        let mut ids = Vec::new();
        for name in named {
            let known = match people::find(desk, Some(name), None).await? {
                Some(user) => Some(user),
                None => people::find(desk, None, Some(name)).await?,
            };
            let id = match known {
                Some(user) => user.user_id,
                None if self.makes_users => {
                    people::found_or_made(desk, Some(name), None, self.usual).await?;
                    name.clone()
                }
                None => {
                    let message = format!(
                        "User with ID '{name}' does not exist. Please create the user first via POST /Users before adding to group."
                    );
                    return Err(super::refused(400, "invalidValue", message));
                }
            };
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// Whether a team is that group.
    pub(super) fn is(&self, team: &Team) -> bool {
        self.group.is_some() && (self.group.as_ref() == Some(&team.team_id) || self.group == team.team_alias)
    }

    /// Those of a team that are administrators by it.
    pub(super) fn in_team(&self, team: &Team) -> Vec<String> {
        if self.is(team) { team.members_with_roles.iter().filter_map(|member| member.user_id.clone()).collect() } else { Vec::new() }
    }

    /// Whether a user is in the group.
    pub(super) async fn has(&self, desk: &Desk, user: &User) -> Result<bool, Refused> {
        if self.group.is_none() {
            return Ok(false);
        }
        let teams: Vec<Team> = desk.several(&user.teams).await?;
        Ok(teams.iter().any(|team| self.is(team)))
    }

    /// Refuses a team that only its name would make that group, whoever wants it without being an administrator.
    pub(in crate::admin) fn may_be_called(&self, caller: &Caller, before: Option<&Team>, team: &Team) -> Result<(), Refused> {
        if caller.is_admin() || !self.is(team) || before.is_some_and(|before| self.is(before)) {
            return Ok(());
        }
        Err(Refused::forbidden("only an administrator may give a team the name of the group of administrators (scim_admin_group)"))
    }

    /// Gives users the roles that they have by the group now: who was in it, and who may be.
    pub(super) async fn settle(&self, desk: &Desk, were: &[String], are: &[String]) -> Result<(), Refused> {
        if self.group.is_none() {
            return Ok(());
        }
        let came: Vec<&String> = are.iter().filter(|id| !were.contains(id)).collect();
        for id in were.iter().chain(came) {
            let Some(mut user) = desk.get::<User>(id).await? else { continue };
            let role = match self.has(desk, &user).await? {
                true => Role::ProxyAdmin,
                false if were.contains(id) && user.user_role == Some(Role::ProxyAdmin) => self.usual,
                false => continue,
            };
            if user.user_role != Some(role) {
                (user.user_role, user.updated_at) = (Some(role), Some(Time::now()));
                desk.put(&user).await?;
                session::close_all(desk, id).await?;
            }
        }
        Ok(())
    }
}

/// The role of whoever is new.
pub(super) fn usual(request: &Request) -> Role {
    let config = request.app.config();
    config.general.sign_in.newcomer.role.as_deref().and_then(Role::from_name).unwrap_or(Role::InternalUserViewer)
}
