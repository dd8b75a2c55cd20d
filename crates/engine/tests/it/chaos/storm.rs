//! Many requests to providers that fail at random, or altogether.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_engine::deployment::Spec;
use switchboard_engine::route::Names;
use switchboard_engine::upstream::Timeouts;
use switchboard_wire::Dialect;

use super::fault::Fault;
use super::server::{Chaos, Choose};
use super::side_by_side;
use crate::exchange::rig::{PATIENT, PROMPT, Rig, Told, ask, at_address, call};
use crate::exchange::words::{text_of, text_of_stream};

/// Every way to fail that another provider can make good.
const WAYS: [Fault; 33] = [
    Fault::RateLimitedForAWhile,
    Fault::Quota,
    Fault::Overloaded529,
    Fault::Overloaded503,
    Fault::Server500,
    Fault::Server502,
    Fault::Server504,
    Fault::HangUp,
    Fault::HeadThenGone,
    Fault::Silent,
    Fault::HeadThenSilent,
    Fault::Malformed,
    Fault::Empty,
    Fault::ErrorBody,
    Fault::Null,
    Fault::Html,
    Fault::HtmlError,
    Fault::UnknownCoding,
    Fault::BadChunk,
    Fault::BothLengths,
    Fault::ShortBody,
    Fault::Unauthorized,
    Fault::Forbidden,
    Fault::NotFound,
    Fault::TimeoutStatus,
    Fault::Conflict,
    Fault::TooEarly,
    Fault::Redirect,
    Fault::BadStatusLine,
    Fault::HangUp,
    Fault::Overloaded503,
    Fault::Server500,
    Fault::HeadThenGone,
];

/// Silence costs that much of the test's time; a busy machine needs some of it for answers that are on their way.
const PATIENCE: Duration = Duration::from_secs(1);
const IMPATIENT: Timeouts = Timeouts { idle: PATIENCE, ..PATIENT };

fn at(dialect: Dialect, chaos: &Chaos, number: u32) -> Spec {
    let id = format!("deployment-{number}");
    Spec { id, timeout: Some(PATIENCE), stream_timeout: Some(PATIENCE), ..at_address(dialect, &chaos.address().to_string()) }
}

/// Fails by chance, in that share of requests.
fn by_chance(seed: u64, share: f64) -> Arc<Choose> {
    let dice = Mutex::new(fastrand::Rng::with_seed(seed));
    Arc::new(move |_| {
        let mut dice = dice.lock().unwrap();
        (dice.f64() < share).then(|| WAYS[dice.usize(..WAYS.len())])
    })
}

async fn three(share: f64) -> (Rig, [Chaos; 3]) {
    let dialects = [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::OpenAiChat];
    let chaos = [
        Chaos::start(dialects[0], by_chance(1, share)).await,
        Chaos::start(dialects[1], by_chance(2, share)).await,
        Chaos::start(dialects[2], by_chance(3, share)).await,
    ];
    let specs = (0..3).map(|number| at(dialects[number], &chaos[number], u32::try_from(number).unwrap())).collect();
    (Rig::busy(specs, Names::default(), IMPATIENT), chaos)
}

/// Asks that often, so many at a time; `judge` sees each answer.
async fn storm(rig: Rig, count: usize, at_once: usize, judge: impl Fn(usize, bool, Told) + 'static) -> Rc<Rig> {
    let (rig, next, judge) = (Rc::new(rig), Rc::new(Cell::new(0)), Rc::new(judge));
    let clients = (0..at_once).map(|_| {
        let (rig, next, judge) = (rig.clone(), next.clone(), judge.clone());
        async move {
            loop {
                let number = next.get();
                if number >= count {
                    return;
                }
                next.set(number + 1);
                let stream = number % 2 == 1;
                let body =
                    format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"{PROMPT} nonce-{number}"}}]}}"#);
                judge(number, stream, rig.ask(&call(Dialect::OpenAiChat, stream, &body)).await);
            }
        }
    });
    side_by_side(clients).await;
    rig
}

#[tokio::test]
async fn three_that_fail_by_chance_answer_nearly_all() {
    const COUNT: usize = 20_000;
    let (rig, chaos) = three(0.3).await;
    let failed: Rc<RefCell<BTreeMap<String, usize>>> = Rc::default();
    let seen = failed.clone();
    storm(rig, COUNT, 64, move |number, stream, told| {
        let text = match (told.status, stream) {
            (200, true) => text_of_stream(Dialect::OpenAiChat, &told.body),
            (200, false) => text_of(Dialect::OpenAiChat, &told.json()),
            (status, _) => {
                let error = told.json();
                *seen.borrow_mut().entry(format!("{status} {}", error["error"]["code"])).or_default() += 1;
                return;
            }
        };
        if told.header("x-switchboard-empty").is_some() {
            // Empty twice: that is handed on as it is, and marked.
            *seen.borrow_mut().entry("empty".to_owned()).or_default() += 1;
            return;
        }
        assert_eq!(text, format!("nonce-{number}"), "another one's answer: {told:?}");
    })
    .await;
    let lost: usize = failed.borrow().values().sum();
    let shown: Vec<usize> = chaos.iter().map(|chaos| chaos.faults().values().sum()).collect();
    assert!(shown.iter().sum::<usize>() > COUNT / 5, "the providers hardly failed: {shown:?}");
    assert!(lost * 1000 <= COUNT, "{lost} of {COUNT} failed: {failed:?}, after faults {shown:?}");
}

#[tokio::test]
async fn total_failure_is_not_multiplied() {
    const COUNT: usize = 3_000;
    for fault in [Fault::Server500, Fault::Overloaded503, Fault::HangUp, Fault::Conflict, Fault::Empty, Fault::Unauthorized, Fault::Null] {
        let chaos = [
            Chaos::always(Dialect::OpenAiChat, Some(fault)).await,
            Chaos::always(Dialect::Anthropic, Some(fault)).await,
            Chaos::always(Dialect::OpenAiChat, Some(fault)).await,
        ];
        let dialects = [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::OpenAiChat];
        let specs = (0..3).map(|number| at(dialects[number], &chaos[number], u32::try_from(number).unwrap())).collect();
        let rig = Rig::busy(specs, Names::default(), IMPATIENT);
        storm(rig, COUNT, 64, |_, _, told| assert!(told.status >= 400 || told.header("x-switchboard-empty").is_some(), "{told:?}")).await;
        let asked: usize = chaos.iter().map(Chaos::requests).sum();
        assert!(asked * 10 <= COUNT * 12, "{fault:?}: {asked} requests to providers for {COUNT}");
    }
}

/// Shut out altogether, the model comes back soon after its providers do.
#[tokio::test]
async fn a_total_failure_ends_with_its_cause() {
    let until = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let broken = until.clone();
    let choose: Arc<Choose> = Arc::new(move |_| broken.load(std::sync::atomic::Ordering::SeqCst).then_some(Fault::Server502));
    let chaos = [Chaos::start(Dialect::OpenAiChat, choose.clone()).await, Chaos::start(Dialect::OpenAiChat, choose).await];
    let specs = vec![at(Dialect::OpenAiChat, &chaos[0], 0), at(Dialect::OpenAiChat, &chaos[1], 1)];
    let rig = Rig::busy(specs, Names::default(), IMPATIENT);
    let request = ask(Dialect::OpenAiChat, false);
    let mut refused = None;
    for _ in 0..40 {
        let told = rig.ask(&request).await;
        if told.status == 503 {
            refused = Some(told);
            break;
        }
        assert_eq!(told.status, 502, "{told:?}");
    }
    let refused = refused.expect("shut out after so many failures");
    assert!(refused.retry_after.is_some_and(|after| after >= Duration::from_secs(1)), "{refused:?}");
    until.store(false, std::sync::atomic::Ordering::SeqCst);
    let healed = std::time::Instant::now();
    let mut answered = false;
    for _ in 0..400 {
        if rig.ask(&request).await.status == 200 {
            answered = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(answered, "still shut out after {:?}", healed.elapsed());
}
