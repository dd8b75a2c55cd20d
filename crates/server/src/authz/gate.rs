//! Routes as the configuration has them for everybody: which are served, which need no key, which are an administrator's.

use serde_json::json;

use super::{Policy, route};
use crate::auth::Caller;
use crate::config::resolved::Routes;
use crate::refused::Refused;

/// Refuses a route that the configuration does not let be served (`allowed_routes`). What needs no key is served in any case.
pub fn served(routes: &Routes, policy: Policy, path: &str) -> Result<(), Refused> {
    if routes.served.is_empty() || policy == Policy::Public || route::names(&routes.served, policy, path) {
        return Ok(());
    }
    Err(Refused::detail(403, json!(format!("Access forbidden: Route {path} not allowed"))))
}

/// Whether a route needs no key (`public_routes`).
pub fn is_public(routes: &Routes, policy: Policy, path: &str) -> bool {
    !routes.public.is_empty() && route::names(&routes.public, policy, path)
}

/// Refuses whoever is no administrator at a route that is for those alone (`admin_only_routes`).
pub fn for_admins(routes: &Routes, (policy, path): (Policy, &str), caller: &Caller) -> Result<(), Refused> {
    if routes.admins.is_empty() || caller.is_admin() || !route::names(&routes.admins, policy, path) {
        return Ok(());
    }
    Err(Refused::detail(403, json!(format!("user not allowed to access this route. Route={path} is an admin only route"))))
}
