//! Digests of keys, and how they are compared.

use ring::digest::{SHA256, digest};

/// A key's SHA-256.
pub type Digest = [u8; 32];

/// The SHA-256 of those bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Compares without telling by its time where the first difference is.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
