//! Deadlines while the machine has other work: each is kept, not before its time, and the provider is left at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use switchboard_engine::deployment::Spec;
use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_engine::upstream::Timeouts;
use switchboard_wire::Dialect;
use switchboard_wire::problem::Kind;

use super::rig::{PATIENT, Rig, ask, spec};
use super::upstream::{Act, Scripted, stalled};
use super::words::{ALL, content, opening, text_of_stream};

/// What is set.
const SET: Duration = Duration::from_millis(400);
/// A timer of another's, set together with it, and much later: nothing here is to be compared with a clock that others hold up.
const MUCH_LATER: Duration = Duration::from_secs(40);

/// Threads that want all there is of the processors, until they are dropped.
struct Load {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start() -> Self {
        let ended = Arc::<AtomicBool>::default();
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let busy = |ended: Arc<AtomicBool>| {
            move || {
                while !ended.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..count).map(|_| std::thread::spawn(busy(ended.clone()))).collect();
        Self { ended, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

#[tokio::test]
async fn timers_fire_in_their_order_under_load() {
    let _load = Load::start();
    let head = || Act::SayAndHold(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec());
    for provider in ALL {
        let begun = format!("{}{}", opening(provider), content(provider, "Hello"));
        // What is said before the silence, and whether the client has seen some of it.
        for (act, seen) in [(Act::Hold, false), (head(), false), (stalled(opening(provider)), false), (stalled(&begun), true)] {
            let shown = format!("{provider}, {act:?}");
            let upstream = Scripted::start(vec![act]).await;
            let (first, idle) = if seen { (PATIENT.first_byte, SET) } else { (SET, PATIENT.idle) };
            let timeouts = Timeouts { first_byte: first, idle, ..PATIENT };
            let limited = Spec { stream_timeout: (!seen).then_some(first), ..spec(provider, &upstream) };
            let rig = Rig::with(vec![limited], Names::default(), timeouts);
            let set = Instant::now();
            let told = tokio::select! {
                told = async {
                    let told = rig.ask(&ask(Dialect::OpenAiChat, true)).await;
                    upstream.left().await;
                    told
                } => told,
                () = tokio::time::sleep(MUCH_LATER) => panic!("{shown}: nobody was told, or the provider was not left"),
            };
            assert!(set.elapsed() >= SET, "{shown}: too early: {told:?}");
            let (status, text) = if seen { (200, "Hello") } else { (504, "") };
            assert_eq!((told.status, text_of_stream(Dialect::OpenAiChat, &told.body).as_str()), (status, text), "{shown}: {told:?}");
            assert_eq!(rig.record().outcome, Outcome::Failed(Kind::Timeout), "{shown}");
        }
    }
}
