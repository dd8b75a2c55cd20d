//! Recorded exchanges, where they are at hand.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::*;
use crate::recorded::rows;
use crate::reply::Reason;

const APIS: [&str; 6] = [
    "anthropic.messages",
    "vertex.anthropic.messages",
    "bedrock.invoke.anthropic",
    "bedrock.invoke-with-response-stream.anthropic",
    "pydantic-gateway.anthropic.messages",
    "anthropic.count_tokens",
];

/// The rows of a file of the corpus for our APIs; `None` where it is not at hand.
fn lines(file: &str) -> Option<Vec<Value>> {
    Some(rows(file, |api| APIS.contains(&api))).filter(|rows| !rows.is_empty())
}

fn body(exchange: &Value) -> Vec<u8> {
    let text = exchange["response_body"].as_str().unwrap_or_default();
    match exchange["response_body_encoding"].as_str() {
        Some("base64") => STANDARD.decode(text).unwrap(),
        _ => text.as_bytes().to_vec(),
    }
}

fn framing(exchange: &Value) -> Framing {
    if exchange["stream_format"] == "aws-eventstream" { Framing::AwsEventStream } else { Framing::Sse }
}

/// A stream that begins a second answer amid the first: a fault, since the first cannot be taken back.
const TWICE: &str = "bad7807aa8617bad";

/// Claude 2's text completions share Bedrock's path and nothing else.
fn is_messages(exchange: &Value) -> bool {
    exchange["request_body"]["prompt"].is_null()
}

#[test]
fn recorded_requests_come_back_as_they_were() {
    let Some(exchanges) = lines("corpus.jsonl") else { return };
    let mut read_count = 0;
    for exchange in exchanges.iter().filter(|exchange| is_messages(exchange)) {
        let sent = &exchange["request_body"];
        if sent["messages"].is_null() {
            continue;
        }
        let request = Anthropic.read_request(&Head::default(), sent.to_string().as_bytes());
        let request = request.unwrap_or_else(|error| panic!("{}: {error}", exchange["id"]));
        let (mut back, _) = write(&request, &Profile::default());
        if sent["max_tokens"].is_null() {
            back.as_object_mut().unwrap().remove("max_tokens");
        }
        assert_eq!(normal(&back), normal(sent), "{}", exchange["id"]);
        read_count += 1;
    }
    assert!(read_count > 200);
}

#[test]
fn recorded_replies_come_back_as_they_were() {
    let Some(exchanges) = lines("corpus.jsonl") else { return };
    let unary = exchanges.iter().filter(|exchange| exchange["stream"] == false && exchange["status"] == 200 && is_messages(exchange));
    let mut count = 0;
    for exchange in unary {
        let body = body(exchange);
        let sent: Value = serde_json::from_slice(&body).unwrap();
        if sent["content"].is_null() {
            continue;
        }
        let reply = Anthropic.read_reply(&Memo::default(), &body).unwrap_or_else(|fault| panic!("{}: {fault:?}", exchange["id"]));
        let back: Value = serde_json::from_slice(&Anthropic.write_reply(&reply, &stamp())).unwrap();
        assert_eq!(normal(&back), normal(&sent), "{}", exchange["id"]);
        let events = crate::assemble::events_of(&reply);
        let (again, ended) = events_in(Framing::Sse, &written(&events, stamp()), 4096);
        assert_eq!(ended, Ok(()), "{}", exchange["id"]);
        same_meaning(assembled(&again).unwrap(), reply, &exchange["id"].to_string());
        count += 1;
    }
    assert!(count > 150);
}

#[test]
fn recorded_streams_keep_their_meaning_however_they_arrive() {
    let Some(exchanges) = lines("corpus.jsonl") else { return };
    let mut count = 0;
    for exchange in exchanges.iter().filter(|exchange| exchange["stream"] == true && exchange["status"] == 200) {
        let (stream, framing, id) = (body(exchange), framing(exchange), exchange["id"].to_string());
        let (events, ended) = events_in(framing, &stream, usize::MAX);
        if exchange["id"] == TWICE {
            assert!(ended.is_err());
            continue;
        }
        assert_eq!(ended, Ok(()), "{id}");
        let reply = assembled(&events).unwrap();
        assert_ne!(reply.finish.reason, Reason::Other, "{id}");
        let (pieces, ended) = events_in(framing, &stream, 7);
        assert_eq!(ended, Ok(()), "{id}");
        assert_eq!(format!("{events:?}"), format!("{pieces:?}"), "{id}");
        let (again, ended) = events_in(Framing::Sse, &written(&events, stamp()), usize::MAX);
        assert_eq!(ended, Ok(()), "{id}");
        same_meaning(assembled(&again).unwrap(), reply, &id);
        let (_, ended) = events_in(framing, &stream[..stream.len() / 2], usize::MAX);
        assert!(ended.is_err(), "{id}");
        count += 1;
    }
    assert!(count > 90);
}

#[test]
fn the_oracle_reads_the_same() {
    let (Some(exchanges), Some(rows)) = (lines("corpus.jsonl"), lines("oracle.jsonl")) else { return };
    let mut count = 0;
    for row in &rows {
        let Some(exchange) = exchanges.iter().find(|exchange| exchange["id"] == row["id"]) else { continue };
        let direct = &row["direct"];
        if !is_messages(exchange) || exchange["status"] != 200 || direct["text"].is_null() || exchange["id"] == TWICE {
            continue;
        }
        // A whole answer in a stream's place: the oracle reads nothing there.
        if exchange["response_body_encoding"] == "text"
            && exchange["stream"] == true
            && !exchange["response_body"].to_string().contains("message_start")
        {
            continue;
        }
        let reply = if exchange["stream"] == true {
            assembled(&events_in(framing(exchange), &body(exchange), usize::MAX).0).unwrap()
        } else {
            Anthropic.read_reply(&Memo::default(), &body(exchange)).unwrap()
        };
        let (mut text, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new());
        for part in &reply.parts {
            match &part.body {
                PartBody::Text { text: more, .. } => text.push_str(more),
                PartBody::Reasoning(thought) => thoughts.push_str(&thought.text),
                PartBody::ToolCall(call) => {
                    calls.push(json!({"name": call.name, "arguments": serde_json::from_str::<Value>(&call.arguments).unwrap_or(json!(call.arguments))}));
                }
                _ => {}
            }
        }
        let id = &row["id"];
        assert_eq!(json!(text), direct["text"], "{id}");
        assert_eq!(json!(thoughts), direct["reasoning"], "{id}");
        assert_eq!(json!(calls), direct["tool_calls"], "{id}");
        assert_eq!(json!(reply.finish.raw), direct["finish"], "{id}");
        let usage = reply.usage.unwrap_or_default();
        let count_of = |key: &str| direct["usage"][key].as_u64();
        let cached = count_of("cache_read_input_tokens").unwrap_or(0) + count_of("cache_creation_input_tokens").unwrap_or(0);
        assert_eq!(usage.input, count_of("input_tokens").map(|input| input + cached), "{id}");
        assert_eq!(usage.output, count_of("output_tokens"), "{id}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn recorded_errors_have_their_kind() {
    let Some(exchanges) = lines("corpus.jsonl") else { return };
    for exchange in exchanges.iter().filter(|exchange| exchange["status"] != 200) {
        let status = StatusCode::from_u16(u16::try_from(exchange["status"].as_u64().unwrap()).unwrap()).unwrap();
        let fault = Anthropic.read_fault(status, &HeaderMap::new(), &body(exchange));
        assert_eq!(fault.kind, crate::problem::Kind::of_status(status), "{}", exchange["id"]);
        let said: Value = serde_json::from_slice(&body(exchange)).unwrap();
        let message = said["error"]["message"].as_str().or(said["message"].as_str()).unwrap();
        assert_eq!(fault.message, message);
    }
}

#[test]
fn recorded_counts_are_read() {
    let Some(exchanges) = lines("corpus.jsonl") else { return };
    for exchange in exchanges.iter().filter(|exchange| exchange["api"] == "anthropic.count_tokens" && exchange["status"] == 200) {
        let said: Value = serde_json::from_slice(&body(exchange)).unwrap();
        assert_eq!(super::super::read_count_tokens_reply(&body(exchange)).ok(), said["input_tokens"].as_u64());
        let request = read(&exchange["request_body"]);
        let written = super::super::write_count_tokens_request(&request, &Profile::default()).unwrap();
        let back: Value = serde_json::from_slice(&written.body).unwrap();
        assert!(back.get("max_tokens").is_none() && back.get("messages").is_some());
    }
}
