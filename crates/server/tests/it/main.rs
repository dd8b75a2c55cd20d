//! Tests of the server over real sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app;
mod audited;
mod checks;
mod commands;
mod documents;
mod doors;
mod edge;
mod info;
mod keys;
mod logging;
mod managed;
mod market;
mod models;
mod peers;
mod people;
mod references;
mod reloading;
mod routing;
mod smart;
mod tidy;
mod upstream;
