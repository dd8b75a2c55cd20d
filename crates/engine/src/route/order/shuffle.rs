//! LiteLLM's `simple-shuffle`.

use fastrand::Rng;

use super::{Args, by_key, lot};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// By chance in proportion to the weights that the request says, else to `weight`, else to `rpm`, else to `tpm`: the first of these that any candidate has. Without any, all
/// alike.
pub(super) fn simple(candidates: &mut [Candidate], ask: &Ask<'_>, _: &Args, rng: &mut Rng) {
    let measures: [fn(&Candidate) -> Option<f64>; 3] = [
        |candidate| candidate.weight.or(candidate.deployment.spec.weight),
        |candidate| candidate.deployment.spec.traits.rpm.map(|rpm| rpm as f64),
        |candidate| candidate.deployment.spec.traits.tpm.map(|tpm| tpm as f64),
    ];
    let asked = |candidate: &Candidate| ask.wishes.weights.of(&candidate.deployment.spec);
    let asked = Some(asked).filter(|asked| !ask.wishes.weights.is_empty() && candidates.iter().any(|candidate| asked(candidate).is_some()));
    let measure = measures.into_iter().find(|measure| candidates.iter().any(|candidate| measure(candidate).is_some()));
    for candidate in candidates.iter_mut() {
        let weight = match (&asked, measure) {
            (Some(asked), _) => asked(candidate).unwrap_or(0.0),
            (None, Some(measure)) => measure(candidate).unwrap_or(0.0),
            (None, None) => 1.0,
        };
        candidate.key = lot(weight, rng);
    }
    by_key(candidates);
}
