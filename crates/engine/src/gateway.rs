//! The gateway: what is known to all workers, and the journey of one call.

mod untold;
mod wait;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::HeaderName;

use self::wait::Waiter;
use crate::admit::Admission;
use crate::answer::{Answer, StreamBody};
use crate::asked::{Asked, Mock};
use crate::attempt::fall_back::{self, Class};
use crate::attempt::{Attempts, Budget};
use crate::board::Board;
use crate::call::Call;
use crate::call::conversation::session_said;
use crate::clock::Micros;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::experiment::shadow::Tap;
use crate::experiment::{Mirror, Trial};
use crate::hops;
use crate::media::Brought;
use crate::meter::{Client, Decision, Meter, Outcome, Record, Recorder, Served};
use crate::queue::Queue;
use crate::reflection;
use crate::route::hooks::Question;
use crate::route::{Fleet, Plan};
use crate::settings::Settings;
use crate::shelf::{Archive, Shelf};
use crate::terms::NanoUsd;
pub use crate::worker::Worker;
pub use untold::Untold;

/// What is known to all workers.
pub struct Gateway {
    fleet: ArcSwap<Fleet>,
    admission: Admission,
    recorder: Arc<dyn Recorder>,
    settings: ArcSwap<Settings>,
    budget: Budget,
    mirror: OnceLock<Arc<dyn Mirror>>,
    board: Board,
    shelf: Shelf,
    archive: Option<Arc<dyn Archive>>,
}

impl Gateway {
    /// A gateway over that fleet.
    pub fn new(fleet: Fleet, admission: Admission, recorder: Arc<dyn Recorder>, settings: Settings) -> Self {
        let (fleet, settings) = (ArcSwap::from_pointee(fleet), ArcSwap::from_pointee(settings));
        let (budget, board, shelf) = (Budget::default(), Board::default(), Shelf::default());
        Self { fleet, admission, recorder, settings, budget, board, shelf, archive: None, mirror: OnceLock::new() }
    }

    /// With a place where answers are kept for those who ask again.
    #[must_use]
    pub fn with_archive(self, archive: Option<Arc<dyn Archive>>) -> Self {
        Self { archive, ..self }
    }

    /// Replaces how calls are tried; calls under way keep theirs.
    pub fn configure(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// The deployments there are now.
    pub fn fleet(&self) -> Arc<Fleet> {
        self.fleet.load_full()
    }

    /// What admits calls.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Replaces the deployments; calls under way keep theirs.
    pub fn replace(&self, mut fleet: Fleet) {
        fleet.inherit(&self.fleet.load());
        self.fleet.store(Arc::new(fleet));
    }

    /// Copies of requests go there from now on. The first one that is said stays.
    pub fn reflect_to(&self, mirror: Arc<dyn Mirror>) {
        let _ = self.mirror.set(mirror);
    }

    /// How calls are tried now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The calls that may be joined.
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// The answers that are kept here.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Where else answers are kept.
    pub(crate) fn archive(&self) -> Option<&Arc<dyn Archive>> {
        self.archive.as_ref()
    }

    /// Watches a call that gets the answer of one under way. It is admitted like any other.
    pub(crate) async fn follower(&self, call: &Call) -> Result<Meter, Error> {
        let mut meter = self.meter(call);
        meter.note(|record| record.served = Served::Shared);
        let mut tab = self.admission.tab(call, &self.fleet());
        let admitted = match self.admission.admit() {
            Ok(permit) => tab.join().await.map(|()| permit),
            Err(error) => Err(error),
        };
        match admitted {
            Ok(permit) => meter.hold(Some(permit), tab),
            Err(error) => {
                meter.fail(&error, &call.door);
                return Err(error);
            }
        }
        Ok(meter)
    }

    /// Watches a call that gets an answer that was kept.
    pub(crate) fn repeated(&self, call: &Call) -> Meter {
        let mut meter = self.meter(call);
        meter.note(|record| record.served = Served::Repeated);
        meter
    }

    /// How many calls are in flight.
    pub fn in_flight(&self) -> usize {
        self.admission.in_flight()
    }

    /// Takes one call from its plan to its answer. Whatever happens is recorded, once.
    pub async fn call(&self, call: &Call, worker: &Worker) -> Result<Answer, Error> {
        self.call_untold(call, worker).await.map_err(|untold| untold.told(&call.door))
    }

    /// The same, but that it failed is recorded when that is told.
    pub async fn call_untold(&self, call: &Call, worker: &Worker) -> Result<Answer, Untold> {
        self.tried(call, worker, self.meter(call)).await
    }

    /// The same, where the client may have a status before there is an answer.
    pub(crate) async fn call_shown(&self, call: &Call, worker: &Worker, shown: Arc<AtomicBool>) -> Result<Answer, Error> {
        let mut meter = self.meter(call);
        meter.shown(shown);
        self.tried(call, worker, meter).await.map_err(|untold| untold.told(&call.door))
    }

    /// Gives a stream that broke off another provider's rest, where one has it.
    pub(crate) async fn go_on(&self, call: &Call, worker: &Worker, stream: &mut StreamBody) {
        let Ok(plan) = self.plan(call).await else { return };
        let (asked, settings) = (Asked::of(call), self.settings.load_full());
        self.attempts((call, &asked), worker, &settings).go_on(&plan, stream).await;
    }

    async fn tried(&self, call: &Call, worker: &Worker, mut meter: Meter) -> Result<Answer, Untold> {
        if let Err(error) = hops::check(&call.headers) {
            return Err(Untold::new(error, meter));
        }
        crate::failpoint::hit("planning");
        let question = self.fleet.load().question(call);
        if let Some(question) = question {
            // Few calls ask anything before they are planned: the others' future stays small.
            Box::pin(self.inquire(question, worker)).await;
        }
        let (asked, settings) = (Asked::of(call), self.settings.load_full());
        let waiter = Waiter::of(self, (call, &asked), worker, &settings);
        if let Some(field) = asked.mock.as_deref().and_then(Mock::failing).filter(|_| settings.refuses_mocks) {
            return Err(Untold::new(Error::mock_refused(field), meter));
        }
        let planned = self.plan(call).await.and_then(|plan| self.admit(call, &mut meter).map(|()| plan));
        let mut plan = match (planned, waiter) {
            (Err(error), Some(waiter)) if waiter.waits_for(&error) => return Ok(Box::pin(waiter.run(meter, Some(error))).await?),
            (Ok(_), Some(waiter)) if waiter.is_late() => return Ok(Box::pin(waiter.run(meter, None)).await?),
            (Ok(plan), _) => plan,
            (Err(error), _) => return Err(Untold::new(error, meter)),
        };
        let tap = self.ready(call, &mut plan, &mut meter);
        let (error, meter) = match self.attempts((call, &asked), worker, &settings).go(&plan, meter).await {
            Ok(answer) => {
                return Ok(match tap {
                    None => answer,
                    Some(tap) => answer.tapped(tap),
                });
            }
            Err(failed) => failed,
        };
        match waiter {
            Some(waiter) if waiter.waits_for(&error) => Ok(Box::pin(waiter.run(meter, Some(error))).await?),
            _ => Err(Untold::new(error, meter)),
        }
    }

    /// The calls that wait for their turn.
    pub fn queue(&self) -> &Queue {
        self.admission.book().queue()
    }

    /// Gives a call a place among those in flight, and an account.
    pub(crate) fn admit(&self, call: &Call, meter: &mut Meter) -> Result<(), Error> {
        let permit = self.admission.admit()?;
        meter.hold(Some(permit), self.admission.tab(call, &self.fleet()));
        Ok(())
    }

    /// Notes how a call is planned, just before it is tried; gives where copies of it go.
    pub(crate) fn ready(&self, call: &Call, plan: &mut Plan, meter: &mut Meter) -> Option<Box<Tap>> {
        meter.bind(std::mem::take(&mut plan.bonds));
        if let Some(advice) = &plan.advice {
            meter.note(|record| record.decision = Some(Decision::of(advice, plan)));
        }
        self.mirror.get().and_then(|mirror| reflection::copies(call, plan, &**mirror))
    }

    /// Asks a model what a call is. Whatever comes of it, the call goes on.
    async fn inquire(&self, question: Question, worker: &Worker) {
        let Question { errand, patience, answer } = question;
        let asked = async { reflection::whole(self.errand(&errand, worker, None).await.ok()?).await };
        answer(tokio::time::timeout(patience, asked).await.ok().flatten());
    }

    /// Takes a call of the gateway's own to its answer. It asks nothing beforehand and has no copies.
    pub async fn errand(&self, call: &Call, worker: &Worker, trial: Option<Trial>) -> Result<Answer, Error> {
        let mut meter = self.meter(call);
        let mut failed = |error| {
            meter.fail(&error, &call.door);
            error
        };
        let plan = self.plan(call).await.map_err(&mut failed)?;
        meter.hold(None, self.admission.tab(call, &self.fleet()));
        meter.note(|record| record.decision = trial.map(|trial| Decision::of_trial(trial, &plan)));
        let (asked, settings) = (Asked::of(call), self.settings.load_full());
        self.attempts((call, &asked), worker, &settings).run(&plan, meter).await
    }

    /// What to try for that call, in order; nothing is sent anywhere.
    pub async fn plan(&self, call: &Call) -> Result<Plan, Error> {
        let mut plan = self.fleet.load().plan(call)?;
        if plan.uncounted {
            let counted = Box::pin(crate::operation::tokens(call)).await;
            plan = self.fleet.load().plan_counted(call, counted)?;
        }
        plan.bring(call);
        Ok(plan)
    }

    /// Waits until it is known that prompts will be counted: they are held against the lengths that models read, or against somebody's
    /// budgets and limits.
    pub async fn will_count(&self) {
        let fleet = self.fleet();
        let checks = fleet.settings().pre_call_checks && fleet.deployments().any(|one| one.facts.max_input.is_some());
        if !checks {
            self.admission.book().will_count().await;
        }
    }

    /// The same, with the expected cost of every target.
    pub async fn explain(&self, call: &Call) -> Result<Plan, Error> {
        let mut plan = self.plan(call).await?;
        plan.estimate(call);
        Ok(plan)
    }

    /// Where that call would go when its group has failed, as it would be planned now: upon which failures, to which model, and how.
    pub async fn explain_fallbacks(&self, call: &Call, plan: &Plan) -> Vec<(&'static str, String, Plan)> {
        let asked = Asked::of(call);
        let general = fall_back::chain((call, &asked), plan, Class::Other);
        let mut found = Vec::new();
        for (kind, class) in [("context_window", Class::ContextWindow), ("content_policy", Class::ContentPolicy), ("general", Class::Other)]
        {
            let mut chain = fall_back::chain((call, &asked), plan, class);
            if class != Class::Other {
                chain.truncate(chain.len() - general.len());
            }
            for fallback in chain {
                let Some(mut next) = fall_back::planned(&self.fleet, call, &fallback).await else { continue };
                next.estimate(call);
                found.push((kind, fallback.model, next));
            }
        }
        found
    }

    /// Takes one call to that deployment and no other.
    pub async fn call_one(&self, call: &Call, worker: &Worker, target: Arc<Deployment>) -> Result<Answer, Error> {
        let plan = Plan::only(target);
        let (asked, settings) = (Asked { retries: Some(0), ..Asked::of(call) }, self.settings.load_full());
        let mut meter = self.meter(call);
        meter.hold(None, self.admission.tab(call, &self.fleet()));
        self.attempts((call, &asked), worker, &settings).run(&plan, meter).await
    }

    pub(crate) fn attempts<'a>(&'a self, (call, asked): (&'a Call, &'a Asked), worker: &'a Worker, settings: &'a Settings) -> Attempts<'a> {
        let (fleet, budget, admission) = (&self.fleet, &self.budget, &self.admission);
        let (in_flight, brought) = (admission.in_flight(), Brought::default());
        Attempts { call, asked, worker, fleet, settings, admission, budget, in_flight, brought, place: None }
    }

    pub(crate) fn meter(&self, call: &Call) -> Meter {
        let record = Record {
            id: call.id.clone(),
            named: call.named_id().map(Into::into),
            key: call.principal.key.clone(),
            principal: call.principal.clone(),
            started: self.admission.book().now() - Micros::try_from(call.received.elapsed().as_micros()).unwrap_or(0),
            answer_id: None,
            session: session(call),
            kept: kept(call),
            operation: call.door.operation,
            dialect: call.door.dialect,
            model: call.model.clone(),
            deployment: None,
            spoken: None,
            stream: call.stream,
            outcome: Outcome::Cancelled,
            status: 499,
            usage: None,
            guess: None,
            finish: None,
            native_finish: None,
            cost: None,
            bill: None,
            service: None,
            client: Client::of(&call.headers),
            charged: NanoUsd::ZERO,
            estimated: false,
            attempts: 0,
            retries: 0,
            fallbacks: 0,
            stand_in: None,
            tried: Vec::new(),
            losses: 0,
            error: None,
            told: None,
            duration: Duration::ZERO,
            first_content: None,
            overhead: None,
            decision: None,
            continued: 0,
            served: Served::Asked,
        };
        Meter::new(record, call.received, self.recorder.clone())
    }
}

const SESSIONS: [HeaderName; 3] = [
    HeaderName::from_static("x-litellm-session-id"),
    HeaderName::from_static("x-session-id"),
    HeaderName::from_static("x-litellm-trace-id"),
];

/// The session a caller counts its call to.
fn session(call: &Call) -> Option<String> {
    let header = SESSIONS.iter().find_map(|name| call.headers.get(name)).and_then(|value| value.to_str().ok()).map(str::to_owned);
    header.or_else(|| session_said(call))
}

/// What LiteLLM's clients have written into the line of their call.
const KEPT: &str = "spend_logs_metadata";
const KEPT_HEADER: HeaderName = HeaderName::from_static("x-litellm-spend-logs-metadata");
/// More is not kept.
const LONGEST_KEPT: usize = 4096;

/// What a caller wants kept with its line, of a header, `metadata` or `litellm_metadata`, over what its key and team want.
fn kept(call: &Call) -> Option<Box<str>> {
    let header = call.headers.get(KEPT_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = header.or_else(|| call.beside(KEPT).map(|kept| kept.to_string())).filter(|text| text.len() <= LONGEST_KEPT);
    let read = |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).ok();
    let said = text.and_then(|text| read(&text).map(|read| (text, read)));
    match (call.principal.kept.as_deref(), said) {
        (None, said) => said.map(|(text, _)| text.into_boxed_str()),
        (Some(always), None) => Some(always.into()),
        (Some(always), Some((_, said))) => {
            let mut all = read(always).unwrap_or_default();
            all.extend(said);
            serde_json::to_string(&all).ok().map(String::into_boxed_str)
        }
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Gateway").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

/// Records nothing, for a gateway whose records nobody reads.
impl Recorder for () {
    fn record(&self, _: Box<Record>) {}
}
