//! JSON schemas as the API takes them, fields in the order written.

use serde_json::value::RawValue;

use super::HERE;
use crate::fields::Fields;
use crate::json::{self, Object};

/// Writes a schema; the API requires one, and that it speaks of an object.
pub(super) fn write_input(out: &mut Object<'_>, schema: Option<&RawValue>) {
    let Some(schema) = schema else {
        out.raw("input_schema", r#"{"type":"object","properties":{}}"#);
        return;
    };
    match Fields::nested(schema) {
        Ok(fields) if !fields.has("type") => out.object("input_schema", |out| {
            out.text("type", "object");
            out.extra(&fields.rest(HERE), HERE);
        }),
        _ => out.raw("input_schema", schema.get()),
    }
}

/// Writes the schema of an answer: its objects must be closed. Whether one had to be.
pub(super) fn write_closed(out: &mut Object<'_>, schema: &RawValue) -> bool {
    let closed = close(schema);
    out.raw("schema", closed.as_deref().unwrap_or(schema.get()));
    closed.is_some()
}

/// Fields whose values are data, not schemas.
const DATA: [&str; 5] = ["enum", "const", "default", "example", "examples"];

/// The value with every object schema closed; `None` where all are.
fn close(value: &RawValue) -> Option<String> {
    let bytes = match value.get().as_bytes().first() {
        Some(b'{') => close_object(value)?,
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            let closed: Vec<Option<String>> = items.iter().map(|item| close(item)).collect();
            if closed.iter().all(Option::is_none) {
                return None;
            }
            let mut out = Vec::new();
            json::write_array(&mut out, |out| {
                for (item, closed) in items.iter().zip(&closed) {
                    out.raw(closed.as_deref().unwrap_or(item.get()));
                }
            });
            out
        }
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn close_object(value: &RawValue) -> Option<Vec<u8>> {
    let fields = Fields::nested(value).ok()?.rest(HERE);
    let has = |wanted: &str| fields.fields().iter().any(|(key, _)| key == wanted);
    let is_object = fields.fields().iter().any(|(key, value)| key == "type" && value.get() == "\"object\"");
    let mut changed = is_object && !has("additionalProperties");
    let bytes = json::object(|out| {
        for (key, value) in fields.fields() {
            let closed = if DATA.contains(&key.as_str()) { None } else { close(value) };
            changed |= closed.is_some();
            out.raw(key, closed.as_deref().unwrap_or(value.get()));
        }
        if is_object && !has("additionalProperties") {
            out.field("additionalProperties", &false);
        }
    });
    changed.then_some(bytes)
}
