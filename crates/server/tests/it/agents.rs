//! What agents that were made for one vendor's API need of the others: their tools, their models' names, and to be told when to shorten
//! a conversation.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::upstream::Upstream;

fn gateway(upstream: &Upstream, order: &str) -> TestApp {
    let at = format!("{}/{order}", upstream.url());
    TestApp::of(&format!(
        "model_list:\n\
         \x20 - {{model_name: claude, litellm_params: {{model: anthropic/claude-sonnet-4-5, api_key: k, api_base: {at}}}}}\n\
         \x20 - {{model_name: grok, litellm_params: {{model: xai/grok-4.5, api_key: k, api_base: {at}/v1}}}}\n\
         \x20 - {{model_name: gpt, litellm_params: {{model: openai/gpt-5, api_key: k, api_base: {at}/v1}}}}\n\
         \x20 - {{model_name: gemini/*, litellm_params: {{model: gemini/*, api_key: k, api_base: {at}}}}}\n\
         \x20 - {{model_name: anthropic/*, litellm_params: {{model: anthropic/*, api_key: k, api_base: {at}}}}}\n"
    ))
}

fn ask(app: &TestApp, path: &str, body: &Value) -> Reply {
    app.ask("POST", path).json(body).send()
}

/// What Codex sends, for which the provider is told that answer.
fn of_codex(answer: &str) -> Value {
    json!({
        "model": "claude", "input": answer, "store": false,
        "tools": [
            {"type": "custom", "name": "apply_patch", "description": "Mends files.",
             "format": {"type": "grammar", "syntax": "lark", "definition": "start: patch"}},
            {"type": "namespace", "name": "mcp__docs", "tools": [{"type": "function", "name": "search", "parameters": {"type": "object"}}]},
            {"type": "web_search", "external_web_access": false},
            {"type": "local_shell"},
        ],
    })
}

#[test]
fn tools_that_one_api_knows_work_with_every_model() {
    let upstream = Upstream::start();
    let app = gateway(&upstream, "told");
    let call = |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
    let calls = json!([call("t1", "apply_patch", json!({"input": "*** Begin"})), call("t2", "mcp__docs__search", json!({}))]);
    let answer = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "stop_sequence": null,
        "content": calls, "usage": {"input_tokens": 5, "output_tokens": 20},
    });
    let reply = ask(&app, "/v1/responses", &of_codex(&answer.to_string()));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let dropped = reply.header("x-switchboard-dropped").to_owned();
    assert!(dropped.contains("tools.web_search") && dropped.contains("tools.local_shell"), "{dropped}");
    let output = &reply.json()["output"];
    assert_eq!((&output[0]["type"], &output[0]["input"]), (&json!("custom_tool_call"), &json!("*** Begin")), "{output}");
    assert_eq!((&output[1]["name"], &output[1]["namespace"]), (&json!("search"), &json!("mcp__docs")), "{output}");
    let (_, asked) = upstream.asked().pop().expect("asked");
    let asked: Value = serde_json::from_str(&asked).expect("JSON");
    let tools = asked["tools"].as_array().expect("tools");
    assert_eq!((&tools[0]["name"], &tools[1]["name"], tools.len()), (&json!("apply_patch"), &json!("mcp__docs__search"), 2), "{asked}");
    assert!(tools[0]["description"].as_str().is_some_and(|told| told.contains("start: patch")), "{asked}");
}

#[test]
fn streamed_calls_are_calls_of_the_clients_tools() {
    let upstream = Upstream::start();
    let app = gateway(&upstream, "told");
    let block = |event: Value| format!("data: {event}\n\n");
    let piece =
        |text: &str| block(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}}));
    let usage = json!({"input_tokens": 5, "output_tokens": 1});
    let answer = [
        block(
            json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}}),
        ),
        block(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t1", "name": "apply_patch", "input": {}}}),
        ),
        piece("{\"input\": \"*** "),
        piece("Begin\\nx\"}"),
        block(json!({"type": "content_block_stop", "index": 0})),
        block(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}})),
        block(json!({"type": "message_stop"})),
    ];
    let mut body = of_codex(&answer.concat());
    body["stream"] = json!(true);
    let reply = ask(&app, "/v1/responses", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let lines = reply.text().lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let done = events.iter().find(|event| event["type"] == "response.custom_tool_call_input.done").expect("a call");
    assert_eq!(done["input"], "*** Begin\nx", "{done}");
}

#[test]
fn a_search_is_asked_for_where_the_model_has_one() {
    let upstream = Upstream::start();
    let app = gateway(&upstream, "good");
    let search = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    let body = json!({"model": "gpt", "max_tokens": 99, "messages": [{"role": "user", "content": "Look."}], "tools": search});
    let reply = ask(&app, "/v1/messages", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (path, asked) = upstream.asked().pop().expect("asked");
    assert!(path.ends_with("/responses") && asked.contains("\"web_search\""), "{path} {asked}");
}

#[test]
fn a_prompt_that_is_too_long_is_told_in_each_clients_words() {
    let upstream = Upstream::start();
    let app = gateway(&upstream, "long");
    let chat = json!([{"role": "user", "content": "hi"}]);
    for model in ["grok", "gemini/gemini-2.5-pro"] {
        for (path, body) in
            [("/v1/chat/completions", json!({"model": model, "messages": chat})), ("/v1/responses", json!({"model": model, "input": "hi"}))]
        {
            let reply = ask(&app, path, &body);
            let error = reply.json()["error"].clone();
            assert_eq!((reply.status.as_u16(), &error["code"]), (400, &json!("context_length_exceeded")), "{model} {path}: {error}");
            let message = error["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.starts_with("This model's maximum context length is"), "{message}");
        }
        let reply = ask(&app, "/v1/messages", &json!({"model": model, "max_tokens": 9, "messages": chat}));
        let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(reply.status.as_u16() == 400 && message.starts_with("prompt is too long: "), "{model}: {message}");
        let reply = ask(&app, "/api/v1/chat/completions", &json!({"model": model, "messages": chat}));
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status.as_u16(), &error["metadata"]["error_type"]), (400, &json!("context_length_exceeded")), "{model}: {error}");
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
        let reply = ask(&app, &format!("/v1beta/models/{model}:generateContent"), &body);
        let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(reply.status.as_u16() == 400 && message.contains("exceeds the maximum number of tokens allowed"), "{model}: {message}");
    }
}

#[test]
fn models_are_known_by_the_names_that_markets_give_them() {
    let upstream = Upstream::start();
    let app = gateway(&upstream, "good");
    for (name, sent) in
        [("google/gemini-2.5-pro", "gemini-2.5-pro:generateContent"), ("anthropic/claude-sonnet-4.5", "\"claude-sonnet-4-5\"")]
    {
        for path in ["/api/v1/chat/completions", "/v1/chat/completions"] {
            let reply = ask(&app, path, &json!({"model": name, "messages": [{"role": "user", "content": "hi"}]}));
            assert_eq!(reply.status, 200, "{name}: {}", reply.text());
            let (at, body) = upstream.asked().pop().expect("asked");
            assert!(format!("{at} {body}").contains(sent), "{name}: {at} {body}");
            assert!(path.starts_with("/v1") || reply.json()["usage"]["cost"].as_f64().is_some_and(|cost| cost > 0.0), "{}", reply.text());
        }
        let endpoints = app.get(&format!("/api/v1/models/{name}/endpoints"));
        assert_eq!(endpoints.status, 200, "{}", endpoints.text());
    }
    let listed = app.get("/api/v1/models").json();
    let ids: Vec<&str> = listed["data"].as_array().expect("models").iter().filter_map(|one| one["id"].as_str()).collect();
    for name in ["google/gemini-2.5-pro", "anthropic/claude-sonnet-4.5", "claude", "grok"] {
        assert!(ids.contains(&name), "{name}: {ids:?}");
    }
    assert!(!ids.contains(&"gemini/gemini-2.5-pro"), "{ids:?}");
    assert_eq!(ask(&app, "/v1/chat/completions", &json!({"model": "nobody/gemini-2.5-pro", "messages": []})).status, 400);
}
