//! Every text of a body: what is said, and what else leaves with it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Fields that name things and tell nothing: ids look as random as secrets do.
const NAMES: [&str; 11] =
    ["id", "call_id", "tool_call_id", "tool_use_id", "item_id", "file_id", "previous_response_id", "model", "type", "role", "object"];
/// Fields whose text only their provider can read.
const SEALED: [&str; 4] = ["signature", "encrypted_content", "thoughtSignature", "thought_signature"];
/// Fields whose objects are read as JSON text: there a name says what its value is, and numbers count.
const INPUTS: [&str; 4] = ["input", "args", "arguments", "response"];
/// How much of two parts of a text is looked at where they meet.
const SEAM: usize = 96;

/// Shows every text of a body.
pub(super) fn see(body: &Value, show: &mut impl FnMut(&str)) {
    let Value::Object(fields) = body else { return value(body, show) };
    // The caller's own key for the provider is no content.
    for (name, inner) in fields.iter().filter(|(name, _)| *name != "api_key") {
        called(name, show);
        field(name, inner, show);
    }
}

fn value(body: &Value, show: &mut impl FnMut(&str)) {
    match body {
        Value::String(text) => string(text, show),
        Value::Array(items) => {
            items.iter().for_each(|item| value(item, show));
            items.windows(2).for_each(|two| seam(&two[0], &two[1], show));
        }
        Value::Object(fields) => {
            let media = ["media_type", "mime_type", "mimeType"].iter().find_map(|name| fields.get(*name)?.as_str());
            for (name, inner) in fields {
                called(name, show);
                match inner {
                    Value::String(text) if name == "data" => data(text, media, fields, show),
                    _ => field(name, inner, show),
                }
            }
        }
        // A card may be a number; a price, a count or a time is none.
        Value::Number(number) => {
            let digits = number.to_string();
            if (12..=19).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()) {
                show(&digits);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// A name that is more than the name of a field.
fn called(name: &str, show: &mut impl FnMut(&str)) {
    if !name.bytes().all(|sign| sign.is_ascii_alphabetic() || sign == b'_') {
        show(name);
    }
}

fn field(name: &str, inner: &Value, show: &mut impl FnMut(&str)) {
    match inner {
        Value::String(_) if NAMES.contains(&name) || SEALED.contains(&name) => {}
        Value::Object(_) if INPUTS.contains(&name) => show(&inner.to_string()),
        _ => value(inner, show),
    }
}

/// A text, or what a `data:` URL of text holds.
fn string(text: &str, show: &mut impl FnMut(&str)) {
    let Some((head, rest)) = text.strip_prefix("data:").and_then(|url| url.split_once(',')) else { return show(text) };
    match head.strip_suffix(";base64") {
        Some(media) if is_text(media) || media.is_empty() => decoded(rest, show),
        Some(_) => {}
        None => show(text),
    }
}

/// The field `data`: sound and pictures, or a document of text, encoded or not.
fn data(text: &str, media: Option<&str>, fields: &Map<String, Value>, show: &mut impl FnMut(&str)) {
    let kind = fields.get("type").and_then(Value::as_str);
    match media {
        Some(media) if !is_text(media) => {}
        Some(_) if kind != Some("text") => decoded(text, show),
        None if fields.contains_key("format") || kind == Some("redacted_thinking") => {}
        _ => string(text, show),
    }
}

fn is_text(media: &str) -> bool {
    media.starts_with("text/") || ["json", "xml", "yaml", "csv", "javascript"].iter().any(|kind| media.contains(kind))
}

fn decoded(text: &str, show: &mut impl FnMut(&str)) {
    match STANDARD.decode(text.trim_end()) {
        Ok(bytes) => show(&String::from_utf8_lossy(&bytes)),
        Err(_) => show(text),
    }
}

/// Where one part of a text ends and the next begins: the model reads them as one.
fn seam(one: &Value, next: &Value, show: &mut impl FnMut(&str)) {
    let text = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_owned);
    let (Some(one), Some(next)) = (text(one), text(next)) else { return };
    let from = (0..=one.len().saturating_sub(SEAM)).rev().find(|at| one.is_char_boundary(*at)).unwrap_or(0);
    let to = (0..=next.len().min(SEAM)).rev().find(|at| next.is_char_boundary(*at)).unwrap_or(0);
    show(&format!("{}{}", &one[from..], &next[..to]));
}
