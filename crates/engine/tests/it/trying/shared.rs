use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http_body_util::BodyExt;
use switchboard_engine::call::Call;
use switchboard_engine::meter::{Outcome, Served};
use switchboard_engine::principal::Principal;
use switchboard_engine::route::Names;
use switchboard_engine::service;
use switchboard_engine::settings::{Service, Settings};
use switchboard_engine::terms::{Level, Limit, NanoUsd, ScopeId, Terms};
use switchboard_wire::Dialect;

use super::{numbered, open, serve};
use crate::exchange::rig::{Rig, ask, call};
use crate::exchange::upstream::{Act, Scripted, cut, flood, json, stream};
use crate::exchange::words::{ALL, clean_end, content, opening, streamed, text_of, text_of_stream, whole};

const OPENAI: Dialect = Dialect::OpenAiChat;

fn coalescing() -> Settings {
    Settings { service: Service { coalesce: true, ..Service::default() }, ..Settings::default() }
}

fn soon(act: Act) -> Act {
    Act::After(Duration::from_millis(120), Box::new(act))
}

async fn one(act: Act, settings: Settings) -> (Arc<Rig>, Scripted) {
    let upstream = Scripted::start(vec![act]).await;
    (Arc::new(Rig::trying(vec![numbered(0, OPENAI, &upstream)], Names::default(), settings)), upstream)
}

fn named(id: &str, call: Call) -> Call {
    Call { id: id.to_owned(), ..call }
}

#[tokio::test]
async fn identical_calls_are_one_call_to_a_provider() {
    for streams in [false, true] {
        for client in ALL {
            let good = if streams { stream(&streamed(OPENAI)) } else { json("200 OK", whole(OPENAI)) };
            let (rig, upstream) = one(soon(good), coalescing()).await;
            let body = match client {
                // Responses are kept at the provider unless they are not to be: only then are they mere inference.
                Dialect::OpenAiResponses => {
                    call(client, streams, &format!(r#"{{"model":"m","stream":{streams},"input":"hi","store":false}}"#))
                }
                _ => ask(client, streams),
            };
            let calls: Vec<Call> = (0..5).map(|number| named(&format!("call-{number}"), body.clone())).collect();
            let told = futures_join(calls.iter().map(|call| serve(&rig, call))).await;
            assert_eq!(upstream.requests().len(), 1, "{client} {streams}");
            for (number, told) in told.iter().enumerate() {
                assert_eq!(told.status, 200, "{told:?}");
                let text = if streams { text_of_stream(client, &told.body) } else { text_of(client, &told.json()) };
                assert_eq!(text, "Hello there", "{told:?}");
                assert_eq!(told.header("x-litellm-call-id"), Some(format!("call-{number}").as_str()));
            }
            let joined: Vec<_> = told.iter().filter(|told| told.header("x-switchboard-coalesced") == Some("1")).collect();
            assert_eq!(joined.len(), 4);
            assert!(joined.iter().all(|told| told.header("x-litellm-response-cost") == Some("0.0")));
            let records = rig.records();
            assert_eq!(records.len(), 5, "each call has its record");
            assert!(records.iter().all(|record| (record.outcome, record.status) == (Outcome::Complete, 200)), "{records:?}");
            let (asked, shared): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.served == Served::Asked);
            assert_eq!((asked.len(), asked[0].attempts, shared.len()), (1, 1, 4));
            assert!(asked[0].cost.is_some_and(|cost| cost.0 > 0) || asked[0].cost.is_none());
            assert!(shared.iter().all(|record| record.attempts == 0 && record.charged == NanoUsd::ZERO && record.usage.is_none()));
            assert_eq!(rig.gateway.in_flight(), 0);
        }
    }
}

#[tokio::test]
async fn what_differs_or_has_effects_is_not_shared() {
    let other = call(OPENAI, false, r#"{"model":"m","stream":false,"messages":[{"role":"user","content":"else"}]}"#);
    let mut elsewhere = ask(OPENAI, false);
    elsewhere.principal = Arc::new(Principal::named("key-2"));
    let mut wished = ask(OPENAI, false);
    wished.headers.insert("x-litellm-num-retries", HeaderValue::from_static("0"));
    for different in [other, elsewhere, wished] {
        let (rig, upstream) = one(soon(json("200 OK", whole(OPENAI))), coalescing()).await;
        let plain = ask(OPENAI, false);
        tokio::join!(serve(&rig, &plain), serve(&rig, &different));
        assert_eq!(upstream.requests().len(), 2);
    }
    let (rig, _) = one(soon(json("200 OK", whole(OPENAI))), coalescing()).await;
    let kept = call(OPENAI, false, r#"{"model":"m","store":true,"messages":[{"role":"user","content":"hi"}]}"#);
    assert!(!service::is_wanted(&rig.gateway, &kept), "it has an effect");
    let mut unwanted = ask(OPENAI, false);
    unwanted.headers.insert("x-switchboard-coalesce", HeaderValue::from_static("false"));
    assert!(!service::is_wanted(&rig.gateway, &unwanted));
    let (rig, upstream) = one(soon(json("200 OK", whole(OPENAI))), Settings::default()).await;
    let mut wanted = ask(OPENAI, false);
    assert!(!service::is_wanted(&rig.gateway, &wanted));
    wanted.headers.insert("x-switchboard-coalesce", HeaderValue::from_static("true"));
    tokio::join!(serve(&rig, &wanted), serve(&rig, &wanted));
    assert_eq!(upstream.requests().len(), 1);
    // One after the other is no two at once.
    serve(&rig, &wanted).await;
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn who_leaves_leaves_the_others() {
    let (rig, upstream) = one(soon(stream(&streamed(OPENAI))), coalescing()).await;
    let request = ask(OPENAI, true);
    let first = Box::pin(tokio::time::timeout(Duration::from_millis(40), serve(&rig, &request)));
    let (left, told) = tokio::join!(first, async {
        upstream.asked().await;
        serve(&rig, &request).await
    });
    assert!(left.is_err(), "the one who began it has left");
    assert_eq!((text_of_stream(OPENAI, &told.body).as_str(), upstream.requests().len()), ("Hello there", 1), "{told:?}");
    // When all have left the provider is left too.
    let (rig, upstream) = one(Act::Hold, coalescing()).await;
    let gone = || tokio::time::timeout(Duration::from_millis(80), serve(&rig, &request));
    let (one_left, other_left, ()) = tokio::join!(gone(), gone(), upstream.left());
    assert!(one_left.is_err() && other_left.is_err());
    assert_eq!(rig.records().len(), 2);
    assert!(rig.records().iter().all(|record| record.outcome == Outcome::Cancelled));
}

#[tokio::test]
async fn failures_are_everybodys() {
    let (rig, upstream) =
        one(soon(json("400 Bad Request", r#"{"error":{"message":"no","type":"invalid_request_error"}}"#)), coalescing()).await;
    let request = ask(OPENAI, false);
    let (one_told, other_told) = tokio::join!(serve(&rig, &request), serve(&rig, &request));
    assert_eq!((one_told.status, other_told.status, upstream.requests().len()), (400, 400, 1));
    assert_eq!(one_told.body, other_told.body);
    let (rig, _upstream) = one(soon(cut(&format!("{}{}", opening(OPENAI), content(OPENAI, "Hel")))), coalescing()).await;
    let request = ask(OPENAI, true);
    let (one_told, other_told) = tokio::join!(serve(&rig, &request), serve(&rig, &request));
    for told in [one_told, other_told] {
        assert!(told.body.contains("error") && !told.body.contains(clean_end(OPENAI)), "{told:?}");
    }
    assert!(rig.records().iter().all(|record| matches!(record.outcome, Outcome::Failed(_))));
}

/// One that does not read stalls nobody; it is told when what is kept for it is too much.
#[tokio::test]
async fn a_slow_reader_stalls_nobody() {
    let piece = content(OPENAI, &"x".repeat(4000)).repeat(8);
    let (rig, upstream) = one(soon(flood(opening(OPENAI), &piece)), coalescing()).await;
    let request = ask(OPENAI, true);
    let (slow, mut quick) = tokio::join!(open(&rig, &request), open(&rig, &request));
    let mut read = 0;
    while read < 8 << 20 {
        read += quick.body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    assert_eq!(upstream.requests().len(), 1);
    drop(quick);
    let told = slow.body.collect().await.unwrap().to_bytes();
    let told = String::from_utf8(told.to_vec()).unwrap();
    assert!(told.contains("reader_too_slow") && told.len() < 4 << 20, "{} bytes", told.len());
    upstream.left().await;
}

/// Who joins is admitted like any other: limits on requests count it.
#[tokio::test]
async fn limits_count_those_who_join() {
    let (rig, upstream) = one(soon(json("200 OK", whole(OPENAI))), coalescing()).await;
    let terms = Terms { limits: vec![Limit::rpm(2)], ..Terms::default() };
    let scope = rig.gateway.admission().book().scope(ScopeId::new(Level::Key, "k"), terms);
    let principal = Arc::new(Principal { scopes: vec![scope], ..Principal::named("k") });
    let request = Call { principal, ..ask(OPENAI, false) };
    let told = futures_join([0; 3].map(|_| serve(&rig, &request))).await;
    let mut statuses: Vec<u16> = told.iter().map(|told| told.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses, upstream.requests().len()), (vec![200, 200, 429], 1));
}

/// All of them, side by side.
async fn futures_join<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|ctx| {
        for (future, done) in running.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(ctx) {
                *done = Some(output);
            }
        }
        if running.iter().all(|(_, done)| done.is_some()) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}
