//! Rows of the tables of routes: the management API and signing in have one each, and the [`router`](crate::router) has them all.

use crate::authz::Policy;

/// One row of the table: method, path below the prefix, and what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<R> {
    /// The method.
    pub method: &'static str,
    /// The path, in the router's notation.
    pub path: &'static str,
    /// What it leads to.
    pub route: R,
    /// Who may use it.
    pub policy: Policy,
    /// What it does, for the API document.
    pub summary: &'static str,
    /// The form of its body, where the management API has one; else empty.
    pub form: &'static str,
}

impl<R: Copy> Row<R> {
    /// The same row of a table whose routes say more.
    pub fn leading<T>(&self, to: impl Fn(R) -> T) -> Row<T> {
        let Self { method, path, route, policy, summary, form } = *self;
        Row { method, path, route: to(route), policy, summary, form }
    }
}
