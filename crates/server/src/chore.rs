//! Work that goes on beside requests, on a thread of its own that is owned and ends when it is dropped.

use std::thread::JoinHandle;

use switchboard_engine::apart;
use tokio::sync::oneshot;

/// One such work.
#[derive(Debug)]
pub(crate) struct Chore {
    name: &'static str,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Chore {
    /// Begins; `work` is made on its thread, made anew where it panics, and dropped wherever it waits when the chore ends.
    pub(crate) fn start(name: &'static str, mut work: impl AsyncFnMut() + Send + 'static) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = again(name, &mut work) => {}
                }
            });
        })?;
        Ok(Self { name, stop: Some(stop), thread: Some(thread) })
    }
}

async fn again(name: &'static str, work: &mut impl AsyncFnMut()) {
    while apart::work(name, work()).await.is_none() {
        tokio::time::sleep(apart::PAUSE).await;
    }
}

impl Drop for Chore {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(chore = self.name, "a thread panicked");
        }
    }
}
