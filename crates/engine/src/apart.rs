//! Work that goes on beside calls, for as long as the gateway does: a panic in it is told, and it begins anew.
//!
//! A panic in a call ends that call alone: its connection or stream ends with it, and what it held is given back as it is dropped. What
//! serves all calls has nobody who would notice that it is gone.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Work that has panicked begins anew after this long.
pub const PAUSE: Duration = Duration::from_millis(200);

/// One step of such work; `None`: it panicked. What it leaves behind must be as good as what it found.
pub fn step<T>(what: &'static str, step: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(step));
    if done.is_err() {
        tell(what);
    }
    done.ok()
}

/// The same, of work that waits.
pub async fn work<T>(what: &'static str, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => {
            tell(what);
            Poll::Ready(None)
        }
    })
    .await
}

/// The panic itself has told where it was.
fn tell(what: &'static str) {
    tracing::error!(what, "work beside calls panicked; it begins anew");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_what_panicked_alone() {
        assert_eq!(step("a test", || 1), Some(1));
        assert_eq!(step("a test", || [1][usize::MAX.wrapping_add(std::hint::black_box(2))]), None);
        assert_eq!(work("a test", async { 1 }).await, Some(1));
        let late = async {
            tokio::task::yield_now().await;
            [1][std::hint::black_box(1)]
        };
        assert_eq!(work("a test", late).await, None);
    }
}
