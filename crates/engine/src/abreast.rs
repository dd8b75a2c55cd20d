//! Several futures side by side, a bounded number at a time.

use std::pin::Pin;
use std::task::Poll;

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Drives all of them, `at_once` at a time, and gives what they made in their order. The first error ends it: what is still under
/// way is dropped, and with it cancelled.
pub(crate) async fn all<F, T, E>(futures: impl Iterator<Item = F>, at_once: usize) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>> + Unpin,
{
    let mut waiting = futures.enumerate();
    let mut running: Vec<(usize, F)> = waiting.by_ref().take(at_once.max(1)).collect();
    let mut done: Vec<(usize, T)> = Vec::new();
    while !running.is_empty() {
        let (at, made) = std::future::poll_fn(|ctx| {
            for (slot, (_, future)) in running.iter_mut().enumerate() {
                if let Poll::Ready(made) = Pin::new(future).poll(ctx) {
                    return Poll::Ready((slot, made));
                }
            }
            Poll::Pending
        })
        .await;
        let (index, _) = running.swap_remove(at);
        done.push((index, made?));
        running.extend(waiting.next());
    }
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, made)| made).collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

    #[tokio::test]
    async fn order_bound_and_errors_hold() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let one = |number: u32| -> Boxed<'_, Result<u32, u32>> {
            let (running, most) = (&running, &most);
            Box::pin(async move {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                for _ in 0..(10 - number) {
                    tokio::task::yield_now().await;
                }
                running.set(running.get() - 1);
                Ok(number)
            })
        };
        assert_eq!(all((0..9).map(one), 3).await, Ok((0..9).collect()));
        assert_eq!(most.get(), 3);
        let failing =
            |number: u32| -> Boxed<'_, Result<u32, u32>> { Box::pin(async move { if number == 2 { Err(number) } else { Ok(number) } }) };
        assert_eq!(all((0..9).map(failing), 3).await, Err(2));
        assert_eq!(all(std::iter::empty::<Boxed<'_, Result<u32, u32>>>(), 3).await, Ok(Vec::new()));
    }
}
