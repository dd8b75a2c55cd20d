//! Money as it is spent and counted.

use std::fmt;

use crate::catalog::PicoUsd;

/// Money in units of 1e-9 USD. Counters hold up to nine billion dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(pub i64);

const PICO: i128 = 1_000;
const DIGITS: usize = 9;

impl NanoUsd {
    /// Nothing.
    pub const ZERO: NanoUsd = NanoUsd(0);
    /// More than anybody has.
    pub const MAX: NanoUsd = NanoUsd(i64::MAX);

    /// A price, rounded up: the one rounding there is for each attempt.
    pub fn from_pico(PicoUsd(pico): PicoUsd) -> Self {
        let nano = pico.div_euclid(PICO) + i128::from(pico.rem_euclid(PICO) != 0);
        Self(i64::try_from(nano).unwrap_or(i64::MAX))
    }

    /// Reads a decimal number of dollars as JSON writes it (`10`, `0.05`, `1e-3`), exactly; what is finer than a nano-dollar is
    /// rounded up. None for what is no number, or too large.
    pub fn parse(text: &str) -> Option<Self> {
        let pico = crate::catalog::PicoUsd::parse(text)?;
        let nano = Self::from_pico(pico);
        (nano.0 != i64::MAX).then_some(nano)
    }

    /// The sum, or the most there can be.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or the least there can be.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for NanoUsd {
    /// Dollars, as the shortest plain decimal.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = DIGITS + 1);
        let (whole, fraction) = digits.split_at(digits.len() - DIGITS);
        let sign = if self.0 < 0 { "-" } else { "" };
        match fraction.trim_end_matches('0') {
            "" => write!(out, "{sign}{whole}"),
            fraction => write!(out, "{sign}{whole}.{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_written_exactly() {
        for (text, nano, written) in
            [("10", 10_000_000_000, "10"), ("0.05", 50_000_000, "0.05"), ("1e-3", 1_000_000, "0.001"), ("-2.5", -2_500_000_000, "-2.5")]
        {
            assert_eq!(NanoUsd::parse(text), Some(NanoUsd(nano)));
            assert_eq!(NanoUsd(nano).to_string(), written);
        }
        assert_eq!(NanoUsd::parse("0.0000000001"), Some(NanoUsd(1)));
        assert_eq!(NanoUsd::parse("much"), None);
        assert_eq!(NanoUsd::parse("1e12"), None);
    }

    #[test]
    fn a_price_is_rounded_up_once() {
        assert_eq!(NanoUsd::from_pico(PicoUsd(1)), NanoUsd(1));
        assert_eq!(NanoUsd::from_pico(PicoUsd(1000)), NanoUsd(1));
        assert_eq!(NanoUsd::from_pico(PicoUsd(1001)), NanoUsd(2));
        assert_eq!(NanoUsd::from_pico(PicoUsd(0)), NanoUsd(0));
    }
}
