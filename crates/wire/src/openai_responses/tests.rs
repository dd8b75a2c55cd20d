mod corpus;
mod laws;
mod requests;
mod streams;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::assemble::Assembly;
use crate::dialect::Dialect;
use crate::event::{Event, EventReader};
use crate::framing::Framing;
use crate::grammar::Grammar;
use crate::half::{Head, Memo, Profile, Stamp};
use crate::problem::Fault;
use crate::relay::{Output, Relay};
use crate::reply::ChatReply;

pub(super) const DIALECT: Dialect = Dialect::OpenAiResponses;

fn stamp() -> Stamp {
    Stamp { id: "0123".to_owned(), created: 1_700_000_000, model: "asked".to_owned(), ..Stamp::default() }
}

fn reader() -> Box<dyn EventReader> {
    DIALECT.outbound().expect("spoken").event_reader(Memo::default())
}

/// What a relay makes of a stream in chunks of that size: its events, or the fault.
fn events_in(stream: &[u8], size: usize) -> (Vec<Event>, Option<Fault>) {
    let writer = DIALECT.inbound().expect("spoken").event_writer(stamp());
    let mut relay = Relay::new(Framing::Sse, reader(), Output::Written(writer));
    let mut events = Vec::new();
    let mut grammar = Grammar::new();
    let mut seen = |event: &Event| {
        grammar.check(event).expect("the law of events");
        events.push(event.clone());
    };
    let mut out = Vec::new();
    for chunk in stream.chunks(size) {
        if let Err(fault) = relay.push(Bytes::copy_from_slice(chunk), &mut seen, &mut out) {
            return (events, Some(fault));
        }
    }
    let fault = relay.finish(&mut seen, &mut out).err();
    (events, fault)
}

fn assemble(events: &[Event]) -> Result<ChatReply, Fault> {
    let mut assembly = Assembly::new();
    events.iter().for_each(|event| assembly.push(event));
    assembly.finish()
}

/// The request after reading and writing.
fn again(body: &Value) -> Value {
    let body = body.to_string();
    let request = DIALECT.inbound().expect("spoken").read_request(&Head::default(), body.as_bytes());
    let request = request.unwrap_or_else(|malformed| panic!("{malformed}: {body}"));
    let written = DIALECT.outbound().expect("spoken").write_request(&request, &Profile::default());
    let written = written.unwrap_or_else(|unsupported| panic!("{unsupported}: {body}"));
    serde_json::from_slice(&written.body).expect("JSON")
}

/// A request in the one form that reading and writing leaves alone.
fn normal_request(body: &Value) -> Value {
    let mut body = body.clone();
    let object = body.as_object_mut().expect("an object");
    object.retain(|key, value| !(value.is_null() || key == "tools" && *value == json!([]) || key == "metadata" && *value == json!({})));
    if object.get("stream") == Some(&json!(false)) {
        object.remove("stream");
    }
    if let Some(text) = object.get_mut("text").and_then(Value::as_object_mut) {
        text.retain(|_, value| *value != json!({"type": "text"}) && !value.is_null());
    }
    for key in ["text", "reasoning"] {
        if let Some(inner) = object.get_mut(key).and_then(Value::as_object_mut) {
            inner.retain(|_, value| !value.is_null());
        }
        if object.get(key) == Some(&json!({})) {
            object.remove(key);
        }
    }
    if let Some(Value::String(text)) = object.get("input") {
        object.insert("input".to_owned(), json!([{"type": "message", "role": "user", "content": text}]));
    }
    if let Some(items) = object.get_mut("input").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(normal_item);
    }
    for tool in object.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        tool.as_object_mut().expect("an object").retain(|key, value| !value.is_null() || key == "parameters");
    }
    body
}

fn normal_item(item: &mut Value) {
    let Some(item) = item.as_object_mut() else { return };
    item.entry("type").or_insert(json!("message"));
    let kind = item["type"].as_str().unwrap_or_default().to_owned();
    if matches!(kind.as_str(), "message" | "reasoning" | "function_call" | "function_call_output") {
        item.retain(|key, value| !(value.is_null() || key == "content" && kind == "reasoning" && *value == json!([])));
    }
    if kind == "message" && item.get("content") == Some(&json!([])) && item.get("role") != Some(&json!("assistant")) {
        item.insert("content".to_owned(), json!(""));
    }
    for key in ["content", "output"] {
        if let Some(content) = item.get_mut(key) {
            normal_content(content);
        }
    }
}

fn normal_content(content: &mut Value) {
    if let Some(text) = content.as_str() {
        *content = json!([{"type": "text", "text": text}]);
    }
    for piece in content.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if piece.get("type").is_some_and(|kind| kind == "input_text" || kind == "output_text") {
            piece.insert("type".to_owned(), json!("text"));
        }
        piece.retain(|key, value| *value != json!([]) || key == "text");
    }
}
