//! What is read on after the client has left: a little while, for what an answer took.
//!
//! A provider that says what an answer took says so last. Whoever leaves before that would leave the gateway to guess it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// So many at a time; others are guessed at.
const MOST: usize = 64;

/// Readings of this kind, all of them owned here: they end with it.
#[derive(Clone, Default)]
pub(crate) struct Late(Arc<Mutex<JoinSet<()>>>);

impl Late {
    /// Whether there is room for one more, and a runtime to run it.
    pub(crate) fn has_room(&self) -> bool {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = readings.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                tracing::error!("reading on for what an answer took panicked; it is guessed");
            }
        }
        readings.len() < MOST && Handle::try_current().is_ok()
    }

    /// Runs one more.
    pub(crate) fn add(&self, reading: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = Handle::try_current() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn_on(reading, &runtime);
        }
    }
}
