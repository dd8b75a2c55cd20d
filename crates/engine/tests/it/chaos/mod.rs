//! A provider that breaks every rule of the fault table, and what the gateway makes of it.

mod cuts;
mod fault;
mod http2;
mod policy;
mod server;
mod storm;
mod table;
mod words;

use std::future::Future;
use std::rc::Rc;

use tokio::sync::Semaphore;

/// Cells under way at a time.
const AT_ONCE: usize = 96;

/// Runs the cells side by side on this thread, since most of them only wait. All of them are run, whichever fail.
pub(crate) async fn side_by_side<F: Future<Output = ()> + 'static>(cells: impl IntoIterator<Item = F>) {
    let set = tokio::task::LocalSet::new();
    let places = Rc::new(Semaphore::new(AT_ONCE));
    let tasks: Vec<_> = cells
        .into_iter()
        .map(|cell| {
            let places = places.clone();
            set.spawn_local(async move {
                let _place = places.acquire().await.unwrap();
                cell.await;
            })
        })
        .collect();
    let failed = set
        .run_until(async {
            let mut failed = 0;
            for task in tasks {
                failed += usize::from(task.await.is_err());
            }
            failed
        })
        .await;
    assert_eq!(failed, 0, "cells failed; they are shown above");
}
