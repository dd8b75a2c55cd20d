//! Experiments as answers show them.

use serde_json::{Map, Number, Value, json};
use switchboard_engine::experiment::{Estimate, Tally};
use switchboard_engine::terms::NanoUsd;
use switchboard_store::experiment::Figures;
use switchboard_store::{Money, Time};

use crate::trials::Known;

/// An experiment, how it stands and what its arms have come to.
pub(super) fn shown(known: &Known, figures: &[Figures]) -> Value {
    let (experiment, state, running) = (&known.experiment, &known.state, known.running());
    let arms = experiment.arms.iter().zip(&running.shares).map(|(arm, share)| {
        let of = |one: &&Figures| one.experiment == experiment.name && one.arm == *arm.name && one.role == "live";
        let tally = figures.iter().find(of).map(|one| one.tally).unwrap_or_default();
        let mut row = told(&tally);
        row.insert("name".to_owned(), json!(&*arm.name));
        row.insert("model".to_owned(), json!(arm.model));
        row.insert("weight".to_owned(), json!(arm.weight));
        row.insert("share".to_owned(), rounded(*share));
        row.insert("probability_best".to_owned(), state.best.get(&*arm.name).map_or(Value::Null, |chance| rounded(*chance)));
        Value::Object(row)
    });
    let time = |micros: i64| (micros > 0).then_some(Time(micros));
    json!({
        "name": experiment.name,
        "model": experiment.model,
        "source": if known.form.is_some() { "api" } else { "config" },
        "status": state.status,
        "winner": state.winner,
        "counts": running.counts,
        "traffic": experiment.traffic,
        "adapts": experiment.policy.is_some(),
        "steps": state.steps,
        "began_at": time(state.began_at),
        "stepped_at": time(state.stepped_at),
        "definition": known.form,
        "arms": arms.collect::<Vec<_>>(),
        "shadows": copies(figures, &experiment.name),
    })
}

/// What copies, and those who judged them, have come to.
pub(super) fn copies(figures: &[Figures], experiment: &str) -> Vec<Value> {
    let copies = figures.iter().filter(|one| one.experiment == experiment && one.role != "live");
    copies
        .map(|one| {
            let mut row = told(&one.tally);
            row.insert("model".to_owned(), json!(one.arm));
            row.insert("role".to_owned(), json!(one.role));
            Value::Object(row)
        })
        .collect()
}

/// Counts, and estimates with their intervals.
fn told(tally: &Tally) -> Map<String, Value> {
    let mut row = Map::new();
    let mut say = |name: &str, value: Value| row.insert(name.to_owned(), value);
    say("requests", json!(tally.requests));
    say("failed", json!(tally.failed));
    say("rated", json!(tally.rated));
    say("spend", Value::Number(Money(NanoUsd(tally.spend)).number()));
    say("success_rate", estimate(tally.success(), 1.0));
    say("quality", estimate(tally.quality(), 1.0));
    // Micro-dollars to dollars: a statistic, of which no account is kept.
    say("cost_usd", estimate(tally.cost(), 1e-6));
    say("latency_ms", estimate(tally.latency(), 1.0));
    row
}

fn estimate(estimate: Option<Estimate>, scale: f64) -> Value {
    let number = |value: f64| Number::from_f64(value * scale);
    estimate.map_or(Value::Null, |Estimate { mean, low, high }| json!({"mean": number(mean), "low": number(low), "high": number(high)}))
}

fn rounded(share: f64) -> Value {
    json!((share * 10_000.0).round() / 10_000.0)
}
