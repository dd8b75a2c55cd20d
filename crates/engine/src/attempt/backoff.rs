//! The pause before the same target is asked again: by chance, so that callers who failed together do not come back together.

use std::time::{Duration, Instant};

use crate::clock;

/// The shortest pause.
const SHORTEST: Duration = Duration::from_millis(250);
/// The longest pause, unless a provider asks for more.
const LONGEST: Duration = Duration::from_secs(8);

/// Decorrelated jitter: each pause lies between the shortest and three times the one before.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The next pause; not shorter than `least`.
    pub(super) fn next(&mut self, least: Duration) -> Duration {
        let before = self.last.unwrap_or(SHORTEST);
        let most = (before * 3).min(LONGEST);
        let pause = SHORTEST + most.saturating_sub(SHORTEST).mul_f64(fastrand::f64());
        self.last = Some(pause);
        pause.max(least)
    }
}

/// How long until then: whole seconds are what clients read, and the next one is the first that is late enough.
pub(super) fn wait(until: Instant) -> Duration {
    let left = until.saturating_duration_since(clock::now());
    Duration::from_secs(left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_by_chance_within_their_bounds() {
        let mut most = Duration::ZERO;
        for _ in 0..200 {
            let mut backoff = Backoff::default();
            for _ in 0..12 {
                let pause = backoff.next(Duration::ZERO);
                assert!((SHORTEST..=LONGEST).contains(&pause), "{pause:?}");
                most = most.max(pause);
            }
        }
        assert!(most > Duration::from_secs(4), "{most:?}");
        assert_eq!(Backoff::default().next(Duration::from_secs(20)), Duration::from_secs(20));
    }
}
