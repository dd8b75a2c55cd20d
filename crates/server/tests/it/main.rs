//! Tests of the server over real sockets.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and where services are, the environment says"
)]

mod allowances;
mod app;
mod audited;
mod broker;
mod checks;
mod commands;
mod documents;
mod doors;
mod edge;
mod experiments;
mod gitops;
mod grouping;
mod guardrails;
mod identity;
mod importing;
mod info;
mod keys;
mod logging;
mod managed;
mod market;
mod media;
mod models;
mod openrouter;
mod peers;
mod people;
mod references;
mod reloading;
mod routing;
mod security;
mod smart;
mod spending;
mod stored_models;
mod stored_settings;
mod tidy;
mod upstream;
