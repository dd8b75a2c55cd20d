//! From the public price list to our models file: a pure function of two texts.
//!
//! The list is one JSON object, name to flat object, with several hundred field names grown over years. Here every field is
//! read as what it means, or named in `NOT_CARRIED`, or reported as unknown: nothing falls through unseen. Numbers are read
//! from their digits, never through a float.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use switchboard_wire::Operation;

use super::lookup::without_date;
use super::model::{ModelCard, key_of};
use super::price::{self, Component, PriceKey, Prices, Rate, Service, Unit};
use super::provider::Provider;

mod field;

use field::price_key;

/// What a derivation gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The models file.
    pub text: String,
    /// How many cards it holds.
    pub cards: usize,
    /// Entries of the list that are no models.
    pub skipped: Vec<String>,
    /// Entries whose name another entry has too, after its prefix is taken off; the fuller entry was kept.
    pub duplicates: Vec<String>,
    /// Fields whose meaning is not known here, with the first entry that has them.
    pub unknown: Vec<(String, String)>,
}

/// A list that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the price list is no JSON object of objects: {0}")]
pub struct DeriveError(String);

/// Fields of the list that say nothing a gateway needs: prose, notes of the list's own machinery, and amounts in units other
/// than money.
const NOT_CARRIED: &[&str] = &[
    "audio_transcription_config",
    "bedrock_output_config_effort_ceiling",
    "comment",
    "input_dbu_cost_per_token",
    "metadata",
    "output_dbu_cost_per_token",
    "supported_audio_formats",
    "token_count_framing",
    "token_count_model",
    "token_count_tokenizer",
    "vertex_ai_audio_api",
];

/// Where a tiered or off-peak price stands inside another field.
#[derive(Clone, Copy)]
struct Place {
    above: u32,
    service: Service,
}

type Entry<'a> = BTreeMap<String, &'a RawValue>;

/// Derives the models file from a price list; `providers` says under which names the list files each provider.
pub fn derive<'a>(list: &str, providers: impl Iterator<Item = &'a Provider>) -> Result<Derivation, DeriveError> {
    let list: BTreeMap<String, Entry<'_>> = serde_json::from_str(list).map_err(|error| DeriveError(error.to_string()))?;
    let names = Names::of(providers);
    let mut cards: BTreeMap<String, (usize, ModelCard)> = BTreeMap::new();
    let mut derivation = Derivation { text: String::new(), cards: 0, skipped: vec![], duplicates: vec![], unknown: vec![] };
    let mut unknown: BTreeMap<String, String> = BTreeMap::new();
    for (name, entry) in &list {
        let provider = entry.get("litellm_provider").and_then(|raw| text(raw));
        let Some(provider) = provider.filter(|provider| !provider.contains(' ')) else {
            derivation.skipped.push(name.clone());
            continue;
        };
        let mut card = read_entry(names.resolve(&provider, name), entry, &mut |field| {
            unknown.entry(field).or_insert_with(|| name.clone());
        });
        if names.is_makers(&card) && is_paid_for_searches(&card) && card.supports("web_search").is_none() {
            card.supports.push("web_search".to_owned());
        }
        let key = key_of(&card.provider, &card.model);
        let fuller = cards.get(&key).is_none_or(|(fields, _)| *fields < entry.len());
        if cards.contains_key(&key) {
            derivation.duplicates.push(name.clone());
        }
        if fuller {
            cards.insert(key, (entry.len(), card));
        }
    }
    share_abilities(&mut cards);
    derivation.cards = cards.len();
    derivation.text = header();
    for (_, card) in cards.values() {
        derivation.text.push_str(&card.to_line());
        derivation.text.push('\n');
    }
    derivation.unknown = unknown.into_iter().collect();
    Ok(derivation)
}

fn header() -> String {
    "# Model cards, derived from LiteLLM's public price list (MIT) by `switchboard catalog update`; not edited by hand.\n\
     # provider/model, a tab, fields. $component[@kind][+service][>prompt tokens]: USD per million tokens, second or piece.\n"
        .to_owned()
}

/// Which provider a name of the list means, and what its models are called there.
struct Names<'a> {
    by_name: BTreeMap<&'a str, &'a Provider>,
}

impl<'a> Names<'a> {
    fn of(providers: impl Iterator<Item = &'a Provider>) -> Self {
        let mut by_name = BTreeMap::new();
        for provider in providers {
            for name in provider.price_names.iter().map(String::as_str).chain(provider.names()) {
                by_name.entry(name).or_insert(provider);
            }
        }
        Names { by_name }
    }

    fn resolve(&self, listed: &str, name: &str) -> ModelCard {
        let provider = self.by_name.get(listed);
        let id = provider.map_or(listed, |provider| provider.id.as_str());
        let own = provider.into_iter().flat_map(|provider| provider.names());
        let model = own.chain([listed]).find_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('/'));
        ModelCard { provider: id.to_owned(), model: model.unwrap_or(name).to_owned(), ..ModelCard::default() }
    }

    /// Whether that model's provider has made it.
    fn is_makers(&self, card: &ModelCard) -> bool {
        self.by_name.get(card.provider.as_str()).is_some_and(|provider| provider.has_made(&card.model))
    }
}

/// Whether it is for chats, and a search of the web has a price.
fn is_paid_for_searches(card: &ModelCard) -> bool {
    card.operation() == Some(Operation::Chat) && card.prices.iter().any(|(key, _)| key.component.is_search())
}

/// Gives the two names of one model, with its date and without, the same abilities where the list says them of one alone.
fn share_abilities(cards: &mut BTreeMap<String, (usize, ModelCard)>) {
    let mut dated: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in cards.keys() {
        let whole = without_date(key);
        if whole != key {
            dated.entry(whole.to_owned()).or_default().push(key.clone());
        }
    }
    for (whole, dated) in dated {
        // Of several editions, each may differ from the next.
        let [dated] = &dated[..] else { continue };
        let (Some(one), Some(other)) = (cards.get(&whole).cloned(), cards.get(dated).cloned()) else { continue };
        for (key, twin) in [(&whole, &other.1), (dated, &one.1)] {
            if let Some((_, card)) = cards.get_mut(key) {
                learn(card, twin);
            }
        }
    }
}

/// What the other one says of abilities that this one says nothing of.
fn learn(card: &mut ModelCard, twin: &ModelCard) {
    let unsaid = |list: &[String]| list.iter().filter(|ability| card.supports(ability).is_none()).cloned().collect::<Vec<_>>();
    let (supports, lacks) = (unsaid(&twin.supports), unsaid(&twin.lacks));
    card.supports.extend(supports);
    card.lacks.extend(lacks);
}

fn read_entry(mut card: ModelCard, entry: &Entry<'_>, unknown: &mut dyn FnMut(String)) -> ModelCard {
    for (field, raw) in entry {
        let known = field == "litellm_provider"
            || NOT_CARRIED.contains(&field.as_str())
            || read_ability(&mut card, field, raw)
            || read_fact(&mut card, field, raw)
            || read_price(&mut card, field, raw, Place { above: 0, service: Service::Standard })
            || read_nested(&mut card, field, raw);
        if !known {
            unknown(field.clone());
        }
    }
    // One provider's older name for the price of a cache hit; the newer name wins.
    if let Some(hit) = entry.get("input_cost_per_token_cache_hit")
        && card.prices.base(Component::CacheRead).is_none()
    {
        read_price(&mut card, "cache_read_input_token_cost", hit, Place { above: 0, service: Service::Standard });
    }
    card
}

/// Whatever is true or false is an ability.
fn read_ability(card: &mut ModelCard, field: &str, raw: &RawValue) -> bool {
    let list = match raw.get() {
        "true" => &mut card.supports,
        "false" => &mut card.lacks,
        _ => return false,
    };
    list.push(field.strip_prefix("supports_").unwrap_or(field).to_owned());
    true
}

fn read_fact(card: &mut ModelCard, field: &str, raw: &RawValue) -> bool {
    let number = || price::parse_whole(raw.get());
    match field {
        "max_input_tokens" => card.max_input_tokens = number(),
        "max_output_tokens" => card.max_output_tokens = number(),
        "max_tokens" => card.max_tokens = number(),
        "output_vector_size" => card.vector_size = number(),
        "prompt_cache_min_tokens" => card.cache_min_tokens = number(),
        "rpm" => card.rpm = number(),
        "tpm" => card.tpm = number(),
        "mode" => card.mode = text(raw),
        "deprecation_date" => card.deprecated_on = text(raw),
        "default_reasoning_effort" => card.default_effort = text(raw),
        "web_search_billing_unit" => card.search_unit = text(raw),
        "source" => card.source = text(raw),
        "supported_modalities" => card.input_modalities = texts(raw),
        "supported_output_modalities" => card.output_modalities = texts(raw),
        "supported_endpoints" => card.endpoints = texts(raw),
        "supported_regions" => card.regions = texts(raw),
        "reasoning_effort_levels" => card.efforts = texts(raw),
        "regional_endpoint_uplift_multiplier" => push_factor(card, "regional_endpoint", raw),
        "regional_processing_uplift_multiplier_eu" => push_factor(card, "region_eu", raw),
        "regional_processing_uplift_multiplier_us" => push_factor(card, "region_us", raw),
        "input_cost_per_token_cache_hit" => {}
        _ => return false,
    }
    true
}

fn push_factor(card: &mut ModelCard, name: &str, raw: &RawValue) {
    if let Ok(factor) = Rate::parse(raw.get()) {
        card.factors.retain(|(known, _)| known != name);
        card.factors.push((name.to_owned(), factor.to_decimal(0)));
    }
}

fn read_price(card: &mut ModelCard, field: &str, raw: &RawValue, place: Place) -> bool {
    let Some(key) = price_key(field, place) else {
        return false;
    };
    let Ok(rate) = Rate::parse(raw.get()) else {
        return false;
    };
    card.prices.set(key, rate);
    true
}

/// Sets a price by the name and in the unit that price lists use (USD per token, second or piece). `false`: it is no price.
pub fn set_price(card: &mut ModelCard, field: &str, usd: &str) -> bool {
    let key = price_key(field, Place { above: 0, service: Service::Standard });
    let price = key.zip(Rate::parse(usd).ok());
    price.map(|(key, rate)| card.prices.set(key, rate)).is_some()
}

/// Forgets what the card says of everything that is billed as that price says where it has none of its own: other lengths of prompts,
/// cached tokens, thoughts; and the factors on all of them. Only the plain prices of tokens have such heirs. Tiers of service are paid
/// as the card says, unless tokens are free.
pub(crate) fn forget_derived(card: &mut ModelCard, field: &str, usd: &str) {
    let key = price_key(field, Place { above: 0, service: Service::Standard });
    let plainly = |key: &PriceKey| key.service == Service::Standard && key.above == 0 && key.qualifier.is_empty();
    let tokens = [Component::Input, Component::Output];
    if let Some(key) = key.filter(|key| plainly(key) && tokens.contains(&key.component)) {
        let free = Rate::parse(usd).is_ok_and(|rate| rate == Rate::default());
        card.prices.forget(key.component, |service| service.is_a_tier() && !free);
        card.factors.clear();
    }
}

/// The modes of models whose answers' time is taken.
const TIMED: [&str; 4] = ["chat", "completion", "responses", "embedding"];

/// Forgets what the card says of tokens where those prices are of time and none of them is of tokens: one way of paying replaces the other.
pub(crate) fn forget_tokens<'a>(card: &mut ModelCard, fields: impl Iterator<Item = &'a str>) {
    let key = |field: &str| Some(price_key(field, Place { above: 0, service: Service::Standard })?.component);
    let named: Vec<Component> = fields.filter_map(key).collect();
    let timed = [Component::HeldTime, Component::InputTime, Component::OutputTime];
    let is_of_tokens = |component: &Component| component.unit() == Unit::Token;
    let is_timed = card.mode.as_deref().is_none_or(|mode| TIMED.contains(&mode));
    if is_timed && named.iter().any(|component| timed.contains(component)) && !named.iter().any(is_of_tokens) {
        card.prices.forget_all(|component| component.unit() == Unit::Token);
        card.factors.clear();
    }
}

/// The prices of a card by the names and in the unit that price lists use, as decimals.
pub fn listed_prices(card: &ModelCard) -> impl Iterator<Item = (String, String)> {
    card.prices.iter().filter_map(|(key, rate)| Some((field::list_name(key)?, rate.to_decimal(0))))
}

/// The name that price lists have for a price, where they have one.
pub fn listed_name(key: &PriceKey) -> Option<String> {
    field::list_name(key)
}

/// The prices that somebody names: facts as JSON, such as bands of prompt length, and plain prices, by the names of price lists.
pub fn named_prices<'a>(facts: impl Iterator<Item = (&'a str, String)>, prices: impl Iterator<Item = (&'a str, &'a str)>) -> Prices {
    let mut card = ModelCard::default();
    facts.for_each(|(name, json)| set_fact(&mut card, name, &json));
    prices.for_each(|(name, usd)| {
        set_price(&mut card, name, usd);
    });
    card.prices
}

/// Sets a fact or an ability by the name that price lists use; `json` is its value. What is neither is left.
pub(crate) fn set_fact(card: &mut ModelCard, name: &str, json: &str) {
    let Ok(raw) = serde_json::from_str::<&RawValue>(json) else { return };
    if raw.get() == "null" {
        return;
    }
    if let Some(ability) = name.strip_prefix("supports_") {
        card.supports.retain(|known| known != ability);
        card.lacks.retain(|known| known != ability);
        read_ability(card, name, raw);
    } else if !read_fact(card, name, raw) {
        read_nested(card, name, raw);
    }
}

fn read_nested(card: &mut ModelCard, field: &str, raw: &RawValue) -> bool {
    match field {
        "search_context_cost_per_query" => read_search(card, raw),
        "tiered_pricing" => read_bands(card, raw),
        "off_peak_pricing" => read_off_peak(card, raw),
        "search_free_requests" => read_free_searches(card, raw),
        "guardrail_cost_per_unit" => read_guardrail(card, raw),
        "provider_specific_entry" => read_factors(card, raw),
        _ => None,
    }
    .is_some()
}

fn read_search(card: &mut ModelCard, raw: &RawValue) -> Option<()> {
    for (size, cost) in object(raw)? {
        let component = match size.as_str() {
            "search_context_size_low" => Component::SearchLow,
            "search_context_size_medium" => Component::SearchMedium,
            "search_context_size_high" => Component::SearchHigh,
            _ => return None,
        };
        card.prices.set(plain(component, ""), Rate::parse(cost.get()).ok()?);
    }
    Some(())
}

fn read_guardrail(card: &mut ModelCard, raw: &RawValue) -> Option<()> {
    for (unit, cost) in object(raw)? {
        card.prices.set(plain(Component::GuardrailUnit, &unit), Rate::parse(cost.get()).ok()?);
    }
    Some(())
}

/// Bands of prompt length, each with its own prices; a band's lower end is the threshold. Searches have bands by the number
/// of results instead, which become kinds of query.
fn read_bands(card: &mut ModelCard, raw: &RawValue) -> Option<()> {
    let bands: Vec<Entry<'_>> = serde_json::from_str(raw.get()).ok()?;
    for band in bands {
        if let Some(results) = band.get("max_results_range") {
            let range: Vec<u32> = serde_json::from_str(results.get()).ok()?;
            let kind = format!("results_{}-{}", range.first()?, range.get(1)?);
            card.prices.set(plain(Component::Query, &kind), Rate::parse(band.get("input_cost_per_query")?.get()).ok()?);
            continue;
        }
        let range: Vec<&RawValue> = serde_json::from_str(band.get("range")?.get()).ok()?;
        let above = u32::try_from(price::parse_whole(range.first()?.get())?).ok()?;
        for (field, cost) in band.iter().filter(|(field, _)| *field != "range") {
            read_price(card, field, cost, Place { above, service: Service::Standard }).then_some(())?;
        }
    }
    Some(())
}

/// Hours of every day (`hours_utc`), of some days (`windows`), and what holds in them. What is not understood is left.
fn read_off_peak(card: &mut ModelCard, raw: &RawValue) -> Option<()> {
    let mut hours = Vec::new();
    for (field, value) in object(raw)? {
        match field.as_str() {
            "hours_utc" => hours.push(format!("{EVERY_DAY}@{}", spans(value).join("|"))),
            "windows" => hours.extend(windows(value)?),
            "weekday_timezone" => card.off_peak_zone = text(value),
            _ => {
                read_price(card, &field, value, Place { above: 0, service: Service::OffPeak });
            }
        }
    }
    card.off_peak_hours = (!hours.is_empty()).then(|| hours.join(";"));
    Some(())
}

/// The weekdays, Monday first.
const EVERY_DAY: &str = "1,2,3,4,5,6,7";

fn windows(raw: &RawValue) -> Option<Vec<String>> {
    let windows: Vec<Entry<'_>> = serde_json::from_str(raw.get()).ok()?;
    let written = |window: Entry<'_>| {
        let days: Vec<u8> = serde_json::from_str(window.get("weekdays")?.get()).ok()?;
        let days: Vec<String> = days.iter().map(u8::to_string).collect();
        Some(format!("{}@{}", days.join(","), spans(window.get("hours_utc")?).join("|")))
    };
    Some(windows.into_iter().filter_map(written).collect())
}

/// One span of hours, or several.
fn spans(raw: &RawValue) -> Vec<String> {
    text(raw).map_or_else(|| texts(raw), |one| vec![one])
}

fn read_free_searches(card: &mut ModelCard, raw: &RawValue) -> Option<()> {
    let free = object(raw)?;
    let count = price::parse_whole(free.get("count")?.get())?;
    let group = free.get("shared_group").and_then(|group| text(group)).unwrap_or_default();
    card.free_searches = Some(format!("{count}/{}/{group}", text(free.get("period")?)?));
    Some(())
}

/// Of the entries only one provider understands, the numbers are factors on the price; the rest is not about money.
fn read_factors(card: &mut ModelCard, raw: &RawValue) -> Option<()> {
    for (name, value) in object(raw)? {
        push_factor(card, &name, value);
    }
    Some(())
}

fn plain(component: Component, qualifier: &str) -> PriceKey {
    PriceKey { component, qualifier: qualifier.to_owned(), service: Service::Standard, above: 0 }
}

fn object(raw: &RawValue) -> Option<Entry<'_>> {
    serde_json::from_str(raw.get()).ok()
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn texts(raw: &RawValue) -> Vec<String> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}
