//! Several futures at a time, on the thread that waits for them.

use std::pin::pin;

use futures_util::stream::{self, FuturesUnordered, StreamExt};

/// Runs all of them, at most `at_once` at a time, and gives what they give, in their order.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>, at_once: usize) -> Vec<F::Output> {
    let numbered = futures.into_iter().enumerate().map(|(at, future)| async move { (at, future.await) });
    let mut done: Vec<(usize, F::Output)> = stream::iter(numbered).buffer_unordered(at_once.max(1)).collect().await;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, output)| output).collect()
}

/// Runs all of them until one gives something: that, and the others are dropped; else nothing.
pub(crate) async fn first<F: Future<Output = Option<T>>, T>(futures: impl IntoIterator<Item = F>) -> Option<T> {
    let running: FuturesUnordered<F> = futures.into_iter().collect();
    let mut found = pin!(running.filter_map(std::future::ready));
    found.next().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    #[test]
    fn all_run_a_few_at_a_time_and_keep_their_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (now, most) = (Cell::new(0), Cell::new(0));
        let one = |number: usize| {
            let (now, most) = (&now, &most);
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                for _ in number..7 {
                    tokio::task::yield_now().await;
                }
                now.set(now.get() - 1);
                number
            }
        };
        let outcome = runtime.block_on(super::all((0..7).map(one), 3));
        assert_eq!(outcome, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(most.get(), 3);
    }

    #[test]
    fn the_first_that_gives_something_is_taken() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let one = |(turns, gives): (usize, Option<u8>)| async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            gives
        };
        assert_eq!(runtime.block_on(super::first([(0, None), (3, Some(3)), (1, Some(1))].map(one))), Some(1));
        assert_eq!(runtime.block_on(super::first([(0, None), (1, None)].map(one))), None);
    }
}
