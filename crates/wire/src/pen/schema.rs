//! JSON schemas in the part of the language that a target knows.
//!
//! Targets refuse a whole request for a keyword that their grammar of answers has not. What such a keyword says is told to the model in
//! words, where the schema describes the value; nothing checks it then, as nothing checks a prompt.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::chat::JsonSchema;
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::json;
use crate::loss::{Losses, Why};

/// Keywords that hold a schema or a list of them, and those that hold schemas by name.
const HOLDERS: [&str; 5] = ["items", "additionalProperties", "anyOf", "oneOf", "allOf"];
const NAMED: [&str; 3] = ["properties", "$defs", "definitions"];

/// What the grammars of Anthropic's models have not.
const BOUNDS: [&str; 24] = [
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "if",
    "then",
    "else",
    "not",
];
/// The formats of texts that they have.
const FORMATS: [&str; 10] = ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// What OpenAI refuses in a schema that an answer or a call is held to.
const LOOSE: [&str; 13] = [
    "default",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
];

type Keywords<'a> = [(String, &'a RawValue)];

/// The schema of an answer in the part of the language that Anthropic's models know: objects closed, bounds told in descriptions; `None`
/// where it is.
pub(crate) fn narrowed(schema: &RawValue) -> Option<String> {
    let keywords = Fields::nested(schema).ok()?.into_entries();
    let mut changed = false;
    let mut notes = Vec::new();
    let mut kept: Vec<(&str, Cow<'_, str>)> = Vec::new();
    for (key, value) in &keywords {
        if is_bound(key, value, &keywords) {
            changed = true;
            if !matches!(value.get(), "false" | "null") {
                notes.push(format!("{key}: {}", value.get()));
            }
            continue;
        }
        if key == "type" && misfits(value, &keywords) {
            changed = true;
            continue;
        }
        let inner = rewritten(key, value);
        changed |= inner.is_some() || key == "oneOf";
        kept.push((if key == "oneOf" { "anyOf" } else { key }, inner.map_or(Cow::Borrowed(value.get()), Cow::Owned)));
    }
    if is_object(&keywords) && find(&keywords, "additionalProperties").is_none() {
        changed = true;
        kept.push(("additionalProperties", Cow::Borrowed("false")));
    }
    if !notes.is_empty() {
        describe(&mut kept, &notes.join(", "));
    }
    let bytes = changed.then(|| json::object(|out| kept.iter().for_each(|(key, value)| out.raw(key, value))))?;
    String::from_utf8(bytes).ok()
}

/// The schema of an answer with what is said of it beside it, for APIs that have a place for that in the schema alone.
pub(crate) fn described(sent: &JsonSchema) -> Cow<'_, RawValue> {
    const DESCRIPTION: &str = "description";
    let inside = |said: &String| {
        let keywords = Fields::nested(&sent.schema).ok()?.into_entries();
        if find(&keywords, DESCRIPTION).is_some() {
            return None;
        }
        let bytes = json::object(|out| {
            out.text(DESCRIPTION, said);
            keywords.iter().for_each(|(key, value)| out.raw(key, value.get()));
        });
        json::raw(&json::text(bytes))
    };
    let said = sent.description.as_ref().filter(|said| !said.is_empty());
    said.and_then(inside).map_or(Cow::Borrowed(&sent.schema), Cow::Owned)
}

/// Whether the schema has objects of which it does not name the properties: closed, they would be empty.
pub(crate) fn is_open(schema: &RawValue) -> bool {
    !all(schema, &|keywords| {
        let further = find(keywords, "additionalProperties").is_some_and(|further| further.get() != "false");
        !further && find(keywords, "patternProperties").is_none()
    })
}

/// Whether another format's `strict` goes on to one of OpenAI's, which asks more of such a schema: that each object is closed and
/// requires all that it has.
pub(crate) fn strict(
    strict: Option<bool>,
    schema: Option<&RawValue>,
    (extra, at): (&Extra, &'static str),
    losses: &mut Losses,
) -> Option<bool> {
    let own = matches!(extra.from(), Some(Dialect::OpenAiChat | Dialect::OpenAiResponses));
    if own || strict != Some(true) || schema.is_none_or(is_strict) {
        return strict;
    }
    losses.add(at, Why::Approximated);
    None
}

fn is_strict(schema: &RawValue) -> bool {
    let root = Fields::nested(schema).is_ok_and(|fields| {
        let keywords = fields.into_entries();
        is_object(&keywords) && find(&keywords, "anyOf").is_none()
    });
    root && all(schema, &|keywords| {
        let known = keywords.iter().all(|(key, _)| !LOOSE.contains(&key.as_str()));
        let alone = find(keywords, "$ref").is_none() || keywords.len() == 1;
        known && alone && (!is_object(keywords) || is_full(keywords))
    })
}

/// Whether an object is closed and requires all that it has.
fn is_full(keywords: &Keywords<'_>) -> bool {
    let closed = find(keywords, "additionalProperties").is_some_and(|further| further.get() == "false");
    let required: Vec<String> = find(keywords, "required").and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let properties = find(keywords, "properties").and_then(|raw| Fields::nested(raw).ok()).map(Fields::into_entries).unwrap_or_default();
    closed && properties.iter().all(|(name, _)| required.contains(name))
}

fn find<'a>(keywords: &Keywords<'a>, wanted: &str) -> Option<&'a RawValue> {
    keywords.iter().find(|(key, _)| key == wanted).map(|(_, value)| *value)
}

fn is_object(keywords: &Keywords<'_>) -> bool {
    find(keywords, "type").is_some_and(|kind| kind.get().contains("\"object\""))
}

fn is_bound(key: &str, value: &RawValue, keywords: &Keywords<'_>) -> bool {
    match key {
        "minItems" => !matches!(value.get(), "0" | "1"),
        "format" => serde_json::from_str(value.get()).is_ok_and(|format: String| !FORMATS.contains(&format.as_str())),
        // It is said as the other, unless that is there too.
        "oneOf" => find(keywords, "anyOf").is_some(),
        key => BOUNDS.contains(&key),
    }
}

/// Whether the values that are listed are of other types than the one that is said.
fn misfits(kind: &RawValue, keywords: &Keywords<'_>) -> bool {
    let listed = find(keywords, "enum").and_then(|raw| serde_json::from_str::<Vec<Value>>(raw.get()).ok());
    let (Some(listed), Ok(kind)) = (listed, serde_json::from_str::<String>(kind.get())) else { return false };
    listed.iter().any(|value| match kind.as_str() {
        "string" => !value.is_string(),
        "integer" | "number" => !value.is_number(),
        "boolean" => !value.is_boolean(),
        "null" => !value.is_null(),
        _ => false,
    })
}

/// Says in the description what was left out.
fn describe(kept: &mut Vec<(&str, Cow<'_, str>)>, note: &str) {
    let mut text = Vec::new();
    match kept.iter_mut().find(|(key, _)| *key == "description") {
        Some((_, said)) => {
            let earlier: String = serde_json::from_str(said).unwrap_or_default();
            json::write_value(&mut text, &format!("{earlier} (Required: {note}.)"));
            *said = Cow::Owned(String::from_utf8_lossy(&text).into_owned());
        }
        None => {
            json::write_value(&mut text, &format!("Required: {note}."));
            kept.push(("description", Cow::Owned(String::from_utf8_lossy(&text).into_owned())));
        }
    }
}

/// The value of a keyword with the schemas in it narrowed; `None` where they are.
fn rewritten(key: &str, value: &RawValue) -> Option<String> {
    let bytes = match value.get().as_bytes().first()? {
        b'{' if HOLDERS.contains(&key) => return narrowed(value),
        b'{' if NAMED.contains(&key) => {
            let named = Fields::nested(value).ok()?.into_entries();
            let inner: Vec<Option<String>> = named.iter().map(|(_, schema)| narrowed(schema)).collect();
            inner.iter().any(Option::is_some).then(|| {
                let pairs = named.iter().zip(&inner);
                json::object(|out| pairs.for_each(|((name, schema), inner)| out.raw(name, inner.as_deref().unwrap_or(schema.get()))))
            })?
        }
        b'[' if HOLDERS.contains(&key) => {
            let list: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            let inner: Vec<Option<String>> = list.iter().map(|schema| narrowed(schema)).collect();
            let mut out = Vec::new();
            json::write_array(&mut out, |out| {
                list.iter().zip(&inner).for_each(|(schema, inner)| out.raw(inner.as_deref().unwrap_or(schema.get())));
            });
            inner.iter().any(Option::is_some).then_some(out)?
        }
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

/// Whether that holds of the schema and of each one in it.
fn all(schema: &RawValue, holds: &dyn Fn(&Keywords<'_>) -> bool) -> bool {
    let Ok(fields) = Fields::nested(schema) else { return true };
    let keywords = fields.into_entries();
    holds(&keywords) && keywords.iter().all(|(key, value)| inner(key, value).into_iter().all(|schema| all(schema, holds)))
}

/// The schemas that a keyword holds.
fn inner<'a>(key: &str, value: &'a RawValue) -> Vec<&'a RawValue> {
    let named = || Fields::nested(value).map(|fields| fields.into_entries().into_iter().map(|(_, schema)| schema).collect());
    match value.get().as_bytes().first() {
        Some(b'{') if HOLDERS.contains(&key) => vec![value],
        Some(b'{') if NAMED.contains(&key) => named().unwrap_or_default(),
        Some(b'[') if HOLDERS.contains(&key) => serde_json::from_str(value.get()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn narrow(schema: &Value) -> Value {
        let raw = json::raw(&schema.to_string()).unwrap();
        narrowed(&raw).map_or_else(|| schema.clone(), |text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn bounds_are_told_in_words() {
        let schema = json!({"type": "object", "properties": {
            "age": {"type": "integer", "description": "Years.", "minimum": 0, "maximum": 120},
            "minimum": {"type": "string", "minLength": 1},
            "tags": {"type": "array", "minItems": 1, "uniqueItems": false, "items": {"type": "string", "format": "color"}}}});
        let wanted = json!({"type": "object", "additionalProperties": false, "properties": {
            "age": {"type": "integer", "description": "Years. (Required: maximum: 120, minimum: 0.)"},
            "minimum": {"type": "string", "description": "Required: minLength: 1."},
            "tags": {"type": "array", "minItems": 1, "items": {"type": "string", "description": "Required: format: \"color\"."}}}});
        assert_eq!(narrow(&schema), wanted);
        assert_eq!(narrow(&wanted), wanted, "nothing is left to do");
    }

    #[test]
    fn choices_and_definitions_are_narrowed_too() {
        let inner = json!({"type": ["object", "null"], "properties": {}});
        let closed = json!({"type": ["object", "null"], "properties": {}, "additionalProperties": false});
        let schema = json!({"oneOf": [{"$ref": "#/$defs/a"}, {"type": "number", "not": {"const": 1}}], "$defs": {"a": inner}});
        let wanted = json!({"anyOf": [{"$ref": "#/$defs/a"}, {"type": "number", "description": "Required: not: {\"const\":1}."}],
            "$defs": {"a": closed}});
        assert_eq!(narrow(&schema), wanted);
        let data = json!({"enum": [{"type": "object", "minimum": 1}], "default": {"type": "object"}});
        assert_eq!(narrow(&data), data, "data are no schemas");
        assert_eq!(narrow(&json!({"type": "string", "enum": ["a", null]})), json!({"enum": ["a", null]}));
    }

    #[test]
    fn schemas_are_open_where_names_are_not_told() {
        for (schema, open) in [
            (json!({"type": "object", "additionalProperties": false}), false),
            (json!({"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "integer"}}}}), true),
            (json!({"properties": {"additionalProperties": {"type": "string"}}}), false),
            (json!({"anyOf": [{"patternProperties": {"^a": {}}}]}), true),
        ] {
            assert_eq!(is_open(&json::raw(&schema.to_string()).unwrap()), open, "{schema}");
        }
    }

    #[test]
    fn openai_holds_to_schemas_that_leave_nothing_out() {
        let of = |inner: Value| json!({"type": "object", "properties": {"a": inner}, "required": ["a"], "additionalProperties": false});
        for (schema, wanted) in [
            (of(json!({"type": "string"})), true),
            (of(of(json!({"$ref": "#"}))), true),
            (of(json!({"type": "object", "properties": {"b": {}}, "additionalProperties": false})), false),
            (of(json!({"type": "object", "properties": {}})), false),
            (of(json!({"type": "string", "default": "x"})), false),
            (of(json!({"$ref": "#", "description": "d"})), false),
            (json!({"anyOf": [of(json!({}))]}), false),
        ] {
            assert_eq!(is_strict(&json::raw(&schema.to_string()).unwrap()), wanted, "{schema}");
        }
    }
}
