//! One HTTP/1.1 connection, driven by whoever awaits it.
//!
//! hyper splits a connection into a driver and a handle that talk over channels, so that the driver can live in a task
//! of its own. Here the exchange, and after it the body, polls the driver itself: no task to own, no wake-up from task
//! to task, and dropping either closes the socket at once. The price is that the channels wake the very task that is
//! polling; [`Pulse`] keeps those wake-ups from leaving.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::error::{DialError, DialFault, Phase};
use super::io::{Io, Traffic, Wire};
use super::segments::Segments;

/// A response's status line and headers are at most this long together.
const MAX_HEAD: usize = 64 << 10;
/// How often one poll turns the driver before it lets other tasks run.
const TURNS: usize = 32;

/// An open HTTP/1.1 connection.
pub(crate) struct Link {
    sender: SendRequest<Segments>,
    driver: Option<Driver>,
    pulse: Arc<Pulse>,
    waker: Waker,
    traffic: Arc<Traffic>,
}

type Driver = Connection<TokioIo<Io>, Segments>;

/// Wakes the task that awaits the connection, except while that task is polling it.
#[derive(Default)]
struct Pulse {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

const POLLING: u8 = 1;
const WOKEN: u8 = 2;

// === impl Link ===

impl Link {
    /// Takes a byte stream into use.
    pub(crate) async fn open(wire: Wire) -> Result<Self, DialError> {
        let traffic = Arc::new(Traffic::default());
        let io = TokioIo::new(Io::new(wire, Arc::clone(&traffic)));
        let (sender, driver) = Builder::new()
            .max_header_size(MAX_HEAD)
            .handshake(io)
            .await
            .map_err(|error| DialError::new(Phase::Connect, DialFault::Protocol).with(error))?;
        let pulse = Arc::new(Pulse::default());
        Ok(Self { sender, driver: Some(driver), waker: Waker::from(Arc::clone(&pulse)), pulse, traffic })
    }

    pub(crate) fn sender(&mut self) -> &mut SendRequest<Segments> {
        &mut self.sender
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Polls `wanted`, which the driver feeds, turning the driver until it has nothing more to give.
    pub(crate) fn poll<T>(&mut self, cx: &mut Context<'_>, mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.pulse.serve(cx.waker());
        let mut inner = Context::from_waker(&self.waker);
        for _ in 0..TURNS {
            self.pulse.begin();
            turn(&mut self.driver, &mut inner);
            let result = wanted(&mut inner);
            let woken = self.pulse.end();
            if result.is_ready() || !woken {
                return result;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the connection can take another request now. Never waits.
    pub(crate) fn is_reusable(&mut self) -> bool {
        self.pulse.begin();
        turn(&mut self.driver, &mut Context::from_waker(&self.waker));
        self.pulse.end();
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Forgets the task that awaited it: an idle connection wakes nobody.
    pub(crate) fn rest(&self) {
        *self.pulse.task() = None;
    }
}

/// Lets the driver do what it can; a driver that is done is dropped, which tells whoever still waits for it.
fn turn(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(running) = driver {
        // An error has already been handed to the exchange or the body, whoever was waiting.
        if Pin::new(running).poll(cx).is_ready() {
            *driver = None;
        }
    }
}

// === impl Pulse ===

impl Pulse {
    fn serve(&self, task: &Waker) {
        let mut served = self.task();
        match &*served {
            Some(known) if known.will_wake(task) => {}
            _ => *served = Some(task.clone()),
        }
    }

    fn begin(&self) {
        self.state.store(POLLING, Ordering::Release);
    }

    /// Ends polling; says whether a wake-up came meanwhile.
    fn end(&self) -> bool {
        self.state.swap(0, Ordering::AcqRel) & WOKEN != 0
    }

    fn task(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Pulse {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // One atomic step decides who acts: the poller sees the mark at its end, or nobody is polling and we wake.
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) & POLLING == 0 {
            let task = self.task().clone();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}
