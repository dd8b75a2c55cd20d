//! What is written down of requests whose model was chosen for them: which arm of an experiment they had, and what they saved.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{Any, Transaction};
use switchboard_engine::admit::NanoUsd;
use switchboard_engine::experiment::Role;
use switchboard_engine::meter::{Outcome, Record};

use super::line::{LogLine, Part, Saving, day};
use crate::error::StoreError;
use crate::money::Money;
use crate::rows::{Cell, Insert};

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
pub(super) async fn count<'a>(on: &mut Transaction<'_, Any>, lines: impl Iterator<Item = &'a LogLine>) -> Result<(), StoreError> {
    let mut arms: BTreeMap<[&str; 3], Arm> = BTreeMap::new();
    let mut savings: BTreeMap<[String; 7], [i64; 3]> = BTreeMap::new();
    for line in lines {
        if let Some(part) = &line.part {
            arms.entry([&part.experiment, &part.arm, &part.role]).or_default().add(line);
        }
        if let Some(saving) = &line.saving {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            let (key, team, user) = (text(&line.api_key), text(&line.team_id), text(&line.user_id));
            let key = [day(line.started_at), key, team, user, line.model_group.clone(), line.model.clone(), saving.reference.clone()];
            let sums = savings.entry(key).or_default();
            sums.iter_mut().zip([1, line.spend, saving.cost]).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        }
    }
    if !arms.is_empty() {
        let rows = arms.into_iter().map(|(key, arm)| key.map(Cell::from).into_iter().chain(arm.cells()).collect());
        ARMS.run(on, rows.collect()).await?;
    }
    if !savings.is_empty() {
        let rows = savings.into_iter().map(|(key, sums)| key.map(Cell::from).into_iter().chain(sums.map(Cell::from)).collect());
        SAVINGS.run(on, rows.collect()).await?;
    }
    Ok(())
}

impl Arm {
    fn add(&mut self, line: &LogLine) {
        let spend = i128::from(line.spend);
        self.requests += 1;
        self.failed += i64::from(line.status != "success");
        self.spend = self.spend.saturating_add(line.spend);
        self.spend_squares += spend * spend;
        // A client that went away says nothing of how long an answer takes.
        let whole = line.status == "success" && line.metadata.get("cancelled") != Some(&Value::Bool(true));
        if whole {
            let took = (line.ended_at - line.started_at).max(0) / 1000;
            self.timed += 1;
            self.latency += took;
            self.latency_squares += i128::from(took) * i128::from(took);
        }
    }

    /// Its counters, squares of money in square micro-dollars.
    fn cells(self) -> [Cell; 7] {
        let fit = |squares: i128| i64::try_from(squares.min(MOST)).unwrap_or(i64::MAX);
        [self.requests, self.failed, self.spend, fit(self.spend_squares / 1_000_000), self.timed, self.latency, fit(self.latency_squares)]
            .map(Cell::from)
    }
}

/// The part that a call had in an experiment.
pub(super) fn part(record: &Record) -> Option<Part> {
    let trial = record.decision.as_ref()?.trial.as_ref()?;
    Some(Part { experiment: trial.experiment.to_string(), arm: trial.arm.to_string(), role: trial.role.as_str().to_owned() })
}

/// What it would have cost elsewhere; known where it was answered in full.
pub(super) fn saving(record: &Record) -> Option<Saving> {
    let decision = record.decision.as_ref()?;
    let cost = decision.reference_cost.filter(|_| record.outcome == Outcome::Complete && record.cost.is_some())?;
    let reference = decision.reference.as_ref()?.spec.group.clone();
    Some(Saving { reference, cost: NanoUsd::from_pico(cost).0 })
}

/// Says both, and who chose the model.
pub(super) fn say(record: &Record, say: &mut impl FnMut(&str, Value)) {
    let Some(decision) = &record.decision else { return };
    let mut said = json!({"strategy": decision.strategy, "model_group": &*decision.group});
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            said[name] = json!(value);
        }
    };
    add("tier", decision.tier);
    add("classified_by", decision.told_by);
    if let Some(trial) = &decision.trial {
        add("experiment", Some(&trial.experiment));
        add("arm", Some(&trial.arm));
        add("role", Some(trial.role.as_str()));
        add("of_request_id", trial.of.as_deref());
        if trial.role == Role::Shadow {
            say("is_silent_experiment", json!(true));
        }
    }
    say("routing_decision", said);
    if let Some(saving) = saving(record) {
        let dollars = |nano: i64| Value::Number(Money(NanoUsd(nano)).number());
        let saved = json!({
            "reference_model": saving.reference,
            "reference_cost": dollars(saving.cost),
            "saved": dollars(saving.cost.saturating_sub(record.charged.0)),
        });
        say("autorouter_savings", saved);
    }
}
