//! The one task that carries the journal to the database.

use std::sync::Arc;
use std::time::Duration;

use switchboard_engine::apart;
use tokio::sync::{mpsc, oneshot, watch};

use super::post::{Batch, Known, Open, Posting, position, post};
use super::retention::Lines;
use crate::error::StoreError;
use crate::journal::frame::{self, Entry};
use crate::journal::{Journal, Reader};
use crate::open::Store;
use crate::sql::Sql;

/// How often the journal is looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a database that is away is left alone.
const PATIENCE: Duration = Duration::from_millis(500);
/// The most records of one batch.
const BATCH: usize = 4096;

/// Carries the journal to the database until it is told to stop.
#[derive(Debug)]
pub struct Writer {
    flushes: mpsc::UnboundedSender<oneshot::Sender<()>>,
    carried: watch::Receiver<(u64, u64)>,
    caught_up: watch::Receiver<bool>,
    journal: Arc<Journal>,
    store: Store,
    lines: Arc<Lines>,
}

impl Writer {
    /// Starts it, on the store's thread.
    pub fn start(store: &Store, journal: Arc<Journal>) -> Self {
        let (flushes, asked) = mpsc::unbounded_channel();
        let (told, carried) = watch::channel((0, 0));
        let (met, caught_up) = watch::channel(false);
        let lines = Arc::<Lines>::default();
        let carrier = Carrier::new(journal.clone(), store.sql().clone(), told, lines.clone());
        store.thread().handle().spawn(carrier.run(asked, met));
        Self { flushes, carried, caught_up, journal, store: store.clone(), lines }
    }

    /// Turns true once the database has all that the last gateway left in the journal.
    pub fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.clone()
    }

    /// Which requests have lines in the log.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Carries everything that is written now. Gives up after that time; then some of it is still to be carried.
    pub async fn flush(&self, patience: Duration) -> Result<(), StoreError> {
        let (done, waits) = oneshot::channel();
        let flushes = self.flushes.clone();
        let wait = async move {
            flushes.send(done).map_err(|_| StoreError::Stopping)?;
            match tokio::time::timeout(patience, waits).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(StoreError::Stopping),
                Err(_) => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
            }
        };
        self.store.thread().run(wait).await
    }

    /// The same, for a thread that has nothing else to do.
    pub fn flush_blocking(&self, patience: Duration) -> Result<(), StoreError> {
        let (done, waits) = oneshot::channel();
        self.flushes.send(done).map_err(|_| StoreError::Stopping)?;
        self.store.thread().block(async move {
            match tokio::time::timeout(patience, waits).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(StoreError::Stopping),
                Err(_) => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
            }
        })
    }

    /// Bytes of the journal's last file that are not carried yet; all of it where earlier files are not.
    pub fn lag(&self) -> u64 {
        let ((segment, place), (written, length)) = (*self.carried.borrow(), self.journal.written());
        if segment == written { length.saturating_sub(place) } else { length }
    }
}

struct Carrier {
    reader: Reader,
    instance: String,
    journal: Arc<Journal>,
    /// Not the store itself, whose thread this runs on.
    sql: Sql,
    open: Open,
    known: Known,
    /// How far the database has it; none before it has been asked.
    carried: Option<(u64, u64)>,
    /// The first file that is still there.
    kept_from: u64,
    told: watch::Sender<(u64, u64)>,
    lines: Arc<Lines>,
}

impl Carrier {
    fn new(journal: Arc<Journal>, sql: Sql, told: watch::Sender<(u64, u64)>, lines: Arc<Lines>) -> Self {
        let (reader, instance) = (journal.reader(), journal.instance());
        Self { reader, instance, journal, sql, open: Open::new(), known: Known::default(), carried: None, kept_from: 0, told, lines }
    }

    /// As at a start: the database says how far it has the journal, and what follows is read again.
    fn anew(&self) -> Self {
        Self::new(self.journal.clone(), self.sql.clone(), self.told.clone(), self.lines.clone())
    }

    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>, caught_up: watch::Sender<bool>) {
        let mut batch = Arc::<Batch>::default();
        let mut away = false;
        loop {
            let flush = tokio::select! {
                flush = asked.recv() => match flush {
                    Some(flush) => Some(flush),
                    None => return,
                },
                () = tokio::time::sleep(if away { PATIENCE } else { PAUSE }) => None,
            };
            loop {
                let Some(carried) = apart::work("ledger", self.carry(&mut batch)).await else {
                    (self, batch) = (self.anew(), Arc::default());
                    tokio::time::sleep(PATIENCE).await;
                    continue;
                };
                match carried {
                    Ok(true) => away = false,
                    Ok(false) => {
                        away = false;
                        caught_up.send_if_modified(|caught_up| !std::mem::replace(caught_up, true));
                        break;
                    }
                    Err(error) => {
                        if !away {
                            tracing::warn!(%error, "the ledger cannot be written; the journal keeps what it misses");
                        }
                        away = true;
                        if flush.is_none() {
                            break;
                        }
                        tokio::time::sleep(PATIENCE).await;
                    }
                }
            }
            if let Some(flush) = flush {
                // Whoever asked has given up where nobody hears.
                let _ = flush.send(());
            }
        }
    }

    /// Carries one batch. Whether there may be more.
    async fn carry(&mut self, batch: &mut Arc<Batch>) -> Result<bool, StoreError> {
        let carried = match self.carried {
            Some(carried) => carried,
            None => {
                let carried = position(&self.sql, &self.instance).await?;
                self.carried = Some(carried);
                carried
            }
        };
        // A batch that could not be carried is carried again before anything else is read.
        if batch.is_empty() {
            self.read(Arc::make_mut(batch), carried).map_err(|error| StoreError::Unavailable(sqlx::Error::Io(error)))?;
        }
        if batch.is_empty() {
            return Ok(false);
        }
        Arc::make_mut(batch).rule = self.lines.rule();
        post(&self.sql, &self.instance, batch, &mut self.known).await?;
        self.carried = Some(batch.place);
        self.told.send_replace(batch.place);
        let full = batch.postings.len() + batch.lines.len() >= BATCH;
        *batch = Arc::default();
        self.forget();
        Ok(full)
    }

    /// Reads what comes next, up to a batch.
    fn read(&mut self, batch: &mut Batch, carried: (u64, u64)) -> std::io::Result<()> {
        while batch.postings.len() + batch.lines.len() < BATCH {
            let Some((entry, place)) = self.reader.next()? else { break };
            batch.place = place;
            match entry {
                Entry::Log(line) => {
                    if place > carried {
                        batch.lines.push(line);
                    }
                }
                entry => {
                    let over = frame::follow(&mut self.open, entry, place.0);
                    if let Some((attempt, kept, settled)) = over.filter(|_| place > carried) {
                        batch.postings.push(Posting::settled(attempt, kept, settled));
                    }
                }
            }
        }
        Ok(())
    }

    /// Files that hold nothing that is still needed are removed: those before the one that is read and before any intent of an
    /// attempt that is not over.
    fn forget(&mut self) {
        let Some((segment, _)) = self.carried else { return };
        let needed = self.open.values().map(|kept| kept.segment).min().map_or(segment, |oldest| oldest.min(segment));
        if needed > self.kept_from {
            self.kept_from = needed;
            self.journal.forget_before(needed);
        }
    }
}
