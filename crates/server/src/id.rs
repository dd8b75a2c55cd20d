//! Ids that nobody can guess.

use rand::RngCore;

/// A new id: 128 bits from a cryptographic generator, in hex.
pub(crate) fn mint() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    let mut text = String::with_capacity(32);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}
