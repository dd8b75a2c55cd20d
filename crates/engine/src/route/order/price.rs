//! By price alone.

use fastrand::Rng;

use super::{Args, by_rank, rank};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// The cheapest token of prompt and answer first; unknown prices last, ties in the order listed.
pub(super) fn cheapest(candidates: &mut [Candidate], _: &Ask<'_>, _: &Args, _: &mut Rng) {
    by_rank(candidates, |candidate| rank(candidate.rates().unwrap_or(f64::INFINITY)));
}
