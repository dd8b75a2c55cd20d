use serde_json::Value;

use crate::half::{Memo, Outbound, Profile};
use crate::ollama::Ollama;
use crate::recorded::{assemble, calls_of, check_clients, exchanges, readings, text_of, thoughts_of, written};
use crate::reply::{ChatReply, Reason};

fn check(id: &str, reply: &ChatReply, direct: &Value) {
    let text = |key: &str| direct[key].as_str().unwrap_or_default().trim().to_owned();
    assert_eq!(text_of(reply).trim(), text("text"), "{id}");
    assert_eq!(thoughts_of(reply).trim(), text("reasoning"), "{id}");
    let calls = calls_of(reply);
    assert_eq!(Value::from(calls.clone()), direct["tool_calls"], "{id}");
    assert_eq!(reply.finish.raw.as_deref(), direct["finish"].as_str(), "{id}");
    assert_eq!(reply.finish.reason == Reason::ToolCalls, !calls.is_empty(), "{id}");
    let usage = reply.usage.clone().unwrap_or_default();
    assert_eq!(usage.input, direct["usage"]["prompt_eval_count"].as_u64(), "{id}");
    assert_eq!(usage.output, direct["usage"]["eval_count"].as_u64(), "{id}");
}

#[test]
fn recorded_answers_are_read() {
    let readings = readings("ollama.chat");
    for exchange in exchanges("ollama.chat").iter().filter(|exchange| exchange.status < 400) {
        let memo = Memo::default();
        let reply = if exchange.stream { assemble(&Ollama, &memo, &exchange.body) } else { Ollama.read_reply(&memo, &exchange.body) };
        if exchange.body.windows(9).any(|bytes| bytes == b"\"choices\"") {
            // One recording is of the API that imitates OpenAI's.
            assert!(reply.is_err(), "{}", exchange.id);
            continue;
        }
        let reply = reply.unwrap_or_else(|fault| panic!("{}: {fault:?}", exchange.id));
        let (_, direct) = readings.iter().find(|(id, _)| *id == exchange.id).expect("a plain reading");
        check(&exchange.id, &reply, direct);
    }
}

#[test]
fn recorded_requests_are_written() {
    for (id, body) in written("ollama.chat", &Ollama, |_| Profile::default()) {
        for message in body["messages"].as_array().expect("messages") {
            assert!(["system", "user", "assistant", "tool"].iter().any(|role| message["role"] == *role), "{id}");
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                assert!(call["function"]["arguments"].is_object(), "{id}: {call}");
            }
            assert_eq!(message["role"] == "tool", message.get("tool_call_id").is_some(), "{id}");
        }
    }
}

#[test]
fn every_client_gets_recorded_answers() {
    check_clients("ollama.chat", &Ollama, &Memo::default());
}
