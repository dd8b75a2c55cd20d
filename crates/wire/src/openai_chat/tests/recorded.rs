//! Every recorded exchange of this format.

use std::collections::HashMap;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::support::{exchanges, read_stream};
use crate::half::{Head, Inbound, Memo, Outbound};
use crate::openai_chat::OpenAiChat;
use crate::problem::Fault;
use crate::recorded::{calls_of, rows, text_of, thoughts_of};
use crate::reply::ChatReply;

pub(super) fn is_chat(api: &str) -> bool {
    api.ends_with(".chat") && !matches!(api, "cohere.v1.chat" | "cohere.v2.chat" | "ollama.chat")
}

pub(super) fn read(exchange: &Value) -> Result<ChatReply, Fault> {
    let body = exchange["response_body"].as_str().unwrap().as_bytes();
    if exchange["stream"] == true { read_stream(&OpenAiChat, body) } else { OpenAiChat.read_reply(&Memo::default(), body) }
}

#[test]
fn every_recorded_request_is_accepted() {
    for exchange in exchanges(is_chat) {
        if exchange["request_body"].is_object() && exchange["request_body"].get("messages").is_some() {
            let body = exchange["request_body"].to_string();
            let head = Head { path_model: Some("deployment"), ..Head::default() };
            let read = OpenAiChat.read_request(&head, body.as_bytes());
            assert!(read.is_ok(), "{}: {:?}", exchange["id"], read.err());
        }
    }
}

#[test]
fn every_recorded_answer_is_read_as_the_oracle_reads_it() {
    let oracle: HashMap<String, Value> =
        rows("oracle.jsonl", is_chat).into_iter().map(|line| (line["id"].as_str().unwrap().to_owned(), line)).collect();
    let mut wrong = Vec::new();
    for exchange in exchanges(is_chat) {
        let id = exchange["id"].as_str().unwrap();
        let status = exchange["status"].as_u64().unwrap();
        if status >= 300 {
            continue;
        }
        let reply = match read(&exchange) {
            Ok(reply) => reply,
            Err(fault) if fault.code.as_deref() == Some("context_length_exceeded") => {
                assert!(exchange["features"].as_array().unwrap().contains(&json!("stream_error")));
                continue;
            }
            Err(fault) => {
                wrong.push(format!("{id} {}: {} {:?}", exchange["api"], fault.message, fault.kind));
                continue;
            }
        };
        let Some(direct) = oracle.get(id).map(|line| &line["direct"]).filter(|direct| direct.is_object()) else { continue };
        let mut compare = |what: &str, found: &Value, wanted: &Value| {
            if found != wanted && !(wanted.is_null() && (found == "" || found == 0)) {
                let cut = |value: &Value| value.to_string().chars().take(300).collect::<String>();
                wrong.push(format!("{id} {} {what}: found {} wanted {}", exchange["api"], cut(found), cut(wanted)));
            }
        };
        compare("text", &json!(text_of(&reply)), &direct["text"]);
        // The direct reading looks at `reasoning_content` and `reasoning` alone.
        if direct["reasoning"] != "" {
            compare("reasoning", &json!(thoughts_of(&reply)), &direct["reasoning"]);
        }
        // Two calls in one index, which the direct reading joins.
        if !exchange["api"].as_str().unwrap().starts_with("cerebras") {
            compare("calls", &json!(calls_of(&reply)), &direct["tool_calls"]);
        }
        let Some(usage) = reply.usage else { continue };
        if let Some(sent) = direct["usage"].as_object() {
            compare("total", &json!(usage.total), &sent["total_tokens"]);
            // Thoughts and sound that only the total counts are added to the answer's and to the prompt's.
            let count = |key: &str| sent.get(key).and_then(Value::as_u64).unwrap_or(0);
            if count("prompt_tokens") + count("completion_tokens") == count("total_tokens") {
                compare("input", &json!(usage.input), &sent["prompt_tokens"]);
                compare("output", &json!(usage.output), &sent["completion_tokens"]);
            } else if sent.contains_key("total_tokens") {
                compare("sum", &json!(usage.input.unwrap() + usage.output.unwrap()), &sent["total_tokens"]);
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_recorded_error_says_what_it_is() {
    for exchange in exchanges(is_chat) {
        let status = exchange["status"].as_u64().unwrap();
        if status >= 300 {
            let body = exchange["response_body"].as_str().unwrap();
            let fault = OpenAiChat.read_fault(StatusCode::from_u16(status as u16).unwrap(), &HeaderMap::new(), body.as_bytes());
            eprintln!("{} {status} {:?} {:?} {}", exchange["api"], fault.kind, fault.code, fault.message);
            assert!(!fault.message.is_empty() && !fault.message.starts_with('{'), "{body}");
        }
    }
}
