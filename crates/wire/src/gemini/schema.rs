//! JSON schemas towards Gemini, and Gemini's OpenAPI subset towards everybody else. Order is kept: models answer in it.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;

/// A JSON value with its keys in order.
#[derive(Debug)]
enum Node<'a> {
    Object(Vec<(String, Node<'a>)>),
    Array(Vec<Node<'a>>),
    Leaf(&'a str),
}

fn parse(text: &str) -> Option<Node<'_>> {
    Some(match text.trim_start().as_bytes().first()? {
        b'{' => {
            let entries = serde_json::Deserializer::from_str(text).deserialize_map(Entries).ok()?;
            Node::Object(entries.into_iter().map(|(key, raw)| Some((key, parse(raw.get())?))).collect::<Option<_>>()?)
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Node::Array(items.into_iter().map(|raw| parse(raw.get())).collect::<Option<_>>()?)
        }
        _ => Node::Leaf(text),
    })
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, &'de RawValue)>;
    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

impl Node<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Node::Object(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push(if at == 0 { b'{' } else { b',' });
                    json::write_value(out, key);
                    out.push(b':');
                    value.write(out);
                }
                out.extend_from_slice(if entries.is_empty() { b"{}" } else { b"}" });
            }
            Node::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Node::Leaf(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

fn rewritten<'a>(raw: &'a RawValue, rewrite: impl Fn(&mut Vec<(String, Node<'a>)>)) -> Box<RawValue> {
    let Some(mut node) = parse(raw.get()) else { return raw.to_owned() };
    visit(&mut node, &rewrite);
    let mut out = Vec::with_capacity(raw.get().len());
    node.write(&mut out);
    String::from_utf8(out).ok().and_then(|text| json::raw(&text)).unwrap_or_else(|| raw.to_owned())
}

/// Visits a schema and the schemas in it: not the names of properties, nor values such as defaults.
fn visit<'a>(node: &mut Node<'a>, rewrite: &impl Fn(&mut Vec<(String, Node<'a>)>)) {
    let Node::Object(entries) = node else { return };
    rewrite(entries);
    for (key, value) in entries {
        match (key.as_str(), value) {
            ("properties" | "$defs" | "defs" | "definitions" | "patternProperties" | "dependentSchemas", Node::Object(named)) => {
                named.iter_mut().for_each(|(_, schema)| visit(schema, rewrite));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Node::Array(list)) => {
                list.iter_mut().for_each(|schema| visit(schema, rewrite));
            }
            ("items" | "additionalProperties" | "not" | "if" | "then" | "else" | "contains", schema) => visit(schema, rewrite),
            _ => {}
        }
    }
}

/// A JSON schema for `parametersJsonSchema` or `responseJsonSchema`. Gemini takes whole JSON schemas there and ignores the keywords it
/// does not know; what would change the meaning by being ignored is said in keywords it knows.
pub(super) fn to_gemini(raw: &RawValue) -> Box<RawValue> {
    if !["\"const\"", "\"allOf\"", "\"$schema\""].iter().any(|keyword| raw.get().contains(keyword)) {
        return raw.to_owned();
    }
    rewritten(raw, |entries| {
        entries.retain(|(key, _)| key != "$schema");
        if entries.iter().any(|(key, _)| key == "enum") {
            entries.retain(|(key, _)| key != "const");
        }
        for (key, value) in entries.iter_mut().filter(|(key, _)| key == "const") {
            // Only texts and numbers may be enumerated.
            if matches!(value, Node::Leaf(text) if !matches!(text.trim(), "true" | "false" | "null")) {
                "enum".clone_into(key);
                let constant = std::mem::replace(value, Node::Leaf("null"));
                *value = Node::Array(vec![constant]);
            }
        }
        inline_single_all_of(entries);
    })
}

fn inline_single_all_of(entries: &mut Vec<(String, Node<'_>)>) {
    let single = |(key, value): &(String, Node<'_>)| key == "allOf" && matches!(value, Node::Array(list) if list.len() == 1);
    let Some(at) = entries.iter().position(single) else { return };
    let (_, all_of) = entries.remove(at);
    let Node::Array(list) = all_of else { return };
    for node in list {
        let Node::Object(inner) = node else { continue };
        for (key, value) in inner {
            if !entries.iter().any(|(known, _)| *known == key) {
                entries.push((key, value));
            }
        }
    }
}

/// Gemini's OpenAPI subset as a JSON schema: types in small letters, `nullable` as a type, names as JSON schema has them.
pub(super) fn from_openapi(raw: &RawValue) -> Box<RawValue> {
    rewritten(raw, |entries| {
        entries.retain(|(key, _)| !matches!(key.as_str(), "propertyOrdering" | "property_ordering"));
        for (key, _) in entries.iter_mut() {
            for (snake, camel) in [("any_of", "anyOf"), ("min_items", "minItems"), ("max_items", "maxItems")] {
                if key == snake {
                    camel.clone_into(key);
                }
            }
        }
        let nullable = entries.iter().any(|(key, value)| key == "nullable" && matches!(value, Node::Leaf("true")));
        entries.retain(|(key, _)| key != "nullable");
        for (_, value) in entries.iter_mut().filter(|(key, _)| key == "type") {
            let Some(name) = type_name(value) else { continue };
            *value = if nullable { Node::Array(vec![Node::Leaf(name), Node::Leaf("\"null\"")]) } else { Node::Leaf(name) };
        }
    })
}

fn type_name(node: &Node<'_>) -> Option<&'static str> {
    let Node::Leaf(text) = node else { return None };
    let name = text.trim().trim_matches('"').to_ascii_lowercase();
    ["\"string\"", "\"number\"", "\"integer\"", "\"boolean\"", "\"array\"", "\"object\"", "\"null\""]
        .into_iter()
        .find(|quoted| quoted.trim_matches('"') == name)
}
