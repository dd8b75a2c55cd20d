//! Everything here runs on SQLite always, and on PostgreSQL where `TEST_DATABASE_URL` says where one is.

mod audit;
mod ledger;
mod objects;
mod opening;
mod stores;
mod vault;
