//! Amounts as text.

use std::fmt;

use super::PicoUsd;

impl fmt::Display for PicoUsd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.written().as_str())
    }
}

impl PicoUsd {
    /// USD as the shortest plain decimal, without an allocation: every answer tells its cost.
    pub fn written(self) -> Written {
        let magnitude = self.0.unsigned_abs();
        let mut written = Written { text: [0; LONGEST], start: LONGEST };
        let (mut whole, fraction) = (magnitude / PICOS_PER_USD, magnitude % PICOS_PER_USD);
        // Below a million million, so that the short division does.
        let mut fraction = u64::try_from(fraction).unwrap_or_default();
        if fraction > 0 {
            let mut decimals = PICO_DECIMALS;
            while fraction.is_multiple_of(10) {
                fraction /= 10;
                decimals -= 1;
            }
            for _ in 0..decimals {
                written.push(b'0' + (fraction % 10) as u8);
                fraction /= 10;
            }
            written.push(b'.');
        }
        while whole >= 10 {
            written.push(b'0' + (whole % 10) as u8);
            whole /= 10;
        }
        written.push(b'0' + (whole % 10) as u8);
        if self.0 < 0 {
            written.push(b'-');
        }
        written
    }
}

const PICOS_PER_USD: u128 = 1_000_000_000_000;
const PICO_DECIMALS: usize = 12;
/// An amount has 39 digits at most, a sign and a point.
const LONGEST: usize = 41;

/// An amount's text, filled from its end.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    text: [u8; LONGEST],
    start: usize,
}

impl Written {
    fn push(&mut self, letter: u8) {
        self.start -= 1;
        self.text[self.start] = letter;
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.start..]).unwrap_or_default()
    }
}
