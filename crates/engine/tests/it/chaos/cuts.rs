//! Streams cut anywhere.
