//! What is known of what an answer took that is no chat in a format of ours: by its provider's own form, else by what was asked for.

use http::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use switchboard_wire::reply::Usage;
use switchboard_wire::usage::{Spent, of_answer};
use switchboard_wire::{Operation, embed, images, multipart, rerank};

use crate::call::{Call, Content, Door};
use crate::catalog::{Component, JOB};
use crate::meter::Meter;

/// The form of an answer that says how many pages were read.
const PAGES: &str = "pages";
/// The form of a request for a film, which is made later.
const FILM: &str = "video";
/// The words that say how long a film is to be, and how many there are.
const LENGTHS: [&str; 4] = ["seconds", "durationSeconds", "duration_seconds", "duration"];
const COUNTS: [&str; 3] = ["sampleCount", "numberOfVideos", "n"];
/// Seconds of a film of which no length is said: as the makers of most have it.
const USUAL: u64 = 8;

/// Whether an answer that passes as it is says what it took.
pub(super) fn is_read(door: &Door) -> bool {
    [PAGES, JOB].contains(&door.shape)
}

/// Counts what is paid by what was asked for.
pub(super) fn asked(meter: &mut Meter, call: &Call) {
    match (call.door.operation, call.door.shape) {
        (Operation::Speech, _) => {
            let characters = call.text("input").map(|text| text.chars().count() as u64);
            characters.into_iter().for_each(|count| meter.count(Component::InputCharacter, count));
        }
        (Operation::PassThrough, FILM) => {
            let said = |names: &[&str]| names.iter().filter_map(|name| number(call, name)).max();
            let seconds = said(&LENGTHS).unwrap_or(USUAL).saturating_mul(said(&COUNTS).unwrap_or(1).max(1));
            meter.count(Component::OutputVideoTime, seconds.saturating_mul(1_000));
        }
        _ => {}
    }
}

/// A number of the request, at its top or within, as a number or as a text.
fn number(call: &Call, name: &str) -> Option<u64> {
    let value = match &call.content {
        Content::Json(_) => find(&serde_json::from_slice(&call.body.join()).ok()?, name)?,
        Content::Form(kind) => Value::String(multipart::field(&call.body, kind, name).ok()??),
    };
    let number = value.as_f64().or_else(|| value.as_str()?.trim().trim_end_matches('s').parse().ok())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be small and no less than zero")]
    (0.0..1e9).contains(&number).then(|| number.ceil() as u64)
}

fn find(value: &Value, name: &str) -> Option<Value> {
    let Value::Object(fields) = value else { return None };
    fields.get(name).filter(|found| !found.is_object()).cloned().or_else(|| fields.values().find_map(|inner| find(inner, name)))
}

/// What a whole answer says that it took.
pub(super) fn of(meter: &mut Meter, door: &Door, (headers, body): (&HeaderMap, &[u8])) -> Spent {
    let told = of_answer(door.operation, body);
    let formed = match door.operation {
        _ if door.shape == "openai" => None,
        Operation::Embeddings => embed::Shape::of_row(door.shape).and_then(|shape| {
            let reply = shape.read_reply(headers, body).ok()?;
            Some(Spent { usage: reply.usage, ..Spent::default() })
        }),
        Operation::Rerank => rerank::Shape::of_row(door.shape).and_then(|shape| {
            let reply = shape.read_reply(body).ok()?;
            Some(Spent { usage: reply.usage, queries: Some(reply.queries.unwrap_or(1)), ..Spent::default() })
        }),
        Operation::ImageGenerations | Operation::ImageEdits => images::Shape::of_row(door.shape).and_then(|shape| {
            let made = shape.read_reply(body).ok()?;
            Some(Spent { usage: made.usage, images: u64::try_from(made.images.len()).ok(), ..Spent::default() })
        }),
        _ => None,
    };
    let own = || serde_json::from_slice::<Own>(body).unwrap_or_default();
    match formed {
        Some(formed) => formed,
        None if door.operation == Operation::Chat && told.usage.is_none() => Spent { usage: own().usage(), ..told },
        None if is_read(door) => {
            own().usage_info.pages_processed.into_iter().for_each(|pages| meter.count(Component::Page, pages));
            told
        }
        None => told,
    }
}

/// What answers in forms of their providers' own say, where that is in none of the usual places.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Own {
    usage: Totals,
    meta: Meta,
    usage_info: Pages,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Totals {
    total_input_tokens: Option<u64>,
    total_output_tokens: Option<u64>,
    total_thought_tokens: Option<u64>,
    total_cached_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    billed_units: Billed,
}

/// Some count in fractions.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Billed {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pages {
    pages_processed: Option<u64>,
}

impl Own {
    fn usage(self) -> Option<Usage> {
        let Totals { total_input_tokens: input, total_output_tokens: output, total_thought_tokens: thoughts, total_cached_tokens: cached } =
            self.usage;
        if input.is_some() {
            let answered = output.unwrap_or(0).saturating_add(thoughts.unwrap_or(0));
            return Some(Usage { input, output: Some(answered), reasoning: thoughts, cache_read: cached, ..Usage::default() });
        }
        let whole = |count: Option<f64>| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be small and no less than zero")]
            count.filter(|count| (0.0..1e12).contains(count)).map(|count| count.ceil() as u64)
        };
        let Billed { input_tokens, output_tokens } = self.meta.billed_units;
        let input = whole(input_tokens)?;
        Some(Usage { input: Some(input), output: whole(output_tokens), ..Usage::default() })
    }
}
