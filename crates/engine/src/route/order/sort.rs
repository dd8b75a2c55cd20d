//! OpenRouter's `sort`: one figure decides. What was not measured comes first, so that it becomes measured.

use fastrand::Rng;

use super::standing::{self, Standing};
use super::{Args, by_key, rank};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// The most tokens a second first.
pub(super) fn throughput(candidates: &mut [Candidate], _: &Ask<'_>, _: &Args, _: &mut Rng) {
    for candidate in candidates.iter_mut() {
        candidate.key = candidate.view.per_token.unwrap_or(0.0);
    }
    by_key(candidates);
}

/// The shortest wait first.
pub(super) fn latency(candidates: &mut [Candidate], ask: &Ask<'_>, _: &Args, _: &mut Rng) {
    for candidate in candidates.iter_mut() {
        candidate.key = candidate.latency(ask.call.stream).unwrap_or(0.0);
    }
    by_key(candidates);
}

/// Those first whose model is known to call tools, of these those with the fewest faults in it, then with the fewest of any kind, then by throughput.
/// Where no faults were seen yet, it may be tried.
pub(super) fn exacto(candidates: &mut [Candidate], ask: &Ask<'_>, _: &Args, _: &mut Rng) {
    let key = |(at, candidate): (usize, &Candidate)| {
        let lacks = candidate.deployment.card.as_ref().is_some_and(|card| card.supports("function_calling") != Some(true));
        let faults = candidate.deployment.health.tool_faults(ask.now).unwrap_or(0.0);
        let (errors, slowness) = (candidate.view.error_rate().unwrap_or(0.0), candidate.view.per_token.unwrap_or(0.0));
        (lacks, rank(faults), rank(errors), rank(slowness), at)
    };
    // Four figures are more than a standing holds: they are sorted by themselves, and each candidate is moved once.
    let mut keys: Vec<_> = candidates.iter().enumerate().map(key).collect();
    keys.sort_unstable();
    let standings: Vec<Standing> = keys.into_iter().map(|(.., at)| Standing::new(0, 0, at)).collect();
    standing::place(candidates, &standings);
}
