//! Every door, and how it refuses: each client is told in its own words.

use serde_json::{Value, json};

use crate::app::{Ask, TestApp};

/// A door for chat, in the form of one vendor's clients.
struct Door {
    path: fn(&str) -> String,
    body: fn(&str) -> Value,
    /// What an error says it is: status and kind, as that vendor writes them.
    kind: fn(&Value) -> String,
    text: fn(&Value) -> &Value,
}

fn doors() -> Vec<(&'static str, Door)> {
    vec![
        (
            "openai",
            Door {
                path: |_| "/v1/chat/completions".to_owned(),
                body: |model| json!({"model": model, "messages": [{"role": "user", "content": "Hello there"}]}),
                kind: |body| body["error"]["type"].as_str().unwrap_or_default().to_owned(),
                text: |body| &body["choices"][0]["message"]["content"],
            },
        ),
        (
            "responses",
            Door {
                path: |_| "/v1/responses".to_owned(),
                body: |model| json!({"model": model, "input": "Hello there"}),
                kind: |body| body["error"]["type"].as_str().unwrap_or_default().to_owned(),
                text: |body| &body["output"][0]["content"][0]["text"],
            },
        ),
        (
            "anthropic",
            Door {
                path: |_| "/v1/messages".to_owned(),
                body: |model| json!({"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Hello there"}]}),
                kind: |body| {
                    format!("{}:{}", body["type"].as_str().unwrap_or_default(), body["error"]["type"].as_str().unwrap_or_default())
                },
                text: |body| &body["content"][0]["text"],
            },
        ),
        (
            "gemini",
            Door {
                path: |model| format!("/v1beta/models/{model}:generateContent"),
                body: |_| json!({"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]}),
                kind: |body| format!("{}:{}", body["error"]["code"], body["error"]["status"].as_str().unwrap_or_default()),
                text: |body| &body["candidates"][0]["content"]["parts"][0]["text"],
            },
        ),
    ]
}

const KEY: &str = "sk-9f2c4e81b7d05a63";
const CONFIG: &str = "\
model_list:
  - {model_name: echo, litellm_params: {model: demo/echo}}
general_settings: {master_key: sk-9f2c4e81b7d05a63}
switchboard: {limits: {max_body_bytes: 2000}}
";

impl Door {
    fn ask<'a>(&self, app: &'a TestApp, model: &str) -> Ask<'a> {
        app.ask("POST", &(self.path)(model)).json(&(self.body)(model))
    }
}

/// Status and kind of each door's answer.
fn answers<'a>(ask: impl Fn(&Door) -> Ask<'a>) -> Vec<String> {
    let doors = doors();
    let answer = |(name, door): &(&str, Door)| {
        let reply = ask(door).send();
        format!("{name} {} {}", reply.status.as_u16(), (door.kind)(&reply.json()))
    };
    doors.iter().map(answer).collect()
}

#[test]
fn every_door_answers_in_its_own_form() {
    let app = TestApp::of(CONFIG);
    for (name, door) in doors() {
        let reply = door.ask(&app, "echo").key(KEY).send();
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        assert_eq!(*(door.text)(&reply.json()), "You said: Hello there", "{name}");
        assert!(!reply.header("x-litellm-call-id").is_empty(), "{name}");
    }
}

/// The same complaint at every door: status and kind in the words of each vendor.
fn check(wrong: &str, answers: Vec<String>, expected: [&str; 3]) {
    let [openai, anthropic, gemini] = expected;
    let expected = [("openai", openai), ("responses", openai), ("anthropic", anthropic), ("gemini", gemini)];
    let expected: Vec<String> = expected.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    assert_eq!(answers, expected, "{wrong}");
}

#[test]
fn who_may_not_come_in_is_told_so() {
    let app = TestApp::of(CONFIG);
    let nobody = ["401 auth_error", "401 error:authentication_error", "401 401:UNAUTHENTICATED"];
    check("no key", answers(|door| door.ask(&app, "echo")), nobody);
    let expected = ["401 token_not_found_in_db", "401 error:authentication_error", "401 401:UNAUTHENTICATED"];
    check("a wrong key", answers(|door| door.ask(&app, "echo").key("sk-wrong")), expected);
    check("a key in Anthropic's header", answers(|door| door.ask(&app, "echo").header("x-api-key", "sk-wrong")), expected);
    // The key comes before everything else: who has none learns nothing of models.
    check("no key, no such model", answers(|door| door.ask(&app, "nope")), nobody);
}

#[test]
fn what_is_not_there_is_told_so() {
    let app = TestApp::of(CONFIG);
    let expected = ["400 invalid_request_error", "404 error:not_found_error", "404 404:NOT_FOUND"];
    check("no such model", answers(|door| door.ask(&app, "nope").key(KEY)), expected);
    for (method, path, allow) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("PUT", "/v1beta/models/echo", "GET, POST"),
        ("GET", "/v1/messages", "POST"),
        ("GET", "/v1/chat/completions/", "POST"),
    ] {
        let reply = app.ask(method, path).key(KEY).send();
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, allow), "{method} {path}");
        assert_eq!(reply.json()["type"] == "error", path.contains("messages"), "{}", reply.text());
    }
    for (method, path, status) in [("POST", "/v1/nothing", 404), ("GET", "/v1/nothing/", 404), ("GET", "/favicon.ico", 404)] {
        let reply = app.ask(method, path).key(KEY).send();
        assert_eq!((reply.status.as_u16(), reply.json()["error"]["message"].is_string()), (status, true), "{method} {path}");
    }
}

#[test]
fn bodies_that_make_no_sense_are_told_so() {
    let app = TestApp::of(CONFIG);
    let at = |door: &Door| app.ask("POST", &(door.path)("echo")).key(KEY);
    let large = ["413 invalid_request_error", "413 error:request_too_large", "413 413:INVALID_ARGUMENT"];
    check("too large", answers(|door| at(door).body(vec![b' '; 3000])), large);
    let encoded = ["415 invalid_request_error", "415 error:invalid_request_error", "415 415:INVALID_ARGUMENT"];
    check("compressed", answers(|door| at(door).header("content-encoding", "gzip").body("x")), encoded);
    let bad = ["400 invalid_request_error", "400 error:invalid_request_error", "400 400:INVALID_ARGUMENT"];
    for body in ["", "{\"model\": ", "[]", "{}", "{\"model\": 7}", "\u{feff}{}", "{\"model\": \"echo\", \"model\": \"other\"}"] {
        check(body, answers(|door| at(door).body(body)), bad);
    }
}
