//! Tests of the server over real sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app;
mod audited;
mod commands;
mod documents;
mod doors;
mod edge;
mod keys;
mod logging;
mod managed;
mod models;
mod reloading;
mod tidy;
