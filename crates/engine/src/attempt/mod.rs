//! The one loop: try targets until there is an answer or nothing more can help.
//!
//! A call goes through its group's targets in the plan's order, then through its fallbacks. What follows a failure depends on what it
//! was ([`step`]); whether there may be another attempt at all on how many there were and on the retry budget ([`budget`]). What was
//! learnt of the target is told to its health ([`rest`]).
//!
//! | file | what |
//! |---|---|
//! | [`fall_back`] | the groups to go to when one has failed |
//! | [`journey`] | how far one call has come, and where it goes next |
//! | [`depth`] | how deep in the orders of its group it is, and at whose account it began |
//! | [`failures`] | why others answered, for callers who want to know |
//! | [`step`] | what a failure means for what follows |
//! | [`backoff`], [`budget`] | the pause before a retry, and how many there may be |
//! | [`resume`] | another target for the rest of a text |
//! | [`race`] | a second target beside one that is slow |
//! | [`mock`] | answers and failures that a caller wants made up |
//! | [`rest`] | which deployments, credentials and limits rest after a failure |

mod backoff;
pub mod budget;
mod depth;
mod failures;
pub(crate) mod fall_back;
mod journey;
mod mock;
mod race;
mod rest;
mod resume;
mod step;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::{HeaderName, HeaderValue};
use switchboard_wire::loss::{Losses, Why};
use switchboard_wire::media::Taker;
use switchboard_wire::prepare::{Prepared, Source};
use switchboard_wire::problem::Kind;
use switchboard_wire::{Dialect, Operation};
use tokio::time::Instant;

use crate::settings::{Hedging, Settings};
pub use budget::Budget;

use crate::admit::{Admission, Tab};
use crate::answer::{Answer, StreamBody};
use crate::asked::Asked;
use crate::call::{CALL_ID, Call};
use crate::clock;
use crate::deployment::{Deployment, JSON, Reach};
use crate::dispatch::{Dispatch, add};
use crate::error::Error;
use crate::exchange::{Exchange, Made};
use crate::health::Failure;
use crate::media::Brought;
use crate::meter::Meter;
use crate::openrouter::Account;
use crate::operation;
use crate::own;
use crate::patience;
use crate::plugins::{compression, untaken};
use crate::queue::Place;
use crate::repair;
use crate::route::{Fleet, Plan, Target};
use crate::worded;
use crate::worker::Worker;

use journey::{Journey, Manner, Turn};

const GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
const MOST_RETRIES: HeaderName = HeaderName::from_static("x-litellm-max-retries");
const FAILURES: HeaderName = HeaderName::from_static("x-litellm-fallback-errors");
const FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");

/// One call on its way through its plan.
pub struct Attempts<'a> {
    /// The call.
    pub call: &'a Call,
    /// What its caller asks of the way it is tried.
    pub asked: &'a Asked,
    /// The worker it runs on.
    pub worker: &'a Worker,
    /// Where the plans of fallbacks come from.
    pub fleet: &'a ArcSwap<Fleet>,
    /// How the operator wants it to be tried.
    pub settings: &'a Settings,
    /// What admits them.
    pub admission: &'a Admission,
    /// The retries in flight.
    pub budget: &'a Budget,
    /// The calls in flight.
    pub in_flight: usize,
    /// The media that were brought for it.
    pub brought: Brought,
    /// Its place in the line, where it waits for its turn.
    pub(crate) place: Option<&'a Place<'a>>,
}

impl<'a> Attempts<'a> {
    /// The same for a call whose turn it is.
    #[must_use]
    pub(crate) fn in_line(self, place: &'a Place<'a>) -> Self {
        Self { place: Some(place), ..self }
    }

    /// Tries the plan's targets, in order, then those of its fallbacks.
    pub async fn run(&self, plan: &Plan, meter: Meter) -> Result<Answer, Error> {
        self.go(plan, meter).await.map_err(|(error, mut meter)| {
            meter.fail(&error, &self.call.door);
            error
        })
    }

    /// The same; the meter of a call that has failed comes back.
    pub(crate) async fn go(&self, plan: &Plan, meter: Meter) -> Result<Answer, (Error, Meter)> {
        let reconsidered;
        let plan = match plan.reconsidered() {
            Some(plan) => {
                reconsidered = plan;
                &reconsidered
            }
            None => plan,
        };
        let mut journey = Journey::new(self, plan);
        let made = match &self.asked.mock {
            None => self.group(plan, &mut journey, meter).await,
            Some(mock) => {
                let made = Box::pin(mock::make(self, plan, (mock, &mut journey), meter)).await;
                made.map(|answer| answer.for_openrouter(None, self.call, None))
            }
        };
        let meter = match made {
            Ok(answer) => return Ok(answer),
            Err(meter) => meter,
        };
        // Few calls come here: the first group's future stays small.
        let (mut error, meter) = match Box::pin(self.fall_back(plan, journey, meter)).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        // What is our own fault is told to nobody.
        if error.problem.kind != Kind::Internal {
            let account = Account::of(self.call, plan, false, &meter);
            error.problem.account = account.map(Account::failed);
        }
        Err((error, meter))
    }

    /// Gives a stream that broke off another target's rest, where one has it.
    pub(crate) async fn go_on(&self, plan: &Plan, stream: &mut StreamBody) {
        resume::go_on(self, plan, stream).await;
    }

    /// Tries the targets of one group. The meter comes back where that led to nothing.
    async fn group(&self, plan: &Plan, journey: &mut Journey, mut meter: Meter) -> Result<Answer, Meter> {
        while let Some(Turn { at, pause, ticket, retrying }) = journey.next(self, plan) {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let target = &plan.targets[at];
            meter.note(|record| (record.retries, record.fallbacks) = journey.counts());
            meter.bring(target.own.as_deref().map(|_| self.call.principal.own_keys_count()));
            if let Err(error) = meter.enter(self.call, &target.deployment, ticket).await {
                if error.refusal.as_ref().is_some_and(|refusal| refusal.is_of_target()) {
                    journey.unsent();
                }
                journey.failed(self, plan, at, error);
                continue;
            }
            if let Some(place) = self.place {
                place.admitted();
            }
            let rates = meter.tab().map(Tab::headers).unwrap_or_default();
            let manner = journey.manner(self, plan, target);
            let account = Account::of(self.call, plan, manner.other_model && !plan.picked && !plan.mixed, &meter);
            let made = match race::after(self, plan, target) {
                None => race::placed(at, self.once(target, manner, meter).await),
                Some(after) => Box::pin(race::run(self, plan, journey, (at, after), meter)).await,
            };
            drop(retrying);
            match made {
                Ok((found, (mut answer, whole))) => {
                    let target = found.beyond.as_deref().unwrap_or(&plan.targets[found.at]);
                    let account = account.map(|account| account.answered(plan, target));
                    answer = answer.for_openrouter(account, self.call, whole.as_ref());
                    for (name, value) in rates {
                        answer.headers.insert(name, value);
                    }
                    self.sign(&mut answer, &target.deployment, journey);
                    drop(whole);
                    return Ok(answer);
                }
                Err((failure, returned)) => {
                    meter = returned;
                    if let Some(failure) = failure {
                        self.failed(plan, journey, failure, &mut meter);
                    }
                }
            }
        }
        journey.leave(plan);
        Err(meter)
    }

    /// Draws the consequences of an attempt that failed.
    fn failed(&self, plan: &Plan, journey: &mut Journey, (at, error): (usize, Error), meter: &mut Meter) {
        let error = self.judged(&plan.targets[at], error);
        self.settle(&plan.targets[at], &error, journey.is_alone(plan), meter);
        journey.failed(self, plan, at, error);
    }

    /// The failure of a target; of one that its caller gave too little time nothing is known.
    fn judged(&self, target: &Target, error: Error) -> Error {
        let own = target.overrides.as_deref().and_then(|overrides| overrides.timeout);
        let is_hurried = || patience::is_hurried(self.worker.timeouts, self.call, self.asked, &target.deployment, own);
        if error.failure == Failure::Timeout && is_hurried() { error.of(Failure::Hurried) } else { error }
    }

    /// Tells the target's health of an attempt that failed.
    fn settle(&self, target: &Target, error: &Error, alone: bool, meter: &mut Meter) {
        let deployment = &target.deployment;
        if meter.end(error) {
            tracing::warn!(deployment = %deployment.spec.id, failure = error.failure.as_str(), "shut out after failures");
        }
        // What is wrong with a key of the caller's is not the deployment's fault.
        if target.own.is_none() || !own::is_of_key(error.failure) {
            rest::after(error, deployment, self.settings, alone, clock::now());
        }
    }

    /// What is sent to a target.
    fn dispatch<'b>(&'b self, call: &'b Call, target: &'b Target, manner: Manner) -> Dispatch<'b> {
        Dispatch {
            call,
            worker: self.worker,
            asked: self.asked,
            settings: self.settings,
            overrides: target.overrides.as_deref(),
            own: target.own.as_deref(),
            other_model: manner.other_model,
            estranged: manner.estranged,
        }
    }

    /// One request to one target.
    async fn once(&self, target: &Target, manner: Manner, meter: Meter) -> Result<Made, (Error, Meter)> {
        let shorter = match compression::is_wanted(self.call) {
            true => Box::pin(compression::fitted(self.call, &target.deployment)).await,
            false => None,
        };
        let dispatch = self.dispatch(shorter.as_ref().unwrap_or(self.call), target, manner);
        let target = &target.deployment;
        if let Some(text) = target.spec.mock.as_deref().filter(|_| self.call.door.operation == Operation::Chat) {
            return mock::instead(self.call, text, meter);
        }
        if target.spec.mock_timeout {
            let timeouts = dispatch.timeouts(target);
            return Box::pin(mock::never(self.call, (timeouts.total.unwrap_or(timeouts.first_byte), meter))).await;
        }
        if self.call.door.operation != Operation::Chat {
            return Box::pin(operation::run(dispatch, target, (&self.brought, self.left()), meter)).await;
        }
        let (spoken, reach) = match dispatch.choose(target) {
            Ok(chosen) => chosen,
            Err(error) => return Err((error, meter)),
        };
        let cap = meter.tab().and_then(Tab::cap);
        let prepared = match dispatch.prepare(target, (spoken, reach), cap) {
            Ok(prepared) if !target.bytes_only.contains(&spoken) => prepared,
            // What the target cannot look up itself may be brought to it; few calls come here.
            tried => match Box::pin(self.prepare_with_media((&dispatch, target), (spoken, reach), cap, tried)).await {
                Ok(prepared) => prepared,
                Err(error) => return Err((error, meter)),
            },
        };
        let manner = (manner, true);
        let made = match self.sent((&dispatch, target), (spoken, reach), manner, (prepared, meter)).await {
            Err((error, meter)) if repair::refuses_thoughts(self.call, &error) => {
                let again = self.without_thoughts((&dispatch, target), (spoken, reach), (cap, manner.0), (error, meter));
                Box::pin(again).await
            }
            made => made,
        };
        made.map(|((mut answer, whole), mut losses)| {
            untaken::tell(self.call, target, &mut losses);
            if shorter.is_some() {
                losses.add(compression::MESSAGES, Why::Clamped);
            }
            if let Some(cap) = cap {
                add(&mut answer.headers, "x-switchboard-max-tokens", &cap.to_string());
            }
            if !losses.is_empty() {
                add(&mut answer.headers, "x-switchboard-dropped", &losses.to_string());
            }
            (answer, whole)
        })
    }

    /// Sends what is prepared and makes the answer. `first`: it is the first request of its attempt.
    async fn sent(
        &self,
        (dispatch, target): (&Dispatch<'_>, &Arc<Deployment>),
        (spoken, reach): (Dialect, &Reach),
        (manner, first): (Manner, bool),
        (prepared, mut meter): (Prepared, Meter),
    ) -> Result<(Made, Losses), (Error, Meter)> {
        let Prepared { body, headers, losses, memo } = prepared;
        meter.note(|record| {
            record.spoken = Some(spoken);
            record.losses = losses.list().len();
        });
        let due = Instant::now() + dispatch.timeouts(target).first_byte;
        let reply = match dispatch.send(target, reach, (body, headers, JSON), Some(&mut meter).filter(|_| first)).await {
            Ok(reply) => reply,
            Err(error) if error.failure == Failure::Timeout => {
                let waited = dispatch.timeouts(target);
                return Err((error.after(waited.total.unwrap_or(waited.first_byte)), meter));
            }
            Err(error) => return Err((error, meter)),
        };
        let exchange = Exchange {
            dispatch: *dispatch,
            target,
            spoken,
            memo,
            due,
            accept_empty: manner.accept_empty,
            filters_fail: manner.filters_fail,
        };
        exchange.answer(reply, meter).await.map(|made| (made, losses))
    }

    /// The request once more for a target that refused it because of thoughts in its history, without them. A refusal costs nothing, so
    /// it is the same attempt.
    async fn without_thoughts(
        &self,
        (dispatch, target): (&Dispatch<'_>, &Arc<Deployment>),
        (spoken, reach): (Dialect, &Reach),
        (cap, manner): (Option<u64>, Manner),
        (refusal, meter): (Error, Meter),
    ) -> Result<(Made, Losses), (Error, Meter)> {
        let Ok(worded) = worded::of(dispatch.call, spoken, reach) else { return Err((refusal, meter)) };
        let call = worded.as_ref().unwrap_or(dispatch.call);
        let Ok(Some(request)) = repair::without_thoughts(call) else { return Err((refusal, meter)) };
        let Ok(mut prepared) = Dispatch { call, ..*dispatch }.prepare_from(target, (spoken, reach), cap, &Source::Rewritten(&request))
        else {
            return Err((refusal, meter));
        };
        prepared.losses.dropped("messages.thinking");
        prepared.losses.dropped("thinking");
        self.sent((dispatch, target), (spoken, reach), (manner, false), (prepared, meter)).await
    }

    /// The request with the media that the target takes only as bytes; as it was tried where there are none.
    async fn prepare_with_media(
        &self,
        (dispatch, target): (&Dispatch<'_>, &Deployment),
        (spoken, reach): (Dialect, &Reach),
        cap: Option<u64>,
        tried: Result<Prepared, Error>,
    ) -> Result<Prepared, Error> {
        let (Some(media), Some(outbound)) = (&self.settings.media, spoken.outbound()) else { return tried };
        if tried.as_ref().is_err_and(|error| error.failure != Failure::Unsupported) {
            return tried;
        }
        let taker = Taker { outbound, only_bytes: target.bytes_only.contains(&spoken) };
        let worded = worded::of(dispatch.call, spoken, reach)?;
        let dispatch = Dispatch { call: worded.as_ref().unwrap_or(dispatch.call), ..*dispatch };
        match media.bring(dispatch.call, self.worker, taker, (&self.brought, self.left())).await? {
            Some(request) => dispatch.prepare_from(target, (spoken, reach), cap, &Source::Rewritten(&request)),
            None => tried,
        }
    }

    /// The headers that say where an answer came from.
    fn sign(&self, answer: &mut Answer, target: &Arc<Deployment>, journey: &Journey) {
        let headers = &mut answer.headers;
        headers.reserve(target.marks.len() + 3);
        for (name, value) in &target.marks {
            headers.insert(name.clone(), value.clone());
        }
        // Who asked by an alias is not told what is behind it.
        if self.fleet.load().is_alias(&self.call.model, &target.spec.group)
            && let Ok(alias) = HeaderValue::from_str(&self.call.model)
        {
            headers.insert(GROUP, alias);
        }
        if let Ok(id) = HeaderValue::from_str(self.call.told_id()) {
            headers.insert(CALL_ID, id);
        }
        let (retries, fallbacks) = journey.counts();
        headers.insert(RETRIES, count(retries));
        if retries > 0 {
            headers.insert(MOST_RETRIES, count(journey.most_retries()));
        }
        headers.insert(FALLBACKS, count(fallbacks));
        if let Some(failures) = journey.failures.header().filter(|_| self.settings.tells_failures) {
            headers.insert(FAILURES, failures);
        }
    }

    /// How long the caller is still there, as far as it has said.
    fn left(&self) -> Option<Duration> {
        self.asked.patience.map(|patience| patience.saturating_sub(self.call.received.elapsed()))
    }
}

/// A small number as a header.
fn count(number: u32) -> HeaderValue {
    if number == 0 { HeaderValue::from_static("0") } else { HeaderValue::from(number) }
}
