//! What choosing reads of a deployment, kept where it is read without a lock.
//!
//! A decision looks at every deployment of a group, and at most two of them change by it. So whoever changes the state of one writes
//! down, under its lock, what choosing wants to know; whoever reads takes the words as they stand and looks whether they were changed
//! meanwhile. A deployment of which more must be known (its breaker is not closed, other gateways tell of it) says so, and its reader
//! goes to the state, as does one whose half minute has moved on.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::latency::{Means, Peak};
use super::window::{Outages, Seen};
use super::{Minute, State};

/// Words of a slate: see [`Slate::write`].
const WORDS: usize = 13;
/// What a time is while it is not known: no sum of times has these bits.
const UNKNOWN: u64 = u64::MAX;

/// The words, and how often they were changed; odd while they are.
#[derive(Debug)]
pub(super) struct Slate {
    version: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// What is written of a deployment of which nothing more must be known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub(super) first_content: Peak,
    pub(super) whole: Peak,
    pub(super) per_token: Option<f64>,
    pub(super) seen: Seen,
    /// The slot in which `seen` was summed up.
    slot: u64,
    pub(super) minute: Minute,
}

impl Plain {
    /// Whether it still holds at that time.
    fn holds(&self, at: u64) -> bool {
        self.seen.attempts == 0 || self.slot == Outages::slot(at)
    }
}

impl Slate {
    /// What is written, where that is all and still holds.
    pub(super) fn read(&self, at: u64) -> Option<Plain> {
        let before = self.version.load(Ordering::Acquire);
        // Word by word: this is done for every deployment of every decision.
        let [first_value, first_at, whole_value, whole_at, per_token, counts, others, tokens, minute, _, _, _, slot] = &self.words;
        let word = |place: &AtomicU64| place.load(Ordering::Relaxed);
        let (counts, others, slot) = (word(counts), word(others), word(slot));
        let plain = Plain {
            first_content: Peak { value: f64::from_bits(word(first_value)), at: word(first_at) },
            whole: Peak { value: f64::from_bits(word(whole_value)), at: word(whole_at) },
            per_token: time(word(per_token)),
            seen: Seen { attempts: high(counts), failures: low(counts), unanswered: high(others) },
            // The last word is nothing while the state must be asked.
            slot: slot.wrapping_sub(1),
            minute: Minute { number: word(minute), requests: low(others), tokens: word(tokens), ..Minute::default() },
        };
        fence(Ordering::Acquire);
        let is_whole = before & 1 == 0 && self.version.load(Ordering::Relaxed) == before;
        (is_whole && slot > 0 && plain.holds(at)).then_some(plain)
    }

    /// The latest latencies: since when, and their means. They hold at any time.
    pub(super) fn latest(&self) -> Option<(u64, Means)> {
        let before = self.version.load(Ordering::Acquire);
        let [.., oldest, streamed, whole, slot] = &self.words;
        let [oldest, streamed, whole, slot] = [oldest, streamed, whole, slot].map(|word| word.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let is_whole = before & 1 == 0 && self.version.load(Ordering::Relaxed) == before;
        (is_whole && slot > 0).then(|| (oldest, Means { streamed: time(streamed), whole: time(whole) }))
    }

    /// Writes down what choosing wants to know of that state. Its lock is held by whoever calls.
    pub(super) fn write(&self, state: &State, at: u64) {
        let (peaks, seen, minute) = (state.moving.peaks(), state.outages.of_last_half_minute(at), state.minute);
        let is_all = state.breaker.is_closed() && !state.abroad.is_known();
        let (oldest, latest) = state.moving.latencies().all();
        let words = [
            peaks.0.value.to_bits(),
            peaks.0.at,
            peaks.1.value.to_bits(),
            peaks.1.at,
            bits(state.moving.per_token()),
            both(seen.attempts, seen.failures),
            both(seen.unanswered, minute.requests),
            minute.tokens,
            minute.number,
            oldest,
            bits(latest.streamed),
            bits(latest.whole),
            if is_all { Outages::slot(at) + 1 } else { 0 },
        ];
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }
}

impl Default for Slate {
    /// Nothing is written yet: the first reader asks the state.
    fn default() -> Self {
        Self { version: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

fn bits(time: Option<f64>) -> u64 {
    time.map_or(UNKNOWN, f64::to_bits)
}

fn time(bits: u64) -> Option<f64> {
    (bits != UNKNOWN).then(|| f64::from_bits(bits))
}

fn both(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn high(both: u64) -> u32 {
    (both >> 32) as u32
}

fn low(both: u64) -> u32 {
    both as u32
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use crate::health::{Failure, Health, Sample, millis};

    fn ended(health: &Arc<Health>, failure: Option<Failure>, at: Instant) {
        let sample = Sample { failure: failure.map(|failure| (failure, "no")), output_tokens: Some(10), tokens: 20, ..Sample::default() };
        health.begin_anyway(at).finish(&sample, at + Duration::from_millis(300));
    }

    /// What is read without the lock is what the state says, at any time.
    #[test]
    fn what_is_written_is_what_the_state_says() {
        let (health, start) = (Arc::new(Health::default()), Instant::now());
        let mut told = 0;
        for step in 0..600_u64 {
            let now = start + Duration::from_millis(step * 230);
            if step % 3 != 0 && step % 100 < 60 {
                ended(&health, (step % 7 == 0).then_some(Failure::Server), now);
            }
            let later = now + Duration::from_millis(400);
            let at = millis(later);
            told += u32::from(health.slate.read(at).is_some());
            let seen = health.view(later);
            let state = health.state();
            assert_eq!(format!("{seen:?}"), format!("{:?}", state.view(at, None, 0)), "at step {step}");
        }
        assert!(told > 500, "the lock is for the few: {told}");
    }

    #[test]
    fn a_breaker_that_is_not_closed_is_looked_at_itself() {
        let (health, now) = (Arc::new(Health::default()), Instant::now());
        ended(&health, None, now);
        assert!(health.slate.read(millis(now)).is_some());
        (0..5).for_each(|_| ended(&health, Some(Failure::Server), now));
        assert!(health.slate.read(millis(now)).is_none());
        assert!(health.view(now + Duration::from_millis(500)).refusal.is_some());
    }

    #[test]
    fn readers_never_see_half_a_change() {
        let (health, start) = (Arc::new(Health::default()), Instant::now());
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..20_000 {
                    ended(&health, None, start);
                }
            });
            while !writer.is_finished() {
                let view = health.view(start + Duration::from_millis(300));
                // Each attempt of these brings 20 tokens, once it has ended.
                let ended = view.tokens_this_minute / 20;
                assert_eq!(u64::from(view.recent_attempts), ended, "{view:?}");
                assert!(u64::from(view.requests_this_minute) - ended <= 1, "{view:?}");
            }
        });
    }
}
