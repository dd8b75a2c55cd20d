//! One worker: a thread, a runtime, a share of every listener.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::Sender,
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rustls::ServerConfig;
use switchboard_engine::{apart, failpoint};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    BoxError, Certificates, Service, Settings, Shutdown, StartError,
    certificate_error::CertificateError,
    connection::Protocols,
    guarded::Socket,
    listen::{Listener, Share, is_one_connections_fault},
    pulse::{Clock, Limits, Order, Peer, Pulse},
    relief::Step,
    shutdown::Stage,
    tasks::Tasks,
};

/// How often the certificate's files are looked at.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(10);
/// How often a worker that has nothing left to do looks whether the others have.
const LOOK: Duration = Duration::from_millis(5);
/// How long what ends may take to say so.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long cutting takes at most.
const CUT: Duration = Duration::from_secs(1);
/// More connections than this are a crowd: most of them idle, and what each keeps while it does counts.
const CROWD: usize = 500;
/// Of so many that could be spared one is cut where there is no room for another.
const ROOM: usize = 64;
/// The first and longest pause after accepting failed for want of resources.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    certificates: Option<Arc<Certificates>>,
    tls: Option<Arc<ServerConfig>>,
    shutdown: Shutdown,
    open: AtomicUsize,
}

impl Shared {
    pub(super) fn new(
        mut settings: Settings,
        certificates: Option<Arc<Certificates>>,
        shutdown: Shutdown,
    ) -> Result<Self, CertificateError> {
        settings.workers = settings.workers.max(1);
        let tls = certificates.as_ref().map(Certificates::server_config).transpose()?;
        Ok(Self { settings, certificates, tls, shutdown, open: AtomicUsize::new(0) })
    }
}

/// What a worker starts with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) number: usize,
    pub(super) listeners: Vec<Share>,
    pub(super) shared: Arc<Shared>,
    /// Dropped when the worker ends.
    pub(super) alive: tokio::sync::mpsc::Sender<()>,
    pub(super) report: Sender<Result<(), StartError>>,
}

/// The error of a worker that ended without a word.
pub(super) fn died() -> StartError {
    StartError::Worker(io::Error::other("the worker panicked while starting"))
}

/// Runs a worker on the current thread until it is shut down.
pub(super) fn run<S, F>(start: Start, factory: &F)
where
    S: Service,
    F: Fn(usize) -> Result<S, BoxError>,
{
    let Start { number, listeners, shared, alive, report } = start;
    let said = |outcome| {
        // the edge waits for this report; if it is gone there is nobody to tell
        let _gone = report.send(outcome);
    };
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return said(Err(StartError::Worker(error))),
    };
    runtime.block_on(async {
        let listeners = listeners.into_iter().map(Listener::new).collect::<io::Result<Vec<_>>>();
        let started =
            listeners.map_err(StartError::Worker).and_then(|listeners| Ok((listeners, factory(number).map_err(StartError::Service)?)));
        match started {
            Ok((listeners, service)) => {
                said(Ok(()));
                Worker::new(number, service, shared).serve(listeners).await;
            }
            Err(error) => said(Err(error)),
        }
    });
    drop(alive);
}

struct Worker<S> {
    number: usize,
    shared: Arc<Shared>,
    protocols: Rc<Protocols<S>>,
    tasks: Rc<Tasks>,
    clock: Rc<Clock>,
    limits: Limits,
    /// While memory is short.
    pressed: Limits,
    pulses: RefCell<Vec<Rc<Pulse>>>,
    crowded: Rc<Cell<bool>>,
}

/// A connection's place among those served; also tells the sweep that the connection is gone.
struct Seat {
    shared: Arc<Shared>,
    pulse: Rc<Pulse>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.pulse.close();
    }
}

impl<S: Service> Worker<S> {
    fn new(number: usize, service: S, shared: Arc<Shared>) -> Self {
        let tasks = Rc::new(Tasks::default());
        let tls = shared.tls.clone().map(TlsAcceptor::from);
        let protocols = Rc::new(Protocols::new(service, tls, &shared.settings, Rc::clone(&tasks)));
        let limits = Limits::new(&shared.settings);
        Self {
            number,
            shared,
            protocols,
            clock: Rc::clone(&tasks.clock),
            tasks,
            pressed: limits.without_idling(),
            limits,
            pulses: RefCell::default(),
            crowded: Rc::default(),
        }
    }

    async fn serve(self, listeners: Vec<Listener>) {
        let mut stage = self.shared.shutdown.subscribe();
        tokio::select! {
            () = self.accept(&listeners) => {}
            () = self.sweep() => {}
            () = self.watch_certificates() => {}
            () = reap_forever(&self.tasks) => {}
            _ = stage.wait_for(|stage| *stage != Stage::Serving) => {}
        }
        self.close(listeners);
        tokio::select! {
            () = self.finish(stage) => {}
            () = self.sweep() => {}
        }
    }

    /// Accepts for ever.
    async fn accept(&self, listeners: &[Listener]) {
        let mut pause = BACK_OFF.0;
        loop {
            match poll_fn(|cx| poll_any(listeners, cx)).await {
                Ok((socket, peer)) => {
                    pause = BACK_OFF.0;
                    // The connection is gone with the panic, and nothing else.
                    let _seated = apart::step("accepting", || self.admit(socket, peer));
                }
                Err(error) if is_one_connections_fault(&error) => {}
                Err(error) => {
                    // no descriptors or memory: the connection stays queued, so asking again at once would spin
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(pause).await;
                    pause = (pause * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    /// Stops listening; connections already made are served.
    fn close(&self, listeners: Vec<Listener>) {
        for listener in listeners {
            match listener.close() {
                Ok(queued) => queued.into_iter().for_each(|(socket, peer)| self.admit(socket, peer)),
                Err(error) => tracing::warn!(%error, "queued connections are lost"),
            }
        }
    }

    fn admit(&self, socket: Socket, peer: Peer) {
        failpoint::hit("accepting");
        let pulse = Pulse::new(peer, Rc::clone(&self.clock), Rc::clone(&self.crowded));
        let open = self.shared.open.fetch_add(1, Ordering::Relaxed);
        let seat = Seat { shared: Arc::clone(&self.shared), pulse: Rc::clone(&pulse) };
        if open >= self.shared.settings.max_connections && !self.make_room() {
            tracing::debug!(?peer, "too many connections");
            return;
        }
        let mut pulses = self.pulses.borrow_mut();
        pulses.push(Rc::clone(&pulse));
        self.crowded.set(pulses.len() > CROWD);
        drop(pulses);
        let protocols = Rc::clone(&self.protocols);
        self.tasks.spawn(async move {
            let _seat = seat;
            protocols.serve(socket, pulse).await;
        });
    }

    /// Cuts those that have waited longest, so that whoever holds all connections and asks for nothing keeps nobody out. A few at once:
    /// looking at all of them for each that comes would be dear.
    fn make_room(&self) -> bool {
        let pulses = self.pulses.borrow();
        let mut spared: Vec<_> = pulses.iter().filter_map(|pulse| Some((pulse.spared()?, pulse))).collect();
        spared.sort_unstable_by_key(|(waited, _)| std::cmp::Reverse(*waited));
        spared.truncate(spared.len().div_ceil(ROOM));
        spared.iter().for_each(|(_, pulse)| pulse.give(Order::Cut));
        !spared.is_empty()
    }

    /// Enforces the deadlines for ever.
    async fn sweep(&self) {
        let mut ticks = interval(self.shared.settings.tick());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let _swept = apart::step("sweeping", || self.sweep_once());
        }
    }

    fn sweep_once(&self) {
        failpoint::hit("sweeping");
        self.clock.set(self.clock.get().wrapping_add(1));
        let limits = if self.shared.settings.relief.is_at(Step::Idle) { &self.pressed } else { &self.limits };
        self.pulses.borrow_mut().retain(|pulse| {
            pulse.sweep(limits);
            !pulse.is_closed()
        });
        self.crowded.set(self.pulses.borrow().len() > CROWD);
        self.tasks.sweep(limits);
    }

    /// Looks for a new certificate for ever. One worker does it for all.
    async fn watch_certificates(&self) {
        let Some(certificates) = self.shared.certificates.as_ref().filter(|_| self.number == 0) else {
            return std::future::pending().await;
        };
        loop {
            sleep(CERTIFICATE_CHECK).await;
            if let Err(error) = certificates.reload_if_changed() {
                tracing::error!(%error, "the new certificate cannot be used; the old one stays");
            }
        }
    }

    /// Lets what runs finish, until the deadline, which may move closer; then has it say that it ends.
    async fn finish(&self, mut stage: watch::Receiver<Stage>) {
        for pulse in self.pulses.borrow().iter() {
            pulse.give(Order::Drain);
        }
        loop {
            let until = match *stage.borrow_and_update() {
                Stage::Draining { until } => until,
                Stage::Serving => Instant::now(),
            };
            tokio::select! {
                () = poll_fn(|cx| self.tasks.poll_reap(cx)) => return self.others(until).await,
                () = sleep_until(until.into()) => break,
                // the sender lives as long as the shared state, so this only ever is a change
                _ = stage.changed() => {}
            }
        }
        tracing::warn!(worker = self.number, "what still runs at the end of the drain breaks off");
        self.pulses.borrow().iter().for_each(|pulse| pulse.give(Order::LastCall));
        self.tasks.wake_streams();
        // Whoever does not read it does not hear it.
        let _late = timeout(LAST_WORDS, poll_fn(|cx| self.tasks.poll_reap(cx))).await;
        self.tasks.abort_all();
        poll_fn(|cx| self.tasks.poll_reap(cx)).await;
        // The others cut theirs at the same moment.
        self.others(Instant::now() + CUT).await;
    }

    /// Waits until no worker has a connection left, or until then. An answer that several share may be driven by any of them, while its
    /// connection and its timers are of the one that began it.
    async fn others(&self, until: Instant) {
        while self.shared.open.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            sleep(LOOK).await;
        }
    }
}

fn poll_any(listeners: &[Listener], cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
    for listener in listeners {
        if let Poll::Ready(accepted) = listener.poll_accept(cx) {
            return Poll::Ready(accepted);
        }
    }
    Poll::Pending
}

/// Reaps for ever. An empty set wakes nobody, but the sweep's tick polls this too.
async fn reap_forever(tasks: &Tasks) {
    poll_fn(|cx| {
        let _empty = tasks.poll_reap(cx);
        Poll::Pending
    })
    .await
}
