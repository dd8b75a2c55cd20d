//! What a provider states that its answers cost: for models whose price nobody lists, or not all of it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::terms::NanoUsd;

/// Of shorter calls the cost is theirs whatever their length: a search in them costs more than all their tokens.
const SHORT: u64 = 1_000;
/// Until something is known: as much for each token as the dearest of the usual models.
const ASSUMED: u64 = 10_000_000;
const PICO_OF_NANO: u64 = 1_000;
/// How slowly what was dear is forgotten: by so great a part with each call.
const MEMORY: u64 = 64;

/// The dearest calls of late.
#[derive(Debug, Default)]
pub(crate) struct Stated {
    /// A short one, in nano-dollars.
    short: AtomicU64,
    /// A token of a long one, in pico-dollars.
    token: AtomicU64,
}

impl Stated {
    /// A call of so many tokens cost that much.
    pub(crate) fn note(&self, cost: NanoUsd, tokens: u64) {
        let cost = u64::try_from(cost.0).unwrap_or(0);
        let (place, seen) = match tokens {
            0..SHORT => (&self.short, cost),
            _ => (&self.token, cost.saturating_mul(PICO_OF_NANO).div_ceil(tokens)),
        };
        let fade = |dearest: u64| Some(seen.max(dearest - dearest / MEMORY));
        // It always has a next value.
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fade);
    }

    /// What a call of so many tokens may cost. `listed`: its price is known otherwise, so that nothing need be assumed.
    pub(crate) fn most(&self, tokens: u64, listed: bool) -> NanoUsd {
        let (short, token) = self.seen(listed);
        let long = u128::from(token).saturating_mul(u128::from(tokens)).div_ceil(u128::from(PICO_OF_NANO));
        NanoUsd(i64::try_from(long.max(u128::from(short))).unwrap_or(i64::MAX))
    }

    /// How many tokens that much money buys; none where nothing says what one costs.
    pub(crate) fn buys(&self, money: NanoUsd, listed: bool) -> Option<u64> {
        let (_, token) = self.seen(listed);
        let pico = u64::try_from(money.0).unwrap_or(0).saturating_mul(PICO_OF_NANO);
        pico.checked_div(token)
    }

    fn seen(&self, listed: bool) -> (u64, u64) {
        let seen = (self.short.load(Ordering::Relaxed), self.token.load(Ordering::Relaxed));
        if seen == (0, 0) && !listed { (0, ASSUMED) } else { seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dear_is_taken_and_slowly_forgotten() {
        let stated = Stated::default();
        assert_eq!((stated.most(1_000, true), stated.most(1_000, false)), (NanoUsd(0), NanoUsd(10_000_000)));
        stated.note(NanoUsd(500_000_000), 25);
        assert_eq!(stated.most(10, false), NanoUsd(500_000_000));
        stated.note(NanoUsd(2_000_000_000), 1_000_000);
        assert_eq!((stated.most(400_000, true), stated.buys(NanoUsd(4_000), true)), (NanoUsd(800_000_000), Some(2)));
        (0..1_000).for_each(|_| stated.note(NanoUsd(1_000), 25));
        assert!(stated.most(10, true) < NanoUsd(100_000));
    }
}
