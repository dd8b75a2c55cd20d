//! What the gateway does with one call.

pub mod sign;
pub mod upstream;
