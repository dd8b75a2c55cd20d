//! Several answers to one request, where both formats have a place for them.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::assemble::events_of;
use switchboard_wire::event::Event;
use switchboard_wire::half::Memo;
use switchboard_wire::reply::ChatReply;

use crate::answers::{assembled, events, stamp};
use crate::likely::{chat, sent};

const SEVERAL: [Dialect; 3] = [Dialect::OpenAiChat, Dialect::OpenAiCompletions, Dialect::Gemini];

fn chat_answer() -> Value {
    let call = json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Red"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "Green", "tool_calls": call}, "finish_reason": "tool_calls"},
        {"index": 2, "message": {"role": "assistant", "content": "Blue"}, "finish_reason": "length"},
    ], "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}})
}

fn gemini_answer() -> Value {
    let candidate =
        |at: u64, parts: Value, why: &str| json!({"content": {"parts": parts, "role": "model"}, "finishReason": why, "index": at});
    json!({"candidates": [
        candidate(0, json!([{"text": "Red"}]), "STOP"),
        candidate(1, json!([{"text": "Green"}, {"functionCall": {"name": "f", "args": {}}}]), "STOP"),
        candidate(2, json!([{"text": "Blue"}]), "MAX_TOKENS"),
    ], "usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 3, "totalTokenCount": 5}, "modelVersion": "m", "responseId": "1"})
}

/// What each answer says and why it ended, in the words of that format.
fn told(answer: &Value) -> Vec<(Value, bool, Value)> {
    let list = answer["choices"].as_array().or_else(|| answer["candidates"].as_array()).unwrap();
    let told = |choice: &Value| {
        let parts = &choice["content"]["parts"];
        let text = [&choice["message"]["content"], &choice["text"], &parts[0]["text"]].into_iter().find(|text| text.is_string()).cloned();
        let called = choice["message"]["tool_calls"].is_array() || parts[1]["functionCall"].is_object();
        let finish = if parts.is_null() { &choice["finish_reason"] } else { &choice["finishReason"] };
        (text.unwrap_or_default(), called, finish.clone())
    };
    let places: Vec<u64> = list.iter().filter_map(|choice| choice["index"].as_u64()).collect();
    assert_eq!(places, (0..list.len() as u64).collect::<Vec<_>>());
    list.iter().map(told).collect()
}

fn read(from: Dialect, body: &Value) -> ChatReply {
    from.outbound().unwrap().read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap()
}

fn streamed(reply: &ChatReply, to: Dialect) -> Bytes {
    let (mut writer, mut out) = (to.inbound().unwrap().event_writer(stamp()), BytesMut::new());
    events_of(reply).iter().for_each(|event| writer.write(event, &mut out));
    out.freeze()
}

fn read_stream(from: Dialect, stream: Bytes) -> Vec<Event> {
    let outbound = from.outbound().unwrap();
    events(outbound.framing(), outbound.event_reader(Memo::default()), [stream])
}

#[test]
fn several_answers_are_asked_for_in_the_words_of_both() {
    let (body, lost) = sent(Dialect::OpenAiChat, Dialect::Gemini, false, &chat(&json!({"n": 3})));
    assert_eq!((&body["generationConfig"]["candidateCount"], &*lost), (&json!(3), ""));
    let (body, _) = sent(Dialect::OpenAiChat, Dialect::Gemini, false, &chat(&json!({"n": 1})));
    assert!(body["generationConfig"]["candidateCount"].is_null(), "{body}");
    let request = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"candidateCount": 2}});
    for to in [Dialect::OpenAiChat, Dialect::OpenAiCompletions] {
        let (body, lost) = sent(Dialect::Gemini, to, false, &request);
        assert_eq!((&body["n"], &*lost), (&json!(2), ""), "{to}");
    }
    let prompt = json!({"model": "m", "prompt": "hi", "n": 2});
    let (body, _) = sent(Dialect::OpenAiCompletions, Dialect::Gemini, false, &prompt);
    assert_eq!(body["generationConfig"]["candidateCount"], json!(2));
}

#[test]
fn several_answers_are_told_in_the_words_of_all() {
    for (from, body) in [(Dialect::OpenAiChat, chat_answer()), (Dialect::Gemini, gemini_answer())] {
        let reply = read(from, &body);
        assert_eq!(reply.further.len(), 2, "{from}");
        for to in SEVERAL {
            let wanted = match to {
                Dialect::Gemini => vec![("Red", false, "STOP"), ("Green", true, "STOP"), ("Blue", false, "MAX_TOKENS")],
                Dialect::OpenAiChat => vec![("Red", false, "stop"), ("Green", true, "tool_calls"), ("Blue", false, "length")],
                _ => vec![("Red", false, "stop"), ("Green", false, "stop"), ("Blue", false, "length")],
            };
            let wanted: Vec<_> = wanted.into_iter().map(|(text, called, why)| (json!(text), called, json!(why))).collect();
            let inbound = to.inbound().unwrap();
            let whole: Value = serde_json::from_slice(&inbound.write_reply(&reply, &stamp())).unwrap();
            assert_eq!(told(&whole), wanted, "{from} to {to}");
            let again = assembled(&read_stream(to, streamed(&reply, to))).unwrap();
            let whole: Value = serde_json::from_slice(&inbound.write_reply(&again, &stamp())).unwrap();
            assert_eq!(told(&whole), wanted, "{from} to {to} streamed");
            assert_eq!(again.usage.and_then(|usage| usage.output), Some(3), "{from} to {to}");
        }
    }
}

/// Providers mix the pieces of answers as they come; a client gets them as they came.
#[test]
fn pieces_of_several_answers_may_come_in_any_order() {
    let piece = |at: u64, text: &str, why: Value| {
        let choice = json!({"index": at, "delta": {"content": text}, "finish_reason": why});
        format!("data: {}\n\n", json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}))
    };
    let pieces = [
        piece(1, "Gr", Value::Null),
        piece(0, "R", Value::Null),
        piece(1, "een", json!("stop")),
        piece(0, "ed", json!("length")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let events = read_stream(Dialect::OpenAiChat, Bytes::from(pieces.concat()));
    let reply = assembled(&events).unwrap();
    let wanted = [(json!("Red"), false, json!("length")), (json!("Green"), false, json!("stop"))];
    for to in [Dialect::OpenAiChat, Dialect::Gemini] {
        let (mut writer, mut out) = (to.inbound().unwrap().event_writer(stamp()), BytesMut::new());
        events.iter().for_each(|event| writer.write(event, &mut out));
        let again = assembled(&read_stream(to, out.freeze())).unwrap();
        let whole = Dialect::OpenAiChat.inbound().unwrap().write_reply(&again, &stamp());
        assert_eq!(told(&serde_json::from_slice(&whole).unwrap()), wanted, "{to}");
    }
    assert_eq!(reply.further.len(), 1);
    // One of them that has not ended is a stream that was cut.
    let cut = read_stream(Dialect::OpenAiChat, Bytes::from(pieces[..2].concat() + &pieces[3]));
    assert!(assembled(&cut).is_err(), "{cut:?}");
}

/// Both answers may call a tool without an id: the ids that are made up differ.
#[test]
fn ids_that_are_made_up_are_those_of_one_answer() {
    let call = json!({"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}], "role": "model"}, "finishReason": "STOP"});
    let gemini = read(Dialect::Gemini, &json!({"candidates": [call, call], "responseId": "r"}));
    let message =
        json!({"role": "assistant", "content": null, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let choice = |at: u64| json!({"index": at, "message": message, "finish_reason": "tool_calls"});
    let chat = read(Dialect::OpenAiChat, &json!({"id": "r", "model": "m", "choices": [choice(0), choice(1)]}));
    for reply in [gemini, chat] {
        let whole = Dialect::OpenAiChat.inbound().unwrap().write_reply(&reply, &stamp());
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        let id =
            |at: usize| whole["choices"][at]["message"]["tool_calls"][0]["id"].as_str().filter(|id| !id.is_empty()).unwrap().to_owned();
        assert_ne!(id(0), id(1), "{whole}");
    }
}
