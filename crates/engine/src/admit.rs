//! Whether a call may go ahead, and what it holds while it does.
//!
//! Whoever a call is for and wherever it goes, there is a [`Scope`](crate::book::Scope) with what is allowed and what is spent: the key, its team, the
//! provider. A call takes what it may need from all of them at once or from none, before it is sent, and gives back the rest by
//! `Drop`, which no cancellation can skip. Scopes that limit nothing cost nothing.

mod bound;
mod job;
pub mod journal;
mod place;
mod tab;
mod withdraw;

#[cfg(test)]
mod tests;

pub(crate) use bound::longest;
pub use bound::{Bound, CapKey, cap_key};
pub use job::JobBound;
pub use place::{Admission, Permit};
pub use tab::{Charge, Tab};
pub use withdraw::{PAYER, Withheld};
