//! Which objects a caller may see and change. What it may not see is for it as if it were not there.

use switchboard_store::object::{Key, Organization, OrganizationMember, Role, Team, TeamMember, User};
use switchboard_store::{Desk, StoreError};

use crate::auth::Caller;

/// What a caller is to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is not told that there is such an object.
    Stranger,
    /// It belongs to it, or the object to its team.
    Member,
    /// It is its own.
    Owner,
    /// It administers what the object belongs to.
    Admin,
}

/// The routes of key management that members of a team have unless the team says otherwise.
pub const MEMBER_ROUTES: [&str; 2] = ["/key/info", "/key/health"];

/// The permission of a team's members to put its keys into groups of models; no route is called so.
pub const GROUPS: &str = "/key/access_group_assignment";

/// Whether the caller administers that organization.
pub async fn administers_organization(desk: &Desk, caller: &Caller, organization: &str) -> Result<bool, StoreError> {
    if caller.is_admin() {
        return Ok(true);
    }
    let Some(user) = &caller.user else { return Ok(false) };
    let member: Option<OrganizationMember> = desk.get(&OrganizationMember::id_of(organization, user)).await?;
    Ok(member.is_some_and(|member| member.user_role == Some(Role::OrgAdmin)))
}

/// What the caller is to a team.
pub async fn of_team(desk: &Desk, caller: &Caller, team: &Team) -> Result<Standing, StoreError> {
    if caller.is_admin() {
        return Ok(Standing::Admin);
    }
    if let Some(organization) = &team.organization_id
        && administers_organization(desk, caller, organization).await?
    {
        return Ok(Standing::Admin);
    }
    let member = caller.user.as_deref().and_then(|user| team.member(user));
    Ok(match member {
        Some(member) if member.role == "admin" => Standing::Admin,
        Some(_) => Standing::Member,
        None if caller.sees_all() || caller.team.as_deref() == Some(team.team_id.as_str()) => Standing::Member,
        None => Standing::Stranger,
    })
}

/// What the caller is to a key.
pub async fn of_key(desk: &Desk, caller: &Caller, key: &Key) -> Result<Standing, StoreError> {
    if caller.is_admin() {
        return Ok(Standing::Admin);
    }
    if let Some(team) = &key.team_id
        && let Some(team) = desk.get::<Team>(team).await?
    {
        let standing = of_team(desk, caller, &team).await?;
        if standing == Standing::Admin {
            return Ok(Standing::Admin);
        }
        let own = caller.user.is_some() && caller.user == key.user_id;
        if own && standing == Standing::Member {
            return Ok(Standing::Owner);
        }
        let itself = caller.principal.key_hash.as_deref() == Some(key.token.as_str());
        let shared = standing == Standing::Member && (permits(&team, "/key/info") || caller.team == key.team_id);
        return Ok(if itself || own || shared { Standing::Member } else { Standing::Stranger });
    }
    if caller.user.is_some() && caller.user == key.user_id {
        return Ok(Standing::Owner);
    }
    let itself = caller.principal.key_hash.as_deref() == Some(key.token.as_str());
    Ok(if itself || caller.sees_all() { Standing::Member } else { Standing::Stranger })
}

/// Whether the caller answers for a user: administers every team and organization that the user has anything in, and either made the
/// user or was given one there. Whom somebody put in who had no say over them before is not given.
pub async fn answers_for(desk: &Desk, caller: &Caller, user: &User) -> Result<bool, StoreError> {
    if caller.is_admin() {
        return Ok(true);
    }
    if matches!(user.user_role, Some(Role::ProxyAdmin | Role::ProxyAdminViewer)) {
        return Ok(false);
    }
    let mut given = user.created_by.as_deref() == Some(caller.actor());
    let mut teams = user.teams.clone();
    let mut organizations: Vec<String> = Vec::new();
    for key in desk.of_user::<Key>(&user.user_id).await? {
        teams.extend(key.team_id);
        organizations.extend(key.organization_id);
    }
    for member in desk.of_user::<OrganizationMember>(&user.user_id).await? {
        given |= member.brought_in_by.is_none();
        organizations.push(member.organization_id);
    }
    for organization in &organizations {
        if !administers_organization(desk, caller, organization).await? {
            return Ok(false);
        }
    }
    teams.sort_unstable();
    teams.dedup();
    for team in desk.several::<Team>(&teams).await? {
        if of_team(desk, caller, &team).await? != Standing::Admin {
            return Ok(false);
        }
        if team.member(&user.user_id).is_some() {
            let row: Option<TeamMember> = desk.get(&TeamMember::id_of(&team.team_id, &user.user_id)).await?;
            given |= row.is_none_or(|row| row.brought_in_by.is_none());
        }
    }
    Ok(given)
}

/// Whether a team lets its members use that route of key management.
pub fn permits(team: &Team, route: &str) -> bool {
    match &team.team_member_permissions {
        Some(routes) if !routes.is_empty() => routes.iter().any(|one| one == route) || MEMBER_ROUTES.contains(&route),
        Some(_) | None => MEMBER_ROUTES.contains(&route),
    }
}

/// What the caller is to an organization.
pub async fn of_organization(desk: &Desk, caller: &Caller, organization: &Organization) -> Result<Standing, StoreError> {
    let id = &organization.organization_id;
    if administers_organization(desk, caller, id).await? {
        return Ok(Standing::Admin);
    }
    let Some(user) = &caller.user else {
        return Ok(if caller.organization.as_ref() == Some(id) { Standing::Member } else { Standing::Stranger });
    };
    let member: Option<OrganizationMember> = desk.get(&OrganizationMember::id_of(id, user)).await?;
    let belongs = member.is_some() || caller.sees_all() || caller.organization.as_ref() == Some(id);
    Ok(if belongs { Standing::Member } else { Standing::Stranger })
}
