//! From a provider's reply to the client's answer, or to the failure it stands for.

use std::sync::Arc;

use bytes::BytesMut;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::Dialect;
use switchboard_wire::assemble::events_of;
use switchboard_wire::dialect::{Flavor, Glance, Inbound, Memo, Outbound, Stamp};
use switchboard_wire::event::EventWriter;
use switchboard_wire::framing::Framing;
use switchboard_wire::problem::Fault;
use switchboard_wire::relay::{Output, Relay};
use tokio::time::Instant;

use crate::answer::{Answer, AnswerBody, StreamBody};
use crate::attempt::{Attempts, add};
use crate::call::Door;
use crate::control;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::meter::Meter;
use crate::openrouter::{self, Priced};
use crate::scrub;
use crate::upstream::UpstreamReply;

/// A request that has been sent, waiting for its reply.
pub(crate) struct Exchange<'a> {
    pub(crate) attempts: &'a Attempts<'a>,
    pub(crate) target: &'a Arc<Deployment>,
    pub(crate) spoken: Dialect,
    pub(crate) memo: Memo,
    /// When a stream must have begun to say something.
    pub(crate) due: Instant,
}

impl Exchange<'_> {
    /// Makes the answer of the reply.
    pub(crate) async fn answer(self, reply: UpstreamReply, meter: Meter) -> Result<Answer, (Error, Meter)> {
        let call = self.attempts.call;
        let (Some(outbound), Some(inbound)) = (self.spoken.outbound(), call.door.dialect.inbound()) else {
            return Err((Error::internal("a dialect has no such half"), meter));
        };
        if !reply.status.is_success() {
            return Err((Box::pin(fault(self.target, self.spoken, &call.door, reply)).await, meter));
        }
        if !call.stream {
            return self.whole(reply, meter, (outbound, inbound)).await;
        }
        match framing_of(outbound, &reply.headers) {
            Some(framing) => self.stream(reply, meter, (outbound, inbound), framing).await,
            None => Box::pin(self.unstreamed(reply, meter, (outbound, inbound))).await,
        }
    }

    async fn whole(
        self,
        reply: UpstreamReply,
        mut meter: Meter,
        (outbound, inbound): (&dyn Outbound, &dyn Inbound),
    ) -> Result<Answer, (Error, Meter)> {
        let headers = control::backward(&reply.headers);
        let body = match reply.body.collect().await {
            Ok(body) => body,
            Err(error) => return Err((Error::dial(error), meter)),
        };
        let call = self.attempts.call;
        let same = self.spoken == call.door.dialect && !openrouter::is_rewritten(call, self.target);
        let glance = if same { outbound.glance(&body) } else { None };
        let (glance, body) = match glance {
            Some(glance) => (glance, body),
            None => {
                let mut reading = match outbound.read_reply(&self.memo, &body) {
                    Ok(reading) => reading,
                    Err(fault) => return Err((reported(fault, self.target), meter)),
                };
                let told = reading.usage.clone();
                if let Some(usage) = reading.usage.as_mut().filter(|_| openrouter::is_wanted(call)) {
                    openrouter::add_cost(usage, self.target, reading.service_tier.as_deref());
                }
                let body = if same { body } else { inbound.write_reply(&reading, &self.stamp()).into() };
                (Glance { usage: told, finish: reading.finish, service_tier: reading.service_tier }, body)
            }
        };
        if let Some(usage) = glance.usage {
            meter.usage(usage);
        }
        meter.content();
        meter.complete(Some(glance.finish.reason), glance.service_tier);
        meter.note(|record| record.status = 200);
        let mut answer = Answer { status: StatusCode::OK, headers, body: AnswerBody::Whole(Some(body)) };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        figures(&mut answer.headers, &meter);
        Ok(answer)
    }

    async fn stream(
        self,
        reply: UpstreamReply,
        meter: Meter,
        (outbound, inbound): (&dyn Outbound, &dyn Inbound),
        framing: Framing,
    ) -> Result<Answer, (Error, Meter)> {
        let door = self.attempts.call.door;
        let mut headers = control::backward(&reply.headers);
        let stamp = self.stamp();
        let rewritten = openrouter::is_rewritten(self.attempts.call, self.target);
        let output = if rewritten || self.spoken != door.dialect || framing != outbound.framing() && !door.array {
            Output::Written(self.writer(inbound, stamp))
        } else if door.array {
            Output::Array
        } else {
            Output::Verbatim { hide_usage: inbound.asks_for_usage() && !stamp.stream_usage, epilogue: inbound.epilogue() }
        };
        let relay = Relay::new(framing, outbound.event_reader(self.memo.clone()), output);
        let stream = Box::new(StreamBody::new(reply.body, Some(relay), meter, door));
        let mut stream = stream.until_content(self.due).await?;
        stream.meter().note(|record| record.status = 200);
        stream_headers(&mut headers, &door);
        overhead(&mut headers, stream.meter());
        Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Stream(stream) })
    }

    /// A whole answer where a stream was asked for: a provider's error, or a provider that does not stream. It is streamed here.
    async fn unstreamed(
        self,
        reply: UpstreamReply,
        mut meter: Meter,
        (outbound, inbound): (&dyn Outbound, &dyn Inbound),
    ) -> Result<Answer, (Error, Meter)> {
        let mut headers = control::backward(&reply.headers);
        let body = match reply.body.collect().await {
            Ok(body) => body,
            Err(error) => return Err((Error::dial(error), meter)),
        };
        let reading = match outbound.read_reply(&self.memo, &body) {
            Ok(reading) => reading,
            Err(fault) => return Err((reported(fault, self.target), meter)),
        };
        let mut writer = self.writer(inbound, self.stamp());
        let mut out = BytesMut::new();
        for event in events_of(&reading) {
            meter.see(&event);
            writer.write(&event, &mut out);
        }
        meter.note(|record| record.status = 200);
        stream_headers(&mut headers, &self.attempts.call.door);
        overhead(&mut headers, &meter);
        Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Whole(Some(out.freeze())) })
    }

    fn writer(&self, inbound: &dyn Inbound, stamp: Stamp) -> Box<dyn EventWriter> {
        let writer = inbound.event_writer(stamp);
        if openrouter::is_wanted(self.attempts.call) { Box::new(Priced::new(writer, self.target.clone())) } else { writer }
    }

    fn stamp(&self) -> Stamp {
        let call = self.attempts.call;
        Stamp {
            id: call.id.clone(),
            created: call.created,
            model: call.model.clone(),
            stream_usage: control::wants_stream_usage(call),
            hide_reasoning: control::hides_reasoning(call),
            flavor: call.door.flavor,
            provider: Some(self.target.provider_name.clone()),
            json_array: call.door.array,
        }
    }
}

fn framing_of(outbound: &dyn Outbound, headers: &HeaderMap) -> Option<Framing> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    outbound.framing_of(kind)
}

/// Reads a provider's error answer.
pub(crate) async fn fault(target: &Deployment, spoken: Dialect, client: &Door, reply: UpstreamReply) -> Error {
    let (status, headers) = (reply.status, reply.headers);
    if !status.is_client_error() && !status.is_server_error() {
        return Error::redirect(status);
    }
    let body = match reply.body.collect().await {
        Ok(body) => body,
        Err(error) => return Error::dial(error),
    };
    let Some(outbound) = spoken.outbound() else { return Error::internal("a dialect has no such half") };
    let fault = scrub::fault(outbound.read_fault(status, &headers, &body), target);
    let hint = crate::retry_after::hint(&headers, &fault.raw);
    let json = serde_json::from_slice::<serde::de::IgnoredAny>(&fault.raw).is_ok() && fault.raw.trim_ascii_start().starts_with(b"{");
    let mut error = Error::provider(fault, &target.provider_name, target.spec.guessed);
    error.problem.retry_after = hint;
    if !json {
        error.problem.raw = None;
    }
    if spoken != client.dialect || client.flavor != Flavor::OpenAi || !json {
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

fn stream_headers(headers: &mut HeaderMap, door: &Door) {
    let kind = if door.array { "application/json" } else { "text/event-stream" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies in front must not gather what is to be seen as it comes.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
}

/// The headers that tell what a whole answer took.
pub(crate) fn figures(headers: &mut HeaderMap, meter: &Meter) {
    if let Some(cost) = meter.cost() {
        add(headers, "x-litellm-response-cost", &cost.to_string());
    }
    add(headers, "x-litellm-response-duration-ms", &millis(meter.elapsed()));
    overhead(headers, meter);
}

fn overhead(headers: &mut HeaderMap, meter: &Meter) {
    if let Some(overhead) = meter.overhead() {
        add(headers, "x-litellm-overhead-duration-ms", &millis(overhead));
    }
}

fn millis(duration: std::time::Duration) -> String {
    let micros = duration.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
