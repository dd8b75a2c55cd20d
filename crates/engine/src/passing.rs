//! Requests that are passed on as they are: to places that are no model's, and to a provider's own API.
//!
//! Such a request is a call like any other in what it takes of limits and budgets, in the journal, the ledger and the records. It has
//! one target and one attempt; a refusal of the place costs nothing. At a place nobody reads what is sent or answered, and it costs
//! what one request there costs. What is asked of a provider at a path that the gateway uses too is read beside, for what it took
//! ([`read`]): its bytes pass as they come.

mod read;
mod refused;
mod took;

use std::sync::Arc;

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use switchboard_wire::Operation;
use switchboard_wire::problem::Kind;

use crate::admit::{JobBound, Tab};
use crate::answer::{Answer, AnswerBody};
use crate::call::{CALL_ID, Call};
use crate::catalog::Component;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::meter::{Meter, Outcome};
use crate::sign::Signer;
use crate::upstream::{UpstreamReply, UpstreamRequest};
use crate::worker::Worker;
use crate::{clock, control, hops};
use refused::{Reason, Refused};

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

/// What is sent on.
#[derive(Debug)]
pub struct Passing {
    /// The request as its client wrote it; its body too, where [`Call::door`] says that nobody reads it.
    pub request: UpstreamRequest,
    /// What shows the gateway's credential; none where the request has all it needs.
    pub signer: Option<Arc<Signer>>,
    /// What the log must not say, though the place may.
    pub secrets: Vec<String>,
    /// Whether the place may lead back here.
    pub may_return: bool,
    /// The job that it asks for, if it does.
    pub job: Option<JobBound>,
}

impl Gateway {
    /// Passes a request on to that place, and its answer back.
    pub async fn pass_on(&self, call: &Call, worker: &Worker, target: &Arc<Deployment>, mut passing: Passing) -> Result<Answer, Error> {
        let mut meter = self.meter(call);
        // What is asked for decides what it may cost; that it was passed on is what is written down.
        meter.note(|record| record.operation = Operation::PassThrough);
        let secrets = std::mem::take(&mut passing.secrets);
        let mut answered = match self.send_on(call, worker, (target, passing), &mut meter).await {
            Ok(reply) if reply.status.is_success() => answered(reply, meter, (call, worker)).await,
            Ok(reply) => refused((reply, secrets), meter, call).await,
            Err(error) => {
                meter.end(&error);
                meter.fail(&error, &call.door);
                Err(error)
            }
        }?;
        if let Ok(id) = HeaderValue::from_str(&call.id) {
            answered.headers.insert(CALL_ID, id);
        }
        Ok(answered)
    }

    async fn send_on(
        &self,
        call: &Call,
        worker: &Worker,
        (target, passing): (&Arc<Deployment>, Passing),
        meter: &mut Meter,
    ) -> Result<UpstreamReply, Error> {
        let Passing { mut request, signer, may_return, job, .. } = passing;
        request.headers.remove(hops::HOPS);
        if may_return {
            request.headers.insert(hops::HOPS, hops::own());
            hops::pass_on(&call.headers, &mut request.headers);
        }
        hops::check(&call.headers)?;
        let permit = self.admission().admit()?;
        let mut tab = self.admission().tab(call, &self.fleet());
        job.into_iter().for_each(|job| tab.expect(job));
        meter.hold(Some(permit), tab);
        let ticket = target.health.begin_anyway(clock::now());
        meter.enter(call, target, ticket).await?;
        if call.door.operation != Operation::PassThrough {
            request.body = read::body(call, target, meter.tab()).into_parts();
        }
        if let Some(signer) = &signer {
            let signed = signer.sign(&worker.upstream, &mut request).await;
            signed.map_err(|error| Error::credential(&target.provider_name, error))?;
        }
        meter.dispatch()?;
        let overhead = call.received.elapsed();
        meter.note(|record| {
            record.attempts += 1;
            record.overhead.get_or_insert(overhead);
        });
        let reply = worker.upstream.send(request).await.map_err(Error::dial)?;
        if let Some(signer) = &signer {
            signer.answered(reply.status);
        }
        Ok(reply)
    }
}

/// An answer on its way.
async fn answered(mut reply: UpstreamReply, mut meter: Meter, (call, worker): (&Call, &Worker)) -> Result<Answer, Error> {
    // Of what is read nothing is paid by the call that has no such price; and what a job takes is told later.
    let is_priced = meter.tariff().prices().is_some_and(|list| list.base(Component::Request).is_some());
    if is_priced || call.door.operation == Operation::PassThrough && !meter.tab().is_some_and(Tab::is_job) {
        meter.count(Component::Request, 1);
    }
    let status = reply.status;
    meter.note(|record| record.status = status.as_u16());
    let length = reply.headers.get(CONTENT_LENGTH).cloned();
    let mut headers = shown(std::mem::take(&mut reply.headers));
    let body = read::answer((&mut headers, length, reply.body), meter, (call, worker)).await?;
    Ok(Answer { status, headers, body })
}

/// What the place says where it does not do what it was asked for, in its own words. What comes piece by piece passes so.
async fn refused((mut reply, secrets): (UpstreamReply, Vec<String>), mut meter: Meter, call: &Call) -> Result<Answer, Error> {
    let told = control::of_failure(&reply.headers);
    let (status, headers) = (reply.status, shown(std::mem::take(&mut reply.headers)));
    meter.note(|record| {
        record.status = status.as_u16();
        record.outcome = Outcome::Failed(Kind::BadRequest);
    });
    let reason = Reason { status, told, secrets };
    let is_stream = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if is_stream {
        let body = AnswerBody::Made(Box::new(Refused { body: reply.body.in_pieces(), said: Vec::new(), meter, reason, failed: false }));
        return Ok(Answer { status, headers, body });
    }
    let body = reply.body.collect().await.map_err(|error| {
        let error = Error::dial(error);
        meter.fail(&error, &call.door);
        error
    })?;
    reason.note(&body, &mut meter);
    Ok(Answer { status, headers, body: AnswerBody::Whole(Some(body)) })
}

/// The headers of an answer that its client may have.
fn shown(mut headers: HeaderMap) -> HeaderMap {
    for name in KEPT_BACK {
        headers.remove(name);
    }
    headers
}
