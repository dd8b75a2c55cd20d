//! The one task that carries the journal to the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_engine::apart;
use tokio::sync::{mpsc, oneshot, watch};

use super::post::{Batch, Known, Open, Posting, position, post};
use super::retention::Lines;
use crate::error::StoreError;
use crate::journal::frame::{self, Entry};
use crate::journal::{Journal, Place, Reader};
use crate::open::Store;
use crate::sql::Sql;

/// How often the journal is looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a database that is away is left alone.
const PATIENCE: Duration = Duration::from_millis(500);
/// The most records of one batch.
const BATCH: usize = 4096;

/// How long a start waits before it looks whether any of the journal has been carried.
const LOOK: Duration = Duration::from_secs(2);

/// How far the database has the journal.
#[derive(Clone, Debug, Default)]
struct Carried {
    place: Place,
    /// What keeps the rest of it.
    trouble: Option<Arc<StoreError>>,
}

/// Carries the journal to the database until it is told to stop.
#[derive(Debug)]
pub struct Writer {
    flushes: mpsc::UnboundedSender<oneshot::Sender<()>>,
    carried: watch::Receiver<Carried>,
    caught_up: watch::Receiver<bool>,
    journal: Arc<Journal>,
    store: Store,
    lines: Arc<Lines>,
}

impl Writer {
    /// Starts it, on the store's thread.
    pub fn start(store: &Store, journal: Arc<Journal>) -> Self {
        let (flushes, asked) = mpsc::unbounded_channel();
        let (told, carried) = watch::channel(Carried::default());
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
        self.store.thread().run(self.carrying(patience)).await
    }

    /// The same, for a thread that has nothing else to do.
    pub fn flush_blocking(&self, patience: Duration) -> Result<(), StoreError> {
        self.store.thread().block(self.carrying(patience))
    }

    /// The same for a start, which waits for however much the last gateway left: that time is how long none of it may be carried.
    pub fn catch_up_blocking(&self, patience: Duration) -> Result<(), StoreError> {
        let place = || self.carried.borrow().place;
        let ask = || {
            let done = self.flush_blocking(patience.min(LOOK));
            if let Err(StoreError::Behind { why: None }) = done {
                let ((file, byte), (last, _)) = (place(), self.journal.written());
                tracing::info!(file, byte, last, "what the last gateway left in the journal is on its way to the database");
            }
            done
        };
        while_it_goes_on(patience, ask, place)
    }

    fn carrying(&self, patience: Duration) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (done, waits) = oneshot::channel();
        let (asked, carried) = (self.flushes.send(done), self.carried.clone());
        async move {
            asked.map_err(|_| StoreError::Stopping)?;
            match tokio::time::timeout(patience, waits).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(StoreError::Stopping),
                Err(_) => Err(StoreError::Behind { why: carried.borrow().trouble.clone() }),
            }
        }
    }

    /// Bytes of the journal's last file that are not carried yet; all of it where earlier files are not.
    pub fn lag(&self) -> u64 {
        let ((segment, place), (written, length)) = (self.carried.borrow().place, self.journal.written());
        if segment == written { length.saturating_sub(place) } else { length }
    }
}

/// Asks until all is there, for as long as more of it is each time: how much there is says nothing of how long that takes. What will
/// be no better in a moment is not waited for.
fn while_it_goes_on(
    patience: Duration,
    mut ask: impl FnMut() -> Result<(), StoreError>,
    place: impl Fn() -> Place,
) -> Result<(), StoreError> {
    let (mut before, mut since) = (place(), Instant::now());
    loop {
        let Err(behind) = ask() else { return Ok(()) };
        let now = place();
        if now != before {
            (before, since) = (now, Instant::now());
        } else if since.elapsed() >= patience || !behind.is_outage() {
            return Err(behind);
        }
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
    carried: Option<Place>,
    /// The first file that is still there.
    kept_from: u64,
    told: watch::Sender<Carried>,
    lines: Arc<Lines>,
}

impl Carrier {
    fn new(journal: Arc<Journal>, sql: Sql, told: watch::Sender<Carried>, lines: Arc<Lines>) -> Self {
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
                        self.told.send_modify(|carried| carried.trouble = Some(Arc::new(error)));
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
            self.told.send_modify(|carried| carried.trouble = None);
            return Ok(false);
        }
        Arc::make_mut(batch).rule = self.lines.rule();
        post(&self.sql, &self.instance, batch, &mut self.known).await?;
        self.carried = Some(batch.place);
        self.told.send_replace(Carried { place: batch.place, trouble: None });
        let full = batch.postings.len() + batch.lines.len() >= BATCH;
        *batch = Arc::default();
        self.forget();
        Ok(full)
    }

    /// Reads what comes next, up to a batch.
    fn read(&mut self, batch: &mut Batch, carried: Place) -> std::io::Result<()> {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::{StoreError, while_it_goes_on};

    #[test]
    fn what_goes_on_is_waited_for_however_long_it_takes() {
        let asked = Cell::new(0);
        let behind = || Err(StoreError::Behind { why: None });
        let ask = || {
            asked.set(asked.get() + 1);
            if asked.get() < 100 { behind() } else { Ok(()) }
        };
        while_it_goes_on(Duration::ZERO, ask, || (1, asked.get())).expect("it went on");
        assert_eq!(asked.get(), 100);
        assert!(while_it_goes_on(Duration::ZERO, behind, || (1, 7)).is_err());
    }

    #[test]
    fn what_will_be_no_better_is_not_waited_for() {
        let lasting = || Err(StoreError::Refused(sqlx::Error::RowNotFound));
        assert!(while_it_goes_on(Duration::MAX, lasting, || (1, 7)).is_err());
    }
}
