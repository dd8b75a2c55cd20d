//! Ids that nobody can guess.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngCore;

/// A new id: 128 bits from a cryptographic generator, in hex.
pub(crate) fn mint() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    text(bytes)
}

/// A new id of a call: 48 bits of milliseconds and 80 of chance, so that calls of one time stand together in the log.
pub(crate) fn of_call() -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut bytes = (millis << 80).to_be_bytes();
    rand::rng().fill_bytes(&mut bytes[6..]);
    text(bytes)
}

/// A new id of an object, in the form LiteLLM's have.
pub(crate) fn of_object() -> String {
    let hex = mint();
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn text(bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    // Digits are always a text.
    str::from_utf8(&text).map(str::to_owned).unwrap_or_default()
}
