//! What the routes of the management API answer.
//!
//! `answers.json` says it by route, in the words of `admin/forms.json`; an object may be written in place, in brackets for a list of
//! such. The rows of keys, users, teams and the like are not written there: they are the columns of the objects themselves, and of
//! what type a column is, is known from the request that sets it.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::named;
use crate::admin::{form, rows};

const ANSWERS: &str = include_str!("answers.json");

fn written(part: &str) -> &'static Map<String, Value> {
    static ALL: OnceLock<Value> = OnceLock::new();
    static NONE: OnceLock<Map<String, Value>> = OnceLock::new();
    let all = ALL.get_or_init(|| serde_json::from_str(ANSWERS).unwrap_or_default());
    all[part].as_object().unwrap_or_else(|| NONE.get_or_init(Map::new))
}

/// The schema of what that route answers; anything, where nothing is said of it.
pub(super) fn of(method: &str, path: &str) -> Value {
    written("routes").get(&format!("{method} {path}")).map_or_else(|| json!({}), described)
}

/// The schemas that answers share.
pub(super) fn schemas() -> impl Iterator<Item = (String, Value)> {
    let shared = written("schemas").iter().map(|(name, fields)| (name.clone(), described(fields)));
    shared.chain(rows::ANSWERED.into_iter().map(|(name, requests)| (name.to_owned(), row(name, requests))))
}

/// What is written of an answer: a type, an object, or a list of objects.
fn described(answer: &Value) -> Value {
    match answer {
        Value::String(kind) => form::field(kind, &named).0,
        Value::Array(items) => json!({"type": "array", "items": items.first().map(described)}),
        Value::Object(fields) => {
            let mut properties = Map::new();
            let mut required = Vec::new();
            for (name, kind) in fields {
                let (schema, always) = form::field(kind.as_str().unwrap_or("any"), &named);
                properties.insert(name.clone(), schema);
                required.extend(always.then(|| name.clone()));
            }
            json!({"type": "object", "properties": properties, "required": required})
        }
        _ => json!({}),
    }
}

/// An object's row: its columns, each of the type that requests give to a field of that name, or of what it is in a new object.
fn row(name: &str, requests: &[&str]) -> Value {
    let properties = rows::new(name).into_iter().map(|(column, new)| {
        let schema = form::typed(requests, &column).unwrap_or_else(|| of_value(&new));
        (column, schema)
    });
    json!({"type": "object", "properties": properties.collect::<Map<_, _>>()})
}

fn of_value(value: &Value) -> Value {
    let kind = match value {
        Value::Null => return json!({}),
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    json!({"type": [kind, "null"]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::{Route, rows as routes};

    #[test]
    fn every_answer_is_some_routes_and_many_routes_have_one() {
        let managed = routes().filter(|(_, row)| matches!(row.route, Route::Admin(_)));
        let known: Vec<String> = managed.map(|(path, row)| format!("{} {}", row.method, path.replace("{*", "{"))).collect();
        let unknown: Vec<&String> = written("routes").keys().filter(|route| !known.contains(route)).collect();
        assert_eq!(unknown, Vec::<&String>::new());
        assert!(written("routes").len() * 5 > known.len() * 2, "{} of {}", written("routes").len(), known.len());
    }

    #[test]
    fn rows_have_the_columns_of_their_objects_and_the_types_of_requests() {
        for (name, requests) in rows::ANSWERED {
            let row = row(name, requests);
            assert!(row["properties"].as_object().is_some_and(|columns| columns.len() > 8), "{name}: {row}");
        }
        let key = row("KeyRow", &["GenerateKeyRequest"]);
        assert_eq!(key["properties"]["max_budget"], json!({"anyOf": [{"type": "number"}, {"type": "null"}]}));
        assert_eq!(key["properties"]["verifier"], Value::Null, "what no answer shows stands in no document");
    }
}
