//! Counting a request's tokens: the same request without what only an answer needs.

use serde::Deserialize;

use super::error;
use super::write_request::write;
use crate::chat::ChatRequest;
use crate::half::{Profile, Written};
use crate::json;
use crate::problem::{Fault, Unsupported};

/// Writes a request for a count of tokens, for `POST /v1/messages/count_tokens`.
pub fn write_count_tokens_request(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    write(request, profile, true)
}

/// Reads the count.
pub fn read_count_tokens_reply(body: &[u8]) -> Result<u64, Fault> {
    #[derive(Deserialize)]
    struct Wire {
        input_tokens: u64,
    }
    if let Some(fault) = error::read_inside(body) {
        return Err(fault);
    }
    let wire: Wire = serde_json::from_slice(body).map_err(|error| Fault::protocol(&error.to_string()))?;
    Ok(wire.input_tokens)
}

/// Writes the count for a client.
pub fn write_count_tokens_reply(input_tokens: u64) -> Vec<u8> {
    json::object(|out| out.field("input_tokens", &input_tokens))
}
