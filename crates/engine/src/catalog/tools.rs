//! What a provider's own tools cost, where price lists do not say it of each model.

use serde::Deserialize;

use super::price::PriceKey;
use super::{Catalog, Component, ModelCard, Prices, Provider, Rate, Service};
use crate::pattern::matches;

/// What of the prices of a model that draws is paid as what, where another model has it draw; the first that has a price.
const DRAWINGS: [(Component, &[Component]); 3] = [
    (Component::DrawingText, &[Component::Input]),
    (Component::DrawingImage, &[Component::ImageInput, Component::Input]),
    (Component::DrawingOutput, &[Component::ImageOutput, Component::Output]),
];
/// How searches of an answer are counted that are paid as one.
const PER_PROMPT: &str = "per_prompt";

/// What a provider's own tools cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tools {
    /// A search of kept files, in USD.
    pub file_search: Option<String>,
    /// The model of the price list that stands for a container in which code runs.
    pub container: Option<String>,
    /// The models that draw for others; the first where a call names none.
    pub drawn_by: Vec<String>,
    /// Models of which all searches of an answer are paid as one unless their card says otherwise, as patterns.
    pub searches_as_one: Vec<String>,
}

impl Catalog {
    /// The card with what tools of that provider cost its model.
    #[must_use]
    pub fn with_tools(&self, provider: &Provider, mut card: ModelCard) -> ModelCard {
        let tools = &provider.tools;
        if card.search_unit.is_none() && tools.searches_as_one.iter().any(|pattern| matches(pattern, &card.model)) {
            card.search_unit = Some(PER_PROMPT.to_owned());
        }
        // Where nothing is known of what the model costs, its tools alone would make it look known.
        if card.prices.is_empty() {
            return card;
        }
        if let Some(rate) = tools.file_search.as_deref().and_then(|usd| Rate::parse(usd).ok()) {
            add(&mut card.prices, (Component::FileSearch, ""), rate);
        }
        let container = tools.container.as_deref().and_then(|name| self.model(&provider.id, name));
        if let Some(rate) = container.and_then(|container| container.prices.base(Component::CodeSession)) {
            add(&mut card.prices, (Component::CodeSession, ""), rate);
        }
        for (at, name) in tools.drawn_by.iter().enumerate() {
            let Some(drawing) = self.model(&provider.id, name) else { continue };
            for (component, listed) in DRAWINGS {
                let Some(rate) = listed.iter().find_map(|listed| drawing.prices.base(*listed)) else { continue };
                add(&mut card.prices, (component, name), rate);
                if at == 0 {
                    add(&mut card.prices, (component, ""), rate);
                }
            }
        }
        card
    }
}

/// Adds a price that the list does not have.
fn add(prices: &mut Prices, (component, qualifier): (Component, &str), rate: Rate) {
    if prices.rate(component, qualifier, Service::Standard, 0).is_none() {
        prices.set(PriceKey { component, qualifier: qualifier.to_owned(), service: Service::Standard, above: 0 }, rate);
    }
}

impl Provider {
    /// Whether that model searches the web whatever it is asked.
    pub fn always_searches(&self, model: &str) -> bool {
        self.searches.iter().any(|pattern| matches(pattern, model))
    }
}
