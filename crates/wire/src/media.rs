//! Media that stand at URLs: which of them a target wants as bytes, and what fetched bytes are.
//!
//! Some providers look up URLs, some take only what is in the request. The caller does not know where a request will go, so what is
//! missing is brought by the gateway. This file says what is missing and judges what was brought; the fetching is done by others.

use crate::chat::{ChatRequest, Media, MediaSource, Part, PartBody};
use crate::half::Outbound;

/// What kind of medium is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// An image.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// A document.
    Document,
}

impl Medium {
    /// The word for it in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Medium::Image => "image",
            Medium::Audio => "audio",
            Medium::Video => "video",
            Medium::Document => "document",
        }
    }

    /// What types it has begin with; `None` for documents, which may be anything.
    fn class(self) -> Option<&'static str> {
        match self {
            Medium::Image => Some("image/"),
            Medium::Audio => Some("audio/"),
            Medium::Video => Some("video/"),
            Medium::Document => None,
        }
    }
}

/// A target's way with media.
#[derive(Clone, Copy)]
pub struct Taker<'a> {
    /// The dialect it speaks.
    pub outbound: &'a dyn Outbound,
    /// Whether it looks up no web address although its dialect has a place for them.
    pub only_bytes: bool,
}

/// Calls `each` for every medium at a web address that the target takes only as bytes.
pub fn each_wanted(request: &mut ChatRequest, target: Taker<'_>, each: &mut dyn FnMut(Medium, &mut Media)) {
    wanted_of(&mut request.system, target, each);
    for message in &mut request.messages {
        wanted_of(&mut message.parts, target, each);
    }
}

fn wanted_of(parts: &mut [Part], target: Taker<'_>, each: &mut dyn FnMut(Medium, &mut Media)) {
    for part in parts {
        if let PartBody::ToolResult(result) = &mut part.body {
            wanted_of(&mut result.parts, target, each);
            continue;
        }
        if url_of(part).is_none_or(|url| !is_web(url)) || !(target.only_bytes || target.outbound.wants_bytes(part)) {
            continue;
        }
        match &mut part.body {
            PartBody::Image(media) => each(Medium::Image, media),
            PartBody::Audio(media) => each(Medium::Audio, media),
            PartBody::Video(media) => each(Medium::Video, media),
            PartBody::File(media) => each(Medium::Document, media),
            _ => {}
        }
    }
}

/// The URL at which a part's medium stands.
pub fn url_of(part: &Part) -> Option<&str> {
    match &part.body {
        PartBody::Image(media) | PartBody::Audio(media) | PartBody::Video(media) | PartBody::File(media) => match &media.source {
            MediaSource::Url(url) => Some(url),
            MediaSource::Base64(_) | MediaSource::FileId(_) | MediaSource::Text(_) => None,
        },
        _ => None,
    }
}

/// Whether that is a web address.
pub(crate) fn is_web(url: &str) -> bool {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("https://") || begins("http://")
}

/// The type of fetched bytes. The bytes themselves are believed first, then what the caller said, then the server; `Err` names what
/// it is where it is not what was expected: a page that says "not found" must not become an image.
pub fn type_of(medium: Medium, bytes: &[u8], told: Option<&str>, served: Option<&str>) -> Result<String, String> {
    let clean = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let served = served.map(clean).filter(|kind| kind.contains('/') && kind != "application/octet-stream" && kind != "binary/octet-stream");
    let told = told.map(clean).filter(|kind| kind.contains('/'));
    if let Some(seen) = sniff(medium, bytes) {
        let fits = match medium.class() {
            Some(class) => seen.starts_with(class),
            None => told.as_deref().is_none_or(|told| told == seen || seen == ZIP),
        };
        // What is packed into an archive only its name or its server tells.
        let packed = |kind: Option<String>| kind.filter(|_| seen == ZIP);
        return if fits { Ok(packed(told).or_else(|| packed(served)).unwrap_or_else(|| seen.to_owned())) } else { Err(seen.to_owned()) };
    }
    let Some(class) = medium.class() else {
        // Of a document that must be a PDF the first bytes would have told.
        return match (told, served) {
            (Some(told), _) if told != PDF => Ok(told),
            (None, Some(served)) if served != PDF => Ok(served),
            (_, served) => Err(served.filter(|served| served != PDF).unwrap_or_else(|| "of an unknown type".to_owned())),
        };
    };
    match told.filter(|told| told.starts_with(class)).or_else(|| served.clone().filter(|served| served.starts_with(class))) {
        // Every image that a model looks at begins with a known mark.
        Some(kind) if medium != Medium::Image => Ok(kind),
        _ => Err(served.unwrap_or_else(|| "of an unknown type".to_owned())),
    }
}

const PDF: &str = "application/pdf";
const ZIP: &str = "application/zip";

/// What the first bytes tell.
fn sniff(medium: Medium, bytes: &[u8]) -> Option<&'static str> {
    const SIGNS: [(&[u8], &str); 13] = [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"%PDF-", PDF),
        (b"PK\x03\x04", ZIP),
        (b"ID3", "audio/mp3"),
        (b"fLaC", "audio/flac"),
        (b"OggS", "audio/ogg"),
        (b"FLV\x01", "video/x-flv"),
    ];
    let within = |at: usize, mark: &[u8]| bytes.get(at..at + mark.len()) == Some(mark);
    if within(0, b"RIFF") {
        let kinds: [(&[u8], &str); 3] = [(b"WEBP", "image/webp"), (b"WAVE", "audio/wav"), (b"AVI ", "video/x-msvideo")];
        return kinds.into_iter().find(|(mark, _)| within(8, mark)).map(|(_, kind)| kind);
    }
    if within(4, b"ftyp") {
        return Some(match bytes.get(8..12)? {
            b"avif" | b"avis" => "image/avif",
            b"heic" | b"heix" | b"hevc" | b"hevx" => "image/heic",
            b"mif1" | b"msf1" => "image/heif",
            b"M4A " | b"M4B " => "audio/mp4",
            b"qt  " => "video/quicktime",
            _ if medium == Medium::Audio => "audio/mp4",
            _ => "video/mp4",
        });
    }
    if within(0, b"\x1a\x45\xdf\xa3") {
        return Some(if medium == Medium::Audio { "audio/webm" } else { "video/webm" });
    }
    // A frame of MPEG audio: eleven bits set, and neither version nor layer of the values that are reserved.
    if let [0xff, second, ..] = bytes
        && second & 0xe0 == 0xe0
        && second & 0x18 != 0x08
        && second & 0x06 != 0
    {
        return Some("audio/mp3");
    }
    // Two letters are too few to call a text an image.
    let known = SIGNS.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, kind)| *kind);
    known.filter(|kind| *kind != "image/bmp" || medium == Medium::Image)
}

/// The type of an image, by how its base64 begins.
pub(crate) fn image_type(data: &str) -> &'static str {
    match data {
        _ if data.starts_with("/9j/") => "image/jpeg",
        _ if data.starts_with("R0lGOD") => "image/gif",
        _ if data.starts_with("UklGR") => "image/webp",
        _ => "image/png",
    }
}

#[cfg(test)]
mod tests;
