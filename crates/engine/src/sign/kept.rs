//! An API key that is kept elsewhere, and read again when the provider refuses it.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::{Clock, Secret, SignError, secret_value};
use crate::upstream::Upstream;

/// Between two readings at least this much time passes, however often the provider refuses.
const PAUSE: Duration = Duration::from_secs(10);

/// How the key stands in a request's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// After a scheme, in `Authorization`.
    Scheme(String),
    /// Alone, in a header of its own.
    Header(HeaderName),
}

/// Where a key is kept: it is read there as often as it is asked for.
pub trait Source: Send + Sync {
    /// The key as it is there now, or why it cannot be read.
    fn read<'a>(&'a self, upstream: &'a Upstream) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + 'a>>;
}

/// The key, and where it is read from.
pub struct Kept {
    shape: Shape,
    source: Box<dyn Source>,
    clock: Clock,
    state: Mutex<State>,
    /// Held by the one who reads; the others go on with the key at hand.
    gate: tokio::sync::Mutex<()>,
}

struct State {
    secret: Secret,
    refused: bool,
    read_at: Option<std::time::SystemTime>,
}

impl Kept {
    /// A key that was read from there.
    pub fn new(shape: Shape, secret: Secret, source: impl Source + 'static, clock: Clock) -> Self {
        let state = State { secret, refused: false, read_at: None };
        Self { shape, source: Box::new(source), clock, state: Mutex::new(state), gate: tokio::sync::Mutex::new(()) }
    }

    pub(crate) async fn headers(&self, upstream: &Upstream) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        if self.is_due()
            && let Ok(_gate) = self.gate.try_lock()
        {
            let read = self.source.read(upstream).await;
            let mut state = self.state();
            state.read_at = Some((self.clock)());
            state.refused = false;
            match read {
                Ok(secret) => state.secret = secret,
                // The key at hand may be good after all: a provider's 401 is not always about the key.
                Err(error) => tracing::warn!(%error, "a key that was refused could not be read again"),
            }
        }
        let secret = self.state().secret.clone();
        Ok(vec![match &self.shape {
            Shape::Scheme(scheme) => (AUTHORIZATION, secret_value(&format!("{scheme} {}", secret.reveal()))?),
            Shape::Header(name) => (name.clone(), secret_value(secret.reveal())?),
        }])
    }

    /// The provider refused the key.
    pub(crate) fn forget(&self) {
        self.state().refused = true;
    }

    fn is_due(&self) -> bool {
        let state = self.state();
        let rested = state.read_at.is_none_or(|at| (self.clock)().duration_since(at).is_ok_and(|since| since >= PAUSE));
        state.refused && rested
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Kept").field("shape", &self.shape).finish_non_exhaustive()
    }
}
