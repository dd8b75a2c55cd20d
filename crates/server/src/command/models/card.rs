//! One model card, for people and for machines.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use switchboard_engine::catalog::price::Unit;
use switchboard_engine::catalog::{Catalog, Component, ModelCard, Rate, Service};

/// The cells of a card's row.
pub(super) fn columns(card: &ModelCard) -> [String; 7] {
    let price = |component| card.prices.base(component).map_or_else(|| "-".to_owned(), |rate| rate.to_decimal(6));
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    // Where tokens are paid for, the price of a search or an image beside them would only confuse.
    let by_token = card.prices.base(Component::Input).or_else(|| card.prices.base(Component::Output));
    let mut others = card.prices.iter().filter(|(key, _)| key.component.unit() != Unit::Token && key.service == Service::Standard);
    let other = others.next().filter(|_| by_token.is_none_or(|rate| rate == Rate::ZERO));
    [
        format!("{}/{}", card.provider, card.model),
        card.mode.clone().unwrap_or_else(|| "-".to_owned()),
        count(card.max_input_tokens.or(card.max_tokens)),
        count(card.max_output_tokens),
        price(Component::Input),
        price(Component::Output),
        other.map(|(key, rate)| format!("{} per {}", rate.to_decimal(0), key.component.as_str())).unwrap_or_default(),
    ]
}

/// Every price: its name, and the decimal as it is read.
fn prices(card: &ModelCard) -> impl Iterator<Item = (String, String)> + '_ {
    card.prices.iter().map(|(key, rate)| {
        let mut name = key.component.as_str().to_owned();
        if !key.qualifier.is_empty() {
            let _ = write!(name, " ({})", key.qualifier);
        }
        if key.service != Service::Standard {
            let _ = write!(name, ", {}", key.service.as_str());
        }
        if key.above > 0 {
            let _ = write!(name, ", prompts above {}", key.above);
        }
        let token = key.component.unit() == Unit::Token;
        let price = rate.to_decimal(if token { 6 } else { 0 });
        (name, if token { format!("{price} per million") } else { price })
    })
}

/// A card for people.
pub(super) fn text(card: &ModelCard, catalog: &Catalog) -> String {
    let list = |items: &[String]| (!items.is_empty()).then(|| items.join(", "));
    let count = |count: Option<u64>| count.map(|count| count.to_string());
    let facts = [
        ("mode", card.mode.clone()),
        ("context", count(card.max_input_tokens.or(card.max_tokens))),
        ("output", count(card.max_output_tokens)),
        ("vector", count(card.vector_size)),
        ("takes", list(&card.input_modalities)),
        ("gives", list(&card.output_modalities)),
        ("can", list(&card.supports)),
        ("cannot", list(&card.lacks)),
        ("efforts", list(&card.efforts)),
        ("regions", list(&card.regions)),
        ("withdrawn", card.deprecated_on.clone()),
        ("source", card.source.clone()),
    ];
    let mut out = format!("{}/{}", card.provider, card.model);
    for (name, fact) in facts {
        if let Some(fact) = fact {
            let _ = write!(out, "\n  {name:<10} {fact}");
        }
    }
    if !card.prices.is_empty() {
        out.push_str("\nprices, US dollars");
    }
    for (name, price) in prices(card) {
        let _ = write!(out, "\n  {name:<32} {price}");
    }
    let elsewhere: Vec<String> = catalog
        .offers(&card.model)
        .iter()
        .filter(|found| (&found.provider, &found.model) != (&card.provider, &card.model))
        .map(|found| format!("{}/{}", found.provider, found.model))
        .collect();
    if !elsewhere.is_empty() {
        let _ = write!(out, "\nalso as\n  {}", elsewhere.join("\n  "));
    }
    out
}

/// A card for machines; what is not known is left out. Prices stay decimals in text: a float would not hold them.
pub(super) fn json(card: &ModelCard) -> Value {
    let mut out = Map::new();
    out.insert("id".to_owned(), format!("{}/{}", card.provider, card.model).into());
    out.insert("provider".to_owned(), card.provider.as_str().into());
    out.insert("model".to_owned(), card.model.as_str().into());
    let facts = [
        ("mode", card.mode.as_deref().map(Value::from)),
        ("max_input_tokens", card.max_input_tokens.map(Value::from)),
        ("max_output_tokens", card.max_output_tokens.map(Value::from)),
        ("max_tokens", card.max_tokens.map(Value::from)),
        ("vector_size", card.vector_size.map(Value::from)),
        ("deprecated_on", card.deprecated_on.as_deref().map(Value::from)),
        ("source", card.source.as_deref().map(Value::from)),
    ];
    out.extend(facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))));
    let lists = [
        ("input_modalities", &card.input_modalities),
        ("output_modalities", &card.output_modalities),
        ("supports", &card.supports),
        ("lacks", &card.lacks),
        ("efforts", &card.efforts),
        ("regions", &card.regions),
    ];
    out.extend(lists.into_iter().filter(|(_, items)| !items.is_empty()).map(|(name, items)| (name.to_owned(), json!(items))));
    let prices = card.prices.iter().map(|(key, rate)| {
        let token = key.component.unit() == Unit::Token;
        json!({
            "component": key.component.as_str(), "kind": Some(&key.qualifier).filter(|kind| !kind.is_empty()),
            "service": key.service.as_str(), "above_prompt_tokens": key.above,
            "usd": rate.to_decimal(if token { 6 } else { 0 }), "per": if token { "million tokens" } else { "one" },
        })
    });
    out.insert("prices".to_owned(), prices.collect());
    Value::Object(out)
}
