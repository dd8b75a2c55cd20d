//! What a call may cost at most, before it is sent.
//!
//! A prompt has no more tokens than bytes: that costs nothing to know, and where it fits in every budget nobody need know better.
//! Only where it does not is the prompt counted, with a vocabulary, and the count taken times 1.15. What cannot be seen in the
//! body stays on top of that: an answer of before that the provider keeps may be as long as the model reads, and each use of a tool
//! that the provider runs brings something in.

mod cap;
mod caps;
mod counted;
mod hosted;
mod longest;
mod pieces;
mod seen;

use serde_json::Value;
use switchboard_wire::chat::ChatRequest;
use switchboard_wire::{Dialect, Operation};

use self::caps::Caps;
use self::hosted::Hosted;
pub(crate) use self::longest::longest;
use self::pieces::{Pieces, made};
use self::seen::Seen;
use crate::book::Need;
use crate::call::{Call, Content, mentions};
use crate::catalog::price::PriceKey;
use crate::catalog::{Component, PicoUsd, Prices, Rate, Share};
use crate::deployment::Deployment;
use crate::estimate::tokens;
use crate::tariff::Tariff;
use crate::terms::{NanoUsd, Unit};

pub use self::cap::{CapKey, cap_key};
pub(crate) use self::counted::counted;

/// The frame that vendors put around messages and tools, beside the bytes.
const FRAME: u64 = 64;
/// Of a prompt nothing is known but that it fits in a model.
const UNSEEN: u64 = 1_000_000;
/// What is taken from token limits for an answer of which nothing is said.
const PLAIN_ANSWER: u64 = 1_000;
/// Tokens of an answer of which no more is known than that it costs something.
const SOME_ANSWER: u64 = 8_192;
/// Searches and thoughts of a model that goes through sources.
const RESEARCHED: u64 = 30;
const PONDERED: u64 = 200_000;
/// A count by the vocabulary is taken times this many per cent.
const MARGIN_PERCENT: u64 = 115;
/// In parts of which factors on prices are told.
const WHOLE: i128 = 1_000_000_000;

/// Fields of a body behind which stands more than their bytes.
const KEPT: [&str; 4] = ["previous_response_id", "conversation", "cachedContent", "cached_content"];
/// Objects in which a model's own words may bound it, whatever they are.
const UNREAD: [&str; 3] = ["input", "parameters", "additionalModelRequestFields"];
/// The usual terms of service, and cheaper ones, as callers name them.
const PLAIN_TERMS: [&str; 5] = ["default", "standard", "standard_only", "on_demand", "flex"];

/// The most a call can take of each thing that has a price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of one answer; none where neither the caller nor the model has a limit.
    pub output: Option<u64>,
    /// Whether the caller said so.
    pub asked: bool,
    /// Whether the answer may be bounded where the caller did not.
    pub settable: bool,
    /// Answers.
    pub choices: u64,
    /// The longest prompt that the model reads.
    window: u64,
    /// Whether the provider keeps a part of the prompt, of which nothing is known but that it fits.
    kept: bool,
    /// What the provider's own tools do.
    hosted: Hosted,
    /// How often more than once the prompt is read, and answered: where the provider may make it shorter first.
    again: u64,
    /// Whether writes to a cache may be for an hour.
    long_cache: bool,
    /// Whether terms may be served that are dearer than the usual ones.
    tiers: bool,
    /// How many times as dear it may be under some condition.
    factors: Vec<Share>,
    /// Things that are no tokens.
    pieces: Pieces,
    /// Thoughts beyond what an answer is bounded at.
    pondered: u64,
    /// Tokens of the prompt as limits count them, without what money is held for besides; none before it was counted.
    told: Option<u64>,
    /// The answer that limits take where the caller gives no bound, when that is less than the plain one.
    assumed: Option<u64>,
}

impl Bound {
    /// What can be said of a call at that target without reading its prompt.
    pub fn of(call: &Call, target: &Deployment) -> Self {
        // Whoever asks how long a prompt is, uses none of it.
        if call.door.operation == Operation::CountTokens {
            return Self { output: Some(0), asked: true, choices: 1, ..Self::default() };
        }
        let caps = Caps::of(call, target);
        let card = target.card.as_ref();
        let window = card.and_then(|card| card.max_input_tokens.or(card.max_tokens)).filter(|window| *window > 0).unwrap_or(UNSEEN);
        let is_kept = is_kept(call);
        let (seen, long_cache) = in_bytes(call, window);
        let hosted = if target.searches { Hosted::of(call, target).searching(searches(target)) } else { Hosted::of(call, target) };
        let looked_up = |count: u64| Tariff::listed(card).looked_up(count);
        let (searches, maps) = (looked_up(hosted.searches), looked_up(hosted.maps));
        let hosted = Hosted { brought: hosted.brought.min(window), searches, maps, ..hosted };
        let bytes = seen::of_form(call).unwrap_or(call.body.len() as u64).saturating_add(FRAME);
        // Where the provider's own words for a bound are not known, the caller's other ones are none.
        let is_models = |key: &str| target.chat.iter().any(|spoken| spoken.outbound().is_some_and(|api| api.below(key).is_some()));
        let asked = caps.output().filter(|_| !call.laid.iter().any(|key| UNREAD.contains(&key.as_str()) || is_models(key)));
        // A model's own limit bounds what a caller asks for; more it would refuse or cut.
        let most = card.and_then(|card| card.max_output_tokens.or(card.max_tokens)).filter(|most| *most > 0);
        let output = match call.door.operation {
            Operation::Chat | Operation::Compact => asked.or(most),
            _ => Some(asked.unwrap_or_else(|| made(call, target, most))),
        };
        let whole = if is_kept || seen.endless { window } else { 0 };
        let again = u64::from(may_be_shortened(call, target));
        Self {
            input: bytes.saturating_add(seen.tokens).max(whole).saturating_mul(1 + again).saturating_add(hosted.brought),
            output,
            asked: asked.is_some(),
            settable: asked.is_none() && !caps.says_none(),
            choices: caps.choices().saturating_add(again),
            again,
            window,
            kept: is_kept,
            hosted,
            long_cache,
            tiers: has_tiers(call, target),
            factors: factors(call, target),
            pieces: Pieces::of(call, target, &caps),
            pondered: if goes_through_sources(target) { PONDERED } else { 0 },
            told: None,
            assumed: None,
        }
    }

    /// The same with the prompt counted. Takes as long as the prompt is long.
    #[must_use]
    pub fn counted(mut self, request: &ChatRequest) -> Self {
        if let Some(count) = tokens(request) {
            let tokens = count.saturating_mul(MARGIN_PERCENT).div_ceil(100).saturating_add(FRAME);
            let seen = Seen::of(request);
            self.told = Some(self.input.min(count.saturating_add(seen.tokens).saturating_mul(1 + self.again)));
            let whole = if self.kept || seen.endless { self.window } else { 0 };
            let read = tokens.saturating_add(seen.tokens).max(whole).saturating_mul(1 + self.again);
            self.input = self.input.min(read.saturating_add(self.hosted.brought));
        }
        self
    }

    /// The same with answers of at most so many tokens.
    #[must_use]
    pub fn within(mut self, output: u64) -> Self {
        self.output = Some(output);
        self
    }

    /// Tokens of the prompt and of all answers.
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output.unwrap_or(SOME_ANSWER).saturating_mul(self.choices))
    }

    /// What it takes at those prices.
    pub fn need(&self, prices: Option<&Prices>) -> Need {
        let output = self.output.unwrap_or(UNSEEN);
        let money = prices.map_or(NanoUsd::ZERO, |prices| {
            NanoUsd::from_pico(PicoUsd(self.fixed(prices).0.saturating_add(self.scaled(self.answers(prices, output).0))))
        });
        // Limits of tokens are corrected when the answer is known; a model's longest answer would block them for nothing.
        let counted = if self.asked { output } else { output.min(self.assumed.unwrap_or(PLAIN_ANSWER)) };
        Need {
            money,
            input: self.told.unwrap_or(self.input),
            output: counted.saturating_mul(self.choices),
            beside: false,
            free: money == NanoUsd::ZERO && prices.is_some_and(|prices| self.is_free(prices)),
        }
    }

    /// Whether nothing has a price that it could take. Tools have one wherever they can be asked for.
    fn is_free(&self, prices: &Prices) -> bool {
        let matters = |component: Component| self.hosted.is_paid() || !component.is_tool();
        let met = |key: &PriceKey| self.tiers || !key.service.is_dearer();
        prices.iter().all(|(key, rate)| rate == Rate::ZERO || !matters(key.component) || !met(key))
    }

    /// The same with no longer answers than a limit of tokens has room for, where the caller gave them no bound; none where it did, or
    /// where there is no room for the shortest.
    pub fn assuming(&self, unit: Unit, remaining: u64, shortest: u64) -> Option<Self> {
        let left = match unit {
            Unit::Tokens => remaining.checked_sub(self.told.unwrap_or(self.input))?,
            Unit::OutputTokens => remaining,
            Unit::Requests | Unit::Parallel | Unit::InputTokens => return None,
        };
        let each = Some(left / self.choices).filter(|each| !self.asked && *each >= shortest)?;
        Some(Self { assumed: Some(each), ..self.clone() })
    }

    /// How long each answer may be for that much money; none where answers cost nothing, or nothing is left for them.
    pub fn affordable(&self, prices: &Prices, money: NanoUsd) -> Option<u64> {
        let left = i128::from(money.0) * 1000 - self.fixed(prices).0;
        let left = self.factors.iter().fold(left, |left, factor| left.saturating_mul(WHOLE).div_euclid(dearer(*factor)));
        let tokens = self.answer_rate(prices)?.buys(PicoUsd(left))?;
        Some(tokens / self.choices).filter(|tokens| *tokens > 0)
    }

    fn answers(&self, prices: &Prices, output: u64) -> PicoUsd {
        let tokens = output.saturating_mul(self.choices);
        self.answer_rate(prices).map_or(PicoUsd(0), |rate| rate.cost(Component::Output, tokens))
    }

    /// The dearest thing an answer may be made of.
    fn answer_rate(&self, prices: &Prices) -> Option<Rate> {
        let parts = [Component::Output, Component::Reasoning, Component::AudioOutput, Component::ImageOutput];
        parts.into_iter().filter_map(|part| self.worst(prices, part)).max()
    }

    fn worst(&self, prices: &Prices, component: Component) -> Option<Rate> {
        prices.worst(component, self.input, self.tiers)
    }

    fn scaled(&self, pico: i128) -> i128 {
        let times = |pico: i128, factor: &Share| (pico.saturating_mul(dearer(*factor)).saturating_add(WHOLE - 1)).div_euclid(WHOLE);
        self.factors.iter().fold(pico, times)
    }

    /// What everything but the answers costs.
    fn fixed(&self, prices: &Prices) -> PicoUsd {
        use Component as C;
        let parts = [C::Input, C::CacheRead, C::CacheWrite, C::AudioInput, C::ImageInput, C::VideoInput];
        let hour = self.long_cache.then_some(C::CacheWriteHour);
        let prompt = parts.into_iter().chain(hour).filter_map(|part| self.worst(prices, part)).max();
        let prompt = prompt.map_or(0, |rate| rate.cost(C::Input, self.input).0);
        let cost = |component: C, quantity: u64| self.worst(prices, component).map_or(0, |rate| rate.cost(component, quantity).0);
        let beside = prompt
            .saturating_add(cost(C::Request, 1))
            .saturating_add(cost(C::Reasoning, self.pondered))
            .saturating_add(self.beside(prices));
        PicoUsd(self.scaled(beside).saturating_add(self.hosted.cost(self.input, cost)))
    }

    /// What things cost that are no tokens.
    fn beside(&self, prices: &Prices) -> i128 {
        if self.pieces.instead && prices.base(Component::Input).is_some() {
            return 0;
        }
        let cost =
            |(component, quantity): &(Component, u64)| self.worst(prices, *component).map_or(0, |rate| rate.cost(*component, *quantity).0);
        let all = self.pieces.all.iter().map(cost).fold(0, i128::saturating_add);
        all.saturating_add(self.pieces.dearest.iter().map(cost).max().unwrap_or(0))
    }
}

/// A factor, where it makes a call dearer.
fn dearer(factor: Share) -> i128 {
    i128::from(factor.billionths()).max(WHOLE)
}

/// Searches of a model that makes some in any case. What is paid for its sources goes through many.
fn searches(target: &Deployment) -> u64 {
    if goes_through_sources(target) { RESEARCHED } else { 1 }
}

fn goes_through_sources(target: &Deployment) -> bool {
    target.card.as_ref().is_some_and(|card| card.prices.base(Component::Citation).is_some())
}

/// What is sent under that key: what the deployment sets, else what the caller says, else what the deployment adds.
fn said(call: &Call, target: &Deployment, key: &str) -> Option<Value> {
    let of = |list: &[(String, String)]| {
        let (_, json) = list.iter().find(|(name, _)| name == key)?;
        serde_json::from_str::<Value>(json).ok()
    };
    of(&target.spec.set).or_else(|| call.value(key)).or_else(|| of(&target.spec.defaults)).filter(|value| !value.is_null())
}

/// Whether the provider may make a long prompt shorter before it answers.
fn may_be_shortened(call: &Call, target: &Deployment) -> bool {
    said(call, target, "context_management").is_some_and(|said| said.to_string().contains("compact"))
}

/// Whether there is more to the prompt, which the provider keeps.
fn is_kept(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let has = |key: &str| outline.get(key).is_some_and(|entry| call.body.slice(entry.value.start, entry.value.end).as_ref() != b"null");
    // In one dialect a prompt is a list of texts, in another it names one that is kept.
    KEPT.into_iter().any(has) || call.door.dialect == Dialect::OpenAiResponses && has("prompt")
}

/// What the words of the body say of media, and whether of a cache that is kept for an hour. A body of more bytes than the model reads
/// is held for as it is.
fn in_bytes(call: &Call, window: u64) -> (Seen, bool) {
    let Content::Json(_) = &call.content else { return (Seen::default(), false) };
    // Letters may be written as numbers.
    let written = call.mentions();
    let plain = written.escaped().then(|| mentions::plain(&call.body.join())).flatten();
    let mentions = plain.as_ref().map_or(written, |plain| mentions::Mentions::of(&plain.clone().into()));
    let matters = (call.body.len() as u64) < window && (mentions.media() || mentions.references());
    let seen = if matters { Seen::in_bytes(&plain.unwrap_or_else(|| call.body.join())) } else { Seen::default() };
    (seen, mentions.long_cache())
}

/// Whether dearer terms than the usual ones may be served. Where nobody asks for any, some accounts have them all the same.
fn has_tiers(call: &Call, target: &Deployment) -> bool {
    let by_header = || call.headers.keys().any(|name| name.as_str().ends_with("-request-type"));
    let of_account = || {
        let spoken = target.dialect_for(call.door.dialect).unwrap_or(call.door.dialect);
        !matches!(spoken, Dialect::Gemini | Dialect::Bedrock | Dialect::Anthropic)
    };
    match said(call, target, "service_tier").or_else(|| said(call, target, "serviceTier")) {
        Some(Value::String(tier)) => !PLAIN_TERMS.contains(&tier.as_str()),
        Some(_) => true,
        None => by_header() || of_account(),
    }
}

/// The factors on prices that may be met: where an answer is made, an account may say; how fast, the call does.
fn factors(call: &Call, target: &Deployment) -> Vec<Share> {
    let is_fast = || said(call, target, "speed").is_some_and(|speed| speed != "standard");
    let met = |name: &str| name == "us" || name == "fast" && is_fast();
    let card = target.card.iter().flat_map(|card| &card.factors);
    card.filter(|(name, _)| met(name)).filter_map(|(_, factor)| Share::parse(factor)).collect()
}

#[cfg(test)]
mod tests;
