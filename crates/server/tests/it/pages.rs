//! What pages of other sites may make a browser send to a gateway that asks for no key.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use switchboard_server::config::{Environment, Overrides, Source};
use switchboard_server::log::RequestLog;
use switchboard_server::serve::{Gate, loader};

use crate::app::{Folder, Reply, TestApp};

const MODELS: &str = "model_list:\n  - {model_name: echo, litellm_params: {model: demo/echo}}\n";

const PATIENCE: Duration = Duration::from_secs(30);

fn chat(app: &TestApp, headers: &[(&str, &str)]) -> Reply {
    let ask = app.ask("POST", "/v1/chat/completions");
    let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    // What a form sends needs no leave of the gateway's.
    let body = json!({"model": "echo", "messages": [{"role": "user", "content": "hi"}]});
    ask.header("content-type", "text/plain").body(body.to_string()).send()
}

#[test]
fn pages_of_other_sites_spend_nothing_where_no_key_is_asked_for() {
    let app = TestApp::of(MODELS);
    let own = format!("http://{}", app.address());
    let fine: &[&[(&str, &str)]] = &[
        &[],
        &[("origin", &own)],
        &[("origin", "http://localhost:3000")],
        &[("origin", "vscode-webview://0a1b")],
        &[("sec-fetch-site", "same-origin"), ("origin", &own)],
        &[("sec-fetch-site", "none")],
    ];
    for headers in fine {
        assert_eq!(chat(&app, headers).status, 200, "{headers:?}");
    }
    let foreign: &[&[(&str, &str)]] = &[
        &[("origin", "http://evil.example")],
        &[("origin", "http://localhost.evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
    ];
    for headers in foreign {
        let reply = chat(&app, headers);
        assert_eq!(reply.status, 403, "{headers:?}");
        assert!(reply.json()["error"]["message"].as_str().is_some_and(|text| text.contains("cors_origins")), "{}", reply.text());
    }
    let anthropic = app.ask("POST", "/v1/messages").header("origin", "http://evil.example").json(&json!({})).send();
    assert_eq!((anthropic.status.as_u16(), &anthropic.json()["error"]["type"]), (403, &json!("permission_error")));
    // A link may be followed.
    let followed = app.ask("GET", "/").header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate").send();
    assert_eq!(followed.status, 200);
}

#[test]
fn a_gateway_without_a_key_answers_to_its_own_names() {
    let app = TestApp::with(MODELS, &[("PROXY_BASE_URL", "https://llm.example:8443/gateway")]);
    for host in ["localhost:4000", "127.0.0.1", "[::1]:4000", "192.0.2.7:80", "switchboard", "gateway.internal", "a.local", "LLM.example"] {
        assert_eq!(chat(&app, &[("host", host)]).status, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:4000", "127.0.0.1.evil.example", "localhost.evil.example", "llm.example.evil.example"] {
        let reply = chat(&app, &[("host", host)]);
        assert_eq!(reply.status, 403, "{host}");
        assert!(reply.text().contains("PROXY_BASE_URL"), "{}", reply.text());
    }
    // A page that has such a name by rebinding is of the same site to its browser.
    assert_eq!(chat(&app, &[("host", "evil.example"), ("origin", "http://evil.example")]).status, 403);
}

#[test]
fn who_is_let_in_by_key_or_by_name_is_not_asked_where_from() {
    let named = TestApp::of(&format!("{MODELS}switchboard: {{cors_origins: ['https://a.example']}}\n"));
    assert_eq!(chat(&named, &[("origin", "https://a.example")]).status, 200);
    assert_eq!(chat(&named, &[("host", "a.example")]).status, 200);
    assert_eq!(chat(&named, &[("origin", "https://b.example")]).status, 403);
    let all = TestApp::of(&format!("{MODELS}switchboard: {{cors_origins: ['*']}}\n"));
    assert_eq!(chat(&all, &[("origin", "https://b.example")]).status, 200);
    let keyed = TestApp::of(&format!("{MODELS}general_settings: {{master_key: sk-9f2c4e81b7d05a63}}\n"));
    let headers = [("authorization", "Bearer sk-9f2c4e81b7d05a63"), ("host", "evil.example"), ("origin", "http://evil.example")];
    assert_eq!(chat(&keyed, &headers).status, 200);
}

#[test]
fn a_unix_socket_is_configured_served_and_removed() {
    let folder = Folder::new("unix-socket");
    let path = folder.path("s.sock");
    let text = format!("{MODELS}switchboard: {{listen: ['unix:{}', '127.0.0.1:0'], workers: 2}}\n", path.display());
    let source = Source::Text { name: "config.yaml".to_owned(), text };
    let loaded = loader(source, Overrides::default(), Environment::from_iter(std::iter::empty::<(&str, &str)>())).load();
    let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics));
    let (recorder, writer) = RequestLog::start(std::io::sink()).expect("a log");
    let gate = Gate::start(config, Arc::new(recorder), Some(writer)).expect("the gateway starts");
    let addresses = gate.addresses();
    assert_eq!(addresses[0], format!("unix:{}", path.display()));
    let mut stream = UnixStream::connect(&path).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    // A proxy in front hands on the name by which it is known.
    ask(&mut stream, "public.example");
    let mut beside = TcpStream::connect(addresses[1].trim_start_matches("http://")).expect("connected");
    beside.set_read_timeout(Some(PATIENCE)).expect("set");
    ask(&mut beside, "localhost");
    gate.stop().expect("stopped");
    assert!(!path.exists());
}

fn ask<S: Read + Write>(stream: &mut S, host: &str) {
    write!(stream, "GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("echo"), "{answer}");
}
