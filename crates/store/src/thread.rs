//! The thread on which all databases are spoken to.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::StoreError;

/// A runtime on a thread of its own. Dropping it ends the thread, and what still runs on it.
#[derive(Debug)]
pub struct Thread {
    handle: Handle,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    away: Arc<AtomicBool>,
}

impl Thread {
    /// Starts it.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            // That the sender is gone says the same as its word.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { handle, stop: Mutex::new(Some(stop)), thread: Mutex::new(Some(thread)), away: Arc::default() })
    }

    /// Runs a future on that thread and waits for it. May be awaited on any runtime.
    pub async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (done, waits) = oneshot::channel();
        self.spawn(Box::pin(async move {
            // Whoever asked has gone if nobody hears.
            let _ = done.send(work.await);
        }));
        waits.await.map_err(|_| StoreError::Stopping)?
    }

    /// Whether the database was away when it was first asked, and has not answered since.
    pub(crate) fn away(&self) -> &Arc<AtomicBool> {
        &self.away
    }

    /// Runs a future on that thread and blocks until it is done; for start and stop, never on a worker. A database that is away from the
    /// start is waited for once, and not by each who asks it.
    pub fn block<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        if self.away.load(Ordering::Acquire) {
            return Err(StoreError::Silent);
        }
        self.wait_for(work)
    }

    /// The same, whether the database is there or not.
    pub(crate) fn wait_for<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (done, waits) = std::sync::mpsc::sync_channel(1);
        self.spawn(Box::pin(async move {
            // Whoever asked has gone if nobody hears.
            let _ = done.send(work.await);
        }));
        waits.recv().map_err(|_| StoreError::Stopping)?
    }

    /// One type of task, whatever is done in it: the runtime's code for a task is made for each type, and there are hundreds of them.
    fn spawn(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.handle.spawn(work);
    }

    /// Where tasks that last as long as the store are spawned.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the thread and waits for it; not where a task on it was the last to need it.
    pub fn stop(&self) {
        drop(self.stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::Thread;

    #[test]
    fn a_task_may_be_the_last_to_let_go() {
        let thread = Arc::new(Thread::start().unwrap());
        let (held, (go, waits), (done, ended)) = (thread.clone(), tokio::sync::oneshot::channel::<()>(), channel());
        thread.handle().spawn(async move {
            let _ = waits.await;
            drop(held);
            done.send(()).unwrap();
        });
        drop(thread);
        go.send(()).unwrap();
        ended.recv_timeout(Duration::from_secs(20)).expect("the task went on");
    }
}
