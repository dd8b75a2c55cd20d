//! Calls from client to provider and back, against scripted providers on loopback.

mod answers;
mod clients;
mod failures;
pub(crate) mod rig;
mod rows;
mod streams;
mod timers;
mod unmade;
pub(crate) mod upstream;
mod waits;
pub(crate) mod words;
