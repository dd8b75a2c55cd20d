//! Models that make images, as OpenRouter lists them beside the others.

use serde_json::{Number, Value, json};
use switchboard_engine::catalog::{Catalog, Component, ModelCard, Rate};

use super::offer::{Endpoint, Offer};
use super::{provider, tell};

/// What images are billed by, in OpenRouter's words.
const PRICES: [(&str, &str, Component); 5] = [
    ("output_image", "image", Component::OutputImage),
    ("output_image", "token", Component::ImageOutput),
    ("input_image", "image", Component::InputImage),
    ("input_image", "token", Component::ImageInput),
    ("input_text", "token", Component::Input),
];

/// Whether the model is one for making images.
pub(super) fn is_one(offer: &Offer) -> bool {
    offer.union(Endpoint::outputs).contains(&"image")
}

/// OpenRouter's `ImageModelsListResponse`.
pub(super) fn all(offers: &[Offer]) -> Value {
    let listed = |offer: &Offer| {
        json!({
            "id": offer.id,
            "name": tell::name(offer),
            "description": offer.text("description").unwrap_or_default(),
            "created": tell::created(offer),
            "architecture": {"input_modalities": offer.union(Endpoint::inputs), "output_modalities": offer.union(Endpoint::outputs)},
            // What sizes and qualities each takes is not known to the catalog.
            "supported_parameters": {},
            "supports_streaming": false,
            "endpoints": format!("/api/v1/images/models/{}/endpoints", offer.id),
        })
    };
    json!({"data": offers.iter().map(listed).collect::<Vec<_>>()})
}

/// OpenRouter's `ImageModelEndpointsResponse`.
pub(super) fn endpoints(offer: &Offer, catalog: &Catalog) -> Value {
    let told = |endpoint: &Endpoint| {
        let row = endpoint.provider(catalog);
        json!({
            "provider_name": row.map_or(endpoint.deployment.provider_name.as_str(), provider::name),
            "provider_slug": row.map_or_else(|| endpoint.deployment.spec.provider.clone(), |row| row.slug()),
            "provider_tag": endpoint.tag(catalog),
            "supported_parameters": {},
            "allowed_passthrough_parameters": [],
            "supports_streaming": false,
            "pricing": endpoint.card.as_ref().map(prices).unwrap_or_default(),
        })
    };
    json!({"id": offer.id, "endpoints": offer.endpoints.iter().map(told).collect::<Vec<_>>()})
}

fn prices(card: &ModelCard) -> Vec<Value> {
    let number = |rate: Rate| serde_json::from_str::<Number>(&rate.to_decimal(0)).ok();
    let priced = PRICES.iter().filter_map(|(billable, unit, component)| {
        let cost = number(card.prices.base(*component)?)?;
        Some(json!({"billable": billable, "unit": unit, "cost_usd": cost}))
    });
    // One image may cost more than another, by its size or quality.
    let variants =
        card.prices.iter().filter(|(key, _)| key.component == Component::OutputImage && !key.qualifier.is_empty() && key.above == 0);
    let varied = variants.filter_map(|(key, rate)| {
        Some(json!({"billable": "output_image", "unit": "image", "cost_usd": number(rate)?, "variant": key.qualifier}))
    });
    priced.chain(varied).collect()
}
