//! Tests of the dialect.

mod corpus;
mod errors;
mod events;
mod fit;
mod fixtures;
mod random;
mod replies;
mod requests;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use super::Anthropic;
use crate::assemble::Assembly;
use crate::chat::{ChatRequest, PartBody};
use crate::event::{Event, EventWriter};
use crate::extra::Extra;
use crate::framing::Framing;
use crate::grammar::Grammar;
use crate::half::{Head, Inbound, Memo, Outbound, Profile, Stamp, Written};
use crate::problem::Fault;
use crate::relay::{Output, Relay};
use crate::reply::ChatReply;

fn read(body: &Value) -> ChatRequest {
    Anthropic.read_request(&Head::default(), body.to_string().as_bytes()).unwrap()
}

fn write(request: &ChatRequest, profile: &Profile) -> (Value, Written) {
    let written = Anthropic.write_request(request, profile).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written)
}

fn stamp() -> Stamp {
    Stamp { id: "msg_stamp".to_owned(), model: "asked".to_owned(), ..Stamp::default() }
}

/// A writer that only collects the events.
struct Silent;

impl EventWriter for Silent {
    fn write(&mut self, _event: &Event, _out: &mut BytesMut) {}
}

/// The events of a stream that arrives in pieces of that size, and how it ended.
fn events_in(framing: Framing, stream: &[u8], size: usize) -> (Vec<Event>, Result<(), Fault>) {
    let reader = Anthropic.event_reader(Memo::default());
    let mut relay = Relay::new(framing, reader, Output::Written(Box::new(Silent)));
    let (mut events, mut out) = (Vec::new(), Vec::new());
    let mut grammar = Grammar::new();
    let mut seen = |event: &Event| {
        assert_eq!(grammar.check(event), Ok(()));
        events.push(event.clone());
    };
    let mut pushed = Ok(());
    for piece in stream.chunks(size) {
        pushed = relay.push(Bytes::copy_from_slice(piece), &mut seen, &mut out);
        if pushed.is_err() {
            break;
        }
    }
    let ended = pushed.and_then(|()| relay.finish(&mut seen, &mut out));
    (events, ended)
}

fn assembled(events: &[Event]) -> Result<ChatReply, Fault> {
    let mut assembly = Assembly::new();
    events.iter().for_each(|event| assembly.push(event));
    assembly.finish()
}

/// What the event writer makes of those events.
fn written(events: &[Event], stamp: Stamp) -> Vec<u8> {
    let mut writer = Anthropic.event_writer(stamp);
    let mut out = BytesMut::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    out.to_vec()
}

/// An answer without what a stream has no place for.
fn plain(mut reply: ChatReply) -> ChatReply {
    reply.extra = Extra::default();
    for part in &mut reply.parts {
        part.extra = Extra::default();
        if let PartBody::ToolCall(call) = &mut part.body {
            call.arguments = compact(&call.arguments);
        }
        if let PartBody::Hosted(hosted) = &mut part.body {
            hosted.raw = crate::json::raw(&compact(hosted.raw.get())).unwrap();
        }
    }
    reply
}

fn compact(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| value.to_string())
}

fn same_meaning(one: ChatReply, other: ChatReply, what: &str) {
    let (one, other) = (plain(one), plain(other));
    assert_eq!(one.parts, other.parts, "{what}");
    assert_eq!(
        (one.id, one.model, one.finish, one.usage, one.service_tier),
        (other.id, other.model, other.finish, other.usage, other.service_tier),
        "{what}"
    );
}

/// The stated normalisations: a string is one text block, blank text and absent things are left out.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut normal = serde_json::Map::new();
            for (key, value) in fields {
                let value = match (key.as_str(), value) {
                    ("content" | "system", Value::String(text)) => json!([{"type": "text", "text": text}]),
                    (_, value) => value.clone(),
                };
                let value = if key == "input" || key.ends_with("schema") { value } else { normal_of(&value) };
                let absent = value.is_null() || matches!((key.as_str(), &value), ("is_error" | "stream", Value::Bool(false)));
                let empty = value.as_array().is_some_and(Vec::is_empty) && key != "messages";
                if !absent && !empty {
                    normal.insert(key.clone(), value);
                }
            }
            Value::Object(normal)
        }
        other => normal_of(other),
    }
}

fn normal_of(value: &Value) -> Value {
    let is_blank = |item: &Value| item["type"] == "text" && item["text"].as_str().is_some_and(|text| text.trim().is_empty());
    match value {
        Value::Array(items) => items.iter().filter(|item| !is_blank(item)).map(normal).collect(),
        Value::Object(_) => normal(value),
        other => other.clone(),
    }
}
