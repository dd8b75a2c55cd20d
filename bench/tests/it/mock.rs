//! What the mock says is well formed, by another reader than the load generator's.

use serde_json::Value;

use crate::stage::{ask, body_of, on_stage, send, start_mock};

/// The events of a stream as name and payload; panics on any line that is neither.
fn events(body: &str) -> Vec<(Option<&str>, &str)> {
    assert!(body.ends_with("\n\n"), "the last event has no end");
    body.trim_end()
        .split("\n\n")
        .map(|event| {
            let lines: Vec<&str> = event.lines().collect();
            match lines[..] {
                [data] => (None, data.strip_prefix("data: ").unwrap()),
                [name, data] => (Some(name.strip_prefix("event: ").unwrap()), data.strip_prefix("data: ").unwrap()),
                _ => panic!("an event of {} lines", lines.len()),
            }
        })
        .collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn an_openai_stream_is_well_formed() {
    on_stage(async {
        let mock = start_mock().await;
        let order = r#"{"model":"mock-5x260","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
        let body = body_of(&ask(mock, "POST", "/v1/chat/completions", order).await);
        let events = events(&body);
        // Role, five texts, finish, usage, end.
        assert_eq!(events.len(), 9);
        assert_eq!(events[8].1, "[DONE]");
        let chunks: Vec<Value> = events[..8].iter().map(|(_, data)| json(data)).collect();
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks[6]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[7]["choices"], Value::Array(Vec::new()));
        assert_eq!(chunks[7]["usage"]["completion_tokens"], 5);
        let size = events[3].1.len();
        assert!((240..280).contains(&size), "a chunk of about 260 bytes has {size}");
    });
}

#[test]
fn usage_comes_only_when_asked_for() {
    on_stage(async {
        let mock = start_mock().await;
        let body = body_of(&ask(mock, "POST", "/v1/chat/completions", r#"{"model":"mock-2x260","stream":true}"#).await);
        assert!(!body.contains("usage"));
        assert!(body.ends_with("data: [DONE]\n\n"));
    });
}

#[test]
fn an_anthropic_stream_is_well_formed() {
    on_stage(async {
        let mock = start_mock().await;
        let body = body_of(&ask(mock, "POST", "/v1/messages", r#"{"model":"claude-3x260","stream":true}"#).await);
        let events = events(&body);
        let names: Vec<&str> = events.iter().map(|(name, _)| name.unwrap()).collect();
        let text = "content_block_delta";
        let expected =
            ["message_start", "content_block_start", "ping", text, text, text, "content_block_stop", "message_delta", "message_stop"];
        assert_eq!(names, expected);
        for (name, data) in events {
            assert_eq!(json(data)["type"], name.unwrap());
        }
    });
}

#[test]
fn embeddings_and_models_are_json() {
    on_stage(async {
        let mock = start_mock().await;
        let answer = json(&body_of(&ask(mock, "POST", "/v1/embeddings", r#"{"model":"e","input":"x"}"#).await));
        assert_eq!(answer["data"][0]["embedding"].as_array().unwrap().len(), 256);
        let answer = json(&body_of(&ask(mock, "GET", "/v1/models", "").await));
        assert_eq!(answer["object"], "list");
        assert!(ask(mock, "GET", "/elsewhere", "").await.starts_with("HTTP/1.1 404"));
    });
}

#[test]
fn the_books_hold_what_was_served() {
    on_stage(async {
        let mock = start_mock().await;
        send(mock, "--model mock-4x260 --stream --requests 10 --connections 2").await;
        send(mock, "--model claude-size40 --format anthropic --requests 6 --connections 3").await;
        let books = json(&body_of(&ask(mock, "GET", "/__books", "").await));
        assert_eq!(books["requests"], 16);
        assert_eq!(books["streams"], 10);
        assert_eq!(books["chunks"], 40);
        assert_eq!(books["completed"], 16);
        assert_eq!(books["by_shape"]["messages"], 6);
        assert_eq!(books["by_model"]["mock-4x260"], 10);
        assert_eq!(books["completion_tokens"], 10 * 4 + 6 * 10);
        let books = json(&body_of(&ask(mock, "POST", "/__books/reset", "").await));
        assert_eq!(books["requests"], 0);
    });
}
