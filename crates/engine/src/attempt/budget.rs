//! How many retries there may be at a time, so that a failing provider is not asked several times as often as one that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One retry for so many calls in flight: a fifth of the others, so that providers see at most 1.2 times what callers ask.
const CALLS: usize = 6;
/// So many are allowed in any case.
const FLOOR: usize = 3;

/// Counts the retries in flight.
#[derive(Clone, Debug, Default)]
pub struct Budget(Arc<AtomicUsize>);

/// The right to one retry, for as long as it is under way.
#[derive(Debug)]
pub(crate) struct Retrying(Arc<AtomicUsize>);

impl Budget {
    /// Takes a retry, where that many calls in flight allow another one.
    pub(crate) fn take(&self, in_flight: usize) -> Option<Retrying> {
        let most = (in_flight / CALLS).max(FLOOR);
        let taken = self.0.fetch_add(1, Ordering::Relaxed);
        let held = Retrying(self.0.clone());
        (taken < most).then_some(held)
    }

    /// The retries in flight.
    pub fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Retrying {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_calls_but_three_at_least() {
        let budget = Budget::default();
        let held: Vec<_> = std::iter::from_fn(|| budget.take(1)).collect();
        assert_eq!(held.len(), 3);
        let more: Vec<_> = std::iter::from_fn(|| budget.take(60)).collect();
        assert_eq!(more.len(), 7);
        drop((held, more));
        assert_eq!(budget.taken(), 0);
    }
}
