//! Errors: what providers of this API send, and what its clients expect.
//!
//! The same words as chat completions use; what differs is how a stream ends: in two events, as OpenAI's do. Clients built on its
//! libraries raise an exception for any event with an `error` in it and pass over `response.failed`, typed ones want the flat fields
//! of the documentation: the first event has both. Others (Codex) know `response.failed` alone.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use super::output::{Response, response_id, write_response};
use super::send::Sender;
use crate::dialect::Flavor;
use crate::half::Begun;
use crate::json;
use crate::openai_chat::error;
use crate::overflow;
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

/// Writes how a stream that has begun ends in an error: the error, and that the answer failed, where its id is known.
pub(super) fn write_stream_problem(problem: &Problem, flavor: Flavor, begun: &Begun<'_>) -> Vec<u8> {
    let mut out = BytesMut::from(&write_error_event(problem, flavor, begun.events)[..]);
    if let Some(id) = begun.id {
        let (model, created) = (begun.model.unwrap_or_default(), begun.created.unwrap_or_default());
        let id = response_id(Some(id), id);
        let failed = Response { failed: Some((problem, flavor)), ..Response::new(&id, model, created) };
        write_failed(&mut Sender::at(begun.events + 1), &failed, &mut out);
    }
    out.to_vec()
}

/// Writes the event that ends a failed answer.
pub(super) fn write_failed(sender: &mut Sender, failed: &Response<'_>, out: &mut BytesMut) {
    sender.send(out, "response.failed", |object| {
        object.object("response", |object| {
            write_response(object, failed);
            object.raw("usage", "null");
        });
    });
}

/// What clients of this API do upon: whether to wait, to shorten the prompt, or to give up.
pub(super) fn code_of(problem: &Problem) -> &'static str {
    match problem.kind {
        _ if problem.code.as_deref() == Some(overflow::CODE) => overflow::CODE,
        Kind::RateLimited => "rate_limit_exceeded",
        Kind::Overloaded => "server_is_overloaded",
        Kind::BudgetSpent => "insufficient_quota",
        Kind::BadRequest | Kind::TooLarge | Kind::Unsupported | Kind::Filtered => "invalid_prompt",
        Kind::Unauthenticated | Kind::Forbidden | Kind::NotFound | Kind::Timeout | Kind::Upstream | Kind::Internal => "server_error",
    }
}

/// What is told of it.
pub(super) fn told(problem: &Problem, flavor: Flavor) -> Cow<'_, str> {
    if flavor == Flavor::OpenAi { error::told(problem) } else { problem.message.as_str().into() }
}

/// Writes an error inside a stream, as the event of that number.
pub(super) fn write_error_event(problem: &Problem, flavor: Flavor, number: u64) -> Vec<u8> {
    let status = error::status_of(problem, flavor).as_u16();
    let message = told(problem, flavor);
    let mut out = b"event: error\ndata: ".to_vec();
    json::write_object(&mut out, |object| {
        object.text("type", "error");
        object.field("sequence_number", &number);
        object.field("code", &problem.code.clone().unwrap_or_else(|| status.to_string()));
        object.field("message", &message);
        object.field("param", &problem.param);
        error::write_error(object, problem, flavor);
    });
    out.extend_from_slice(b"\n\n");
    out
}
