//! What clients and deployments want in a provider's own body, beside what is translated (`extra_body`).

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::managed::with;
use crate::upstream::Upstream;

/// Models in OpenAI's, Anthropic's, Gemini's and Bedrock's form, and what the last one of them that was asked has got.
fn models(upstream: &Upstream, more: &str) -> TestApp {
    let at = upstream.url();
    let comma = if more.is_empty() { "" } else { ", " };
    let entry = |name: &str| {
        format!("  - {{model_name: {name}, litellm_params: {{model: {name}/m, api_key: k, api_base: '{at}/good'{comma}{more}}}}}\n")
    };
    TestApp::of(&format!("model_list:\n{}", ["openai", "anthropic", "gemini"].map(entry).concat()))
}

fn ask(app: &TestApp, path: &str, body: &Value) -> Reply {
    let reply = app.ask("POST", path).json(body).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn chat(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "max_tokens": 9, "temperature": 0.5, "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn last(upstream: &Upstream) -> Value {
    serde_json::from_str(&upstream.asked().pop().expect("a request").1).expect("JSON")
}

#[test]
fn what_a_client_wants_in_the_body_is_in_it() {
    let upstream = Upstream::start();
    let app = models(&upstream, "");
    let own = json!({"mystery": {"a": 1}, "temperature": 0.25, "model": "other", "tags": ["t"], "extra_body": {"b": 2}});
    for model in ["openai", "anthropic"] {
        let reply = ask(&app, "/v1/chat/completions", &chat(model, &json!({"extra_body": own})));
        let sent = last(&upstream);
        assert_eq!((&sent["mystery"], &sent["temperature"], &sent["model"]), (&json!({"a": 1}), &json!(0.25), &json!("m")), "{sent}");
        assert!(["extra_body", "tags"].iter().all(|key| sent.get(key).is_none()), "{sent}");
        assert_eq!(reply.header("x-switchboard-dropped"), "", "{model}");
    }
    ask(&app, "/v1/embeddings", &json!({"model": "openai", "input": "hello", "extra_body": {"mystery": 1}}));
    assert_eq!(last(&upstream)["mystery"], 1);
    ask(&app, "/v1/messages", &chat("openai", &json!({"extra_body": {"mystery": 2}})));
    assert_eq!(last(&upstream)["mystery"], 2);
    let elsewhere = chat("openai", &json!({"extra_body": {"api_base": "http://127.0.0.1:1"}}));
    assert_eq!(app.ask("POST", "/v1/chat/completions").json(&elsewhere).send().status, 401);
    // What the client says at the top may be a mistake, and is told.
    let reply = ask(&app, "/v1/chat/completions", &chat("anthropic", &json!({"mystery": 1})));
    assert!(last(&upstream).get("mystery").is_none() && reply.header("x-switchboard-dropped").contains("mystery"));
}

#[test]
fn what_is_laid_over_an_object_leaves_the_rest_of_it() {
    let upstream = Upstream::start();
    let own =
        json!({"generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}, "mystery": 1, "safetySettings": [{"threshold": "OFF"}]});
    let check = |who: &str| {
        let sent = last(&upstream);
        let config = json!({"mediaResolution": "MEDIA_RESOLUTION_LOW", "maxOutputTokens": 9, "temperature": 0.5});
        assert_eq!((&sent["generationConfig"], &sent["mystery"]), (&config, &json!(1)), "{who}: {sent}");
        assert_eq!(sent["safetySettings"], json!([{"threshold": "OFF"}]), "{who}");
    };
    let app = models(&upstream, "");
    let reply = ask(&app, "/v1/chat/completions", &chat("gemini", &json!({"extra_body": own})));
    check("client");
    assert_eq!(reply.header("x-switchboard-dropped"), "");
    let app = models(&upstream, &format!("extra_body: {own}"));
    ask(&app, "/v1/chat/completions", &chat("gemini", &json!({})));
    check("deployment");
}

#[test]
fn what_makes_answers_longer_there_is_held() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let priced = format!("model: gemini/m, api_key: k, api_base: '{at}/good', input_cost_per_token: 0, output_cost_per_token: 0.001");
    let long = json!({"generationConfig": {"maxOutputTokens": 1000}});
    let yaml = format!(
        "  - {{model_name: plain, litellm_params: {{{priced}}}}}\n  - {{model_name: long, litellm_params: {{{priced}, extra_body: {long}}}}}\n"
    );
    with(&yaml, |gateway| {
        for (model, more, expected) in [("plain", json!({}), 200), ("plain", json!({"extra_body": long}), 422), ("long", json!({}), 422)] {
            let key = gateway.key(&json!({"max_budget": 0.1}));
            let reply = gateway.as_key(&key, "POST", "/v1/chat/completions", &chat(model, &more));
            assert_eq!(reply.status.as_u16(), expected, "{model} {more}: {}", reply.text());
        }
    });
}
