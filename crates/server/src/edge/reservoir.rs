//! The bytes of all request bodies that are in memory at once, and a bound on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::relief::{Relief, Step};

/// Bodies up to this size are free: there are no more of them than connections.
const FREE: u64 = 64 * 1024;
/// The bound unless another is said.
const CAPACITY: u64 = 512 * 1024 * 1024;

/// What all bodies draw from. Clones draw from the same.
#[derive(Clone, Debug)]
pub struct Reservoir {
    drawn: Arc<AtomicU64>,
    capacity: u64,
    relief: Relief,
}

/// What one body has drawn. Dropping it gives it back.
#[derive(Debug)]
pub struct Draught {
    from: Reservoir,
    bytes: u64,
}

impl Reservoir {
    /// A reservoir of that many bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self { drawn: Arc::default(), capacity, relief: Relief::default() }
    }

    /// The same, closed while memory is so short.
    #[must_use]
    pub fn under(self, relief: Relief) -> Self {
        Self { relief, ..self }
    }

    /// A body that has drawn nothing yet.
    #[must_use]
    pub fn draught(&self) -> Draught {
        Draught { from: self.clone(), bytes: 0 }
    }
}

impl Default for Reservoir {
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl Draught {
    /// Draws until the body may have that many bytes. Says whether there was enough.
    pub fn reach(&mut self, bytes: u64) -> bool {
        if bytes <= FREE.max(self.bytes) {
            return true;
        }
        let more = bytes - self.bytes;
        let before = self.from.drawn.fetch_add(more, Ordering::Relaxed);
        self.bytes = bytes;
        before.saturating_add(more) <= self.from.capacity && !self.from.relief.is_at(Step::Bodies)
    }
}

impl Drop for Draught {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.from.drawn.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_are_refused_while_memory_is_short() {
        let relief = Relief::default();
        let reservoir = Reservoir::new(1_000_000).under(relief.clone());
        for (step, let_in) in [(Step::Idle, true), (Step::Calls, false), (Step::Bodies, false), (Step::None, true)] {
            relief.set(step);
            assert!(reservoir.draught().reach(FREE), "{step:?}");
            assert_eq!(reservoir.draught().reach(FREE + 1), let_in, "{step:?}");
        }
    }

    #[test]
    fn what_is_drawn_comes_back() {
        let reservoir = Reservoir::new(1_000_000);
        let mut small = reservoir.draught();
        let mut first = reservoir.draught();
        assert!(small.reach(FREE) && first.reach(600_000) && first.reach(900_000));
        let mut second = reservoir.draught();
        assert!(!second.reach(200_000));
        drop((first, second));
        assert_eq!(reservoir.drawn.load(Ordering::Relaxed), 0);
        assert!(reservoir.draught().reach(1_000_000));
    }
}
