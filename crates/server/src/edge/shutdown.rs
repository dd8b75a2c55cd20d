//! Stopping without cutting anybody off.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Stops the edge. Cheap to clone; works from any thread.
#[derive(Clone, Debug)]
pub struct Shutdown {
    stage: Arc<watch::Sender<Stage>>,
    drain_timeout: Duration,
    hasty_timeout: Duration,
}

/// What the workers are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Serving,
    /// Running answers may finish until then.
    Draining {
        until: Instant,
    },
}

impl Shutdown {
    pub(super) fn new(drain_timeout: Duration, hasty_timeout: Duration) -> Self {
        Self { stage: Arc::new(watch::Sender::new(Stage::Serving)), drain_timeout, hasty_timeout }
    }

    /// Stops accepting, ends idle connections and lets running answers finish, up to the drain timeout.
    pub fn drain(&self) {
        self.stage.send_if_modified(|stage| {
            let serving = *stage == Stage::Serving;
            if serving {
                *stage = Stage::Draining { until: Instant::now() + self.drain_timeout };
            }
            serving
        });
    }

    /// Drains, and leaves running answers only the hasty drain timeout from now.
    pub fn hasten(&self) {
        self.stage.send_modify(|stage| {
            let soon = Instant::now() + self.hasty_timeout;
            let until = match *stage {
                Stage::Serving => soon,
                Stage::Draining { until } => until.min(soon),
            };
            *stage = Stage::Draining { until };
        });
    }

    /// Whether a shutdown has begun; readiness checks ask this.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.stage.borrow() != Stage::Serving
    }

    /// When running answers will be cut, once a shutdown has begun.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match *self.stage.borrow() {
            Stage::Serving => None,
            Stage::Draining { until } => Some(until),
        }
    }

    /// Waits until running answers will be cut at another time than that; none as long as nothing was said.
    pub async fn another(&self, known: Option<Instant>) -> Option<Instant> {
        let mut stage = self.subscribe();
        // The sender lives in this handle.
        let _ = stage
            .wait_for(|stage| match *stage {
                Stage::Serving => false,
                Stage::Draining { until } => known != Some(until),
            })
            .await;
        self.deadline()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Drains on the first of these signals and hastens on the second, then returns.
    pub(super) async fn follow(&self, terminate: &mut Signal, interrupt: &mut Signal) {
        for round in ["draining", "draining in haste"] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stop signal received: {round}");
            if self.has_begun() { self.hasten() } else { self.drain() }
        }
    }
}

/// `SIGTERM` and `SIGINT`, heeded from when this is made: before that, each ends the process at once.
#[derive(Debug)]
pub struct StopSignals {
    pub(super) runtime: Runtime,
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
}

impl StopSignals {
    /// Heeds them from now on.
    ///
    /// # Errors
    ///
    /// When signals cannot be listened to.
    pub fn heed() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Self { runtime, terminate, interrupt })
    }
}
