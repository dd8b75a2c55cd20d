//! What is written down of requests whose model was chosen for them: which arm of an experiment they had, and what they saved.

use std::collections::BTreeMap;

use serde::Serialize;
use switchboard_engine::experiment::Role;
use switchboard_engine::meter::{Outcome, Record};
use switchboard_engine::terms::NanoUsd;
use switchboard_engine::wire::json::Object;

use crate::error::StoreError;
use crate::line::{Part, Passing, Saving, day};
use crate::money::Money;
use crate::rows::{Cell, Insert};
use crate::scribe::Scribe;

// Squares stop growing before they do not fit; from there on the interval of a mean is too narrow, and the mean still right.
const ARMS: Insert = Insert {
    head: "INSERT INTO experiment_arms (experiment, arm, role, requests, failed, spend, spend_squares, timed, latency, latency_squares)",
    width: 10,
    tail: "ON CONFLICT (experiment, arm, role) DO UPDATE SET requests = experiment_arms.requests + excluded.requests, failed = experiment_arms.failed + excluded.failed, spend = experiment_arms.spend + excluded.spend, spend_squares = CASE WHEN experiment_arms.spend_squares > 4000000000000000000 THEN experiment_arms.spend_squares ELSE experiment_arms.spend_squares + excluded.spend_squares END, timed = experiment_arms.timed + excluded.timed, latency = experiment_arms.latency + excluded.latency, latency_squares = CASE WHEN experiment_arms.latency_squares > 4000000000000000000 THEN experiment_arms.latency_squares ELSE experiment_arms.latency_squares + excluded.latency_squares END",
};
/// No batch adds more to a sum of squares: two of it fit.
const MOST: i128 = 4_000_000_000_000_000_000;

const SAVINGS: Insert = Insert {
    head: "INSERT INTO daily_savings (day, api_key, team_id, user_id, model_group, model, reference, requests, spend, reference_spend)",
    width: 10,
    tail: "ON CONFLICT (day, api_key, team_id, user_id, model_group, model, reference) DO UPDATE SET requests = daily_savings.requests + excluded.requests, spend = daily_savings.spend + excluded.spend, reference_spend = daily_savings.reference_spend + excluded.reference_spend",
};

#[derive(Default)]
struct Arm {
    requests: i64,
    failed: i64,
    spend: i64,
    spend_squares: i128,
    timed: i64,
    latency: i64,
    latency_squares: i128,
}

/// Adds lines to the counters of arms and of savings.
pub(super) async fn count(on: &mut impl Scribe, lines: &[Passing<'_>]) -> Result<(), StoreError> {
    let mut arms: BTreeMap<[&str; 3], Arm> = BTreeMap::new();
    let mut savings: BTreeMap<(String, [&str; 6]), [i64; 3]> = BTreeMap::new();
    for line in lines {
        if let Some(part) = &line.part {
            arms.entry([&part.experiment, &part.arm, &part.role]).or_default().add(line, part);
        }
        if let Some(saving) = &line.saving {
            let [key, team, user] = [line.api_key, line.team_id, line.user_id].map(Option::unwrap_or_default);
            let key = (day(line.times.0), [key, team, user, line.model_group, line.model, &saving.reference]);
            let sums = savings.entry(key).or_default();
            sums.iter_mut().zip([1, line.spend, saving.cost]).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        }
    }
    if !arms.is_empty() {
        let rows: Vec<Vec<Cell<'_>>> =
            arms.into_iter().map(|(key, arm)| key.map(Cell::from).into_iter().chain(arm.cells()).collect()).collect();
        on.insert(&ARMS, &rows).await?;
    }
    if !savings.is_empty() {
        let cells = |((day, key), sums): ((String, [_; 6]), [i64; 3])| {
            std::iter::once(Cell::from(day)).chain(key.map(Cell::from)).chain(sums.map(Cell::from)).collect()
        };
        let rows: Vec<Vec<Cell<'_>>> = savings.into_iter().map(cells).collect();
        on.insert(&SAVINGS, &rows).await?;
    }
    Ok(())
}

impl Arm {
    fn add(&mut self, line: &Passing<'_>, part: &Part) {
        let spend = i128::from(line.spend);
        self.requests += 1;
        self.failed += i64::from(line.status != "success");
        self.spend = self.spend.saturating_add(line.spend);
        self.spend_squares += spend * spend;
        // A client that went away says nothing of how long an answer takes.
        if part.whole && line.status == "success" {
            let took = (line.times.1 - line.times.0).max(0) / 1000;
            self.timed += 1;
            self.latency += took;
            self.latency_squares += i128::from(took) * i128::from(took);
        }
    }

    /// Its counters, squares of money in square micro-dollars.
    fn cells(self) -> [Cell<'static>; 7] {
        let fit = |squares: i128| i64::try_from(squares.min(MOST)).unwrap_or(i64::MAX);
        [self.requests, self.failed, self.spend, fit(self.spend_squares / 1_000_000), self.timed, self.latency, fit(self.latency_squares)]
            .map(Cell::from)
    }
}

/// The part that a call had in an experiment.
pub(super) fn part(record: &Record) -> Option<Part> {
    let trial = record.decision.as_ref()?.trial.as_ref()?;
    let (experiment, arm, role) = (trial.experiment.to_string(), trial.arm.to_string(), trial.role.as_str().to_owned());
    Some(Part { experiment, arm, role, whole: record.outcome == Outcome::Complete })
}

/// What it would have cost elsewhere; known where it was answered in full.
pub(super) fn saving(record: &Record) -> Option<Saving> {
    let decision = record.decision.as_ref()?;
    let cost = decision.reference_cost.filter(|_| record.outcome == Outcome::Complete && record.cost.is_some())?;
    let reference = decision.reference.as_ref()?.spec.group.clone();
    Some(Saving { reference, cost: NanoUsd::from_pico(cost).0 })
}

/// What the metadata of a line says of it.
pub(super) struct Decided<'a> {
    routing_decision: Routing<'a>,
    is_silent_experiment: Option<bool>,
    autorouter_savings: Option<Savings>,
}

/// Who chose the model, and why.
#[derive(Serialize)]
struct Routing<'a> {
    strategy: &'static str,
    model_group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classified_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of_request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Savings {
    reference_model: String,
    reference_cost: Money,
    saved: Money,
}

impl<'a> Decided<'a> {
    pub(super) fn of(record: &'a Record) -> Option<Self> {
        let decision = record.decision.as_ref()?;
        let trial = decision.trial.as_ref();
        let savings = saving(record).map(|saving| Savings {
            reference_cost: Money(NanoUsd(saving.cost)),
            saved: Money(NanoUsd(saving.cost).minus(record.charged)),
            reference_model: saving.reference,
        });
        Some(Self {
            routing_decision: Routing {
                strategy: decision.strategy,
                model_group: &decision.group,
                tier: decision.tier,
                classified_by: decision.told_by,
                experiment: trial.map(|trial| &*trial.experiment),
                arm: trial.map(|trial| &*trial.arm),
                role: trial.map(|trial| trial.role.as_str()),
                of_request_id: trial.and_then(|trial| trial.of.as_deref()),
            },
            is_silent_experiment: trial.filter(|trial| trial.role == Role::Shadow).map(|_| true),
            autorouter_savings: savings,
        })
    }

    pub(super) fn write(&self, out: &mut Object<'_>) {
        out.field("routing_decision", &self.routing_decision);
        out.option("is_silent_experiment", self.is_silent_experiment);
        out.option("autorouter_savings", self.autorouter_savings.as_ref());
    }
}
