//! Media as this format writes them: data URLs, URLs, file ids.

use crate::chat::{Media, MediaSource};

/// What a URL points at: a `data:` URL holds the bytes itself.
pub(super) fn from_url(url: &str) -> Media {
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    match data.and_then(|(head, data)| head.strip_suffix(";base64").map(|head| (head, data))) {
        Some((head, data)) => {
            let media_type = head.split(';').next().filter(|name| !name.is_empty());
            Media::new(MediaSource::Base64(data.to_owned()), media_type.map(str::to_owned))
        }
        None => Media::new(MediaSource::Url(url.to_owned()), None),
    }
}

/// The URL of a medium; `None` where it has neither bytes nor an address.
pub(super) fn to_url(media: &Media) -> Option<String> {
    match &media.source {
        MediaSource::Url(url) => Some(url.clone()),
        MediaSource::Base64(data) => {
            let media_type = media.media_type.as_deref().unwrap_or_else(|| sniff(data));
            Some(format!("data:{media_type};base64,{data}"))
        }
        MediaSource::FileId(_) | MediaSource::Text(_) => None,
    }
}

/// The type that the first bytes tell.
fn sniff(base64: &str) -> &'static str {
    const SIGNS: [(&str, &str); 6] = [
        ("iVBOR", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBER", "application/pdf"),
        ("SUQz", "audio/mpeg"),
    ];
    SIGNS.iter().find(|(sign, _)| base64.starts_with(sign)).map_or("application/octet-stream", |(_, name)| name)
}

/// The bare name of a sound format (`wav`, `mp3`).
pub(super) fn audio_format(media_type: &str) -> &str {
    match media_type {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/L16" | "audio/pcm" => "pcm16",
        "audio/mp4" | "audio/x-m4a" => "m4a",
        other => other.strip_prefix("audio/").unwrap_or(other),
    }
}
