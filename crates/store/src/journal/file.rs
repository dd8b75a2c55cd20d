//! The files of a journal.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::BadJournal;
use super::read::numbered;

/// A file is not made longer than this.
const LONGEST: u64 = 64 << 20;
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
    /// Locked for as long as it is open.
    _lock: File,
}

impl Segments {
    /// Opens a folder for writing; nobody else may.
    pub(super) fn open(folder: &Path) -> Result<Self, BadJournal> {
        let bad = |source| BadJournal::File { at: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(bad)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK)).map_err(bad)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(BadJournal::Taken(folder.to_owned())),
            Err(std::fs::TryLockError::Error(error)) => return Err(bad(error)),
        }
        let instance = instance(folder).map_err(bad)?;
        // What a crash cut short is never written behind.
        let number = numbered(folder).map_err(bad)?.last().map_or(1, |(number, _)| number + 1);
        let file = create(folder, number).map_err(bad)?;
        Ok(Self { folder: folder.to_owned(), number, file: Arc::new(file), length: 0, instance, _lock: lock })
    }

    /// Appends a record, whole or not at all.
    pub(super) fn append(&mut self, frame: &[u8]) -> std::io::Result<()> {
        if self.length >= LONGEST {
            self.file.sync_data()?;
            self.file = Arc::new(create(&self.folder, self.number + 1)?);
            (self.number, self.length) = (self.number + 1, 0);
        }
        if let Err(error) = (&*self.file).write_all(frame) {
            // The beginning of a record that could not be written must not be read as one.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += frame.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn handle(&self) -> std::io::Result<Arc<File>> {
        Ok(self.file.clone())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn end(&self) -> (u64, u64) {
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

fn create(folder: &Path, number: u64) -> std::io::Result<File> {
    let file = OpenOptions::new().create_new(true).append(true).open(folder.join(format!("{number:010}.journal")))?;
    // That the file is there must outlive a power failure too.
    File::open(folder)?.sync_all()?;
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
    std::fs::write(path, &name)?;
    Ok(name)
}
