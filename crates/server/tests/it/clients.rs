//! What popular clients send as a matter of course, at providers that take less.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::upstream::Upstream;

fn config(upstream: &Upstream) -> String {
    let model = |name: &str, more: &str| {
        let group = name.rsplit('/').next().unwrap_or(name);
        format!("  - {{model_name: {group}, litellm_params: {{model: {name}, api_base: {}/good/v1, api_key: k{more}}}}}\n", upstream.url())
    };
    let models =
        ["groq/llama-3.3-70b-versatile", "deepseek/deepseek-reasoner", "openai/gpt-4o", "openai/gpt-5"].map(|name| model(name, ""));
    format!("model_list:\n{}{}", models.concat(), model("openai/gpt-4.1", ", drop_params: true"))
}

/// What the provider got of that, and what the answer's headers say of it.
fn sent(app: &TestApp, upstream: &Upstream, path: &str, body: &Value) -> (Value, String) {
    let before = upstream.asked().len();
    let reply = app.ask("POST", path).json(body).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (_, got) = upstream.asked()[before].clone();
    let dropped = reply.headers.get("x-switchboard-dropped").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if path.starts_with("/api/v1") {
        assert_eq!(reply.header("x-generation-id"), reply.header("x-litellm-call-id"));
    }
    (serde_json::from_str(&got).expect("JSON"), dropped.to_owned())
}

#[test]
fn openrouters_clients_are_understood_by_plain_providers() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream));
    let mark = json!({"type": "ephemeral"});
    let body = json!({
        "model": "llama-3.3-70b-versatile", "provider": {"only": [], "data_collection": "allow"}, "plugins": [], "usage": {"include": true},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": mark}]}],
        "reasoning": {"exclude": false, "effort": "low"}, "top_k": 40, "min_p": 0, "temperature": 0.5
    });
    let (got, dropped) = sent(&app, &upstream, "/api/v1/chat/completions", &body);
    let wanted = json!({"model": "llama-3.3-70b-versatile", "temperature": 0.5, "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!((got, dropped.as_str()), (wanted, "top_k, messages.cache_control, reasoning"));
    let talk = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A", "reasoning": "hm"}, {"role": "user", "content": "So"}]);
    let body = json!({"model": "deepseek-reasoner", "messages": talk, "reasoning": {"effort": "high"}});
    let (got, _) = sent(&app, &upstream, "/api/v1/chat/completions", &body);
    assert_eq!((&got["reasoning_effort"], got.get("reasoning")), (&json!("high"), None));
    assert_eq!(got["messages"][1], json!({"role": "assistant", "content": "A", "reasoning_content": "hm"}));
    let body = json!({"model": "gpt-5:thinking", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(sent(&app, &upstream, "/api/v1/chat/completions", &body).0["reasoning_effort"], "medium");
}

#[test]
fn what_a_model_does_not_take_is_left_out_where_that_is_said() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream));
    let body = |model: &str, fields: Value| {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        body
    };
    let thinks = json!({"reasoning_effort": "high", "thinking": {"type": "enabled"}, "temperature": 0});
    let has = |body: &Value| ["reasoning_effort", "thinking", "temperature"].map(|key| body.get(key).is_some());
    for (model, drops, kept) in [
        ("gpt-4o", None, [true, true, true]),
        ("gpt-4o", Some(true), [false, false, true]),
        ("gpt-4.1", None, [false, false, true]),
        ("gpt-5", None, [true, true, true]),
        ("gpt-5", Some(true), [true, true, false]),
        ("llama-3.3-70b-versatile", Some(true), [false, false, true]),
    ] {
        let mut body = body(model, thinks.clone());
        if let Some(drops) = drops {
            body["drop_params"] = json!(drops);
        }
        let (got, dropped) = sent(&app, &upstream, "/v1/chat/completions", &body);
        assert_eq!(has(&got), kept, "{model} {drops:?} {got}");
        assert_eq!(dropped.is_empty(), kept == [true; 3], "{model} {dropped}");
    }
    let usual = body("gpt-5", json!({"drop_params": true, "temperature": 1}));
    assert_eq!(sent(&app, &upstream, "/v1/chat/completions", &usual).0["temperature"], 1);
    // Claude Code always asks for thoughts.
    let claude = json!({
        "model": "llama-3.3-70b-versatile", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}],
        "thinking": {"type": "enabled", "budget_tokens": 31999},
        "system": [{"type": "text", "text": "You are.", "cache_control": {"type": "ephemeral"}}]
    });
    let (got, dropped) = sent(&app, &upstream, "/v1/messages", &claude);
    assert_eq!((got.get("reasoning_effort"), &got["messages"][0]["content"]), (None, &json!("You are.")));
    assert_eq!(dropped, "messages.cache_control, reasoning");
}

#[test]
fn a_turn_that_is_only_named_is_refused_and_not_forgotten() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream));
    let input =
        json!([{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "msg_swb1.x_1"}, {"role": "user", "content": "So?"}]);
    let reply = app.ask("POST", "/v1/responses").json(&json!({"model": "deepseek-reasoner", "input": input})).send();
    let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(reply.status, 400, "{message}");
    assert!(message.contains("msg_swb1.x_1") && message.contains("`store: false`"), "{message}");
    assert!(upstream.asked().is_empty());
}
