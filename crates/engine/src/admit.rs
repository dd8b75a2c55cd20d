//! Whether a call may go ahead, and what it holds while it does.
//!
//! Whoever a call is for and wherever it goes, there is a [`Scope`] with what is allowed and what is spent: the key, its team, the
//! provider. A call takes what it may need from all of them at once or from none, before it is sent, and gives back the rest by
//! `Drop`, which no cancellation can skip. Scopes that limit nothing cost nothing.

mod book;
mod bound;
mod calendar;
mod clock;
mod count;
mod hold;
pub mod journal;
mod nano;
mod place;
pub mod port;
mod refusal;
mod scope;
pub mod share;
mod state;
mod tab;
mod window;
mod withdraw;

#[cfg(test)]
mod tests;

pub use crate::clock::Micros;
pub use book::{Book, Openings};
pub(crate) use bound::longest;
pub use bound::{Bound, CapKey, cap_key};
pub use calendar::{BadCalendar, Calendar, Span};
pub use clock::{Clock, HandClock, MachineClock};
pub use hold::{Hold, Line};
pub use nano::NanoUsd;
pub use place::{Admission, Permit};
pub use refusal::{Refusal, Why};
pub use scope::{Budget, Level, Limit, Mode, Scope, ScopeId, Source, Terms, Unit};
pub use state::{Need, Standing};
pub use tab::{Charge, Tab};
pub use window::{Window, date, length};
pub use withdraw::{PAYER, Withheld};
