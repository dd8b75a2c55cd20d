//! The time, as a runtime with a paused clock sees it too.

use std::time::Instant;

/// Microseconds since 1970, UTC.
pub type Micros = i64;

/// Now.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
