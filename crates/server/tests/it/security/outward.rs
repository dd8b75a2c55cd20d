//! No field and no header of a request decides where the gateway goes, nor with what credential (S6, X1; CVE-2024-6587,
//! CVE-2025-66405 and its incomplete fixes, Bifrost GHSA-w98g-5w9p-p3rc).

#[path = "../../../../engine/tests/it/egress/corpus.rs"]
mod corpus;

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

    /// Its address in every spelling known from attacks, and addresses that must never be asked at all.
    fn urls(&self) -> Vec<String> {
        let urls = corpus::urls(self.port);
        assert!(urls.len() >= 200, "{}", urls.len());
        urls
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
    some_on_every_route(&gateway, &key, &urls);
    each_on_one_route(&gateway, &key, &urls);
    assert_eq!(canary.came.load(Ordering::SeqCst), 0, "somebody went where a request said");
    assert!(upstream.asked().len() > 100, "what was asked went where the configuration says");
    // Bifrost #7307: ids with `../`, `?` and `#` in the paths of a provider.
    for (path, _) in upstream.asked() {
        assert!(path.starts_with("/good/v1/") && !path.contains("..") && !path.contains(['?', '#']), "{path}");
    }
}

/// Every field and every header on every route that calls models, with some of the addresses.
fn some_on_every_route(gateway: &Managed, key: &str, urls: &[String]) {
    let calls: Vec<String> = rows().filter(|(_, row)| row.policy == Policy::Llm && row.method == "POST").map(|(path, _)| path).collect();
    assert!(calls.len() > 80, "{}", calls.len());
    for (place, path) in calls.iter().enumerate() {
        let path = path.replace("{*model}/", "far/").replace("{*model}", "far:generateContent").replace("{api_version}", "1alpha");
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
        let mut ask = gateway.app.ask("POST", &path).key(key);
        for (at, header) in HEADERS.iter().enumerate().skip(1) {
            ask = ask.header(header, &urls[(place + at) % urls.len()]);
        }
        let reply = ask.json(&body).send();
        assert!(reply.status.as_u16() < 600);
    }
}

/// Each of the addresses in every field and every header, on one route.
fn each_on_one_route(gateway: &Managed, key: &str, urls: &[String]) {
    let chat = |key: &str| gateway.app.ask("POST", "/v1/chat/completions").key(key);
    for (at, url) in urls.iter().enumerate() {
        let plain = json!({"model": "far", "messages": [{"role": "user", "content": "hello"}]});
        let mut body = plain.clone();
        for field in FIELDS {
            body[field] = if field == "litellm_params" { json!({"api_base": url, "base_url": url}) } else { json!(url) };
        }
        chat(key).json(&body).send();
        // One by one, where another field might hide what this one does: some for each of them.
        body = plain.clone();
        let field = FIELDS[at % FIELDS.len()];
        body[field] = json!(url);
        chat(key).json(&body).send();
        if url.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            chat(key).header(HEADERS[at % HEADERS.len()], url).json(&plain).send();
            let all = HEADERS.iter().skip(1).fold(chat(key), |ask, header| ask.header(header, url));
            all.json(&plain).send();
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
            gateway.as_key(key, "POST", "/v1/chat/completions", &body);
        }
    }
}

#[test]
fn media_are_never_fetched_from_within() {
    let (canary, upstream) = (Canary::start(), Upstream::start());
    let model = |name: &str, model: &str, path: &str| {
        let place = upstream.url();
        format!("  - {{model_name: {name}, litellm_params: {{model: {model}, api_base: {place}{path}, api_key: k}}}}\n")
    };
    // One that takes only bytes, one that looks URLs up itself, one within the gateway.
    // What its provider answers in other forms is nonsense, which need not be asked for twice.
    let models =
        model("bytes", "ollama_chat/llava", "") + &model("looks-up", "openai/m", "/good/v1") + "litellm_settings: {num_retries: 0}\n";
    let gateway = Managed::with_models("", &models, &[]);
    let key = gateway.key(&json!({}));
    for (at, url) in canary.urls().iter().enumerate() {
        // Whoever takes only bytes has them brought: that is where somebody would go.
        let model = ["bytes", "bytes", "looks-up", "good"][at % 4];
        let parts = json!([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}, {"type": "file", "file": {"file_url": url}}]);
        let spoken = json!([{"type": "input_audio", "input_audio": {"url": url}}, {"type": "video_url", "video_url": {"url": url}}]);
        for path in ["/v1/chat/completions", "/api/v1/chat/completions"] {
            for content in [&parts, &spoken] {
                gateway.as_key(&key, "POST", path, &json!({"model": model, "messages": [{"role": "user", "content": content}]}));
            }
        }
        let source =
            json!([{"type": "image", "source": {"type": "url", "url": url}}, {"type": "document", "source": {"type": "url", "url": url}}]);
        gateway.as_key(
            &key,
            "POST",
            "/v1/messages",
            &json!({"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": source}]}),
        );
        let input =
            json!([{"role": "user", "content": [{"type": "input_image", "image_url": url}, {"type": "input_file", "file_url": url}]}]);
        gateway.as_key(&key, "POST", "/v1/responses", &json!({"model": model, "input": input}));
        let contents = json!([{"role": "user", "parts": [{"fileData": {"fileUri": url, "mimeType": "image/png"}}]}]);
        gateway.as_key(&key, "POST", &format!("/v1beta/models/{model}:generateContent"), &json!({"contents": contents}));
        gateway.as_key(&key, "POST", "/v1/embeddings", &json!({"model": model, "input": [{"image": url}], "image": url}));
        let where_to = json!({"callback_url": url, "webhook": url, "code_challenge": "x"});
        gateway.as_key(&key, "POST", "/api/v1/auth/keys/code", &where_to);
    }
    assert_eq!(canary.came.load(Ordering::SeqCst), 0);
    // It is the address that is refused: where an operator allows it, somebody comes.
    let port = canary.port;
    let allowed = format!("switchboard: {{media: {{allow_http: true, private_hosts: [127.0.0.1], ports: [{port}]}}}}\n");
    let gateway = Managed::with_models("", &format!("{models}{allowed}"), &[]);
    let look = json!([{"type": "image_url", "image_url": {"url": format!("http://127.0.0.1:{port}/a.png")}}]);
    gateway.as_key(MASTER, "POST", "/v1/chat/completions", &json!({"model": "bytes", "messages": [{"role": "user", "content": look}]}));
    assert!(canary.came.load(Ordering::SeqCst) > 0, "nothing was fetched at all");
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
