//! Why an answer was refused or blocked, in the provider's words, in every client's format.

use bytes::BytesMut;
use serde_json::{Value, json};
use switchboard_wire::Dialect::{self, Anthropic, Gemini, OpenAiChat, OpenAiCompletions, OpenAiResponses};
use switchboard_wire::assemble::events_of;
use switchboard_wire::chat::{Part, PartBody};
use switchboard_wire::half::Memo;
use switchboard_wire::reply::{ChatReply, Finish, Reason};

use crate::answers::{assembled, client_framing, events, stamp};

const WORDS: &str = "This is not for me to say.";

/// Answers that say nothing, or something, and were ended for a reason that is told.
fn refused() -> Vec<(Dialect, Value)> {
    let details = json!({"type": "refusal", "category": "cyber", "explanation": WORDS});
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let claude = |content: Value| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "refusal",
            "stop_sequence": null, "stop_details": details, "usage": usage})
    };
    let candidate =
        json!({"content": {"parts": [{"text": "Well"}], "role": "model"}, "finishReason": "SAFETY", "finishMessage": WORDS, "index": 0});
    let usage = json!({"promptTokenCount": 1, "totalTokenCount": 1});
    vec![
        (Anthropic, claude(json!([]))),
        (Anthropic, claude(json!([{"type": "text", "text": "Well"}]))),
        (Gemini, json!({"candidates": [candidate], "usageMetadata": usage})),
        (Gemini, json!({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": WORDS}, "usageMetadata": usage})),
    ]
}

fn said(client: Dialect, whole: &Value) -> Value {
    match client {
        OpenAiChat => whole["choices"][0]["message"]["refusal"].clone(),
        OpenAiResponses => {
            let items = whole["output"].as_array().unwrap().iter();
            let pieces = items.flat_map(|item| item["content"].as_array().unwrap());
            pieces.map(|piece| piece["refusal"].clone()).find(|words| !words.is_null()).unwrap_or_default()
        }
        OpenAiCompletions => json!(whole["choices"][0]["text"].as_str().unwrap().trim_start_matches("Well")),
        Anthropic => whole["stop_details"]["explanation"].clone(),
        Gemini => whole["candidates"][0]["finishMessage"].clone(),
        _ => Value::Null,
    }
}

#[test]
fn the_words_of_a_refusal_reach_every_client() {
    for (from, body) in refused() {
        let mut reply = from.outbound().unwrap().read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap();
        assert_eq!(reply.verdict(), Some(WORDS), "{from}: {body}");
        for client in [OpenAiChat, OpenAiResponses, OpenAiCompletions, Anthropic, Gemini] {
            let inbound = client.inbound().unwrap();
            if client == from {
                reply.extra = switchboard_wire::extra::Extra::default();
            }
            let whole: Value = serde_json::from_slice(&inbound.write_reply(&reply, &stamp())).unwrap();
            assert_eq!(said(client, &whole), WORDS, "{from} to {client}: {whole}");
            let (mut writer, mut stream) = (inbound.event_writer(stamp()), BytesMut::new());
            events_of(&reply).iter().for_each(|event| writer.write(event, &mut stream));
            assert!(String::from_utf8_lossy(&stream).contains(WORDS), "{from} to {client}, streamed");
            // What the client reads of it is the same.
            let Some(reader) = client.outbound().map(|outbound| outbound.event_reader(Memo::default())) else { continue };
            let read = assembled(&events(client_framing(client), reader, [stream.freeze()])).unwrap();
            let is_said = |part: &Part| match &part.body {
                PartBody::Refusal(words) | PartBody::Text { text: words, .. } => words.ends_with(WORDS),
                _ => false,
            };
            let own = read.parts.iter().any(is_said);
            assert!(own || read.verdict() == Some(WORDS), "{from} to {client}: {read:?}");
        }
    }
}

#[test]
fn a_refusal_in_the_models_own_words_is_told_once() {
    let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": null, "refusal": WORDS}}]});
    let mut reply = OpenAiChat.outbound().unwrap().read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap();
    reply.finish.words = Some("Filtered.".to_owned());
    reply.finish.reason = Reason::Refusal;
    for client in [OpenAiChat, OpenAiResponses, OpenAiCompletions] {
        let written = String::from_utf8(client.inbound().unwrap().write_reply(&reply, &stamp())).unwrap();
        assert!(written.contains(WORDS) && !written.contains("Filtered."), "{client}: {written}");
    }
}

#[test]
fn a_whole_message_says_why_it_stopped() {
    let said = |reason: Reason| {
        let reply = ChatReply { parts: vec![Part::text("Well")], finish: Finish::new(reason, "odd"), ..ChatReply::default() };
        let whole: Value = serde_json::from_slice(&Anthropic.inbound().unwrap().write_reply(&reply, &stamp())).unwrap();
        whole["stop_reason"].as_str().map(str::to_owned)
    };
    for (reason, word) in
        [(Reason::Error, "end_turn"), (Reason::Other, "end_turn"), (Reason::Stop, "end_turn"), (Reason::Length, "max_tokens")]
    {
        assert_eq!(said(reason).as_deref(), Some(word), "{reason:?}");
    }
}
