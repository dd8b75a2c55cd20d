//! Media as the API takes them: a format's name and bytes in base64, or a place in S3.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::pen::Pen;
use crate::chat::{Media, MediaSource, Part};
use crate::dialect::Dialect;
use crate::json::{self, Object};

const NO_URLS: &str = "this provider takes media as base64 or from S3, not from other URLs";
const NO_FILE_STORE: &str = "this provider has no file store";
const IMAGES: [&str; 4] = ["png", "jpeg", "gif", "webp"];
const VIDEOS: [&str; 9] = ["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"];
const SOUNDS: [&str; 15] = ["mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm"];
const DOCUMENTS: [&str; 9] = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];

/// What Anthropic's document blocks carry beside the document, and Converse has too.
pub(super) const DOCUMENT_EXTRAS: [&str; 2] = ["citations", "context"];

/// Which block a medium becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// `image`.
    Image,
    /// `video`.
    Video,
    /// `audio`.
    Audio,
    /// `document`.
    Document,
}

impl Block {
    fn key(self) -> &'static str {
        match self {
            Block::Image => "image",
            Block::Video => "video",
            Block::Audio => "audio",
            Block::Document => "document",
        }
    }

    fn formats(self) -> &'static [&'static str] {
        match self {
            Block::Image => &IMAGES,
            Block::Video => &VIDEOS,
            Block::Audio => &SOUNDS,
            Block::Document => &DOCUMENTS,
        }
    }
}

/// Writes a medium as a block, or refuses it.
pub(super) fn write(pen: &mut Pen<'_>, block: Block, media: &Media, part: &Part, at: &str) -> Option<Vec<u8>> {
    let Some(format) = format_of(block, media) else {
        pen.refused.add(at, &format_refusal(block, media));
        return None;
    };
    let source = write_source(pen, block, media, at)?;
    let name = (block == Block::Document).then(|| pen.names.document(media.name.as_deref()));
    Some(json::object(|out| {
        out.object(block.key(), |out| {
            out.field("format", format);
            out.option("name", name);
            out.raw("source", &source);
            if block == Block::Document {
                write_document_extra(out, part);
            }
        });
    }))
}

/// Why there is no format for a medium: what cannot be fetched matters before the type that nobody told.
fn format_refusal(block: Block, media: &Media) -> String {
    let key = block.key();
    match (&media.media_type, &media.source) {
        (_, MediaSource::FileId(_)) => NO_FILE_STORE.to_owned(),
        (_, MediaSource::Url(url)) if !is_s3(url) => NO_URLS.to_owned(),
        (Some(kind), _) => format!("this provider takes no {key} of the type `{kind}`"),
        (None, _) => format!("this provider must be told the type of the {key}, and neither a type nor a name tells it"),
    }
}

fn is_s3(url: &str) -> bool {
    url.starts_with("s3://")
}

fn write_document_extra(out: &mut Object<'_>, part: &Part) {
    for (key, value) in part.extra.of(Dialect::Anthropic) {
        if DOCUMENT_EXTRAS.contains(&key.as_str()) && value.get() != "null" {
            out.raw(key, value.get());
        }
    }
}

fn write_source(pen: &mut Pen<'_>, block: Block, media: &Media, at: &str) -> Option<String> {
    let json = match &media.source {
        MediaSource::Base64(bytes) => json::object(|out| out.field("bytes", bytes)),
        MediaSource::Text(text) if block == Block::Document => json::object(|out| out.field("bytes", &STANDARD.encode(text))),
        MediaSource::Url(url) if is_s3(url) => json::object(|out| out.object("s3Location", |out| out.field("uri", url))),
        MediaSource::Url(_) => {
            pen.refused.add(at, NO_URLS);
            return None;
        }
        MediaSource::FileId(_) | MediaSource::Text(_) => {
            pen.refused.add(at, NO_FILE_STORE);
            return None;
        }
    };
    String::from_utf8(json).ok()
}

/// The format by the MIME type, else by the name, else by the first bytes.
fn format_of(block: Block, media: &Media) -> Option<&'static str> {
    if matches!(media.source, MediaSource::Text(_)) && media.media_type.is_none() {
        return Some("txt");
    }
    let by_type = media.media_type.as_deref().and_then(|kind| named(block, kind));
    let path = match &media.source {
        MediaSource::Url(url) => Some(url.as_str()),
        MediaSource::Base64(_) | MediaSource::FileId(_) | MediaSource::Text(_) => None,
    };
    let by_name = || [media.name.as_deref(), path].into_iter().flatten().find_map(|name| named(block, name.rsplit_once('.')?.1));
    let by_bytes = || match &media.source {
        MediaSource::Base64(bytes) => {
            let known = [("iVBOR", "png"), ("/9j/", "jpeg"), ("R0lG", "gif"), ("UklGR", "webp"), ("JVBER", "pdf")];
            known.iter().find(|(start, _)| bytes.starts_with(start)).and_then(|(_, format)| named(block, format))
        }
        MediaSource::Url(_) | MediaSource::FileId(_) | MediaSource::Text(_) => None,
    };
    by_type.or_else(by_name).or_else(by_bytes)
}

/// The API's name of a MIME type or file extension.
fn named(block: Block, kind: &str) -> Option<&'static str> {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let name = match kind.as_str() {
        "image/jpg" | "jpg" => "jpeg",
        "video/quicktime" => "mov",
        "video/x-matroska" => "mkv",
        "video/3gpp" | "3gp" => "three_gp",
        "video/x-ms-wmv" => "wmv",
        "video/x-flv" => "flv",
        "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/x-m4a" => "m4a",
        "audio/mpeg" => "mp3",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/markdown" | "text/x-markdown" => "md",
        "text/html" => "html",
        "text/csv" => "csv",
        "application/json" | "application/xml" | "application/yaml" => "txt",
        text if text.starts_with("text/") => "txt",
        other => other.rsplit_once('/').map_or(other, |(_, format)| format),
    };
    block.formats().iter().copied().find(|format| *format == name)
}
