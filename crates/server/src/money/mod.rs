//! Money beside the calls themselves: what is theirs to spend, what it is charged by, and whether the books are right.
//!
//! What one call may cost and did cost is the engine's affair, and the ledger is the store's; here is what operators do about it.

pub(crate) mod awaited;
pub mod books;
pub mod credits;
pub mod prices;
pub(crate) mod purge;
pub mod reconcile;
pub(crate) mod reprice;
