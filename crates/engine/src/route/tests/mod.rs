//! Planning over deployments that are never called: shares, reasons, names.

mod filters;
mod names;
mod preferences;
mod rules;
mod shares;
mod virtual_models;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use http::HeaderMap;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::outline::Outline;
use switchboard_wire::{Dialect, Operation};

use super::planner::Moment;
use super::{Fleet, Names, Plan, Reason};
use crate::call::{Call, Content, Door};
use crate::catalog::{Auth, Catalog};
use crate::deployment::{Deployment, Spec};
use crate::health::{Failure, Sample};
use crate::principal::Principal;
use crate::sign::{self, Signer};
use crate::upstream::Origin;

/// A deployment of the group `m`.
fn deployment(id: &str, change: impl FnOnce(&mut Spec)) -> Deployment {
    let mut spec = Spec {
        id: id.to_owned(),
        group: "m".to_owned(),
        provider: "openai".to_owned(),
        model: "some-model".to_owned(),
        base: Some("http://localhost:9/v1".to_owned()),
        ..Spec::default()
    };
    change(&mut spec);
    let signer = |_: &Auth, origin: &Origin| Ok(Arc::new(Signer::new(origin.clone(), sign::Auth::None)));
    Deployment::build(spec, Catalog::embedded(), &|_| None, &signer).expect("a deployment")
}

/// The same at that price for a million tokens either way.
fn priced(id: &str, usd: &str) -> Deployment {
    deployment(id, |spec| set_price(spec, usd))
}

fn set_price(spec: &mut Spec, usd: &str) {
    let each = format!("{usd}e-6");
    spec.prices = vec![("input_cost_per_token".to_owned(), each.clone()), ("output_cost_per_token".to_owned(), each)];
}

fn fleet(deployments: Vec<Deployment>, names: Names) -> Fleet {
    Fleet::new(deployments, names, Box::new(|_, _| None))
}

/// A chat as LiteLLM's clients send it, with those further fields.
fn ask(model: &str, fields: &str) -> Call {
    let separator = if fields.is_empty() { "" } else { "," };
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]{separator}{fields}}}"#);
    let body = Frames::from(Bytes::from(body));
    let outline = Outline::scan(&body).expect("an object");
    let door = Door { operation: Operation::Chat, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false };
    Call {
        id: "call".to_owned(),
        door,
        principal: Arc::new(Principal::named("k")),
        model: model.to_owned(),
        model_in_path: false,
        stream: false,
        headers: HeaderMap::new(),
        body,
        content: Content::Json(outline),
        strict: false,
        lenient: false,
        received: Instant::now(),
        created: 0,
        mentioned: Default::default(),
        laid: Default::default(),
    }
}

fn moment(seed: u64) -> Moment {
    Moment { now: Instant::now(), rng: Rng::with_seed(seed), tokens: None }
}

fn plan(fleet: &Fleet, call: &Call) -> Plan {
    fleet.plan_at(call, &mut moment(7)).expect("a plan")
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.targets.iter().map(|target| target.deployment.spec.id.as_str()).collect()
}

fn excluded(plan: &Plan) -> Vec<(&str, Vec<&'static str>)> {
    let reasons = |reasons: &[Reason]| reasons.iter().map(|reason| reason.as_str()).collect();
    plan.excluded.iter().map(|one| (one.deployment.spec.id.as_str(), reasons(&one.reasons))).collect()
}

/// How often each deployment is first, of 20,000 requests at that time.
fn shares_at(fleet: &Fleet, call: &Call, now: Instant) -> BTreeMap<String, f64> {
    const ALL: u32 = 20_000;
    let mut moment = Moment { now, ..moment(42) };
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for _ in 0..ALL {
        let plan = fleet.plan_at(call, &mut moment).expect("a plan");
        *counts.entry(plan.targets[0].deployment.spec.id.clone()).or_default() += 1.0 / f64::from(ALL);
    }
    counts
}

fn shares(fleet: &Fleet, call: &Call) -> BTreeMap<String, f64> {
    shares_at(fleet, call, Instant::now())
}

fn assert_shares(found: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    for (id, share) in expected {
        let seen = found.get(*id).copied().unwrap_or(0.0);
        assert!((seen - share).abs() < 0.03, "{id}: {seen} instead of {share} in {found:?}");
    }
    let known: f64 = expected.iter().map(|(_, share)| share).sum();
    assert!((known - 1.0).abs() < 1e-9, "the shares of a definition make a whole");
}

fn health_of<'a>(fleet: &'a Fleet, id: &str) -> &'a Arc<Deployment> {
    fleet.deployments().find(|deployment| deployment.spec.id == id).expect("known")
}

/// An answer that took so long, with so many tokens.
fn answered(fleet: &Fleet, id: &str, took: Duration, tokens: u64, now: Instant) {
    let ticket = health_of(fleet, id).health.begin_anyway(now - took);
    let sample = Sample { output_tokens: Some(tokens), tokens, ..Sample::default() };
    ticket.finish(&sample, now);
}

fn failed(fleet: &Fleet, id: &str, failure: Failure, now: Instant) {
    let ticket = health_of(fleet, id).health.begin_anyway(now);
    ticket.finish(&Sample { failure: Some((failure, "broken")), ..Sample::default() }, now);
}
