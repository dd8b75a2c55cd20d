//! What the world sees.
