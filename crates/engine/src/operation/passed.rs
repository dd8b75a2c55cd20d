//! Operations that pass as they are: images, speech, transcriptions, moderations, in OpenAI's form. What a provider has in another one
//! is for [`made`].

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use switchboard_wire::Operation;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::framing::Framing;
use switchboard_wire::multipart;
use switchboard_wire::problem::Problem;
use switchboard_wire::relay::{Output, Relay};
use switchboard_wire::speech;
use switchboard_wire::usage::{StreamedUsage, of_answer};

use super::{Product, Step, made, note, sound, spoken};
use crate::call::Content;
use crate::catalog::Component;
use crate::control;
use crate::deployment::Reach;
use crate::error::Error;
use crate::meter::{Meter, image_pixels};

pub(super) async fn run(step: &Step<'_>, meter: &mut Meter) -> Result<Product, Error> {
    let (reach, shape) = step.reach()?;
    match step.call.door.operation {
        _ if shape == "openai" => {}
        Operation::ImageGenerations | Operation::ImageEdits => return made::drawn(step, (reach, shape), meter).await,
        Operation::Speech if shape == speech::SHAPE => return made::said(step, (reach, shape), meter).await,
        _ => return Err(step.no_translation(shape)),
    }
    let (body, kind) = prepare(step, reach)?;
    let reply = step.dispatch.send(step.target, reach, (body, Vec::new(), &kind), Some(meter)).await?;
    let dialect = spoken(step.target, shape);
    if !reply.status.is_success() {
        return Err(step.whole(reply, dialect).await.err().unwrap_or_else(|| Error::internal("an error was no error")));
    }
    let kind = reply.headers.get(CONTENT_TYPE).cloned().unwrap_or_else(|| HeaderValue::from_static(UNNAMED));
    let kind = if kind == UNNAMED { of_speech(step).unwrap_or(kind) } else { kind };
    let is = |name: &str| kind.to_str().is_ok_and(|kind| kind.starts_with(name));
    let mut headers = control::backward(&reply.headers);
    spoken_characters(step, meter);
    let is_heard = matches!(step.call.door.operation, Operation::Transcriptions | Operation::Translations);
    if is("application/json") {
        let (_, body) = step.whole(reply, dialect).await?;
        let mut spent = of_answer(step.call.door.operation, &body);
        if is_heard && spent.usage.is_none() {
            spent.heard = spent.heard.or_else(|| sound::length(step.call));
        }
        count_pixels(step, spent.images, meter);
        note(meter, spent);
        return Ok(Product::Whole(with(headers, kind), body));
    }
    // Subtitles and text say nothing of the sound.
    let length = sound::length(step.call).filter(|_| is_heard);
    length.into_iter().for_each(|length| meter.count(Component::InputAudioTime, length));
    if is("text/event-stream") {
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let output = Output::Verbatim { hide_usage: false, epilogue: b"", rename: None };
        let relay = Relay::new(Framing::Sse, Box::new(StreamedUsage::of(step.call.door.operation)), output);
        return Ok(Product::Passing(with(headers, kind), Box::new((reply.body, Some(relay)))));
    }
    // Sound, subtitles, text: it passes as it comes.
    Ok(Product::Passing(with(headers, kind), Box::new((reply.body, None))))
}

/// What bytes are of which nothing is said.
const UNNAMED: &str = "application/octet-stream";

/// What speech is, by the format that was asked for; `None` where nobody asked for speech, or for a format that is not known.
fn of_speech(step: &Step<'_>) -> Option<HeaderValue> {
    let format = step.call.text("response_format");
    let format = if step.call.door.operation == Operation::Speech { format.as_deref().unwrap_or("mp3") } else { return None };
    let kind = match format {
        "mp3" => "audio/mpeg",
        "opus" => "audio/opus",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "pcm" => "audio/pcm",
        _ => return None,
    };
    Some(HeaderValue::from_static(kind))
}

fn with(mut headers: HeaderMap, kind: HeaderValue) -> HeaderMap {
    headers.insert(CONTENT_TYPE, kind);
    headers
}

/// The body for the target and its content type.
fn prepare(step: &Step<'_>, reach: &Reach) -> Result<(Frames, String), Error> {
    let call = step.call;
    if call.door.operation == Operation::Transcriptions
        && step.target.flavor != Flavor::OpenRouter
        && let Some(form) = sound::form(call, &reach.model)?
    {
        return Ok(form);
    }
    match &call.content {
        Content::Json(outline) => Ok((step.spliced(outline, reach), "application/json".to_owned())),
        Content::Form(kind) => {
            // What callers say of a call beside what they ask is for the gateway, unless the provider is one.
            let beside = |name: &str| name == "metadata" && !step.target.gateway;
            let kept = |name: &str| beside(name) || step.target.is_kept_from(call.door.dialect, name);
            let body = multipart::without(&call.body, kind, kept).map_err(Problem::from)?;
            let named = multipart::field(&body, kind, "model").map_err(Problem::from)?.is_some();
            let form = if named { multipart::replace } else { multipart::insert };
            Ok((form(&body, kind, "model", &reach.model).map_err(Problem::from)?, kind.clone()))
        }
    }
}

/// Images may be paid by the pixel.
pub(super) fn count_pixels(step: &Step<'_>, images: Option<u64>, meter: &mut Meter) {
    if let Some(images) = images {
        meter.count(Component::OutputPixel, images.saturating_mul(image_pixels(step.call)));
    }
}

/// Speech is paid by the character of its text, which is in the request.
fn spoken_characters(step: &Step<'_>, meter: &mut Meter) {
    if step.call.door.operation == Operation::Speech
        && let Some(text) = step.call.text("input")
    {
        meter.count(Component::InputCharacter, text.chars().count() as u64);
    }
}
