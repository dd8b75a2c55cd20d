//! HTTP/2 connections, shared by many requests.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::SetOnce;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::error::{DialError, DialFault, Phase, told};
use super::io::{Io, Traffic, Wire};
use super::segments::Segments;

/// A silent connection with open streams is pinged this often.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A ping unanswered for this long ends the connection.
const PING_PATIENCE: Duration = Duration::from_secs(10);
/// A request on a connection that has ended learns of the end a little before the connection's own task does.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Flow-control windows: large answers must not wait for window updates.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// A response's headers are at most this long together.
const MAX_HEAD: u32 = 64 << 10;

/// An open HTTP/2 connection. Its tasks end with the last holder.
pub(crate) struct Trunk {
    sender: SendRequest<Segments>,
    traffic: Arc<Traffic>,
    streams: AtomicUsize,
    served: AtomicBool,
    retired: AtomicBool,
    /// Set when the connection has ended: why, where its peer said so.
    farewell: Arc<SetOnce<Option<h2::Reason>>>,
    last_used: Mutex<Instant>,
    /// Held, not read: dropping the set aborts what is in it.
    _tasks: Arc<Mutex<JoinSet<()>>>,
}

/// One request's place on a [`Trunk`]; dropping it gives the place back.
pub(crate) struct Place(Arc<Trunk>);

/// Where hyper's tasks for one connection are put.
#[derive(Clone)]
struct Tasks(Weak<Mutex<JoinSet<()>>>);

// === impl Trunk ===

impl Trunk {
    /// Takes a byte stream into use.
    pub(crate) async fn open(wire: Wire) -> Result<Arc<Self>, DialError> {
        let traffic = Arc::new(Traffic::default());
        let io = TokioIo::new(Io::new(wire, Arc::clone(&traffic)));
        let tasks = Arc::new(Mutex::new(JoinSet::new()));
        let (sender, driver) = Builder::new(Tasks(Arc::downgrade(&tasks)))
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD)
            .handshake(io)
            .await
            .map_err(|error| DialError::new(Phase::Connect, DialFault::Protocol).with(error))?;
        let farewell = Arc::<SetOnce<_>>::default();
        let ended = Arc::clone(&farewell);
        Tasks(Arc::downgrade(&tasks)).execute(async move {
            // The requests on the connection are told of its end; there is nobody else to tell.
            let failed = driver.await.err();
            // Nobody else sets it.
            let _ = ended.set(failed.as_ref().and_then(told));
            if let Some(error) = failed {
                tracing::debug!(%error, "an HTTP/2 connection ended");
            }
        });
        Ok(Arc::new(Self {
            sender,
            traffic,
            streams: AtomicUsize::new(0),
            served: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            farewell,
            last_used: Mutex::new(Instant::now()),
            _tasks: tasks,
        }))
    }

    /// A place for one more request, unless the connection is full or ending.
    pub(crate) fn enter(self: &Arc<Self>, most: usize) -> Option<Place> {
        if !self.is_open() {
            return None;
        }
        self.streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < most.max(1)).then_some(now + 1)).ok()?;
        Some(Place(Arc::clone(self)))
    }

    /// Whether new requests may be put on it.
    pub(crate) fn is_open(&self) -> bool {
        !self.retired.load(Ordering::Acquire) && !self.sender.is_closed()
    }

    /// Whether it has carried nothing since `since`.
    pub(crate) fn idle_since(&self, since: Instant) -> bool {
        self.streams.load(Ordering::Acquire) == 0 && *self.last_used() < since
    }

    fn last_used(&self) -> MutexGuard<'_, Instant> {
        self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn sender(&self) -> SendRequest<Segments> {
        self.0.sender.clone()
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// Marks the connection as having served; says whether it had before.
    pub(crate) fn serve(&self) -> bool {
        self.0.served.swap(true, Ordering::AcqRel)
    }

    /// Why the peer ended the connection, for a request that only knows that it has ended.
    pub(crate) async fn farewell(&self) -> Option<h2::Reason> {
        if self.0.sender.is_closed() { timeout(LAST_WORDS, self.0.farewell.wait()).await.ok().copied().flatten() } else { None }
    }

    /// Keeps further requests off the connection; those on it go on.
    pub(crate) fn retire(&self) {
        self.0.retired.store(true, Ordering::Release);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.last_used() = Instant::now();
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

// === impl Tasks ===

impl<F> Executor<F> for Tasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        let Some(tasks) = self.0.upgrade() else {
            return;
        };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            future.await;
        });
    }
}
