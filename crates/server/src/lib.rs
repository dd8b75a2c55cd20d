//! What the world sees: HTTP, configuration, commands.
//!
//! `server` turns sockets into calls for the engine and answers into responses. It alone knows routes, keys, files and the
//! environment. Start reading at [`router`] (every door on one screen), then [`accept`] and [`serve`].
//!
//! No module names one that names it. From the ground up: plain words and answers ([`refused`]), what is configured ([`config`]), what
//! each part keeps while the gateway runs ([`auth`], [`books`], [`live`], …), the [`app`] that holds all of them, what answers requests by
//! it, and [`serve`], which starts everything. `docs/ARCHITECTURE.md` has the whole order.

pub mod accept;
pub mod access;
pub mod admin;
pub mod alerts;
mod answered;
pub mod app;
mod ask;
pub mod auth;
pub mod authz;
pub mod books;
mod ceiling;
pub mod checks;
mod chore;
mod clock;
pub mod command;
pub mod config;
mod consent;
mod default_model;
pub mod demo;
mod descriptors;
pub mod digest;
mod draft;
mod dumps;
mod duration;
pub mod edge;
mod explain;
mod exposition;
pub mod fleet;
pub mod guard;
pub mod health;
mod html;
mod id;
mod identity;
pub mod import;
mod in_vain;
mod keep;
pub mod limit_rules;
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
pub mod path;
pub mod peers;
mod people;
pub mod preset;
mod query;
mod refusal;
pub mod refused;
pub mod reload;
mod renewal;
pub mod router;
pub mod row;
pub mod serve;
mod several;
mod shadows;
pub mod sso;
mod together;
mod trials;
pub mod trust;
mod webhooks;
