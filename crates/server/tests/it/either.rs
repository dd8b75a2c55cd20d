//! Chats in either of OpenAI's forms, answered in the older one.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::upstream::Upstream;

fn app(upstream: &Upstream) -> TestApp {
    let at = upstream.url();
    TestApp::of(&format!("model_list:\n  - {{model_name: gpt, litellm_params: {{model: openai/m, api_base: '{at}/good', api_key: k}}}}\n"))
}

fn ask(app: &TestApp, body: &Value) -> Reply {
    let reply = app.ask("POST", "/cursor/chat/completions").json(body).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn last(upstream: &Upstream) -> Value {
    let (path, body) = upstream.asked().pop().expect("a request");
    assert_eq!(path, "/good/chat/completions");
    serde_json::from_str(&body).expect("JSON")
}

#[test]
fn the_newer_form_is_answered_in_the_older_one() {
    let upstream = Upstream::start();
    let app = app(&upstream);
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: A"});
    let body = json!({
        "model": "gpt-thinking-high", "messages": [], "stream_options": {"include_usage": true}, "metadata": {"tags": ["a"]},
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}, {"type": "custom", "custom": {"name": "patch", "format": grammar}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
    });
    let reply = ask(&app, &body).json();
    assert_eq!((&reply["object"], &reply["choices"][0]["message"]["content"]), (&json!("chat.completion"), &json!("It is fine.")));
    let sent = last(&upstream);
    assert_eq!(sent["messages"][1]["content"], json!("hello"), "{sent}");
    assert_eq!(sent["tools"][0]["function"]["name"], "look");
    assert_eq!(sent["tools"][1]["custom"]["format"]["grammar"]["definition"], "start: A", "{sent}");
    assert_eq!(sent["tool_choice"], json!({"type": "function", "function": {"name": "look"}}));
    assert_eq!((&sent["reasoning_effort"], &sent["model"], sent.get("input")), (&json!("high"), &json!("m"), None));
    let mut streamed = body;
    streamed["stream"] = json!(true);
    let reply = ask(&app, &streamed);
    assert!(reply.text().contains("chat.completion.chunk") && reply.text().trim_end().ends_with("data: [DONE]"), "{}", reply.text());
    assert!(reply.text().contains("\"usage\":{"), "{}", reply.text());
}

#[test]
fn the_older_form_may_have_tools_in_the_newer_one() {
    let upstream = Upstream::start();
    let app = app(&upstream);
    let body = json!({
        "model": "gpt-fast", "messages": [{"role": "user", "content": "hello"}],
        "tools": [{"type": "custom", "name": "patch", "description": "d", "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"}}],
        "tool_choice": {"type": "custom", "name": "patch"},
    });
    ask(&app, &body);
    let sent = last(&upstream);
    let custom = json!({"name": "patch", "description": "d", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}}});
    assert_eq!(sent["tools"], json!([{"type": "custom", "custom": custom}]), "{sent}");
    assert_eq!(sent["tool_choice"], json!({"type": "custom", "custom": {"name": "patch"}}));
    assert_eq!(app.get("/cursor/v1/models").json()["data"][0]["id"], "gpt");
}
