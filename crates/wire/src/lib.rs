//! What the bytes mean.
//!
//! `wire` knows the formats in which clients and providers write chat exchanges, and nothing else: no sockets, no clock, no
//! environment, no async. It exists so that N client formats reach M provider formats through one meaning instead of N×M pairs:
//! a [`Dialect`] is two-sided, its inbound half reads what clients send, its outbound half writes what providers expect, and
//! [`chat`], [`reply`] and [`event`] are the meaning between them.
//!
//! Nothing is dropped silently. What the meaning does not know stays in [`extra`] for the dialect it came from, what only one
//! vendor can open stays in [`seal`], what a target cannot carry is a [`loss`] or, where it is content, refused.
//!
//! Start reading at [`dialect`] and [`half`], then [`prepare`] (requests) and [`relay`] (streams).

pub mod anthropic;
pub mod assemble;
pub mod bedrock;
pub mod charged;
pub mod chat;
pub mod cohere;
pub mod complete;
pub mod control;
pub mod count;
pub mod dialect;
pub mod embed;
pub mod event;
pub mod extra;
pub mod fields;
pub mod frames;
pub mod framing;
pub mod gemini;
pub mod grammar;
pub mod half;
pub mod heal;
pub mod images;
pub mod job;
pub mod json;
mod lenient;
pub mod loss;
pub mod media;
pub mod multipart;
pub mod ollama;
mod openai;
pub mod openai_chat;
pub mod openai_completions;
pub mod openai_responses;
pub mod outline;
pub mod overflow;
mod pen;
pub mod prepare;
pub mod problem;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod recorded_operations;
mod registry;
pub mod relay;
pub mod rename;
pub mod replicate;
pub mod reply;
pub mod rerank;
pub mod resume;
mod rfc3339;
pub mod seal;
pub mod speech;
pub mod stand_in;
mod sweep;
mod tier;
pub mod usage;
mod wave;

pub use dialect::{Dialect, Operation};
