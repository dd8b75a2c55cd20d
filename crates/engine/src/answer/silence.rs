//! Streams that say nothing.

use std::time::Duration;

use tokio::time::Instant;

/// How long a stream has only shown that it is still open.
pub(super) struct Silence {
    longest: Duration,
    alive: u64,
    since: Instant,
}

impl Silence {
    /// A stream that says nothing may keep its client waiting so long, whatever else it sends.
    pub(super) const LONGEST: Duration = Duration::from_secs(300);

    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, alive: 0, since: Instant::now() }
    }

    /// Whether it has lasted too long.
    pub(super) fn goes_on(&mut self, alive: u64) -> bool {
        let now = Instant::now();
        if alive != self.alive {
            (self.alive, self.since) = (alive, now);
        }
        now.saturating_duration_since(self.since) > self.longest
    }
}
