//! Room on the disk that the journal keeps for itself: a file beside it, given up when there is no other room left.

use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::file::owners;

/// So much at most,
const MOST: u64 = 64 << 20;
/// no more than this part of what is free,
const PART_OF_FREE: u64 = 8;
/// and nothing where that would be less than this.
const LEAST: u64 = 1 << 20;

const NAME: &str = "reserve";

/// Room that is kept.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    is_there: bool,
}

impl Reserve {
    /// The reserve in that folder: what an earlier gateway kept, or a new one.
    pub(super) fn of(folder: &Path) -> Self {
        let path = folder.join(NAME);
        let is_there = path.metadata().is_ok_and(|found| found.len() > 0);
        let mut reserve = Self { path, is_there };
        reserve.renew();
        reserve
    }

    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// Keeps room, where there is none kept and the disk has some to spare.
    pub(super) fn renew(&mut self) {
        if self.is_there {
            return;
        }
        match self.make() {
            Ok(made) => self.is_there = made,
            Err(error) => {
                tracing::debug!(%error, "no room is kept for the journal");
                // What could not be made whole only takes room.
                let _ = std::fs::remove_file(&self.path);
            }
        }
    }

    fn make(&self) -> std::io::Result<bool> {
        let Some(folder) = self.path.parent() else { return Ok(false) };
        let disk = statvfs(folder)?;
        let wanted = (disk.f_bavail.saturating_mul(disk.f_frsize) / PART_OF_FREE).min(MOST);
        if wanted < LEAST {
            return Ok(false);
        }
        let file = owners().create(true).truncate(true).write(true).open(&self.path)?;
        // Taken and not written: a disk that cannot do that keeps no room.
        fallocate(&file, FallocateFlags::empty(), 0, wanted)?;
        Ok(true)
    }

    /// Gives the room up. Whether there was any.
    pub(super) fn give_up(&mut self) -> bool {
        let had = std::mem::take(&mut self.is_there);
        had && match std::fs::remove_file(&self.path) {
            Ok(()) => {
                tracing::warn!("the disk is full; the journal goes on with the room that was kept for it");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the room that was kept for the journal cannot be had");
                false
            }
        }
    }
}
