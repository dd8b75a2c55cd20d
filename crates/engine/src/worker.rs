//! What one worker thread has for itself.

use crate::upstream::{Timeouts, Upstream};

/// What one worker thread has for itself.
pub struct Worker {
    /// Its connections to providers.
    pub upstream: Upstream,
    /// The deadlines where a deployment has none of its own.
    pub timeouts: Timeouts,
}
