//! LiteLLM's `simple-shuffle`.

use fastrand::Rng;

use super::{Args, by_key, by_rank_or_chance, lot};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// By chance in proportion to the weights that the request says, else to `weight`, else to `rpm`, else to `tpm`: the first of these that
/// any candidate has. Without any, all alike.
pub(super) fn simple(candidates: &mut [Candidate], ask: &Ask<'_>, _: &Args, rng: &mut Rng) {
    let wished = &ask.wishes.weights;
    let asked = |candidate: &Candidate| wished.of(&candidate.deployment.spec);
    let asked = Some(asked).filter(|asked| !wished.is_empty() && candidates.iter().any(|candidate| asked(candidate).is_some()));
    let measure = MEASURES.into_iter().find(|measure| candidates.iter().any(|candidate| measure(candidate).is_some()));
    if asked.is_none() && measure.is_none() {
        return match candidates.first().and_then(|first| first.lot) {
            Some(_) => by_rank_or_chance(candidates, rng, |_| 0),
            None => rng.shuffle(candidates),
        };
    }
    for candidate in candidates.iter_mut() {
        let weight = match (&asked, measure) {
            (Some(asked), _) => asked(candidate),
            (None, measure) => measure.and_then(|measure| measure(candidate)),
        };
        candidate.key = lot(weight.unwrap_or(0.0), candidate, rng);
    }
    by_key(candidates);
}

/// What weighs a candidate, in the order in which they count.
const MEASURES: [fn(&Candidate) -> Option<f64>; 3] = [
    |candidate| candidate.weight.or(candidate.deployment.spec.weight),
    |candidate| candidate.deployment.spec.traits.rpm.map(|rpm| rpm as f64),
    |candidate| candidate.deployment.spec.traits.tpm.map(|tpm| tpm as f64),
];
