//! What a gateway heard of others' changes, and which are its own.

use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Mutex, PoisonError};

use crate::time::micros;

/// What was heard last, and when.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The number of the last change that was heard of; none yet: less than any.
    pub(crate) seq: AtomicI64,
    /// When the database last answered; the start, until it has.
    pub(crate) at: AtomicI64,
    /// Whether it was a standby that answered.
    pub(crate) read_only: AtomicBool,
    /// Changes made here, which need not be heard of twice.
    pub(crate) own: Mutex<Vec<i64>>,
}

impl Default for Heard {
    fn default() -> Self {
        Self { seq: AtomicI64::new(-1), at: AtomicI64::new(micros()), read_only: AtomicBool::new(false), own: Mutex::default() }
    }
}

impl Heard {
    /// Remembers a change that is about to be made here.
    pub(crate) fn made(&self, seq: i64) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).push(seq);
    }

    /// Forgets one that was not made: its number will be another's.
    pub(crate) fn failed(&self, seq: i64) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).retain(|own| *own != seq);
    }
}
