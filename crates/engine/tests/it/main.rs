//! The engine's integration tests, one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the whole crate is tests, its helpers included")]

mod chaos;
mod egress;
mod exchange;
mod keeper;
mod operation;
mod prices;
mod readme;
mod trying;
mod upstream;
