//! The laws of this dialect, by hand and over recorded traffic.

mod answers;
mod errors;
mod fitted;
mod recorded;
mod requests;
mod sources;
pub(crate) mod support;
