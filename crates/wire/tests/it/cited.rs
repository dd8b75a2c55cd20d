//! Sources that answers name stand at the text they are of, in every client's unit.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::assemble::events_of;
use switchboard_wire::framing::Framing;
use switchboard_wire::half::Memo;

use crate::answers::{assembled, disorder, events, stamp};

/// The whole answer for that client.
fn whole(provider: Dialect, client: Dialect, body: &Value) -> Value {
    let reply = provider.outbound().unwrap().read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap();
    let written = client.inbound().unwrap().write_reply(&reply, &stamp());
    // Streams say the same.
    let mut writer = client.inbound().unwrap().event_writer(stamp());
    let mut out = BytesMut::new();
    events_of(&reply).iter().for_each(|event| writer.write(event, &mut out));
    let outbound = client.outbound().unwrap();
    let told = events(outbound.framing(), outbound.event_reader(Memo::default()), [out.freeze()]);
    let streamed = client.inbound().unwrap().write_reply(&assembled(&told).unwrap(), &stamp());
    let whole: Value = serde_json::from_slice(&written).unwrap();
    let streamed: Value = serde_json::from_slice(&streamed).unwrap();
    assert_eq!(sources(client, &streamed), sources(client, &whole), "{client} streamed");
    whole
}

fn sources(client: Dialect, answer: &Value) -> Value {
    match client {
        Dialect::OpenAiChat => answer["choices"][0]["message"]["annotations"].clone(),
        Dialect::OpenAiResponses => json!(answer["output"].as_array().map(|items| {
            let texts = items.iter().filter_map(|item| item["content"].as_array()).flatten();
            texts.filter_map(|text| text.get("annotations")).filter(|list| **list != json!([])).collect::<Vec<_>>()
        })),
        Dialect::Anthropic => {
            json!(answer["content"].as_array().map(|blocks| blocks.iter().filter_map(|block| block.get("citations")).collect::<Vec<_>>()))
        }
        _ => answer["candidates"][0]["groundingMetadata"].clone(),
    }
}

fn place(annotation: &Value) -> (Value, Value) {
    (annotation["start_index"].clone(), annotation["end_index"].clone())
}

/// Gemini counts bytes, everybody else characters.
#[test]
fn places_are_told_in_the_units_of_both() {
    let chunk = json!({"web": {"uri": "https://a.example", "title": "A"}});
    let support = json!({"segment": {"startIndex": 7, "endIndex": 13, "text": "Grüß"}, "groundingChunkIndices": [0]});
    let grounding = json!({"groundingChunks": [chunk], "groundingSupports": [support]});
    let candidate =
        json!({"content": {"parts": [{"text": "ééé Grüß."}], "role": "model"}, "finishReason": "STOP", "groundingMetadata": grounding});
    let body = json!({"candidates": [candidate]});
    let chat = whole(Dialect::Gemini, Dialect::OpenAiChat, &body);
    assert_eq!(place(&sources(Dialect::OpenAiChat, &chat)[0]["url_citation"]), (json!(4), json!(8)));
    let responses = whole(Dialect::Gemini, Dialect::OpenAiResponses, &body);
    assert_eq!(place(&sources(Dialect::OpenAiResponses, &responses)[0][0]), (json!(4), json!(8)));
    let back = whole(Dialect::OpenAiChat, Dialect::Gemini, &chat);
    assert_eq!(sources(Dialect::Gemini, &back), grounding);
}

/// What is cited is a text, also where something else came after it, whole or in pieces.
#[test]
fn sources_of_a_text_that_a_call_follows_are_its_own() {
    let grounding = json!({
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example", "title": "B"}}],
        "groundingSupports": [{"segment": {"endIndex": 3}, "groundingChunkIndices": [0]}, {"segment": {"startIndex": 4, "endIndex": 7}, "groundingChunkIndices": [1]}],
    });
    let call = json!({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"});
    let parts = json!([{"text": "One."}, call, {"text": "Two."}, call]);
    let body = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP", "groundingMetadata": grounding}]});
    let messages = whole(Dialect::Gemini, Dialect::Anthropic, &body);
    let texts = messages["content"].as_array().unwrap().iter().filter(|block| block["type"] == "text");
    let cited: Vec<(&Value, &Value)> = texts.map(|block| (&block["text"], &block["citations"][0]["url"])).collect();
    assert_eq!(cited, [(&json!("One."), &json!("https://a.example")), (&json!("Two."), &json!("https://b.example"))]);
    let chat = whole(Dialect::Gemini, Dialect::OpenAiChat, &body);
    let places: Vec<_> = sources(Dialect::OpenAiChat, &chat).as_array().unwrap().iter().map(|one| place(&one["url_citation"])).collect();
    assert_eq!(places, [(json!(0), json!(3)), (json!(4), json!(7))]);

    let chunk = |parts: Value, last: bool| {
        let mut candidate = json!({"content": {"parts": parts}});
        if last {
            candidate["finishReason"] = json!("STOP");
            candidate["groundingMetadata"] = json!({"groundingChunks": [{"web": {"uri": "https://a.example"}}], "groundingSupports": [{"segment": {"endIndex": 3}, "groundingChunkIndices": [0]}]});
        }
        format!("data: {}\n\n", json!({"candidates": [candidate]}))
    };
    let stream = chunk(json!([{"text": "One."}]), false) + &chunk(json!([call]), false) + &chunk(json!([{"text": ""}]), true);
    let gemini = Dialect::Gemini.outbound().unwrap();
    let told = events(Framing::Sse, gemini.event_reader(Memo::default()), [Bytes::from(stream)]);
    assert_eq!(disorder(&told), None);
    let reply = assembled(&told).unwrap();
    let written: Value = serde_json::from_slice(&Dialect::Anthropic.inbound().unwrap().write_reply(&reply, &stamp())).unwrap();
    assert_eq!(written["content"][0]["citations"][0]["url"], "https://a.example");
    assert!(written["content"].as_array().unwrap().iter().all(|block| block["text"] != ""));
}

/// Anthropic cites by blocks: each source is one of all of its block.
#[test]
fn sources_of_a_block_are_of_all_of_it() {
    let found = json!({"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "It is so.", "encrypted_index": "E"});
    let content = json!([{"type": "text", "text": "Grüße. "}, {"type": "text", "text": "Só.", "citations": [found]}]);
    let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "end_turn"});
    let gemini = whole(Dialect::Anthropic, Dialect::Gemini, &body);
    let segment = json!({"startIndex": 9, "endIndex": 13, "text": "Só."});
    let grounding = json!({
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    });
    assert_eq!(sources(Dialect::Gemini, &gemini), grounding);
    let chat = whole(Dialect::Anthropic, Dialect::OpenAiChat, &body);
    assert_eq!(place(&sources(Dialect::OpenAiChat, &chat)[0]["url_citation"]), (json!(7), json!(10)));
    let responses = whole(Dialect::Anthropic, Dialect::OpenAiResponses, &body);
    assert_eq!(place(&sources(Dialect::OpenAiResponses, &responses)[0][0]), (json!(0), json!(3)));
}

/// Sources in documents are told to Anthropic's clients as places in those.
#[test]
fn sources_in_documents_are_places_in_them() {
    let source = json!({"location": {"documentPage": {"documentIndex": 2, "start": 4, "end": 5}}, "title": "policy", "sourceContent": [{"text": "Ask."}]});
    let content = json!([{"citationsContent": {"content": [{"text": "Do ask."}], "citations": [source]}}]);
    let bedrock = json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn"});
    let told = whole(Dialect::Bedrock, Dialect::Anthropic, &bedrock);
    let page = json!({
        "type": "page_location", "cited_text": "Ask.", "document_index": 2, "document_title": "policy", "file_id": null,
        "start_page_number": 4, "end_page_number": 5,
    });
    assert_eq!(sources(Dialect::Anthropic, &told), json!([[page]]));

    let document = json!({"type": "document", "id": "doc:0", "document": {"id": "doc:0", "text": "Ruby!", "title": "facts"}});
    let citation = json!({"start": 0, "end": 4, "text": "Ruby", "sources": [document], "type": "TEXT_CONTENT"});
    let message = json!({"role": "assistant", "content": [{"type": "text", "text": "Ruby it is."}], "citations": [citation]});
    let cohere = json!({"id": "1", "finish_reason": "COMPLETE", "message": message});
    let told = whole(Dialect::Cohere, Dialect::Anthropic, &cohere);
    let passage = json!({
        "type": "char_location", "cited_text": "Ruby!", "document_index": 0, "document_title": "facts", "file_id": null,
        "start_char_index": 0, "end_char_index": 5,
    });
    assert_eq!(sources(Dialect::Anthropic, &told), json!([[passage]]));
}
