//! Pieces of content, written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::DIALECT;
use crate::chat::{Citation, Media, MediaSource, Part, PartBody};
use crate::extra::Extra;
use crate::json::{Array, Object, write_object};
use crate::media::image_type;
use crate::openai::{self, BREAKPOINT, MARK, OF_MESSAGE};
use crate::problem::Unsupported;

/// Who says it: the API names text differently for each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The user, or a tool.
    Input,
    /// The model.
    Output,
}

/// Writes one piece of content.
pub(super) fn write_piece(out: &mut Vec<u8>, part: &Part, side: Side) -> Result<(), Unsupported> {
    match &part.body {
        PartBody::Text { text, citations } => write_text(out, text, citations, side, &part.extra),
        PartBody::Refusal(text) if side == Side::Output => write_refusal(out, text, &part.extra),
        PartBody::Refusal(text) => write_text(out, text, &[], side, &part.extra),
        PartBody::Image(media) => write_image(out, media, &part.extra),
        PartBody::File(media) => write_file(out, media, &part.extra),
        PartBody::Audio(media) => write_audio(out, media, &part.extra)?,
        PartBody::Video(_) => return Err(unsupported("messages.content", "moving pictures are not taken")),
        PartBody::Hosted(hosted) if hosted.from == DIALECT => out.extend_from_slice(hosted.raw.get().as_bytes()),
        PartBody::Hosted(hosted) => {
            return Err(unsupported("messages.content", &format!("`{}` means something only at its own provider", hosted.kind)));
        }
        PartBody::Reasoning(_) | PartBody::ToolCall(_) | PartBody::ToolResult(_) => {
            return Err(unsupported("messages.content", "thoughts, calls and results cannot stand inside a result"));
        }
    }
    Ok(())
}

/// Content that the API has no form for.
pub(super) fn unsupported(field: &str, why: &str) -> Unsupported {
    Unsupported::new(field, DIALECT, why)
}

/// Writes a piece of text.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str, citations: &[Citation], side: Side, extra: &Extra) {
    write_object(out, |object| {
        object.field("type", if side == Side::Output { "output_text" } else { "input_text" });
        object.field("text", text);
        if side == Side::Output {
            object.array("annotations", |array| {
                for citation in citations {
                    write_annotation(array, citation, text);
                }
            });
        }
        write_own(object, extra);
    });
}

/// Writes a refusal.
pub(super) fn write_refusal(out: &mut Vec<u8>, text: &str, extra: &Extra) {
    write_object(out, |object| {
        object.text("type", "refusal");
        object.field("refusal", text);
        write_own(object, extra);
    });
}

/// A piece's own unknown fields, without those of its message.
pub(super) fn write_own(object: &mut Object<'_>, extra: &Extra) {
    for (key, value) in extra.of(DIALECT).iter().filter(|(key, _)| !key.starts_with(OF_MESSAGE)) {
        object.raw(key, value.get());
    }
    if let Some(mark) = extra.noted(DIALECT, MARK) {
        object.raw(MARK, mark);
    }
    if let Some(mark) = openai::breakpoint(extra) {
        object.raw(BREAKPOINT, mark);
    }
}

/// Writes a source of `text`. Where the place is not known, it is all of the text.
pub(super) fn write_annotation(array: &mut Array<'_>, citation: &Citation, text: &str) {
    if let Some((DIALECT, raw)) = &citation.raw {
        return array.raw(raw.get());
    }
    let length = || text.chars().count() as u64;
    if let Some(url) = &citation.url {
        return array.object(|object| {
            object.text("type", "url_citation");
            object.field("start_index", &citation.start.unwrap_or(0));
            object.field("end_index", &citation.end.unwrap_or_else(length));
            object.field("title", citation.title.as_ref().unwrap_or(url));
            object.field("url", url);
            // What the source says, under the name that OpenRouter gives it in chat completions.
            object.option("content", citation.cited_text.as_ref());
        });
    }
    if let Some(document) = citation.document.as_ref().or(citation.title.as_ref()) {
        array.object(|object| {
            object.text("type", "file_citation");
            object.field("file_id", document);
            object.field("filename", citation.title.as_ref().unwrap_or(document));
            object.field("index", &citation.end.unwrap_or_else(length));
            object.option("content", citation.cited_text.as_ref());
        });
    }
}

fn write_image(out: &mut Vec<u8>, media: &Media, extra: &Extra) {
    write_object(out, |object| {
        object.text("type", "input_image");
        match &media.source {
            MediaSource::Url(url) => object.field("image_url", url),
            MediaSource::FileId(id) => object.field("file_id", id),
            MediaSource::Base64(data) | MediaSource::Text(data) => {
                let media_type = media.media_type.as_deref().unwrap_or_else(|| image_type(data));
                object.field("image_url", &format!("data:{media_type};base64,{data}"));
            }
        }
        // Servers that check what they get require it; whoever speaks this format says it as it likes.
        let usual = (extra.from() != Some(DIALECT)).then_some("auto");
        object.option("detail", media.detail.as_deref().or(usual));
        write_own(object, extra);
    });
}

fn write_file(out: &mut Vec<u8>, media: &Media, extra: &Extra) {
    write_object(out, |object| {
        object.text("type", "input_file");
        let inline = |object: &mut Object<'_>, media_type: &str, data: &str| {
            let fallback = if media_type == "application/pdf" { "document.pdf" } else { "document.txt" };
            object.field("filename", media.name.as_deref().unwrap_or(fallback));
            object.field("file_data", &format!("data:{media_type};base64,{data}"));
        };
        match &media.source {
            MediaSource::Url(url) => {
                object.field("file_url", url);
                object.option("filename", media.name.as_ref());
            }
            MediaSource::FileId(id) => {
                object.field("file_id", id);
                object.option("filename", media.name.as_ref());
            }
            MediaSource::Base64(data) if media.media_type.is_none() && extra.from() == Some(DIALECT) => {
                object.field("file_data", data);
                object.option("filename", media.name.as_ref());
            }
            MediaSource::Base64(data) => inline(object, media.media_type.as_deref().unwrap_or("application/pdf"), data),
            MediaSource::Text(text) => inline(object, media.media_type.as_deref().unwrap_or("text/plain"), &STANDARD.encode(text)),
        }
        object.option("detail", media.detail.as_ref().filter(|_| extra.from() == Some(DIALECT)));
        write_own(object, extra);
    });
}

fn write_audio(out: &mut Vec<u8>, media: &Media, extra: &Extra) -> Result<(), Unsupported> {
    let MediaSource::Base64(data) = &media.source else {
        return Err(unsupported("messages.content", "sound is taken only as base64"));
    };
    let format = media.media_type.as_deref().map(|format| format.strip_prefix("audio/").unwrap_or(format));
    let format = match format {
        Some("mpeg") => Some("mp3"),
        Some("x-wav" | "wave") => Some("wav"),
        other => other,
    };
    write_object(out, |object| {
        object.text("type", "input_audio");
        object.object("input_audio", |inner| {
            inner.field("data", data);
            inner.option("format", format);
        });
        write_own(object, extra);
    });
    Ok(())
}
