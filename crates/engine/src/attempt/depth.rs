//! How deep in the orders of its group a call is, and at whose account it began.

use std::collections::BTreeSet;

use crate::route::Target;

/// What was asked so far, by `order` and by account.
#[derive(Default)]
pub(super) struct Depth {
    /// The deepest `order` in this group.
    level: Option<u32>,
    /// Attempts that were the first ones at a deeper `order`: like those of fallbacks, they are no repetitions.
    free: u32,
    /// Whether the last one was such an attempt.
    is_new: bool,
    /// The deepest `order` at which no target is asked any more: one has said what its siblings would say.
    closed: Option<u32>,
    /// The first target, of any group.
    origin: Option<Target>,
}

impl Depth {
    /// A group begins: another one, or the same one anew.
    pub(super) fn enter(&mut self, other: bool) {
        (self.level, self.closed, self.is_new) = (None, None, false);
        self.free = if other { 0 } else { self.free };
    }

    /// Whether that target's `order` lies deeper.
    pub(super) fn is_above(&self, target: &Target) -> bool {
        self.level.is_some_and(|level| target.deployment.spec.order > level)
    }

    /// How many deeper `order`s there are among those.
    pub(super) fn levels_above<'t>(&self, targets: impl Iterator<Item = &'t Target>) -> u32 {
        let orders: BTreeSet<u32> = targets.filter(|target| self.is_above(target)).map(|target| target.deployment.spec.order).collect();
        u32::try_from(orders.len()).unwrap_or(u32::MAX)
    }

    /// Ends the `order` that was reached. `false`: there is no deeper one among those.
    pub(super) fn close(&mut self, targets: &[Target]) -> bool {
        let leads_on = targets.iter().any(|target| target.overrides.is_none() && self.is_above(target));
        if leads_on {
            self.closed = self.level;
        }
        leads_on
    }

    /// Whether targets of that target's `order` are asked no more.
    pub(super) fn is_closed(&self, target: &Target) -> bool {
        self.closed.is_some_and(|level| target.deployment.spec.order <= level)
    }

    /// That target is asked.
    pub(super) fn reach(&mut self, target: &Target, deeper: bool) {
        self.is_new = deeper;
        self.free += u32::from(deeper);
        self.level = self.level.max(Some(target.deployment.spec.order));
        self.origin.get_or_insert_with(|| target.clone());
    }

    /// How many attempts do not count.
    pub(super) fn free(&self) -> u32 {
        self.free
    }

    /// Whether the last attempt did not count.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether that target is reached elsewhere, or with another credential, than the first one that was asked.
    pub(super) fn is_estranged(&self, target: &Target) -> bool {
        self.origin.as_ref().is_some_and(|first| !first.is_same_account(target))
    }
}
