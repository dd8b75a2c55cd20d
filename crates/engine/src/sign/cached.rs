//! A value that is fetched once for all who want it, and again before it expires.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::SignError;

/// A value is renewed this long before it expires, while the old one still serves.
const MARGIN: Duration = Duration::from_secs(300);
/// After a failure nobody asks again for this long.
const PAUSE: Duration = Duration::from_secs(1);

/// A value and when it ends; `None` means never.
#[derive(Clone, Debug)]
pub(crate) struct Expiring<T> {
    pub(crate) value: T,
    pub(crate) expires: Option<SystemTime>,
}

/// Keeps one expiring value.
#[derive(Debug)]
pub(crate) struct Cached<T> {
    state: Mutex<State<T>>,
    /// Held by the one who fetches; only those without a usable value wait for it.
    gate: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State<T> {
    held: Option<Expiring<T>>,
    failed: Option<(SystemTime, SignError)>,
}

enum Look<T> {
    Good(T),
    Ageing(T),
    Gone,
}

impl<T: Clone> Cached<T> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { held: None, failed: None }), gate: tokio::sync::Mutex::new(()) }
    }

    /// The kept value, or a fetched one.
    pub(crate) async fn get(
        &self,
        now: impl Fn() -> SystemTime,
        fetch: impl AsyncFnOnce() -> Result<Expiring<T>, SignError>,
    ) -> Result<T, SignError> {
        let (old, _gate) = match self.look(now()) {
            Look::Good(value) => return Ok(value),
            Look::Ageing(value) => match self.gate.try_lock() {
                Ok(gate) => (Some(value), gate),
                Err(_) => return Ok(value),
            },
            Look::Gone => {
                let gate = self.gate.lock().await;
                match self.look(now()) {
                    Look::Good(value) | Look::Ageing(value) => return Ok(value),
                    Look::Gone => (None, gate),
                }
            }
        };
        if let Some(error) = self.recent_failure(now()) {
            return old.ok_or(error);
        }
        let result = fetch().await;
        let mut state = self.state();
        match result {
            Ok(fetched) => {
                state.failed = None;
                state.held = Some(fetched.clone());
                Ok(fetched.value)
            }
            Err(error) => {
                state.failed = Some((now(), error.clone()));
                old.ok_or(error)
            }
        }
    }

    /// Drops the kept value.
    pub(crate) fn forget(&self) {
        self.state().held = None;
    }

    fn look(&self, now: SystemTime) -> Look<T> {
        let state = self.state();
        let Some(held) = &state.held else {
            return Look::Gone;
        };
        let value = held.value.clone();
        match held.expires.map(|end| end.duration_since(now)) {
            None => Look::Good(value),
            Some(Ok(left)) if left > MARGIN => Look::Good(value),
            Some(Ok(left)) if !left.is_zero() => Look::Ageing(value),
            Some(_) => Look::Gone,
        }
    }

    fn recent_failure(&self, now: SystemTime) -> Option<SignError> {
        let state = self.state();
        let (at, error) = state.failed.as_ref()?;
        let recent = now.duration_since(*at).is_ok_and(|since| since < PAUSE);
        recent.then(|| error.clone())
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
