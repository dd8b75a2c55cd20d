//! What clients put together of a stream, as their own SDKs do it.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::half::Memo;

use crate::answers::{events, stamp};

/// The stream that a client gets of what a provider sent, event by event.
fn told(provider: Dialect, client: Dialect, sent: &str) -> Vec<Value> {
    let outbound = provider.outbound().unwrap();
    let read = events(outbound.framing(), outbound.event_reader(Memo::default()), [Bytes::from(sent.to_owned())]);
    let mut writer = client.inbound().unwrap().event_writer(stamp());
    let mut out = BytesMut::new();
    read.iter().for_each(|event| writer.write(event, &mut out));
    let text = String::from_utf8(out.to_vec()).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
}

/// Google's answer: text, and a call that is sealed.
fn sealed_call() -> String {
    let call = json!({"functionCall": {"name": "look", "args": {"at": 1}}, "thoughtSignature": "c2ln"});
    let chunk = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Wait."}, call]}, "finishReason": "STOP"}]});
    format!("data: {chunk}\n\n")
}

/// Claude Code ends an answer in which a call is signed as a thought is, and Anthropic's own SDK does not hear it.
#[test]
fn a_call_is_sealed_where_it_begins() {
    let told = told(Dialect::Gemini, Dialect::Anthropic, &sealed_call());
    assert!(told.iter().all(|event| event["delta"]["type"] != "signature_delta"), "{told:?}");
    let begun = told.iter().find(|event| event["content_block"]["type"] == "tool_use").unwrap();
    assert!(begun["content_block"]["signature"].as_str().is_some_and(|seal| !seal.is_empty()), "{begun}");
}

/// Codex keeps a conversation in the order in which its items ended.
#[test]
fn what_was_said_before_a_call_ends_before_it() {
    let told = told(Dialect::Gemini, Dialect::OpenAiResponses, &sealed_call());
    let ended: Vec<_> =
        told.iter().filter(|event| event["type"] == "response.output_item.done").map(|event| &event["item"]["type"]).collect();
    assert_eq!(ended[..2], ["message", "function_call"], "{told:?}");
}

/// Sources that come after the call are those of the text before it, in the answer as a whole.
#[test]
fn sources_that_come_late_stand_in_the_whole() {
    let grounding = json!({"groundingChunks": [{"web": {"uri": "https://a.example"}}], "groundingSupports": [{"segment": {"endIndex": 5}, "groundingChunkIndices": [0]}]});
    let last = json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "groundingMetadata": grounding}]});
    let sent = sealed_call().replace(",\"finishReason\":\"STOP\"", "") + &format!("data: {last}\n\n");
    let told = told(Dialect::Gemini, Dialect::OpenAiResponses, &sent);
    let whole = told.iter().find(|event| event["type"] == "response.completed").unwrap();
    assert_eq!(whole["response"]["output"][0]["content"][0]["annotations"][0]["url"], "https://a.example", "{whole}");
}

/// OpenAI's SDK refuses a second piece of a list that does not say which it is.
#[test]
fn pieces_of_lists_are_numbered() {
    let mut sent = String::new();
    let mut say = |kind: &str, event: Value| sent.push_str(&format!("event: {kind}\ndata: {event}\n\n"));
    say(
        "message_start",
        json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
    );
    for at in 0..2 {
        let begin =
            json!({"type": "content_block_start", "index": at, "content_block": {"type": "thinking", "thinking": "", "signature": ""}});
        say("content_block_start", begin);
        for delta in [json!({"type": "thinking_delta", "thinking": "hm"}), json!({"type": "signature_delta", "signature": "c2ln"})] {
            say("content_block_delta", json!({"type": "content_block_delta", "index": at, "delta": delta}));
        }
        say("content_block_stop", json!({"type": "content_block_stop", "index": at}));
    }
    say(
        "content_block_start",
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": "", "citations": []}}),
    );
    say("content_block_delta", json!({"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "so"}}));
    for at in 0..2 {
        let page = json!({"type": "web_search_result_location", "url": format!("https://{at}.example"), "title": "T", "cited_text": "so", "encrypted_index": "e"});
        let file = json!({"type": "char_location", "cited_text": "so", "document_index": 0, "document_title": "D", "start_char_index": 0, "end_char_index": 2});
        for citation in [page, file] {
            let delta = json!({"type": "citations_delta", "citation": citation});
            say("content_block_delta", json!({"type": "content_block_delta", "index": 2, "delta": delta}));
        }
    }
    say("content_block_stop", json!({"type": "content_block_stop", "index": 2}));
    say("message_delta", json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}));
    say("message_stop", json!({"type": "message_stop"}));
    let told = told(Dialect::Anthropic, Dialect::OpenAiChat, &sent);
    for list in ["thinking_blocks", "annotations", "citations"] {
        let pieces = told.iter().filter_map(|chunk| chunk["choices"][0]["delta"][list].as_array()).flatten();
        let numbers: Vec<_> = pieces.map(|piece| piece["index"].clone()).collect();
        assert_eq!(numbers, [json!(0), json!(1)], "{list}: {told:?}");
    }
}
