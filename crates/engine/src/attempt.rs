//! The one loop: try targets until there is an answer or nothing more can help.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::frames::Frames;
use switchboard_wire::outline::Edits;
use switchboard_wire::prepare::{self, Prepared, Source};
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::{Dialect, Operation};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::call::{Call, Content};
use crate::deployment::{Deployment, JSON, Reach};
use crate::error::{Error, Origin, Retry};
use crate::exchange::Exchange;
use crate::gateway::{Gateway, Worker};
use crate::meter::Meter;
use crate::operation;
use crate::route::{Plan, Target};
use crate::upstream::{Caps, Timeouts, UpstreamReply, UpstreamRequest};

/// The most requests to providers for one call.
const MOST_ATTEMPTS: u32 = 4;
/// The most requests to one target beside the first.
const MOST_RETRIES: u32 = 2;
/// The longest pause before the same target is asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a stream may take to its first content.
const QUICK: Duration = Duration::from_secs(60);
/// The same for models that think first, or of which nothing is known.
const THOUGHTFUL: Duration = Duration::from_secs(300);

const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
const FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");

/// One call on its way through its plan.
pub struct Attempts<'a> {
    /// The call.
    pub call: &'a Call,
    /// The worker it runs on.
    pub worker: &'a Worker,
    /// Where the plans of fallbacks come from.
    pub gateway: &'a Gateway,
    /// How many retries one target is worth.
    pub retries: u32,
}

impl Attempts<'_> {
    /// Tries the plan's targets, in order, then those of its fallbacks.
    pub async fn run(&self, plan: &Plan, mut meter: Meter) -> Result<Answer, Error> {
        let mut last = None;
        let mut journey = Journey::default();
        let mut next = plan.fallbacks.general.iter().take(plan.fallbacks.max);
        meter = match self.group(&plan.targets, next.len() == 0, &mut journey, &mut last, meter).await {
            Ok(answer) => return Ok(answer),
            Err(Some(meter)) => meter,
            Err(None) => return Err(last.unwrap_or_else(|| self.nothing())),
        };
        if plan.targets.is_empty() && last.is_none() {
            last = Some(plan.refusal(self.call, std::time::Instant::now()));
        }
        while let Some(fallback) = next.next() {
            let Ok(plan) = self.gateway.fleet().plan_fallback(self.call, fallback) else { continue };
            meter = match Box::pin(self.group(&plan.targets, next.len() == 0, &mut journey, &mut last, meter)).await {
                Ok(answer) => return Ok(answer),
                Err(Some(meter)) => meter,
                Err(None) => return Err(last.unwrap_or_else(|| self.nothing())),
            };
        }
        Err(self.give_up(last, meter))
    }

    /// Tries targets in order. A meter comes back where others may still help; where not, it has been told.
    async fn group(
        &self,
        targets: &[Target],
        is_last_group: bool,
        journey: &mut Journey,
        last: &mut Option<Error>,
        mut meter: Meter,
    ) -> Result<Answer, Option<Meter>> {
        for (at, target) in targets.iter().enumerate() {
            let target = &target.deployment;
            journey.enter(&target.spec.group);
            let is_last = is_last_group && at + 1 == targets.len();
            let mut again = self.retries.min(if is_last { MOST_RETRIES } else { 1 });
            loop {
                if meter.attempts() >= MOST_ATTEMPTS {
                    return Err(self.stop(last, meter));
                }
                meter.begin(target);
                let error = match self.once(target, meter).await {
                    Ok(mut answer) => {
                        self.sign(&mut answer, target, journey);
                        return Ok(answer);
                    }
                    Err((error, returned)) => {
                        meter = returned;
                        error
                    }
                };
                let retry = error.retry;
                // What a provider said tells more than that another cannot be asked.
                if last.is_none() || error.origin == Origin::Provider {
                    *last = Some(error);
                }
                match retry {
                    Retry::Never => return Err(self.stop(last, meter)),
                    Retry::Same { after } if again > 0 => {
                        again -= 1;
                        journey.retries += 1;
                        tokio::time::sleep(after.unwrap_or_else(pause)).await;
                    }
                    Retry::Same { .. } | Retry::Next => break,
                }
            }
        }
        Err(Some(meter))
    }

    fn stop(&self, last: &mut Option<Error>, meter: Meter) -> Option<Meter> {
        *last = Some(self.give_up(last.take(), meter));
        None
    }

    fn nothing(&self) -> Error {
        Error::not_served(&self.call.model, self.call.door.operation.as_str())
    }

    fn give_up(&self, last: Option<Error>, mut meter: Meter) -> Error {
        let error = last.unwrap_or_else(|| self.nothing());
        meter.fail(&error, &self.call.door);
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
        let due = Instant::now() + self.timeouts(target).first_byte;
        let reply = match self.send(target, reach, (body, headers, JSON), Some(&mut meter)).await {
            Ok(reply) => reply,
            Err(error) => return Err((error, meter)),
        };
        let exchange = Exchange { attempts: self, target, spoken, memo, due };
        exchange.answer(reply, meter).await.map(|mut answer| {
            if !losses.is_empty() {
                add(&mut answer.headers, "x-switchboard-dropped", &losses.to_string());
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
        let prepared = prepare::prepare(&route, &call.head(), &Source::Bytes(&call.body, outline)).map_err(untaken)?;
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
            && !edits.remove.iter().any(|removed| removed == key)
            && (call.model != reach.model || spoken != call.door.dialect || call.model_in_path)
        {
            edits.set.push((key.to_owned(), serde_json::Value::from(reach.model.as_str()).to_string()));
        }
        let Content::Json(outline) = &call.content else { return };
        if spoken == call.door.dialect {
            let known = outline.entries().iter().filter(|entry| target.is_kept_from(spoken, &entry.key));
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
        if content_type != JSON
            && let Ok(value) = HeaderValue::try_from(content_type)
        {
            headers.insert(CONTENT_TYPE, value);
        }
        crate::control::forward(&self.call.headers, reach.dialect(), &mut headers);
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
                record.attempts += 1;
                record.overhead.get_or_insert(overhead);
            });
        }
        self.worker.upstream.send(request).await.map_err(Error::dial)
    }

    /// A whole answer may take as long as the call may; a stream must soon begin to say something.
    fn timeouts(&self, target: &Deployment) -> Timeouts {
        let mut timeouts = self.worker.timeouts;
        let longest = target.spec.timeout;
        if self.call.stream {
            let patience = if target.thinks() == Some(false) { QUICK } else { THOUGHTFUL };
            let patience = longest.unwrap_or(patience).min(patience).min(timeouts.first_byte);
            timeouts.first_byte = target.spec.stream_timeout.unwrap_or(patience);
        } else if let Some(longest) = longest {
            timeouts.first_byte = longest;
            timeouts.idle = timeouts.idle.max(longest);
            timeouts.total = Some(longest);
        }
        timeouts
    }

    /// The headers that say where an answer came from.
    fn sign(&self, answer: &mut Answer, target: &Deployment, journey: &Journey) {
        let headers = &mut answer.headers;
        headers.reserve(target.marks.len() + 3);
        for (name, value) in &target.marks {
            headers.insert(name.clone(), value.clone());
        }
        if let Ok(id) = HeaderValue::from_str(&self.call.id) {
            headers.insert(CALL_ID, id);
        }
        headers.insert(RETRIES, count(journey.retries));
        headers.insert(FALLBACKS, count(journey.fallbacks));
    }
}

/// A small number as a header.
fn count(number: u32) -> HeaderValue {
    if number == 0 { HeaderValue::from_static("0") } else { HeaderValue::from(number) }
}

/// How far a call has come: other deployments of its group are retries, other groups are fallbacks.
#[derive(Default)]
struct Journey {
    group: Option<String>,
    retries: u32,
    fallbacks: u32,
}

impl Journey {
    fn enter(&mut self, group: &str) {
        match &self.group {
            None => {}
            Some(before) if before == group => self.retries += 1,
            Some(_) => self.fallbacks += 1,
        }
        if self.group.as_deref() != Some(group) {
            self.group = Some(group.to_owned());
        }
    }
}

/// The pause before the same target is asked again: by chance, so that callers who failed together do not come back together.
fn pause() -> Duration {
    PAUSE.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// What one target cannot express another may.
fn untaken(problem: Problem) -> Error {
    let retry = if problem.kind == Kind::Unsupported { Retry::Next } else { Retry::Never };
    Error { retry, ..problem.into() }
}

pub(crate) fn add(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
