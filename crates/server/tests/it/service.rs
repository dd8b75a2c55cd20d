//! What is done for calls beside taking them to a provider: shared, repeated, hedged, begun early, over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{Folder, Reply, TestApp};
use crate::upstream::Upstream;

const KEY: &str = "sk-9f2c4e81b7d05a63";

/// Deployments of `m` at those bases, tried in this order, with those settings of the gateway's own.
fn config(bases: &[String], own: &str) -> String {
    let deployment = |(number, base): (usize, &String)| {
        format!(
            "  - model_name: m\n    litellm_params: {{model: openai/gpt-4o-mini, api_base: {base}/v1, api_key: k, order: {number}}}\n    model_info: {{id: d{number}}}\n"
        )
    };
    let list: String = bases.iter().enumerate().map(deployment).collect();
    format!("model_list:\n{list}general_settings: {{master_key: {KEY}}}\nswitchboard:\n  reload: {{enabled: false}}\n{own}")
}

fn chat(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "How is it?"}]})
}

fn ask(app: &TestApp, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let ask = app.ask("POST", "/v1/chat/completions").key(KEY).json(body);
    headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came about that {what}");
}

#[test]
fn identical_requests_on_all_threads_are_one() {
    const MANY: usize = 8;
    for stream in [false, true] {
        let upstream = Upstream::start();
        let app = TestApp::on_threads(&config(&[format!("{}/held", upstream.url())], "  coalesce_requests: true\n"), 4);
        let replies: Vec<Reply> = std::thread::scope(|threads| {
            let asking: Vec<_> = (0..MANY).map(|_| threads.spawn(|| ask(&app, &chat(stream), &[]))).collect();
            wait_until("all of them are under way", || app.gate().app.gateway.in_flight() == MANY);
            upstream.let_go();
            asking.into_iter().map(|asking| asking.join().expect("an answer")).collect()
        });
        assert_eq!(upstream.asked().len(), 1);
        for reply in &replies {
            assert_eq!(reply.status, 200, "{reply:?}");
            assert!(reply.text().contains(if stream { "[DONE]" } else { "It is fine." }), "{reply:?}");
        }
        let shared = replies.iter().filter(|reply| reply.header("x-switchboard-coalesced") == "1").count();
        assert_eq!(shared, MANY - 1);
        let log = app.stop();
        assert_eq!(log.matches("\"served\":\"shared\"").count(), MANY - 1, "{log}");
        assert_eq!(log.matches("\"outcome\":\"complete\"").count(), MANY, "{log}");
    }
}

/// The client that began a call has gone, and with it all that its thread had to do, when the gateway stops: whoever joined from another
/// thread gets the answer all the same.
#[test]
fn who_joined_a_call_gets_its_answer_also_at_a_stop() {
    // Which thread a connection comes to is not for the client to choose.
    for _ in 0..6 {
        let upstream = Upstream::start();
        let app = TestApp::on_threads(&config(&[format!("{}/held", upstream.url())], "  coalesce_requests: true\n"), 2);
        std::thread::scope(|threads| {
            let mut first = std::net::TcpStream::connect(app.address()).expect("connected");
            let text = chat(false).to_string();
            let head = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
            std::io::Write::write_all(&mut first, head.as_bytes()).expect("written");
            wait_until("it is under way", || upstream.asked().len() == 1);
            let joined = threads.spawn(|| ask(&app, &chat(false), &[]));
            wait_until("both are", || app.gate().app.gateway.in_flight() == 2);
            drop(first);
            std::thread::sleep(std::time::Duration::from_millis(100));
            app.gate().shutdown().drain();
            std::thread::sleep(std::time::Duration::from_millis(200));
            upstream.let_go();
            let reply = joined.join().expect("an answer");
            assert_eq!((reply.status.as_u16(), upstream.asked().len()), (200, 1), "{reply:?}");
        });
        app.stop();
    }
}

#[test]
fn an_answer_survives_a_restart() {
    let (upstream, folder) = (Upstream::start(), Folder::new("repeated"));
    let own = format!("  data_dir: {}\n", folder.path("data").display());
    let yaml = config(&[format!("{}/good", upstream.url())], &own);
    let app = TestApp::of(&yaml);
    let first = ask(&app, &chat(true), &[("idempotency-key", "order-1")]);
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (200, ""));
    let again = ask(&app, &chat(true), &[("Idempotency-Key", "order-1")]);
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &first.body));
    let other = ask(&app, &chat(false), &[("idempotency-key", "order-1")]);
    assert_eq!((other.status.as_u16(), &other.json()["error"]["code"]), (422, &json!("idempotency_key_reused")));
    app.stop();
    let app = TestApp::of(&yaml);
    let again = ask(&app, &chat(true), &[("idempotency-key", "order-1")]);
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &first.body));
    assert_eq!((upstream.asked().len(), again.header("content-type")), (1, "text/event-stream"));
    let log = app.stop();
    assert!(log.contains("\"served\":\"repeated\"") && log.contains("\"attempts\":0"), "{log}");
}

#[test]
fn gateways_share_answers_over_redis() {
    let Ok(redis) = std::env::var("TEST_REDIS_URL") else {
        println!("skipped: TEST_REDIS_URL names no Redis");
        return;
    };
    let upstream = Upstream::start();
    let yaml = config(&[format!("{}/good", upstream.url())], "");
    let yaml = format!("{yaml}router_settings: {{redis_url: {redis}}}\n");
    let (one, other) = (TestApp::of(&yaml), TestApp::of(&yaml));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let name = format!("order-{}-{}", std::process::id(), now.as_nanos());
    let first = ask(&one, &chat(false), &[("idempotency-key", &name)]);
    assert_eq!(first.status, 200);
    let again = ask(&other, &chat(false), &[("idempotency-key", &name)]);
    assert_eq!((again.header("idempotent-replayed"), &again.body, upstream.asked().len()), ("true", &first.body, 1));
}

#[test]
fn a_slow_deployment_is_hedged() {
    let upstream = Upstream::start();
    let bases = [format!("{}/held", upstream.url()), format!("{}/good", upstream.url())];
    let app = TestApp::of(&config(&bases, "  hedging: true\n  hedge_after_ms: 30\n"));
    let reply = ask(&app, &chat(false), &[]);
    assert_eq!((reply.status.as_u16(), reply.header("x-switchboard-hedged"), reply.header("x-litellm-model-id")), (200, "won", "d1"));
    assert!(app.stop().contains("\"hedged\":true"));
}

#[test]
fn headers_go_out_early() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&[format!("{}/held", upstream.url())], "  early_headers_after_ms: 20\n"));
    let reply = std::thread::scope(|threads| {
        let asking = threads.spawn(|| ask(&app, &chat(true), &[]));
        wait_until("it was asked", || !upstream.asked().is_empty());
        std::thread::sleep(Duration::from_millis(100));
        upstream.let_go();
        asking.join().expect("an answer")
    });
    assert_eq!((reply.status.as_u16(), reply.header("x-switchboard-early-headers")), (200, "1"));
    assert!(reply.text().starts_with(": ping\n\n") && reply.text().ends_with("data: [DONE]\n\n"), "{reply:?}");
}
