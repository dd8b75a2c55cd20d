//! Reading a journal, behind those who write it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::frame::{self, Entry};

const CHUNK: u64 = 256 * 1024;

/// Where a record ends: the number of the file, and the place in it.
pub(crate) type Place = (u64, u64);

/// Reads record after record, as far as there are whole ones.
#[derive(Debug)]
pub(crate) struct Reader {
    folder: PathBuf,
    file: Option<(u64, File)>,
    /// Behind the last record that was read.
    place: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Reader {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), file: None, place: 0, buffer: Vec::new(), used: 0 }
    }

    /// The next record and the place behind it; none where there is none yet.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<(Entry, Place)>> {
        loop {
            let Some((number, _)) = &self.file else {
                let Some((first, path)) = numbered(&self.folder)?.into_iter().next() else { return Ok(None) };
                self.open(first, &path)?;
                continue;
            };
            let number = *number;
            if let Some((entry, length)) = frame::first(&self.buffer[self.used..]) {
                self.used += length;
                self.place += length as u64;
                match entry {
                    Some(entry) => return Ok(Some((entry, (number, self.place)))),
                    None => continue,
                }
            }
            if self.fill()? {
                continue;
            }
            let Some((next, path)) = numbered(&self.folder)?.into_iter().find(|(other, _)| *other > number) else {
                // What was read of the record that is being written now is read again.
                self.rewind()?;
                return Ok(None);
            };
            // What was written before the next file was made is all there now. A record that is still cut short was cut by the
            // end of its gateway, which has answered for nothing that stands in it.
            if !self.fill()? {
                self.open(next, &path)?;
            }
        }
    }

    /// Reads on in the file. Whether there was more.
    fn fill(&mut self) -> std::io::Result<bool> {
        let Some((_, file)) = &mut self.file else { return Ok(false) };
        self.buffer.drain(..self.used);
        self.used = 0;
        let read = file.take(CHUNK).read_to_end(&mut self.buffer)?;
        Ok(read > 0)
    }

    fn rewind(&mut self) -> std::io::Result<()> {
        if let Some((_, file)) = &mut self.file {
            file.seek(SeekFrom::Start(self.place))?;
        }
        self.buffer.clear();
        self.used = 0;
        Ok(())
    }

    fn open(&mut self, number: u64, path: &Path) -> std::io::Result<()> {
        self.file = Some((number, File::open(path)?));
        (self.place, self.used) = (0, 0);
        self.buffer.clear();
        Ok(())
    }
}

/// The files of a journal, the oldest first.
pub(super) fn numbered(folder: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".journal")?.parse().ok());
        files.extend(number.map(|number| (number, path)));
    }
    files.sort();
    Ok(files)
}
