//! Two gateways and a Redis between them.

use serde_json::{Value, json};

use crate::app::{TestApp, until};
use crate::upstream::Upstream;

fn config(upstream: &Upstream, run: &str, redis: &str) -> String {
    let url = upstream.url();
    format!(
        "\
model_list:
  - {{model_name: pair, litellm_params: {{model: openai/gpt-4o, api_base: {url}/good/v1, api_key: sk-x}}, model_info: {{id: good-{run}, endpoint_tag: good}}}}
  - {{model_name: pair, litellm_params: {{model: openai/gpt-4o, api_base: {url}/limited/v1, api_key: sk-x}}, model_info: {{id: limited-{run}, endpoint_tag: limited}}}}
router_settings: {{routing_strategy: simple-shuffle, redis_url: '{redis}'}}
"
    )
}

/// What no other run of these tests is called.
fn run() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    format!("{}-{}", std::process::id(), now.as_nanos())
}

fn chat(app: &TestApp) -> u16 {
    let body = json!({"model": "pair", "messages": [{"role": "user", "content": "hi"}]});
    app.ask("POST", "/v1/chat/completions").json(&body).send().status.as_u16()
}

fn endpoint(app: &TestApp, tag: &str) -> Value {
    let told = app.get("/api/v1/models/pair/endpoints").json();
    let endpoints = told["data"]["endpoints"].as_array().expect("endpoints");
    endpoints.iter().find(|one| one["tag"] == tag).expect("listed").clone()
}

#[test]
fn what_one_gateway_learns_the_other_knows() {
    let Ok(redis) = std::env::var("TEST_REDIS_URL") else {
        println!("skipped: TEST_REDIS_URL names no Redis");
        return;
    };
    let (upstream, run) = (Upstream::start(), run());
    let text = config(&upstream, &run, &redis);
    let (one, other) = (TestApp::of(&text), TestApp::of(&text));
    let limited = || upstream.asked().iter().filter(|(path, _)| path.starts_with("/limited")).count();
    until("the first gateway meets the limit", || {
        assert_eq!(chat(&one), 200);
        limited() > 0
    });
    until("the other is told", || endpoint(&other, "openai/limited")["status"] == -2);
    let before = limited();
    for _ in 0..20 {
        assert_eq!(chat(&other), 200);
    }
    assert_eq!(limited(), before, "the other gateway asked what it knew to be used up");
    assert_eq!(other.get("/health/shared-status").json()["redis_available"], true);
}

#[test]
fn a_gateway_goes_on_without_its_redis() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream, &run(), &format!("redis://:hush@127.0.0.1:{port}/0")));
    for _ in 0..10 {
        assert_eq!(chat(&app), 200);
    }
    assert_eq!(app.get("/health/shared-status").json()["redis_available"], false);
    assert!(!app.stop().contains("hush"));
}
