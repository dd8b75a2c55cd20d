//! By what deployments have to do: requests in flight, tokens of this minute.

use fastrand::Rng;

use super::Args;
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// The fewest requests in flight first; the one listed first on a tie.
pub(super) fn least_busy(candidates: &mut [Candidate], _: &Ask<'_>, _: &Args, _: &mut Rng) {
    candidates.sort_by_key(|candidate| candidate.view.in_flight);
}

/// The fewest tokens of this minute first; by chance on a tie, so that idle deployments share what comes at once.
pub(super) fn least_used(candidates: &mut [Candidate], _: &Ask<'_>, _: &Args, rng: &mut Rng) {
    rng.shuffle(candidates);
    candidates.sort_by_key(|candidate| candidate.view.tokens_this_minute);
}
