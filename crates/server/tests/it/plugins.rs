//! What OpenRouter's clients ask the gateway to do to a call: put broken JSON right, shorten what is too long, choose a free model; over
//! HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::managed::with;
use crate::upstream::Upstream;

const DROPPED: &str = "x-switchboard-dropped";

fn ask(app: &TestApp, path: &str, mut body: Value, fields: &Value) -> Reply {
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    app.ask("POST", path).json(&body).send()
}

/// One deployment at that place of the upstream.
fn at(upstream: &Upstream, place: &str, more: &str) -> TestApp {
    let url = upstream.url();
    TestApp::of(&format!(
        "model_list:\n  - {{model_name: m, litellm_params: {{model: openai/some-model, api_key: k, api_base: '{url}/{place}/v1'}}{more}}}\n"
    ))
}

#[test]
fn an_answer_that_was_to_be_json_is_put_right() {
    let upstream = Upstream::start();
    let app = at(&upstream, "told", "");
    let asked = |path: &str, said: &str, finish: &str, fields: &Value| {
        let answer = json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": said}}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}});
        let body =
            json!({"model": "m", "plugins": [{"id": "response-healing"}], "messages": [{"role": "user", "content": answer.to_string()}]});
        let reply = ask(&app, path, body, fields);
        assert_eq!(reply.status, 200, "{}", reply.text());
        (reply.json()["choices"][0]["message"]["content"].as_str().expect("a text").to_owned(), reply.header(DROPPED).to_owned())
    };
    let object = json!({"response_format": {"type": "json_object"}});
    let schema = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}});
    let off = json!({"response_format": {"type": "json_object"}, "plugins": [{"id": "response-healing", "enabled": false}]});
    const BROKEN: &str = "Here you are:\n```json\n{\"a\": [1, 2,],\n```";
    for path in ["/api/v1/chat/completions", "/v1/chat/completions"] {
        for (said, finish, fields, answered, told) in [
            (BROKEN, "stop", &object, "{\"a\": [1, 2]}", ""),
            (BROKEN, "stop", &schema, "{\"a\": [1, 2]}", ""),
            (" {\"b\" : 1,\"a\":2 }\n", "stop", &object, " {\"b\" : 1,\"a\":2 }\n", ""),
            ("I cannot.", "stop", &object, "I cannot.", ""),
            (BROKEN, "length", &object, BROKEN, ""),
            (BROKEN, "stop", &off, BROKEN, ""),
            (BROKEN, "stop", &json!({}), BROKEN, "plugins.response-healing"),
        ] {
            assert_eq!(asked(path, said, finish, fields), (answered.to_owned(), told.to_owned()), "{path} {fields} {said}");
        }
    }
}

#[test]
fn a_stream_is_not_put_right_and_that_is_told() {
    let upstream = Upstream::start();
    let app = at(&upstream, "good", "");
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let fields = json!({"response_format": {"type": "json_object"}, "plugins": [{"id": "response-healing"}]});
    assert_eq!(ask(&app, "/api/v1/chat/completions", body, &fields).header(DROPPED), "plugins.response-healing");
}

/// The latest body that the upstream got.
fn sent(upstream: &Upstream) -> Value {
    let (_, body) = upstream.asked().pop().expect("a request");
    serde_json::from_str(&body).expect("JSON")
}

fn says(role: &str, text: &str) -> Value {
    json!({"role": role, "content": text})
}

#[test]
fn a_prompt_that_is_too_long_loses_its_middle_where_that_is_wanted() {
    let upstream = Upstream::start();
    let app = at(&upstream, "good", ", model_info: {max_input_tokens: 400}");
    let talk = |turns: usize| {
        let one =
            |at: usize| says(if at.is_multiple_of(2) { "user" } else { "assistant" }, &format!("turn {at}: {}", "some words ".repeat(9)));
        let mut messages = vec![says("system", "Be brief.")];
        messages.extend((0..turns).map(one));
        json!({"model": "m", "messages": messages})
    };
    let (plugin, old) = (json!({"plugins": [{"id": "context-compression"}]}), json!({"transforms": ["middle-out"]}));
    for path in ["/api/v1/chat/completions", "/v1/chat/completions"] {
        for fields in [&plugin, &old] {
            let reply = ask(&app, path, talk(31), fields);
            assert_eq!((reply.status.as_u16(), reply.header(DROPPED)), (200, "messages;clamped"), "{path} {fields}: {}", reply.text());
            let body = sent(&upstream);
            let messages = body["messages"].as_array().expect("messages").clone();
            let numbers: Vec<usize> = messages[1..].iter().filter_map(turn).collect();
            assert_eq!(
                (&messages[0], numbers.first(), numbers.last()),
                (&says("system", "Be brief."), Some(&0), Some(&30)),
                "{messages:?}"
            );
            assert!((5..20).contains(&numbers.len()) && numbers.is_sorted(), "{numbers:?}");
            assert!(body.get("plugins").is_none() && body.get("transforms").is_none(), "{body}");
            let reply = ask(&app, path, talk(6), fields);
            assert_eq!((reply.status.as_u16(), reply.header(DROPPED)), (200, ""), "{path} {fields}: what fits stays");
            assert_eq!(sent(&upstream)["messages"], talk(6)["messages"]);
        }
    }
    let refused = ask(&app, "/api/v1/chat/completions", talk(31), &json!({}));
    let error = refused.json()["error"].clone();
    assert_eq!((refused.status.as_u16(), &error["metadata"]["error_type"]), (400, &json!("context_length_exceeded")), "{error}");
    assert_eq!(error["availability"]["excluded_by"], json!(["context_length"]));
}

/// The number of a turn.
fn turn(message: &Value) -> Option<usize> {
    message["content"].as_str()?.strip_prefix("turn ")?.split(':').next()?.parse().ok()
}

#[test]
fn a_long_text_loses_its_middle_in_every_form() {
    let upstream = Upstream::start();
    let app = at(&upstream, "good", ", model_info: {max_input_tokens: 300}");
    let long = format!("It begins so. {} So it ends.", "words and more words ".repeat(200));
    let wanted = json!({"plugins": [{"id": "context-compression"}]});
    for (path, body) in [
        ("/api/v1/chat/completions", json!({"model": "m", "messages": [says("user", &long)]})),
        ("/api/v1/responses", json!({"model": "m", "input": long})),
        ("/api/v1/messages", json!({"model": "m", "max_tokens": 9, "messages": [says("user", &long)]})),
        ("/v1beta/models/m:generateContent", json!({"contents": [{"role": "user", "parts": [{"text": long}]}]})),
    ] {
        let reply = ask(&app, path, body, &wanted);
        assert_eq!((reply.status.as_u16(), reply.header(DROPPED)), (200, "messages;clamped"), "{path}: {}", reply.text());
        let text = sent(&upstream).to_string();
        assert!(text.contains("It begins so.") && text.contains("So it ends.") && text.contains('…'), "{path}: {text}");
        assert!(text.len() < long.len() / 2, "{path}: {text}");
    }
}

#[test]
fn a_call_of_a_tool_goes_with_its_result() {
    let upstream = Upstream::start();
    let app = at(&upstream, "good", ", model_info: {max_input_tokens: 500}");
    let mut messages = vec![says("user", "Find it.")];
    for at in 0..12 {
        let id = format!("call_{at}");
        let call = json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}});
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "nothing in here ".repeat(15)}));
    }
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}});
    let body = json!({"model": "m", "messages": messages, "tools": [tool], "plugins": [{"id": "context-compression"}]});
    let reply = ask(&app, "/api/v1/chat/completions", body, &json!({}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = sent(&upstream);
    let messages = body["messages"].as_array().expect("messages");
    let ids = |of: &dyn Fn(&Value) -> Option<String>| messages.iter().filter_map(of).collect::<BTreeSet<String>>();
    let calls = ids(&|message| Some(message["tool_calls"][0]["id"].as_str()?.to_owned()));
    assert_eq!(calls, ids(&|message| Some(message["tool_call_id"].as_str()?.to_owned())));
    assert!((2..12).contains(&calls.len()) && calls.contains("call_11"), "{calls:?}");
}

#[test]
fn any_free_model_is_one_that_costs_nothing_and_can_do_it() {
    const MODELS: &str = "
  - {model_name: free1, litellm_params: {model: demo/echo, input_cost_per_token: 0, output_cost_per_token: 0}, model_info: {id: free1}}
  - {model_name: free2, litellm_params: {model: demo/echo, input_cost_per_token: 0, output_cost_per_token: 0}, model_info: {id: free2, supports_vision: false}}
  - {model_name: free2, litellm_params: {model: demo/echo, input_cost_per_token: 1e-6, output_cost_per_token: 1e-6}, model_info: {id: dear}}
  - {model_name: paid, litellm_params: {model: demo/echo, input_cost_per_token: 1e-6, output_cost_per_token: 1e-6}, model_info: {id: paid}}
  - {model_name: unknown, litellm_params: {model: openai_like/never-heard-of, api_base: 'http://127.0.0.1:9', api_key: k}}
router_settings: {model_group_alias: {nick: free1}}
";
    with(MODELS, |gateway| {
        let body = json!({"model": "openrouter/free", "messages": [{"role": "user", "content": "hi"}]});
        let answered = |key: &str| {
            let reply = gateway.as_key(key, "POST", "/api/v1/chat/completions", &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(reply.json()["model"].as_str(), Some(reply.header("x-litellm-model-group")), "the model that was chosen");
            reply.header("x-litellm-model-id").to_owned()
        };
        let all = gateway.key(&json!({}));
        let seen: BTreeSet<String> = (0..24).map(|_| answered(&all)).collect();
        assert_eq!(seen, BTreeSet::from(["free1", "free2"].map(str::to_owned)));
        let some = gateway.key(&json!({"models": ["openrouter/free", "free2", "paid"]}));
        assert!((0..6).all(|_| answered(&some) == "free2"), "of those that the key may use");
        let none = gateway.key(&json!({"models": ["free1"]}));
        assert_eq!(gateway.as_key(&none, "POST", "/api/v1/chat/completions", &body).status, 403);
    });
    let app = TestApp::of("model_list: [{model_name: paid, litellm_params: {model: openai/gpt-4o-mini, api_key: k}}]\n");
    let body = json!({"model": "openrouter/free", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(app.ask("POST", "/api/v1/chat/completions").json(&body).send().status, 400, "where nothing is free, nobody is called so");
}
