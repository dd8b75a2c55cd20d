//! What time it is for budgets and limits.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::clock::Micros;
use crate::terms::micros;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970, UTC. Never less than before.
    fn now(&self) -> Micros;
}

/// The machine's clock as it stood at the start, and what has passed since: setting it back opens no window twice.
#[derive(Debug)]
pub struct MachineClock {
    began: Instant,
    at: Micros,
}

impl Default for MachineClock {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(micros(since))
    }
}

impl MachineClock {
    /// The same, where somebody else knows what time it is.
    pub fn at(now: Micros) -> Self {
        Self { began: Instant::now(), at: now }
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Micros {
        self.at + micros(self.began.elapsed())
    }
}

/// A clock that is set by hand.
#[derive(Debug, Default)]
pub struct HandClock(AtomicI64);

impl HandClock {
    /// A clock that stands at that time.
    pub fn at(now: Micros) -> Self {
        Self(AtomicI64::new(now))
    }

    /// Moves it on.
    pub fn advance(&self, by: std::time::Duration) {
        self.0.fetch_add(micros(by), Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Micros {
        self.0.load(Ordering::Relaxed)
    }
}
