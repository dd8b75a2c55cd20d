//! Media at URLs: brought to providers that take only bytes, left to those that look them up, and never from within.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::upstream::Upstream;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01";
const PDF: &[u8] = b"%PDF-1.7\n";
const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";

/// A host of media; notes the paths it was asked for.
struct Host {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Host {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = asked.clone();
        // Ends with the test's process; nothing waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, kept) = (stream.expect("a connection"), kept.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a reader"));
                    let mut first = String::new();
                    reader.read_line(&mut first).expect("a request");
                    let mut line = String::new();
                    while reader.read_line(&mut line).expect("a header") > 2 {
                        line.clear();
                    }
                    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    let (status, headers, body) = file(&path);
                    kept.lock().expect("lock").push(path);
                    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
                    // Whoever has had enough may leave.
                    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
                });
            }
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("lock").clone()
    }
}

fn file(path: &str) -> (&'static str, &'static str, Vec<u8>) {
    match path {
        "/a.png" => ("200 OK", "content-type: image/jpeg\r\n", PNG.to_vec()),
        "/a.pdf" => ("200 OK", "content-type: application/octet-stream\r\n", PDF.to_vec()),
        "/a.wav" => ("200 OK", "content-type: audio/x-wav\r\n", WAV.to_vec()),
        "/page.png" => ("200 OK", "content-type: text/html; charset=utf-8\r\n", b"<html>gone</html>".to_vec()),
        "/moved" => ("302 Found", "location: /a.png\r\n", Vec::new()),
        "/away" => ("302 Found", "location: http://127.0.0.2/secret\r\n", Vec::new()),
        "/round" => ("302 Found", "location: /round\r\n", Vec::new()),
        "/large.png" => ("200 OK", "content-type: image/png\r\n", [PNG, &[0; 8192]].concat()),
        _ => ("404 Not Found", "", Vec::new()),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn config(upstream: &Upstream, media: &str) -> String {
    let url = upstream.url();
    format!(
        "model_list:\n  \
         - {{model_name: looks-up, litellm_params: {{model: openai/m, api_base: {url}/good, api_key: k}}}}\n  \
         - {{model_name: bedrock, litellm_params: {{model: bedrock/us.amazon.nova-lite-v1:0, aws_region_name: us-east-1, \
           aws_access_key_id: a, aws_secret_access_key: b, aws_bedrock_runtime_endpoint: {url}}}}}\n  \
         - {{model_name: gemini, litellm_params: {{model: gemini/gemini-2.5-flash, api_base: {url}/v1beta, api_key: k}}}}\n  \
         - {{model_name: ollama, litellm_params: {{model: ollama_chat/llava, api_base: {url}}}}}\n\
         switchboard: {{media: {media}}}\n"
    )
}

/// What lets the tests' own host be asked.
fn allowing(host: &Host) -> String {
    format!("{{allow_http: true, private_hosts: [127.0.0.1], ports: [{}], max_bytes: 4096}}", host.address.port())
}

fn ask(app: &TestApp, model: &str, part: &Value) -> (StatusCode, Value) {
    let body = json!({"model": model, "messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, part]}]});
    let reply = app.ask("POST", "/v1/chat/completions").json(&body).send();
    (reply.status, reply.json())
}

fn image(url: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": url}})
}

/// The body of the last request to the provider.
fn last(upstream: &Upstream) -> Value {
    serde_json::from_str(&upstream.asked().last().expect("a request").1).expect("JSON")
}

#[test]
fn bytes_are_brought_to_who_takes_only_bytes() {
    let (host, upstream) = (Host::start(), Upstream::start());
    let app = TestApp::of(&config(&upstream, &allowing(&host)));
    ask(&app, "bedrock", &image(&host.url("/a.png")));
    let sent = last(&upstream);
    // The server says JPEG; the bytes know better.
    assert_eq!(sent["messages"][0]["content"][1]["image"], json!({"format": "png", "source": {"bytes": base64(PNG)}}), "{sent}");
    ask(&app, "gemini", &image(&host.url("/a.png")));
    let sent = last(&upstream);
    assert_eq!(sent["contents"][0]["parts"][1]["inlineData"], json!({"mimeType": "image/png", "data": base64(PNG)}), "{sent}");
    ask(&app, "ollama", &image(&host.url("/moved")));
    let sent = last(&upstream);
    // It takes OpenAI's form too, in which it takes only bytes.
    let url = format!("data:image/png;base64,{}", base64(PNG));
    assert_eq!(sent["messages"][0]["content"][1]["image_url"]["url"], json!(url), "{sent}");
    let source = json!({"type": "url", "url": host.url("/a.png")});
    let body =
        json!({"model": "ollama", "max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]});
    app.ask("POST", "/v1/messages").json(&body).send();
    let sent = last(&upstream);
    assert_eq!(sent["messages"][0]["images"], json!([base64(PNG)]), "{sent}");
    assert_eq!(host.asked(), ["/a.png", "/a.png", "/moved", "/a.png", "/a.png"]);
}

#[test]
fn images_to_embed_are_brought_too() {
    let (host, upstream) = (Host::start(), Upstream::start());
    let url = upstream.url();
    let config = format!(
        "model_list:\n  \
         - {{model_name: titan, litellm_params: {{model: bedrock/amazon.titan-embed-image-v1, aws_region_name: us-east-1, \
           aws_access_key_id: a, aws_secret_access_key: b, aws_bedrock_runtime_endpoint: {url}}}}}\n  \
         - {{model_name: cohere, litellm_params: {{model: cohere/embed-v4.0, api_base: {url}, api_key: k}}}}\n  \
         - {{model_name: looks-up, litellm_params: {{model: jina_ai/jina-clip-v2, api_base: {url}, api_key: k}}}}\n\
         switchboard: {{media: {}}}\n",
        allowing(&host)
    );
    let app = TestApp::of(&config);
    let ask = |model: &str, input: Value| {
        let reply = app.ask("POST", "/v1/embeddings").json(&json!({"model": model, "input": input})).send();
        (reply.status, reply.json())
    };
    ask("titan", json!([{"text": "a cat", "image": host.url("/a.png")}]));
    assert_eq!(last(&upstream), json!({"inputText": "a cat", "inputImage": base64(PNG)}));
    ask("cohere", json!([{"content": [{"type": "image_url", "image_url": {"url": host.url("/a.png")}}]}]));
    let told = format!("data:image/png;base64,{}", base64(PNG));
    assert_eq!(last(&upstream)["inputs"][0]["content"][0]["image_url"]["url"], json!(told));
    assert_eq!(host.asked(), ["/a.png", "/a.png"]);
    ask("looks-up", json!([{"image": host.url("/a.png")}]));
    assert_eq!(last(&upstream)["input"], json!([{"image": host.url("/a.png")}]));
    assert_eq!(host.asked().len(), 2, "who looks up URLs gets the URL");
    let (status, told) = ask("titan", json!([{"image": host.url("/page.png")}]));
    assert_eq!(
        (status, &told["error"]["code"], &told["error"]["param"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_image_url"), &json!("input"))
    );
}

#[test]
fn documents_and_sound_are_brought_in_every_client_format() {
    let (host, upstream) = (Host::start(), Upstream::start());
    let app = TestApp::of(&config(&upstream, &allowing(&host)));
    let document = json!({"model": "bedrock", "max_tokens": 5, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "read"}, {"type": "document", "source": {"type": "url", "url": host.url("/a.pdf")}}]}]});
    app.ask("POST", "/v1/messages").json(&document).send();
    let sent = last(&upstream);
    let block = &sent["messages"][0]["content"][1]["document"];
    assert_eq!((&block["format"], &block["source"]["bytes"]), (&json!("pdf"), &json!(base64(PDF))), "{sent}");
    let input =
        json!({"model": "gemini", "input": [{"role": "user", "content": [{"type": "input_file", "file_url": host.url("/a.pdf")}]}]});
    app.ask("POST", "/v1/responses").json(&input).send();
    let sent = last(&upstream);
    assert_eq!(sent["contents"][0]["parts"][0]["inlineData"], json!({"mimeType": "application/pdf", "data": base64(PDF)}), "{sent}");
    let parts = json!([{"text": "hear"}, {"fileData": {"mimeType": "audio/wav", "fileUri": host.url("/a.wav")}}]);
    let sound = json!({"contents": [{"role": "user", "parts": parts}]});
    app.ask("POST", "/v1beta/models/looks-up:generateContent").json(&sound).send();
    let sent = last(&upstream);
    assert_eq!(sent["messages"][0]["content"][1]["input_audio"], json!({"data": base64(WAV), "format": "wav"}), "{sent}");
}

#[test]
fn who_looks_up_urls_gets_the_url() {
    let (host, upstream) = (Host::start(), Upstream::start());
    let app = TestApp::of(&config(&upstream, &allowing(&host)));
    let url = host.url("/a.png");
    assert_eq!(ask(&app, "looks-up", &image(&url)).0, StatusCode::OK);
    assert_eq!(last(&upstream)["messages"][0]["content"][1]["image_url"]["url"], json!(url));
    let source = json!({"type": "url", "url": url});
    let body =
        json!({"model": "looks-up", "max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]});
    app.ask("POST", "/v1/messages").json(&body).send();
    assert_eq!(last(&upstream)["messages"][0]["content"][0]["image_url"]["url"], json!(url));
    assert!(host.asked().is_empty());
}

#[test]
fn what_cannot_be_had_is_a_clear_error_and_reaches_no_provider() {
    let (host, upstream) = (Host::start(), Upstream::start());
    let app = TestApp::of(&config(&upstream, &allowing(&host)));
    for (path, why) in [
        ("/none.png", "status 404"),
        ("/page.png", "what the URL leads to is text/html"),
        ("/large.png", "too large"),
        ("/away", "port"),
        ("/round", "too often"),
    ] {
        let (status, told) = ask(&app, "bedrock", &image(&host.url(path)));
        let message = told["error"]["message"].as_str().unwrap_or_default();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(why), "{path}: {status} {told}");
        assert_eq!(told["error"]["code"], json!("invalid_image_url"), "{told}");
        assert!(!message.contains(path), "a path may be a secret: {message}");
    }
    // In the words of another API.
    let source = json!({"type": "url", "url": host.url("/none.png")});
    let body =
        json!({"model": "ollama", "max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]});
    let reply = app.ask("POST", "/v1/messages").json(&body).send();
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (StatusCode::BAD_REQUEST, &json!("invalid_request_error")));
    assert!(upstream.asked().is_empty());
}

#[test]
fn nothing_within_is_fetched() {
    let (host, upstream) = (Host::start(), Upstream::start());
    let port = host.address.port();
    let ways = [
        // As it is shipped: TLS, port 443, public addresses.
        "{}".to_owned(),
        // Neither a scheme nor a port opens what is within.
        format!("{{allow_http: true, ports: [{port}]}}"),
        // What may be asked is not what is within, and the other way round.
        format!("{{allow_http: true, ports: [{port}], hosts: [example.com, .example.com]}}"),
        format!("{{allow_http: true, ports: [{port}], private_hosts: [127.0.0.1], hosts: [example.com]}}"),
        format!("{{fetch: false, allow_http: true, ports: [{port}], private_hosts: [127.0.0.1]}}"),
    ];
    for way in ways {
        let app = TestApp::of(&config(&upstream, &way));
        for name in ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"] {
            let (status, told) = ask(&app, "gemini", &image(&format!("http://{name}:{port}/a.png")));
            assert_eq!(status, StatusCode::BAD_REQUEST, "{way} {name}: {told}");
        }
        let (status, _) = ask(&app, "gemini", &image("https://169.254.169.254/latest/meta-data/"));
        assert_eq!(status, StatusCode::BAD_REQUEST, "{way}");
    }
    assert!(host.asked().is_empty() && upstream.asked().is_empty());
}

#[test]
fn a_request_names_only_so_many_and_each_is_fetched_once() {
    let (host, upstream) = (Host::start(), Upstream::start());
    let media = allowing(&host).replace('{', "{max_urls: 2, ");
    let app = TestApp::of(&config(&upstream, &media));
    let parts = |names: &[&str]| -> Value { names.iter().map(|name| image(&host.url(name))).collect() };
    let send = |parts: Value| {
        let body = json!({"model": "gemini", "messages": [{"role": "user", "content": parts}]});
        app.ask("POST", "/v1/chat/completions").json(&body).send()
    };
    let reply = send(parts(&["/a.png?1", "/a.png?2", "/a.png?3"]));
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("too_many_media")));
    send(parts(&["/a.png", "/a.png", "/a.png"]));
    assert_eq!(last(&upstream)["contents"][0]["parts"].as_array().map(Vec::len), Some(3));
    assert_eq!(host.asked(), ["/a.png"]);
}
