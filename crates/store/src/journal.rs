//! What money is spent on, written down before it is spent.
//!
//! An append-only file of its own for each gateway. An attempt's intent is in it before the attempt is sent, and its settlement
//! before the caller has the end of the answer; both are written by the worker itself and so outlive the process, whatever kills
//! it. A thread of its own makes them outlive a power failure a few milliseconds later. What is here is carried to the database
//! by [`Writer`](crate::ledger::Writer), in batches, as fast as the database takes it: while it is away the file grows.
//!
//! A disk that takes no records for a while ([`file`]) keeps out what budgets pay for; what else is written waits in memory until it can
//! be. A disk of which it is not known what it has keeps out all that costs anything, until a restart.
//!
//! At the start the files are read: an attempt with an intent and no settlement was under way when the gateway died. It is settled
//! by what was last known of it.

mod file;
pub(crate) mod frame;
mod late;
mod left;
mod read;
mod reserve;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
    otherwise: Else,
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

/// How a journal takes what is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// At once.
    Open,
    /// The disk takes nothing for now: no budget can be spent, and the rest waits in memory.
    Late,
    /// Not at all: nothing that costs anything goes ahead.
    Closed,
}

/// What becomes of a record that cannot be written at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Else {
    /// Nothing: whoever wanted it written hears so.
    #[default]
    Never,
    /// It is written as soon as it can be, if there is room for it that nothing else may want.
    Perhaps,
    /// It is written as soon as it can be.
    Later,
}

/// The journal of one gateway.
pub struct Journal {
    shared: Arc<Shared>,
    syncer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    segments: Mutex<Segments>,
    durability: Durability,
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
        let shared = Arc::new(Shared { segments: Mutex::new(segments), durability, dirty: Mutex::default(), wake: Condvar::new() });
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
            self.write(Else::Later, |out| frame::recovered(attempt, kept.intent.at, amount, out))?;
            recovered.attempts += 1;
            recovered.amount = recovered.amount.plus(amount);
            left::add(&mut cut, kept.intent, amount.0, (0, 0));
        }
        for call in cut.values() {
            self.write(Else::Perhaps, |out| frame::logged(&call.line(), out))?;
        }
        Ok(recovered)
    }

    /// The gateway's own name among those that share a database; it stays with the folder.
    pub fn instance(&self) -> String {
        self.shared.segments().instance().to_owned()
    }

    /// How it takes what is to be written.
    pub fn standing(&self) -> Standing {
        self.shared.segments().standing()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self.shared.segments().folder())
    }

    /// How far the journal is written: the number of the last file, and its length.
    pub(crate) fn written(&self) -> Place {
        self.shared.segments().written()
    }

    /// Forgets the files before that one.
    pub(crate) fn forget_before(&self, segment: u64) {
        self.shared.segments().forget_before(segment);
    }

    /// Writes a line of the request log.
    pub fn log(&self, line: &Passing<'_>) {
        if let Err(error) = self.write(Else::Perhaps, |out| frame::logged(line, out)) {
            tracing::warn!(%error, "a line of the request log is lost");
        }
    }

    fn write(&self, otherwise: Else, record: impl FnOnce(&mut Vec<u8>)) -> std::io::Result<()> {
        GATHERING.with_borrow_mut(|Gathering { now, otherwise: most, records }| {
            if *now {
                record(records);
                *most = otherwise.max(*most);
                return Ok(());
            }
            records.clear();
            record(records);
            let written = self.write_now(otherwise, records);
            records.clear();
            written
        })
    }

    fn write_now(&self, otherwise: Else, frame: &[u8]) -> std::io::Result<()> {
        let (written, is_safe) = {
            let mut segments = self.shared.segments();
            let written = match otherwise {
                Else::Never => segments.append(frame),
                Else::Perhaps => segments.append_later(frame, late::ROOM / 2),
                Else::Later => segments.append_later(frame, late::ROOM),
            };
            let is_strict = written.is_ok() && self.shared.durability == Durability::Strict;
            let written = if is_strict { segments.sync() } else { written };
            (written, is_strict && segments.standing() == Standing::Open)
        };
        if !is_safe {
            self.shared.look();
        }
        written
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

    /// Has the journal's thread look after what was written, or could not be.
    fn look(&self) {
        let mut dirty = self.dirty();
        if !dirty.any {
            dirty.any = true;
            self.wake.notify_one();
        }
    }

    /// Makes what was written outlive a power failure, a group at a time. A group is waited for first: a call that has just begun
    /// shares its core with nobody who writes to the disk.
    fn sync_until_stopped(&self) {
        let mut tended = Instant::now();
        loop {
            let pause = self.segments().pause();
            if !self.wait(pause) {
                return;
            }
            if pause.is_some_and(|pause| tended.elapsed() >= pause) {
                tended = Instant::now();
                self.segments().tend();
            }
            if !self.dirty().any {
                continue;
            }
            std::thread::sleep(GROUP);
            self.dirty().any = false;
            failpoint::hit("syncing");
            let file = self.segments().handle();
            if let Err(error) = file.sync_data() {
                self.segments().doubt(&error);
            }
        }
    }

    /// Waits for something to do; for no longer than that, where there is a pause. Not where nothing is left to be done.
    fn wait(&self, pause: Option<Duration>) -> bool {
        let idle = |dirty: &mut Dirty| !dirty.any && !dirty.stop;
        let dirty = match pause {
            Some(pause) => self.wake.wait_timeout_while(self.dirty(), pause, idle).unwrap_or_else(PoisonError::into_inner).0,
            None => self.wake.wait_while(self.dirty(), idle).unwrap_or_else(PoisonError::into_inner),
        };
        dirty.any || !dirty.stop
    }

    fn dirty(&self) -> std::sync::MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port for Journal {
    fn intend(&self, intent: &Intent<'_>) -> Result<(), JournalClosed> {
        switchboard_engine::failpoint::hit("before_intent");
        let written = self.write(Else::Never, |out| frame::intended(intent, out)).map_err(|_| JournalClosed);
        switchboard_engine::failpoint::hit("after_intent");
        written
    }

    fn intend_later(&self, intent: &Intent<'_>) -> Result<(), JournalClosed> {
        self.write(Else::Later, |out| frame::intended(intent, out)).map_err(|_| JournalClosed)
    }

    fn checkpoint(&self, attempt: AttemptId, spent: NanoUsd) {
        switchboard_engine::failpoint::hit("mid_stream");
        // What fails here has been told, and the settlement says it all.
        let _ = self.write(Else::Never, |out| frame::checkpoint(attempt, spent, out));
    }

    fn settle(&self, settlement: &Settlement<'_>) {
        switchboard_engine::failpoint::hit("before_settlement");
        let Settlement { attempt, amount, .. } = *settlement;
        if self.write(Else::Later, |out| frame::settled(settlement, out)).is_err() {
            tracing::error!(%attempt, %amount, "a settlement could not be written; the next start will settle it by estimate");
        }
        switchboard_engine::failpoint::hit("after_settlement");
    }

    fn gather(&self) {
        GATHERING.with_borrow_mut(|gathering| gathering.now = true);
    }

    fn release(&self) {
        GATHERING.with_borrow_mut(|Gathering { now, otherwise, records }| {
            *now = false;
            let written = if records.is_empty() { Ok(()) } else { self.write_now(std::mem::take(otherwise), records) };
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
        self.shared.segments().end();
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
