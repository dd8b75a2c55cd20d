//! What money is spent on, written down before it is spent.
//!
//! An append-only file of its own for each gateway. An attempt's intent is in it before the attempt is sent, and its settlement
//! before the caller has the end of the answer; both are written by the worker itself and so outlive the process, whatever kills
//! it. A thread of its own makes them outlive a power failure a few milliseconds later. What is here is carried to the database
//! by [`Writer`](crate::ledger::Writer), in batches, as fast as the database takes it: while it is away the file grows.
//!
//! At the start the files are read: an attempt with an intent and no settlement was under way when the gateway died. It is settled
//! by what was last known of it.

mod file;
pub(crate) mod frame;
mod left;
mod read;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use switchboard_engine::admit::journal::{AttemptId, Intent, Journal as Port, JournalClosed, Settlement};
use switchboard_engine::terms::NanoUsd;
use switchboard_engine::{apart, failpoint};

use file::Segments;
pub use frame::{Entry, Kept};
use left::Left;
pub(crate) use read::{Place, Reader};

use crate::line::Passing;

/// How long a record may wait for the disk.
const GROUP: Duration = Duration::from_millis(5);

/// What a thread gathers, while it does. A record that is written alone is put together in the same place.
#[derive(Default)]
struct Gathering {
    now: bool,
    records: Vec<u8>,
}

thread_local! {
    static GATHERING: RefCell<Gathering> = RefCell::default();
}

/// When a record is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It outlives the process at once, and a power failure some milliseconds later.
    #[default]
    Grouped,
    /// It outlives a power failure before the attempt is sent.
    Strict,
}

/// The journal of one gateway.
pub struct Journal {
    shared: Arc<Shared>,
    syncer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    segments: Mutex<Segments>,
    durability: Durability,
    /// A write or a sync failed: nothing more is promised until the files have been looked at again.
    broken: AtomicBool,
    dirty: Mutex<Dirty>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Dirty {
    any: bool,
    stop: bool,
}

/// A journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BadJournal {
    /// Its files cannot be used.
    #[error("the journal in `{}` cannot be used: {source}", .at.display())]
    File {
        /// Where.
        at: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another gateway writes to it.
    #[error("another gateway writes to the journal in `{}`", .0.display())]
    Taken(PathBuf),
}

/// What the files hold of attempts that were under way when the last gateway ended.
#[derive(Debug, Default)]
pub struct Recovered {
    /// How many there were.
    pub attempts: usize,
    /// What they are settled at.
    pub amount: NanoUsd,
}

impl Journal {
    /// Opens the journal in that folder, and settles what the last gateway left open.
    pub fn open(folder: &Path, durability: Durability) -> Result<(Self, Recovered), BadJournal> {
        let bad = |source| BadJournal::File { at: folder.to_owned(), source };
        let segments = Segments::open(folder)?;
        let left = Left::of(folder).map_err(bad)?;
        let shared = Arc::new(Shared {
            segments: Mutex::new(segments),
            durability,
            broken: AtomicBool::new(false),
            dirty: Mutex::default(),
            wake: Condvar::new(),
        });
        let syncing = shared.clone();
        let syncer = std::thread::Builder::new().name("journal".to_owned()).spawn(move || syncing.sync_for_good()).map_err(bad)?;
        let journal = Self { shared, syncer: Mutex::new(Some(syncer)) };
        let recovered = journal.recover(left).map_err(bad)?;
        Ok((journal, recovered))
    }

    fn recover(&self, left: Left) -> std::io::Result<Recovered> {
        let Left { open, mut cut } = left;
        let mut recovered = Recovered::default();
        for (attempt, kept) in open {
            let amount = NanoUsd(kept.last.max(kept.intent.begun));
            switchboard_engine::failpoint::hit("during_recovery");
            self.write(|out| frame::recovered(attempt, kept.intent.at, amount, out))?;
            recovered.attempts += 1;
            recovered.amount = recovered.amount.plus(amount);
            left::add(&mut cut, kept.intent, amount.0, (0, 0));
        }
        for call in cut.values() {
            self.write(|out| frame::logged(&call.line(), out))?;
        }
        Ok(recovered)
    }

    /// The gateway's own name among those that share a database; it stays with the folder.
    pub fn instance(&self) -> String {
        self.shared.segments().instance().to_owned()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self.shared.segments().folder())
    }

    /// How far the journal is written: the number of the last file, and its length.
    pub(crate) fn written(&self) -> Place {
        self.shared.segments().end()
    }

    /// Forgets the files before that one.
    pub(crate) fn forget_before(&self, segment: u64) {
        self.shared.segments().forget_before(segment);
    }

    /// Writes a line of the request log.
    pub fn log(&self, line: &Passing<'_>) {
        if let Err(error) = self.write(|out| frame::logged(line, out)) {
            tracing::warn!(%error, "a line of the request log is lost");
        }
    }

    fn write(&self, record: impl FnOnce(&mut Vec<u8>)) -> std::io::Result<()> {
        GATHERING.with_borrow_mut(|Gathering { now, records }| {
            if *now {
                record(records);
                return Ok(());
            }
            records.clear();
            record(records);
            let written = self.write_now(records);
            records.clear();
            written
        })
    }

    fn write_now(&self, frame: &[u8]) -> std::io::Result<()> {
        if self.shared.broken.load(Ordering::Acquire) {
            return Err(std::io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let written = self.shared.segments().append(frame);
        if let Err(error) = &written {
            tracing::error!(%error, "the journal cannot be written; paid calls are refused until a restart");
            self.shared.broken.store(true, Ordering::Release);
        }
        written?;
        if self.shared.durability == Durability::Strict {
            return self.shared.segments().sync();
        }
        let mut dirty = self.shared.dirty();
        if !dirty.any {
            dirty.any = true;
            self.shared.wake.notify_one();
        }
        Ok(())
    }
}

impl Shared {
    fn segments(&self) -> std::sync::MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync_for_good(&self) {
        while apart::step("journal", || self.sync_until_stopped()).is_none() {
            // What was being made safe may not be.
            self.dirty().any = true;
        }
    }

    /// Makes what was written outlive a power failure, a group at a time. A group is waited for first: a call that has just begun
    /// shares its core with nobody who writes to the disk.
    fn sync_until_stopped(&self) {
        loop {
            let dirty = self.dirty();
            let dirty = self.wake.wait_while(dirty, |dirty| !dirty.any && !dirty.stop).unwrap_or_else(PoisonError::into_inner);
            if !dirty.any {
                return;
            }
            drop(dirty);
            std::thread::sleep(GROUP);
            self.dirty().any = false;
            failpoint::hit("syncing");
            let file = self.segments().handle();
            if let Err(error) = file.and_then(|file| file.sync_data()) {
                tracing::error!(%error, "the journal cannot be made safe; paid calls are refused until a restart");
                self.broken.store(true, Ordering::Release);
            }
        }
    }

    fn dirty(&self) -> std::sync::MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port for Journal {
    fn intend(&self, intent: &Intent<'_>) -> Result<(), JournalClosed> {
        switchboard_engine::failpoint::hit("before_intent");
        let written = self.write(|out| frame::intended(intent, out)).map_err(|_| JournalClosed);
        switchboard_engine::failpoint::hit("after_intent");
        written
    }

    fn checkpoint(&self, attempt: AttemptId, spent: NanoUsd) {
        switchboard_engine::failpoint::hit("mid_stream");
        // What fails here has been told; the next intent will be refused.
        let _ = self.write(|out| frame::checkpoint(attempt, spent, out));
    }

    fn settle(&self, settlement: &Settlement<'_>) {
        switchboard_engine::failpoint::hit("before_settlement");
        let Settlement { attempt, amount, .. } = *settlement;
        if self.write(|out| frame::settled(settlement, out)).is_err() {
            tracing::error!(%attempt, %amount, "a settlement could not be written; the next start will settle it by estimate");
        }
        switchboard_engine::failpoint::hit("after_settlement");
    }

    fn gather(&self) {
        GATHERING.with_borrow_mut(|gathering| gathering.now = true);
    }

    fn release(&self) {
        GATHERING.with_borrow_mut(|Gathering { now, records }| {
            *now = false;
            let written = if records.is_empty() { Ok(()) } else { self.write_now(records) };
            records.clear();
            if let Err(error) = written {
                tracing::error!(%error, "the end of a call could not be written; the next start will settle it by estimate");
            }
        });
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        {
            let mut dirty = self.shared.dirty();
            dirty.stop = true;
            self.shared.wake.notify_one();
        }
        let syncer = self.syncer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if syncer.is_some_and(|syncer| syncer.join().is_err()) {
            tracing::error!("the journal's thread panicked");
        }
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Journal").field("written", &self.written()).finish_non_exhaustive()
    }
}

/// Whether a gateway writes to the journal in that folder.
pub fn is_taken(folder: &Path) -> bool {
    file::is_taken(folder)
}

/// How many attempts the journal in that folder has an intent of and no settlement.
pub fn open_attempts(folder: &Path) -> std::io::Result<usize> {
    Ok(Left::of(folder)?.open.len())
}
