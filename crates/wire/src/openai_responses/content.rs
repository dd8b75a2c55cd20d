//! Pieces of content: text, images, files, sound, refusals, and what an answer cites.

use serde_json::value::RawValue;

use super::DIALECT;
use crate::chat::{CacheMark, Citation, Hosted, Media, MediaSource, Part, PartBody};
use crate::fields::Fields;
use crate::lenient::Count;
use crate::openai::{self, BREAKPOINT, MARK};
use crate::openai_chat::citations;
use crate::problem::Malformed;

/// Whether that value is a string.
pub(super) fn is_string(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// The string that stands there.
pub(super) fn string(raw: &RawValue) -> Result<String, Malformed> {
    serde_json::from_str(raw.get()).map_err(|error| Malformed::new(&error.to_string()))
}

/// The values of the array that stands there.
pub(super) fn list(raw: &RawValue) -> Result<Vec<&RawValue>, Malformed> {
    serde_json::from_str(raw.get()).map_err(|error| Malformed::new(&error.to_string()))
}

/// Reads the content of a message or of a tool's result: a string, or pieces.
pub(super) fn read_content(raw: Option<&RawValue>) -> Result<Vec<Part>, Malformed> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(Vec::new()) };
    if is_string(raw) {
        return Ok(vec![Part::text(string(raw)?)]);
    }
    let mut parts = Vec::new();
    for (at, piece) in list(raw).map_err(|malformed| malformed.within("content"))?.into_iter().enumerate() {
        parts.push(read_piece(piece).map_err(|malformed| malformed.within(&format!("content.{at}")))?);
    }
    Ok(parts)
}

/// Reads one piece of content.
pub(super) fn read_piece(raw: &RawValue) -> Result<Part, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let kind: String = fields.require("type")?;
    let logprobs = fields.take_raw("logprobs").filter(|raw| !matches!(raw.get(), "[]" | "null"));
    let body = match kind.as_str() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            let text = fields.take("text")?.unwrap_or_default();
            PartBody::Text { text, citations: read_annotations(fields.take_raw("annotations"))? }
        }
        "refusal" => PartBody::Refusal(fields.take("refusal")?.unwrap_or_default()),
        "input_image" => PartBody::Image(read_image(&mut fields)?),
        "input_file" => PartBody::File(read_file(&mut fields)?),
        "input_audio" => PartBody::Audio(read_audio(&mut fields)?),
        _ => {
            let hosted = Hosted { from: DIALECT, kind, id: None, raw: raw.to_owned() };
            return Ok(Part::new(PartBody::Hosted(hosted)));
        }
    };
    let [marked, breakpoint] = [MARK, BREAKPOINT].map(|key| fields.take_raw(key).filter(|raw| raw.get() != "null"));
    let mut part = Part::new(body);
    part.extra = fields.rest(DIALECT);
    if let Some(logprobs) = logprobs {
        part.extra.push("logprobs", logprobs.to_owned());
    }
    part.cache = marked.and_then(|raw| read_mark(raw.get())).or(openai::keep_breakpoint(breakpoint, &mut part.extra));
    if let Some(raw) = marked {
        part.extra.note(MARK, raw.get().to_owned());
    }
    Ok(part)
}

/// A breakpoint in Anthropic's words, which clients send here too.
fn read_mark(raw: &str) -> Option<CacheMark> {
    #[derive(serde::Deserialize)]
    struct Mark {
        ttl: Option<String>,
    }
    let mark: Option<Mark> = serde_json::from_str(raw).ok()?;
    mark.map(|mark| CacheMark { ttl: mark.ttl })
}

fn read_image(fields: &mut Fields<'_>) -> Result<Media, Malformed> {
    let detail = fields.take("detail")?;
    let file: Option<String> = fields.take("file_id")?;
    let url = match fields.take_raw("image_url").filter(|raw| raw.get() != "null") {
        // The form of chat completions, which some clients send here too.
        Some(raw) if !is_string(raw) => Some(Fields::nested(raw)?.require("url")?),
        Some(raw) => Some(string(raw)?),
        None => None,
    };
    let mut media = match (url, file) {
        (Some(url), _) => at_url(url),
        (None, Some(id)) => Media::new(MediaSource::FileId(id), None),
        (None, None) => return Err(Malformed::field("image_url", "is missing")),
    };
    media.detail = detail;
    Ok(media)
}

fn read_file(fields: &mut Fields<'_>) -> Result<Media, Malformed> {
    let name = fields.take("filename")?;
    let detail = fields.take("detail")?;
    let data: Option<String> = fields.take("file_data")?;
    let id: Option<String> = fields.take("file_id")?;
    let url: Option<String> = fields.take("file_url")?;
    let media = match (data, id, url) {
        (Some(data), _, _) if data.starts_with("data:") => at_url(data),
        (Some(data), _, _) => Media::new(MediaSource::Base64(data), None),
        (None, Some(id), _) => Media::new(MediaSource::FileId(id), None),
        (None, None, Some(url)) => at_url(url),
        (None, None, None) => return Err(Malformed::field("file_data", "is missing")),
    };
    Ok(Media { name, detail, ..media })
}

fn read_audio(fields: &mut Fields<'_>) -> Result<Media, Malformed> {
    let Some(raw) = fields.take_raw("input_audio") else { return Err(Malformed::field("input_audio", "is missing")) };
    let mut inner = Fields::nested(raw).map_err(|malformed| malformed.within("input_audio"))?;
    let data = inner.require("data").map_err(|malformed| malformed.within("input_audio"))?;
    Ok(Media::new(MediaSource::Base64(data), inner.take("format")?))
}

/// What is at that URL, or in it.
fn at_url(url: String) -> Media {
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inline {
        Some((media_type, data)) => Media::new(MediaSource::Base64(data.to_owned()), Some(media_type.to_owned())),
        None => Media::new(MediaSource::Url(url), None),
    }
}

fn read_annotations(raw: Option<&RawValue>) -> Result<Vec<Citation>, Malformed> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(Vec::new()) };
    list(raw)?.into_iter().map(read_annotation).collect()
}

/// The item in which Perplexity lists the pages that it found, and marks none of them in the text.
pub(super) const RESULTS: &str = "search_results";

/// The pages of such an item, as sources of the text that follows it.
pub(super) fn read_results(raw: &RawValue) -> Vec<Citation> {
    let results = Fields::nested(raw).ok().and_then(|mut fields| fields.take_raw("results"));
    let results = results.and_then(|raw| list(raw).ok()).unwrap_or_default();
    results.into_iter().filter_map(citations::read).map(|page| Citation { raw: None, ..page }).collect()
}

/// Reads one annotation, of whatever kind.
pub(super) fn read_annotation(raw: &RawValue) -> Result<Citation, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let word = |fields: &mut Fields<'_>, key: &str| -> Option<String> { fields.take(key).ok().flatten() };
    let place = |fields: &mut Fields<'_>, key: &str| -> Option<u64> { *fields.take::<Count>(key).ok().flatten()? };
    let (start, end) = (place(&mut fields, "start_index"), place(&mut fields, "end_index"));
    // Both are required: a place of no length is none.
    let is_place = end != Some(0);
    Ok(Citation {
        url: word(&mut fields, "url"),
        title: word(&mut fields, "title").or_else(|| word(&mut fields, "filename")),
        cited_text: word(&mut fields, "content"),
        document: word(&mut fields, "file_id"),
        start: start.filter(|_| is_place),
        end: end.filter(|_| is_place),
        raw: Some((DIALECT, raw.to_owned())),
        ..Citation::default()
    })
}
