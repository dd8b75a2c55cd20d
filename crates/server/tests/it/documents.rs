//! The gateway's own pages and documents.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::edge::read_to_close;

const KEYED: &str = "\
model_list:
  - {model_name: echo, litellm_params: {model: demo/echo}}
  - {model_name: vectors, litellm_params: {model: demo/echo}, model_info: {mode: embedding}}
  - {model_name: pictures, litellm_params: {model: demo/echo}, model_info: {mode: image_generation}}
  - {model_name: broken, litellm_params: {model: openai/gpt-4o, api_base: \"http://127.0.0.1:9/v1\", api_key: sk-provider-key-77}}
general_settings: {master_key: sk-9f2c4e81b7d05a63}
";
const KEY: &str = "sk-9f2c4e81b7d05a63";

#[test]
fn pages_are_complete_without_scripts_and_shown_nowhere_else() {
    let app = TestApp::of(KEYED);
    for page in ["/", "/docs"] {
        let reply = app.get(page);
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/html; charset=utf-8"), "{page}");
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("x-frame-options", "DENY")] {
            assert_eq!(reply.header(name), value, "{page}");
        }
        let text = reply.text();
        assert!(text.contains(&app.url()), "{page} says where it is");
        for forbidden in ["<script", "<style", "style=", "onclick", "src=", "https://"] {
            assert!(!text.contains(forbidden), "{page} holds {forbidden}");
        }
        assert!(text.contains("href=\"style.css\""), "{page}");
        for secret in ["broken", KEY] {
            assert!(!text.contains(secret), "{page} tells of {secret}");
        }
    }
    let style = app.get("/style.css");
    assert_eq!((style.status.as_u16(), style.header("content-type")), (200, "text/css; charset=utf-8"));
}

#[test]
fn a_page_names_the_address_its_reader_uses_and_as_text() {
    let app = TestApp::of("");
    let reply = app.ask("GET", "/").header("host", "llm.internal:8443").send();
    assert!(reply.text().contains("http://llm.internal:8443/v1"), "{}", reply.text());
    let configured = TestApp::with("", &[("PROXY_BASE_URL", "https://llm.example/<x>/")]);
    assert!(configured.get("/").text().contains("https://llm.example/&lt;x&gt;/v1"));
}

#[test]
fn documents_name_every_route() {
    let app = TestApp::of(KEYED);
    let (document, routes) = (app.get("/openapi.json").json(), app.get("/routes").json());
    assert_eq!(document["openapi"], "3.1.0");
    let listed = routes["routes"].as_array().expect("routes");
    let models = listed.iter().find(|route| route["path"] == "/v1/models").expect("a route");
    assert_eq!((&models["methods"], models["name"].is_string()), (&json!(["GET"]), true));
    let both = listed.iter().find(|route| route["path"] == "/v1beta/models/{model}").expect("a route");
    assert_eq!(both["methods"], json!(["GET", "POST"]));
    let docs = app.get("/docs");
    for path in ["/v1/chat/completions", "/v1/messages", "/openai/deployments/{model}/embeddings", "/health/readiness"] {
        assert!(document["paths"][path].is_object() && docs.text().contains(path), "{path}");
    }
}

#[test]
fn health_needs_a_key_and_liveness_none() {
    let app = TestApp::of(KEYED);
    for (path, body) in [
        ("/health/liveliness", json!("I'm alive!")),
        ("/health/liveness", json!("I'm alive!")),
        ("/health/readiness", json!({"status": "healthy", "db": "Not connected"})),
    ] {
        let reply = app.get(path);
        assert_eq!((reply.status.as_u16(), reply.json()), (200, body), "{path}");
    }
    for path in ["/health", "/health/readiness/details", "/test"] {
        assert_eq!(app.get(path).status, 401, "{path}");
    }
    let details = app.ask("GET", "/health/readiness/details").key(KEY).send().json();
    assert_eq!((&details["status"], &details["deployments"]), (&json!("healthy"), &json!(4)));
    assert_eq!(app.ask("GET", "/test").key(KEY).send().json(), json!({"route": "/test"}));
}

fn models(health: &Value, list: &str) -> usize {
    health[list].as_array().map_or(0, Vec::len)
}

#[test]
fn health_asks_each_deployment_what_it_is_for() {
    let app = TestApp::of(KEYED);
    let reply = app.ask("GET", "/health").key(KEY).send();
    let health = reply.json();
    assert_eq!(reply.status, 200, "{health}");
    assert_eq!((&health["healthy_count"], &health["unhealthy_count"]), (&json!(2), &json!(1)), "{health}");
    assert_eq!((models(&health, "healthy_endpoints"), models(&health, "unchecked_endpoints")), (2, 1), "{health}");
    let broken = &health["unhealthy_endpoints"][0];
    assert_eq!(broken["model"], "openai/gpt-4o");
    assert!(broken["error"].is_string() && !reply.text().contains("sk-provider-key-77"), "{broken}");
    let one = app.ask("GET", "/health?model=broken").key(KEY).send();
    assert_eq!((one.status.as_u16(), &one.json()["unhealthy_count"]), (503, &json!(1)));
    let one = app.ask("GET", "/health?model=vectors").key(KEY).send();
    assert_eq!((one.status.as_u16(), &one.json()["healthy_count"]), (200, &json!(1)));
    let id = broken["model_id"].as_str().expect("an id");
    assert_eq!(app.ask("GET", &format!("/health?model_id={id}")).key(KEY).send().status, 503);
}

#[test]
fn readiness_ends_when_draining_begins() {
    let app = TestApp::of("");
    let mut stream = TcpStream::connect(app.address()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    app.gate().shutdown().drain();
    stream.write_all(b"GET /health/readiness HTTP/1.1\r\nhost: x\r\n\r\n").expect("written");
    let answer = read_to_close(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("{\"status\":\"shutting_down\"}"), "{answer}");
}
