//! Errors: what providers of this API send, and what its clients expect.
//!
//! The same words as chat completions use; what differs is the event of a stream. Clients built on OpenAI's libraries raise an
//! exception for any event with an `error` in it and pass over `response.failed`, typed ones want the flat fields of the
//! documentation: the event written here has both.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::dialect::Flavor;
use crate::json;
use crate::openai_chat::error;
use crate::problem::{Fault, Kind, Problem};

/// Reads the error object of an event or of a failed answer.
pub(super) fn read_error(raw: Option<&RawValue>, body: &[u8]) -> Fault {
    match raw {
        Some(raw) => error::read_error(raw, body),
        None => Fault {
            kind: Kind::Upstream,
            status: None,
            message: "the provider reported an error without saying which".to_owned(),
            code: None,
            param: None,
            raw: Bytes::copy_from_slice(body),
        },
    }
}

/// Writes an error inside a stream, as the event of that number.
pub(super) fn write_stream_problem(problem: &Problem, flavor: Flavor, number: u64) -> Vec<u8> {
    let status = error::status_of(problem, flavor).as_u16();
    let message = if flavor == Flavor::OpenAi { error::told(problem) } else { problem.message.as_str().into() };
    let mut out = b"event: error\ndata: ".to_vec();
    json::write_object(&mut out, |object| {
        object.field("type", "error");
        object.field("sequence_number", &number);
        object.field("code", &problem.code.clone().unwrap_or_else(|| status.to_string()));
        object.field("message", &message);
        object.field("param", &problem.param);
        error::write_error(object, problem, flavor);
    });
    out.extend_from_slice(b"\n\n");
    out
}
