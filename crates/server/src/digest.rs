//! The SHA-256 of a key that was shown, remembered for a while.
//!
//! Callers show the same key with every request, and its digest costs more than all the rest of finding out who asks. Each worker
//! therefore keeps the last keys it saw beside their digests, in memory that is cleared when they go. A key is found by a hash that only
//! this process knows and is then compared whole, in constant time: what is remembered opens nothing that it would not open anew.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

/// A key's SHA-256.
pub type Digest = [u8; 32];

/// Keys that a worker remembers.
const KEPT: usize = 128;
/// A longer text is no key of ours, and not worth remembering.
const LONGEST: usize = 256;

struct Known {
    key: Zeroizing<Vec<u8>>,
    digest: Digest,
}

/// One place for each value of the hash: a key that falls on another takes its place.
struct Memory {
    hasher: RandomState,
    places: Vec<Option<Known>>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory { hasher: RandomState::new(), places: (0..KEPT).map(|_| None).collect() });
}

/// The SHA-256 of those bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// The SHA-256 of a key that a request shows.
pub fn of_key(key: &[u8]) -> Digest {
    if key.len() > LONGEST {
        return sha256(key);
    }
    MEMORY.with_borrow_mut(|memory| memory.digest(key))
}

/// Compares without telling by its time where the first difference is.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

impl Memory {
    fn digest(&mut self, key: &[u8]) -> Digest {
        let at = (self.hasher.hash_one(key) % KEPT as u64) as usize;
        let place = &mut self.places[at];
        match place {
            Some(known) if same(&known.key, key) => known.digest,
            _ => {
                let digest = sha256(key);
                *place = Some(Known { key: Zeroizing::new(key.to_vec()), digest });
                digest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, of_key, same, sha256};

    #[test]
    fn what_is_remembered_is_what_would_be_found_anew() {
        let keys: Vec<String> = (0..3 * KEPT).map(|number| format!("sk-{number}")).collect();
        for key in keys.iter().chain(&keys).chain(keys.iter().rev()) {
            assert_eq!(of_key(key.as_bytes()), sha256(key.as_bytes()), "{key}");
        }
        let long = "k".repeat(10_000);
        assert_eq!(of_key(long.as_bytes()), sha256(long.as_bytes()));
    }

    #[test]
    fn all_bytes_count() {
        assert!(same(b"abc", b"abc") && same(b"", b""));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"xbc") && !same(b"abc", b"abcd") && !same(b"abc", b""));
    }
}
