//! What choosing must know of a deployment: what the operator says of it, and what follows from the catalog.

use switchboard_wire::Operation;

use super::region;
use super::reserved::Reserved;
use super::{Deployment, Spec};
use crate::catalog::{Catalog, Component, ModelCard, Prices, Provider, Rate};

/// What is said of a deployment, or of its provider, that matters when one is chosen. What is not said is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traits {
    /// Where it is, such as `eu` or `us-east5`.
    pub region: Option<String>,
    /// What stands behind the slash of its full slug (`turbo` in `deepinfra/turbo`); the region where it is not said.
    pub variant: Option<String>,
    /// The precision of its weights, in OpenRouter's words (`fp8`, `bf16`).
    pub quantization: Option<String>,
    /// Whether it may train on what it is sent.
    pub trains: Option<bool>,
    /// Whether it keeps what it is sent beyond the answer.
    pub retains: Option<bool>,
    /// Whether its licence allows distillation.
    pub distillable: Option<bool>,
    /// Tags, for routing by the tags of requests.
    pub tags: Vec<String>,
    /// Patterns of the client's name (`User-Agent`) that stand for a tag.
    pub tag_regex: Vec<Pattern>,
    /// Requests per minute it should get.
    pub rpm: Option<u64>,
    /// Tokens per minute it should get.
    pub tpm: Option<u64>,
    /// Requests at a time.
    pub max_parallel: Option<u32>,
    /// Shut by the operator.
    pub blocked: bool,
    /// For whom it is kept; none where it is for everybody.
    pub reserved: Option<Box<Reserved>>,
    /// Groups by which keys may be given access.
    pub access_groups: Vec<String>,
    /// Free words of the operator's, such as `local` or `compliant`.
    pub labels: Vec<String>,
    /// The longest prompt, where the operator says.
    pub max_input_tokens: Option<u64>,
}

impl Traits {
    fn is_open(&self) -> bool {
        let Self { rpm, tpm, max_parallel, blocked, reserved, .. } = self;
        !blocked && reserved.is_none() && rpm.is_none() && tpm.is_none() && max_parallel.is_none()
    }
}

/// A regular expression that compares by its text.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// Tiers of service: a base slug never stands for their endpoints.
const TIERS: [&str; 2] = ["flex", "priority"];

/// What follows from a deployment's configuration and the catalog, worked out once.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The provider's names: the row's id first.
    pub slugs: Vec<String>,
    /// What stands behind the slash of the full slug.
    pub variant: Option<String>,
    /// Where it is.
    pub region: Option<String>,
    /// Whether it may train on what it is sent; not known counts as yes.
    pub trains: bool,
    /// Whether it keeps what it is sent; not known counts as yes.
    pub retains: bool,
    /// The price of a token of the prompt.
    pub input: Option<Rate>,
    /// The price of a token of the answer.
    pub output: Option<Rate>,
    /// The price of a token read from the cache.
    pub cache_read: Option<Rate>,
    /// The price of a request.
    pub request: Option<Rate>,
    /// The same of tokens and requests in whole pico-dollars, as nearly all prices are.
    pub pico: Option<Pico>,
    /// The price of an image read.
    pub image: Option<Rate>,
    /// The price of a token of sound read.
    pub audio: Option<Rate>,
    /// Whether nothing is said of it that may keep a request away: it is neither shut nor kept for anybody, and has no rates.
    pub open: bool,
    /// The price of a token of prompt and answer together, for comparing.
    pub both: Option<f64>,
    /// The longest prompt in tokens.
    pub max_input: Option<u64>,
    /// The longest answer in tokens.
    pub max_output: Option<u64>,
    /// Whether it is known to cost nothing, tools of the provider's and dearer tiers of service aside.
    pub free: bool,
    /// What markets call its model, where callers' own words name it.
    pub listed: Option<String>,
}

/// Prices in whole pico-dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pico {
    /// Of a token of the prompt.
    pub input: u64,
    /// Of a token of the answer.
    pub output: u64,
    /// Of a request.
    pub request: u64,
}

impl Pico {
    fn of(input: Option<Rate>, output: Option<Rate>, request: Option<Rate>) -> Option<Self> {
        let whole = |rate: Rate| rate.whole_pico();
        Some(Self { input: whole(input?)?, output: whole(output?)?, request: request.map_or(Some(0), whole)? })
    }
}

impl Facts {
    /// What follows from these.
    pub fn of(provider: &Provider, card: Option<&ModelCard>, traits: &Traits) -> Self {
        let price = |component| card.and_then(|card| card.prices.base(component));
        let (input, output, request) = (price(Component::Input), price(Component::Output), price(Component::Request));
        Self {
            slugs: provider.names().map(str::to_owned).collect(),
            variant: traits.variant.clone().or_else(|| traits.region.clone()),
            region: traits.region.clone(),
            trains: traits.trains.or(provider.trains).unwrap_or(!provider.local),
            retains: traits.retains.or(provider.retains).unwrap_or(!provider.local),
            input,
            output,
            cache_read: price(Component::CacheRead),
            request,
            open: traits.is_open() && !traits.variant.as_deref().is_some_and(|variant| TIERS.contains(&variant)),
            both: input.zip(output).map(|(input, output)| (input.raw() + output.raw()) as f64),
            pico: Pico::of(input, output, request),
            image: price(Component::InputImage),
            audio: price(Component::AudioInput),
            max_input: traits.max_input_tokens.or_else(|| card?.max_input_tokens),
            max_output: card.and_then(|card| card.max_output_tokens),
            free: input.is_some() && output.is_some() && card.is_some_and(|card| costs_nothing(&card.prices)),
            listed: None,
        }
    }

    /// Whether a provider's name in a request means it: the base slug means every region and variant but tiers of service, the full
    /// slug is exact.
    pub fn is_named(&self, name: &str) -> bool {
        let (base, variant) = name.split_once('/').map_or((name, None), |(base, variant)| (base, Some(variant)));
        if !self.slugs.iter().any(|slug| same(slug, base)) {
            return false;
        }
        match (variant, self.variant.as_deref()) {
            (None, _) => self.service_tier().is_none(),
            (Some(asked), Some(own)) => asked.eq_ignore_ascii_case(own),
            (Some(_), None) => false,
        }
    }

    /// The tier of service that it is for, where it is for one alone: `flex`, `priority`.
    pub fn service_tier(&self) -> Option<&str> {
        self.variant.as_deref().filter(|variant| TIERS.contains(variant))
    }

    /// Whether it is known to be in that region (`eu`, `us`, or a place as clouds name theirs).
    pub fn is_in(&self, region: &str) -> bool {
        self.region.as_deref().is_some_and(|place| region::is_in(place, region))
    }

    /// The same of a model that callers' own words name, by what markets call it.
    pub(super) fn listed_by(self, catalog: &Catalog, spec: &Spec) -> Self {
        Self { listed: spec.guessed.then(|| catalog.market_name(&spec.group)).flatten(), ..self }
    }
}

impl Deployment {
    /// The name by which OpenRouter's clients know its model.
    pub fn listed_name(&self) -> &str {
        self.facts.listed.as_deref().unwrap_or(&self.spec.group)
    }

    /// Whether it serves that operation, and its model is not known to be for another.
    pub(crate) fn is_for(&self, operation: Operation) -> bool {
        let meant = if operation == Operation::CountTokens { Operation::Chat } else { operation };
        let is_other = |card: &ModelCard| card.mode.is_some() && card.operation() != Some(meant);
        self.serves(operation) && !self.card.as_ref().is_some_and(is_other)
    }
}

fn costs_nothing(prices: &Prices) -> bool {
    prices.iter().all(|(key, rate)| rate == Rate::ZERO || key.component.is_tool() || key.service.is_dearer())
}

/// Whether two provider slugs are the same: people write them with hyphens, underscores and capitals.
fn same(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if matches!(byte, b'_' | b' ') { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain))
}
