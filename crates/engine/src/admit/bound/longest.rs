//! How long the answers of a call may be together.

use super::Caps;
use crate::call::Call;
use crate::deployment::Deployment;

/// The tokens of all answers together, as far as the call or its model bounds them, and how many answers there are.
pub(crate) fn longest(call: &Call, target: &Deployment) -> (Option<u64>, u64) {
    let caps = Caps::of(call, target);
    let most = || target.card.as_ref().and_then(|card| card.max_output_tokens.or(card.max_tokens)).filter(|most| *most > 0);
    let choices = caps.choices();
    (caps.output().or_else(most).map(|each| each.saturating_mul(choices)), choices)
}
