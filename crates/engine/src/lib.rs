//! What the gateway does with one call.

pub mod catalog;
