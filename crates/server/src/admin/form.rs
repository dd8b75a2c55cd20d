//! What callers send, checked field by field.
//!
//! `forms.json` holds the fields of each request: `str`, `int`, `float`, `bool`, `time`, `any`, `[x]` a list, `{x}` an object,
//! `(a,b)` one of those words, another form by its name; `?` behind it allows null, `!` says that it must be sent. Complaints
//! have the words and the shape of FastAPI's, since clients show them to people.

mod check;
mod types;

use serde_json::{Map, Value, json};
use switchboard_store::{Money, Time};

use crate::refused::Refused;

pub use types::document;
pub(crate) use types::{field_schema as field, has, typed};

/// The fields that were sent, of those a request may have.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Each as it was sent, numbers in strings made numbers.
    pub fields: Map<String, Value>,
}

/// The fields of a body that the form of that name has.
pub(super) fn known(name: &str, body: &Value) -> Value {
    let fields = body.as_object().into_iter().flatten().filter(|(field, _)| has(name, field));
    Value::Object(fields.map(|(field, value)| (field.clone(), value.clone())).collect())
}

/// A field as one of those forms takes it, with times written in one way, or why none does. Null says nothing, and so do fields
/// that no form knows.
pub(crate) fn taken(forms: &[&str], name: &str, value: &Value) -> Result<Value, String> {
    let mut refused = None;
    for field in forms.iter().filter_map(|of| types::form(of).iter().find(|field| field.name == name)).filter(|_| !value.is_null()) {
        let mut complaints = Vec::new();
        let checked = check::field(field, value, &mut complaints);
        let Some(complaint) = complaints.first() else { return Ok(checked) };
        refused = refused.or_else(|| complaint["msg"].as_str().map(str::to_owned));
    }
    refused.map_or_else(|| Ok(value.clone()), Err)
}

/// The fields that a request by that form must have.
pub(crate) fn required(form: &str) -> impl Iterator<Item = &'static str> {
    types::form(form).iter().filter(|field| field.required).map(|field| field.name.as_str())
}

impl Form {
    /// Reads a body as the form of that name.
    pub fn read(name: &'static str, body: Option<&Value>) -> Result<Self, Refused> {
        let complaint = |kind: &str, message: &str, input: &Value| json!({"type": kind, "loc": ["body"], "msg": message, "input": input});
        let Some(body) = body else {
            return Err(Refused::invalid(vec![complaint("missing", "Field required", &Value::Null)]));
        };
        let Value::Object(_) = body else {
            let message = "Input should be a valid dictionary or object to extract fields from";
            return Err(Refused::invalid(vec![complaint("model_attributes_type", message, body)]));
        };
        let mut complaints = Vec::new();
        let checked = check::model(types::form(name), body, &mut vec![json!("body")], &mut complaints);
        match checked {
            Value::Object(fields) if complaints.is_empty() => Ok(Self { fields }),
            _ => Err(Refused::invalid(complaints)),
        }
    }

    /// Whether a field was sent, be it null.
    pub fn sent(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// A field that was sent and is not null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The same as a text of one's own.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// The same as a flag.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// The same as a whole number.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// The same as a list of texts.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let list = self.get(name)?.as_array()?;
        Some(list.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect())
    }

    /// The same as an object.
    pub fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.get(name)?.as_object()
    }

    /// The same as money.
    pub fn money(&self, name: &str) -> Option<Money> {
        match self.get(name)? {
            Value::Number(number) => Money::of(number),
            _ => None,
        }
    }

    /// The same as a time.
    pub fn time(&self, name: &str) -> Option<Time> {
        Time::parse(self.text(name)?)
    }

    /// Takes a field out.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    /// Puts a field in, as if it had been sent.
    pub fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }
}
