//! Everything the gateway says about itself.
//!
//! Two streams: one JSON line for each request on standard output ([`RequestLog`]), and what happens to the gateway as a whole
//! on standard error ([`Voice`]).

mod discreet;
mod request;
mod voice;

pub use discreet::Discreet;
pub use request::RequestLog;
pub use voice::{Style, Voice};
