//! Heads of requests with more in them than a header should have, where headers of clients are passed on (C12).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::app::TestApp;
use crate::upstream::Upstream;

const KEY: &str = "sk-master-of-tests-0123456789abcdef";

/// Values, and names, that are refused or go no further.
fn fields() -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = vec![b"x-a: b\r\n".repeat(1000), [b"x-large: ", "y".repeat(1 << 20).as_bytes(), b"\r\n"].concat()];
    fields.push((0..1000).flat_map(|n| format!("x-many-{n}: {n}\r\n").into_bytes()).collect());
    fields.push([b"x-", "n".repeat(1 << 17).as_bytes(), b": b\r\n"].concat());
    for inside in [&b"\r"[..], b"\n", b"\0", b"\x01", b"\x1b[31m", b"\x7f", b"\r\n\tfolded", b"\r x-injected: 1", b"\n x-injected: 1"] {
        fields.push([b"x-custom: a", inside, b"b\r\n"].concat());
        fields.push([b"anthropic-beta: a", inside, b"b\r\n"].concat());
    }
    for inside in ["\u{e9}", "\u{20ac}", "\u{1f600}", "\u{202e}", "\u{85}", "\u{ff0d}", "\u{10a}\u{10d}"].map(str::as_bytes) {
        fields.push([b"x-custom: a", inside, b"b\r\n"].concat());
        fields.push([b"x-custom-", inside, b": b\r\n"].concat());
    }
    for byte in 0x80..=0xff_u8 {
        fields.push([b"x-custom: a", &[byte][..], b"b\r\n"].concat());
    }
    for letter in b"()<>@,;:\\\"/[]?={} \t" {
        fields.push([b"x-cus", &[*letter][..], b"tom: b\r\n"].concat());
    }
    fields.extend([&b": b\r\n"[..], b"x-custom\r\n", b" x-custom: b\r\n", b"x-custom : b\r\n"].map(<[u8]>::to_vec));
    fields
}

/// What is told to who sends those headers: the first line of the answer.
fn told(app: &TestApp, fields: &[u8]) -> String {
    let body = "{\"model\":\"open\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
    let first =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n");
    let last = format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(app.address()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    // It may be refused before it is read.
    let _sent = stream.write_all(&[first.as_bytes(), fields, last.as_bytes()].concat());
    let mut text = Vec::new();
    let _ended = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn no_header_that_two_may_read_differently_is_passed_on() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let app = TestApp::with(
        &format!(
            "model_list:\n  - {{model_name: open, litellm_params: {{model: openai/m, api_key: sk-own, api_base: {url}/good}}}}\n\
             general_settings: {{forward_client_headers_to_llm_api: true}}\n"
        ),
        &[("SWITCHBOARD_MASTER_KEY", KEY)],
    );
    assert!(told(&app, b"x-custom: passed\r\n").starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.header("x-custom").as_deref(), Some("passed"), "what is plain is passed on");
    let fields = fields();
    for field in &fields {
        let line = told(&app, field);
        let right = ["HTTP/1.1 400", "HTTP/1.1 431", "HTTP/1.1 200"].iter().any(|status| line.starts_with(status));
        let shown = String::from_utf8_lossy(&field[..field.len().min(80)]);
        assert!(right || line.is_empty() && field.len() > 1 << 16, "{shown:?}: {line}");
    }
    for head in &upstream.heads()[1..] {
        for (name, value) in head {
            let plain =
                name.len() < 100 && value.len() < 1000 && (name.to_owned() + value).bytes().all(|byte| (0x20..0x7f).contains(&byte));
            assert!(plain && !name.starts_with("x-injected") && !name.starts_with("x-custom"), "{name}: {value}");
        }
    }
    println!("{} heads, {} of them taken", fields.len(), upstream.heads().len() - 1);
}
