//! Places where a test may end the process, as `kill -9` would. In release builds there are none.

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<(String, AtomicU64)> = OnceLock::new();

    /// Arms one: its name, or `name:count` for the time it is passed that often. Once in the life of a process.
    pub fn arm(text: &str) {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        // A second one is not armed.
        let _ = ARMED.set((name.to_owned(), AtomicU64::new(count.parse().unwrap_or(1))));
    }

    /// Ends the process when it has been here often enough.
    pub(crate) fn hit(name: &str) {
        if let Some((armed, left)) = ARMED.get()
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
    pub fn arm(_text: &str) {}

    /// Does nothing.
    #[inline]
    pub(crate) fn hit(_name: &str) {}
}

pub use armed::arm;
pub(crate) use armed::hit;
