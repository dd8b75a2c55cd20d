//! Several answers to one request, through the gateway.

use serde_json::{Value, json};

use crate::charged::{ask, told};

fn streamed(chunks: &[Value], end: &str) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>() + end
}

/// The events of a stream.
fn events(text: &str) -> Vec<Value> {
    let payloads = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|payload| *payload != "[DONE]");
    payloads.map(|payload| serde_json::from_str(payload).expect("JSON")).collect()
}

/// The text of that choice.
fn said(events: &[Value], at: u64) -> String {
    let of = events.iter().map(|event| &event["choices"][0]).filter(|choice| choice["index"] == at);
    of.filter_map(|choice| choice["delta"]["content"].as_str()).collect()
}

/// A client of chats asks Google for two answers, and gets them as two choices.
#[test]
fn choices_are_googles_candidates() {
    let candidate = |at: u64, text: &str, why: Value| json!({"content": {"parts": [{"text": text}]}, "index": at, "finishReason": why});
    let usage = json!({"promptTokenCount": 2, "candidatesTokenCount": 6, "totalTokenCount": 8});
    let whole =
        json!({"candidates": [candidate(0, "Red", json!("STOP")), candidate(1, "Blue", json!("MAX_TOKENS"))], "usageMetadata": usage});
    let stream = streamed(
        &[
            json!({"candidates": [candidate(1, "Bl", Value::Null)]}),
            json!({"candidates": [candidate(0, "Red", json!("STOP")), candidate(1, "ue", json!("MAX_TOKENS"))], "usageMetadata": usage}),
        ],
        "",
    );
    told(&[("g", "gemini/g", "")], |gateway| {
        let answer = ask(gateway, "/v1/chat/completions", "g", &json!({"n": 2}), &whole.to_string()).json();
        let choice = |at: usize| (answer["choices"][at]["message"]["content"].clone(), answer["choices"][at]["finish_reason"].clone());
        assert_eq!((choice(0), choice(1)), ((json!("Red"), json!("stop")), (json!("Blue"), json!("length"))), "{answer}");
        assert_eq!(answer["usage"]["completion_tokens"], 6);
        let reply = ask(gateway, "/v1/chat/completions", "g", &json!({"n": 2, "stream": true}), &stream);
        let events = events(reply.text());
        assert_eq!((said(&events, 0), said(&events, 1)), ("Red".to_owned(), "Blue".to_owned()), "{}", reply.text());
        let ends = events.iter().filter(|event| event["choices"][0]["finish_reason"].is_string()).count();
        assert!(ends == 2 && reply.text().trim_end().ends_with("[DONE]"), "{}", reply.text());
    });
}

/// A client of Google's asks a provider of chats for two candidates.
#[test]
fn candidates_are_choices_of_chats() {
    let choice = |at: u64, text: &str| json!({"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 2, "completion_tokens": 6, "total_tokens": 8});
    let whole = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice(0, "Red"), choice(1, "Blue")], "usage": usage});
    told(&[("m", "openai/m", "")], |gateway| {
        let body =
            json!({"contents": [{"role": "user", "parts": [{"text": whole.to_string()}]}], "generationConfig": {"candidateCount": 2}});
        let reply = gateway.as_key(crate::managed::MASTER, "POST", "/v1beta/models/m:generateContent", &body);
        let answer = reply.json();
        let text = |at: usize| answer["candidates"][at]["content"]["parts"][0]["text"].clone();
        assert_eq!((text(0), text(1)), (json!("Red"), json!("Blue")), "{answer}");
    });
}

/// Thoughts that are shown as text stand in the text of their own choice.
#[test]
fn thoughts_as_text_are_those_of_each_choice() {
    let chunk = |at: u64, delta: Value, why: Value| {
        let choice = json!({"index": at, "delta": delta, "finish_reason": why});
        json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
    };
    let thinks = |at: u64| chunk(at, json!({"reasoning_content": "Hm."}), Value::Null);
    let says = |at: u64, text: &str| chunk(at, json!({"content": text}), json!("stop"));
    let stream = streamed(&[thinks(0), thinks(1), says(1, "Blue"), says(0, "Red")], "data: [DONE]\n\n");
    told(&[("m", "openai/m", "")], |gateway| {
        let asked = json!({"n": 2, "stream": true, "merge_reasoning_content_in_choices": true});
        let reply = ask(gateway, "/v1/chat/completions", "m", &asked, &stream);
        let events = events(reply.text());
        assert_eq!(said(&events, 0), "<think>Hm.</think>Red", "{}", reply.text());
        assert_eq!(said(&events, 1), "<think>Hm.</think>Blue", "{}", reply.text());
    });
}

/// What OpenRouter's clients want beside a choice stands beside each of them.
#[test]
fn choices_are_told_to_others_clients_too() {
    let chunk = |at: u64, delta: Value, why: Value| {
        let choice = json!({"index": at, "delta": delta, "finish_reason": why});
        json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
    };
    let says = |at: u64, text: &str| chunk(at, json!({"content": text}), Value::Null);
    let ends = |at: u64| chunk(at, json!({}), json!("stop"));
    let stream = streamed(&[says(0, "Red"), says(1, "Blue"), ends(1), ends(0)], "data: [DONE]\n\n");
    told(&[("m", "openai/m", "")], |gateway| {
        let reply = ask(gateway, "/api/v1/chat/completions", "m", &json!({"n": 2, "stream": true}), &stream);
        let told: Vec<_> = events(reply.text()).into_iter().map(|event| event["choices"][0].clone()).filter(Value::is_object).collect();
        let ended: Vec<_> =
            told.iter().filter(|choice| choice["native_finish_reason"] == "stop").map(|choice| choice["index"].clone()).collect();
        assert_eq!(ended, [json!(1), json!(0)], "{}", reply.text());
        assert!(told.iter().any(|choice| choice["index"] == 1 && choice["delta"]["content"] == "Blue"), "{}", reply.text());
    });
}

/// However many answers are asked for in one format, each is held for in the other.
#[test]
fn candidates_are_held_for_each() {
    let answer = json!({"candidates": [{"content": {"parts": [{"text": "Red"}]}, "finishReason": "STOP"}]}).to_string();
    told(&[("g", "gemini/g", "input_cost_per_token: 0, output_cost_per_token: 0.01")], |gateway| {
        for (count, expected) in [(1, 200), (5, 422)] {
            let key = gateway.key(&json!({"max_budget": 0.2}));
            let body = json!({"model": "g", "max_tokens": 10, "n": count, "messages": [{"role": "user", "content": answer}]});
            let reply = gateway.as_key(&key, "POST", "/v1/chat/completions", &body);
            assert_eq!(reply.status.as_u16(), expected, "{count}: {}", reply.text());
        }
    });
}
