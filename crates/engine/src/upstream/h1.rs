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
use tokio::time::{Instant, Sleep, sleep_until};

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
    /// The driver had nothing left to do when it was last turned. Until something wakes it, turning it again is no use.
    settled: bool,
    /// Kept from exchange to exchange: deadlines only ever move on, and an armed timer that fires early costs less than a new one.
    timer: Option<Pin<Box<Sleep>>>,
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
        Ok(Self { sender, driver: Some(driver), waker: Waker::from(Arc::clone(&pulse)), pulse, traffic, settled: false, timer: None })
    }

    pub(crate) fn sender(&mut self) -> &mut SendRequest<Segments> {
        self.settled = false;
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
            let mut due = self.pulse.begin() || !self.settled;
            // What is there already needs no turn: a short body often comes with its head.
            let mut result = wanted(&mut inner);
            if result.is_pending() && due {
                turn(&mut self.driver, &mut inner);
                due = false;
                result = wanted(&mut inner);
            }
            let woken = self.pulse.end();
            self.settled = !woken && !due;
            if result.is_ready() || !woken {
                return result;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The same, until then: `None` is the deadline.
    pub(crate) fn poll_until<T>(
        &mut self,
        cx: &mut Context<'_>,
        due: Instant,
        wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        if let Poll::Ready(result) = self.poll(cx, wanted) {
            return Poll::Ready(Some(result));
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        // It wakes through the pulse, for the task that armed it may be long gone.
        let mut inner = Context::from_waker(&self.waker);
        while timer.as_mut().poll(&mut inner).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// Whether the connection can take another request now. Never waits.
    pub(crate) fn is_reusable(&mut self) -> bool {
        // The socket wakes a driver that waits for nothing but the end; one that has not been woken would say the same again.
        if self.pulse.begin() || !self.settled || !self.sender.is_ready() {
            turn(&mut self.driver, &mut Context::from_waker(&self.waker));
        }
        self.settled = !self.pulse.end();
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

    /// Begins polling; says whether a wake-up came before.
    fn begin(&self) -> bool {
        self.state.swap(POLLING, Ordering::AcqRel) & WOKEN != 0
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
