//! Connections between requests.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::h1::Link;
use super::h2::{Place, Trunk};
use super::origin::Origin;
use super::settings::Settings;
use super::transport::{Transport, Versions};

/// So many that want HTTP/1.1 are remembered; then they are learnt anew.
const MOST_OUTDATED: usize = 1024;

/// What connections are shared by: never across origins, never across transports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) origin: Origin,
    pub(crate) transport: Transport,
}

/// A connection to send on.
pub(crate) enum Ready {
    Link(Box<Link>),
    Place(Place),
}

/// The idle and shared connections of one [`Upstream`](super::Upstream).
pub(crate) struct Pool {
    lanes: Mutex<HashMap<Lane, Shelf>>,
    /// Those that want HTTP/1.1 although they agree on HTTP/2.
    outdated: Mutex<HashSet<Lane>>,
    idle_timeout: Duration,
    max_idle: usize,
    max_streams: usize,
    sweeper: Mutex<Option<JoinHandle<()>>>,
}

/// One lane's connections.
#[derive(Default)]
struct Shelf {
    /// The last one put in is the first one taken out: the others get a chance to age.
    links: Vec<(Box<Link>, Instant)>,
    trunks: Vec<Arc<Trunk>>,
}

impl Pool {
    pub(crate) fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            lanes: Mutex::new(HashMap::new()),
            outdated: Mutex::default(),
            idle_timeout: settings.idle_connection_timeout,
            max_idle: settings.max_idle_per_origin,
            max_streams: settings.max_streams_per_connection,
            sweeper: Mutex::new(None),
        })
    }

    /// A kept connection that still looks alive.
    pub(crate) fn take(&self, lane: &Lane) -> Option<Ready> {
        let mut lanes = self.lanes();
        let shelf = lanes.get_mut(lane)?;
        if let Some(place) = shelf.trunks.iter().find_map(|trunk| trunk.enter(self.max_streams)) {
            return Some(Ready::Place(place));
        }
        while let Some((mut link, _)) = shelf.links.pop() {
            if link.is_reusable() {
                return Some(Ready::Link(link));
            }
        }
        None
    }

    /// Keeps a connection whose response has been read to its end.
    pub(crate) fn keep(self: &Arc<Self>, lane: Lane, link: Box<Link>) {
        link.rest();
        let mut lanes = self.lanes();
        let shelf = lanes.entry(lane).or_default();
        if shelf.links.len() < self.max_idle {
            shelf.links.push((link, Instant::now()));
            drop(lanes);
            self.start_sweeper();
        }
    }

    /// Shares a fresh connection and takes the first place on it.
    pub(crate) fn share(self: &Arc<Self>, lane: Lane, trunk: Arc<Trunk>) -> Option<Place> {
        let place = trunk.enter(self.max_streams);
        self.lanes().entry(lane).or_default().trunks.push(trunk);
        self.start_sweeper();
        place
    }

    /// Offers HTTP/1.1 alone from now on.
    pub(crate) fn speak_http1(&self, lane: &Lane) {
        let mut outdated = self.outdated();
        if outdated.len() >= MOST_OUTDATED {
            outdated.clear();
        }
        outdated.insert(lane.clone());
    }

    /// What a new connection offers.
    pub(crate) fn versions(&self, lane: &Lane) -> Versions {
        if self.outdated().contains(lane) { Versions::Http1 } else { Versions::Any }
    }

    /// Drops what is closed or has been idle for too long; says whether anything is left.
    fn sweep(&self) -> bool {
        let Some(limit) = Instant::now().checked_sub(self.idle_timeout) else {
            return true;
        };
        let mut lanes = self.lanes();
        lanes.retain(|_, shelf| {
            shelf.links.retain_mut(|(link, since)| *since > limit && link.is_reusable());
            shelf.trunks.retain(|trunk| trunk.is_open() && !trunk.idle_since(limit));
            !shelf.links.is_empty() || !shelf.trunks.is_empty()
        });
        !lanes.is_empty()
    }

    /// The sweeper runs only while there is something to sweep.
    fn start_sweeper(self: &Arc<Self>) {
        let mut sweeper = self.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
        if sweeper.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        // A body may be dropped outside any runtime; the next one dropped inside starts the sweeper.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let pause = (self.idle_timeout / 8).max(Duration::from_millis(10));
        *sweeper = Some(runtime.spawn(sweep_while_used(Arc::downgrade(self), pause)));
    }

    fn outdated(&self) -> MutexGuard<'_, HashSet<Lane>> {
        self.outdated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Lane, Shelf>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let sweeper = self.sweeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = sweeper.take() {
            task.abort();
        }
    }
}

async fn sweep_while_used(pool: Weak<Pool>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        crate::failpoint::hit("sweeping_pool");
        match pool.upgrade() {
            Some(pool) if pool.sweep() => {}
            _ => return,
        }
    }
}
