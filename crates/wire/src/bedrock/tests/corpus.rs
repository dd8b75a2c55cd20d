use http::StatusCode;
use serde_json::Value;

use crate::bedrock::Bedrock;
use crate::chat::{Part, PartBody};
use crate::half::{Memo, Outbound, Profile};
use crate::problem::Kind;
use crate::recorded::{Exchange, assemble, calls_of, check_clients, exchanges, readings, text_of, thoughts_of, written};
use crate::reply::ChatReply;

fn memo(url: &str) -> Memo {
    let vendor = url.contains("anthropic").then(|| "anthropic".to_owned());
    Memo { vendor, ..Memo::default() }
}

fn check(id: &str, reply: &ChatReply, direct: &Value) {
    let text = direct["text"].as_str().unwrap_or_default().trim();
    let is_cited = |part: &Part| matches!(&part.body, PartBody::Text { citations, .. } if !citations.is_empty());
    let mut read = reply.clone();
    if text_of(&read).trim() != text {
        // The plain reading leaves cited text out of whole answers.
        read.parts.retain(|part| !is_cited(part));
    }
    assert_eq!(text_of(&read).trim(), text, "{id}");
    assert_eq!(thoughts_of(reply).trim(), direct["reasoning"].as_str().unwrap_or_default().trim(), "{id}");
    // The plain reading counts calls that Bedrock answered itself.
    let own = |call: &&Value| call["name"] != "nova_code_interpreter";
    let calls: Vec<Value> = direct["tool_calls"].as_array().into_iter().flatten().filter(own).cloned().collect();
    assert_eq!(calls_of(reply), calls, "{id}");
    assert_eq!(reply.finish.raw.as_deref(), direct["finish"].as_str(), "{id}");
    let usage = reply.usage.clone().unwrap_or_default();
    let count = |name: &str| direct["usage"][name].as_u64();
    assert_eq!(usage.output, count("outputTokens"), "{id}");
    assert_eq!(usage.total, count("totalTokens"), "{id}");
    let cached = count("cacheReadInputTokens").unwrap_or(0) + count("cacheWriteInputTokens").unwrap_or(0);
    assert_eq!(usage.input, count("inputTokens").map(|fresh| fresh + cached), "{id}");
    if let (Some(input), Some(output), Some(total)) = (usage.input, usage.output, usage.total) {
        assert_eq!(input + output, total, "{id}");
    }
}

#[test]
fn recorded_answers_are_read() {
    for api in ["bedrock.converse", "bedrock.converse-stream"] {
        let readings = readings(api);
        for exchange in exchanges(api).iter().filter(|exchange| exchange.status < 400) {
            let memo = memo(&exchange.url);
            let reply = if exchange.stream { assemble(&Bedrock, &memo, &exchange.body) } else { Bedrock.read_reply(&memo, &exchange.body) };
            let reply = reply.unwrap_or_else(|fault| panic!("{}: {fault:?}", exchange.id));
            let (_, direct) = readings.iter().find(|(id, _)| *id == exchange.id).expect("a plain reading");
            check(&exchange.id, &reply, direct);
        }
    }
}

#[test]
fn recorded_errors_are_read() {
    for exchange in exchanges("bedrock.converse").iter().filter(|exchange| exchange.status >= 400) {
        let status = StatusCode::from_u16(exchange.status).expect("a status");
        let fault = Bedrock.read_fault(status, &exchange.headers, &exchange.body);
        let body: Value = serde_json::from_slice(&exchange.body).expect("JSON");
        assert_eq!(fault.message, body["message"].as_str().unwrap_or_default());
        let kind = if exchange.status == 403 { Kind::Unauthenticated } else { Kind::BadRequest };
        assert_eq!(fault.kind, kind, "{}", fault.message);
        let too_long = fault.message.contains("Input Tokens Exceeded");
        assert_eq!(fault.code.as_deref() == Some("context_length_exceeded"), too_long);
    }
}

fn profile(exchange: &Exchange) -> Profile {
    let vendor = if exchange.url.contains("anthropic") { "anthropic" } else { "amazon" };
    Profile { vendor: Some(vendor.to_owned()), ..Profile::default() }
}

#[test]
fn recorded_requests_are_written() {
    let valid = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        (1..=64).contains(&name.len()) && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
    };
    for api in ["bedrock.converse", "bedrock.converse-stream"] {
        for (id, body) in written(api, &Bedrock, profile) {
            let turns = body["messages"].as_array().expect("messages");
            for (at, turn) in turns.iter().enumerate() {
                assert_eq!(turn["role"], if at % 2 == 0 { "user" } else { "assistant" }, "{id}: turns alternate");
                let blocks = turn["content"].as_array().expect("content");
                assert!(!blocks.is_empty(), "{id}: no empty turns");
                for block in blocks {
                    assert!(block["text"].as_str().is_none_or(|text| !text.trim().is_empty()), "{id}: no blank text");
                    assert!(block.get("toolUse").is_none_or(|call| valid(&call["name"]) && call["input"].is_object()), "{id}: {block}");
                }
            }
            let has_calls = body["messages"].to_string().contains("\"toolUse\"");
            assert!(!has_calls || body["toolConfig"]["tools"].as_array().is_some_and(|tools| !tools.is_empty()), "{id}");
        }
    }
}

#[test]
fn every_client_gets_recorded_answers() {
    check_clients("bedrock.converse", &Bedrock, &Memo::default());
    check_clients("bedrock.converse-stream", &Bedrock, &Memo::default());
}
