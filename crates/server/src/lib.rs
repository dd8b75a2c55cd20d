//! What the world sees.

pub mod edge;
