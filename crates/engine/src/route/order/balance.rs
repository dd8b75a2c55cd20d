//! OpenRouter's published rule: those with an outage of late last, the others by the inverse square of their price.

use fastrand::Rng;

use super::{Args, by_key, lot};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// Failures of the last half minute below which there is no outage.
const FAILURES: u32 = 2;
/// Share of failures from which there is one.
const SHARE: f64 = 0.2;

/// Whether it had a significant outage in the last half minute.
pub(super) fn is_out(candidate: &Candidate) -> bool {
    candidate.view.recent_failures >= FAILURES && candidate.view.error_rate().is_some_and(|rate| rate >= SHARE)
}

/// By chance in proportion to one over the square of the price; what costs nothing comes before what does, what has no known price
/// counts as the dearest, and what had an outage comes last.
pub(super) fn inverse_square(candidates: &mut [Candidate], _: &Ask<'_>, _: &Args, rng: &mut Rng) {
    let dearest = candidates.iter().filter_map(Candidate::rates).fold(1.0, f64::max);
    for candidate in candidates.iter_mut() {
        let price = candidate.rates().unwrap_or(dearest);
        let relative = price / dearest;
        let key =
            if price <= 0.0 { lot(1.0, candidate, rng) * f64::MIN_POSITIVE } else { lot(1.0 / (relative * relative), candidate, rng) };
        candidate.key = key;
    }
    by_key(candidates);
    if candidates.iter().any(is_out) {
        candidates.sort_by_key(is_out);
    }
}
