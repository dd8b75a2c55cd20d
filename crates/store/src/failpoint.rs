//! Places where a test may end the process: `SWITCHBOARD_FAILPOINT=name` or `name:count`. In release builds there are none.

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        #[allow(clippy::disallowed_methods, reason = "a switch for tests alone, and not there in release builds")]
        let text = std::env::var("SWITCHBOARD_FAILPOINT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), AtomicU64::new(count.parse().unwrap_or(1))))
    });

    /// Ends the process, as `kill -9` would, when it has been here often enough.
    pub(crate) fn hit(name: &str) {
        if let Some((armed, left)) = &*ARMED
            && armed == name
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }
}

#[cfg(not(debug_assertions))]
mod armed {
    /// Does nothing.
    #[inline]
    pub(crate) fn hit(_name: &str) {}
}

pub(crate) use armed::hit;
