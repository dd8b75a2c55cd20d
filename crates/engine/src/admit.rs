//! Whether a call may go ahead, and what it holds while it does.
//!
//! Whoever a call is for and wherever it goes, there is a [`Scope`] with what is allowed and what is spent: the key, its team, the
//! provider. A call takes what it may need from all of them at once or from none, before it is sent, and gives back the rest by
//! `Drop`, which no cancellation can skip. Scopes that limit nothing cost nothing.

mod book;
mod nano;
mod place;
pub mod port;
mod refusal;
mod scope;
mod window;

pub use book::Book;
pub use nano::NanoUsd;
pub use place::{Admission, Permit};
pub use refusal::{Refusal, Why};
pub use scope::{Budget, Level, Limit, Mode, Scope, ScopeId, Source, Terms, Unit};
pub use window::{Micros, Window};
