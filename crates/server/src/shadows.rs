//! Copies of requests, sent from a thread of their own: callers never wait for them.

mod judge;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_engine::experiment::{Job, Mirror, Spoken};
use switchboard_engine::gateway::Worker;
use switchboard_engine::reflection;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use crate::app::App;
use crate::chore::Chore;
use crate::trials::Trials;

/// Copies that may wait.
const WAITING: usize = 256;
/// Bytes of their bodies.
const WAITING_BYTES: usize = 64 << 20;
/// Copies under way, all together.
const AT_ONCE: usize = 64;

/// Takes copies.
#[derive(Debug)]
pub(crate) struct Mirrored {
    jobs: mpsc::Sender<Slot>,
    places: Arc<Places>,
}

/// Where copies arrive.
#[derive(Debug)]
pub(crate) struct Inbox {
    jobs: mpsc::Receiver<Slot>,
}

/// What is under way.
#[derive(Debug)]
struct Places {
    taken: Mutex<HashMap<(Arc<str>, String), usize>>,
    bytes: AtomicUsize,
    trials: Arc<Trials>,
}

/// A copy with its place, which it gives back when it is dropped.
#[derive(Debug)]
struct Slot {
    job: Option<Job>,
    key: (Arc<str>, String),
    bytes: usize,
    places: Arc<Places>,
}

impl Mirrored {
    /// A mirror, and where its copies arrive; they are counted with those trials.
    pub(crate) fn new(trials: Arc<Trials>) -> (Self, Inbox) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let places = Places { taken: Mutex::default(), bytes: AtomicUsize::new(0), trials };
        (Self { jobs: sender, places: Arc::new(places) }, Inbox { jobs: receiver })
    }
}

impl Places {
    /// A place for a copy, if there is one.
    fn take(self: &Arc<Self>, job: Job) -> Option<Slot> {
        let (bytes, key) = (job.call.body.len(), (job.trial.experiment.clone(), job.shadow.model.clone()));
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > WAITING_BYTES {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return None;
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.clone()).or_default();
        if *count >= job.shadow.at_once {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return None;
        }
        *count += 1;
        drop(taken);
        self.trials.copies.held.fetch_add(1, Ordering::Relaxed);
        Some(Slot { job: Some(job), key, bytes, places: self.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.places.trials.copies.held.fetch_sub(1, Ordering::Relaxed);
        self.places.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

impl Mirror for Mirrored {
    fn reflect(&self, job: Job) {
        let sent = self.places.take(job).is_some_and(|slot| self.jobs.try_send(slot).is_ok());
        if !sent {
            let dropped = self.places.trials.copies.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "copies of requests are dropped: too many are under way");
            }
        }
    }
}

/// Sends copies, until it is dropped.
pub(crate) fn reflect(app: Arc<App>, mut inbox: Inbox, worker: impl Fn() -> Worker + Send + 'static) -> std::io::Result<Chore> {
    Chore::start("shadows", async move || run(&app, &mut inbox, worker()).await)
}

/// Sends what arrives.
async fn run(app: &Arc<App>, inbox: &mut Inbox, worker: Worker) {
    let worker = Rc::new(worker);
    let local = LocalSet::new();
    let work = async {
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                slot = inbox.jobs.recv(), if under_way.len() < AT_ONCE => {
                    let Some(slot) = slot else { break };
                    let (app, worker) = (app.clone(), worker.clone());
                    under_way.spawn_local(async move { send(&app, &worker, slot).await });
                }
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => {
                    if ended.is_err() {
                        tracing::error!("a copy of a request panicked");
                    }
                }
            }
        }
    };
    local.run_until(work).await;
}

/// Sends one copy, and has it compared where that is wanted.
async fn send(app: &App, worker: &Worker, mut slot: Slot) {
    let Some(job) = slot.job.take() else { return };
    let Ok(answer) = app.gateway.errand(&job.call, worker, Some(job.trial.clone())).await else { return };
    let body = reflection::whole(answer).await;
    let (Some(model), Some(kept), Some(body)) = (job.shadow.judge.clone(), job.answer, body) else { return };
    // The sender goes when the caller's answer does, however that ends.
    let Ok(live) = kept.await else { return };
    let shadow = Spoken { chunks: vec![body], dialect: live.dialect, stream: live.stream };
    let (Some(one), Some(other)) = (live.text(), shadow.text()) else { return };
    let compared = judge::Compared { call: &job.call, trial: &job.trial, live: &job.live, answers: (&one, &other) };
    if let Err(error) = judge::compare(app, worker, &model, &compared).await {
        tracing::warn!(%error, judge = model, "answers could not be compared");
    }
}
