//! JSON schemas as the API takes them, fields in the order written.

use serde_json::value::RawValue;

use super::HERE;
use crate::fields::Fields;
use crate::json::Object;
use crate::pen::schema::narrowed;

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

/// Writes the schema of an answer, as the API takes it. Whether it had to be changed.
pub(super) fn write_narrowed(out: &mut Object<'_>, schema: &RawValue) -> bool {
    let narrowed = narrowed(schema);
    out.raw("schema", narrowed.as_deref().unwrap_or(schema.get()));
    narrowed.is_some()
}
