//! The forms there are.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

const FORMS: &str = include_str!("../forms.json");

/// A field's type.
#[derive(Debug)]
pub(super) enum Type {
    Text,
    Integer,
    Number,
    Flag,
    Time,
    Any,
    List(Box<Type>),
    Object(Box<Type>),
    Word(Vec<String>),
    Form(String),
    /// The first that fits.
    Either(Vec<Type>),
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) nullable: bool,
    pub(super) required: bool,
}

/// The fields of that form; none for one that holds anything.
pub(super) fn form(name: &str) -> &'static [Field] {
    static ALL: OnceLock<HashMap<String, Vec<Field>>> = OnceLock::new();
    ALL.get_or_init(read).get(name).map_or(&[], Vec::as_slice)
}

/// Whether that form has a field of that name.
pub(crate) fn has(form_name: &str, field: &str) -> bool {
    form(form_name).iter().any(|known| known.name == field)
}

/// What `forms.json` says; its test sees that it can be read.
fn written() -> Map<String, Value> {
    serde_json::from_str(FORMS).unwrap_or_default()
}

fn read() -> HashMap<String, Vec<Field>> {
    let fields = |fields: &Value| fields.as_object().into_iter().flatten().map(|(name, kind)| field(name, kind)).collect();
    written().iter().map(|(name, form)| (name.clone(), fields(form))).collect()
}

fn field(name: &str, kind: &Value) -> Field {
    let text = kind.as_str().unwrap_or("any");
    let (text, required) = text.strip_suffix('!').map_or((text, false), |text| (text, true));
    let (text, nullable) = text.strip_suffix('?').map_or((text, false), |text| (text, true));
    Field { name: name.to_owned(), kind: kind_of(text), nullable, required }
}

fn kind_of(text: &str) -> Type {
    let mut depth = 0_i32;
    let outside = |letter: char| {
        depth += i32::from("[{(".contains(letter)) - i32::from("]})".contains(letter));
        letter == '|' && depth == 0
    };
    let kinds: Vec<&str> = text.split(outside).collect();
    if kinds.len() > 1 {
        return Type::Either(kinds.into_iter().map(kind_of).collect());
    }
    let inside = |open: char, close: char| text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
    if let Some(inner) = inside('[', ']') {
        return Type::List(Box::new(kind_of(inner)));
    }
    if let Some(inner) = inside('{', '}') {
        return Type::Object(Box::new(kind_of(inner)));
    }
    if let Some(words) = inside('(', ')') {
        return Type::Word(words.split(',').map(str::to_owned).collect());
    }
    match text {
        "str" => Type::Text,
        "int" => Type::Integer,
        "float" => Type::Number,
        "bool" => Type::Flag,
        "time" => Type::Time,
        "any" => Type::Any,
        form => Type::Form(form.to_owned()),
    }
}

/// A form as the API document writes it.
pub fn document(name: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in form(name) {
        properties.insert(field.name.clone(), schema(&field.kind, field.nullable));
        if field.required {
            required.push(Value::from(field.name.clone()));
        }
    }
    let mut document = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        document["required"] = Value::Array(required);
    }
    document
}

/// A field that is written so, as the API document writes it, and whether it is always there. `form` knows what it names.
pub(crate) fn field_schema(written: &str, form: &dyn Fn(&str) -> Value) -> (Value, bool) {
    let field = field("", &Value::from(written));
    (schema_of(&field.kind, field.nullable, form), field.required)
}

/// The type that the first of those forms gives to a field of that name, or nothing.
pub(crate) fn typed(forms: &[&str], name: &str) -> Option<Value> {
    let field = forms.iter().find_map(|of| form(of).iter().find(|field| field.name == name))?;
    Some(match schema(&field.kind, false) {
        Value::Object(any) if any.is_empty() => json!({}),
        schema => json!({"anyOf": [schema, {"type": "null"}]}),
    })
}

fn schema(kind: &Type, nullable: bool) -> Value {
    schema_of(kind, nullable, &document)
}

fn schema_of(kind: &Type, nullable: bool, form: &dyn Fn(&str) -> Value) -> Value {
    let named = |name: &str| if nullable { json!([name, "null"]) } else { json!(name) };
    let schema = |kind: &Type, nullable: bool| schema_of(kind, nullable, form);
    match kind {
        Type::Text => json!({"type": named("string")}),
        Type::Integer => json!({"type": named("integer")}),
        Type::Number => json!({"type": named("number")}),
        Type::Flag => json!({"type": named("boolean")}),
        Type::Time => json!({"type": named("string"), "format": "date-time"}),
        Type::Any => json!({}),
        Type::List(inner) => json!({"type": named("array"), "items": schema(inner, false)}),
        Type::Object(inner) => json!({"type": named("object"), "additionalProperties": schema(inner, false)}),
        Type::Word(words) => json!({"type": named("string"), "enum": words}),
        Type::Form(name) => form(name),
        Type::Either(kinds) => json!({"anyOf": kinds.iter().map(|kind| schema(kind, nullable)).collect::<Vec<_>>()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_can_be_read_and_leads_only_to_forms() {
        fn leads(kind: &Type, known: &Map<String, Value>) {
            match kind {
                Type::List(inner) | Type::Object(inner) => leads(inner, known),
                Type::Either(kinds) => kinds.iter().for_each(|kind| leads(kind, known)),
                Type::Form(name) => assert!(known.contains_key(name), "{name}"),
                _ => {}
            }
        }
        let written = written();
        assert!(written.len() > 60);
        for name in written.keys() {
            for field in form(name) {
                leads(&field.kind, &written);
            }
        }
    }
}
