//! Several futures at a time, on the thread that waits for them.

use std::pin::Pin;
use std::task::Poll;

/// Runs all of them, at most `at_once` at a time, and gives what they give, in their order.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>, at_once: usize) -> Vec<F::Output> {
    let mut waiting = futures.into_iter().enumerate();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut done: Vec<(usize, F::Output)> = Vec::new();
    std::future::poll_fn(|ctx| {
        loop {
            running.extend(waiting.by_ref().take(at_once.saturating_sub(running.len())).map(|(at, future)| (at, Box::pin(future))));
            let before = running.len();
            running.retain_mut(|(at, future)| match future.as_mut().poll(ctx) {
                Poll::Ready(output) => {
                    done.push((*at, output));
                    false
                }
                Poll::Pending => true,
            });
            if running.len() == before {
                return if before == 0 { Poll::Ready(()) } else { Poll::Pending };
            }
        }
    })
    .await;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, output)| output).collect()
}

/// Runs all of them until one gives something: that, and the others are dropped; else nothing.
pub(crate) async fn first<F: Future<Output = Option<T>>, T>(futures: impl IntoIterator<Item = F>) -> Option<T> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|ctx| {
        let mut found = None;
        running.retain_mut(|future| match future.as_mut().poll(ctx) {
            Poll::Ready(output) => {
                found = found.take().or(output);
                false
            }
            Poll::Pending => true,
        });
        if found.is_some() || running.is_empty() { Poll::Ready(found) } else { Poll::Pending }
    })
    .await
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
