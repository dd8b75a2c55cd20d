//! Calls that wait for their turn instead of being refused at once.
//!
//! What is waited for is capacity: requests and tokens of a window, requests at one time, deployments that are full or rest because
//! their rate is used up. Money is never waited for. Who waits is for the operator to say, or for a request that names a `priority`;
//! for all others, and while nobody waits, there is nothing here but one number to look at.
//!
//! Who is next, the [`line`] says; a call on its way through it is the gateway's. Nobody holds a lock while waiting, and there is no
//! task for it: each call waits in its own future, so that one whose client leaves is gone from the line. How long anybody waits is
//! bounded, and how many do; where there is no room, the tenant with most calls in the line gives up its last one.

mod line;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::Error;
use crate::terms::{Level, ScopeId};
use line::Line;

/// Who waits where there is no capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Who {
    /// Nobody, whatever a request says.
    Nobody,
    /// Requests that name a priority.
    #[default]
    Named,
    /// Every request.
    Everybody,
}

/// How calls wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which of them do.
    pub who: Who,
    /// The longest time.
    pub longest: Duration,
    /// How many at most.
    pub most: usize,
    /// The priority of those that name none: lower goes first.
    pub priority: u8,
    /// Whether priorities come before the turns of tenants.
    pub strict: bool,
    /// How often the first in line looks for what becomes free at other gateways.
    pub look: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let (longest, look) = (Duration::from_secs(30), Duration::from_millis(50));
        Self { who: Who::default(), longest, most: 1_000, priority: u8::MAX, strict: false, look }
    }
}

/// Something of which there is only so much.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Capacity {
    /// What a scope's limits allow.
    Scope(ScopeId),
    /// The deployments of a model.
    Model(Arc<str>),
}

/// The calls that wait.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    line: Line,
    wakes: HashMap<u64, Arc<Notify>>,
    /// What those who tried were told, and when.
    told: HashMap<u64, (Error, Instant)>,
    /// When waiting ends for everybody.
    closing: Option<Instant>,
}

impl Queue {
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Some of what that scope allows has been given back.
    pub(crate) fn freed(&self, scope: &ScopeId) {
        if self.waiting() == 0 {
            return;
        }
        let of_target = matches!(scope.level, Level::Provider | Level::Deployment);
        let mut inner = self.inner();
        let is_it = |what: &Capacity| match what {
            Capacity::Scope(id) => id == scope,
            Capacity::Model(_) => of_target,
        };
        if inner.line.freed(&is_it) {
            self.go_on(&mut inner);
        }
    }

    /// Waiting ends then for everybody, and nobody begins to wait any more.
    pub fn close(&self, at: std::time::Instant) {
        let mut inner = self.inner();
        let at = Instant::from_std(at);
        inner.closing = Some(inner.closing.map_or(at, |known| known.min(at)));
        inner.wakes.values().for_each(|wake| wake.notify_one());
    }

    /// A place in the line; `None`: there is no room.
    pub(crate) fn join(&self, (tenant, priority): (Arc<str>, u8), needs: Vec<Capacity>, settings: &Settings) -> Option<Place<'_>> {
        let mut inner = self.inner();
        if inner.closing.is_some() {
            return None;
        }
        inner.line.strict = settings.strict;
        if inner.line.len() >= settings.most {
            let last = inner.line.last_of_longest(&tenant)?;
            inner.line.leave(last, false);
            if let Some(wake) = inner.wakes.get(&last) {
                wake.notify_one();
            }
        }
        let (number, wake) = (inner.line.join(tenant, priority, needs), Arc::<Notify>::default());
        inner.wakes.insert(number, wake.clone());
        self.waiting.store(inner.wakes.len(), Ordering::Relaxed);
        Some(Place { queue: self, number, wake })
    }

    /// Whether somebody waits who needs some of that.
    pub(crate) fn contends(&self, needs: &[Capacity]) -> bool {
        self.inner().line.contends(needs)
    }

    /// What that one was told when it tried, or who else waits for some of that; and how long ago.
    pub(crate) fn told(&self, number: Option<u64>, needs: &[Capacity]) -> Option<(Error, Duration)> {
        let inner = self.inner();
        let own = number.and_then(|number| inner.told.get(&number));
        let told = own.or_else(|| inner.told.get(&inner.line.fellow(needs)?));
        told.map(|(error, at)| (error.again(), at.elapsed()))
    }

    /// Tells those whose turn it is.
    fn go_on(&self, inner: &mut Inner) {
        for number in inner.line.turns() {
            if let Some(wake) = inner.wakes.get(&number) {
                wake.notify_one();
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line. Dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    queue: &'a Queue,
    pub(crate) number: u64,
    wake: Arc<Notify>,
}

impl Place<'_> {
    /// Waits for a turn; `false`: there is none until then. `again` is when to try what has failed before.
    pub(crate) async fn turn(&self, until: Instant, again: Option<Instant>) -> bool {
        let mut again = again;
        loop {
            let until = {
                let mut inner = self.queue.inner();
                self.queue.go_on(&mut inner);
                if inner.line.is_trying(self.number) {
                    return true;
                }
                let until = inner.closing.map_or(until, |closing| closing.min(until));
                if !inner.line.has(self.number) || Instant::now() >= until {
                    return false;
                }
                until
            };
            let next = again.map_or(until, |again| again.min(until));
            if tokio::time::timeout_at(next, self.wake.notified()).await.is_err() && again.is_some_and(|again| again <= Instant::now()) {
                self.queue.inner().line.ripen(self.number);
                again = None;
            }
        }
    }

    /// It tried, and was told that.
    pub(crate) fn failed(&self, by: Capacity, error: Error) {
        let mut inner = self.queue.inner();
        inner.line.block(self.number, by);
        inner.told.insert(self.number, (error, Instant::now()));
        self.queue.go_on(&mut inner);
    }

    /// It has what it waited for: the next one may try.
    pub(crate) fn admitted(&self) {
        self.leave(true);
    }

    fn leave(&self, served: bool) {
        let mut inner = self.queue.inner();
        inner.line.leave(self.number, served);
        inner.wakes.remove(&self.number);
        inner.told.remove(&self.number);
        self.queue.waiting.store(inner.wakes.len(), Ordering::Relaxed);
        self.queue.go_on(&mut inner);
    }

    /// Whether it still is in the line.
    pub(crate) fn is_kept(&self) -> bool {
        self.queue.inner().line.has(self.number)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave(false);
    }
}
