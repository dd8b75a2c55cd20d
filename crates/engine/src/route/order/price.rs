//! By price alone.

use fastrand::Rng;

use super::Args;
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// The cheapest token of prompt and answer first; unknown prices last, ties in the order listed.
pub(super) fn cheapest(candidates: &mut [Candidate], _: &Ask<'_>, _: &Args, _: &mut Rng) {
    candidates.sort_by_key(|candidate| candidate.rates().unwrap_or(i128::MAX));
}
