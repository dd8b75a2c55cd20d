//! A call whose arguments may come in pieces, each with the place that it fills.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::answer::Text;
use crate::outline::MAX_DEPTH;
use crate::problem::Malformed;

/// A piece of a call's arguments: a text, or more of one that stands there, a number, a truth, or nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece<'a> {
    #[serde(borrow, alias = "json_path")]
    json_path: Text<'a>,
    #[serde(borrow, alias = "string_value")]
    string_value: Option<Text<'a>>,
    #[serde(alias = "number_value")]
    number_value: Option<Number>,
    #[serde(alias = "bool_value")]
    bool_value: Option<bool>,
}

/// A call that has begun.
#[derive(Debug)]
pub(super) struct OpenCall {
    /// Its block.
    pub(super) block: u32,
    whole: Option<String>,
    pieces: Value,
    /// The bytes of its pieces.
    pub(super) held: usize,
}

impl OpenCall {
    /// One of which nothing but the name is known.
    pub(super) fn new(block: u32) -> Self {
        Self { block, whole: None, pieces: Value::Null, held: 0 }
    }

    /// Takes what a part says of its arguments.
    pub(super) fn extend(&mut self, whole: Option<&RawValue>, pieces: &[Piece<'_>]) -> Result<(), Malformed> {
        if let Some(raw) = whole {
            self.whole = Some(raw.get().to_owned());
        }
        if !pieces.is_empty() && self.pieces.is_null() {
            self.pieces = self.whole.take().and_then(|whole| serde_json::from_str(&whole).ok()).unwrap_or_default();
        }
        pieces.iter().try_for_each(|piece| self.fill(piece))
    }

    fn fill(&mut self, piece: &Piece<'_>) -> Result<(), Malformed> {
        let (path, text) = (&*piece.json_path.0, piece.string_value.as_ref().map(|text| &*text.0));
        self.held += path.len() + text.map_or(0, str::len);
        let place = place(&mut self.pieces, path).ok_or_else(|| Malformed::field("partialArgs", &format!("has no place `{path}`")))?;
        match (place, text) {
            (Value::String(begun), Some(more)) => begun.push_str(more),
            (place, Some(text)) => *place = Value::String(text.to_owned()),
            (place, None) => {
                let told = piece.number_value.clone().map(Value::Number).or(piece.bool_value.map(Value::Bool));
                *place = told.unwrap_or_else(|| place.take());
            }
        }
        Ok(())
    }

    /// Its arguments, now that all of them are there.
    pub(super) fn arguments(self) -> String {
        if self.pieces.is_null() { self.whole.unwrap_or_else(|| "{}".to_owned()) } else { self.pieces.to_string() }
    }
}

/// The value at a path such as `$.list[0]['a name']`, where objects and lists grow as needed; none where something else stands in the way.
fn place<'v>(root: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let mut rest = path.strip_prefix('$').filter(|rest| !rest.is_empty())?;
    let mut at = root;
    for _ in 0..MAX_DEPTH {
        if rest.is_empty() {
            return Some(at);
        }
        let (step, more) = step(rest)?;
        rest = more;
        at = match step {
            Step::Member(name) => member(at, name)?,
            Step::Item(number) => item(at, number)?,
        };
    }
    None
}

enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

/// The first step of a path, and what follows it.
fn step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(named) = path.strip_prefix('.') {
        let (name, rest) = named.split_at(named.find(['.', '[']).unwrap_or(named.len()));
        return (!name.is_empty()).then_some((Step::Member(name), rest));
    }
    let inner = path.strip_prefix('[')?;
    for (quote, end) in [('\'', "']"), ('"', "\"]")] {
        if let Some(quoted) = inner.strip_prefix(quote) {
            let (name, rest) = quoted.split_once(end)?;
            return Some((Step::Member(name), rest));
        }
    }
    let (number, rest) = inner.split_once(']')?;
    Some((Step::Item(number.parse().ok()?), rest))
}

fn member<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    Some(value.as_object_mut()?.entry(name).or_insert(Value::Null))
}

fn item(value: &mut Value, number: usize) -> Option<&mut Value> {
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    let list = value.as_array_mut()?;
    if number == list.len() {
        list.push(Value::Null);
    }
    list.get_mut(number)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{OpenCall, Piece, place};

    fn told(pieces: &str) -> Result<Value, String> {
        let pieces: Vec<Piece<'_>> = serde_json::from_str(pieces).expect("pieces");
        let mut call = OpenCall::new(0);
        call.extend(None, &pieces).map_err(|malformed| malformed.to_string())?;
        Ok(serde_json::from_str(&call.arguments()).expect("JSON"))
    }

    #[test]
    fn pieces_fill_their_places() {
        let pieces = r#"[{"jsonPath": "$.to", "stringValue": "Ham", "willContinue": true}, {"jsonPath": "$.to", "stringValue": "burg"},
            {"jsonPath": "$.stops[0].at", "numberValue": 0.5}, {"jsonPath": "$.stops[0].long", "boolValue": false},
            {"jsonPath": "$.stops[1]['odd key']", "nullValue": "NULL_VALUE"}, {"jsonPath": "$[\"a.b\"]", "stringValue": ""}]"#;
        let whole = json!({"to": "Hamburg", "stops": [{"at": 0.5, "long": false}, {"odd key": null}], "a.b": ""});
        assert_eq!(told(pieces), Ok(whole));
    }

    #[test]
    fn what_has_no_place_is_refused() {
        for path in ["", "$", "a", "$a", "$.", "$.a..b", "$[1]", "$[-1]", "$['a", "$.text.deeper", "$.text[0]"] {
            let pieces = json!([{"jsonPath": "$.text", "stringValue": "x"}, {"jsonPath": path, "stringValue": "y"}]);
            assert!(told(&pieces.to_string()).is_err(), "{path}");
        }
        assert!(place(&mut Value::Null, &format!("${}", "[0]".repeat(100_000))).is_none());
    }
}
