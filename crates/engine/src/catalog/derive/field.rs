//! What the price fields of the list mean.

use super::Place;
use crate::catalog::price::{Component, PriceKey, Service};

const SERVICES: &[(&str, Service)] = &[
    ("_batches", Service::Batch),
    ("_priority", Service::Priority),
    ("_flex", Service::Flex),
    ("_balanced", Service::Balanced),
    ("_ultrafast", Service::Ultrafast),
    ("_decisions", Service::Decisions),
];

/// What a price field of the list means: its stem names the component, its suffixes the band, the terms and the kind.
pub(super) fn price_key(field: &str, place: Place) -> Option<PriceKey> {
    let suffix = SERVICES.iter().find_map(|(suffix, service)| Some((field.strip_suffix(suffix)?, *service)));
    let (stem, service) = suffix.unwrap_or((field, place.service));
    let (stem, above) = match stem.strip_suffix("k_tokens").and_then(|stem| stem.rsplit_once("_above_")) {
        Some((stem, thousands)) => (stem, thousands.parse::<u32>().ok()?.checked_mul(1000)?),
        None => (stem, place.above),
    };
    if let Some(component) = component(stem) {
        return Some(PriceKey { component, qualifier: String::new(), service, above });
    }
    for kind_of in ["output_cost_per_image_", "output_cost_per_second_", "input_cost_per_video_per_second_"] {
        if let Some(kind) = stem.strip_prefix(kind_of) {
            let component = component(kind_of.trim_end_matches('_'))?;
            let qualifier = kind.strip_suffix("_interval").unwrap_or(kind).to_owned();
            return Some(PriceKey { component, qualifier, service, above });
        }
    }
    None
}

/// The list's name of a price, where it has one.
pub(super) fn list_name(key: &PriceKey) -> Option<String> {
    let (stem, _) = STEMS.iter().find(|(_, component)| *component == key.component)?;
    let kind = if key.qualifier.is_empty() { String::new() } else { format!("_{}", key.qualifier) };
    let band = if key.above == 0 { String::new() } else { format!("_above_{}k_tokens", key.above / 1000) };
    let terms = match key.service {
        Service::Standard => "",
        service => SERVICES.iter().find(|(_, known)| *known == service)?.0,
    };
    Some(format!("{stem}{kind}{band}{terms}"))
}

fn component(stem: &str) -> Option<Component> {
    STEMS.iter().find_map(|(name, component)| (*name == stem).then_some(*component))
}

const STEMS: &[(&str, Component)] = &[
    ("input_cost_per_token", Component::Input),
    ("output_cost_per_token", Component::Output),
    ("cache_read_input_token_cost", Component::CacheRead),
    ("cache_creation_input_token_cost", Component::CacheWrite),
    ("cache_creation_input_token_cost_above_1hr", Component::CacheWriteHour),
    ("explicit_cache_read_input_token_cost", Component::ExplicitCacheRead),
    ("output_cost_per_reasoning_token", Component::Reasoning),
    ("input_cost_per_audio_token", Component::AudioInput),
    ("output_cost_per_audio_token", Component::AudioOutput),
    ("cache_read_input_audio_token_cost", Component::AudioCacheRead),
    ("cache_creation_input_audio_token_cost", Component::AudioCacheWrite),
    ("input_cost_per_image_token", Component::ImageInput),
    ("output_cost_per_image_token", Component::ImageOutput),
    ("cache_read_input_image_token_cost", Component::ImageCacheRead),
    ("input_cost_per_video_token", Component::VideoInput),
    ("output_cost_per_video_token", Component::VideoOutput),
    ("citation_cost_per_token", Component::Citation),
    ("input_cost_per_request", Component::Request),
    ("input_cost_per_query", Component::Query),
    ("input_cost_per_image", Component::InputImage),
    ("output_cost_per_image", Component::OutputImage),
    ("input_cost_per_pixel", Component::InputPixel),
    ("output_cost_per_pixel", Component::OutputPixel),
    ("input_cost_per_character", Component::InputCharacter),
    ("output_cost_per_character", Component::OutputCharacter),
    ("input_cost_per_second", Component::InputTime),
    ("output_cost_per_second", Component::OutputTime),
    ("input_cost_per_audio_per_second", Component::InputAudioTime),
    ("input_cost_per_video_per_second", Component::InputVideoTime),
    ("output_cost_per_video_per_second", Component::OutputVideoTime),
    ("cost_per_second", Component::HeldTime),
    ("ocr_cost_per_page", Component::Page),
    ("annotation_cost_per_page", Component::AnnotatedPage),
    ("ocr_cost_per_credit", Component::Credit),
    ("input_cost_per_text_message", Component::TextMessage),
    ("google_maps_grounding_cost_per_query", Component::MapsQuery),
    ("code_interpreter_cost_per_session", Component::CodeSession),
];
