//! When callers are told to come back: when the soonest of those that may serve them may be asked again.

use std::time::Duration;

use switchboard_engine::clock;
use switchboard_engine::deployment::Spec;
use switchboard_engine::health::{Failure, Sample, Why};
use switchboard_engine::route::Names;
use switchboard_engine::settings::Settings;
use switchboard_wire::Dialect;

use super::rig::{Rig, Told, ask, spec};
use super::upstream::{Scripted, json, reply};
use super::words::ALL;

const OPENAI: Dialect = Dialect::OpenAiChat;
const LIMITED: &str = r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#;

/// A provider that is used up, for so many seconds where it says so.
async fn limited(seconds: Option<u64>) -> Scripted {
    let hint = seconds.map_or(String::new(), |seconds| format!("retry-after: {seconds}\r\n"));
    Scripted::start(vec![reply("429 Too Many Requests", &format!("content-type: application/json\r\n{hint}"), LIMITED)]).await
}

fn at(id: &str, order: u32, upstream: &Scripted) -> Spec {
    Spec { id: id.to_owned(), order, ..spec(OPENAI, upstream) }
}

/// Whole seconds, of which a busy machine may have lost some.
fn is_about(told: &Told, seconds: u64) -> bool {
    let wait = told.retry_after.map_or(0, |wait| wait.as_secs());
    wait <= seconds && wait >= seconds.saturating_sub(9).max(1)
}

#[tokio::test]
async fn the_soonest_of_a_group_is_told_to_every_client() {
    let (late, soon) = (limited(Some(90)).await, limited(Some(40)).await);
    for client in ALL {
        for order in [[0, 1], [1, 0]] {
            let rig = Rig::new(vec![at("late", order[0], &late), at("soon", order[1], &soon)]);
            let told = rig.ask(&ask(client, false)).await;
            assert!(told.status == 429 && is_about(&told, 40), "{client}: {told:?}");
        }
    }
}

#[tokio::test]
async fn what_the_gateway_itself_waits_is_told() {
    let (silent, talking) = (limited(None).await, limited(Some(3)).await);
    let resting = |id: &str, upstream: &Scripted| Spec { cooldown_time: Some(Duration::from_secs(50)), ..at(id, 0, upstream) };
    let rig = Rig::new(vec![resting("one", &silent), resting("other", &silent)]);
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert!(told.status == 429 && is_about(&told, 50), "{told:?}");
    // Nobody is asked before the operator's time is over, whatever the provider says.
    let rig = Rig::new(vec![resting("only", &talking)]);
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert!(told.status == 429 && is_about(&told, 50), "{told:?}");
    // Of one that never rests nothing is known.
    let rig = Rig::new(vec![at("only", 0, &silent)]);
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, told.retry_after), (429, None), "{told:?}");
}

#[tokio::test]
async fn one_that_was_not_asked_counts_too() {
    let limited = limited(Some(90)).await;
    let rig = || {
        let once = Settings { num_retries: Some(0), ..Settings::default() };
        Rig::trying(vec![at("one", 0, &limited), at("other", 0, &limited)], Names::default(), once)
    };
    let told = rig().ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, told.retry_after, limited.requests().len()), (429, Some(Duration::from_secs(1)), 1), "{told:?}");
    // One that rests from before may be the first that is free.
    let rig = rig();
    rig.deployment("other").health.rest_until(clock::now() + Duration::from_secs(30));
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert!(told.status == 429 && is_about(&told, 30), "{told:?}");
}

#[tokio::test]
async fn fallbacks_count_too() {
    let (late, soon) = (limited(Some(90)).await, limited(Some(40)).await);
    let names = Names { fallbacks: vec![("m".to_owned(), vec!["other".into()])], ..Names::default() };
    let other = Spec { group: "other".to_owned(), ..at("soon", 0, &soon) };
    let rig = Rig::trying(vec![at("late", 0, &late), other], names, Settings::default());
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert!(told.status == 429 && is_about(&told, 40), "{told:?}");
}

/// Fails until its breaker has opened so many times in a row, and stays open the longer.
fn shut(rig: &Rig, id: &str, openings: usize) {
    let health = &rig.deployment(id).health;
    let failed = Sample { failure: Some((Failure::Server, "no")), ..Sample::default() };
    for _ in 0..openings {
        let now = clock::now();
        health.open_early(now);
        while let Ok(ticket) = health.begin(now) {
            ticket.finish(&failed, now);
        }
    }
}

#[tokio::test]
async fn the_soonest_breaker_is_told_to_every_client() {
    let upstream = Scripted::start(vec![json("502 Bad Gateway", "{}")]).await;
    let rig = Rig::new(vec![at("late", 0, &upstream), at("soon", 1, &upstream)]);
    shut(&rig, "late", 7);
    shut(&rig, "soon", 6);
    let left = |id: &str| {
        let refusal = rig.deployment(id).health.refusal(clock::now()).expect("shut out");
        assert_eq!(refusal.why, Why::Open);
        refusal.until().saturating_duration_since(clock::now()).as_secs()
    };
    for client in ALL {
        // One request a second is let through to find out: that was just now.
        for id in ["late", "soon"] {
            rig.deployment(id).health.claim_probe(clock::now());
        }
        let most = left("late").min(left("soon")) + 1;
        let told = rig.ask(&ask(client, false)).await;
        let least = left("late").min(left("soon"));
        let wait = told.retry_after.map_or(0, |wait| wait.as_secs());
        let status = if client == Dialect::Anthropic { 529 } else { 503 };
        assert!(told.status == status && least > 9 && (least..=most).contains(&wait), "{client}: {least} to {most}: {told:?}");
    }
    assert_eq!(upstream.requests().len(), 0);
}
