//! Sign-ins that have come back from their identity provider.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::digest::{Digest, sha256};

/// How long somebody may take at the identity provider, in seconds.
pub(crate) const AWAY: u64 = 600;
/// The most returns that are remembered.
const REMEMBERED: usize = 16_384;

/// Sign-ins that have come back: none comes back twice.
#[derive(Debug, Default)]
pub struct Returned(Mutex<HashMap<Digest, Instant>>);

impl Returned {
    /// Whether this is the first time.
    pub(crate) fn first(&self, state: &str) -> bool {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, at| now.duration_since(*at) < Duration::from_secs(AWAY));
        }
        if known.len() >= REMEMBERED {
            // Whoever makes so many must not keep everybody else out; the provider takes a code once, too.
            known.clear();
        }
        known.insert(sha256(state.as_bytes()), now).is_none()
    }
}
