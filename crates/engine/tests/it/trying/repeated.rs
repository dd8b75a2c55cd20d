use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use switchboard_engine::book::port::Later;
use switchboard_engine::call::Call;
use switchboard_engine::meter::Served;
use switchboard_engine::principal::Principal;
use switchboard_engine::route::Names;
use switchboard_engine::service;
use switchboard_engine::settings::{Service, Settings};
use switchboard_engine::shelf::{Archive, Claim, Slot};
use switchboard_engine::terms::NanoUsd;
use switchboard_wire::Dialect;

use super::{numbered, open, serve};
use crate::exchange::rig::{Rig, ask, call};
use crate::exchange::upstream::{Act, Scripted, cut, json, stream};
use crate::exchange::words::{ALL, content, opening, streamed, whole};

const OPENAI: Dialect = Dialect::OpenAiChat;

fn keyed(key: &'static str, mut call: Call) -> Call {
    call.headers.insert("idempotency-key", HeaderValue::from_static(key));
    call
}

async fn one(acts: Vec<Act>) -> (Arc<Rig>, Scripted) {
    let upstream = Scripted::start(acts).await;
    let settings = Settings { num_retries: Some(0), ..Settings::default() };
    (Arc::new(Rig::trying(vec![numbered(0, OPENAI, &upstream)], Names::default(), settings)), upstream)
}

#[tokio::test]
async fn the_first_answer_comes_again_and_costs_nothing() {
    for client in ALL {
        for streams in [false, true] {
            let good = if streams { stream(&streamed(OPENAI)) } else { json("200 OK", whole(OPENAI)) };
            let (rig, upstream) = one(vec![good]).await;
            let request = keyed("order-1", ask(client, streams));
            let first = serve(&rig, &request).await;
            let again = serve(&rig, &Call { id: "call-2".to_owned(), ..request.clone() }).await;
            assert_eq!((first.status, again.status, upstream.requests().len()), (200, 200, 1), "{client} {streams}: {again:?}");
            assert_eq!(first.body, again.body);
            assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
            assert_eq!(again.header("x-litellm-response-cost"), Some("0.0"));
            assert_eq!(first.header("content-type"), again.header("content-type"));
            let records = rig.records();
            assert_eq!((records[1].served, records[1].attempts, records[1].charged), (Served::Repeated, 0, NanoUsd::ZERO));
            // Its name is another caller's for something else, and a new name is a new request.
            let mut theirs = request.clone();
            theirs.principal = Arc::new(Principal::named("key-2"));
            serve(&rig, &theirs).await;
            serve(&rig, &keyed("order-2", ask(client, streams))).await;
            assert_eq!(upstream.requests().len(), 3);
        }
    }
}

#[tokio::test]
async fn a_name_stands_for_one_request() {
    let (rig, upstream) = one(vec![json("200 OK", whole(OPENAI))]).await;
    serve(&rig, &keyed("order-1", ask(OPENAI, false))).await;
    let other = call(OPENAI, false, r#"{"model":"m","messages":[{"role":"user","content":"else"}]}"#);
    let told = serve(&rig, &keyed("order-1", other)).await;
    assert_eq!((told.status, upstream.requests().len()), (422, 1), "{told:?}");
    assert_eq!(told.json()["error"]["code"], "idempotency_key_reused");
    let streamed = serve(&rig, &keyed("order-1", ask(OPENAI, true))).await;
    assert_eq!(streamed.status, 422, "a stream is another request");
    let long: &'static str = "x".repeat(300).leak();
    assert_eq!(serve(&rig, &keyed(long, ask(OPENAI, false))).await.status, 400);
}

#[tokio::test]
async fn who_asks_meanwhile_waits_for_it() {
    let slow = |act| Act::After(Duration::from_millis(150), Box::new(act));
    let (rig, upstream) = one(vec![slow(json("200 OK", whole(OPENAI)))]).await;
    let request = keyed("order-1", ask(OPENAI, false));
    let (first, again) = tokio::join!(serve(&rig, &request), serve(&rig, &request));
    assert_eq!((first.body == again.body, upstream.requests().len()), (true, 1));
    // The first one fails: whoever waited is the next to try.
    let failing = slow(json("500 Internal Server Error", "{}"));
    let (rig, upstream) = one(vec![failing, json("200 OK", whole(OPENAI))]).await;
    let (first, again) = tokio::join!(serve(&rig, &request), serve(&rig, &request));
    assert_eq!((first.status, again.status, upstream.requests().len()), (502, 200, 2), "{first:?} {again:?}");
    // The first one leaves: the same.
    let (rig, upstream) = one(vec![Act::Hold, json("200 OK", whole(OPENAI))]).await;
    let left = tokio::time::timeout(Duration::from_millis(100), serve(&rig, &request));
    let (left, again) = tokio::join!(left, serve(&rig, &request));
    assert_eq!((left.is_err(), again.status, upstream.requests().len()), (true, 200, 2));
}

#[tokio::test]
async fn what_is_not_whole_is_not_kept() {
    let half = cut(&format!("{}{}", opening(OPENAI), content(OPENAI, "Hel")));
    for bad in [half, json("400 Bad Request", r#"{"error":{"message":"no"}}"#)] {
        let (rig, upstream) = one(vec![bad, stream(&streamed(OPENAI))]).await;
        let request = keyed("order-1", ask(OPENAI, true));
        serve(&rig, &request).await;
        let again = serve(&rig, &request).await;
        assert_eq!((again.header("idempotent-replayed"), upstream.requests().len()), (None, 2));
        assert_eq!(serve(&rig, &request).await.header("idempotent-replayed"), Some("true"));
    }
    // A client that left in the middle of a stream has no whole answer.
    let (rig, upstream) = one(vec![stream(&streamed(OPENAI))]).await;
    let request = keyed("order-1", ask(OPENAI, true));
    drop(open(&rig, &request).await);
    serve(&rig, &request).await;
    assert_eq!(upstream.requests().len(), 2);
    // Nothing is kept where the operator wants nothing kept.
    let settings = Settings { service: Service { idempotency_ttl: Duration::ZERO, ..Service::default() }, ..Settings::default() };
    let rig = Rig::trying(vec![numbered(0, OPENAI, &upstream)], Names::default(), settings);
    assert!(!service::is_wanted(&rig.gateway, &request));
}

/// An archive in memory, for two gateways.
#[derive(Default)]
struct Shelves(Mutex<HashMap<[u8; 32], Shelved>>);

/// The request, and its answer once there is one.
type Shelved = ([u8; 32], Option<Bytes>);

impl Archive for Shelves {
    fn claim(&self, slot: Slot, _: Duration) -> Later<'_, Result<Claim, String>> {
        let mut shelves = self.0.lock().unwrap();
        let claim = match shelves.get(&slot.name) {
            None => {
                shelves.insert(slot.name, (slot.request, None));
                Claim::Taken
            }
            Some((request, _)) if *request != slot.request => Claim::Other,
            Some((_, None)) => Claim::Running,
            Some((_, Some(answer))) => Claim::Kept(answer.clone()),
        };
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn keep(&self, slot: Slot, answer: Bytes, _: Duration) {
        self.0.lock().unwrap().insert(slot.name, (slot.request, Some(answer)));
    }

    fn release(&self, slot: Slot) {
        self.0.lock().unwrap().remove(&slot.name);
    }
}

#[tokio::test]
async fn gateways_that_share_an_archive_answer_for_each_other() {
    let archive: Arc<Shelves> = Arc::default();
    let slow = Act::After(Duration::from_millis(150), Box::new(stream(&streamed(OPENAI))));
    let upstream = Scripted::start(vec![slow]).await;
    let two = [0; 2].map(|_| {
        let mut rig = Rig::trying(vec![numbered(0, OPENAI, &upstream)], Names::default(), Settings::default());
        rig.archive(archive.clone());
        Arc::new(rig)
    });
    let request = keyed("order-1", ask(OPENAI, true));
    let (here, there) = tokio::join!(serve(&two[0], &request), serve(&two[1], &request));
    assert_eq!((here.body == there.body, upstream.requests().len()), (true, 1), "{here:?} {there:?}");
    assert_eq!(serve(&two[1], &request).await.header("idempotent-replayed"), Some("true"));
    let other = keyed("order-1", ask(OPENAI, false));
    assert_eq!(serve(&two[1], &other).await.status, 422);
    // What fails there is nobody's.
    let failing = Scripted::start(vec![json("400 Bad Request", "{}")]).await;
    let mut rig = Rig::trying(vec![numbered(0, OPENAI, &failing)], Names::default(), Settings::default());
    rig.archive(archive.clone());
    serve(&Arc::new(rig), &keyed("order-9", ask(OPENAI, false))).await;
    assert_eq!(archive.0.lock().unwrap().len(), 1);
}
