//! Answers that providers say they failed to make: a call that they could not read, say.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed};
use crate::scripted::{Script, scripted};

const MALFORMED: &str = "MALFORMED_FUNCTION_CALL";

fn gemini(parts: &Value, finish: &str) -> Value {
    let usage = json!({"promptTokenCount": 5, "thoughtsTokenCount": 9, "totalTokenCount": 14});
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish}], "usageMetadata": usage})
}

fn bodies(model: &str, stream: bool) -> [(&'static str, Value); 3] {
    let messages = json!([{"role": "user", "content": "hi"}]);
    [
        ("/v1/chat/completions", json!({"model": model, "messages": messages, "stream": stream})),
        ("/v1/responses", json!({"model": model, "input": "hi", "stream": stream})),
        ("/v1/messages", json!({"model": model, "messages": messages, "max_tokens": 9, "stream": stream})),
    ]
}

fn models(gateway_test: impl Fn(&Managed)) {
    let empty = gemini(&json!([]), MALFORMED);
    let said = gemini(&json!([{"text": "Let me"}]), MALFORMED);
    let good = gemini(&json!([{"text": "fine"}]), "STOP");
    let fallback = "order: 2";
    scripted(
        vec![
            ("empty", "gemini/gemini-x", "", Script::json(&empty)),
            ("streamed", "gemini/gemini-x", "", Script::events(&[(0, empty.clone())])),
            ("both", "gemini/gemini-x", "order: 1", Script::json(&empty)),
            ("both", "gemini/gemini-x", fallback, Script::json(&good)),
            ("said", "gemini/gemini-x", "", Script::json(&said)),
            ("saying", "gemini/gemini-x", "", Script::events(&[(0, said.clone())])),
        ],
        gateway_test,
    );
}

/// Nothing was committed: somebody else is asked, and where nobody is, it is an error in both modes.
#[test]
fn an_answer_that_was_not_made_is_a_failure() {
    models(|gateway| {
        for (model, stream) in [("empty", false), ("streamed", true)] {
            for (path, body) in bodies(model, stream) {
                let reply = gateway.as_key(MASTER, "POST", path, &body);
                assert_eq!(reply.status, 502, "{path}: {}", reply.text());
                let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
                assert!(message.contains(MALFORMED), "{path}: {message}");
            }
        }
        for (path, body) in bodies("both", false) {
            let reply = gateway.as_key(MASTER, "POST", path, &body);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert!(reply.text().contains("fine"), "{path}: {}", reply.text());
        }
    });
}

/// OpenAI has no word for it: what was said before ends as any answer does, but for OpenRouter's clients.
#[test]
fn what_was_said_before_ends_in_the_clients_words() {
    models(|gateway| {
        for (model, stream) in [("said", false), ("saying", true)] {
            for (path, finish) in [("/v1/chat/completions", "stop"), ("/api/v1/chat/completions", "error")] {
                let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream});
                let reply = gateway.as_key(MASTER, "POST", path, &body);
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
                assert!(reply.text().contains(&format!(r#""finish_reason":"{finish}""#)), "{path}: {}", reply.text());
            }
        }
    });
}
