//! When streams fail: before any content a failure is like any other, after it the stream says so and never ends cleanly.

use std::time::Duration;

use serde_json::json;
use switchboard_engine::deployment::Spec;
use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_engine::upstream::Timeouts;
use switchboard_wire::Dialect;
use switchboard_wire::problem::Kind;

use super::rig::{PATIENT, Rig, ask, spec};
use super::upstream::{Act, Scripted, cut, stalled, stream};
use super::words::{ALL, clean_end, content, opening, pairs, stream_error, streamed, text_of_stream};

fn second(dialect: Dialect, at: &Scripted) -> Spec {
    Spec { id: "second".to_owned(), order: 1, ..spec(dialect, at) }
}

/// The ways in which a stream may break after those events: what is sent, and how the client would hear of it.
fn breaks(provider: Dialect, events: &str) -> Vec<(Act, Kind)> {
    let malformed = match provider {
        Dialect::Anthropic => "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\n\n",
        _ => "data: {\"choices\":[{\"del\n\n",
    };
    vec![
        (stream(&format!("{events}{}", stream_error(provider, "too many at once"))), Kind::Overloaded),
        (stream(events), Kind::Upstream),
        (cut(events), Kind::Upstream),
        (stream(&format!("{events}{malformed}")), Kind::Upstream),
        (stalled(events), Kind::Timeout),
    ]
}

/// Pieces follow each other quickly or not at all.
const IMPATIENT: Timeouts = Timeouts { idle: Duration::from_millis(150), ..PATIENT };

#[tokio::test]
async fn before_any_content_another_deployment_answers() {
    for provider in ALL {
        for (act, kind) in breaks(provider, opening(provider)) {
            let upstream = Scripted::start(vec![act.clone()]).await;
            let spare = Scripted::start(vec![stream(&streamed(Dialect::Anthropic))]).await;
            for client in ALL {
                let specs = vec![spec(provider, &upstream), second(Dialect::Anthropic, &spare)];
                let rig = Rig::with(specs, Names::default(), IMPATIENT);
                let told = rig.ask(&ask(client, true)).await;
                assert_eq!(told.status, 200, "{client} of {provider} after {act:?}: {told:?}");
                assert_eq!(text_of_stream(client, &told.body), "Hello there");
                told.says(&[clean_end(client)]);
                let record = rig.record();
                assert_eq!((record.outcome, record.deployment.unwrap().spec.id.as_str()), (Outcome::Complete, "second"));
                let usage = record.usage.unwrap();
                assert_eq!((usage.input, usage.output), (Some(11), Some(7)));
            }
            let rig = Rig::with(vec![spec(provider, &upstream)], Names::default(), IMPATIENT);
            let told = rig.ask(&ask(Dialect::OpenAiChat, true)).await;
            assert_eq!(told.status, kind.status().as_u16(), "{provider} {act:?}: {told:?}");
            assert!(told.json()["error"]["message"].is_string());
            let record = rig.record();
            assert_eq!((record.outcome, record.status), (Outcome::Failed(kind), told.status), "{provider} {act:?}");
        }
    }
}

#[tokio::test]
async fn after_content_the_stream_says_that_it_failed() {
    for (client, provider) in pairs() {
        let events = format!("{}{}", opening(provider), content(provider, "Hello"));
        for (act, kind) in breaks(provider, &events) {
            let shown = format!("{client} of {provider} after {act:?}");
            let upstream = Scripted::start(vec![act]).await;
            let spare = Scripted::start(vec![stream(&streamed(provider))]).await;
            let rig = Rig::with(vec![spec(provider, &upstream), second(provider, &spare)], Names::default(), IMPATIENT);
            let told = rig.ask(&ask(client, true)).await;
            assert_eq!(told.status, 200, "{shown}: {told:?}");
            assert_eq!(text_of_stream(client, &told.body), "Hello", "{shown}: {told:?}");
            assert!(!told.body.contains(clean_end(client)), "{shown}: {told:?}");
            let last = told.body.trim_end().rsplit("data: ").next().unwrap();
            let last: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{shown}: {error}: {told:?}"));
            let (error, times) = match client {
                Dialect::OpenAiResponses => (&last["response"]["error"], 2),
                _ => (&last["error"], 1),
            };
            assert!(error["message"].is_string(), "{shown}: {told:?}");
            if kind == Kind::Overloaded {
                assert_eq!(error["message"], "too many at once", "{shown}");
            }
            assert_eq!(told.body.matches("\"error\":{").count(), times, "{shown}: once: {told:?}");
            if client == Dialect::OpenAiResponses {
                assert_eq!(
                    (&last["type"], &last["response"]["status"]),
                    (&json!("response.failed"), &json!("failed")),
                    "{shown}: {told:?}"
                );
                assert!(last["response"]["id"].as_str().is_some_and(|id| id.starts_with("resp_")), "{shown}: {told:?}");
                assert_eq!(told.body.matches("event: error\n").count(), 1, "{shown}: {told:?}");
                assert_eq!(last["sequence_number"].as_u64(), Some(told.body.matches("data: ").count() as u64 - 1), "{shown}: {told:?}");
            }
            assert!(spare.requests().is_empty(), "{shown}: nobody else's words are spliced in");
            let record = rig.record();
            assert_eq!((record.outcome, record.status, record.attempts), (Outcome::Failed(kind), 200, 1), "{shown}");
        }
    }
}

#[tokio::test]
async fn arrays_that_fail_hold_the_error_as_their_last_item() {
    for provider in ALL {
        let events = format!("{}{}", opening(provider), content(provider, "Hello"));
        for (act, _) in breaks(provider, &events) {
            let upstream = Scripted::start(vec![act]).await;
            let rig = Rig::with(vec![spec(provider, &upstream)], Names::default(), IMPATIENT);
            let mut call = ask(Dialect::Gemini, true);
            call.door.array = true;
            let told = rig.ask(&call).await;
            let list = told.json();
            let last = list.as_array().unwrap().last().unwrap();
            assert!(last["error"]["code"].is_u64(), "{provider}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_finish_without_usage_is_complete_and_costs_nobody_knows() {
    // The finish reason came, `[DONE]` and the usage did not: the answer is complete all the same.
    let provider = Dialect::OpenAiChat;
    let finish = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let upstream = Scripted::start(vec![stream(&format!("{}{}{finish}", opening(provider), content(provider, "Hello")))]).await;
    let rig = Rig::new(vec![spec(provider, &upstream)]);
    let told = rig.ask(&ask(provider, true)).await;
    assert!(told.body.ends_with("data: [DONE]\n\n"), "{told:?}");
    let record = rig.record();
    assert_eq!((record.outcome, record.usage.is_some(), record.cost), (Outcome::Complete, false, None));
}
