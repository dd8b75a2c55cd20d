//! What is to be embedded, in OpenAI's form and those that grew from it.

use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::EmbedInput;
use crate::chat::{Media, MediaSource, PartBody};
use crate::media::{Medium, is_web};
use crate::problem::Malformed;

/// A part of a mixed input: OpenRouter's content parts, and Jina's and Voyage's bare ones.
#[derive(Deserialize)]
struct Part<'a> {
    text: Option<String>,
    image: Option<String>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    image_base64: Option<String>,
    video_url: Option<UrlPart>,
    input_audio: Option<AudioPart>,
    content: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
struct UrlPart {
    url: String,
}

#[derive(Deserialize)]
struct AudioPart {
    data: String,
    format: Option<String>,
}

/// The value of `input`: a text, texts, tokens, lists of tokens, objects.
pub(super) fn read(raw: &RawValue) -> Result<Vec<EmbedInput>, Malformed> {
    let unreadable = |error: serde_json::Error| Malformed::field("input", &error.to_string());
    let text = raw.get();
    let inputs = match text.as_bytes().first() {
        Some(b'"') => vec![said(serde_json::from_str(text).map_err(unreadable)?)],
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(unreadable)?;
            if items.first().is_some_and(|item| item.get().starts_with(|first: char| first.is_ascii_digit())) {
                vec![EmbedInput::Tokens(serde_json::from_str(text).map_err(unreadable)?)]
            } else {
                items.into_iter().map(item).collect::<Result<_, _>>()?
            }
        }
        _ => vec![item(raw)?],
    };
    if inputs.is_empty() { Err(Malformed::field("input", "is empty")) } else { Ok(inputs) }
}

fn item(raw: &RawValue) -> Result<EmbedInput, Malformed> {
    let unreadable = |error: serde_json::Error| Malformed::field("input", &error.to_string());
    match raw.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw.get()).map(said).map_err(unreadable),
        Some(b'[') => serde_json::from_str::<Vec<Number>>(raw.get()).map(EmbedInput::Tokens).map_err(unreadable),
        Some(b'{') => {
            let part: Part<'_> = serde_json::from_str(raw.get()).map_err(unreadable)?;
            let mut parts = Vec::new();
            flatten(part, &mut parts)?;
            if parts.is_empty() { Err(Malformed::field("input", "an object holds nothing to embed")) } else { Ok(EmbedInput::Parts(parts)) }
        }
        _ => Err(Malformed::field("input", "must be text, tokens or objects")),
    }
}

/// A text; one that is a data URL is a medium, as LiteLLM's clients write them: nobody wants the text of its bytes embedded.
fn said(text: String) -> EmbedInput {
    match text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((kind, _)) if kind.contains('/') && !kind.starts_with("text/") => EmbedInput::Parts(vec![part_of(media(&text, kind))]),
        _ => EmbedInput::Text(text),
    }
}

/// The part that a medium of its type is.
pub(super) fn part_of(media: Media) -> PartBody {
    let kind = media.media_type.as_deref().unwrap_or_default();
    match kind.split('/').next().unwrap_or_default() {
        "audio" => PartBody::Audio(media),
        "video" => PartBody::Video(media),
        "application" | "text" => PartBody::File(media),
        _ => PartBody::Image(media),
    }
}

/// A file in Google's storage that a text names, as LiteLLM's clients write it; its type is told by its name.
pub(super) fn stored(text: &str) -> Option<PartBody> {
    const KINDS: [(&str, &str); 9] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("mp3", "audio/mpeg"),
        ("wav", "audio/wav"),
        ("mp4", "video/mp4"),
        ("mov", "video/quicktime"),
        ("pdf", "application/pdf"),
    ];
    if !text.starts_with("gs://") || text.contains(char::is_whitespace) {
        return None;
    }
    let (_, end) = text.rsplit_once('.')?;
    let (_, kind) = KINDS.into_iter().find(|(known, _)| end.eq_ignore_ascii_case(known))?;
    Some(part_of(Media::new(MediaSource::Url(text.to_owned()), Some(kind.to_owned()))))
}

/// What of the parts stands at a web address: the medium and what is expected there.
pub(super) fn each_at_web(parts: &mut [PartBody], each: &mut dyn FnMut(Medium, &mut Media)) {
    for part in parts {
        let (medium, media) = match part {
            PartBody::Image(media) => (Medium::Image, media),
            PartBody::Audio(media) => (Medium::Audio, media),
            PartBody::Video(media) => (Medium::Video, media),
            PartBody::File(media) => (Medium::Document, media),
            _ => continue,
        };
        if matches!(&media.source, MediaSource::Url(url) if is_web(url)) {
            each(medium, media);
        }
    }
}

fn flatten(part: Part<'_>, out: &mut Vec<PartBody>) -> Result<(), Malformed> {
    if let Some(text) = part.text {
        out.push(PartBody::Text { text, citations: Vec::new() });
    }
    for url in part.image.iter().chain(&part.image_base64) {
        out.push(PartBody::Image(media(url, "image/png")));
    }
    if let Some(raw) = part.image_url {
        let url = serde_json::from_str::<String>(raw.get()).or_else(|_| serde_json::from_str::<UrlPart>(raw.get()).map(|part| part.url));
        out.push(PartBody::Image(media(&url.map_err(|_| Malformed::field("input.image_url", "names no URL"))?, "image/png")));
    }
    if let Some(video) = part.video_url {
        out.push(PartBody::Video(media(&video.url, "video/mp4")));
    }
    if let Some(audio) = part.input_audio {
        let kind = audio.format.map(|format| if format == "mp3" { "audio/mpeg".to_owned() } else { format!("audio/{format}") });
        out.push(PartBody::Audio(Media::new(MediaSource::Base64(audio.data), kind)));
    }
    for inner in part.content.into_iter().flatten() {
        if inner.content.is_some() {
            return Err(Malformed::field("input.content", "is nested"));
        }
        flatten(inner, out)?;
    }
    Ok(())
}

/// A medium at a URL, in a data URL, or in bare base64.
pub(super) fn media(url: &str, otherwise: &str) -> Media {
    if let Some((head, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
        let kind = head.split(';').next().filter(|kind| !kind.is_empty()).unwrap_or(otherwise);
        return Media::new(MediaSource::Base64(data.to_owned()), Some(kind.to_owned()));
    }
    if url.contains("://") {
        return Media::new(MediaSource::Url(url.to_owned()), None);
    }
    Media::new(MediaSource::Base64(url.to_owned()), Some(otherwise.to_owned()))
}

/// The medium as a URL; `None` where its bytes are with some provider.
pub(super) fn url(media: &Media) -> Option<String> {
    match &media.source {
        MediaSource::Url(url) => Some(url.clone()),
        MediaSource::Base64(data) => Some(format!("data:{};base64,{data}", media.media_type.as_deref().unwrap_or("image/png"))),
        MediaSource::FileId(_) | MediaSource::Text(_) => None,
    }
}

/// The base64 of the medium; `None` where it is elsewhere.
pub(super) fn base64(media: &Media) -> Option<&str> {
    match &media.source {
        MediaSource::Base64(data) => Some(data),
        _ => None,
    }
}

/// The text of an input that is text only.
pub(super) fn plain_text(input: &EmbedInput) -> Option<&str> {
    match input {
        EmbedInput::Text(text) => Some(text),
        EmbedInput::Parts(parts) => match parts.as_slice() {
            [PartBody::Text { text, .. }] => Some(text),
            _ => None,
        },
        EmbedInput::Tokens(_) => None,
    }
}
