//! How long it takes to decide where a call goes: a group of 50 deployments, each with a history, by every strategy, and in
//! every other way there is.
//!
//! The goal is 5 µs in the median. Nothing is sent anywhere; what is timed is [`Fleet::plan`], from the call to the ordered targets.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "a bench fails by panicking, and measures real time")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::catalog::{Auth, Catalog};
use switchboard_engine::classify::Tier;
use switchboard_engine::deployment::{Deployment, Spec};
use switchboard_engine::guidance::{By, Strategy};
use switchboard_engine::health::{Registry, Sample};
use switchboard_engine::principal::Principal;
use switchboard_engine::route::settings::Settings;
use switchboard_engine::route::virtual_model::{Rule, VirtualModel, VirtualTarget};
use switchboard_engine::route::{Fleet, Names, Overrides, Sla};
use switchboard_engine::sign::{self, Secret, Signer};
use switchboard_engine::upstream::Origin;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::{Dialect, Operation};

/// Deployments of the group.
const GROUP: usize = 50;

fn deployment(number: usize, place: Place, registry: &Registry) -> Deployment {
    let secret = Secret::from(format!("key-{number}").as_str());
    let spec = Spec {
        id: format!("deployment-{number}"),
        group: place.group.to_owned(),
        order: place.order,
        provider: "openai".to_owned(),
        model: "gpt-4o-mini".to_owned(),
        base: Some(format!("http://127.0.0.1:{}/v1", 2000 + number)),
        weight: Some(1.0 + (number % 7) as f64),
        prices: vec![("input_cost_per_token".to_owned(), format!("0.00000{}", 1 + number % 9))],
        secrets: vec![secret.clone()],
        ..Spec::default()
    };
    let signer = |_: &Auth, origin: &Origin| {
        let auth = sign::Auth::bearer(&secret).map_err(|error| error.to_string())?;
        Ok(Arc::new(Signer::new(origin.clone(), auth)))
    };
    let mut deployment = Deployment::build(spec, Catalog::embedded(), &|_| None, &signer).unwrap();
    deployment.join(registry);
    deployment
}

/// Where a deployment stands among the others.
#[derive(Clone, Copy)]
struct Place {
    group: &'static str,
    order: u32,
}

/// All alike.
fn alike(_: usize) -> Place {
    Place { group: "m", order: 0 }
}

/// Some answers, and the times they took.
fn history(deployment: &Deployment, number: usize) {
    let now = Instant::now();
    for answer in 0..20 {
        let took = Duration::from_millis(100 + 10 * (number as u64 % 11) + answer);
        let began = now.checked_sub(took).unwrap();
        let sample = Sample { streamed: true, first_content: Some(took / 2), output_tokens: Some(100), tokens: 300, ..Sample::default() };
        deployment.health.begin_anyway(began).finish(&sample, now);
    }
}

fn fleet(strategy: Strategy) -> Fleet {
    let settings = Settings { strategy, ..Settings::default() };
    fleet_of(alike, Names { settings, ..Names::default() })
}

fn fleet_of(place: fn(usize) -> Place, names: Names) -> Fleet {
    let registry = Registry::default();
    let deployments: Vec<Deployment> = (0..GROUP).map(|number| deployment(number, place(number), &registry)).collect();
    deployments.iter().enumerate().for_each(|(number, deployment)| history(deployment, number));
    Fleet::new(deployments, names, Box::new(|_, _| None))
}

/// The models of a virtual one, one of each tier.
const TARGETS: [(&str, Tier); 4] = [("m", Tier::Simple), ("m1", Tier::Standard), ("m2", Tier::Complex), ("m3", Tier::Reasoning)];

/// A virtual model of all deployments, by that rule.
fn virtual_fleet(rule: Rule) -> Fleet {
    let target = |(at, (model, tier)): (usize, (&str, Tier))| VirtualTarget {
        model: model.to_owned(),
        weight: 10.0 * (at + 1) as f64,
        priority: at as i64,
        sla: Some(Sla { time_to_first_token: Some(Duration::from_millis(500)), ..Sla::default() }),
        tier: Some(tier),
        overrides: Arc::new(Overrides::candidate()),
        metadata: Vec::new(),
    };
    let targets = TARGETS.into_iter().enumerate().map(target).collect();
    let model = VirtualModel { name: "v".to_owned(), aliases: Vec::new(), rule, targets, sticky: None, classification: None };
    let place = |number: usize| Place { group: TARGETS[number % TARGETS.len()].0, order: 0 };
    fleet_of(place, Names { virtual_models: vec![model], ..Names::default() })
}

/// A call that says that of the way it wants to go.
fn call(wishes: &str) -> Call {
    let body = format!(
        r#"{{"model":"m","temperature":0.2,"messages":[{{"role":"user","content":"Where does this go?"}}],"max_tokens":200{wishes}}}"#
    );
    let body = Frames::from(body.as_bytes().to_vec());
    Call {
        id: "call".to_owned(),
        door: Door { operation: Operation::Chat, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false },
        principal: Arc::new(Principal::named("key")),
        model: "m".to_owned(),
        model_in_path: false,
        stream: false,
        headers: HeaderMap::new(),
        content: Content::Json(Outline::scan(&body).unwrap()),
        body,
        strict: false,
        lenient: false,
        received: Instant::now(),
        created: 0,
        mentioned: Default::default(),
        laid: Default::default(),
    }
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision_of_50");
    let plain = call("");
    let sorts = [By::Price, By::Throughput, By::Latency, By::Exacto].map(Strategy::sorting);
    for strategy in Strategy::NAMED.into_iter().chain(sorts) {
        let fleet = fleet(strategy);
        group.bench_function(strategy.as_str(), |bench| bench.iter(|| fleet.plan(black_box(&plain)).unwrap()));
    }
    // What OpenRouter's clients say of it is read with each call.
    for (name, wishes) in [
        ("asked: sort", r#","provider":{"sort":"price"}"#),
        (
            "asked: preferences",
            r#","provider":{"order":["openai"],"allow_fallbacks":true,"data_collection":"allow","max_price":{"prompt":9}}"#,
        ),
    ] {
        let (fleet, call) = (fleet(Strategy::SimpleShuffle), call(wishes));
        group.bench_function(name, |bench| bench.iter(|| fleet.plan(black_box(&call)).unwrap()));
    }
    let own = Call { door: Door { flavor: Flavor::OpenRouter, ..plain.door }, ..plain.clone() };
    let openrouters = fleet(Strategy::SimpleShuffle);
    group.bench_function("openrouter's manner", |bench| bench.iter(|| openrouters.plan(black_box(&own)).unwrap()));
    let in_orders = fleet_of(|number| Place { group: "m", order: number as u32 % 5 }, Names::default());
    group.bench_function("five orders", |bench| bench.iter(|| in_orders.plan(black_box(&plain)).unwrap()));
    for rule in [Rule::Weight, Rule::Priority, Rule::Latency, Rule::Complexity] {
        let (fleet, call) = (virtual_fleet(rule), Call { model: "v".to_owned(), ..plain.clone() });
        group.bench_function(format!("virtual: {}", rule.as_str()), |bench| bench.iter(|| fleet.plan(black_box(&call)).unwrap()));
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
