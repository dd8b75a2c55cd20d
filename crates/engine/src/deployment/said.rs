//! What an operator says of a deployment, before anything is built on it.

use switchboard_wire::Dialect;
use switchboard_wire::half::Outbound;

use super::{Deployment, Spec};
use crate::catalog::{ModelCard, derive};

/// Fields that are translated from OpenAI's chats.
pub(crate) const TRANSLATED: [&str; 20] = [
    "frequency_penalty",
    "logit_bias",
    "max_completion_tokens",
    "max_tokens",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "user",
    "verbosity",
];
/// Whether an answer comes in pieces is the caller's to say.
const STREAM: &str = "stream";
/// How it does is said where it does.
const STREAM_OPTIONS: &str = "stream_options";

/// The card with what the operator knows better: prices, limits, abilities.
pub(super) fn amended(card: Option<ModelCard>, spec: &Spec) -> Option<ModelCard> {
    let blank = ModelCard { provider: spec.provider.clone(), model: spec.model.clone(), ..ModelCard::default() };
    let mut own = card.clone().unwrap_or_else(|| blank.clone());
    // Whoever says what tokens cost says it of all that is reckoned by them, unless that has a price of its own there too.
    for (name, usd) in &spec.prices {
        derive::forget_derived(&mut own, name, usd);
    }
    derive::forget_tokens(&mut own, spec.prices.iter().map(|(name, _)| name.as_str()));
    for (name, json) in &spec.known {
        derive::set_fact(&mut own, name, json);
    }
    for (name, usd) in &spec.prices {
        if !derive::set_price(&mut own, name, usd) {
            tracing::warn!(deployment = %spec.id, price = %name, "a price has a name that means nothing here");
        }
    }
    if own == blank { card } else { Some(own) }
}

/// What is said of the body of a request whose answer is streamed, or is not.
pub(super) fn fitting(said: &[(String, String)], stream: bool) -> impl Iterator<Item = (String, String)> + '_ {
    said.iter().filter(move |(key, _)| key != STREAM && (stream || key != STREAM_OPTIONS)).cloned()
}

/// Tells which fields of chats are said in vain: the provider would refuse them.
pub(super) fn tell_lost(deployment: &Deployment) {
    let Deployment { chat, spec, .. } = deployment;
    for (key, _) in spec.defaults.iter().filter(|(key, _)| !chat.is_empty() && chat.iter().all(|spoken| is_lost(*spoken, key))) {
        tracing::warn!(deployment = %spec.id, field = %key, "the provider has no such field: it is left out");
    }
}

/// Whether that API has no place for a field that a deployment says, and nothing that is translated to it.
fn is_lost(spoken: Dialect, key: &str) -> bool {
    let known = |outbound: &dyn Outbound| outbound.has(key) || outbound.reads(key);
    !TRANSLATED.contains(&key) && spoken.outbound().is_some_and(|outbound| !known(outbound))
}
