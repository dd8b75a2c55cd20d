//! No field and no header of a request decides where the gateway goes, nor with what credential (S6, X1; CVE-2024-6587,
//! CVE-2025-66405 and its incomplete fixes, Bifrost GHSA-w98g-5w9p-p3rc).

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use switchboard_server::authz::Policy;
use switchboard_server::router::rows;

use crate::managed::{MASTER, Managed};
use crate::upstream::Upstream;

/// Counts who comes; nobody should.
struct Canary {
    port: u16,
    came: Arc<AtomicUsize>,
}

impl Canary {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (port, came) = (listener.local_addr().expect("an address").port(), Arc::<AtomicUsize>::default());
        let counted = came.clone();
        // It ends with the process of the tests.
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, came }
    }

    /// Its address in the spellings that filters miss.
    fn urls(&self) -> Vec<String> {
        let hosts = [
            "127.0.0.1",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "127.0.0.1.nip.io",
            "user@127.0.0.1",
            "api.openai.com@127.0.0.1",
            "127.0.0.1#@api.openai.com",
            "localtest.me",
            "[::ffff:7f00:1]",
        ];
        hosts
            .iter()
            .map(|host| {
                format!(
                    "http://{}",
                    if host.contains('#') {
                        host.replace("127.0.0.1", &format!("127.0.0.1:{}", self.port))
                    } else {
                        format!("{host}:{}/v1", self.port)
                    }
                )
            })
            .collect()
    }
}

const FIELDS: [&str; 18] = [
    "api_base",
    "base_url",
    "api_url",
    "endpoint",
    "url",
    "host",
    "custom_host",
    "azure_endpoint",
    "litellm_params",
    "provider_base_url",
    "proxy",
    "webhook_url",
    "callback_url",
    "aws_bedrock_runtime_endpoint",
    "vertex_location",
    "region_name",
    "custom_llm_provider",
    "api_version",
];
const HEADERS: [&str; 14] = [
    "host",
    "x-forwarded-host",
    "x-portkey-custom-host",
    "x-portkey-config",
    "x-api-base",
    "x-base-url",
    "openai-base-url",
    "x-litellm-api-base",
    "helicone-target-url",
    "helicone-openai-api-base",
    "x-target-url",
    "x-upstream-url",
    "cf-aig-custom-host",
    "forwarded",
];

#[test]
fn no_request_says_where_the_gateway_goes() {
    let (canary, upstream) = (Canary::start(), Upstream::start());
    let model = format!(
        "  - {{model_name: far, litellm_params: {{model: openai/m, api_base: {}/good/v1, api_key: sk-upstream-credential}}}}\n",
        upstream.url()
    );
    let gateway = Managed::with_models("", &model, &[]);
    let key = gateway.key(&json!({}));
    let urls = canary.urls();
    let calls: Vec<String> = rows().filter(|(_, row)| row.policy == Policy::Llm && row.method == "POST").map(|(path, _)| path).collect();
    assert!(calls.len() > 80, "{}", calls.len());
    for (place, path) in calls.iter().enumerate() {
        let path = path.replace("{*model}", "far:generateContent").replace("{model}", "far");
        let mut body = json!({
            "model": "far", "messages": [{"role": "user", "content": "hello"}], "input": "hello", "prompt": "hello", "max_tokens": 5,
            "contents": [{"role": "user", "parts": [{"text": "hello"}]}], "query": "hello", "documents": ["a"], "voice": "v",
        });
        for (at, field) in FIELDS.iter().enumerate() {
            let url = &urls[(place + at) % urls.len()];
            body[*field] = if *field == "litellm_params" { json!({"api_base": url, "base_url": url}) } else { json!(url) };
            body["metadata"][*field] = json!(url);
            body["extra_body"][*field] = json!(url);
        }
        body["fallbacks"] = json!([{"model": "openai/x", "api_base": urls[place % urls.len()], "api_key": "sk-x"}]);
        let mut ask = gateway.app.ask("POST", &path).key(&key);
        for (at, header) in HEADERS.iter().enumerate().skip(1) {
            ask = ask.header(header, &urls[(place + at) % urls.len()]);
        }
        let reply = ask.json(&body).send();
        assert!(reply.status.as_u16() < 600);
    }
    // One by one, on one route.
    for url in &urls {
        for field in FIELDS {
            let mut body = json!({"model": "far", "messages": [{"role": "user", "content": "hello"}]});
            body[field] = json!(url);
            gateway.as_key(&key, "POST", "/v1/chat/completions", &body);
        }
        for header in HEADERS {
            let body = json!({"model": "far", "messages": [{"role": "user", "content": "hello"}]});
            if !url.contains('#') {
                gateway.app.ask("POST", "/v1/chat/completions").key(&key).header(header, url).json(&body).send();
            }
        }
        // Models named like places.
        for model in [
            url.clone(),
            format!("openai/{url}"),
            format!("far@{url}"),
            format!("{url}/far"),
            "../../far".to_owned(),
            "far?x=y#z".to_owned(),
        ] {
            let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
            gateway.as_key(&key, "POST", "/v1/chat/completions", &body);
        }
    }
    assert_eq!(canary.came.load(Ordering::SeqCst), 0, "somebody went where a request said");
    assert!(upstream.asked().len() > 100, "what was asked went where the configuration says");
    // Bifrost #7307: ids with `../`, `?` and `#` in the paths of a provider.
    for (path, _) in upstream.asked() {
        assert!(path.starts_with("/good/v1/") && !path.contains("..") && !path.contains(['?', '#']), "{path}");
    }
}

#[test]
fn media_are_never_fetched_from_within() {
    let canary = Canary::start();
    let gateway = Managed::signing_in("", &[]);
    let key = gateway.key(&json!({}));
    for url in canary.urls() {
        let part = json!([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}, {"type": "file", "file": {"file_url": url}}]);
        let body = json!({"model": "good", "messages": [{"role": "user", "content": part}]});
        for path in ["/v1/chat/completions", "/api/v1/chat/completions"] {
            gateway.as_key(&key, "POST", path, &body);
        }
        let source = json!([{"type": "image", "source": {"type": "url", "url": url}}]);
        let body = json!({"model": "good", "max_tokens": 5, "messages": [{"role": "user", "content": source}]});
        gateway.as_key(&key, "POST", "/v1/messages", &body);
    }
    assert_eq!(canary.came.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_written_through_the_api_resolves_no_reference() {
    // RCEliteLLM: an ordinary user read the server's environment through `os.environ/`.
    let gateway = Managed::signing_in("", &[("CANARY_OF_ENVIRONMENT", "canary-of-the-environment")]);
    for reference in [
        "os.environ/CANARY_OF_ENVIRONMENT",
        "env:CANARY_OF_ENVIRONMENT",
        "${CANARY_OF_ENVIRONMENT}",
        "file:/etc/passwd",
        "vault:secret/x",
        "{{ environ }}",
    ] {
        let made = gateway.post(
            "/key/generate",
            &json!({"key_alias": format!("a {reference}"), "metadata": {"x": reference}, "aliases": {"m": reference}}),
        );
        let key = made["key"].as_str().expect("a key");
        let shown = gateway.as_key(key, "GET", "/key/info", &Value::Null);
        let called = gateway.chat(key, "m");
        let listed = gateway.as_key(MASTER, "GET", "/key/list?return_full_object=true", &Value::Null);
        for reply in [&shown, &called, &listed] {
            assert!(
                !reply.text().contains("canary-of-the-environment") && !reply.text().contains("root:"),
                "{reference}: {}",
                reply.text()
            );
        }
    }
}

#[test]
fn the_gateway_runs_no_program_but_that_of_its_aws_profile() {
    // CVE-2026-42271, CVE-2026-40217, CVE-2024-5751: what cannot be started cannot be made to start something.
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> = ["wire", "engine", "store", "server"].iter().map(|name| crates.join(name).join("src")).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a text");
                // The one program there is: what the AWS profile of whoever runs the gateway names.
                if path.ends_with("sign/aws_profile.rs") {
                    continue;
                }
                for word in ["Command::new", "process::Command", "libc::exec", "CommandExt"] {
                    assert!(!text.contains(word), "{} has {word}", path.display());
                }
            }
        }
    }
}
