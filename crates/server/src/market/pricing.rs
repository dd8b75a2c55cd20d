//! Prices as OpenRouter writes them: US dollars for one token or one piece, as decimals.

use serde_json::{Map, Value};
use switchboard_engine::catalog::{Component, ModelCard, Service};

/// What OpenRouter itself writes where a price is not known beforehand.
const UNKNOWN: &str = "-1";

/// Prices by OpenRouter's names; none of them is required, and none is there that the catalog does not know.
const PRICES: [(&str, Component); 12] = [
    ("request", Component::Request),
    ("image", Component::InputImage),
    ("image_token", Component::ImageInput),
    ("image_output", Component::OutputImage),
    ("audio", Component::AudioInput),
    ("audio_output", Component::AudioOutput),
    ("input_audio_cache", Component::AudioCacheRead),
    ("input_cache_read", Component::CacheRead),
    ("input_cache_write", Component::CacheWrite),
    ("input_cache_write_1h", Component::CacheWriteHour),
    ("internal_reasoning", Component::Reasoning),
    ("web_search", Component::SearchMedium),
];

/// The prices that conditions may change.
const CHANGEABLE: [(&str, Component); 7] = [
    ("prompt", Component::Input),
    ("completion", Component::Output),
    ("audio", Component::AudioInput),
    ("input_audio_cache", Component::AudioCacheRead),
    ("input_cache_read", Component::CacheRead),
    ("input_cache_write", Component::CacheWrite),
    ("input_cache_write_1h", Component::CacheWriteHour),
];

/// OpenRouter's `pricing`.
pub(super) fn of(card: Option<&ModelCard>) -> Value {
    let price = |component: Component| card.and_then(|card| card.prices.base(component)).map(|rate| rate.to_decimal(0));
    let mut prices = Map::new();
    // A model that is paid by the piece has no price for tokens: that is not known to be nothing.
    let unknown = |component| match component {
        Component::Output if card.is_some_and(gives_no_text) => "0".to_owned(),
        _ => UNKNOWN.to_owned(),
    };
    for (name, component) in [("prompt", Component::Input), ("completion", Component::Output)] {
        prices.insert(name.to_owned(), price(component).unwrap_or_else(|| unknown(component)).into());
    }
    prices.extend(PRICES.iter().filter_map(|(name, component)| Some(((*name).to_owned(), price(*component)?.into()))));
    let overrides = card.map(overrides).unwrap_or_default();
    if !overrides.is_empty() {
        prices.insert("overrides".to_owned(), overrides.into());
    }
    Value::Object(prices)
}

/// Whether what the model gives is no tokens, so that they cost nothing.
fn gives_no_text(card: &ModelCard) -> bool {
    matches!(card.mode.as_deref(), Some("embedding" | "rerank" | "moderation")) && !card.prices.is_empty()
}

/// The prices for long prompts, then those of quiet hours.
fn overrides(card: &ModelCard) -> Vec<Value> {
    let mut steps: Vec<u32> = card.prices.iter().map(|(key, _)| key.above).filter(|above| *above > 0).collect();
    steps.sort_unstable();
    steps.dedup();
    let long = steps.into_iter().filter_map(|above| {
        let mut entry = changed(card, Service::Standard, above);
        let any = !entry.is_empty();
        entry.insert("min_prompt_tokens".to_owned(), above.into());
        any.then_some(Value::Object(entry))
    });
    let quiet = quiet_hours(card).into_iter().filter_map(|(start, end)| {
        let mut entry = changed(card, Service::OffPeak, 0);
        let any = !entry.is_empty();
        entry.insert("utc_start".to_owned(), start.into());
        entry.insert("utc_end".to_owned(), end.into());
        any.then_some(Value::Object(entry))
    });
    long.chain(quiet).collect()
}

/// The prices of exactly those terms.
fn changed(card: &ModelCard, service: Service, above: u32) -> Map<String, Value> {
    let exact = |component: Component| {
        let mut prices = card.prices.iter();
        prices.find(|(key, _)| key.component == component && key.qualifier.is_empty() && key.service == service && key.above == above)
    };
    let found = CHANGEABLE.iter().filter_map(|(name, component)| Some(((*name).to_owned(), exact(*component)?.1.to_decimal(0).into())));
    found.collect()
}

/// Quiet hours as (from, to) in OpenRouter's clock numbers, where they are the same on every day: it has no words for weekdays.
fn quiet_hours(card: &ModelCard) -> Vec<(u32, u32)> {
    let Some(hours) = card.off_peak_hours.as_deref() else { return Vec::new() };
    let Some((days, spans)) = hours.split_once('@').filter(|(_, spans)| !spans.contains('@')) else { return Vec::new() };
    if !(1..=7).all(|day: u8| days.split(',').any(|known| known.parse() == Ok(day))) {
        return Vec::new();
    }
    let clock = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        Some(hours.parse::<u32>().ok()? * 100 + minutes.parse::<u32>().ok()?)
    };
    spans.split('|').filter_map(|span| span.split_once('-')).filter_map(|(from, to)| Some((clock(from)?, clock(to)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(line: &str) -> Value {
        of(Some(&ModelCard::parse(line).expect("a card")))
    }

    #[test]
    fn prices_are_for_one_token_and_exact() {
        assert_eq!(
            told("a/b\tmode=chat $input=2.5 $output=10 $cache_read=0.25"),
            json!({"prompt": "0.0000025", "completion": "0.00001", "input_cache_read": "0.00000025"})
        );
        assert_eq!(told("a/b\tmode=embedding $input=0.02"), json!({"prompt": "0.00000002", "completion": "0"}));
    }

    #[test]
    fn what_is_not_known_is_not_free() {
        assert_eq!(of(None), json!({"prompt": "-1", "completion": "-1"}));
        assert_eq!(
            told("a/b\tmode=image_generation $output_image=0.04"),
            json!({"prompt": "-1", "completion": "-1", "image_output": "0.04"})
        );
    }

    #[test]
    fn long_prompts_and_quiet_hours_are_overrides() {
        let long = told("a/b\tmode=chat $input=1.25 $input>200000=2.5 $output=10 $output>200000=15");
        assert_eq!(long["overrides"], json!([{"min_prompt_tokens": 200_000, "prompt": "0.0000025", "completion": "0.000015"}]));
        let quiet = told("a/b\tmode=chat off_peak=1,2,3,4,5,6,7@16:30-00:30 $input=0.27 $input+off_peak=0.135 $output=1.1");
        assert_eq!(quiet["overrides"], json!([{"utc_start": 1630, "utc_end": 30, "prompt": "0.000000135"}]));
        let weekdays = told("a/b\tmode=chat off_peak=1,2@16:30-00:30 $input=0.27 $input+off_peak=0.135 $output=1.1");
        assert_eq!(weekdays.get("overrides"), None);
    }
}
