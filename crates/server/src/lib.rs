//! What the world sees.

pub mod edge;
pub mod config;
