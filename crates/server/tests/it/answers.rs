//! What answers say beside their text: what they repeat of a request, what they cost, and several at once.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed};
use crate::upstream::Upstream;

fn gateway(upstream: &Upstream, more: &str) -> Managed {
    let url = upstream.url();
    let models = format!(
        "  - {{model_name: claude, litellm_params: {{model: anthropic/claude-sonnet-4-5, api_key: k, api_base: {url}/good}}}}\n\
         \x20 - {{model_name: gpt, litellm_params: {{model: openai/gpt-4o-mini, api_key: k, api_base: {url}/good/v1}}}}\n\
         \x20 - {{model_name: broken, litellm_params: {{model: openai/gpt-4o-mini, api_key: k, api_base: {url}/bad/v1, num_retries: 0}}}}\n"
    );
    Managed::with_models("", &(models + more), &[])
}

fn ask(gateway: &Managed, path: &str, body: &Value) -> Reply {
    gateway.as_key(MASTER, "POST", path, body)
}

/// The documents of a stream's events.
fn events(reply: &Reply) -> Vec<Value> {
    let documents = reply.text();
    let documents = documents.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    documents.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

#[test]
fn a_translated_response_repeats_its_request() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "");
    let request = json!({
        "model": "claude", "input": "hi", "instructions": "Be brief.", "temperature": 0.25, "max_output_tokens": 64, "user": "u",
        "metadata": {"a": "b"}, "parallel_tool_calls": false, "tool_choice": "auto", "truncation": "disabled", "store": false,
        "tools": [{"type": "function", "name": "f", "strict": true, "parameters": {"type": "object", "properties": {}}}],
    });
    let repeats = |response: &Value| {
        for (name, value) in request.as_object().expect("fields").iter().filter(|(name, _)| !["model", "input"].contains(&name.as_str())) {
            assert_eq!(&response[name.as_str()], value, "{name}: {response}");
        }
        assert_eq!((&response["top_p"], &response["text"]), (&Value::Null, &json!({"format": {"type": "text"}})));
        assert_eq!((&response["previous_response_id"], &response["reasoning"]), (&Value::Null, &Value::Null));
    };
    let whole = ask(&gateway, "/v1/responses", &request);
    assert_eq!(whole.status, 200, "{}", whole.text());
    repeats(&whole.json());
    let mut streamed = request.clone();
    streamed["stream"] = json!(true);
    let events = events(&ask(&gateway, "/v1/responses", &streamed));
    let whole: Vec<&Value> = events.iter().filter(|event| event.get("response").is_some()).collect();
    let kinds: Vec<&str> = whole.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    assert_eq!(kinds, ["response.created", "response.in_progress", "response.completed"]);
    assert!(whole[2]["response"]["usage"]["cost"].as_f64().is_some_and(|cost| cost > 0.0), "{}", whole[2]);
    whole.iter().for_each(|event| repeats(&event["response"]));
}

#[test]
fn a_stream_says_what_it_cost_where_the_setting_wants_it() {
    let upstream = Upstream::start();
    let body = json!({
        "model": "gpt", "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "hi"}],
    });
    let said = |flag: &str| format!("litellm_settings: {{include_cost_in_streaming_usage: {flag}}}\n");
    let cases =
        [("gpt", String::new(), false), ("gpt", said("true"), true), ("claude", String::new(), true), ("claude", said("false"), false)];
    for (model, setting, told) in cases {
        let gateway = gateway(&upstream, &setting);
        let mut body = body.clone();
        body["model"] = json!(model);
        let reply = ask(&gateway, "/v1/chat/completions", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let usage: Vec<Value> = events(&reply).iter().map(|event| event["usage"].clone()).filter(Value::is_object).collect();
        assert_eq!(usage.len(), 1, "{}", reply.text());
        assert_eq!(usage[0]["cost"].as_f64().is_some_and(|cost| cost > 0.0), told, "{}", usage[0]);
        let plain = json!({"model": "gpt", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
        assert!(events(&ask(&gateway, "/v1/chat/completions", &plain)).iter().all(|event| !event["usage"].is_object()));
    }
}

#[test]
fn a_spent_budget_is_told_with_the_status_that_is_configured() {
    let upstream = Upstream::start();
    for (setting, status) in [("", 422), ("litellm_settings: {budget_exceeded_status_code: 429}\n", 429)] {
        let gateway = gateway(&upstream, setting);
        let key = gateway.key(&json!({"max_budget": 0}));
        let refused = gateway.chat(&key, "gpt");
        let error = &refused.json()["error"];
        assert_eq!(
            (refused.status.as_u16(), &error["type"], &error["code"]),
            (status, &json!("budget_exceeded"), &json!(status.to_string()))
        );
    }
}

#[test]
fn several_models_are_asked_where_their_names_stand_with_commas() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "");
    let body = |model: &str, more: Value| {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().expect("fields").extend(more.as_object().cloned().unwrap_or_default());
        body
    };
    let both = ask(&gateway, "/chat/completions", &body("gpt, broken,claude", json!({})));
    assert_eq!(both.status, 200, "{}", both.text());
    let list = both.json();
    assert_eq!(list.as_array().map(Vec::len), Some(3), "{list}");
    assert_eq!(list[0]["object"], "chat.completion");
    assert!(list[1]["error"]["message"].is_string(), "{list}");
    assert_eq!(list[2]["choices"][0]["message"]["content"], "It is fine.");
    let first = ask(&gateway, "/chat/completions", &body("broken,gpt", json!({"fastest_response": true}))).json();
    assert_eq!(first["object"], "chat.completion", "{first}");
    let narrow = gateway.key(&json!({"models": ["gpt"]}));
    let refused = gateway.as_key(&narrow, "POST", "/chat/completions", &body("gpt,claude", json!({}))).json();
    assert_eq!((&refused[0]["object"], &refused[1]["error"]["type"]), (&json!("chat.completion"), &json!("key_model_access_denied")));
    assert_eq!(ask(&gateway, "/chat/completions", &body("gpt,claude", json!({"stream": true}))).status, 400);
}

#[test]
fn a_request_is_shown_as_its_provider_would_get_it() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "");
    let body = json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "provider": {"sort": "price"}});
    let shown = gateway.post("/utils/transform_request", &json!({"call_type": "acompletion", "request_body": body}));
    assert_eq!(shown["raw_request_api_base"], json!(format!("{}/good/v1/messages", upstream.url())));
    let sent = &shown["raw_request_body"];
    assert_eq!((&sent["model"], &sent["max_tokens"], &sent["provider"]), (&json!("claude-sonnet-4-5"), &json!(9), &Value::Null));
    assert_eq!(shown["raw_request_headers"]["content-type"], "application/json");
    assert!(shown["raw_request_headers"].get("x-api-key").is_none(), "no credential: {shown}");
    assert!(upstream.asked().is_empty(), "nothing is sent");
    let gemini = json!({"model": "gpt", "contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let shown = gateway.post("/utils/transform_request", &json!({"call_type": "agenerate_content", "request_body": gemini}));
    assert_eq!(shown["raw_request_body"]["messages"][0]["role"], "user", "{shown}");
    let unknown = gateway.post("/utils/transform_request", &json!({"call_type": "acompletion", "request_body": {"messages": []}}));
    assert!(unknown["error"].is_string(), "{unknown}");
    let key = gateway.key(&json!({}));
    assert_eq!(gateway.as_key(&key, "POST", "/utils/transform_request", &json!({})).status.as_u16() / 100, 4);
}

#[test]
fn the_catalogue_and_the_configuration_can_be_asked_about() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "");
    let known = gateway.get("/utils/model_info?model=gpt-4o-mini&custom_llm_provider=openai");
    assert_eq!((&known["custom_llm_provider"], &known["model_info"]["key"]), (&json!("openai"), &json!("gpt-4o-mini")));
    assert!(known["model_info"]["input_cost_per_token"].as_f64().is_some_and(|cost| cost > 0.0), "{known}");
    assert_eq!(gateway.as_key(MASTER, "GET", "/utils/model_info?model=no-model-of-anybody", &Value::Null).status, 404);
    assert_eq!(gateway.get("/callbacks/configs"), json!([]));
    let every = gateway.get("/callbacks/list")["success_and_failure"].clone();
    assert!(every.as_array().expect("a list").contains(&json!("_ProxyDBLogger")), "{every}");
    let keys = gateway.get("/config/yaml");
    assert!(keys["general_settings"]["master_key"].is_string() && keys["config.yaml"]["model_list"].is_string(), "{keys}");
    let key = gateway.key(&json!({"aliases": {"mine": "gpt"}, "models": ["gpt"]}));
    let listed = gateway.as_key(&key, "GET", "/v1/models", &Value::Null).json();
    let ids: Vec<&Value> = listed["data"].as_array().expect("a list").iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, ["gpt", "mine"], "what a key may call, under its own name for it too");
    assert_eq!(gateway.chat(&key, "mine").status, 200);
}
