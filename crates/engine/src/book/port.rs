//! What admission needs of a store. Without one, a gateway counts for itself alone and forgets at its end.

use std::future::Future;
use std::pin::Pin;

use crate::clock::Micros;
use crate::terms::{NanoUsd, ScopeId, Source, Window};

/// A future that can be held without knowing its type.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whoever was asked cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be reached")]
pub struct Outage;

/// One budget's time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Whose budget.
    pub scope: ScopeId,
    /// The kind of window.
    pub window: Window,
    /// When this window began.
    pub start: Micros,
}

/// A wish for a slice of a budget.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Of which budget.
    pub slot: Slot,
    /// The budget's limit.
    pub limit: NanoUsd,
    /// Less is of no use.
    pub least: NanoUsd,
    /// Where the budget's money comes from.
    pub source: Source,
}

/// What came of a wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// What may be spent: nothing, or at least the least that was wished.
    pub granted: NanoUsd,
    /// What is spent of the budget, by every gateway.
    pub spent: NanoUsd,
    /// What is granted to gateways and not spent yet.
    pub held: NanoUsd,
}

/// Decides on money where several gateways share budgets.
pub trait Authority: Send + Sync {
    /// Gives slices, one for each wish.
    fn lease(&self, asks: Vec<Ask>) -> Later<'_, Result<Vec<Grant>, Outage>>;

    /// Takes back what is no longer needed. Must not block.
    fn give_back(&self, slot: Slot, amount: NanoUsd);

    /// Whether what was granted may still be spent: not where this gateway has not been heard of for so long that others may
    /// have it by now.
    fn is_in_force(&self) -> bool;
}

/// What scopes had spent before this gateway began.
pub trait Past: std::fmt::Debug + Send + Sync {
    /// What that scope had spent, in each window that was open then, and when the window began.
    fn of(&self, scope: &ScopeId) -> Vec<(Window, Micros, NanoUsd)>;
}
