//! OpenRouter's `sort`: one figure decides. What was not measured comes first, so that it becomes measured.

use fastrand::Rng;

use super::{Args, by_key};
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

/// Those first that call tools without fault. Faults of tool calls are not measured apart: failures of any kind stand for them, then
/// what the catalog says of tools, then throughput.
pub(super) fn exacto(candidates: &mut [Candidate], ask: &Ask<'_>, args: &Args, rng: &mut Rng) {
    throughput(candidates, ask, args, rng);
    candidates.sort_by(|a, b| {
        let lacks =
            |candidate: &Candidate| candidate.deployment.card.as_ref().is_some_and(|card| card.supports("function_calling") != Some(true));
        let failing = |candidate: &Candidate| candidate.view.error_rate().unwrap_or(0.0);
        lacks(a).cmp(&lacks(b)).then(failing(a).total_cmp(&failing(b)))
    });
}
