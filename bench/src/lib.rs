//! The project's own measuring tools: a mock upstream, a load generator, a bare pass-through proxy, and the
//! orchestrator which runs all three beside the gateway and compares.
//!
//! They exist because a figure counts only when a command in this repository shows it. They deliberately do not
//! share code with the gateway: a fault in the gateway's own HTTP or SSE code must not hide itself in the tool that
//! looks for it. The mock and the load generator speak HTTP/1.1 by hand (`http1`), both for low cost and to be able
//! to lie precisely.
//!
//! Start reading at [`script`] (what the mock is told to play, by model name), then [`measure`].

pub mod bare;
pub mod http1;
pub mod measure;
pub mod mockup;
pub mod script;
pub mod statistics;
pub mod storm;

/// What every command returns: an error here ends the command with a message.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
