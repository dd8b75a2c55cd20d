//! What an attempt is taken to use where nobody tells: as far as its request says it.
//!
//! These are guesses at what a provider will bill, not bounds: a call is held for more ([`Bound`](crate::admit::Bound)), and what is
//! charged by them is marked as estimated.

use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::Value;
use switchboard_wire::half::Thinking;
use switchboard_wire::reply::Usage;
use switchboard_wire::seal::ANTHROPIC;
use switchboard_wire::{Operation, multipart};

use super::{Meter, Outcome};
use crate::admit::longest;
use crate::call::{Call, Content};
use crate::catalog::{Component, sized};
use crate::clock;
use crate::deployment::Deployment;
use crate::strict::THOUGHTS;

/// Tokens that a model thinks in a second, of whose thoughts nothing is shown: more than most, and no more than was waited for.
const THOUGHTS_A_SECOND: u64 = 200;
/// Pixels of an image of which no size is said.
const SQUARE: u64 = 1_024 * 1_024;
/// No image is smaller.
const SMALLEST: u64 = 256 * 256;
/// Tokens of a square image by the quality that is asked for; else of the best.
const TOKENS_OF_SQUARE: [(&str, u64); 2] = [("low", 272), ("medium", 1_056)];
const BEST: u64 = 4_160;
/// Tokens of the pictures that an image is made from, at most.
const DRAWN_FROM: u64 = 4_096;
/// Letters that are spoken in a second, and tokens of the sound of it.
const LETTERS_A_SECOND: u64 = 15;
const SPOKEN_A_SECOND: u64 = 25;
/// Bytes of a second of sound as most send it, and its tokens.
const BYTES_A_SECOND: u64 = 16_000;
const HEARD_A_SECOND: u64 = 10;
/// Providers count a search of up to so many documents as one.
const DOCUMENTS_OF_QUERY: u64 = 100;
/// In these words a call says that its model is not to think.
const UNTHINKING: [&[u8]; 3] = [b"\"none\"", b"\"disabled\"", b"false"];
/// Where a model's own words stand in Bedrock's form.
const OWN_WORDS: &str = "additionalModelRequestFields";

/// What an attempt is taken to use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    kind: Kind,
    /// What is no token.
    pieces: Vec<(Component, u64)>,
    /// Tokens of the prompt, where its bytes tell nothing of them.
    input: Option<u64>,
    /// Tokens of what is made, where that is no text.
    output: u64,
    thoughts: Option<Thoughts>,
    /// The kind of image, or the model that draws it for another one, as price lists name it.
    drawn: Option<String>,
    /// Whether code runs in a container that was there before.
    contained: bool,
}

/// What the answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    Text,
    /// What was heard, as text.
    Heard,
    Images,
    Speech,
    /// A count, which costs nothing.
    Count,
}

/// Thoughts that are not shown.
#[derive(Clone, Copy, Debug)]
struct Thoughts {
    /// Tokens of the answer at most.
    most: u64,
    /// Answers that are thought of at a time.
    at_once: u64,
}

impl Expected {
    /// What that call says of itself, for that target.
    pub(crate) fn of(call: &Call, target: &Deployment) -> Self {
        match call.door.operation {
            Operation::Chat => {
                let (drawn, contained) = tools(call, target).unwrap_or_default();
                Self { kind: Kind::Text, thoughts: thoughts(call, target), drawn, contained, ..Self::default() }
            }
            Operation::CountTokens => Self { kind: Kind::Count, ..Self::default() },
            Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations => Self::images(call),
            Operation::Speech => Self::speech(call),
            Operation::Transcriptions | Operation::Translations => Self::heard(call),
            Operation::Rerank => Self::query(call),
            Operation::Embeddings => Self { pieces: characters(call, target), ..Self::default() },
            _ => Self::default(),
        }
    }

    fn images(call: &Call) -> Self {
        let (count, pixels) = (call.amount("n").unwrap_or(1).max(1), image_pixels(call));
        let quality = call.value("quality");
        let best = TOKENS_OF_SQUARE.iter().find(|(name, _)| quality.as_ref().is_some_and(|quality| quality == name));
        let tokens = best.map_or(BEST, |(_, tokens)| *tokens).saturating_mul(pixels).div_ceil(SQUARE);
        let is_form = matches!(call.content, Content::Form(_));
        Self {
            kind: Kind::Images,
            pieces: vec![(Component::OutputImage, count), (Component::OutputPixel, count.saturating_mul(pixels))],
            input: is_form.then_some(DRAWN_FROM),
            output: tokens.saturating_mul(count),
            thoughts: None,
            drawn: Some(sized::kind(quality.as_ref().and_then(Value::as_str), call.value("size").as_ref().and_then(Value::as_str))),
            contained: false,
        }
    }

    fn speech(call: &Call) -> Self {
        let letters = call.text("input").map_or(0, |text| text.chars().count() as u64);
        Self {
            kind: Kind::Speech,
            pieces: vec![
                (Component::InputCharacter, letters),
                (Component::OutputTime, letters.saturating_mul(1_000).div_ceil(LETTERS_A_SECOND)),
            ],
            output: letters.saturating_mul(SPOKEN_A_SECOND).div_ceil(LETTERS_A_SECOND),
            ..Self::default()
        }
    }

    fn heard(call: &Call) -> Self {
        let millis = (call.body.len() as u64).saturating_mul(1_000).div_ceil(BYTES_A_SECOND);
        let input = millis.saturating_mul(HEARD_A_SECOND).div_ceil(1_000);
        Self { kind: Kind::Heard, pieces: vec![(Component::InputAudioTime, millis)], input: Some(input), ..Self::default() }
    }

    fn query(call: &Call) -> Self {
        let Content::Json(outline) = &call.content else { return Self::default() };
        let documents: Option<Vec<IgnoredAny>> = outline.read(&call.body, "documents").ok().flatten();
        let documents = documents.map_or(1, |documents| documents.len() as u64);
        Self { pieces: vec![(Component::Query, documents.div_ceil(DOCUMENTS_OF_QUERY).max(1))], ..Self::default() }
    }

    /// The kind of what is drawn, as price lists name it.
    pub(super) fn drawn(&self) -> Option<&str> {
        self.drawn.as_deref()
    }

    /// Whether such a call costs nothing.
    pub(super) fn is_free(&self) -> bool {
        self.kind == Kind::Count
    }

    /// Whether anything is expected that is no token.
    pub(super) fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// What was counted, and what is expected of the rest: of the answer only where there may be one.
    pub(super) fn beside(&self, counted: &[(Component, u64)], answered: bool) -> Vec<(Component, u64)> {
        let is_counted = |component: Component| counted.iter().any(|(known, _)| *known == component);
        let of_answer = |component| matches!(component, Component::OutputImage | Component::OutputPixel | Component::OutputTime);
        let rest = self.pieces.iter().filter(|(component, _)| !is_counted(*component) && (answered || !of_answer(*component)));
        counted.iter().chain(rest).copied().collect()
    }

    /// Tokens of the prompt, where those are by guess which its bytes make.
    pub(super) fn input(&self, prompt: u64) -> u64 {
        self.input.map_or(prompt, |input| input.min(prompt))
    }

    /// Tokens of what is made, where that is no text.
    pub(super) fn output(&self) -> u64 {
        self.output
    }

    /// The same usage, with what it is made of where that is known by what was asked for.
    pub(super) fn made_of(&self, usage: Usage) -> Usage {
        match self.kind {
            Kind::Images if usage.output_image.is_none() => Usage { output_image: usage.output, ..usage },
            Kind::Speech if usage.output_audio.is_none() => Usage { output_audio: usage.output, ..usage },
            Kind::Heard if usage.input_audio.is_none() => Usage { input_audio: usage.input, ..usage },
            _ => usage,
        }
    }

    /// What is paid of a report: a container that was there before has been.
    pub(super) fn paid_of(&self, usage: Usage) -> Usage {
        if self.contained { Usage { code_sessions: None, ..usage } } else { usage }
    }

    /// Whether what passes unread is text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Heard)
    }

    /// What one image counts for, where images are made.
    pub(super) fn image(&self) -> Option<[(Component, u64); 2]> {
        let of = |wanted| self.pieces.iter().find(|(component, _)| *component == wanted).map(|(_, count)| *count);
        let (images, pixels) = (of(Component::OutputImage)?, of(Component::OutputPixel)?);
        Some([(Component::OutputImage, 1), (Component::OutputPixel, pixels / images.max(1))])
    }

    fn thoughts_in(&self, time: Duration) -> u64 {
        let Some(Thoughts { most, at_once }) = self.thoughts else { return 0 };
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        millis.saturating_mul(THOUGHTS_A_SECOND.saturating_mul(at_once)).div_ceil(1_000).min(most)
    }
}

impl Meter {
    /// Tokens of thoughts that nobody saw, of an attempt whose client leaves now: before the first content there was time for them.
    pub(super) fn thoughts(&self) -> u64 {
        let (Some(record), Some(ticket)) = (self.0.record.as_deref(), &self.0.ticket) else { return 0 };
        if record.outcome != Outcome::Cancelled {
            return 0;
        }
        let until = record.first_content.map_or_else(clock::now, |first| self.0.received + first);
        self.0.expected.thoughts_in(until.saturating_duration_since(ticket.began()))
    }

    /// Whether the model of the attempt under way may have thought what it does not show.
    pub(crate) fn may_think(&self) -> bool {
        self.0.expected.thoughts.is_some()
    }
}

/// The pixels of one image as it was asked for, where its size was said.
fn pixels(call: &Call) -> Option<u64> {
    let size = match &call.content {
        Content::Json(_) => call.text("size")?,
        Content::Form(kind) => multipart::field(&call.body, kind, "size").ok()??,
    };
    let (width, height) = size.split_once('x')?;
    width.trim().parse::<u64>().ok()?.checked_mul(height.trim().parse().ok()?)
}

/// Pixels of an image of that call, of the usual size where it says none.
pub(crate) fn image_pixels(call: &Call) -> u64 {
    pixels(call).unwrap_or(SQUARE).max(SMALLEST)
}

/// The thoughts of a model that thinks, unless the call forbids it. Those of Anthropic's that need not, think where they are told to.
fn thoughts(call: &Call, target: &Deployment) -> Option<Thoughts> {
    let reasons = || target.card.as_ref().is_some_and(|card| card.supports.iter().any(|ability| ability == "reasoning"));
    let may = match target.profile.thinking {
        Some(Thinking::Never) => false,
        Some(Thinking::Effort | Thinking::Budget | Thinking::Adaptive) => true,
        None => reasons(),
    };
    let Content::Json(outline) = &call.content else { return None };
    let is_anthropics = target.profile.vendor.as_deref() == Some(ANTHROPIC);
    let mut asked = target.profile.ways.map_or(!is_anthropics, |ways| !ways.off);
    for key in THOUGHTS.into_iter().chain([OWN_WORDS]).filter(|_| may) {
        let Some(entry) = outline.get(key) else { continue };
        let said = call.body.slice(entry.value.start, entry.value.end);
        let says = |word: &[u8]| memchr::memmem::find(said.as_ref(), word).is_some();
        if key != OWN_WORDS && UNTHINKING.into_iter().any(says) {
            return None;
        }
        asked |= key != OWN_WORDS || says(b"thinking");
    }
    (may && asked).then(|| {
        let (most, at_once) = longest(call, target);
        Thoughts { most: most.unwrap_or(u64::MAX), at_once }
    })
}

/// Of tools that the provider runs: the model that draws, and whether the container is named in which code runs.
fn tools(call: &Call, target: &Deployment) -> Option<(Option<String>, bool)> {
    let prices = &target.card.as_ref()?.prices;
    [Component::DrawingOutput, Component::CodeSession].into_iter().find_map(|tool| prices.base(tool))?;
    let Content::Json(outline) = &call.content else { return None };
    let entry = outline.get("tools")?;
    let said = call.body.slice(entry.value.start, entry.value.end);
    [&b"image_generation"[..], b"code_interpreter"].into_iter().find_map(|kind| memchr::memmem::find(&said, kind))?;
    let tools: Vec<Value> = serde_json::from_slice(&said).ok()?;
    let of =
        |kind: &str, key: &str| tools.iter().filter(|tool| tool["type"] == kind).find_map(|tool| tool[key].as_str()).map(str::to_owned);
    Some((of("image_generation", "model"), of("code_interpreter", "container").is_some()))
}

/// The characters of what is embedded, where that is what it costs.
fn characters(call: &Call, target: &Deployment) -> Vec<(Component, u64)> {
    let prices = target.card.as_ref().map(|card| &card.prices);
    let is_priced = |component| prices.is_some_and(|prices| prices.base(component).is_some());
    if !is_priced(Component::InputCharacter) || is_priced(Component::Input) {
        return Vec::new();
    }
    let characters = match call.value("input") {
        Some(Value::String(text)) => text.chars().count(),
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(|text| text.chars().count()).sum(),
        _ => call.body.len(),
    };
    vec![(Component::InputCharacter, characters as u64)]
}
