//! The one loop: try targets until there is an answer or nothing more can help.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use switchboard_wire::dialect::{Glance, Stamp};
use switchboard_wire::frames::Frames;
use switchboard_wire::outline::Edits;
use switchboard_wire::prepare::{self, Prepared, Source};
use switchboard_wire::problem::{Fault, Kind, Problem};
use switchboard_wire::relay::{Output, Relay};
use switchboard_wire::{Dialect, Operation};

use crate::answer::{Answer, AnswerBody, StreamBody};
use crate::call::{Call, Content};
use crate::deployment::{Deployment, Reach};
use crate::error::{Error, Retry};
use crate::gateway::Worker;
use crate::meter::{Meter, Outcome};
use crate::operation;
use crate::route::Plan;
use crate::scrub;
use crate::upstream::{Caps, Timeouts, UpstreamReply, UpstreamRequest};

/// The most requests to providers for one call.
const MOST_ATTEMPTS: u32 = 4;

/// One call on its way through its plan.
pub struct Attempts<'a> {
    /// The call.
    pub call: &'a Call,
    /// The worker it runs on.
    pub worker: &'a Worker,
    /// How many retries one target is worth.
    pub retries: u32,
}

impl Attempts<'_> {
    /// Tries the plan's targets, in order.
    pub async fn run(&self, plan: &Plan, mut meter: Meter) -> Result<Answer, Error> {
        let mut made = 0;
        let mut last = None;
        for target in &plan.targets {
            let mut again = self.retries.min(1);
            loop {
                if made == MOST_ATTEMPTS {
                    return Err(self.give_up(last, meter));
                }
                made += 1;
                meter.note(|record| {
                    record.attempts = made;
                    record.deployment = Some(target.clone());
                });
                let error = match self.once(target, meter).await {
                    Ok(mut answer) => {
                        self.sign(&mut answer, target, made);
                        return Ok(answer);
                    }
                    Err((error, returned)) => {
                        meter = returned;
                        error
                    }
                };
                let retry = error.retry;
                last = Some(error);
                match retry {
                    Retry::Never => return Err(self.give_up(last, meter)),
                    Retry::Same { .. } if again > 0 => again -= 1,
                    Retry::Same { .. } | Retry::Next => break,
                }
            }
        }
        Err(self.give_up(last, meter))
    }

    fn give_up(&self, last: Option<Error>, mut meter: Meter) -> Error {
        let error = last.unwrap_or_else(|| Error::not_served(&self.call.model, self.call.door.operation.as_str()));
        meter.note(|record| {
            record.outcome = Outcome::Failed(error.problem.kind);
            record.status = error.problem.status().as_u16();
            record.error = Some(error.problem.message.clone());
        });
        error
    }

    /// One request to one target.
    async fn once(&self, target: &Arc<Deployment>, mut meter: Meter) -> Result<Answer, (Error, Meter)> {
        if self.call.door.operation != Operation::Chat {
            return Box::pin(operation::run(self, target, meter)).await;
        }
        let (spoken, reach) = match self.choose(target) {
            Ok(chosen) => chosen,
            Err(error) => return Err((error, meter)),
        };
        let prepared = match self.prepare(target, spoken, reach) {
            Ok(prepared) => prepared,
            Err(error) => return Err((error, meter)),
        };
        meter.note(|record| {
            record.spoken = Some(spoken);
            record.losses = prepared.losses.list().len();
        });
        let Prepared { body, headers, losses, memo } = prepared;
        let reply = match self.send(target, reach, (body, headers, "application/json"), Some(&mut meter)).await {
            Ok(reply) => reply,
            Err(error) => return Err((error, meter)),
        };
        let exchange = Exchange { attempts: self, target, spoken, memo };
        let answer = if !reply.status.is_success() {
            Err((Box::pin(exchange.fault(reply)).await, meter))
        } else if self.call.stream {
            exchange.stream(reply, meter).await
        } else {
            exchange.whole(reply, meter).await
        };
        answer.map(|mut answer| {
            if !losses.is_empty()
                && let Ok(value) = HeaderValue::try_from(losses.to_string())
            {
                answer.headers.insert("x-switchboard-dropped", value);
            }
            answer
        })
    }

    fn choose<'t>(&self, target: &'t Deployment) -> Result<(Dialect, &'t Reach), Error> {
        let operation = self.call.door.operation;
        let spoken = target.dialect_for(self.call.door.dialect);
        let reach = spoken.and_then(|spoken| target.reach(operation, Some(spoken), self.call.stream));
        match (spoken, reach) {
            (Some(spoken), Some(reach)) => Ok((spoken, reach)),
            _ => Err(Error { retry: Retry::Next, ..Error::not_served(&self.call.model, operation.as_str()) }),
        }
    }

    fn prepare(&self, target: &Deployment, spoken: Dialect, reach: &Reach) -> Result<Prepared, Error> {
        let call = self.call;
        let Content::Json(outline) = &call.content else {
            return Err(Problem::new(Kind::BadRequest, "the request's body must be JSON").into());
        };
        let mut edits = reach.edits.clone();
        self.edit(&mut edits, target, spoken, reach);
        let route = prepare::Route { from: call.door.dialect, to: spoken, profile: &target.profile, edits: &edits };
        let prepared = prepare::prepare(&route, &call.head(), &Source::Bytes(&call.body, outline))?;
        if call.strict && !prepared.losses.is_empty() {
            let message = format!("{} cannot take: {}", target.spec.model, prepared.losses);
            let param = prepared.losses.list().first().map(|loss| loss.field.to_string()).unwrap_or_default();
            return Err(Error {
                retry: Retry::Next,
                ..Problem::new(Kind::Unsupported, message).with_param(param).with_code("unsupported_parameter").into()
            });
        }
        Ok(prepared)
    }

    /// Adds to the row's edits what this call needs: the model's name, usage in streams, nothing meant for the gateway alone.
    fn edit(&self, edits: &mut Edits, target: &Deployment, spoken: Dialect, reach: &Reach) {
        let call = self.call;
        let Some(outbound) = spoken.outbound() else { return };
        if let Some(key) = outbound.model_key()
            && (call.model != reach.model || spoken != call.door.dialect || call.model_in_path)
        {
            edits.set.push((key.to_owned(), serde_json::Value::from(reach.model.as_str()).to_string()));
        }
        let Content::Json(outline) = &call.content else { return };
        if spoken == call.door.dialect {
            let known = outline.entries().iter().filter(|entry| crate::control::is_control(spoken, &entry.key));
            edits.remove.extend(known.map(|entry| entry.key.clone().into_owned()));
            if call.stream && target.ask_usage {
                edits.set.extend(outbound.metering_edits(outline, &call.body).set);
            }
        }
    }

    /// Sends a body to a target.
    pub(crate) async fn send(
        &self,
        target: &Deployment,
        reach: &Reach,
        (body, needed, content_type): (Frames, Vec<(&'static str, String)>, &str),
        meter: Option<&mut Meter>,
    ) -> Result<UpstreamReply, Error> {
        let mut headers = reach.headers.clone();
        if let Ok(value) = HeaderValue::try_from(content_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        crate::control::forward(&self.call.headers, &mut headers);
        for (name, value) in needed {
            add(&mut headers, name, &value);
        }
        let mut request = UpstreamRequest::new(Method::POST, reach.origin.clone(), reach.path.clone());
        request.headers = headers;
        request.body = body.into_parts();
        request.timeouts = self.timeouts(target);
        request.caps = if self.call.stream { Caps::STREAM } else { Caps::WHOLE };
        request.transport = target.spec.transport.clone();
        let signed = reach.signer.sign(&self.worker.upstream, &mut request).await;
        signed.map_err(|error| Error::credential(&target.provider_name, error))?;
        let overhead = self.call.received.elapsed();
        if let Some(meter) = meter {
            meter.note(|record| {
                record.overhead.get_or_insert(overhead);
            });
        }
        self.worker.upstream.send(request).await.map_err(Error::dial)
    }

    fn timeouts(&self, target: &Deployment) -> Timeouts {
        let mut timeouts = self.worker.timeouts;
        let own = if self.call.stream { target.spec.stream_timeout.or(target.spec.timeout) } else { target.spec.timeout };
        if let Some(own) = own {
            timeouts.first_byte = own;
        }
        if let (false, Some(total)) = (self.call.stream, target.spec.timeout) {
            timeouts.total = Some(total);
        }
        timeouts
    }

    /// The headers that say where an answer came from.
    fn sign(&self, answer: &mut Answer, target: &Deployment, made: u32) {
        let headers = &mut answer.headers;
        add(headers, "x-litellm-call-id", &self.call.id);
        add(headers, "x-litellm-model-id", &target.spec.id);
        add(headers, "x-litellm-model-group", &target.spec.group);
        add(headers, "x-litellm-attempted-retries", if made > 1 { "1" } else { "0" });
        add(headers, "x-switchboard-provider", &target.spec.provider);
    }
}

fn add(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// A request that has been sent, waiting for its reply.
struct Exchange<'a> {
    attempts: &'a Attempts<'a>,
    target: &'a Arc<Deployment>,
    spoken: Dialect,
    memo: switchboard_wire::dialect::Memo,
}

impl Exchange<'_> {
    async fn fault(&self, reply: UpstreamReply) -> Error {
        fault(self.target, self.spoken, self.attempts.call.door.dialect, reply).await
    }

    async fn whole(self, reply: UpstreamReply, mut meter: Meter) -> Result<Answer, (Error, Meter)> {
        let call = self.attempts.call;
        let headers = crate::control::backward(&reply.headers);
        let body = match reply.body.collect().await {
            Ok(body) => body,
            Err(error) => return Err((Error::dial(error), meter)),
        };
        let (Some(outbound), Some(inbound)) = (self.spoken.outbound(), call.door.dialect.inbound()) else {
            return Err((Error::internal("a dialect has no such half"), meter));
        };
        let same = self.spoken == call.door.dialect;
        let glance = if same { outbound.glance(&body) } else { None };
        let (glance, body) = match glance {
            Some(glance) => (glance, body),
            None => {
                let reading = match outbound.read_reply(&self.memo, &body) {
                    Ok(reading) => reading,
                    Err(fault) => return Err((self.judged(fault), meter)),
                };
                let body = if same { body } else { inbound.write_reply(&reading, &self.stamp()).into() };
                (Glance { usage: reading.usage, finish: reading.finish, service_tier: reading.service_tier }, body)
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
        cost_header(&mut answer.headers, &meter);
        Ok(answer)
    }

    async fn stream(self, reply: UpstreamReply, mut meter: Meter) -> Result<Answer, (Error, Meter)> {
        let call = self.attempts.call;
        let mut headers = crate::control::backward(&reply.headers);
        let (Some(outbound), Some(inbound)) = (self.spoken.outbound(), call.door.dialect.inbound()) else {
            return Err((Error::internal("a dialect has no such half"), meter));
        };
        if is_unstreamed(&reply.headers) {
            return Box::pin(self.unstreamed(reply, meter)).await;
        }
        let stamp = self.stamp();
        let output = if self.spoken != call.door.dialect {
            Output::Written(inbound.event_writer(stamp))
        } else if call.door.array {
            Output::Array
        } else {
            Output::Verbatim { hide_usage: inbound.asks_for_usage() && !stamp.stream_usage, epilogue: inbound.epilogue() }
        };
        let relay = Relay::new(outbound.framing(), outbound.event_reader(self.memo.clone()), output);
        meter.note(|record| {
            record.status = 200;
            record.outcome = Outcome::Cancelled;
        });
        let stream = Box::new(StreamBody::new(reply.body, Some(relay), meter, call.door));
        let stream = stream.until_content().await?;
        let kind = if call.door.array { "application/json" } else { "text/event-stream" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Stream(stream) })
    }

    /// A whole answer where a stream was asked for: a provider's error, or a provider that does not stream. It is streamed here.
    async fn unstreamed(self, reply: UpstreamReply, mut meter: Meter) -> Result<Answer, (Error, Meter)> {
        let call = self.attempts.call;
        let mut headers = crate::control::backward(&reply.headers);
        let body = match reply.body.collect().await {
            Ok(body) => body,
            Err(error) => return Err((Error::dial(error), meter)),
        };
        let (Some(outbound), Some(inbound)) = (self.spoken.outbound(), call.door.dialect.inbound()) else {
            return Err((Error::internal("a dialect has no such half"), meter));
        };
        let reading = match outbound.read_reply(&self.memo, &body) {
            Ok(reading) => reading,
            Err(fault) => return Err((self.judged(fault), meter)),
        };
        let mut writer = inbound.event_writer(self.stamp());
        let mut out = bytes::BytesMut::new();
        for event in switchboard_wire::assemble::events_of(&reading) {
            meter.see(&event);
            writer.write(&event, &mut out);
        }
        meter.note(|record| record.status = 200);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Whole(Some(out.freeze())) })
    }

    /// A success that was none.
    fn judged(&self, fault: Fault) -> Error {
        let fault = scrub::fault(fault, self.target);
        Error { verbatim: None, ..Error::provider(fault, &self.target.provider_name, self.target.spec.guessed) }
    }

    fn stamp(&self) -> Stamp {
        let call = self.attempts.call;
        Stamp {
            id: call.id.clone(),
            created: call.created,
            model: call.model.clone(),
            stream_usage: crate::control::wants_stream_usage(call),
            hide_reasoning: crate::control::hides_reasoning(call),
            flavor: call.door.flavor,
            provider: Some(self.target.provider_name.clone()),
            json_array: call.door.array,
        }
    }
}

/// Reads a provider's error answer.
pub(crate) async fn fault(target: &Deployment, spoken: Dialect, client: Dialect, reply: UpstreamReply) -> Error {
    let (status, headers) = (reply.status, reply.headers);
    let body = match reply.body.collect().await {
        Ok(body) => body,
        Err(error) => return Error::dial(error),
    };
    let Some(outbound) = spoken.outbound() else { return Error::internal("a dialect has no such half") };
    let fault = scrub::fault(outbound.read_fault(status, &headers, &body), target);
    let hint = crate::retry_after::hint(&headers, &fault.raw);
    let mut error = Error::provider(fault, &target.provider_name, target.spec.guessed);
    error.problem.retry_after = hint;
    if spoken != client {
        error.verbatim = None;
    }
    error
}

fn is_unstreamed(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/json") || kind.starts_with("text/html")
}

pub(crate) fn cost_header(headers: &mut HeaderMap, meter: &Meter) {
    if let Some(cost) = meter.cost() {
        add(headers, "x-litellm-response-cost", &cost.to_string());
    }
}
