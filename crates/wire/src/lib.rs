//! What the bytes mean.
//!
//! `wire` knows the formats in which clients and providers write chat exchanges, and nothing else: no sockets, no clock, no
//! environment, no async. It exists so that N client formats reach M provider formats through one meaning instead of N×M pairs.
//! Start reading at [`dialect`].

pub mod dialect;

pub use dialect::{Dialect, Operation};
