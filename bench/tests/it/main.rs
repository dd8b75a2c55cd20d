//! The tools against each other, and against servers that lie.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod faults;
mod liars;
mod mock;
mod over_http2;
mod passing;
mod stage;
