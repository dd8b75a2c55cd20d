//! Tests of the server over real sockets.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and where services are, the environment says"
)]

mod absurd;
mod agents;
mod alerting;
mod allowances;
mod answers;
mod app;
mod at_its_word;
mod audited;
mod batches;
mod broker;
mod by_path;
mod calendars;
mod callers;
mod capacity;
mod certificates;
mod charged;
mod checks;
mod choices;
mod circles;
mod clients;
mod commanded;
mod commands;
mod compatible;
mod declining;
mod defaults;
mod deployments;
mod detours;
#[path = "../../../store/tests/it/disk.rs"]
mod disk;
mod documents;
mod doors;
mod early;
mod edge;
mod either;
mod endings;
mod expected;
mod experiments;
mod explained;
mod failures;
mod fallbacks;
mod forwarded;
mod full_disk;
mod gates;
mod gitops;
mod gitops_kinds;
mod gitops_money;
mod group_budgets;
mod grouping;
mod guardrails;
mod guessed;
mod held;
mod holders;
mod hostile;
mod hub;
mod identity;
mod importing;
mod info;
mod keeping;
mod keys;
mod laid;
mod lent;
mod line;
mod logging;
mod made;
mod makers;
mod managed;
mod manners;
mod market;
mod media;
mod metrics;
mod models;
mod money;
mod onboarding;
mod openrouter;
mod outages;
mod outlets;
mod own_forms;
mod pages;
mod passing;
mod peers;
mod people;
mod plugins;
mod presets;
mod queueing;
mod reconciling;
mod references;
mod reloading;
mod repairs;
mod reserving;
mod retention;
mod rights;
mod rights_models;
mod rights_people;
mod rolling;
mod routing;
#[path = "../../../store/tests/it/schema.rs"]
mod schema;
mod scopes;
mod scripted;
mod security;
mod service;
mod several;
mod shadowing;
mod shared;
mod shut;
mod smart;
mod spenders;
mod spending;
mod stand_ins;
mod starting;
mod stored_models;
mod stored_settings;
mod tidy;
mod told;
mod tooled;
mod unmade;
mod upstream;
mod verifying;
