//! What the edge does without while memory is short.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What is done without, each step with those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Step {
    /// Nothing.
    #[default]
    None,
    /// Connections that idle are closed.
    Idle,
    /// Bodies that are large are refused.
    Bodies,
    /// Calls are refused, but for a few at a time.
    Calls,
}

/// How short memory is. Clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Relief(Arc<AtomicU8>);

impl Relief {
    /// Whether that is done without.
    pub fn is_at(&self, step: Step) -> bool {
        self.0.load(Ordering::Relaxed) >= step as u8
    }

    /// Goes up or down to that step.
    pub fn set(&self, step: Step) {
        self.0.store(step as u8, Ordering::Relaxed);
    }
}
