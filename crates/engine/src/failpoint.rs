//! Places where a test may end the process, as `kill -9` would, or have it panic. In release builds there are none.

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<Armed> = OnceLock::new();

    struct Armed {
        name: String,
        panics: bool,
        left: AtomicU64,
    }

    /// Arms one: its name, or `name:count` for the time it is passed that often; behind `panic:` it panics. Once in the life of a
    /// process.
    pub fn arm(text: &str) {
        let (panics, text) = text.strip_prefix("panic:").map_or((false, text), |rest| (true, rest));
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        // A second one is not armed.
        let _ = ARMED.set(Armed { name: name.to_owned(), panics, left: AtomicU64::new(count.parse().unwrap_or(1)) });
    }

    /// Ends the process, or panics, when it has been here often enough.
    #[allow(clippy::panic, reason = "what it is there for")]
    pub fn hit(name: &str) {
        if let Some(armed) = ARMED.get()
            && armed.name == name
            && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            if armed.panics {
                panic!("a test wants a panic at `{name}`");
            }
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
    pub fn hit(_name: &str) {}
}

pub use armed::{arm, hit};
