//! Calls that wait for their turn instead of being refused at once, over HTTP: two tenants at a deployment that takes one at a time,
//! a wait that is too long, a client that leaves, a gateway that stops.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::managed::Managed;
use crate::upstream::Upstream;

/// A gateway with a deployment that holds what it is asked and takes one request at a time.
fn narrow(more: &str) -> (Managed, Upstream) {
    let upstream = Upstream::start();
    let at = upstream.url();
    let models = format!(
        "  - {{model_name: one, litellm_params: {{model: openai/m, api_base: '{at}/held', api_key: none, max_parallel_requests: 1}}}}\n\
         \x20 - {{model_name: cent, litellm_params: {{model: demo/echo, input_cost_per_request: 0.01}}}}\n{more}"
    );
    (Managed::with_models("", &models, &[]), upstream)
}

fn waiting(app: &TestApp) -> usize {
    app.gate().app.gateway.queue().waiting()
}

fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn body(model: &str, text: &str, priority: Option<u8>) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
    if let Some(priority) = priority {
        body["priority"] = priority.into();
    }
    body
}

fn ask(gateway: &Managed, key: &str, body: &Value) -> Reply {
    gateway.as_key(key, "POST", "/v1/chat/completions", body)
}

/// What the provider was asked, in order.
fn asked(upstream: &Upstream) -> Vec<String> {
    let text = |body: &str| serde_json::from_str::<Value>(body).expect("JSON")["messages"][0]["content"].as_str().expect("text").to_owned();
    upstream.asked().iter().map(|(_, body)| text(body)).collect()
}

#[test]
fn two_tenants_take_turns_and_each_is_served_in_order() {
    let (gateway, upstream) = narrow("");
    let (a, b) = (gateway.key(&json!({"key_alias": "a"})), gateway.key(&json!({"key_alias": "b"})));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&gateway, &a, &body("one", "first", None)));
        until(|| !asked(&upstream).is_empty());
        let of_a = (0..20).map(|number| (format!("a{number}"), &a, 5));
        let names = of_a.chain([("urgent".to_owned(), &a, 1), ("b0".to_owned(), &b, 5), ("b1".to_owned(), &b, 5)]);
        let mut calls = Vec::new();
        for (name, key, priority) in names {
            let call = body("one", &name, Some(priority));
            let gateway = &gateway;
            calls.push(scope.spawn(move || ask(gateway, key, &call)));
            until(|| waiting(&gateway.app) == calls.len());
        }
        let refused = ask(&gateway, &b, &body("one", "plain", None));
        assert_eq!(refused.status, 429, "who names no priority is refused as ever: {}", refused.text());
        upstream.let_go();
        assert_eq!(first.join().expect("asked").status, 200);
        for reply in calls.into_iter().map(|call| call.join().expect("asked")) {
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(reply.header("x-switchboard-queued-ms").parse::<u64>().is_ok());
        }
    });
    assert_eq!(waiting(&gateway.app), 0);
    let order = asked(&upstream);
    assert_eq!(order[..8], ["first", "urgent", "b0", "a0", "b1", "a1", "a2", "a3"], "turn by turn, and then as they came");
    assert_eq!(order.last().expect("some"), "a19");
    assert!(!upstream.asked().iter().any(|(_, body)| body.contains("priority")), "the provider is not told");
}

#[test]
fn who_has_waited_too_long_is_refused_as_if_it_had_not_waited() {
    let (gateway, upstream) = narrow("router_settings: {default_priority: 3}\nswitchboard: {queue: {max_wait_ms: 100, max_waiting: 1}}\n");
    let key = gateway.key(&json!({"rpm_limit": 1}));
    assert_eq!(ask(&gateway, &key, &body("cent", "x", None)).status, 200);
    let refused = ask(&gateway, &key, &body("cent", "x", None));
    assert_eq!((refused.status.as_u16(), refused.header("rate_limit_type")), (429, "requests"), "{}", refused.text());
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().expect("seconds")));
    // Money is not waited for.
    let poor = gateway.key(&json!({"max_budget": 0.001}));
    assert_eq!(ask(&gateway, &poor, &body("cent", "x", Some(0))).status, 422);
    drop(upstream);
    assert_eq!(waiting(&gateway.app), 0);
}

#[test]
fn a_client_that_leaves_leaves_the_line_and_a_stop_ends_the_wait() {
    let (gateway, upstream) = narrow("switchboard: {queue: {enabled: true}, timeouts: {drain_ms: 1500}}\n");
    let key = gateway.key(&json!({}));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&gateway, &key, &body("one", "first", None)));
        until(|| !asked(&upstream).is_empty());
        let mut leaving = TcpStream::connect(gateway.app.address()).expect("connected");
        let text = body("one", "leaves", None).to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        leaving.write_all(head.as_bytes()).expect("written");
        until(|| waiting(&gateway.app) == 1);
        drop(leaving);
        until(|| waiting(&gateway.app) == 0);
        let waits = scope.spawn(|| ask(&gateway, &key, &body("one", "waits", None)));
        until(|| waiting(&gateway.app) == 1);
        gateway.app.gate().shutdown().drain();
        let told = waits.join().expect("asked");
        assert_eq!(told.status, 429, "it is told before answers are cut: {}", told.text());
        assert!(!told.header("retry-after").is_empty());
        upstream.let_go();
        assert_eq!(first.join().expect("asked").status, 200);
    });
    assert_eq!(asked(&upstream), ["first"]);
}
