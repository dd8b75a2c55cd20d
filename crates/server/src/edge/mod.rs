//! The HTTP edge: sockets in, requests out.
//!
//! **What it is.** One listener per core, each on its own single-threaded runtime (`SO_REUSEPORT` lets the kernel spread
//! connections over them), speaking HTTP/1.1 and HTTP/2, in clear or over TLS, on TCP or on a unix socket. A request is
//! served on the thread that accepted its connection, by the [`Service`] built for that thread: nothing on the way needs a
//! lock, and futures need not be `Send`.
//!
//! **Why it exists.** A general server has no first-byte timeout, no minimum body rate, no cut for a client that stops
//! reading, and accepts request framings that two parsers read differently. Those are what takes a gateway down, so they
//! are settled here, before any handler runs:
//!
//! | hazard | answer | file |
//! |---|---|---|
//! | silent or slow clients, idle connections, stalled readers | one sweep per worker over all connections; no timer per connection or frame | `pulse.rs` |
//! | ambiguous framing (CL and TE, two CLs, bare LF, folded lines) | a strict scan of the bytes before the parser sees them: 400 and close | `gate.rs` |
//! | `Host` and target tricks, `%00`, dot segments | 400 before the handler | `screen.rs` |
//! | bodies too large, too slow, compressed, in a million pieces | [`RequestBody::collect`] | `body.rs` |
//! | clients that hang up | the handler's future and the answer's body are dropped; drop is the cancel signal | `connection.rs` |
//! | panics | the connection (HTTP/1) or stream (HTTP/2) ends; the worker lives | `worker.rs` |
//! | too many connections, no file descriptors left | those that have waited longest give way, else it is refused; accepting backs off | `listen.rs`, `worker.rs` |
//! | stopping | [`Shutdown`]: no new connections, running answers finish up to a deadline, and then have a last word | `shutdown.rs`, `last_call.rs` |
//!
//! **How the deadlines work.** Every connection has a *pulse*: a few cells saying what it waits for and since which tick
//! of its worker's clock. Reading and writing update the cells (no clock is read), and a sweep, at most once a second,
//! finds those that are overdue and tells their task to end. A connection therefore lives up to two ticks longer than its limit.
//!
//! **What idles costs little.** A connection that waits for its next request, for a sweep or in a crowd at once, gives back its
//! parser and buffers and keeps the socket (`connection.rs`). An answer is taken from the service piece by piece, the next when the
//! last is written: what a client does not read waits where it comes from (`answer.rs`, `pulse.rs`).
//!
//! **How the gate works.** The parser joins what it should refuse: it drops a `Content-Length` beside a
//! `Transfer-Encoding` and takes a bare line feed for a line end. The gate follows the framing of the same bytes, and
//! where it finds a request it refuses, it ends the input there with a NUL, which the parser answers with 400 and a
//! close, in its turn after the answers before it. The gate can only refuse, never let through what the parser would not.
//!
//! **What it deliberately does not do.** It knows no route, no key and no dialect; it does not decompress; it never
//! switches protocols, so `Upgrade` is ignored and `CONNECT` refused.
//!
//! Start reading at [`Edge::run`], then `worker.rs`.

mod answer;
mod body;
mod certificate_error;
mod client_certificate;
mod connection;
mod gate;
mod guarded;
mod last_call;
mod listen;
mod noise;
mod pulse;
pub mod relief;
pub mod reservoir;
mod screen;
mod service;
pub mod settings;
mod shutdown;
mod tasks;
mod tls;
mod worker;

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle};

pub use body::{BodyError, Frames, RequestBody};
pub use last_call::{LastCall, LastWords};
pub use listen::Bound;
pub use pulse::Peer;
pub use service::Service;
pub use settings::{Address, Settings};
pub use shutdown::{Shutdown, StopSignals};
pub use tls::Certificates;

/// Why the edge could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be opened.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// The address as written in the settings.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No address to listen on was given.
    #[error("no address to listen on; give at least one")]
    NoAddress,
    /// The certificate or its key could not be used.
    #[error(transparent)]
    Certificate(#[from] certificate_error::CertificateError),
    /// A worker thread or its runtime could not be started.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] std::io::Error),
    /// The factory failed to build a worker's service.
    #[error("cannot build the service of a worker: {0}")]
    Service(#[source] BoxError),
}

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The edge; see the module's essay.
#[derive(Debug)]
pub struct Edge;

impl Edge {
    /// Binds every address, starts the workers and returns once all of them serve.
    ///
    /// `factory` is called once per worker, on the worker's thread and inside its runtime, with the worker's number.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, the certificate cannot be read, or a worker's service cannot be built.
    pub fn run<S, F>(settings: Settings, factory: F) -> Result<Running, StartError>
    where
        S: Service,
        F: Fn(usize) -> Result<S, BoxError> + Send + Sync + 'static,
    {
        let certificates = settings.tls.as_ref().map(Certificates::load).transpose()?;
        let mut bound = listen::bind_all(&settings)?;
        let addresses = bound.iter().map(|listener| listener.address.clone()).collect();
        let files = bound.iter_mut().filter_map(|listener| listener.file.take()).collect();
        let shutdown = Shutdown::new(settings.drain_timeout, settings.hasty_drain_timeout);
        let (alive, done) = tokio::sync::mpsc::channel(1);
        let shared = Arc::new(worker::Shared::new(settings, certificates.clone(), shutdown.clone())?);
        let factory = Arc::new(factory);
        let mut running = Running { addresses, files, shutdown, certificates, threads: Vec::new(), done };
        let mut reports = Vec::new();
        for number in 0..shared.settings.workers {
            let listeners = bound.iter_mut().filter_map(|listener| listener.shares.pop()).collect();
            let (report, reported) = std::sync::mpsc::channel();
            let start = worker::Start { number, listeners, shared: Arc::clone(&shared), alive: alive.clone(), report };
            let factory = Arc::clone(&factory);
            let thread = std::thread::Builder::new()
                .name(format!("edge-{number}"))
                .spawn(move || worker::run(start, &*factory))
                .map_err(StartError::Worker)?;
            running.threads.push(thread);
            reports.push(reported);
        }
        for report in reports {
            if let Err(error) = report.recv().unwrap_or_else(|_| Err(worker::died())) {
                running.shutdown.drain();
                running.shutdown.hasten();
                drop(running.join());
                return Err(error);
            }
        }
        Ok(running)
    }
}

/// A running edge. Dropping it drains the workers without waiting for them.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<Bound>,
    files: Vec<listen::SocketFile>,
    shutdown: Shutdown,
    certificates: Option<Arc<Certificates>>,
    threads: Vec<JoinHandle<()>>,
    done: tokio::sync::mpsc::Receiver<()>,
}

/// A worker thread ended by a panic of its own (handlers' panics do not do that).
#[derive(Debug, thiserror::Error)]
#[error("a worker thread panicked")]
pub struct WorkerPanicked;

impl Running {
    /// Where the edge listens, in the order of the settings, with the ports the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[Bound] {
        &self.addresses
    }

    /// The first TCP address, if there is one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.addresses.iter().find_map(|bound| match bound {
            Bound::Tcp(address) => Some(*address),
            Bound::Unix(_) => None,
        })
    }

    /// The handle that stops the edge.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// The certificate being served, to reload it; `None` without TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// Blocks until every worker has ended, which is after a shutdown.
    ///
    /// # Errors
    ///
    /// When a worker thread panicked.
    pub fn wait(mut self) -> Result<(), WorkerPanicked> {
        self.join()
    }

    /// Blocks like [`wait`](Self::wait), and drains on the first `SIGTERM` or `SIGINT`, in haste on the second.
    ///
    /// # Errors
    ///
    /// When a worker thread panicked.
    pub fn wait_with_signals(mut self, signals: StopSignals) -> Result<(), BoxError> {
        let StopSignals { runtime, mut terminate, mut interrupt } = signals;
        let shutdown = self.shutdown.clone();
        runtime.block_on(async {
            tokio::select! {
                () = shutdown.follow(&mut terminate, &mut interrupt) => {}
                // every worker holds a sender; no message is ever sent
                _ = self.done.recv() => {}
            }
        });
        Ok(self.join()?)
    }

    fn join(&mut self) -> Result<(), WorkerPanicked> {
        let mut outcome = Ok(());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                outcome = Err(WorkerPanicked);
            }
        }
        for file in self.files.drain(..) {
            file.remove();
        }
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.drain();
    }
}
