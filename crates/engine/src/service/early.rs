//! The headers of a stream go out although there is no content yet, for clients behind something that waits for no silent answer.
//!
//! Until the first content every failure may still become another provider's answer, as ever. But the client has its status by then,
//! so that the last failure is an error event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::half::Begun;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::Pending;
use crate::answer::{Answer, AnswerBody, BrokenOff, Source};
use crate::call::{CALL_ID, Call, Door};
use crate::error::Error;
use crate::exchange::stream_headers;

/// The longest silence of a stream that has begun to wait.
const PAUSE: Duration = Duration::from_secs(15);
/// What breaks it: a comment, as LiteLLM writes it.
const PING: &[u8] = b": ping\n\n";
/// The same within a JSON array that has not begun.
const BLANK: &[u8] = b"\n";

const EARLY: HeaderName = HeaderName::from_static("x-switchboard-early-headers");

/// What is told of a call that has no answer yet.
pub(super) struct Asked {
    door: Door,
    /// What its client calls it.
    told: String,
    /// What an answer written here would say of itself.
    id: String,
    model: String,
    created: u64,
}

impl Asked {
    /// Of that call.
    pub(super) fn of(call: &Call) -> Self {
        Self { door: call.door, told: call.told_id().to_owned(), id: call.id.clone(), model: call.model.clone(), created: call.created }
    }
}

/// The answer, if it comes in time; else its headers, and it later.
pub(super) async fn serve(mut pending: Pending, asked: Asked, after: Duration, shown: Arc<AtomicBool>) -> Result<Answer, Error> {
    if let Ok(answered) = tokio::time::timeout(after, &mut pending).await {
        return answered;
    }
    shown.store(true, Ordering::Relaxed);
    let mut headers = HeaderMap::new();
    stream_headers(&mut headers, &asked.door);
    headers.insert(EARLY, HeaderValue::from_static("1"));
    headers.extend(HeaderValue::from_str(&asked.told).ok().map(|id| (CALL_ID, id)));
    let pause = after.clamp(Duration::from_millis(10), PAUSE);
    let mut pings = interval_at(Instant::now(), pause);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let body = AnswerBody::Made(Box::new(Early { state: State::Waiting(pending), pings, asked }));
    Ok(Answer { status: StatusCode::OK, headers, body })
}

/// A stream that shows that it is still open until there is an answer.
struct Early {
    state: State,
    pings: Interval,
    asked: Asked,
}

enum State {
    Waiting(Pending),
    Answering(AnswerBody),
    Stopped,
    Failed,
}

impl Early {
    /// How the client hears that there is no answer.
    fn last_words(&self, error: &Error) -> Option<Result<Bytes, BrokenOff>> {
        let Asked { door, id, model, created, .. } = &self.asked;
        let (dialect, flavor) = (door.dialect, door.flavor);
        let begun = Begun { events: 0, id: Some(id), model: Some(model), created: Some(*created) };
        Some(match dialect.inbound() {
            Some(inbound) if door.array => {
                let problem = inbound.write_problem(&error.problem, flavor).1;
                Ok([&b"["[..], &problem, &b"]"[..]].concat().into())
            }
            Some(inbound) => Ok(inbound.write_stream_problem(&error.problem, flavor, &begun).into()),
            None => Err(BrokenOff),
        })
    }
}

impl Source for Early {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if let State::Waiting(pending) = &mut self.state {
            match pending.as_mut().poll(ctx) {
                Poll::Ready(Ok(answer)) => self.state = State::Answering(answer.body),
                Poll::Ready(Err(error)) => {
                    self.state = State::Failed;
                    return Poll::Ready(self.last_words(&error));
                }
                Poll::Pending => {
                    let ping = if self.asked.door.array { BLANK } else { PING };
                    return self.pings.poll_tick(ctx).map(|_| Some(Ok(Bytes::from_static(ping))));
                }
            }
        }
        match &mut self.state {
            State::Answering(body) => body.poll_next(ctx),
            State::Stopped => {
                self.state = State::Failed;
                Poll::Ready(self.last_words(&Error::stopping()))
            }
            State::Waiting(_) | State::Failed => Poll::Ready(None),
        }
    }

    fn has_failed(&self) -> bool {
        match &self.state {
            State::Waiting(_) => false,
            State::Answering(body) => body.has_failed(),
            State::Stopped | State::Failed => true,
        }
    }

    fn stop(&mut self) {
        match &mut self.state {
            State::Waiting(_) => self.state = State::Stopped,
            State::Answering(body) => body.stop(),
            State::Stopped | State::Failed => {}
        }
    }
}
