//! By how fast deployments were of late: LiteLLM's list of latencies, and TrueFoundry's rules.

use fastrand::Rng;

use super::{Args, by_rank_or_chance, rank};
use crate::health::Health;
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;
use crate::route::plan::Sla;

/// Answers below which a deployment counts as fast, so that it is explored.
const EXPLORED: usize = 3;
/// Up to this multiple of the fastest is as fast, so that traffic does not swing to and fro.
const ALIKE: f64 = 1.2;

/// By chance among those within the buffer above the lowest mean of the latest latencies, then the others, the faster first. One
/// that nothing is known of counts as fastest and so is tried.
pub(super) fn lowest(candidates: &mut [Candidate], ask: &Ask<'_>, args: &Args, rng: &mut Rng) {
    let since = Health::since(ask.now, args.ttl);
    for candidate in candidates.iter_mut() {
        candidate.key = mean(candidate, ask, (args, since)).unwrap_or(0.0);
    }
    let lowest = candidates.iter().map(|candidate| candidate.key).fold(f64::INFINITY, f64::min);
    let bound = lowest + lowest * args.lowest_latency_buffer;
    by_rank_or_chance(candidates, rng, |candidate| rank(if candidate.key <= bound { 0.0 } else { candidate.key }));
}

/// The mean of the latest latencies: to the first content of streams, per token of whole answers.
fn mean(candidate: &Candidate, ask: &Ask<'_>, (args, since): (&Args, u64)) -> Option<f64> {
    let means = candidate.deployment.health.means_since((ask.now, args.ttl), since);
    if ask.call.stream { means.streamed } else { means.whole }
}

/// By chance among those whose time per token is within [`ALIKE`] of the fastest, then the others, the faster first.
pub(crate) fn fastest_alike(candidates: &mut [Candidate], ask: &Ask<'_>, _: &Args, rng: &mut Rng) {
    for candidate in candidates.iter_mut() {
        let mut seen = 0;
        candidate.deployment.health.recent(&mut |latencies| seen = latencies.iter(ask.now).count());
        candidate.key = candidate.view.per_token.filter(|_| seen >= EXPLORED).unwrap_or(0.0);
    }
    let measured = candidates.iter().map(|candidate| candidate.key).filter(|key| *key > 0.0);
    let fastest = measured.fold(f64::INFINITY, f64::min);
    by_rank_or_chance(candidates, rng, |candidate| rank(if candidate.key <= fastest * ALIKE { 0.0 } else { candidate.key }));
}

/// Whether it has kept, of late, to the times it must keep to.
pub(crate) fn within_sla(candidate: &Candidate, sla: &Sla) -> bool {
    let within = |seen: Option<f64>, most: Option<std::time::Duration>| match (seen, most) {
        (Some(seen), Some(most)) => seen <= most.as_secs_f64(),
        _ => true,
    };
    within(candidate.view.per_token, sla.time_per_output_token) && within(candidate.view.first_content(), sla.time_to_first_token)
}
