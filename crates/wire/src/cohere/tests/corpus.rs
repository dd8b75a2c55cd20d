use http::StatusCode;
use serde_json::Value;

use crate::cohere::Cohere;
use crate::half::{Memo, Outbound, Profile};
use crate::problem::Kind;
use crate::recorded::{assemble, calls_of, check_clients, exchanges, readings, text_of, thoughts_of, written};
use crate::reply::ChatReply;

fn check(id: &str, reply: &ChatReply, direct: &Value) {
    let text = |key: &str| direct[key].as_str().unwrap_or_default().trim().to_owned();
    assert_eq!(text_of(reply).trim(), text("text"), "{id}");
    assert_eq!(thoughts_of(reply).trim(), text("reasoning") + &text("tool_plan"), "{id}");
    let calls = calls_of(reply);
    let expected = direct["tool_calls"].as_array().cloned().unwrap_or_default();
    assert_eq!(calls.len(), expected.len(), "{id}");
    for (call, expected) in calls.iter().zip(expected) {
        assert_eq!(call["name"], expected["name"], "{id}");
        let null = matches!(&expected["arguments"], Value::Null) || matches!(expected["arguments"].as_str(), Some("" | "null"));
        if !null {
            assert_eq!(call["arguments"], expected["arguments"], "{id}");
        }
    }
    assert_eq!(reply.finish.raw.as_deref(), direct["finish"].as_str(), "{id}");
    let usage = reply.usage.clone().unwrap_or_default();
    let tokens = &direct["usage"]["tokens"];
    assert_eq!(usage.input, tokens["input_tokens"].as_u64(), "{id}");
    assert_eq!(usage.output, tokens["output_tokens"].as_u64(), "{id}");
    assert_eq!(usage.reasoning, tokens["reasoning_tokens"].as_u64(), "{id}");
    assert_eq!(usage.cache_read, direct["usage"]["cached_tokens"].as_u64(), "{id}");
}

#[test]
fn recorded_answers_are_read() {
    let readings = readings("cohere.v2.chat");
    for exchange in exchanges("cohere.v2.chat").iter().filter(|exchange| exchange.status < 400) {
        let memo = Memo::default();
        let reply = if exchange.stream { assemble(&Cohere, &memo, &exchange.body) } else { Cohere.read_reply(&memo, &exchange.body) };
        let (_, direct) = readings.iter().find(|(id, _)| *id == exchange.id).expect("a plain reading");
        match reply {
            Ok(reply) => check(&exchange.id, &reply, direct),
            Err(fault) => {
                assert_eq!(direct["finish"], "ERROR", "{}: {fault:?}", exchange.id);
                assert_eq!(fault.code.as_deref(), Some("INVALID_TOOL_GENERATION"));
            }
        }
    }
}

#[test]
fn recorded_errors_are_read() {
    for exchange in exchanges("cohere.v2.chat").iter().filter(|exchange| exchange.status >= 400) {
        let status = StatusCode::from_u16(exchange.status).expect("a status");
        let fault = Cohere.read_fault(status, &exchange.headers, &exchange.body);
        assert!(fault.message.starts_with("too many tokens"), "{fault:?}");
        assert_eq!((fault.kind, fault.code.as_deref()), (Kind::BadRequest, Some("context_length_exceeded")));
    }
}

#[test]
fn recorded_requests_are_written() {
    for (id, body) in written("cohere.v2.chat", &Cohere, |_| Profile::default()) {
        for message in body["messages"].as_array().expect("messages") {
            assert!(["system", "user", "assistant", "tool"].iter().any(|role| message["role"] == *role), "{id}");
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                assert!(call["function"]["arguments"].is_string(), "{id}: {call}");
            }
            assert_eq!(message["role"] == "tool", message.get("tool_call_id").is_some(), "{id}");
        }
    }
}

#[test]
fn every_client_gets_recorded_answers() {
    check_clients("cohere.v2.chat", &Cohere, &Memo::default());
}
