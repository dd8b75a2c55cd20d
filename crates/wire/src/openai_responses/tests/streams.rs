//! Streams as providers really send them, and errors.

use super::*;
use crate::chat::{MediaSource, PartBody};
use crate::dialect::Flavor;
use crate::event::{BlockKind, Delta, Frame};
use crate::half::Begun;
use crate::problem::{Kind, Problem};
use crate::reply::Reason;
use bytes::BytesMut;
use http::{HeaderMap, StatusCode};

/// A stream of those events.
fn sse(events: &[Value]) -> Vec<u8> {
    let lines = events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()));
    lines.collect::<String>().into_bytes()
}

fn reply_of(events: &[Value]) -> Result<ChatReply, Fault> {
    let (events, fault) = events_in(&sse(events), usize::MAX);
    fault.map_or_else(|| assemble(&events), Err)
}

fn bodies(reply: &ChatReply) -> Vec<PartBody> {
    reply.parts.iter().map(|part| part.body.clone()).collect()
}

fn texts(reply: &ChatReply) -> Vec<&str> {
    let said = reply.parts.iter().filter_map(|part| match &part.body {
        PartBody::Text { text, .. } => Some(text.as_str()),
        PartBody::Reasoning(thought) => Some(thought.text.as_str()),
        PartBody::ToolCall(call) => Some(call.arguments.as_str()),
        _ => None,
    });
    said.collect()
}

fn created() -> Value {
    json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "model": "m", "created_at": 7.0, "status": "in_progress"}})
}

fn completed(number: u64, output: &Value) -> Value {
    json!({"type": "response.completed", "sequence_number": number, "response": {"id": "resp_1", "status": "completed", "output": output,
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7, "input_tokens_details": {"cached_tokens": 3}}}})
}

#[test]
fn two_summaries_and_two_calls_that_overlap() {
    let delta = |kind: &str, number: u64, place: u64, text: &str| json!({"type": format!("response.{kind}.delta"), "sequence_number": number, "output_index": place, "item_id": "?", "delta": text});
    let call = |id: &str, arguments: &str| json!({"type": "function_call", "id": "fc", "call_id": id, "name": "f", "arguments": arguments});
    let mut events = vec![created()];
    events
        .push(json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": []}}));
    for (index, text) in [(0, "one"), (1, "two")] {
        events.push(json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": index, "delta": text}));
    }
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]}}));
    for (place, id) in [(1, "c1"), (2, "c2")] {
        events.push(json!({"type": "response.output_item.added", "output_index": place, "item": call(id, "")}));
    }
    events.push(delta("function_call_arguments", 10, 1, "{\"a\""));
    events.push(delta("function_call_arguments", 11, 2, "{\"b\""));
    events.push(delta("function_call_arguments", 12, 1, ":1}"));
    events.push(json!({"type": "response.output_item.done", "output_index": 1, "item": call("c1", "{\"a\":1}")}));
    // The rest of the second call comes only with the whole.
    events.push(json!({"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{\"b\":2}"}));
    events.push(json!({"type": "response.output_item.done", "output_index": 2, "item": call("c2", "{\"b\":2}")}));
    events.push(completed(20, &json!([])));
    let reply = reply_of(&events).expect("an answer");
    assert_eq!(texts(&reply), ["one", "two", "{\"a\":1}", "{\"b\":2}"]);
    let PartBody::Reasoning(last) = &reply.parts[1].body else { panic!("a thought") };
    assert_eq!((last.id.as_deref(), last.seal.is_some()), (Some("rs_1"), true));
    assert_eq!(reply.finish.reason, Reason::ToolCalls);
    assert_eq!(reply.created, Some(7));
    let usage = reply.usage.expect("usage");
    assert_eq!((usage.input, usage.cache_read, usage.cache_write, usage.reasoning), (Some(5), Some(3), None, None));
}

#[test]
fn what_comes_twice_is_read_once() {
    let mut events = vec![created()];
    events.push(json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": {"type": "message", "id": "msg_1", "content": []}}));
    for number in [2, 3, 2, 3] {
        events.push(
            json!({"type": "response.output_text.delta", "sequence_number": number, "output_index": 0, "content_index": 0, "delta": "ha"}),
        );
    }
    events.push(completed(4, &json!([])));
    assert_eq!(texts(&reply_of(&events).expect("an answer")), ["haha"]);
    // Numbers that do not rise tell nothing.
    for event in &mut events {
        event["sequence_number"] = json!(0);
    }
    assert_eq!(texts(&reply_of(&events).expect("an answer")), ["hahahaha"]);
}

#[test]
fn servers_that_leave_things_out() {
    // No places, no announcements, no deltas.
    let bare = [
        json!({"type": "response.output_text.delta", "item_id": "m1", "delta": "hi"}),
        json!({"type": "response.output_item.done", "item": {"type": "message", "id": "m1", "content": [{"type": "output_text", "text": "hi you"}]}}),
        json!({"type": "response.output_item.done", "item": {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}}),
        json!({"type": "keepalive"}),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ];
    let reply = reply_of(&bare).expect("an answer");
    assert_eq!(texts(&reply), ["hi you", "{}"]);
    assert_eq!(reply.usage, None);
    // Only the end.
    let whole = json!([{"type": "message", "content": [{"type": "output_text", "text": "all at once"}]},
        {"type": "image_generation_call", "id": "ig_1", "result": "iVBOR", "status": "completed"}]);
    let reply = reply_of(&[completed(1, &whole)]).expect("an answer");
    assert_eq!(texts(&reply), ["all at once"]);
    assert!(matches!(&bodies(&reply)[..], [PartBody::Text { .. }, PartBody::Hosted(_), PartBody::Image(media)]
        if media.source == MediaSource::Base64("iVBOR".to_owned()) && media.media_type.as_deref() == Some("image/png")));
}

#[test]
fn how_an_answer_ends() {
    let ends = |status: &str, details: Value| {
        let name = format!("response.{status}");
        let whole = json!({"id": "resp_1", "status": status, "incomplete_details": details, "output": []});
        reply_of(&[created(), json!({"type": name, "response": whole})]).map(|reply| (reply.finish.reason, reply.finish.raw))
    };
    assert_eq!(ends("incomplete", json!({"reason": "max_output_tokens"})), Ok((Reason::Length, Some("max_output_tokens".to_owned()))));
    assert_eq!(ends("incomplete", json!({"reason": "content_filter"})), Ok((Reason::ContentFilter, Some("content_filter".to_owned()))));
    assert_eq!(ends("completed", Value::Null), Ok((Reason::Stop, Some("completed".to_owned()))));
    assert_eq!(reply_of(&[created()]).expect_err("cut").code.as_deref(), Some("upstream_truncated"));
}

#[test]
fn errors_in_a_stream() {
    let nested = json!({"type": "error", "sequence_number": 2, "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "slow", "param": null}});
    let flat = json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": null, "sequence_number": 2});
    let failed =
        json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}}});
    for event in [nested, flat, failed] {
        let fault = reply_of(&[created(), event.clone()]).expect_err("a fault");
        assert_eq!(
            (fault.kind, fault.message.as_str(), fault.code.as_deref()),
            (Kind::RateLimited, "slow", Some("rate_limit_exceeded")),
            "{event}"
        );
    }
    let body = json!({"id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "oh"}, "output": []});
    let fault = DIALECT.outbound().expect("spoken").read_reply(&Memo::default(), body.to_string().as_bytes()).expect_err("a fault");
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::Upstream, "oh"));
}

/// The events of a stream, each under its own name.
fn told(stream: &str) -> Vec<Value> {
    let events = stream.trim_end().split("\n\n").map(|event| {
        let (name, data) = event.strip_prefix("event: ").and_then(|event| event.split_once("\ndata: ")).expect("an event");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(data["type"], name);
        data
    });
    events.collect()
}

#[test]
fn a_stream_that_breaks_off_failed_with_what_was_whole() {
    let problem = |kind, code: Option<&str>| Problem { code: code.map(str::to_owned), ..Problem::new(kind, "cut") };
    for (problem, code) in [
        (problem(Kind::Upstream, Some("overloaded_error")), "server_error"),
        (problem(Kind::Overloaded, Some("overloaded_error")), "server_is_overloaded"),
        (problem(Kind::RateLimited, None), "rate_limit_exceeded"),
        (problem(Kind::BudgetSpent, Some("budget_exceeded")), "insufficient_quota"),
        (problem(Kind::BadRequest, Some("context_length_exceeded")), "context_length_exceeded"),
        (problem(Kind::Filtered, Some("content_filter")), "invalid_prompt"),
    ] {
        let stamp = Stamp { id: "a1".to_owned(), model: "m".to_owned(), created: 7, ..Stamp::default() };
        let mut writer = DIALECT.inbound().expect("spoken").event_writer(stamp);
        let mut out = BytesMut::new();
        let text = |text: &str| Delta::Text(text.to_owned());
        for event in [
            Event::Start { id: None, model: None, created: None },
            Event::BlockStart { block: 0, kind: BlockKind::Reasoning { id: None, summary: false } },
            Event::BlockDelta { block: 0, delta: text("hm") },
            Event::BlockEnd { block: 0 },
            Event::BlockStart { block: 1, kind: BlockKind::Text },
            Event::BlockDelta { block: 1, delta: text("half a sen") },
            Event::Fault(Box::new(Fault::of_problem(&problem))),
        ] {
            writer.write(&event, &mut out);
        }
        let stream = String::from_utf8(out.to_vec()).expect("text");
        let events = told(&stream);
        let numbers: Vec<u64> = events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
        assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>(), "{stream}");
        let [.., error, failed] = &events[..] else { panic!("two events: {stream}") };
        assert_eq!((&error["type"], &error["message"]), (&json!("error"), &failed["response"]["error"]["message"]));
        let answer = &failed["response"];
        assert_eq!((&failed["type"], &answer["status"], &answer["id"]), (&json!("response.failed"), &json!("failed"), &json!("resp_a1")));
        assert_eq!(answer["error"]["code"], code);
        let items: Vec<&str> = answer["output"].as_array().expect("items").iter().filter_map(|item| item["type"].as_str()).collect();
        assert_eq!(items, ["reasoning"], "what was whole: {answer}");
        assert!(!stream.contains("response.completed") && !stream.contains("output_text.done"), "{stream}");
    }
}

#[test]
fn every_kind_of_error_has_its_status() {
    let inbound = DIALECT.inbound().expect("spoken");
    for kind in Kind::ALL {
        let problem = Problem::new(kind, "why");
        let (status, body) = inbound.write_problem(&problem, Flavor::OpenAi);
        assert_eq!(status, kind.status());
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["error"]["message"], "why");
        assert!(body["error"]["type"].is_string() && body["error"]["code"].is_string(), "{body}");
        let begun = Begun { events: 3, id: Some("resp_1"), model: Some("m"), created: Some(7) };
        let stream = String::from_utf8(inbound.write_stream_problem(&problem, Flavor::OpenAi, &begun)).expect("text");
        let [event, failed] = &told(&stream)[..] else { panic!("two events: {stream}") };
        assert_eq!(
            (event["type"].as_str(), event["message"].as_str(), event["error"]["message"].as_str()),
            (Some("error"), Some("why"), Some("why"))
        );
        assert_eq!((&event["sequence_number"], &failed["sequence_number"]), (&json!(3), &json!(4)));
        let answer = &failed["response"];
        assert_eq!((failed["type"].as_str(), answer["status"].as_str()), (Some("response.failed"), Some("failed")));
        assert_eq!((&answer["id"], &answer["model"], &answer["created_at"]), (&json!("resp_1"), &json!("m"), &json!(7)));
        assert_eq!((&answer["output"], &answer["usage"]), (&json!([]), &Value::Null));
        assert_eq!((answer["error"]["message"].as_str(), answer["error"]["code"].is_string()), (Some("why"), true));
        // Of an answer that nothing is known of nothing is said.
        let alone = inbound.write_stream_problem(&problem, Flavor::OpenAi, &Begun::default());
        assert_eq!(told(std::str::from_utf8(&alone).expect("text")).len(), 1);
    }
    let (status, _) = inbound.write_problem(&Problem::new(Kind::BudgetSpent, "why"), Flavor::OpenRouter);
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
}

#[test]
fn errors_of_providers() {
    for (status, body, kind, code) in [
        (
            401,
            json!({"error": {"message": "m", "type": "invalid_request_error", "code": "invalid_api_key"}}),
            Kind::Unauthenticated,
            Some("invalid_api_key"),
        ),
        (
            429,
            json!({"error": {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"}}),
            Kind::BudgetSpent,
            Some("insufficient_quota"),
        ),
        (
            400,
            json!({"error": {"message": "m", "type": "invalid_request_error", "code": "context_length_exceeded", "param": "input"}}),
            Kind::BadRequest,
            Some("context_length_exceeded"),
        ),
        (400, json!({"error": {"message": "m", "code": "model_not_found"}}), Kind::NotFound, Some("model_not_found")),
        (400, json!({"code": "invalid-argument", "error": "Incorrect API key provided"}), Kind::Unauthenticated, Some("invalid-argument")),
        (401, json!({"detail": "m"}), Kind::Unauthenticated, None),
        (503, json!("m"), Kind::Overloaded, None),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let fault = DIALECT.outbound().expect("spoken").read_fault(status, &HeaderMap::new(), body.to_string().as_bytes());
        assert_eq!((fault.kind, fault.code.as_deref()), (kind, code), "{body}");
        assert!(body.to_string().contains(&fault.message), "{fault:?}");
    }
    let page = DIALECT.outbound().expect("spoken").read_fault(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>");
    assert_eq!((page.kind, page.message.as_str()), (Kind::Upstream, "the provider answered with status 502"));
}

#[test]
fn only_deltas_pass_unread() {
    let skimmed = |payload: &str| reader().skim(Frame::new(payload.as_bytes()));
    assert!(skimmed(r#"{"type":"response.output_text.delta","delta":"x"}"#));
    assert!(skimmed(r#"{"content_index":0,"delta":"x","type":"response.output_text.delta"}"#));
    assert!(skimmed(r#"{"type": "response.function_call_arguments.delta", "delta": "x"}"#));
    assert!(!skimmed(r#"{"type":"response.completed","response":{}}"#));
    assert!(!skimmed(r#"{"type":"error","message":"\"type\":\"response.output_text.delta\""}"#));
    assert!(!skimmed("[DONE]"));
}

#[test]
fn what_is_passed_on_as_sent_stays_on_one_line() {
    let raw = "{\n  \"type\": \"web_search_call\",\n  \"id\": \"ws_1\"\n}";
    let body = format!("{{\"status\":\"completed\",\"output\":[{raw}]}}");
    let reply = DIALECT.outbound().expect("spoken").read_reply(&Memo::default(), body.as_bytes()).expect("an answer");
    let stream = super::laws::stream_of(&reply);
    let stream = std::str::from_utf8(&stream).expect("text");
    assert!(stream.lines().all(|line| line.is_empty() || line.starts_with("event: ") || line.starts_with("data: ")), "{stream}");
}

#[test]
fn numbers_and_places_of_a_written_stream_are_in_order() {
    let whole = json!({"status": "completed", "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "x"}, {"type": "refusal", "refusal": "y"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    ]});
    let reply = DIALECT.outbound().expect("spoken").read_reply(&Memo::default(), whole.to_string().as_bytes()).expect("an answer");
    let stream = super::laws::stream_of(&reply);
    let events: Vec<Value> = std::str::from_utf8(&stream)
        .expect("text")
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(events.iter().enumerate().all(|(at, event)| event["sequence_number"] == at));
    let added: Vec<_> =
        events.iter().filter(|event| event["type"] == "response.output_item.added").map(|event| &event["output_index"]).collect();
    assert_eq!(added, [0, 1, 2]);
    let done: Vec<_> =
        events.iter().filter(|event| event["type"] == "response.output_item.done").map(|event| event["item"].clone()).collect();
    let last = events.last().expect("an end");
    assert_eq!(last["response"]["output"], Value::from(done));
    assert_eq!(
        last["response"]["output"][0]["summary"],
        json!([{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}])
    );
    assert_eq!((&last["type"], &last["response"]["tools"]), (&json!("response.completed"), &json!([])));
}

#[test]
fn thoughts_are_summaries_to_whom_asks_for_summaries() {
    use crate::assemble::events_of;
    use crate::chat::{Part, Thought};
    let part = |id: Option<&str>| {
        Part::new(PartBody::Reasoning(Thought { id: id.map(str::to_owned), text: "hm".to_owned(), ..Thought::default() }))
    };
    let inbound = DIALECT.inbound().expect("spoken");
    let (text, summary) = (("content", "reasoning_text"), ("summary", "summary_text"));
    for (asked, id, (place, kind)) in [
        (r#"{"effort":"high","summary":"auto"}"#, None, summary),
        (r#"{"effort":"high","summary":null}"#, None, text),
        // One of this API's own is told as what it is.
        (r#"{"summary":"auto"}"#, Some("rs_1"), text),
    ] {
        let stamp = || Stamp { echo: vec![("reasoning", asked.to_owned())], ..stamp() };
        let reply = ChatReply { parts: vec![part(id)], ..ChatReply::default() };
        let whole: Value = serde_json::from_slice(&inbound.write_reply(&reply, &stamp())).expect("JSON");
        assert_eq!(whole["output"][0][place], json!([{"type": kind, "text": "hm"}]), "{whole}");
        let mut writer = inbound.event_writer(stamp());
        let mut out = BytesMut::new();
        events_of(&reply).iter().for_each(|event| writer.write(event, &mut out));
        let events = told(std::str::from_utf8(&out).expect("text"));
        let last = events.last().expect("an event");
        assert_eq!(last["response"]["output"][0][place], json!([{"type": kind, "text": "hm"}]), "{last}");
        let name = if kind == "summary_text" { "response.reasoning_summary_text.delta" } else { "response.reasoning_text.delta" };
        assert!(events.iter().any(|event| event["type"] == name), "{name}");
    }
}
