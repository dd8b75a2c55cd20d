//! Calls from client to provider and back, against scripted providers on loopback.

mod answers;
mod clients;
mod failures;
mod rig;
mod rows;
mod streams;
mod upstream;
mod words;
