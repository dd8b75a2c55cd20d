//! Secrets are nowhere but where they must be (S1, S2; LiteLLM #30670, #31620, #5762, #8075, #15799, #25203, GHSA-69x8-hrgq-fjj8).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use switchboard_server::router::rows;

use crate::managed::{MASTER, Managed};

const PROVIDER_KEY: &str = "sk-canary-provider-7f3a9c51";
const PASSWORD: &str = "canary password 52c1";
const PROMPT: &str = "canary-prompt-6d20e8";
const QUERY_KEY: &str = "sk-canary-in-query-19c4e7d2";
const WRONG_KEY: &str = "sk-canary-wrong-key-88b1";
const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.Y2FuYXJ5LXRva2Vu.c2lnbmF0dXJlLWNhbmFyeQ";
const WRONG_PASSWORD: &str = "canary wrong password 9e07";
const GOOGLE_KEY: &str = "sk-canary-google-header-5aa1";
const BASIC: &str = "Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk";
const AWS_SECRET: &str = "canaryAwsSecret/x9Qd+7yKmT2eLwZbV4nHcRfPgA";
const UPSTREAM_HEADER: &str = "canary-upstream-header-3c80";
const STORED_KEY: &str = "sk-canary-stored-model-d4f9";
const CREDENTIAL: &str = "sk-canary-credential-2b6e";
const BROUGHT_KEY: &str = "sk-canary-brought-along-71c0";
const PEPPER: &str = "canary-pepper-0123456789abcdef-0a";
const SEAL: &str = "canary-sealing-0123456789abcdef-1b";
const CLIENT_SECRET: &str = "canary-client-secret-8d12";
const REDIS_PASSWORD: &str = "canary-redis-password-47fe";
const CODE_VERIFIER: &str = "canary-code-verifier-0123456789-0123456789-0123456789";

/// Everything this process logs, from all its tests.
fn logged() -> Arc<Mutex<Vec<u8>>> {
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    #[derive(Clone)]
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let kept = LOG.get_or_init(|| {
        let kept = Kept(Arc::default());
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG);
        // Where somebody else has set one, there is nothing to look at.
        let _ = subscriber.with_writer(move || writer.clone()).try_init();
        kept.0
    });
    kept.clone()
}

/// A provider that says back everything it was told, with that status.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // It ends with the process of the tests.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 65_536];
            let read = stream.read(&mut request).unwrap_or(0);
            let said = String::from_utf8_lossy(&request[..read]).into_owned();
            let status: u16 = said.split('/').nth(1).and_then(|part| part.parse().ok()).unwrap_or(500);
            let header = said.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization")).unwrap_or_default();
            let key = header.rsplit(' ').next().unwrap_or_default();
            let body =
                json!({"error": {"message": format!("Incorrect API key provided: {key}. You sent {header}"), "type": "x", "code": key}})
                    .to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-key: {key}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    url
}

fn found(text: &[u8], canaries: &[String]) -> Vec<String> {
    let has = |needle: &str| memchr::memmem::find(text, needle.as_bytes()).is_some();
    canaries.iter().filter(|canary| has(canary)).cloned().collect()
}

/// Looks for secrets.
struct Search {
    canaries: Vec<String>,
    leaks: Vec<String>,
    asked: usize,
}

impl Search {
    fn look_in(&mut self, what: &str, text: &[u8]) {
        self.leaks.extend(found(text, &self.canaries).into_iter().map(|canary| format!("{canary} in {what}")));
    }

    fn look(&mut self, what: &str, reply: &crate::app::Reply) {
        let headers: String =
            reply.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap_or_default())).collect();
        let text = format!("{headers}{}\n", reply.text()).into_bytes();
        self.look_in(&format!("the answer to {what}: {}", reply.text()), &text);
    }

    /// Every route, with keys that are good, wrong and spent.
    fn every_route(&mut self, gateway: &Managed, (key, spent, session): (&str, &str, &str)) {
        for (path, row) in rows() {
            let path = path
                .replace("{*model}/", "e500/")
                .replace("{*model}", "e500:generateContent")
                .replace("{model}", "e500")
                .replace("{api_version}", "1alpha");
            let path = path.split('/').map(|part| if part.starts_with('{') { "absent" } else { part }).collect::<Vec<_>>().join("/");
            for (credential, query) in [(key, ""), (WRONG_KEY, ""), (TOKEN, ""), (spent, ""), ("", QUERY_KEY)] {
                let path = if query.is_empty() { path.clone() } else { format!("{path}?key={query}") };
                let mut ask = gateway
                    .app
                    .ask(row.method, &path)
                    .header("x-trace", PROMPT)
                    .header("x-goog-api-key", GOOGLE_KEY)
                    .header("proxy-authorization", &format!("Basic {BASIC}"))
                    .header("cookie", &format!("token={session}; x={WRONG_KEY}"));
                if !credential.is_empty() {
                    ask = ask.key(credential);
                }
                let body = json!({"model": "e500", "messages": [{"role": "user", "content": PROMPT}], "api_key": WRONG_KEY, "key": WRONG_KEY, "password": WRONG_PASSWORD, "username": "admin", "code": WRONG_KEY, "code_verifier": CODE_VERIFIER});
                let reply = if row.method == "GET" { ask.send() } else { ask.json(&body).send() };
                self.asked += 1;
                // What stands in a request's own body may be said back by a provider or an echo, never what it proves itself with.
                self.look(&format!("{} {path}", row.method), &reply);
            }
        }
    }

    /// Every way in which a provider fails.
    fn every_status(&mut self, gateway: &Managed, key: &str, statuses: &[u16]) {
        for status in statuses {
            let model = format!("e{status}");
            for path in ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings", "/v1/completions"] {
                for stream in [false, true] {
                    let body = json!({"model": model, "messages": [{"role": "user", "content": PROMPT}], "input": PROMPT, "prompt": PROMPT, "max_tokens": 5, "stream": stream});
                    for credential in [key, MASTER] {
                        self.look(&format!("{path} {model}"), &gateway.as_key(credential, "POST", path, &body));
                        self.asked += 1;
                    }
                }
            }
        }
    }

    /// The raw bytes of every file below that folder.
    fn every_file(&mut self, when: &str, folder: &std::path::Path) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match std::fs::read(&path) {
                Ok(bytes) => self.look_in(&format!("{} {when}", path.display()), &bytes),
                Err(_) if path.is_dir() => self.every_file(when, &path),
                // What is done with is removed.
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}", path.display()),
            }
        }
    }

    /// What administrators are shown.
    fn every_list(&mut self, gateway: &Managed) {
        for path in [
            "/key/list?return_full_object=true",
            "/user/info?user_id=u",
            "/user/list",
            "/audit?page_size=100",
            "/spend/logs",
            "/model/info",
            "/v1/model/info",
            "/session/list",
            "/openapi.json",
            "/metrics",
            "/health",
            "/health/latest",
            "/global/spend/keys",
            "/routes",
            "/credentials",
            "/credentials/by_name/kept",
            "/v2/model/info",
            "/model_group/info",
            "/config/list?config_type=general_settings",
            "/router/settings",
            "/get/config/callbacks",
            "/api/v1/byok",
            "/api/v1/keys",
            "/spend/logs/v2",
            "/ownership",
            "/health/readiness/details",
        ] {
            self.look(path, &gateway.as_key(MASTER, "GET", path, &Value::Null));
        }
    }
}

const STATUSES: [u16; 15] = [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529];

/// A gateway with a secret of every kind that an operator has.
fn entrusted(upstream: &str) -> Managed {
    let models: Vec<String> = STATUSES
        .iter()
        .map(|status| format!("  - {{model_name: e{status}, litellm_params: {{model: openai/m, api_base: {upstream}/{status}/v1, api_key: {PROVIDER_KEY}}}}}\n"))
        .collect();
    // Secrets of operators, of all kinds.
    let more = format!(
        "  - {{model_name: cloud, litellm_params: {{model: bedrock/us.amazon.nova-lite-v1:0, aws_region_name: us-east-1, \
         aws_access_key_id: AKIACANARY, aws_secret_access_key: {AWS_SECRET}, aws_bedrock_runtime_endpoint: {upstream}/500}}}}\n  \
         - {{model_name: headed, litellm_params: {{model: openai/m, api_base: {upstream}/500/v1, api_key: k, extra_headers: {{x-secret: {UPSTREAM_HEADER}}}}}}}\n\
         router_settings: {{redis_url: 'redis://:{REDIS_PASSWORD}@127.0.0.1:1/0'}}\nlitellm_settings: {{num_retries: 0}}\n"
    );
    let variables = [
        ("UI_PASSWORD", PASSWORD),
        ("SWITCHBOARD_KEY_PEPPER", PEPPER),
        ("SWITCHBOARD_SEALING_KEY", SEAL),
        ("GENERIC_CLIENT_ID", "canary"),
        ("GENERIC_CLIENT_SECRET", CLIENT_SECRET),
        ("GENERIC_AUTHORIZATION_ENDPOINT", "http://127.0.0.1:1/a"),
        ("GENERIC_TOKEN_ENDPOINT", "http://127.0.0.1:1/t"),
        ("GENERIC_USERINFO_ENDPOINT", "http://127.0.0.1:1/u"),
    ];
    let gateway = Managed::with_models("", &format!("{}{more}", models.concat()), &variables);
    gateway.post("/credentials", &json!({"credential_name": "kept", "credential_values": {"api_key": CREDENTIAL, "api_base": format!("{upstream}/500/v1")}, "credential_info": {}}));
    let stored = json!({"model": "openai/m", "api_base": format!("{upstream}/500/v1"), "api_key": STORED_KEY});
    gateway.post("/model/new", &json!({"model_name": "stored", "litellm_params": stored}));
    gateway
        .post("/model/new", &json!({"model_name": "by-name", "litellm_params": {"model": "openai/m", "litellm_credential_name": "kept"}}));
    let brought = gateway.as_key(MASTER, "POST", "/api/v1/byok", &json!({"provider": "openai", "key": BROUGHT_KEY}));
    assert!(brought.status.is_success(), "{}", brought.text());
    gateway
}

#[test]
fn secrets_are_in_no_answer_no_log_and_no_file() {
    let log = logged();
    let gateway = entrusted(&echo());
    let key = gateway.key(&json!({"key_alias": "seen", "max_budget": 0.000_001}));
    let (rotated, deleted, blocked) = (gateway.key(&json!({})), gateway.key(&json!({})), gateway.key(&json!({})));
    let rotating = gateway.post("/key/regenerate", &json!({"key": rotated}))["key"].as_str().expect("a key").to_owned();
    gateway.post("/key/delete", &json!({"keys": [deleted]}));
    gateway.post("/key/block", &json!({"key": blocked}));
    let spent = gateway.key(&json!({"max_budget": 0}));
    gateway.post("/user/new", &json!({"user_id": "u", "user_email": "u@example.com", "password": PASSWORD}));
    let login = gateway.app.ask("POST", "/v2/login").json(&json!({"username": "admin", "password": PASSWORD})).send();
    let session = login.header("set-cookie").split([';', '=']).nth(1).expect("a cookie").to_owned();
    let callers = [&key, &spent, &rotated, &rotating, &deleted, &blocked, &session].map(|text| text.as_str());
    let told = [PASSWORD, WRONG_PASSWORD, PROMPT, QUERY_KEY, WRONG_KEY, GOOGLE_KEY, BASIC, TOKEN, CODE_VERIFIER];
    let operators = [
        PROVIDER_KEY,
        MASTER,
        AWS_SECRET,
        UPSTREAM_HEADER,
        STORED_KEY,
        CREDENTIAL,
        BROUGHT_KEY,
        PEPPER,
        SEAL,
        CLIENT_SECRET,
        REDIS_PASSWORD,
    ];
    let canaries: Vec<String> = callers.iter().chain(&told).chain(&operators).map(|text| (*text).to_owned()).collect();
    assert!(canaries.len() >= 20, "{}", canaries.len());
    let mut search = Search { canaries, leaks: Vec::new(), asked: 0 };
    search.every_route(&gateway, (&key, &spent, &session));
    search.every_status(&gateway, &key, &STATUSES);
    for credential in [&rotated, &rotating, &deleted, &blocked] {
        for (path, model) in [
            ("/v1/chat/completions", "stored"),
            ("/v1/messages", "by-name"),
            ("/v1/responses", "cloud"),
            ("/v1/chat/completions", "headed"),
        ] {
            let body = json!({"model": model, "messages": [{"role": "user", "content": PROMPT}], "input": PROMPT, "max_tokens": 5});
            search.look(path, &gateway.as_key(credential, "POST", path, &body));
        }
    }
    search.every_list(&gateway);
    // What is on the disk while it runs: the database, what was not carried into it yet, the journal.
    search.every_file("while it runs", gateway.place());
    assert!(search.asked >= 500, "{}", search.asked);
    // Time for what is written behind.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let (place, request_log) = gateway.stop();
    search.look_in("the request log", request_log.as_bytes());
    search.look_in("the log", &log.lock().expect("lock"));
    search.every_file("after its end", place.path());
    let leaks = search.leaks;
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks[..leaks.len().min(20)].join("\n"));
}
