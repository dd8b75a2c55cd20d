//! By what deployments have to do: requests in flight, tokens of this minute.

use fastrand::Rng;

use super::{Args, by_rank, by_rank_or_chance};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// The fewest requests in flight first; the one listed first on a tie.
pub(super) fn least_busy(candidates: &mut [Candidate], _: &Ask<'_>, _: &Args, _: &mut Rng) {
    by_rank(candidates, |candidate| i64::from(candidate.view.in_flight));
}

/// The fewest tokens of this minute first; by chance on a tie, so that idle deployments share what comes at once.
pub(super) fn least_used(candidates: &mut [Candidate], _: &Ask<'_>, _: &Args, rng: &mut Rng) {
    by_rank_or_chance(candidates, rng, |candidate| i64::try_from(candidate.view.tokens_this_minute).unwrap_or(i64::MAX));
}
