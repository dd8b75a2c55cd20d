//! Requests that are passed on as they are, to places that are no model's. Nobody reads what is sent or answered.
//!
//! Such a request is a call like any other in what it takes of limits and budgets, in the journal, the ledger and the records. It has
//! one target and one attempt, and costs what one request there costs; a refusal of the place costs nothing.

use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use switchboard_wire::problem::Kind;

use crate::answer::{Answer, AnswerBody, StreamBody};
use crate::call::Call;
use crate::catalog::Component;
use crate::clock;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::figures;
use crate::gateway::Gateway;
use crate::hops;
use crate::meter::{Meter, Outcome};
use crate::upstream::{UpstreamReply, UpstreamRequest};
use crate::worker::Worker;

/// Headers of an answer that are the connection's alone, or would be taken for the gateway's own word.
const KEPT_BACK: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

impl Gateway {
    /// Passes a request on to that place, and its answer back.
    pub async fn pass_on(
        &self,
        call: &Call,
        worker: &Worker,
        target: &Arc<Deployment>,
        mut request: UpstreamRequest,
    ) -> Result<Answer, Error> {
        let mut meter = self.meter(call);
        request.headers.insert(hops::HOPS, hops::own());
        hops::pass_on(&call.headers, &mut request.headers);
        let sent = async {
            hops::check(&call.headers)?;
            let permit = self.admission().admit()?;
            meter.hold(Some(permit), self.admission().tab(call));
            let ticket = target.health.begin_anyway(clock::now());
            meter.enter(call, target, ticket).await?;
            meter.dispatch()?;
            let overhead = call.received.elapsed();
            meter.note(|record| {
                record.attempts += 1;
                record.overhead.get_or_insert(overhead);
            });
            worker.upstream.send(request).await.map_err(Error::dial)
        };
        match sent.await {
            Ok(reply) if reply.status.is_success() => Ok(answered(reply, meter, call)),
            Ok(reply) => refused(reply, meter, call).await,
            Err(error) => {
                meter.end(&error);
                meter.fail(&error, &call.door);
                Err(error)
            }
        }
    }
}

/// An answer on its way.
fn answered(reply: UpstreamReply, mut meter: Meter, call: &Call) -> Answer {
    meter.count(Component::Request, 1);
    let status = reply.status;
    meter.content();
    meter.note(|record| record.status = status.as_u16());
    let mut headers = shown(reply.headers);
    figures::whole(&mut headers, &mut meter);
    let body = StreamBody::new(reply.body, None, meter, call.door);
    Answer { status, headers, body: AnswerBody::Stream(Box::new(body)) }
}

/// What the place says where it does not do what it was asked for, in its own words.
async fn refused(reply: UpstreamReply, mut meter: Meter, call: &Call) -> Result<Answer, Error> {
    let (status, headers) = (reply.status, shown(reply.headers));
    let body = reply.body.collect().await.map_err(|error| {
        let error = Error::dial(error);
        meter.fail(&error, &call.door);
        error
    })?;
    meter.note(|record| {
        record.status = status.as_u16();
        record.outcome = Outcome::Failed(Kind::BadRequest);
    });
    Ok(Answer { status, headers, body: AnswerBody::Whole(Some(body)) })
}

/// The headers of an answer that its client may have.
fn shown(mut headers: HeaderMap) -> HeaderMap {
    for name in KEPT_BACK {
        headers.remove(name);
    }
    headers
}
