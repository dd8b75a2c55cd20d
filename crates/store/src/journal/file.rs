//! The files of a journal.
//!
//! A record that does not go into its file whole is cut off again, so that nothing is uncertain: the reserve is given up for it, and
//! where that is not enough, writing is tried again after a while. What may not be lost waits in memory until then. Where it is not
//! known what the disk has, nothing is written any more.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::late::Late;
use super::read::numbered;
use super::reserve::Reserve;
use super::{BadJournal, Standing};

/// A file is not made longer than this.
const LONGEST: u64 = 64 << 20;
/// How long until writing is tried again,
const AGAIN: Duration = Duration::from_secs(1);
/// and how long until a reserve is made again.
const RENEWED: Duration = Duration::from_secs(60);
const LOCK: &str = "lock";
const INSTANCE: &str = "instance";

/// The files of a journal, the last of which is written to.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    number: u64,
    file: Arc<File>,
    length: u64,
    instance: String,
    reserve: Reserve,
    late: Late,
    trouble: Trouble,
    /// Locked for as long as it is open.
    _lock: File,
}

/// What keeps records from being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// The disk took no record. It is asked again then.
    Until(Instant),
    /// It is not known what the disk has: nothing is promised until the files have been looked at again.
    Unsure,
}

/// A record that is not in the file.
enum Unwritten {
    /// Nothing of it is; another try may do better.
    Whole(std::io::Error),
    /// What is there of it and of others, nobody knows.
    Unsure(std::io::Error),
}

impl Segments {
    /// Opens a folder for writing; nobody else may.
    pub(super) fn open(folder: &Path) -> Result<Self, BadJournal> {
        let bad = |source| BadJournal::File { at: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(bad)?;
        let lock = owners().create(true).truncate(false).write(true).open(folder.join(LOCK)).map_err(bad)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(BadJournal::Taken(folder.to_owned())),
            Err(std::fs::TryLockError::Error(error)) => return Err(bad(error)),
        }
        let instance = instance(folder).map_err(bad)?;
        // What a crash cut short is never written behind.
        let number = numbered(folder).map_err(bad)?.last().map_or(1, |(number, _)| number + 1);
        let file = create(folder, number).map_err(bad)?;
        Ok(Self {
            folder: folder.to_owned(),
            number,
            file: Arc::new(file),
            length: 0,
            instance,
            reserve: Reserve::of(folder),
            late: Late::default(),
            trouble: Trouble::None,
            _lock: lock,
        })
    }

    /// Appends a record, whole or not at all, behind those that are late.
    pub(super) fn append(&mut self, frame: &[u8]) -> std::io::Result<()> {
        match self.trouble {
            Trouble::None => {}
            Trouble::Until(again) if Instant::now() >= again => self.catch_up()?,
            Trouble::Until(_) | Trouble::Unsure => return Err(std::io::ErrorKind::ReadOnlyFilesystem.into()),
        }
        self.put(frame)?;
        self.is_well();
        Ok(())
    }

    /// Appends a record, or keeps it until that can be done, with no more than so many bytes in all.
    pub(super) fn append_later(&mut self, frame: &[u8], room: usize) -> std::io::Result<()> {
        self.append(frame).or_else(|error| match self.trouble {
            Trouble::Until(_) if self.late.keep(frame, room) => Ok(()),
            _ => Err(error),
        })
    }

    /// Writes what is late.
    pub(super) fn catch_up(&mut self) -> std::io::Result<()> {
        if self.trouble == Trouble::Unsure {
            return Err(std::io::ErrorKind::ReadOnlyFilesystem.into());
        }
        while let Some(record) = self.late.take_first() {
            if let Err(error) = self.put(&record) {
                self.late.put_back(record);
                return Err(error);
            }
            if self.late.is_empty() {
                self.is_well();
            }
        }
        Ok(())
    }

    fn is_well(&mut self) {
        if self.trouble != Trouble::None {
            tracing::info!("the journal can be written again");
            self.trouble = Trouble::None;
        }
    }

    /// Puts a record into the file; where the disk is full, in the room that was kept for it.
    fn put(&mut self, frame: &[u8]) -> std::io::Result<()> {
        let put = match self.try_put(frame) {
            Err(Unwritten::Whole(_)) if self.reserve.give_up() => self.try_put(frame),
            put => put,
        };
        put.map_err(|unwritten| match unwritten {
            Unwritten::Whole(error) => {
                if self.trouble == Trouble::None {
                    tracing::error!(%error, "the journal cannot be written for now; calls that budgets pay for are refused");
                }
                self.trouble = Trouble::Until(Instant::now() + AGAIN);
                error
            }
            Unwritten::Unsure(error) => {
                self.doubt(&error);
                error
            }
        })
    }

    fn try_put(&mut self, frame: &[u8]) -> Result<(), Unwritten> {
        if self.length >= LONGEST {
            self.file.sync_data().map_err(Unwritten::Unsure)?;
            self.file = Arc::new(create(&self.folder, self.number + 1).map_err(Unwritten::Whole)?);
            (self.number, self.length) = (self.number + 1, 0);
        }
        if let Err(error) = (&*self.file).write_all(frame) {
            // The beginning of a record that could not be written must not be read as one.
            self.file.set_len(self.length).map_err(Unwritten::Unsure)?;
            return Err(Unwritten::Whole(error));
        }
        self.length += frame.len() as u64;
        Ok(())
    }

    /// It is not known what the disk has.
    pub(super) fn doubt(&mut self, error: &std::io::Error) {
        if self.trouble != Trouble::Unsure {
            tracing::error!(%error, "the journal cannot be made safe; calls that cost anything are refused until a restart");
        }
        self.trouble = Trouble::Unsure;
    }

    /// Makes what is written outlive a power failure.
    pub(super) fn sync(&mut self) -> std::io::Result<()> {
        self.file.sync_data().inspect_err(|error| self.doubt(error))
    }

    /// How it stands.
    pub(super) fn standing(&self) -> Standing {
        match self.trouble {
            Trouble::None => Standing::Open,
            // Nobody has tried since.
            Trouble::Until(again) if self.late.is_empty() && Instant::now() >= again => Standing::Open,
            Trouble::Until(_) if !self.late.is_full() => Standing::Late,
            Trouble::Until(_) | Trouble::Unsure => Standing::Closed,
        }
    }

    /// What is still late is lost: the gateway ends.
    pub(super) fn end(&mut self) {
        if self.catch_up().is_err() && !self.late.is_empty() {
            tracing::error!(
                records = self.late.len(),
                "the journal ends without its last records; the next start settles by estimate what it can"
            );
        }
    }

    /// When there is something to look after; nothing where all is well.
    pub(super) fn pause(&self) -> Option<Duration> {
        match self.trouble {
            Trouble::None if self.reserve.is_there() => None,
            Trouble::Until(_) => Some(AGAIN),
            Trouble::None | Trouble::Unsure => Some(RENEWED),
        }
    }

    /// Looks after what is late, and the reserve.
    pub(super) fn tend(&mut self) {
        match self.trouble {
            Trouble::None => self.reserve.renew(),
            // Why it cannot be has been told.
            Trouble::Until(_) => drop(self.catch_up()),
            Trouble::Unsure => {}
        }
    }

    pub(super) fn handle(&self) -> Arc<File> {
        self.file.clone()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn written(&self) -> (u64, u64) {
        (self.number, self.length)
    }

    /// Removes the files before that one.
    pub(super) fn forget_before(&self, segment: u64) {
        let Ok(files) = numbered(&self.folder) else { return };
        for (_, path) in files.into_iter().filter(|(number, _)| *number < segment.min(self.number)) {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(%error, path = %path.display(), "a file of the journal that is no longer needed stays");
            }
        }
    }
}

/// Whether somebody holds the folder's lock.
pub(super) fn is_taken(folder: &Path) -> bool {
    let lock = OpenOptions::new().write(true).open(folder.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

/// How a file is opened that its owner alone may read.
pub(super) fn owners() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn create(folder: &Path, number: u64) -> std::io::Result<File> {
    let path = folder.join(format!("{number:010}.journal"));
    let file = owners().create_new(true).append(true).open(&path)?;
    // That the file is there must outlive a power failure too.
    File::open(folder)?.sync_all().inspect_err(|_| drop(std::fs::remove_file(&path)))?;
    Ok(file)
}

/// The name of the gateway that writes here, made once.
fn instance(folder: &Path) -> std::io::Result<String> {
    let path = folder.join(INSTANCE);
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        Ok(_) => name_it(&path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => name_it(&path),
        Err(error) => Err(error),
    }
}

fn name_it(path: &Path) -> std::io::Result<String> {
    let name = switchboard_engine::admit::journal::AttemptId::mint(crate::time::micros()).to_string();
    owners().create(true).truncate(true).write(true).open(path)?.write_all(name.as_bytes())?;
    Ok(name)
}
