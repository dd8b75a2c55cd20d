//! Transcriptions that are asked for in JSON, as OpenRouter's clients do, in the form that providers take.
//!
//! The sound stands in the request as text. It becomes the form's file, and what else the request says becomes its fields; what is meant
//! for OpenRouter alone stays behind.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use switchboard_wire::frames::Frames;
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
