//! Rows by what can become a label, a table for each thread.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More tables than workers there are on most machines; where there are more workers, some share one.
const SHARDS: usize = 32;

thread_local! {
    static SHARD: Cell<usize> = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS)
    };
    /// Where this thread puts a key together.
    static KEY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The rows of one kind.
pub(crate) struct Table<R> {
    shards: Vec<Mutex<HashMap<Box<[u8]>, R>>>,
    pub(crate) count: Count,
}

/// How many rows there are, and what had to do without one.
#[derive(Debug)]
pub(crate) struct Count {
    admitted: Mutex<HashSet<Box<[u8]>>>,
    most: usize,
    overflowed: AtomicU64,
}

impl Count {
    pub(crate) fn rows(&self) -> usize {
        lock(&self.admitted).len()
    }

    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Whether there may be a row of that key.
    fn admit(&self, key: &[u8]) -> bool {
        let mut admitted = lock(&self.admitted);
        if admitted.contains(key) {
            return true;
        }
        let room = admitted.len() < self.most;
        if room {
            admitted.insert(key.into());
        }
        room
    }
}

/// The key of a row, and the length of the part that stays when there is no room: what is bounded by itself.
pub(crate) type Kept = std::ops::Range<usize>;

impl<R: Clone> Table<R> {
    pub(crate) fn new(most: usize) -> Self {
        let count = Count { admitted: Mutex::default(), most, overflowed: AtomicU64::new(0) };
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), count }
    }

    /// Counts something in its row. `write` writes the key and says which part of it is bounded by itself; `make` makes the row, of
    /// nobody where it is told so.
    pub(crate) fn count<T>(&self, seen: &T, write: impl Fn(&mut Vec<u8>) -> Kept, make: impl Fn(&T, bool) -> R, add: impl Fn(&mut R, &T)) {
        KEY.with_borrow_mut(|key| {
            key.clear();
            let bounded = write(key);
            let mut shard = lock(&self.shards[SHARD.get()]);
            if let Some(row) = shard.get_mut(key.as_slice()) {
                return add(row, seen);
            }
            let other = !self.count.admit(key);
            if other {
                self.count.overflowed.fetch_add(1, Ordering::Relaxed);
                key.copy_within(bounded.clone(), 0);
                key.truncate(bounded.len());
            }
            let row = shard.entry(key.as_slice().into()).or_insert_with(|| make(seen, other));
            add(row, seen);
        });
    }

    /// Every row. One key may have several, of several threads.
    pub(crate) fn rows(&self) -> Vec<R> {
        self.shards.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>()).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(table: &Table<(String, u64)>, name: &str) {
        let write = |key: &mut Vec<u8>| {
            key.extend_from_slice(b"kind");
            key.extend_from_slice(name.as_bytes());
            0..4
        };
        let make = |name: &&str, other: bool| (if other { "other".to_owned() } else { (*name).to_owned() }, 0);
        table.count(&name, write, make, |row, _| row.1 += 1);
    }

    #[test]
    fn what_has_no_room_is_counted_together() {
        let table = Table::new(3);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let table = &table;
                scope.spawn(move || (0..100).for_each(|number| count(table, &format!("n{}", (number + thread) % 50))));
            }
        });
        let rows = table.rows();
        let names: HashSet<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), 4, "three, and the others: {names:?}");
        assert_eq!(rows.iter().map(|(_, count)| count).sum::<u64>(), 400, "nothing is lost");
        assert_eq!(table.count.rows(), 3);
        assert_eq!(table.count.overflowed(), 400 - 3 * 8, "each name came eight times");
    }
}
