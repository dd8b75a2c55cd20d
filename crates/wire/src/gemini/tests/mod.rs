mod laws;
mod recorded;
mod translation;

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::Gemini;
use crate::assemble::Assembly;
use crate::event::Event;
use crate::framing::Framing;
use crate::half::{Inbound, Memo, Outbound, Stamp};
use crate::problem::Fault;
use crate::recorded::{calls_of, text_of, thoughts_of};
use crate::relay::{Output, Relay};
use crate::reply::ChatReply;

fn dialect() -> Gemini {
    Gemini
}

fn stamp() -> Stamp {
    Stamp { id: "resp-1".to_owned(), created: 1, model: "gemini-2.5-flash".to_owned(), stream_usage: true, ..Stamp::default() }
}

/// The events of a stream that arrives in chunks of that size.
fn events_of_stream(framing: Framing, body: &[u8], size: usize) -> Vec<Event> {
    let writer = Gemini.event_writer(stamp());
    let mut relay = Relay::new(framing, Gemini.event_reader(Memo::default()), Output::Written(writer));
    let mut events = Vec::new();
    let mut out = Vec::new();
    let mut fault = None;
    for chunk in body.chunks(size) {
        if let Err(found) = relay.push(Bytes::copy_from_slice(chunk), &mut |event| events.push(event.clone()), &mut out) {
            fault = Some(found);
            break;
        }
    }
    if fault.is_none() {
        fault = relay.finish(&mut |event| events.push(event.clone()), &mut out).err();
    }
    if let Some(fault) = fault.filter(|_| !events.iter().any(|event| matches!(event, Event::Fault(_)))) {
        events.push(Event::Fault(Box::new(fault)));
    }
    events
}

fn assembled(framing: Framing, body: &[u8]) -> Result<ChatReply, Fault> {
    let mut assembly = Assembly::new();
    events_of_stream(framing, body, body.len().max(1)).iter().for_each(|event| assembly.push(event));
    assembly.finish()
}

/// The stream split in two at every byte gives the same events, and the stream cut at every byte never more than a fault.
fn cut_everywhere(framing: Framing, body: &[u8]) {
    let whole = format!("{:?}", events_of_stream(framing, body, body.len()));
    for at in 1..body.len() {
        let mut relay = Relay::new(framing, Gemini.event_reader(Memo::default()), Output::Written(Gemini.event_writer(stamp())));
        let mut events = Vec::new();
        let mut out = Vec::new();
        for chunk in [&body[..at], &body[at..]] {
            let _ = relay.push(Bytes::copy_from_slice(chunk), &mut |event| events.push(event.clone()), &mut out);
        }
        let _ = relay.finish(&mut |event| events.push(event.clone()), &mut out);
        assert_eq!(format!("{events:?}"), whole, "cut at {at}");
    }
}

/// What the event writer makes of events.
fn written(events: &[Event], json_array: bool) -> Vec<u8> {
    let mut writer = Gemini.event_writer(Stamp { json_array, ..stamp() });
    let mut out = BytesMut::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    out.to_vec()
}

/// A plain reading of an answer.
fn summary(reply: &ChatReply) -> Value {
    let (text, reasoning) = (text_of(reply), thoughts_of(reply));
    json!({"text": text, "reasoning": reasoning, "tool_calls": calls_of(reply), "finish": reply.finish.raw})
}

/// A request in the one form of several that mean the same.
fn normal(request: &Value) -> Value {
    let mut request = camel(request, "");
    let fields = request.as_object_mut().unwrap();
    fields.remove("model");
    if let Some(system) = fields.get_mut("systemInstruction") {
        let parts = match system {
            Value::String(text) => json!([{"text": text}]),
            Value::Object(fields) => fields.get("parts").cloned().unwrap_or(json!([])),
            ref other => (*other).clone(),
        };
        *system = json!({"parts": if parts.is_array() { parts } else { json!([parts]) }});
    }
    let mut turns: Vec<Value> = Vec::new();
    for content in fields.get("contents").and_then(Value::as_array).into_iter().flatten() {
        let parts = content["parts"].as_array().cloned().unwrap_or_default();
        let role = content["role"].as_str().unwrap_or("user");
        match turns.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last["role"] == role => last["parts"].as_array_mut().unwrap().extend(parts),
            _ => turns.push(json!({"role": role, "parts": parts})),
        }
    }
    fields.insert("contents".to_owned(), Value::Array(turns));
    if let Some(tools) = fields.remove("tools") {
        let mut flat: Vec<Value> = Vec::new();
        for tool in tools.as_array().cloned().unwrap_or_else(|| vec![tools.clone()]) {
            for (key, value) in tool.as_object().unwrap() {
                for item in value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]) {
                    flat.push(json!({key: item}));
                }
            }
        }
        flat.sort_by_key(ToString::to_string);
        fields.insert("tools".to_owned(), Value::Array(flat));
    }
    fields.retain(|_, value| !matches!(value, Value::Null) && *value != json!({}) && *value != json!([]));
    request
}

/// Keys in `camelCase`, without nulls, empty defaults and `thought: false`, base64 in its standard form; schemas, arguments and results stay as they are.
fn camel(value: &Value, key: &str) -> Value {
    const AS_SENT: [&str; 9] = [
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "labels",
        "toolCall",
        "toolResponse",
    ];
    if AS_SENT.contains(&key) {
        return value.clone();
    }
    match value {
        Value::Object(fields) => {
            let mut out = Map::new();
            for (key, value) in fields {
                let mut letters = key.split('_');
                let mut name = letters.next().unwrap().to_owned();
                for word in letters {
                    name.push_str(&word[..1].to_ascii_uppercase());
                    name.push_str(&word[1..]);
                }
                let value = camel(value, &name);
                if !(value.is_null() || name == "thought" && value == json!(false)) {
                    out.insert(name, value);
                }
            }
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(|value| camel(value, key)).collect()),
        Value::String(text) if key == "data" => json!(crate::gemini::read_parts::to_standard_base64(text.clone())),
        other => other.clone(),
    }
}
