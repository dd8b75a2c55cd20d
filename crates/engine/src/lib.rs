//! What the gateway does with one call.
//!
//! A call takes these steps, whose names are also those of spans and metrics:
//!
//! 1. **accept** (`server`): an HTTP request becomes a [`call::Call`];
//! 2. **identify** (`server`): its key becomes a [`principal::Principal`];
//! 3. **peek**: the body's top-level keys are found ([`wire::outline`]), never the whole read;
//! 4. **plan** ([`route`]): the model's name becomes a list of deployments;
//! 5. **admit** ([`admit`]): limits and budgets are taken, or the call is refused;
//! 6. **prepare** ([`wire::prepare`]): the body for the target, verbatim where the formats agree, with media brought that the target
//!    does not look up itself ([`media`]);
//! 7. **send** ([`upstream`], [`sign`]): the only place that dials a provider;
//! 8. **judge** ([`attempt`], [`error`]): an answer, another try, or the end;
//! 9. **relay** ([`answer`], [`wire::relay`]): the answer on its way, with a tap for the meter;
//! 10. **settle** ([`meter`]): usage, cost, one record, whatever happened.
//!
//! The engine knows no routes, no database and no environment. It is also the Rust SDK: start reading at [`gateway`].

pub use switchboard_wire as wire;

mod abreast;
pub mod admit;
pub mod answer;
mod answer_id;
pub mod apart;
pub mod asked;
pub mod attempt;
mod board;
pub mod book;
pub mod call;
pub mod catalog;
pub mod classify;
pub mod clock;
pub mod control;
mod declined;
pub mod deployment;
mod dispatch;
pub mod egress;
pub mod error;
mod estimate;
mod exchange;
pub mod experiment;
pub mod failpoint;
pub mod figures;
pub mod forwarding;
pub mod gateway;
pub mod guidance;
pub mod health;
pub mod hops;
mod judge;
pub mod keeper;
pub mod marking;
pub mod media;
mod merged;
pub mod meter;
mod newer;
pub mod online;
mod openrouter;
mod operation;
pub mod own;
pub mod passing;
mod patience;
pub mod pattern;
mod plugins;
pub mod principal;
mod purity;
pub mod queue;
pub mod recognize;
pub mod reflection;
pub mod release;
pub mod repair;
pub mod retry_after;
pub mod route;
pub mod sample;
pub mod scrub;
pub mod service;
pub mod settings;
pub mod shelf;
pub mod sign;
pub mod smart;
mod strict;
pub mod tariff;
pub mod terms;
pub mod thinking;
mod thoughts;
mod tool_calls;
pub mod upstream;
mod worded;
pub mod worker;

pub use operation::{chat_tokens, prepare_to_count};
