//! Every recorded exchange of this API, where the recordings are at hand.

use super::*;
use crate::chat::{Message, PartBody, Role, Thought};
use crate::problem::Kind;
use crate::recorded::rows;
use http::{HeaderMap, StatusCode};

/// The recorded exchanges of all APIs whose names end so.
fn all(file: &str, ends: &str) -> Vec<Value> {
    rows(file, |api| api.ends_with(ends))
}

fn exchanges(file: &str) -> Vec<Value> {
    all(file, ".responses")
}

fn id(exchange: &Value) -> &str {
    exchange["id"].as_str().unwrap_or_default()
}

fn body(exchange: &Value) -> &[u8] {
    exchange["response_body"].as_str().unwrap_or_default().as_bytes()
}

fn is_ok(exchange: &Value) -> bool {
    exchange["status"] == 200
}

fn read(exchange: &Value) -> Result<ChatReply, Fault> {
    if exchange["stream"] == true {
        let (events, fault) = events_in(body(exchange), usize::MAX);
        fault.map_or_else(|| assemble(&events), Err)
    } else {
        DIALECT.outbound().expect("spoken").read_reply(&Memo::default(), body(exchange))
    }
}

#[test]
fn recorded_requests_come_back() {
    let mut wrong = Vec::new();
    for exchange in exchanges("corpus.jsonl") {
        let request = &exchange["request_body"];
        if !request.is_object() {
            continue;
        }
        let (before, after) = (normal_request(request), normal_request(&again(request)));
        if before != after {
            wrong.push(format!("{}\n  {before}\n  {after}", id(&exchange)));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn recorded_answers_come_back() {
    for exchange in exchanges("corpus.jsonl").iter().filter(|exchange| exchange["stream"] != true && is_ok(exchange)) {
        let before: Value = serde_json::from_slice(body(exchange)).expect("JSON");
        let reply = read(exchange).unwrap_or_else(|fault| panic!("{}: {fault:?}", id(exchange)));
        let written = DIALECT.inbound().expect("spoken").write_reply(&reply, &stamp());
        let after: Value = serde_json::from_slice(&written).expect("JSON");
        for (key, value) in before.as_object().expect("an object") {
            if matches!(key.as_str(), "output" | "id") || value.is_null() || key == "status" && value == "complete" {
                continue;
            }
            assert_eq!(value.as_f64(), after[key].as_f64(), "{} {key}", id(exchange));
            if !value.is_number() {
                assert_eq!(value, &after[key], "{} {key}", id(exchange));
            }
        }
        let (mut output, mut written) = (before["output"].clone(), after["output"].clone());
        for items in [&mut output, &mut written] {
            items.as_array_mut().into_iter().flatten().for_each(normal_item);
        }
        let (output, written) = (output.as_array().expect("a list"), written.as_array().expect("a list"));
        for (before, after) in output.iter().zip(written) {
            // Some servers leave out what the format requires.
            for (key, value) in before.as_object().expect("an item") {
                assert_eq!(value, &after[key], "{} {key}", id(exchange));
            }
        }
        assert_eq!(output.len(), written.len(), "{}", id(exchange));
        let reread = DIALECT.outbound().expect("spoken").read_reply(&Memo::default(), &serde_json::to_vec(&after).expect("JSON"));
        assert_eq!(reread.expect("an answer").parts.len(), reply.parts.len(), "{}", id(exchange));
    }
}

/// The piece with an empty seal: the API encrypts a thought anew each time it sends it.
fn unsealed(mut body: PartBody) -> PartBody {
    if let PartBody::Reasoning(Thought { seal: Some(seal), .. }) = &mut body {
        seal.bytes.clear();
    }
    body
}

/// The event that ends a stream.
#[derive(serde::Deserialize)]
struct Last {
    r#type: String,
    response: Option<Box<serde_json::value::RawValue>>,
}

#[test]
fn recorded_streams_mean_what_they_end_with() {
    for exchange in exchanges("corpus.jsonl").iter().filter(|exchange| exchange["stream"] == true && is_ok(exchange)) {
        let stream = body(exchange);
        let text = std::str::from_utf8(stream).expect("text");
        let last = text.lines().rev().filter_map(|line| line.strip_prefix("data:")).find_map(|line| {
            let event: Last = serde_json::from_str(line.trim()).ok()?;
            matches!(event.r#type.as_str(), "response.completed" | "response.incomplete").then_some(event.response?)
        });
        let (Some(last), Ok(streamed)) = (last.clone(), read(exchange)) else {
            assert!(text.contains("\"error\":{"), "{}: {last:?}", id(exchange));
            assert!(read(exchange).is_err(), "{}", id(exchange));
            continue;
        };
        let whole = DIALECT.outbound().expect("spoken").read_reply(&Memo::default(), last.get().as_bytes());
        let whole = whole.unwrap_or_else(|fault| panic!("{}: {fault:?}", id(exchange)));
        assert_eq!(streamed.finish.raw, whole.finish.raw, "{}", id(exchange));
        assert_eq!(streamed.usage, whole.usage, "{}", id(exchange));
        // The backend of ChatGPT ends with an empty list.
        if !whole.parts.is_empty() {
            let bodies = |reply: &ChatReply| reply.parts.iter().map(|part| unsealed(part.body.clone())).collect::<Vec<_>>();
            assert_eq!(bodies(&streamed), bodies(&whole), "{}", id(exchange));
            assert_eq!(streamed.finish, whole.finish, "{}", id(exchange));
        }
    }
}

#[test]
fn recorded_answers_agree_with_a_plain_reading() {
    let all = exchanges("corpus.jsonl");
    for row in exchanges("oracle.jsonl").iter().filter(|row| row["direct"].is_object()) {
        let Some(exchange) = all.iter().find(|exchange| id(exchange) == id(row) && is_ok(exchange)) else { continue };
        let Ok(reply) = read(exchange) else { continue };
        let direct = &row["direct"];
        let mut text = String::new();
        let mut calls = Vec::new();
        for part in &reply.parts {
            match &part.body {
                PartBody::Text { text: more, .. } => text.push_str(more),
                PartBody::ToolCall(call) if !call.custom => calls.push(call.name.clone()),
                _ => {}
            }
        }
        assert_eq!(direct["text"], text, "{}", id(row));
        let names: Vec<&str> = direct["tool_calls"].as_array().into_iter().flatten().filter_map(|call| call["name"].as_str()).collect();
        assert_eq!(names, calls, "{}", id(row));
        let usage = reply.usage.unwrap_or_default();
        for (key, count) in [("input_tokens", usage.input), ("output_tokens", usage.output)] {
            assert_eq!(direct["usage"][key].as_u64(), count, "{} {key}", id(row));
        }
    }
}

#[test]
fn recorded_errors_are_read() {
    for exchange in exchanges("corpus.jsonl").iter().filter(|exchange| !is_ok(exchange)) {
        let status = StatusCode::from_u16(u16::try_from(exchange["status"].as_u64().expect("a status")).expect("small")).expect("a status");
        let fault = DIALECT.outbound().expect("spoken").read_fault(status, &HeaderMap::new(), body(exchange));
        assert!(matches!(fault.kind, Kind::BadRequest | Kind::Unauthenticated | Kind::NotFound), "{} {fault:?}", id(exchange));
        let said: Value = serde_json::from_slice(body(exchange)).expect("JSON");
        assert!(said.to_string().contains(&serde_json::to_string(&fault.message).expect("text")), "{} {fault:?}", id(exchange));
    }
}

#[test]
fn recorded_streams_cut_anywhere_say_the_same() {
    let all = exchanges("corpus.jsonl");
    let streams = all.iter().filter(|exchange| exchange["stream"] == true && body(exchange).len() < 40_000);
    for exchange in streams {
        let debug = |size| format!("{:?}", events_in(body(exchange), size));
        assert_eq!(debug(usize::MAX), debug(7), "{}", id(exchange));
    }
}

#[test]
fn what_is_written_is_read_back() {
    for exchange in exchanges("corpus.jsonl").iter().filter(|exchange| is_ok(exchange)) {
        if let Ok(reply) = read(exchange) {
            super::laws::comes_back(&reply, id(exchange));
        }
    }
}

/// Requests of other formats become requests of this one, and the other way round; both read as the same conversation.
#[test]
fn recorded_requests_pass_from_format_to_format() {
    let chat = (Dialect::OpenAiChat, "openai.chat");
    let messages = (Dialect::Anthropic, "anthropic.messages");
    for (other, ends) in [chat, messages, (Dialect::Gemini, "gemini.generateContent")] {
        for exchange in all("corpus.jsonl", ends) {
            passes(other, DIALECT, &exchange);
        }
        for exchange in exchanges("corpus.jsonl") {
            passes(DIALECT, other, &exchange);
        }
    }
}

fn passes(from: Dialect, to: Dialect, exchange: &Value) {
    let body = exchange["request_body"].to_string();
    let head = Head { path_model: Some("m"), ..Head::default() };
    let Ok(request) = from.inbound().expect("spoken").read_request(&head, body.as_bytes()) else { return };
    if from.inbound().expect("spoken").check_translation(&request, to).is_err() {
        return;
    }
    let written = match to.outbound().expect("spoken").write_request(&request, &Profile::default()) {
        Ok(written) => written,
        Err(refused) => {
            println!("{} {from} {refused}", id(exchange));
            let known = ["tools", "messages.content", "n", "logprobs", "modalities"];
            assert!(to != DIALECT || known.contains(&refused.field.as_str()), "{}: {refused}", id(exchange));
            return;
        }
    };
    let again = to.inbound().expect("spoken").read_request(&head, &written.body);
    let again = again.unwrap_or_else(|malformed| panic!("{}: {malformed}", id(exchange)));
    if to == DIALECT {
        assert_eq!(texts(&again.messages), texts(&request.messages), "{}", id(exchange));
        assert_eq!(again.tools.len(), request.tools.len(), "{}", id(exchange));
    }
}

/// Answers of other formats reach clients of this one whole, but for the tools that their providers ran.
#[test]
fn recorded_answers_of_other_formats_are_written() {
    for (other, ends) in
        [(Dialect::OpenAiChat, "openai.chat"), (Dialect::Anthropic, "anthropic.messages"), (Dialect::Gemini, "gemini.generateContent")]
    {
        let outbound = other.outbound().expect("spoken");
        for exchange in all("corpus.jsonl", ends).iter().filter(|exchange| is_ok(exchange) && exchange["stream"] != true) {
            let Ok(mut reply) = outbound.read_reply(&Memo::default(), body(exchange)) else { continue };
            reply.parts.retain(|part| !matches!(part.body, PartBody::Hosted(_) | PartBody::Audio(_)));
            super::laws::comes_back(&reply, id(exchange));
        }
    }
}

/// All that is said and called, in order.
fn texts(messages: &[Message]) -> Vec<String> {
    let parts = messages.iter().filter(|message| message.role != Role::System).flat_map(|message| &message.parts);
    let said = parts.filter_map(|part| match &part.body {
        PartBody::Text { text, .. } => Some(text.clone()),
        PartBody::ToolCall(call) => Some(format!("{}({}) {}", call.name, call.arguments, call.id)),
        PartBody::ToolResult(result) => Some(format!("{} {}", result.call, result.parts.len())),
        _ => None,
    });
    said.collect()
}
