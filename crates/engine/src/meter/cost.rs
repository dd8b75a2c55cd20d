//! From usage to cost, by the prices of a card.

use switchboard_wire::reply::Usage;

use crate::catalog::{Amount, Component, ModelCard, PicoUsd, Service};

/// What that usage, and what was counted beside tokens, costs by the card's prices; `None` where something used has no known price
/// or count.
pub fn cost(card: &ModelCard, usage: Option<&Usage>, counted: &[(Component, u64)], service: Option<&str>) -> Option<PicoUsd> {
    if card.prices.is_empty() {
        return None;
    }
    let usage = usage.filter(|usage| usage.input.is_some());
    // A model is paid by tokens or by the piece; searches are paid whatever else is.
    let pieces = counted.iter().filter(|(component, _)| usage.is_none() || *component == Component::Query);
    let pieces = pieces.filter(|(component, _)| priced(card, *component)).copied().collect::<Vec<_>>();
    let usage = usage.filter(|_| pieces.is_empty() || priced(card, Component::Input));
    if usage.is_none() && pieces.is_empty() {
        return None;
    }
    // A model that is paid by the call has no price for tokens.
    let by_call = !priced(card, Component::Input) && priced(card, Component::Request);
    let tokens = usage.map(|usage| if by_call { vec![(Component::Request, 1)] } else { tokens(card, usage) }).unwrap_or_default();
    let amounts: Vec<Amount<'_>> =
        tokens.into_iter().chain(pieces).map(|(component, quantity)| Amount { component, qualifier: "", quantity }).collect();
    let service = service.and_then(Service::from_name).unwrap_or_default();
    card.prices.cost(&amounts, service, usage.and_then(|usage| usage.input).unwrap_or(0)).ok()
}

/// Whether the component, or what it falls back to, has a price.
fn priced(card: &ModelCard, component: Component) -> bool {
    card.prices.base(component).is_some() || component.otherwise().is_some_and(|other| card.prices.base(other).is_some())
}

/// The components of a usage in tokens.
fn tokens(card: &ModelCard, usage: &Usage) -> Vec<(Component, u64)> {
    let count = |value: Option<u64>| value.unwrap_or(0);
    let (prompt, output) = (count(usage.input), count(usage.output));
    let hour = count(usage.cache_write_1h);
    let parts = [
        (Component::CacheRead, count(usage.cache_read)),
        (Component::CacheWrite, count(usage.cache_write).saturating_sub(hour)),
        (Component::CacheWriteHour, hour),
        (Component::AudioInput, count(usage.input_audio)),
        (Component::ImageInput, count(usage.input_image)),
    ];
    let special: u64 = parts.iter().map(|(_, quantity)| quantity).sum();
    let answers = [
        (Component::Reasoning, count(usage.reasoning)),
        (Component::AudioOutput, count(usage.output_audio)),
        (Component::ImageOutput, count(usage.output_image)),
    ];
    let answered: u64 = answers.iter().map(|(_, quantity)| quantity).sum();
    let plain = [
        (Component::Input, prompt.saturating_sub(special)),
        (Component::Output, output.saturating_sub(answered)),
        (Component::SearchMedium, count(usage.web_searches)),
        (Component::Request, u64::from(card.prices.base(Component::Request).is_some())),
    ];
    parts.into_iter().chain(answers).chain(plain).collect()
}
