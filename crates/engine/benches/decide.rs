//! How long it takes to decide: what a request is, what it holds, which arm it gets, where it goes. Prints medians.
//!
//! No library measures here: the tree of dependencies is built cold in every check, and medians of many rounds say enough. An argument
//! chooses the measurements whose name holds it, so that one of them can be looked at alone (under `callgrind`, with
//! `--toggle-collect=decide::measured`, where a busy machine makes times worthless).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a program for people that measure")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::catalog::{Auth, Catalog};
use switchboard_engine::classify::{Classifier, Prompt};
use switchboard_engine::deployment::{Deployment, Spec};
use switchboard_engine::experiment::{Arm, Experiment, Running, Sticky};
use switchboard_engine::guidance::{By, Strategy};
use switchboard_engine::health::Sample;
use switchboard_engine::principal::Principal;
use switchboard_engine::route::settings::Settings;
use switchboard_engine::route::{Fleet, Names};
use switchboard_engine::sign::{self, Signer};
use switchboard_engine::upstream::Origin;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::{Dialect, Operation};
use switchboard_engine::{classify, recognize};

const ROUNDS: usize = 301;
const DEPLOYMENTS: usize = 50;

/// What is measured, under a name of its own for whoever counts its instructions.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

/// The median of rounds of so many calls.
fn measure(name: &str, goal: Option<Duration>, calls: u32, mut work: impl FnMut()) {
    let mut chosen = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    if chosen.peek().is_some() && !chosen.any(|part| name.contains(&part)) {
        return;
    }
    (0..calls * 3).for_each(|_| work());
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..calls).for_each(|_| measured(&mut work));
            begun.elapsed() / calls
        })
        .collect();
    rounds.sort_unstable();
    let (median, late) = (rounds[ROUNDS / 2], rounds[ROUNDS * 99 / 100]);
    let verdict = goal.map_or(String::new(), |goal| format!("  goal {goal:?}: {}", if median < goal { "kept" } else { "MISSED" }));
    println!("{name:<52} median {median:>10.2?}  p99 {late:>10.2?}{verdict}");
}

fn deployment(number: usize) -> Deployment {
    let each = format!("{}e-6", 1 + number % 7);
    let spec = Spec {
        id: format!("d{number}"),
        group: "m".to_owned(),
        provider: "openai".to_owned(),
        model: "some-model".to_owned(),
        base: Some("http://localhost:9/v1".to_owned()),
        prices: vec![("input_cost_per_token".to_owned(), each.clone()), ("output_cost_per_token".to_owned(), each)],
        ..Spec::default()
    };
    let signer = |_: &Auth, origin: &Origin| Ok(Arc::new(Signer::new(origin.clone(), sign::Auth::None)));
    let deployment = Deployment::build(spec, Catalog::embedded(), &|_| None, &signer).expect("a deployment");
    // Some answers, and the times they took.
    let now = Instant::now();
    for answer in 0..20 {
        let took = Duration::from_millis(100 + 10 * (number as u64 % 11) + answer);
        let began = now.checked_sub(took).expect("a while ago");
        let sample = Sample { output_tokens: Some(100), tokens: 300, ..Sample::default() };
        let _ = deployment.health.begin_anyway(began).finish(&sample, now);
    }
    deployment
}

fn call() -> Call {
    let body = Frames::from(Bytes::from_static(br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#));
    let outline = Outline::scan(&body).expect("an object");
    let door = Door { operation: Operation::Chat, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false };
    Call {
        id: "call".to_owned(),
        door,
        principal: Arc::new(Principal { customer: Some("somebody".to_owned()), ..Principal::named("k") }),
        model: "m".to_owned(),
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

fn experiment() -> Running {
    let arm = |name: &str| Arm { name: Arc::from(name), model: name.to_owned(), weight: 1.0, params: Vec::new() };
    Running::begin(Arc::new(Experiment {
        name: "e".to_owned(),
        model: "m".to_owned(),
        arms: vec![arm("a"), arm("b"), arm("c")],
        sticky: vec![Sticky::User],
        traffic: 1.0,
        shadows: Vec::new(),
        policy: None,
    }))
}

fn main() {
    classify::prepare();
    recognize::prepare();
    // Two thousand tokens of four bytes, all of it the caller's own words, with markers and without.
    let asked = "Explain the design and compare both plans, then prove that the second one is cheaper under load. ".repeat(82);
    let plain = "The harbour was quiet and the boats lay still while the fog came in from the open sea tonight. ".repeat(85);
    let code = "fn next(&mut self) -> Option<u32> { self.at += 1; self.items.get(self.at).copied() }\n".repeat(95);
    let classifier = Classifier::default();
    let most = Some(Duration::from_micros(50));
    for (name, text) in [("words that ask", &asked), ("plain prose", &plain), ("code", &code)] {
        measure(&format!("classify 2,000 tokens of {name}"), most, 20, || {
            black_box(classifier.classify(&Prompt::new(black_box(text))));
        });
    }
    measure("classify a greeting", most, 200, || {
        black_box(classifier.classify(&Prompt::new(black_box("Hello, how are you?"))));
    });
    measure("recognize in 2,000 tokens of plain prose", None, 5, || {
        black_box(recognize::classes(black_box(&plain)));
    });
    let (running, call) = (experiment(), call());
    measure("draw one of three arms", None, 200, || {
        black_box(running.draw(black_box(&call)));
    });
    let at_most = Some(Duration::from_micros(5));
    let sorts = [By::Price, By::Throughput, By::Latency, By::Exacto].map(Strategy::sorting);
    for by in Strategy::NAMED.into_iter().chain(sorts) {
        let strategy = by.as_str();
        let names = Names { settings: Settings { strategy: by, ..Settings::default() }, ..Names::default() };
        let fleet = Fleet::new((0..DEPLOYMENTS).map(deployment).collect(), names, Box::new(|_, _| None));
        measure(&format!("plan for {DEPLOYMENTS} deployments by {strategy}"), at_most, 50, || {
            black_box(fleet.plan(black_box(&call)).is_ok());
        });
    }
}
