//! Whether a value is what its field says.

use serde_json::{Map, Number, Value, json};
use switchboard_store::Time;

use super::types::{Field, Type, form};

/// Checks an object; what is not right is told. Fields that no form knows are left out, as LiteLLM does.
pub(super) fn model(fields: &'static [Field], value: &Value, place: &mut Vec<Value>, complaints: &mut Vec<Value>) -> Value {
    let Value::Object(given) = value else {
        return complain(complaints, place, "model_type", "Input should be a valid dictionary or instance of the form", value);
    };
    if fields.is_empty() {
        return value.clone();
    }
    let mut out = Map::new();
    for field in fields {
        place.push(json!(field.name));
        match given.get(&field.name) {
            Some(Value::Null) if field.nullable => {
                out.insert(field.name.clone(), Value::Null);
            }
            Some(value) => {
                out.insert(field.name.clone(), check(&field.kind, value, place, complaints));
            }
            None if field.required => {
                complain(complaints, place, "missing", "Field required", &known(fields, given));
            }
            None => {}
        }
        place.pop();
    }
    Value::Object(out)
}

/// Checks one field that is there.
pub(super) fn field(field: &'static Field, value: &Value, complaints: &mut Vec<Value>) -> Value {
    check(&field.kind, value, &mut vec![json!(field.name)], complaints)
}

fn check(kind: &Type, value: &Value, place: &mut Vec<Value>, complaints: &mut Vec<Value>) -> Value {
    match kind {
        Type::Any => value.clone(),
        Type::Text if value.is_string() => value.clone(),
        Type::Text => complain(complaints, place, "string_type", "Input should be a valid string", value),
        Type::Integer => integer(value, place, complaints),
        Type::Number => number(value, place, complaints),
        Type::Flag => flag(value, place, complaints),
        Type::Time => time(value, place, complaints),
        Type::Word(words) if value.as_str().is_some_and(|text| words.iter().any(|word| word == text)) => value.clone(),
        Type::Word(words) => word(words, value, place, complaints),
        Type::Form(name) => model(form(name), value, place, complaints),
        Type::List(inner) => {
            let Value::Array(items) = value else {
                return complain(complaints, place, "list_type", "Input should be a valid list", value);
            };
            let each = items.iter().enumerate().map(|(at, item)| at_place(json!(at), place, |place| check(inner, item, place, complaints)));
            each.collect()
        }
        Type::Object(inner) => {
            let Value::Object(given) = value else {
                return complain(complaints, place, "dict_type", "Input should be a valid dictionary", value);
            };
            let each = given.iter().map(|(key, item)| {
                let checked = at_place(json!(key), place, |place| check(inner, item, place, complaints));
                (key.clone(), checked)
            });
            Value::Object(each.collect())
        }
        Type::Either(kinds) => {
            for kind in kinds {
                let mut own = Vec::new();
                let checked = check(kind, value, place, &mut own);
                if own.is_empty() {
                    return checked;
                }
            }
            kinds.last().map_or(Value::Null, |kind| check(kind, value, place, complaints))
        }
    }
}

fn at_place<T>(step: Value, place: &mut Vec<Value>, work: impl FnOnce(&mut Vec<Value>) -> T) -> T {
    place.push(step);
    let done = work(place);
    place.pop();
    done
}

fn complain(complaints: &mut Vec<Value>, place: &[Value], kind: &str, message: &str, input: &Value) -> Value {
    let name = place.iter().rev().find_map(Value::as_str).unwrap_or_default();
    complaints.push(json!({"type": kind, "loc": place, "msg": message, "input": masked(name, input)}));
    Value::Null
}

/// What was sent of the fields there are: what nobody asked for is not said back.
fn known(fields: &[Field], given: &Map<String, Value>) -> Value {
    let asked = |name: &String| fields.iter().any(|field| field.name == *name);
    Value::Object(given.iter().filter(|(name, _)| asked(name)).map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// What was sent, as it may be said back: proxies and browsers keep answers.
fn masked(name: &str, input: &Value) -> Value {
    let is_secret =
        ["password", "secret", "api_key"].iter().any(|word| name.contains(word)) || ["key", "keys", "token", "new_key"].contains(&name);
    match input {
        Value::String(text) if is_secret || text.starts_with("sk-") => json!("****"),
        Value::Array(items) => items.iter().map(|item| masked(name, item)).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), masked(name, value))).collect()),
        plain => plain.clone(),
    }
}

fn integer(value: &Value, place: &[Value], complaints: &mut Vec<Value>) -> Value {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => value.clone(),
        Value::Number(number) => match number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15) {
            Some(float) => json!(float as i64),
            None => {
                let message = "Input should be a valid integer, got a number with a fractional part";
                complain(complaints, place, "int_from_float", message, value)
            }
        },
        Value::String(text) => match text.trim().parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => {
                let message = "Input should be a valid integer, unable to parse string as an integer";
                complain(complaints, place, "int_parsing", message, value)
            }
        },
        Value::Bool(flag) => json!(i64::from(*flag)),
        _ => complain(complaints, place, "int_type", "Input should be a valid integer", value),
    }
}

fn number(value: &Value, place: &[Value], complaints: &mut Vec<Value>) -> Value {
    match value {
        Value::Number(_) => value.clone(),
        Value::String(text) => match text.trim().parse::<f64>().ok().and_then(Number::from_f64) {
            Some(number) => Value::Number(number),
            None => {
                let message = "Input should be a valid number, unable to parse string as a number";
                complain(complaints, place, "float_parsing", message, value)
            }
        },
        Value::Bool(flag) => json!(if *flag { 1.0 } else { 0.0 }),
        _ => complain(complaints, place, "float_type", "Input should be a valid number", value),
    }
}

fn flag(value: &Value, place: &[Value], complaints: &mut Vec<Value>) -> Value {
    let read = match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(false),
        Value::Number(number) if number.as_f64() == Some(1.0) => Some(true),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        Value::Number(_) | Value::Null => None,
        Value::Array(_) | Value::Object(_) => {
            return complain(complaints, place, "bool_type", "Input should be a valid boolean", value);
        }
    };
    match read {
        Some(flag) => json!(flag),
        None => complain(complaints, place, "bool_parsing", "Input should be a valid boolean, unable to interpret input", value),
    }
}

fn time(value: &Value, place: &[Value], complaints: &mut Vec<Value>) -> Value {
    let read = match value {
        Value::String(text) => Time::parse(text),
        Value::Number(number) => number.as_i64().map(|seconds| Time::default().plus_seconds(seconds)),
        _ => None,
    };
    match read {
        Some(time) => json!(time),
        None => complain(complaints, place, "datetime_from_date_parsing", "Input should be a valid datetime or date", value),
    }
}

fn word(words: &[String], value: &Value, place: &[Value], complaints: &mut Vec<Value>) -> Value {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let expected = match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    };
    let message = format!("Input should be {expected}");
    complaints.push(json!({"type": "literal_error", "loc": place, "msg": message, "input": value, "ctx": {"expected": expected}}));
    Value::Null
}
