//! Bodies that are no JSON, or more than JSON; paths that are written so that two readers may read two things.

use std::io::{Read, Write};
use std::net::TcpStream;

use http::StatusCode;
use serde_json::json;

use crate::app::TestApp;

const KEY: &str = "sk-hostile-master-key";

fn app() -> TestApp {
    TestApp::of(&format!(
        "model_list:\n  - {{model_name: m, litellm_params: {{model: demo/echo}}}}\ngeneral_settings: {{master_key: {KEY}}}\n"
    ))
}

/// What parsers have stumbled over.
const VALUES: &[&str] = &[
    "",
    " ",
    "null",
    "true",
    "0",
    "\"m\"",
    "[]",
    "{",
    "}",
    "{}",
    "[1,",
    "{\"a\":}",
    "{\"a\" 1}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":1,}",
    "[1,]",
    "{\"a\":1}}",
    "{\"a\":1} x",
    "{\"a\":1}{\"a\":2}",
    "NaN",
    "-NaN",
    "Infinity",
    "1e400",
    "-1e400",
    "1e-400",
    "01",
    "-01",
    "1.",
    ".5",
    "+1",
    "0x1",
    "1e",
    "1e+",
    "--1",
    "9999999999999999999999999999999999999999",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\u0000\"",
    "\"a\nb\"",
    "\"\t\"",
    "/* c */ 1",
    "1 // c",
    "\u{feff}{}",
    "tru",
    "nul",
    "True",
    "None",
    "undefined",
    "{\"a\":1,\"a\":2}",
    "{\"__proto__\":{\"admin\":true}}",
    "{\"constructor\":{\"prototype\":{}}}",
];

/// Bodies made of that: in place of one, and within one.
fn bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = VALUES.iter().map(|value| value.as_bytes().to_vec()).collect();
    let messages = "[{\"role\":\"user\",\"content\":\"x\"}]";
    for value in VALUES {
        bodies.push(format!("{{\"model\":\"m\",\"messages\":{messages},\"x\":{value}}}").into_bytes());
        bodies.push(format!("{{\"model\":\"m\",\"messages\":{messages},\"temperature\":{value}}}").into_bytes());
        bodies.push(format!("{{\"model\":\"m\",\"messages\":{value}}}").into_bytes());
        bodies.push(format!("{{\"model\":{value},\"messages\":{messages}}}").into_bytes());
        bodies.push(format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":{value}}}]}}").into_bytes());
        bodies.push(format!("{{\"model\":\"m\",\"stream\":{value},\"messages\":{messages}}}").into_bytes());
    }
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        bodies.push(open.clone().into_bytes());
        bodies.push(format!("{{\"model\":\"m\",\"messages\":{messages},\"x\":{open}1{close}}}").into_bytes());
    }
    for bytes in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\0", b"\xff\xfe{\0}\0"] {
        bodies.push(bytes.to_vec());
        bodies.push([b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"", bytes, b"\"}]}"].concat());
    }
    // The same key in two spellings.
    bodies.push(format!("{{\"model\":\"other\",\"mod\\u0065l\":\"m\",\"messages\":{messages}}}").into_bytes());
    bodies
}

#[test]
fn hostile_bodies_are_refused_or_answered_and_nothing_breaks() {
    let app = app();
    let bodies = bodies();
    assert!(bodies.len() > 300, "{}", bodies.len());
    for (path, kind) in [("/v1/chat/completions", "error"), ("/v1/messages", "error"), ("/v1/responses", "error")] {
        for body in &bodies {
            let reply = app.ask("POST", path).key(KEY).header("content-type", "application/json").body(body.clone()).send();
            let shown = String::from_utf8_lossy(&body[..body.len().min(200)]);
            assert!(!reply.status.is_server_error(), "{path} {shown}: {} {}", reply.status, reply.text());
            if reply.status != StatusCode::OK {
                assert!(reply.status.is_client_error() && reply.json()[kind].is_object(), "{path} {shown}: {}", reply.text());
            }
        }
    }
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "still there?"}]});
    assert_eq!(app.ask("POST", "/v1/chat/completions").key(KEY).json(&body).send().status, StatusCode::OK);
}

/// A path in spellings that a reader may take for it.
fn spellings(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let rest = &path[1..];
    let prefixes = [
        "//",
        "/./",
        "/../",
        "/x/../",
        "/%2e/",
        "/%2e%2e/",
        "/x/%2e%2e/",
        "/%2f",
        "/;/",
        "/;x=1/",
        "\\",
        "/\\",
        "/%5c",
        "/%00/",
        "/v1/../",
        "/public/..;/",
    ];
    let suffixes =
        ["", "/", "//", "/.", "/..", "/./", "%00", "%20", ";", ";x=1", "%3b", "?", "#", "%23", "%3f", ".json", "%2f", "\\", "%0a", "%09"];
    for suffix in suffixes {
        found.extend(prefixes.iter().map(|prefix| format!("{prefix}{rest}{suffix}")));
        found.extend((!suffix.is_empty()).then(|| format!("{path}{suffix}")));
    }
    for (at, letter) in path.char_indices() {
        let encoded = format!("%{:02x}", u32::from(letter));
        found.push(format!("{}{encoded}{}", &path[..at], &path[at + 1..]));
        found.push(format!("{}%25{}{}", &path[..at], &encoded[1..], &path[at + 1..]));
    }
    found.push(path.to_uppercase());
    found.push(path.replace('/', "//"));
    found.push(path.replace('/', "/%2e/"));
    found.push(format!("http://elsewhere.test{path}"));
    found.push(format!("//elsewhere.test{path}"));
    found
}

#[test]
fn no_spelling_of_a_path_opens_a_door_that_is_locked() {
    let app = app();
    let ask = |method: &str, path: &str| {
        let mut stream = TcpStream::connect(app.address()).expect("connected");
        let body = "{\"models\":[]}";
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        // It may be refused before it is read.
        let _sent = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        let mut text = Vec::new();
        let _ended = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
    };
    for (method, path) in [
        ("POST", "/key/generate"),
        ("POST", "/user/new"),
        ("GET", "/key/list"),
        ("GET", "/model/info"),
        ("GET", "/spend/logs"),
        ("POST", "/v1/chat/completions"),
    ] {
        let line = ask(method, path);
        // Who guesses too often is slowed down.
        assert!(line.starts_with("HTTP/1.1 401") || line.starts_with("HTTP/1.1 429"), "{path}: {line}");
        let spellings = spellings(path);
        assert!(spellings.len() >= 300, "{path} in {} spellings", spellings.len());
        for spelling in spellings {
            let line = ask(method, &spelling);
            assert!(line.is_empty() || line.starts_with("HTTP/1.1 4"), "{method} {spelling}: {line}");
        }
    }
}
