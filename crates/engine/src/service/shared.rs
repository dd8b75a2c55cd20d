//! Identical calls of one key that are under way at once are one call to a provider.
//!
//! The first one makes the call, the others join it ([`Board`](crate::board::Board)). The provider is asked once and charged for once, to the first one. The others cost nothing; each has a record that says so.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::problem::Kind;

use super::Ground;
use crate::answer::{Answer, AnswerBody, BrokenOff, Source};
use crate::board::{Head, Member, Pending};
use crate::call::{CALL_ID, digest};
use crate::error::Error;
use crate::meter::{Meter, Outcome};

const COALESCED: HeaderName = HeaderName::from_static("x-switchboard-coalesced");
const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");

/// An answer that another call gets too, with the record of the one who joined it.
struct Followed {
    member: Member,
    meter: Option<Meter>,
}

impl Source for Followed {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let next = self.member.poll_next(ctx);
        match (&next, &mut self.meter) {
            (Poll::Ready(Some(Ok(_))), Some(meter)) => meter.content(),
            (Poll::Ready(None), meter) => {
                let complete = !self.member.has_failed();
                if let Some(meter) = meter.take() {
                    ended(meter, complete);
                }
            }
            _ => {}
        }
        next
    }

    fn has_failed(&self) -> bool {
        self.member.has_failed()
    }

    fn stop(&mut self) {
        self.member.stop();
    }
}

/// The record of one who got another's answer.
fn ended(mut meter: Meter, complete: bool) {
    match complete {
        true => meter.complete(None, None),
        false => meter.note(|record| record.outcome = Outcome::Failed(Kind::Upstream)),
    }
}

/// Takes part in the call of that digest, or makes it.
pub(super) async fn serve(ground: Arc<dyn Ground>, begin: impl FnOnce() -> Pending) -> Result<Answer, Error> {
    let call = ground.call();
    let (mut member, begun) = ground.gateway().board().join(digest::whole(call), call.door, begin);
    let meter = match begun {
        true => None,
        false => Some(ground.gateway().follower(call).await?),
    };
    let (status, mut headers) = match member.head().await {
        Head::Answer(status, headers) => (status, headers),
        Head::Failure(error) => {
            let error = error.again();
            if let Some(mut meter) = meter {
                meter.fail(&error, &call.door);
            }
            return Err(error);
        }
    };
    let whole = member.whole().await;
    let Some(mut meter) = meter else {
        let body = whole.map_or_else(|| AnswerBody::Made(Box::new(member)), |whole| AnswerBody::Whole(Some(whole)));
        return Ok(Answer { status, headers, body });
    };
    meter.note(|record| record.status = status.as_u16());
    joined(&mut headers, call.told_id());
    let body = match whole {
        Some(whole) => {
            meter.content();
            ended(meter, true);
            AnswerBody::Whole(Some(whole))
        }
        None => AnswerBody::Made(Box::new(Followed { member, meter: Some(meter) })),
    };
    Ok(Answer { status, headers, body })
}

/// The headers of an answer that is another call's too.
fn joined(headers: &mut HeaderMap, id: &str) {
    super::strip(headers);
    headers.insert(COALESCED, HeaderValue::from_static("1"));
    headers.insert(COST, HeaderValue::from_static("0.0"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(CALL_ID, id);
    }
}
