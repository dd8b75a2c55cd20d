//! Deployments that lead back to the gateway (C14; Portkey #1507): by themselves, by an alias, by way of another gateway.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::upstream::Upstream;

/// A port that nobody has yet.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn gateway(port: u16, models: &str) -> TestApp {
    TestApp::at_port(&format!("model_list:\n{models}router_settings: {{model_group_alias: {{nick: round}}}}\n"), port)
}

fn leading(name: &str, model: &str, port: u16) -> String {
    format!(
        "  - {{model_name: {name}, litellm_params: {{model: openai/{model}, api_base: 'http://127.0.0.1:{port}/v1', api_key: sk-x}}}}\n"
    )
}

fn chat(app: &TestApp, model: &str, stream: bool, hops: Option<&str>) -> Reply {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream});
    let ask = app.ask("POST", "/v1/chat/completions");
    let ask = match hops {
        Some(hops) => ask.header("x-switchboard-hops", hops),
        None => ask,
    };
    ask.json(&body).send()
}

/// The calls in a request log, each of which was one request to this gateway.
fn calls(log: &str) -> usize {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["operation"] == "chat").count()
}

#[test]
fn c14_a_circle_of_one_is_left_after_three_hops() {
    for (asked, next, more) in [
        ("round", "round", ""),
        ("round", "nick", ""),
        ("nick", "nick", ""),
        // Neither repetitions, fallbacks nor hedges go round again, and nobody waits for themselves.
        ("round", "round", "litellm_settings: {num_retries: 3, fallbacks: [{round: [other]}]}\n"),
        ("round", "round", "switchboard: {coalesce_requests: true}\n"),
    ] {
        let port = port();
        let models = leading("round", next, port) + &leading("other", "round", port);
        let app = TestApp::at_port(&format!("model_list:\n{models}router_settings: {{model_group_alias: {{nick: round}}}}\n{more}"), port);
        for stream in [false, true] {
            let reply = chat(&app, asked, stream, None);
            assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (508, &json!("request_loop")), "{}", reply.text());
        }
        let log = app.stop();
        // The client's own request and three hops, twice.
        assert!((2 * 3..=2 * 4).contains(&calls(&log)), "{asked} {next} {more}: {log}");
    }
}

#[test]
fn c14_a_circle_tells_against_nobody() {
    let (upstream, port) = (Upstream::start(), port());
    let good =
        format!("  - {{model_name: good, litellm_params: {{model: openai/m, api_base: {}/good/v1, api_key: sk-x}}}}\n", upstream.url());
    let app = gateway(port, &(leading("round", "round", port) + &good + &leading("chain", "good", port)));
    for _ in 0..30 {
        assert_eq!(chat(&app, "round", false, None).status, 508);
    }
    // A chain that ends is no circle, and what a client says of its way stops neither itself nor anybody after it.
    let forged: Vec<String> = ["3", "255", "-1", "0,0,0", "00000000000000000000000000000000", "x"].map(str::to_owned).to_vec();
    for hops in forged.iter().map(|text| Some(text.as_str())).chain([None]) {
        for model in ["good", "chain"] {
            let reply = chat(&app, model, false, hops);
            assert_eq!(reply.status, 200, "{hops:?} {}", reply.text());
        }
    }
    // One that says it has been everywhere is refused, and alone.
    let everywhere = ["0123456789abcdef0123456789abcdef"; 16].join(",");
    for _ in 0..30 {
        assert_eq!(chat(&app, "chain", false, Some(&everywhere)).status, 508);
        let all_but_one = ["0123456789abcdef0123456789abcdef"; 15].join(",");
        assert_eq!(chat(&app, "chain", false, Some(&all_but_one)).status, 508);
    }
    assert_eq!(chat(&app, "chain", false, None).status, 200);
}

#[test]
fn c14_what_passes_as_it_is_passes_no_circle() {
    let port = port();
    let passing =
        format!("general_settings:\n  pass_through_endpoints:\n    - {{path: /round, target: 'http://127.0.0.1:{port}/round'}}\n");
    let app = TestApp::at_port(&passing, port);
    let reply = app.ask("POST", "/round").json(&json!({"x": 1})).send();
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (508, &json!("request_loop")), "{}", reply.text());
}
