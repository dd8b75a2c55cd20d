//! Everything here runs on SQLite always, and on PostgreSQL where `TEST_DATABASE_URL` says where one is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod answers;
mod audit;
mod backup;
mod contention;
mod disk;
mod experiments;
mod full_disk;
mod leases;
mod ledger;
mod limits;
mod money;
mod objects;
mod opening;
mod peers;
mod schema;
mod stores;
mod vault;
