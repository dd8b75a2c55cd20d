//! The laws of this dialect, by hand and over recorded traffic.

mod recorded;
pub(crate) mod support;
