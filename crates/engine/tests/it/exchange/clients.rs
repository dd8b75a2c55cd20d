//! When clients go away, or do not read.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::meter::Outcome;
use switchboard_wire::Dialect;

use super::rig::{Rig, ask, spec};
use super::upstream::{Act, Scripted, flood, json, stalled};
use super::words::{ALL, content, opening, whole};

async fn next(body: &mut AnswerBody) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

#[tokio::test]
async fn a_client_that_leaves_mid_stream_ends_it_upstream() {
    for provider in ALL {
        let events = format!("{}{}", opening(provider), content(provider, "Hello"));
        let upstream = Scripted::start(vec![stalled(&events)]).await;
        for client in ALL {
            let rig = Rig::new(vec![spec(provider, &upstream)]);
            let mut answer = rig.open(&ask(client, true)).await;
            let first = next(&mut answer.body).await;
            assert!(String::from_utf8_lossy(&first).contains("Hello"), "{client} of {provider}: {first:?}");
            assert!(rig.has_no_record(), "the call is still under way");
            drop(answer);
            upstream.left().await;
            let record = rig.record();
            assert_eq!((record.outcome, record.status), (Outcome::Cancelled, 200), "{client} of {provider}");
            if provider == Dialect::Anthropic {
                assert_eq!(record.usage.and_then(|usage| usage.input), Some(11), "what was reported so far");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_early_ends_it_upstream() {
    let headers_only = Act::SayAndHold(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec());
    let half = Act::SayAndHold(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{".to_vec());
    for (stream, act) in [(false, Act::Hold), (true, Act::Hold), (true, headers_only), (false, half)] {
        let upstream = Scripted::start(vec![act]).await;
        let rig = Rig::new(vec![spec(Dialect::OpenAiChat, &upstream)]);
        let call = ask(Dialect::OpenAiChat, stream);
        tokio::select! {
            _ = rig.gateway.call(&call, &rig.worker) => panic!("there is no answer yet"),
            () = upstream.asked() => {}
        }
        upstream.left().await;
        let record = rig.record();
        assert_eq!((record.outcome, record.status, record.attempts), (Outcome::Cancelled, 499, 1));
        assert_eq!(record.first_content, None);
    }
}

#[tokio::test]
async fn nothing_is_shown_before_the_first_content() {
    let upstream = Scripted::start(vec![stalled(opening(Dialect::Anthropic))]).await;
    let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
    let call = ask(Dialect::Anthropic, true);
    let held = tokio::time::timeout(Duration::from_millis(100), rig.gateway.call(&call, &rig.worker)).await;
    assert!(held.is_err(), "a start, an empty block and a ping are no content");
    assert_eq!(rig.record().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_the_provider_down() {
    for client in [Dialect::OpenAiChat, Dialect::Anthropic] {
        let provider = Dialect::OpenAiChat;
        let piece = content(provider, &"word ".repeat(200));
        let upstream = Scripted::start(vec![flood(&format!("{}{}", opening(provider), content(provider, "Hello")), &piece)]).await;
        let rig = Rig::new(vec![spec(provider, &upstream)]);
        let mut answer = rig.open(&ask(client, true)).await;
        next(&mut answer.body).await;
        // The client stops reading: what is written soon stays the same.
        let mut before = usize::MAX;
        while upstream.written() != before {
            before = upstream.written();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        // Kernel buffers on both sides and what the gateway reads ahead; far from what a provider could send in that time.
        assert!(before < 16 << 20, "{before} bytes were taken for a client that reads nothing");
        for _ in 0..3 {
            assert!(!next(&mut answer.body).await.is_empty());
        }
        drop(answer);
        upstream.left().await;
        assert_eq!(rig.record().outcome, Outcome::Cancelled);
    }
}

#[tokio::test]
async fn a_stale_connection_is_retried_once_and_not_counted() {
    // The first connection serves one request and is closed while idle in the pool.
    let answer = whole(Dialect::OpenAiChat);
    let upstream = Scripted::start(vec![json("200 OK", answer)]).await;
    let rig = Rig::new(vec![spec(Dialect::OpenAiChat, &upstream)]);
    assert_eq!(rig.ask(&ask(Dialect::OpenAiChat, false)).await.status, 200);
    assert_eq!(rig.ask(&ask(Dialect::OpenAiChat, false)).await.status, 200);
    assert_eq!(upstream.requests().len(), 2);
}
