//! What of a prompt is more than its bytes: pictures, sound, moving pictures, documents.
//!
//! Its bytes say how many there may be at most; where that is too many, whoever reads the request knows.

use switchboard_wire::chat::{ChatRequest, Media, MediaSource, Part, PartBody};
use switchboard_wire::multipart;

use crate::call::{Call, Content, mentions};

/// Tokens of a picture, a page or a sound of which only the place is known.
const MEDIUM: u64 = 8_192;
/// Tokens of a document of which nobody knows how many pages it has.
const DOCUMENT: u64 = 200_000;
/// No sound has more tokens than one for so many bytes of it.
const BYTES_OF_SOUND: u64 = 16;

/// What that is in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) tokens: u64,
    /// Something may be as long as the model reads.
    pub(super) endless: bool,
}

impl Seen {
    /// By the words in a body, however those are written.
    pub(super) fn in_bytes(bytes: &[u8]) -> Self {
        let (media, documents, films) = mentions::media(bytes);
        let tokens = media.saturating_mul(MEDIUM).saturating_add(documents.saturating_mul(DOCUMENT));
        Self { tokens, endless: films > 0 }
    }

    /// By reading the request.
    pub(super) fn of(request: &ChatRequest) -> Self {
        let mut seen = Self::default();
        seen.parts(&request.system);
        request.messages.iter().for_each(|message| seen.parts(&message.parts));
        seen
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            let tokens = match &part.body {
                PartBody::Image(_) => MEDIUM,
                PartBody::Audio(media) => of_sound(media).unwrap_or(DOCUMENT),
                PartBody::Video(media) => of_sound(media).unwrap_or_else(|| {
                    self.endless = true;
                    0
                }),
                PartBody::File(media) => of_document(media),
                PartBody::ToolResult(result) => {
                    self.parts(&result.parts);
                    0
                }
                PartBody::Text { .. } | PartBody::Refusal(_) | PartBody::Reasoning(_) | PartBody::ToolCall(_) | PartBody::Hosted(_) => 0,
            };
            self.tokens = self.tokens.saturating_add(tokens);
        }
    }
}

/// Sound, or moving pictures, that are there themselves.
fn of_sound(media: &Media) -> Option<u64> {
    match &media.source {
        MediaSource::Base64(bytes) => Some((bytes.len() as u64 / BYTES_OF_SOUND).max(MEDIUM)),
        MediaSource::Url(_) | MediaSource::FileId(_) | MediaSource::Text(_) => None,
    }
}

fn of_document(media: &Media) -> u64 {
    match &media.source {
        MediaSource::Text(_) => 0,
        MediaSource::Base64(bytes) if media.media_type.as_deref().is_some_and(|kind| kind.starts_with("text/")) => bytes.len() as u64,
        MediaSource::Base64(_) | MediaSource::Url(_) | MediaSource::FileId(_) => DOCUMENT,
    }
}

/// Tokens of a form: of its files by what they are, of the rest no more than bytes. None where it is no form.
pub(super) fn of_form(call: &Call) -> Option<u64> {
    let Content::Form(kind) = &call.content else { return None };
    let fields = multipart::each(&call.body, kind).ok()?;
    let tokens = fields.iter().map(|field| {
        let bytes = field.value.len() as u64;
        match field.name.as_str() {
            name if name.starts_with("image") || name == "mask" => MEDIUM,
            "file" => (bytes / BYTES_OF_SOUND).max(MEDIUM),
            _ => bytes,
        }
    });
    Some(tokens.fold(0, u64::saturating_add))
}
