//! Who may do what.
//!
//! There are three questions, asked in this order and each in one place. May this caller use this route at all? That is the
//! route's [`Policy`], which stands in the route table, so that no route is without one; it is asked of the route that was found,
//! never of the text of a URL. May it touch this object? That is asked by [`object`] of the object as it was loaded. May it hand
//! out what it asks for? That is [`contain`]: nobody gives more than they have.

pub mod answer;
mod brought;
pub mod call;
pub mod contain;
pub mod gate;
pub mod model;
pub mod object;
pub mod route;
mod stand_in;
pub mod store;

use switchboard_store::object::Role;

use crate::auth::{Caller, Credential};
use crate::refused::Refused;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Anybody, without a key.
    Public,
    /// Any key that may call models.
    Llm,
    /// Any key that may call models, for what is passed on as it is.
    Pass,
    /// Any key; it is told what concerns itself.
    Info,
    /// Users who may make keys of their own, and those above them; which keys, is asked of the key.
    Keys,
    /// Any user; the handler asks whether the caller administers the object.
    Managed,
    /// Those who see everything.
    Viewer,
    /// Administrators of the gateway.
    Admin,
    /// Those who see everything, and keys made for it: whose list of routes names this one.
    Metrics,
    /// Administrators, and keys made for provisioning: whose list of routes names it.
    Scim,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 10] = [
        Policy::Public,
        Policy::Llm,
        Policy::Pass,
        Policy::Info,
        Policy::Keys,
        Policy::Managed,
        Policy::Viewer,
        Policy::Admin,
        Policy::Metrics,
        Policy::Scim,
    ];

    /// Whether a caller of that role may use a route of this policy. None: a key of nobody.
    pub fn admits(self, role: Option<Role>) -> bool {
        match self {
            Policy::Public | Policy::Llm | Policy::Pass | Policy::Info => true,
            Policy::Keys => matches!(role, Some(Role::ProxyAdmin | Role::OrgAdmin | Role::InternalUser)),
            Policy::Managed => matches!(role, Some(Role::ProxyAdmin | Role::OrgAdmin | Role::InternalUser | Role::InternalUserViewer)),
            Policy::Viewer | Policy::Metrics => matches!(role, Some(Role::ProxyAdmin | Role::ProxyAdminViewer)),
            Policy::Admin | Policy::Scim => role == Some(Role::ProxyAdmin),
        }
    }

    /// What the list of a key begins with that was made for such a route.
    fn purpose(self) -> Option<&'static str> {
        match self {
            Policy::Metrics => Some("/metrics"),
            Policy::Scim => Some("/scim"),
            _ => None,
        }
    }
}

/// Lets a caller in at a route, or says why not.
pub fn enter(policy: Policy, path: &str, caller: &Caller) -> Result<(), Refused> {
    route::allowed(policy, path, &caller.routes)?;
    let purpose = policy.purpose();
    let made_for_it = |purpose: &str| caller.routes.iter().any(|route| route.starts_with(purpose));
    let sees_it = policy == Policy::Viewer && caller.sees_spending && path.starts_with("/global/spend");
    let is_open = policy == Policy::Metrics && caller.credential == Credential::Open;
    if policy.admits(caller.role) || sees_it || is_open || purpose.is_some_and(made_for_it) {
        return Ok(());
    }
    let role = caller.role.map_or("unknown", Role::as_str);
    if matches!(policy, Policy::Viewer | Policy::Metrics) || matches!(caller.role, Some(Role::InternalUserViewer | Role::ProxyAdminViewer))
    {
        return Err(Refused::forbidden(format!("user not allowed to access this route, role= {role}. Trying to access: {path}")));
    }
    Err(admins_only(caller, path))
}

/// The refusal of whoever is no administrator of the gateway.
pub fn admins_only(caller: &Caller, path: &str) -> Refused {
    let (role, user) = (caller.role.map_or("unknown", Role::as_str), caller.user.as_deref().map_or_else(|| "None".to_owned(), masked));
    let message = format!(
        "Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route={path}. \
         Your role={role}. Your user_id={user}"
    );
    Refused::unauthenticated("auth_error", serde_json::json!("None"), message)
}

/// An id as it is told to whom it may not concern: the beginning and the end of it.
fn masked(id: &str) -> String {
    let length = id.chars().count();
    if length <= 8 {
        return "*******".to_owned();
    }
    let is_shown = |at: usize| at < 6 || at + 2 >= length;
    id.chars().enumerate().map(|(at, one)| if is_shown(at) { one } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_id_the_ends_are_told() {
        assert_eq!(masked("default_user_id"), "defaul*******id");
        assert_eq!(masked("someone"), "*******");
    }
}
