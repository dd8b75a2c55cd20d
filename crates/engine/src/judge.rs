//! What a provider's failure stands for.

use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::overflow;
use switchboard_wire::problem::Fault;
use switchboard_wire::reply::{Reason, Usage};

use crate::call::Door;
use crate::control;
use crate::deployment::Deployment;
use crate::error::{Error, Retry};
use crate::scrub;
use crate::upstream::UpstreamReply;

/// What is read of an error answer.
const LONGEST: usize = 1 << 20;

/// Reads a provider's error answer.
pub(crate) async fn fault(target: &Deployment, spoken: Dialect, client: &Door, reply: UpstreamReply) -> Error {
    let (status, headers) = (reply.status, reply.headers);
    if !status.is_client_error() && !status.is_server_error() {
        return Error::redirect(status);
    }
    let body = match reply.body.beginning(LONGEST).await {
        Ok(body) => body,
        Err(error) => return Error::dial(error),
    };
    let Some(outbound) = spoken.outbound() else { return Error::internal("a dialect has no such half") };
    let fault = scrub::fault(outbound.read_fault(status, &headers, &body), target);
    let hint = crate::retry_after::hint(&headers, &fault.raw, status == http::StatusCode::TOO_MANY_REQUESTS);
    let json = serde_json::from_slice::<serde::de::IgnoredAny>(&fault.raw).is_ok() && fault.raw.trim_ascii_start().starts_with(b"{");
    let own = outbound.is_own_error(&fault.raw);
    let mut error = Error::provider(fault, &target.provider_name, target.spec.guessed);
    error.problem.retry_after = hint;
    error.headers = Some(Box::new(control::of_failure(&headers)));
    match headers.get("x-should-retry").map(http::HeaderValue::as_bytes) {
        Some(b"false") => error.retry = error.retry.elsewhere(),
        Some(b"true") if error.retry == Retry::Next => error.retry = Retry::Same { after: None },
        _ => {}
    }
    if !json {
        error.problem.raw = None;
    }
    // Clients shorten a conversation that is too long where they are told so in words they know.
    let retold = error.problem.code.as_deref() == Some(overflow::CODE)
        && !overflow::is_known(client.dialect, error.problem.raw.as_deref().unwrap_or_default());
    if retold || spoken != client.dialect || client.flavor != Flavor::OpenAi || !json || !own {
        error.verbatim = None;
    }
    error
}

/// A failure that came as a success: an error inside a stream, a body that is no answer. The same target would hardly say more.
pub(crate) fn reported(fault: Fault, target: &Deployment) -> Error {
    let fault = scrub::fault(fault, target);
    let error = Error::provider(fault, &target.provider_name, target.spec.guessed);
    Error { verbatim: None, retry: error.retry.elsewhere(), ..error }
}

/// Whether an answer that ended so, and took so much, may hold nothing at all. One that a filter, a limit or a stop sequence ended
/// early is not meant. What the provider threw away itself (a call that it could not read, say) was generated all the same.
pub(crate) fn is_empty(reason: Reason, usage: Option<&Usage>) -> bool {
    let generated = usage.and_then(|usage| usage.output).unwrap_or(0);
    match reason {
        Reason::Error => true,
        Reason::Stop | Reason::Other => generated == 0,
        _ => false,
    }
}
