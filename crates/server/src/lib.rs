//! What the world sees: HTTP, configuration, commands.
//!
//! `server` turns sockets into calls for the engine and answers into responses. It alone knows routes, keys, files and the
//! environment. Start reading at [`router`] (every door on one screen), then [`accept`] and [`serve`].

pub mod accept;
pub mod admin;
pub mod alerts;
pub mod app;
pub mod auth;
pub mod authz;
mod ceiling;
mod chore;
pub mod command;
pub mod config;
mod consent;
mod default_model;
pub mod demo;
mod descriptors;
pub mod digest;
mod duration;
pub mod edge;
mod explain;
pub mod fleet;
pub mod guard;
pub mod health;
mod id;
mod identity;
pub mod import;
mod keep;
pub mod limits;
pub mod live;
pub mod log;
mod market;
pub mod memory;
pub mod metrics;
mod models;
pub mod money;
pub mod openapi;
mod page;
mod passing;
mod path;
pub mod peers;
pub mod preset;
mod query;
pub mod reload;
pub mod router;
pub mod serve;
mod served;
mod several;
pub mod sso;
mod together;
mod trials;
pub mod trust;
