//! Records that could not be written yet.

use std::collections::VecDeque;

/// Memory for them, in bytes.
pub(super) const ROOM: usize = 16 << 20;

/// Records in their order, as long as there is room for them.
#[derive(Debug, Default)]
pub(super) struct Late {
    records: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Late {
    /// Keeps a record, where all are no more than so many bytes then. Whether it did.
    pub(super) fn keep(&mut self, record: &[u8], room: usize) -> bool {
        let fits = self.bytes + record.len() <= room;
        if fits {
            self.bytes += record.len();
            self.records.push_back(record.into());
        }
        fits
    }

    /// Takes the first one out.
    pub(super) fn take_first(&mut self) -> Option<Box<[u8]>> {
        let first = self.records.pop_front()?;
        self.bytes -= first.len();
        Some(first)
    }

    /// It is the first one still.
    pub(super) fn put_back(&mut self, first: Box<[u8]>) {
        self.bytes += first.len();
        self.records.push_front(first);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether there is no room for one more of usual length.
    pub(super) fn is_full(&self) -> bool {
        const USUAL: usize = 4096;
        self.bytes + USUAL > ROOM
    }
}
