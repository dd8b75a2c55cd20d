//! When the next request is due.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::Outcome;

use super::Plan;

/// The most requests an open loop may have waiting before it stops adding.
const MAX_BACKLOG: usize = 100_000;

/// A loop, shared by all connections.
#[derive(Debug, Clone)]
pub(super) enum Pace {
    /// The next one is due as soon as the last is answered.
    Closed { left: Arc<std::sync::atomic::AtomicU64>, until: Instant },
    /// The next one is due when the clock says so.
    Open { queue: Arc<Queue> },
}

#[derive(Debug)]
pub(super) struct Queue {
    due: Mutex<VecDeque<Instant>>,
    ready: Semaphore,
}

impl Pace {
    pub(super) fn start(plan: &Plan) -> Outcome<Self> {
        let until = Instant::now() + Duration::from_secs(plan.seconds);
        let Some(rate) = plan.rate else {
            let left = Arc::new(std::sync::atomic::AtomicU64::new(plan.requests));
            return Ok(Self::Closed { left, until });
        };
        if !(rate.is_finite() && rate > 0.0) {
            return Err("`--rate` must be above zero".into());
        }
        let queue = Arc::new(Queue { due: Mutex::default(), ready: Semaphore::new(0) });
        let pacer = Pacer { queue: Arc::clone(&queue), gap: Duration::from_secs_f64(1.0 / rate), requests: plan.requests, until };
        // The runtime's timer counts in milliseconds; a sleeping thread is punctual to some fifty microseconds.
        std::thread::Builder::new().name("pacer".into()).spawn(move || pacer.run())?;
        Ok(Self::Open { queue })
    }

    /// The moment the next request is (or was) due; `None` when there is none.
    pub(super) async fn next(&self) -> Option<Instant> {
        use std::sync::atomic::Ordering::Relaxed;
        match self {
            Self::Closed { left, until } => {
                let now = Instant::now();
                if now >= *until {
                    return None;
                }
                left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).ok()?;
                Some(now)
            }
            Self::Open { queue } => {
                queue.ready.acquire().await.ok()?.forget();
                queue.due.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
            }
        }
    }
}

struct Pacer {
    queue: Arc<Queue>,
    gap: Duration,
    requests: u64,
    until: Instant,
}

impl Pacer {
    fn run(self) {
        let mut due = Instant::now();
        for _ in 0..self.requests {
            due += self.gap;
            if due >= self.until {
                break;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let mut waiting = self.queue.due.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= MAX_BACKLOG {
                break;
            }
            waiting.push_back(due);
            drop(waiting);
            self.queue.ready.add_permits(1);
        }
        // Every permit already given out still has its due time; the extra ones find an empty queue and end a sender.
        self.queue.ready.add_permits(Semaphore::MAX_PERMITS >> 4);
    }
}
