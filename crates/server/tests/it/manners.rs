//! What an operator wants added to requests, and to what is answered.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::managed::{MASTER, with};
use crate::spending::until;
use crate::upstream::Upstream;

fn gateway(settings: &str, upstream: &Upstream) -> TestApp {
    let url = upstream.url();
    TestApp::of(&format!(
        "model_list:
  - {{model_name: good, litellm_params: {{model: openai/m, api_key: k, api_base: {url}/good}}}}
  - {{model_name: forced, litellm_params: {{model: openai/forced, api_key: k, api_base: {url}/good}}}}
  - {{model_name: bad, litellm_params: {{model: openai/m, api_key: k, api_base: {url}/bad}}}}
general_settings: {{{settings}}}
"
    ))
}

fn post(app: &TestApp, path: &str, body: &Value) -> Reply {
    app.ask("POST", path).json(body).send()
}

fn chat(app: &TestApp, fields: &Value) -> Reply {
    let mut body = json!({"model": "good", "messages": [{"role": "user", "content": "How is it?"}]});
    body.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    post(app, "/v1/chat/completions", &body)
}

/// What the provider was asked last.
fn asked(upstream: &Upstream) -> Value {
    serde_json::from_str(&upstream.asked().last().expect("a request").1).expect("JSON")
}

#[test]
fn models_can_be_forced() {
    let upstream = Upstream::start();
    let app = gateway("completion_model: forced, embedding_model: good, image_generation_model: forced", &upstream);
    let group = |reply: &Reply| {
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.header("x-litellm-model-group").to_owned()
    };
    assert_eq!(group(&chat(&app, &json!({}))), "forced");
    assert_eq!(asked(&upstream)["model"], "forced");
    // Also where the request names what the provider calls it, nothing that anybody serves, or nothing at all.
    assert_eq!(group(&chat(&app, &json!({"model": "nobody"}))), "forced");
    assert_eq!(
        group(&post(&app, "/v1/messages", &json!({"model": "claude", "max_tokens": 5, "messages": [{"role": "user", "content": "?"}]}))),
        "forced"
    );
    assert_eq!(group(&post(&app, "/v1/chat/completions", &json!({"messages": [{"role": "user", "content": "?"}]}))), "forced");
    assert_eq!(group(&post(&app, "/v1/embeddings", &json!({"model": "forced", "input": "a"}))), "good");
    assert_eq!(asked(&upstream)["model"], "m");
    assert_eq!(group(&post(&app, "/v1/images/generations", &json!({"model": "good", "prompt": "a"}))), "forced");
    let plain = gateway("", &upstream);
    assert_eq!(group(&chat(&plain, &json!({}))), "good");
}

#[test]
fn keys_of_the_environment_bring_their_models() {
    let entry = "model_list: [{model_name: own, litellm_params: {model: demo/echo}}]";
    let listed = |settings: &str| {
        let app = TestApp::with(&format!("{entry}\n{settings}"), &[("GROQ_API_KEY", "k")]);
        let list = app.get("/v1/models?return_wildcard_routes=true").json();
        let names: Vec<String> =
            list["data"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
        (names.iter().any(|name| name == "own"), names.iter().any(|name| name.starts_with("groq/")))
    };
    assert_eq!(listed(""), (true, false));
    assert_eq!(listed("general_settings: {infer_model_from_keys: true}"), (true, true));
}

#[test]
fn streams_say_what_they_took_where_the_operator_wants_it() {
    let upstream = Upstream::start();
    let (plain, always) = (gateway("", &upstream), gateway("always_include_stream_usage: true", &upstream));
    let says = |app: &TestApp, options: &Value| {
        let reply = chat(app, &json!({"stream": true, "stream_options": options}));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text().contains("\"completion_tokens\":20")
    };
    assert!(!says(&plain, &Value::Null) && says(&plain, &json!({"include_usage": true})));
    assert!(says(&always, &Value::Null) && says(&always, &json!({"other": 1})));
    assert!(!says(&always, &json!({"include_usage": false})), "the client has said");
}

#[test]
fn errors_name_the_call_where_the_operator_wants_it() {
    let upstream = Upstream::start();
    let (plain, naming) = (gateway("", &upstream), gateway("include_call_id_in_error_body: true", &upstream));
    for (app, names) in [(&plain, false), (&naming, true)] {
        let chats = chat(app, &json!({"model": "bad", "num_retries": 0}));
        let messages = post(app, "/v1/messages", &json!({"model": "bad", "max_tokens": 5, "messages": [{"role": "user", "content": "?"}]}));
        for reply in [chats, messages] {
            assert!(reply.status.is_server_error(), "{}", reply.text());
            let told = reply.json();
            let id = &told["error"]["litellm_call_id"];
            assert_eq!(id.as_str(), names.then(|| reply.header("x-litellm-call-id")), "{told}");
        }
    }
}

#[test]
fn answers_that_are_too_long_are_refused() {
    let upstream = Upstream::start();
    let (short, long) = (gateway("max_response_size_mb: 0.0001", &upstream), gateway("max_response_size_mb: 1", &upstream));
    assert_eq!(chat(&long, &json!({})).status, 200);
    let reply = chat(&short, &json!({}));
    let told = reply.json();
    assert_eq!((reply.status.as_u16(), &told["error"]["param"]), (400, &json!("content-length")), "{told}");
    assert!(told["error"]["message"].as_str().is_some_and(|text| text.starts_with("Response size is too large.")), "{told}");
}

#[test]
fn requests_belong_to_sessions_where_the_operator_wants_it() {
    let upstream = Upstream::start();
    let strict = gateway("missing_session_id: reject", &upstream);
    let refused = chat(&strict, &json!({}));
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["param"]), (400, &json!("session_id")), "{}", refused.text());
    for named in [json!({"metadata": {"session_id": "s"}}), json!({"litellm_session_id": "s"})] {
        assert_eq!(chat(&strict, &named).status, 200, "{named}");
    }
    let header = strict.ask("POST", "/v1/chat/completions").header("x-claude-code-session-id", "abcdefgh");
    assert_eq!(header.json(&json!({"model": "good", "messages": [{"role": "user", "content": "?"}]})).send().status, 200);
    assert!(crate::app::load("general_settings: {missing_session_id: perhaps}").config.is_none());
    with("general_settings: {missing_session_id: generate}\n", |gateway| {
        let body = json!({"model": "good", "messages": [{"role": "user", "content": "?"}]});
        let session = |reply: &Reply| {
            let path = format!("/spend/logs?request_id={}", reply.header("x-litellm-call-id"));
            until(gateway, &path, |lines| lines[0].is_object())[0]["session_id"].as_str().map(str::to_owned)
        };
        let [first, second] = [(); 2].map(|()| session(&gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body)));
        assert!(first.is_some() && first != second, "{first:?} {second:?}");
        let mut named = body.clone();
        named["metadata"] = json!({"session_id": "mine"});
        assert_eq!(session(&gateway.as_key(MASTER, "POST", "/v1/chat/completions", &named)).as_deref(), Some("mine"));
    });
}
