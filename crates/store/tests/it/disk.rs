//! A disk of a test's own that is soon full. Other crates' tests take this file in by its path.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A small disk in memory.
pub(crate) struct Disk(tempfile::TempDir);

impl Disk {
    /// Of so many mebibytes; none where nobody may mount one.
    pub(crate) fn of(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).stderr(Stdio::null());
        if !mount.status().is_ok_and(|ended| ended.success()) {
            println!("skipped: no disk can be mounted here");
            return None;
        }
        Some(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room there is.
    pub(crate) fn fill(&self) {
        let mut file: File = OpenOptions::new().create(true).append(true).open(self.path().join("filled")).expect("a file");
        let (large, small) = ([0; 64 * 1024], [0; 512]);
        while file.write_all(&large).is_ok() {}
        while file.write_all(&small).is_ok() {}
    }

    /// Gives it back.
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.path().join("filled")).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is still open there goes with whoever holds it.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
