use std::collections::BTreeMap;

use switchboard_engine::clock;
use switchboard_engine::deployment::Spec;
use switchboard_engine::health::{Registry, Why};
use switchboard_engine::route::{Fleet, Names};
use switchboard_wire::Dialect;

use super::numbered;
use crate::exchange::rig::{Rig, ask, build};
use crate::exchange::upstream::{Scripted, json};
use crate::exchange::words::whole;

const OPENAI: Dialect = Dialect::OpenAiChat;

fn within(region: &str, spec: Spec) -> Spec {
    Spec { values: BTreeMap::from([("region_name".to_owned(), region.to_owned())]), ..spec }
}

/// Three deployments of a region have failed: the fourth is spared, but for one request a second that finds out. Elsewhere nothing
/// changes.
#[tokio::test]
async fn a_region_that_fails_is_spared_as_a_whole() {
    let failing = Scripted::start(vec![json("500 Internal Server Error", "{}")]).await;
    let (here, there) =
        (Scripted::start(vec![json("200 OK", whole(OPENAI))]).await, Scripted::start(vec![json("200 OK", whole(OPENAI))]).await);
    let mut specs: Vec<Spec> = (0..3).map(|number| within("eu-west-1", numbered(number, OPENAI, &failing))).collect();
    specs.push(within("eu-west-1", numbered(3, OPENAI, &here)));
    specs.push(within("us-east-1", numbered(4, OPENAI, &there)));
    let rig = Rig::new(Vec::new());
    let registry = Registry::default();
    let joined = specs.into_iter().map(|spec| {
        let mut deployment = build(spec);
        deployment.join(&registry);
        deployment
    });
    rig.gateway.replace(Fleet::new(joined.collect(), Names::default(), Box::new(|_, _| None)));
    let now = clock::now();
    for number in 0..3 {
        let health = &rig.deployment(&format!("d{number}")).health;
        while health.refusal(clock::now()).is_none() {
            health.begin_anyway(now).finish(&failed(), clock::now());
        }
    }
    // One request finds out; while it does, and for a second after it, no other one goes there.
    let fourth = rig.deployment("d3").health.clone();
    let later = clock::now();
    let probe = fourth.begin(later).expect("the one that finds out");
    assert!(probe.is_probe());
    assert_eq!(fourth.begin(later).expect_err("the rest of the region is spared").why, Why::Region);
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, told.header("x-litellm-model-id"), here.requests().len()), (200, Some("d4"), 0), "{told:?}");
    // It answers: the region is back.
    probe.finish(&Default::default(), clock::now());
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, told.header("x-litellm-model-id")), (200, Some("d3")), "{told:?}");
}

fn failed() -> switchboard_engine::health::Sample<'static> {
    switchboard_engine::health::Sample {
        failure: Some((switchboard_engine::health::Failure::Server, "no")),
        ..switchboard_engine::health::Sample::default()
    }
}
