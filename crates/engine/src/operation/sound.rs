//! The sound of transcriptions: how long it lasts, and those that are asked for in JSON, as OpenRouter's clients do, in the form that providers take.
//!
//! The sound stands in the request as text. It becomes the form's file, and what else the request says becomes its fields; what is meant
//! for OpenRouter alone stays behind.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use switchboard_wire::frames::Frames;
use switchboard_wire::multipart;
use switchboard_wire::problem::{Kind, Problem};

use crate::call::{Call, Content};
use crate::error::Error;

/// What providers know of a request; the rest of it is for the gateway.
const FIELDS: [&str; 6] = ["language", "prompt", "response_format", "stream", "temperature", "timestamp_granularities"];

#[derive(Deserialize)]
struct Sound {
    data: String,
    format: Option<String>,
}

/// How long the sound of a form lasts, in milliseconds, where that can be seen: of uncompressed WAVE files.
pub(super) fn length(call: &Call) -> Option<u64> {
    let Content::Form(kind) = &call.content else { return None };
    wave(&multipart::bytes(&call.body, kind, "file").ok()??)
}

/// A WAVE file says how many bytes make a second, and how many there are.
fn wave(file: &[u8]) -> Option<u64> {
    let number = |at: usize| Some(u64::from(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?)));
    if file.get(..4)? != b"RIFF" || file.get(8..12)? != b"WAVE" {
        return None;
    }
    let (mut at, mut each) = (12, None);
    loop {
        let (name, length) = (file.get(at..at + 4)?, number(at + 4)?);
        let body = at + 8;
        match name {
            b"fmt " => each = number(body + 8),
            // A file that was written as it was heard does not know its own length.
            b"data" => return length.min((file.len() - body) as u64).checked_mul(1000)?.checked_div(each?),
            _ => {}
        }
        at = body.checked_add(usize::try_from(length.checked_add(length % 2)?).ok()?)?;
    }
}

/// The request as a form, with its content type; `None`: it holds no sound.
pub(super) fn form(call: &Call, model: &str) -> Result<Option<(Frames, String)>, Error> {
    let Content::Json(outline) = &call.content else { return Ok(None) };
    let sound: Option<Sound> = outline.read(&call.body, "input_audio").map_err(Problem::from)?;
    let Some(sound) = sound else { return Ok(None) };
    let (told, data) = match sound.data.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((kind, data)) => (kind.strip_prefix("audio/").map(str::to_owned), data),
        None => (None, sound.data.as_str()),
    };
    let format = sound.format.or(told).unwrap_or_else(|| "wav".to_owned());
    if !format.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Problem::new(Kind::BadRequest, "`input_audio.format` is no name of a format").with_param("input_audio").into());
    }
    let bytes = BASE64_STANDARD
        .decode(data.trim())
        .map_err(|_| Problem::new(Kind::BadRequest, "`input_audio.data` is not base64").with_param("input_audio"))?;
    let mut out = Vec::with_capacity(bytes.len() + 1024);
    // The call's id is random: no sound holds it.
    let boundary = format!("switchboard-{}", call.id);
    let mut part = |head: &str, value: &[u8]| {
        out.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    part("name=\"model\"", model.as_bytes());
    for name in FIELDS {
        match outline.read::<serde_json::Value>(&call.body, name).map_err(Problem::from)? {
            None => {}
            Some(serde_json::Value::String(text)) => part(&format!("name=\"{name}\""), text.as_bytes()),
            Some(serde_json::Value::Array(items)) => {
                for item in items.iter().filter_map(serde_json::Value::as_str) {
                    part(&format!("name=\"{name}[]\""), item.as_bytes());
                }
            }
            Some(value) => part(&format!("name=\"{name}\""), value.to_string().as_bytes()),
        }
    }
    part(&format!("name=\"file\"; filename=\"audio.{format}\"\r\nContent-Type: audio/{format}"), &bytes);
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(Some((Frames::from(out), format!("multipart/form-data; boundary={boundary}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with those chunks.
    fn file(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0WAVE".to_vec();
        for (name, length, body) in chunks {
            out.extend_from_slice(*name);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(body);
        }
        out
    }

    #[test]
    fn a_wave_file_says_how_long_it_lasts() {
        // One channel, 16,000 samples a second of two bytes each.
        let format = [1, 0, 1, 0, 0x80, 0x3e, 0, 0, 0, 0x7d, 0, 0, 2, 0, 16, 0];
        let second = vec![0; 32_000];
        for (chunks, wanted) in [
            (vec![(b"fmt ", 16, &format[..]), (b"data", 32_000, &second)], Some(1000)),
            (vec![(b"fmt ", 16, &format[..]), (b"LIST", 3, b"abc\0"), (b"data", 16_000, &second[..16_000])], Some(500)),
            (vec![(b"fmt ", 16, &format[..]), (b"data", u32::MAX, &second)], Some(1000)),
            (vec![(b"data", 32_000, &second)], None),
            (vec![(b"fmt ", 16, &[0; 16]), (b"data", 32_000, &second)], None),
            (vec![(b"fmt ", u32::MAX, &format[..])], None),
        ] {
            assert_eq!(wave(&file(&chunks)), wanted);
        }
        assert_eq!(wave(b"ID3"), None);
    }
}
