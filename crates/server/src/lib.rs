//! What the world sees.

pub mod config;
