//! What is paid otherwise than by the token: pictures, time, characters, queries.

use serde_json::value::RawValue;
use switchboard_wire::Operation;

use super::caps::Caps;
use super::said;
use crate::call::{Call, Content, amount};
use crate::catalog::Component;
use crate::deployment::Deployment;

/// Pixels of an image of which no size is said: the most that vendors make unless asked for more.
const PIXELS: u64 = 2_048 * 2_048;
/// The smallest image that is made, whatever is asked for.
const LEAST_PIXELS: u64 = 256 * 256;
/// Tokens of an image that a model draws in a chat: the largest takes 2,520, and it may say something beside.
const DRAWN: u64 = 4_096;
/// Pixels that a token of an image stands for, by the quality that is asked for; else, and where nothing is said, by the best.
const PIXELS_OF_TOKEN: [(&str, u64); 2] = [("low", 3_600), ("medium", 950)];
const FINEST: u64 = 240;
/// The largest image that such models make where no size is said, and the smallest there is.
const USUAL_PIXELS: u64 = 1_024 * 1_536;
const USUAL_LEAST: u64 = 1_024 * 1_024;
/// Tokens of each image that is shown before it is done.
const PARTIAL: u64 = 100;
/// Tokens of speech for a byte of its text: a second has 25, and whoever speaks slowly says ten letters in it.
const SPOKEN: u64 = 4;
const SPOKEN_AT_LEAST: u64 = 256;
/// Milliseconds of it.
const SPOKEN_TIME: u64 = 100;
/// Tokens of a transcription of which nothing is known.
const HEARD: u64 = 4_096;
/// What an answer takes that is paid by its time, in milliseconds, where its deployment does not end it before.
const TIME: u64 = 60_000;
/// Seconds of a film of which no length is said, and the words that say it.
const FILM: u64 = 12;
const LENGTHS: [&str; 4] = ["seconds", "duration", "duration_seconds", "durationSeconds"];
/// Pages of a document that is read.
const PAGES: u64 = 100;
/// Bytes of a document that a reranker takes as one: no more tokens than bytes.
const CHUNK: u64 = 510;
/// As many of them are one search.
const DOCUMENTS: u64 = 100;

/// What a call may take beside tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pieces {
    /// All of these.
    pub(super) all: Vec<(Component, u64)>,
    /// The dearest of these.
    pub(super) dearest: Vec<(Component, u64)>,
    /// Whether only where tokens have no price.
    pub(super) instead: bool,
}

impl Pieces {
    pub(super) fn of(call: &Call, target: &Deployment, caps: &Caps) -> Self {
        let bytes = call.body.len() as u64;
        let time = target.spec.timeout.map_or(TIME, |time| u64::try_from(time.as_millis()).unwrap_or(TIME).min(TIME));
        let of =
            |all: &[(Component, u64)], dearest: &[(Component, u64)]| Self { all: all.to_vec(), dearest: dearest.to_vec(), instead: false };
        let images = || {
            let size = pixels(call, target).unwrap_or(PIXELS).max(LEAST_PIXELS);
            [(Component::OutputImage, caps.choices()), (Component::OutputPixel, caps.choices().saturating_mul(size))]
        };
        match call.door.operation {
            Operation::CountTokens | Operation::Moderations => Self::default(),
            Operation::Chat | Operation::Compact | Operation::Embeddings => {
                let characters = [(Component::InputCharacter, bytes), (Component::OutputCharacter, bytes), (Component::InputImage, 1)];
                let times = [Component::HeldTime, Component::InputTime, Component::OutputTime, Component::InputAudioTime];
                let times = times.into_iter().chain([Component::InputVideoTime]).map(|component| (component, time));
                Self { all: characters.to_vec(), dearest: times.collect(), instead: true }
            }
            Operation::Rerank => of(&[(Component::Query, queries(call))], &[]),
            Operation::Speech => {
                let time = bytes.saturating_mul(SPOKEN_TIME);
                of(&[(Component::InputCharacter, bytes)], &[(Component::OutputTime, time), (Component::InputTime, bytes)])
            }
            Operation::Transcriptions | Operation::Translations => {
                // No sound is packed tighter than a thousand bytes a second.
                let times = [Component::InputTime, Component::OutputTime, Component::InputAudioTime].map(|component| (component, bytes));
                of(&[], &times)
            }
            Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations => of(&images(), &[]),
            Operation::PassThrough => {
                let film = caps.choices().saturating_mul(film(call)).saturating_mul(1_000);
                let times = [(Component::OutputVideoTime, film), (Component::OutputTime, film), (Component::InputTime, bytes)];
                let others =
                    [(Component::InputCharacter, bytes), (Component::Page, PAGES), (Component::Credit, PAGES), (Component::Query, 1)];
                of(&[&images()[..], &others].concat(), &times)
            }
        }
    }
}

/// Tokens of an image, of speech or of what was heard, where such are paid by the token.
pub(super) fn made(call: &Call, target: &Deployment, most: Option<u64>) -> u64 {
    let operation = call.door.operation;
    let drawn = matches!(operation, Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations);
    let in_chat = target.reach(operation, None, false).and_then(|reach| reach.shape.as_deref()) == Some("gemini");
    let is_priced = |component| target.card.as_ref().is_some_and(|card| card.prices.worst(component, 0, true).is_some());
    let tokens = match operation {
        Operation::Speech => (call.body.len() as u64).saturating_mul(SPOKEN).saturating_add(SPOKEN_AT_LEAST),
        Operation::Transcriptions | Operation::Translations => most.unwrap_or(HEARD),
        _ if drawn && in_chat => DRAWN,
        _ if drawn && !is_priced(Component::OutputImage) && !is_priced(Component::OutputPixel) => {
            let quality = said(call, target, "quality");
            let finest = PIXELS_OF_TOKEN.iter().find(|(name, _)| quality.as_ref().is_some_and(|quality| quality == name));
            let pixels = pixels(call, target).map_or(USUAL_PIXELS, |pixels| pixels.max(USUAL_LEAST));
            let partial = said(call, target, "partial_images").as_ref().and_then(amount).unwrap_or(0);
            pixels.div_ceil(finest.map_or(FINEST, |(_, pixels)| *pixels)).saturating_add(partial.saturating_mul(PARTIAL))
        }
        _ => 0,
    };
    tokens.min(most.unwrap_or(u64::MAX))
}

/// The pixels of one image as it is asked for, where its size is said.
fn pixels(call: &Call, target: &Deployment) -> Option<u64> {
    let size = said(call, target, "size")?;
    let (width, height) = size.as_str()?.split_once('x')?;
    width.trim().parse::<u64>().ok()?.checked_mul(height.trim().parse().ok()?)
}

/// Seconds of a film.
fn film(call: &Call) -> u64 {
    let parameters = call.fields("parameters").unwrap_or_default();
    let said = LENGTHS.iter().filter_map(|key| call.amount(key).max(parameters.get(*key).and_then(amount)));
    said.max().unwrap_or(FILM)
}

/// Searches as rerankers count them: one for each hundred documents, of which long ones are several.
fn queries(call: &Call) -> u64 {
    let Content::Json(outline) = &call.content else { return 1 };
    let length = |key: &str| outline.get(key).map_or(0, |entry| (entry.value.end - entry.value.start) as u64);
    let documents: Option<Vec<Box<RawValue>>> = outline.read(&call.body, "documents").ok().flatten();
    let chunks = |document: &RawValue| (document.get().len() as u64).div_ceil(CHUNK).max(1);
    let chunks = documents.iter().flatten().map(|document| chunks(document)).fold(0, u64::saturating_add);
    // The question is put to each of them.
    let each = length("query").div_ceil(CHUNK).max(1);
    chunks.saturating_mul(each).div_ceil(DOCUMENTS).max(1)
}
