//! Answers and failures that a caller wants made up, as LiteLLM's proxy makes them: for tests of clients and of fallbacks.

use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use switchboard_wire::Operation;
use switchboard_wire::assemble::events_of;
use switchboard_wire::chat::Part;
use switchboard_wire::half::Stamp;
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::reply::{ChatReply, Finish, Reason, Usage};

use super::Attempts;
use super::journey::Journey;
use crate::answer::{Answer, AnswerBody};
use crate::asked::Mock;
use crate::call::Call;
use crate::error::{Error, Origin, Retry};
use crate::exchange::{Made, echo, stamp, stream_headers};
use crate::figures;
use crate::health::Failure;
use crate::meter::Meter;
use crate::route::Plan;

/// The tokens of a made-up answer and of what it answers: LiteLLM's numbers.
const PROMPT: u64 = 10;
const ANSWER: u64 = 20;
/// A made-up timeout comes after this where the caller says none.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes it up. A failure is one of the group asked for, so that its fallbacks are tried.
pub(super) async fn make(
    attempts: &Attempts<'_>,
    plan: &Plan,
    (mock, journey): (&Mock, &mut Journey),
    meter: Meter,
) -> Result<Answer, Meter> {
    let (failure, kind, code) = match mock {
        Mock::Response(text) => match named(text) {
            Some(failure) => failure,
            None if attempts.call.door.operation == Operation::Chat => return Ok(answer(attempts.call, text, meter).0),
            None => (Failure::Request, Kind::BadRequest, "mock_not_supported"),
        },
        Mock::Timeout => {
            tokio::time::sleep(patience(attempts, plan)).await;
            (Failure::Timeout, Kind::Timeout, "upstream_timeout")
        }
        Mock::Fallbacks => (Failure::Server, Kind::Upstream, "mock_failure"),
        Mock::ContextFallbacks => (Failure::ContextWindow, Kind::BadRequest, "context_length_exceeded"),
        Mock::ContentPolicyFallbacks => (Failure::ContentPolicy, Kind::Filtered, "content_filter"),
        Mock::RateLimit => (Failure::RateLimited, Kind::RateLimited, "rate_limit_exceeded"),
    };
    let error = failed(attempts.call, (failure, kind, code));
    let error = if *mock == Mock::Timeout { error.after(patience(attempts, plan)) } else { error };
    journey.note(error);
    if *mock == Mock::RateLimit && journey.tries_again(attempts, plan) {
        // Only the first attempt is made up: whoever tries again is answered.
        return attempts.group(plan, journey, meter).await;
    }
    Err(meter)
}

/// How long a made-up timeout takes: as long as the caller or the deployment says.
fn patience(attempts: &Attempts<'_>, plan: &Plan) -> Duration {
    let own = || plan.targets.first().and_then(|target| target.deployment.spec.timeout).map(|own| own.min(PATIENCE));
    attempts.asked.timeout.or_else(own).unwrap_or(PATIENCE)
}

/// What a deployment says whose answers are made up.
pub(super) fn instead(call: &Call, text: &str, meter: Meter) -> Result<Made, (Error, Meter)> {
    match named(text) {
        Some(failure) => Err((failed(call, failure), meter)),
        None => {
            let (answer, meter) = answer(call, text, meter);
            Ok((answer, Some(meter)))
        }
    }
}

/// What a deployment does that never answers: nothing, for as long as that is waited for.
pub(super) async fn never(call: &Call, (wait, meter): (Duration, Meter)) -> Result<Made, (Error, Meter)> {
    tokio::time::sleep(wait).await;
    Err((failed(call, (Failure::Timeout, Kind::Timeout, "upstream_timeout")).after(wait), meter))
}

fn failed(call: &Call, (failure, kind, code): (Failure, Kind, &'static str)) -> Error {
    let message = format!("this failure of the model `{}` was asked for and is made up", call.model);
    let problem = Problem::new(kind, message).with_code(code);
    Error::new(problem, Origin::Provider, Retry::Next).of(failure)
}

/// The texts that stand for one of LiteLLM's exceptions.
fn named(text: &str) -> Option<(Failure, Kind, &'static str)> {
    match text {
        "litellm.InternalServerError" => Some((Failure::Server, Kind::Upstream, "mock_failure")),
        "litellm.RateLimitError" => Some((Failure::RateLimited, Kind::RateLimited, "rate_limit_exceeded")),
        "litellm.ContextWindowExceededError" => Some((Failure::ContextWindow, Kind::BadRequest, "context_length_exceeded")),
        "litellm.ContentPolicyViolationError" | "Exception: content_filter_policy" => {
            Some((Failure::ContentPolicy, Kind::Filtered, "content_filter"))
        }
        _ => None,
    }
}

/// An answer with that text, in the client's words. What it took is made up too, as LiteLLM makes it up: a deployment whose answers are
/// made up has its price like any other.
fn answer(call: &Call, text: &str, mut meter: Meter) -> (Answer, Meter) {
    let (part, usage) =
        (Part::text(text), Usage { input: Some(PROMPT), output: Some(ANSWER), total: Some(PROMPT + ANSWER), ..Usage::default() });
    let reply = ChatReply { model: Some(call.model.clone()), parts: vec![part], usage: Some(usage.clone()), ..ChatReply::default() };
    let mut headers = HeaderMap::new();
    let mut out = BytesMut::new();
    if let Some(inbound) = call.door.dialect.inbound() {
        let stamp = Stamp { echo: echo(call, inbound), ..stamp(call, &call.model, None) };
        if call.stream {
            let mut writer = inbound.event_writer(stamp);
            events_of(&reply).iter().for_each(|event| writer.write(event, &mut out));
            stream_headers(&mut headers, &call.door);
        } else {
            out.extend_from_slice(&inbound.write_reply(&reply, &stamp));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
    }
    meter.content();
    meter.usage(usage);
    meter.complete(Some(Finish { reason: Reason::Stop, ..Finish::default() }), None);
    meter.note(|record| record.status = 200);
    figures::whole(&mut headers, &mut meter);
    (Answer { status: StatusCode::OK, headers, body: AnswerBody::Whole(Some(out.freeze())) }, meter)
}
