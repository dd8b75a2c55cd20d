//! What the gateway remembers.
//!
//! One set of statements serves two databases: SQLite, embedded, with nothing to install, and PostgreSQL where several gateways
//! share their memory. [`sql`] is the one file that knows there are two. Redis, where configured, coordinates limits and health;
//! it is never asked about money.
//!
//! All of it runs on a thread of its own ([`thread`]), so that no slow disk is felt by the workers that serve requests: they find
//! what they need in memory and hand over what must last.
//!
//! The crate knows no HTTP. It implements the ports of `engine`. Start reading at [`Store`].

mod account;
pub mod alert;
pub mod archive;
pub mod audit;
pub mod backup;
mod binding;
pub mod chain;
pub mod change;
pub mod desk;
pub mod error;
pub mod experiment;
mod follow;
pub mod foreign;
mod heard;
pub mod journal;
pub mod lease;
pub mod ledger;
pub mod limits;
mod line;
mod migrate;
pub mod money;
pub mod object;
mod open;
pub mod peers;
pub mod redis;
mod rows;
pub mod savings;
mod scribe;
pub mod sql;
pub mod thread;
pub mod time;
pub mod vault;

pub use archive::{RedisArchive, SealedArchive, SqlArchive};
pub use desk::Desk;
pub use error::StoreError;
pub use follow::Reach;
pub use limits::RedisLimits;
pub use money::Money;
pub use open::{Settings, Store};
pub use peers::RedisPeers;
pub use time::{Time, micros};
