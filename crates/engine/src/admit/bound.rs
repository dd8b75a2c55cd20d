//! What a call may cost at most, before it is sent.
//!
//! A prompt has no more tokens than bytes: that costs nothing to know, and where it fits in every budget nobody need know better.
//! Only where it does not is the prompt counted, with a vocabulary, and the count taken times 1.15. What cannot be seen in the
//! body (an answer of before that the provider keeps, the results of a search it makes) is taken for as long as the model reads.

mod caps;

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::de::IgnoredAny;
use switchboard_wire::chat::ChatRequest;
use switchboard_wire::{Dialect, Operation};

use self::caps::Caps;
use super::nano::NanoUsd;
use super::scope::Unit;
use super::state::Need;
use crate::call::{Call, Content, mentions};
use crate::catalog::{Component, PicoUsd, Prices, Rate};
use crate::deployment::Deployment;
use crate::operation::estimate::{media, tokens};
use crate::operation::pixels;

/// The frame that vendors put around messages and tools, beside the bytes.
const FRAME: u64 = 64;
/// Tokens of a picture, a page or a sound of which only the place is known.
const MEDIUM: u64 = 8_192;
/// Of a prompt nothing is known but that it fits in a model.
const UNSEEN: u64 = 1_000_000;
/// Searches of one answer.
const SEARCHES: u64 = 20;
/// Pixels of an image of which no size is said: the most that vendors make unless asked for more.
const PIXELS: u64 = 2_048 * 2_048;
/// What is taken from token limits for an answer of which nothing is said.
const PLAIN_ANSWER: u64 = 1_000;
/// Tokens of an image that a model draws in a chat: the largest takes 2,520, and it may say something beside.
const DRAWN: u64 = 4_096;
/// Pixels that a token of an image stands for, by the quality that is asked for; else, and where nothing is said, by the best.
const PIXELS_OF_TOKEN: [(&str, u64); 2] = [("low", 3_600), ("medium", 950)];
const FINEST: u64 = 240;
/// The largest image that such models make where no size is said.
const USUAL_PIXELS: u64 = 1_024 * 1_536;
/// Tokens of speech for a byte of its text: a second has 25, and whoever speaks slowly says ten letters in it.
const SPOKEN: u64 = 4;
const SPOKEN_AT_LEAST: u64 = 256;
/// A count by the vocabulary is taken times this many per cent.
const MARGIN_PERCENT: u64 = 115;

/// Fields of a body behind which stands more than their bytes.
const KEPT: [&str; 5] = ["previous_response_id", "conversation", "cachedContent", "cached_content", "container"];
/// Objects in which a model's own words may bound it, whatever they are.
const UNREAD: [&str; 3] = ["input", "parameters", "additionalModelRequestFields"];
/// Fields in which a search may be asked for.
const SEARCHING: [&str; 2] = ["web_search_options", "plugins"];
/// The words by which a tool that searches is known.
const SEARCH: [&str; 5] = ["web_search", "web_fetch", "googleSearch", "google_search", "file_search"];

static SEARCHES_FOR: LazyLock<[Finder<'static>; 5]> = LazyLock::new(|| SEARCH.map(Finder::new));

/// The most a call can take of each thing that has a price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of one answer; none where neither the caller nor the model has a limit.
    pub output: Option<u64>,
    /// Whether the caller said so.
    pub asked: bool,
    /// Answers.
    pub choices: u64,
    /// Whether the provider may search.
    searches: bool,
    /// Whether writes to a cache may be for an hour.
    long_cache: bool,
    /// Things that are no tokens.
    pieces: Vec<(Component, u64)>,
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
        let body = &call.body;
        let caps = Caps::of(call, target);
        let mentions = call.mentions();
        let has = |key: &str| matches!(&call.content, Content::Json(outline) if outline.get(key).is_some());
        let card = target.card.as_ref();
        let window = card.and_then(|card| card.max_input_tokens.or(card.max_tokens)).unwrap_or(UNSEEN);
        let searches = searches(call) || call.model.ends_with(":online");
        let bytes = body.len() as u64 + FRAME;
        let input = match () {
            () if searches || KEPT.into_iter().any(has) => window.max(bytes),
            () if mentions.references() => bytes.saturating_add(MEDIUM.saturating_mul(references(call))),
            () => bytes,
        };
        // Where the provider's own words for a bound are not known, the caller's other ones are none.
        let asked = caps.output().filter(|_| !call.laid.iter().any(|key| UNREAD.contains(&key.as_str())));
        // A model's own limit bounds what a caller asks for; more it would refuse or cut.
        let most = card.and_then(|card| card.max_output_tokens.or(card.max_tokens)).filter(|most| *most > 0);
        let output = match call.door.operation {
            Operation::Chat | Operation::Compact => asked.or(most),
            _ => Some(asked.unwrap_or_else(|| made(call, target, most))),
        };
        Self {
            input,
            output,
            asked: asked.is_some(),
            choices: caps.choices(),
            searches,
            long_cache: mentions.long_cache(),
            pieces: pieces(call, &caps),
            told: None,
            assumed: None,
        }
    }

    /// The same with the prompt counted. Takes as long as the prompt is long.
    #[must_use]
    pub fn counted(mut self, request: &ChatRequest) -> Self {
        if let Some(count) = tokens(request) {
            let tokens = count.saturating_mul(MARGIN_PERCENT).div_ceil(100).saturating_add(FRAME);
            let media = MEDIUM.saturating_mul(media(request));
            self.told = Some(self.input.min(count.saturating_add(media)));
            self.input = self.input.min(tokens.saturating_add(media));
        }
        self
    }

    /// The same with answers of at most so many tokens.
    #[must_use]
    pub fn within(mut self, output: u64) -> Self {
        self.output = Some(output);
        self
    }

    /// What it takes at those prices.
    pub fn need(&self, prices: Option<&Prices>) -> Need {
        let output = self.output.unwrap_or(UNSEEN);
        let money =
            prices.map_or(NanoUsd::ZERO, |prices| NanoUsd::from_pico(PicoUsd(self.fixed(prices).0 + self.answers(prices, output).0)));
        // Limits of tokens are corrected when the answer is known; a model's longest answer would block them for nothing.
        let counted = if self.asked { output } else { output.min(self.assumed.unwrap_or(PLAIN_ANSWER)) };
        Need {
            money,
            input: self.told.unwrap_or(self.input),
            output: counted.saturating_mul(self.choices),
            beside: false,
            free: prices.is_some() && money == NanoUsd::ZERO,
        }
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
        let left = PicoUsd(i128::from(money.0) * 1000 - self.fixed(prices).0);
        let tokens = answer_rate(prices, self.input)?.buys(left)?;
        Some(tokens / self.choices).filter(|tokens| *tokens > 0)
    }

    fn answers(&self, prices: &Prices, output: u64) -> PicoUsd {
        let tokens = output.saturating_mul(self.choices);
        answer_rate(prices, self.input).map_or(PicoUsd(0), |rate| rate.cost(Component::Output, tokens))
    }

    /// What everything but the answers costs.
    fn fixed(&self, prices: &Prices) -> PicoUsd {
        let mut parts = [
            Component::Input,
            Component::CacheRead,
            Component::CacheWrite,
            Component::AudioInput,
            Component::ImageInput,
            Component::VideoInput,
        ]
        .to_vec();
        if self.long_cache {
            parts.push(Component::CacheWriteHour);
        }
        let prompt = parts.into_iter().filter_map(|part| prices.worst(part, self.input)).max();
        let mut total = prompt.map_or(0, |rate| rate.cost(Component::Input, self.input).0);
        let mut add = |component: Component, quantity: u64| {
            total += prices.worst(component, self.input).map_or(0, |rate| rate.cost(component, quantity).0);
        };
        add(Component::Request, 1);
        if self.searches {
            let search = [Component::SearchHigh, Component::SearchMedium, Component::SearchLow, Component::MapsQuery];
            let dearest = search.into_iter().max_by_key(|search| prices.worst(*search, 0));
            add(dearest.unwrap_or(Component::SearchMedium), SEARCHES);
        }
        for (component, quantity) in &self.pieces {
            add(*component, *quantity);
        }
        PicoUsd(total)
    }
}

/// Tokens of an image, or of speech, where such are paid by the token.
fn made(call: &Call, target: &Deployment, most: Option<u64>) -> u64 {
    let operation = call.door.operation;
    let drawn = matches!(operation, Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations);
    let in_chat = target.reach(operation, None, false).and_then(|reach| reach.shape.as_deref()) == Some("gemini");
    let is_priced = |component| target.card.as_ref().is_some_and(|card| card.prices.worst(component, 0).is_some());
    let tokens = match operation {
        Operation::Speech if in_chat => (call.body.len() as u64).saturating_mul(SPOKEN).saturating_add(SPOKEN_AT_LEAST),
        _ if drawn && in_chat => DRAWN,
        _ if drawn && !is_priced(Component::OutputImage) && !is_priced(Component::OutputPixel) => {
            let quality = call.value("quality");
            let finest = PIXELS_OF_TOKEN.iter().find(|(name, _)| quality.as_ref().is_some_and(|quality| quality == name));
            pixels(call).unwrap_or(USUAL_PIXELS).div_ceil(finest.map_or(FINEST, |(_, pixels)| *pixels))
        }
        _ => 0,
    };
    tokens.min(most.unwrap_or(u64::MAX))
}

/// The dearest thing an answer may be made of.
fn answer_rate(prices: &Prices, prompt: u64) -> Option<Rate> {
    let parts = [Component::Output, Component::Reasoning, Component::AudioOutput, Component::ImageOutput];
    parts.into_iter().filter_map(|part| prices.worst(part, prompt)).max()
}

/// How many things a body points at.
fn references(call: &Call) -> u64 {
    mentions::references(&call.body.join())
}

/// Whether the provider may be asked to search.
fn searches(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let named = |word: &[u8]| SEARCHES_FOR.iter().any(|search| search.find(word).is_some());
    let tools = || outline.get("tools").is_some_and(|entry| named(&call.body.slice(entry.value.start, entry.value.end)));
    SEARCHING.into_iter().any(|key| outline.get(key).is_some()) || tools()
}

/// What an operation that is no chat takes beside tokens.
fn pieces(call: &Call, caps: &Caps) -> Vec<(Component, u64)> {
    let bytes = call.body.len() as u64;
    match call.door.operation {
        Operation::Chat | Operation::Compact | Operation::Embeddings | Operation::CountTokens | Operation::Moderations => Vec::new(),
        Operation::Rerank => vec![(Component::Query, documents(call).div_ceil(100).max(1))],
        _ => vec![
            (Component::OutputImage, caps.choices()),
            (Component::OutputPixel, caps.choices().saturating_mul(pixels(call).unwrap_or(PIXELS))),
            (Component::InputCharacter, bytes),
            // No sound is packed tighter than a thousand bytes a second.
            (Component::InputTime, bytes),
        ],
    }
}

/// Providers count a search of up to a hundred documents as one.
fn documents(call: &Call) -> u64 {
    let Content::Json(outline) = &call.content else { return 1 };
    let documents: Option<Vec<IgnoredAny>> = outline.read(&call.body, "documents").ok().flatten();
    documents.map_or(1, |documents| documents.len() as u64)
}

/// The body's field that bounds an answer, in a dialect where it stands at the top.
pub fn cap_key(dialect: Dialect, newer: bool) -> Option<&'static str> {
    match dialect {
        Dialect::OpenAiChat if newer => Some("max_completion_tokens"),
        Dialect::OpenAiChat | Dialect::OpenAiCompletions | Dialect::Anthropic | Dialect::Cohere => Some("max_tokens"),
        Dialect::OpenAiResponses => Some("max_output_tokens"),
        Dialect::Gemini | Dialect::Bedrock | Dialect::Ollama | Dialect::Replicate => None,
    }
}

#[cfg(test)]
mod tests;
