//! The gateway: what is known to all workers, and the journey of one call.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::admit::{Admission, Micros, NanoUsd};
use crate::answer::Answer;
use crate::asked::Asked;
use crate::attempt::{Attempts, Budget, Settings};
use crate::call::Call;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::meter::{Meter, Outcome, Record, Recorder};
use crate::route::{Fleet, Plan};
pub use crate::worker::Worker;

/// What is known to all workers.
pub struct Gateway {
    fleet: ArcSwap<Fleet>,
    admission: Admission,
    recorder: Arc<dyn Recorder>,
    settings: ArcSwap<Settings>,
    budget: Budget,
}

impl Gateway {
    /// A gateway over that fleet.
    pub fn new(fleet: Fleet, admission: Admission, recorder: Arc<dyn Recorder>, settings: Settings) -> Self {
        let (fleet, settings) = (ArcSwap::from_pointee(fleet), ArcSwap::from_pointee(settings));
        Self { fleet, admission, recorder, settings, budget: Budget::default() }
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

    /// How many calls are in flight.
    pub fn in_flight(&self) -> usize {
        self.admission.in_flight()
    }

    /// Takes one call from its plan to its answer. Whatever happens is recorded, once.
    pub async fn call(&self, call: &Call, worker: &Worker) -> Result<Answer, Error> {
        let mut meter = self.meter(call);
        let mut failed = |error| {
            meter.fail(&error, &call.door);
            error
        };
        let mut plan = self.plan(call).await.map_err(&mut failed)?;
        let permit = self.admission.admit().map_err(&mut failed)?;
        meter.hold(Some(permit), self.admission.tab(call));
        meter.bind(std::mem::take(&mut plan.bonds));
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
        crate::own::arrange(&mut plan, call);
        Ok(plan)
    }

    /// The same, with the expected cost of every target.
    pub async fn explain(&self, call: &Call) -> Result<Plan, Error> {
        let mut plan = self.plan(call).await?;
        plan.estimate(call);
        Ok(plan)
    }

    /// Takes one call to that deployment and no other.
    pub async fn call_one(&self, call: &Call, worker: &Worker, target: Arc<Deployment>) -> Result<Answer, Error> {
        let plan = Plan::only(target);
        let (asked, settings) = (Asked { retries: Some(0), ..Asked::of(call) }, self.settings.load_full());
        let mut meter = self.meter(call);
        meter.hold(None, self.admission.tab(call));
        self.attempts((call, &asked), worker, &settings).run(&plan, meter).await
    }

    fn attempts<'a>(&'a self, (call, asked): (&'a Call, &'a Asked), worker: &'a Worker, settings: &'a Settings) -> Attempts<'a> {
        Attempts { call, asked, worker, fleet: &self.fleet, settings, budget: &self.budget, in_flight: self.admission.in_flight() }
    }

    fn meter(&self, call: &Call) -> Meter {
        let record = Record {
            id: call.id.clone(),
            key: call.principal.key.clone(),
            principal: call.principal.clone(),
            started: self.admission.book().now() - Micros::try_from(call.received.elapsed().as_micros()).unwrap_or(0),
            session: session(call),
            operation: call.door.operation,
            dialect: call.door.dialect,
            model: call.model.clone(),
            deployment: None,
            spoken: None,
            stream: call.stream,
            outcome: Outcome::Cancelled,
            status: 499,
            usage: None,
            finish: None,
            cost: None,
            charged: NanoUsd::ZERO,
            estimated: false,
            attempts: 0,
            tried: Vec::new(),
            losses: 0,
            error: None,
            duration: Duration::ZERO,
            first_content: None,
            overhead: None,
        };
        Meter::new(record, call.received, self.recorder.clone())
    }
}

/// The session a caller counts its call to.
fn session(call: &Call) -> Option<String> {
    let named = ["x-litellm-session-id", "x-session-id", "x-litellm-trace-id"].into_iter().find_map(|name| call.headers.get(name));
    named.and_then(|value| value.to_str().ok()).map(str::to_owned)
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Gateway").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
