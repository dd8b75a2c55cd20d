//! Ids that nobody can guess.

use rand::RngCore;

/// A new id: 128 bits from a cryptographic generator, in hex.
pub(crate) fn mint() -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    // Digits are always a text.
    str::from_utf8(&text).map(str::to_owned).unwrap_or_default()
}
