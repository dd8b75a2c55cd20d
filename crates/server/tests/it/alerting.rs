//! Alerts over webhooks: each once, signed, again after a failure, and in nobody's way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ring::hmac;
use serde_json::{Value, json};
use switchboard_server::money::credits;

use crate::managed::{MASTER, Managed};
use crate::upstream::Upstream;

const SECRET: &str = "a-webhook-secret-of-tests";

/// Headers and body.
type Letter = (Vec<String>, String);

/// A sink that keeps what it is told, headers and body, and fails as often as it is told to.
struct Sink {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Letter>>>,
    stopping: Arc<AtomicBool>,
}

impl Sink {
    fn start(failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let sink = Self { address: listener.local_addr().expect("an address"), told: Arc::default(), stopping: Arc::default() };
        let (told, stopping, mut left) = (sink.told.clone(), sink.stopping.clone(), failures);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                let Some(letter) = read(&stream.expect("a connection"), left > 0) else { continue };
                left = left.saturating_sub(1);
                told.lock().expect("lock").push(letter);
            }
        });
        sink
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What was told, once that many have come.
    fn told(&self, count: usize) -> Vec<Letter> {
        let began = Instant::now();
        while self.told.lock().expect("lock").len() < count {
            assert!(began.elapsed() < Duration::from_secs(60), "told so far: {:?}", self.told.lock().expect("lock"));
            std::thread::sleep(Duration::from_millis(5));
        }
        self.told.lock().expect("lock").clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes it up.
        let _ = TcpStream::connect(self.address);
    }
}

fn read(stream: &TcpStream, fails: bool) -> Option<Letter> {
    let mut reader = BufReader::new(stream);
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_owned();
        if line.is_empty() {
            break;
        }
        if let Some(said) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = said.trim().parse().ok()?;
        }
        headers.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let status = if fails { "500 Internal Server Error" } else { "200 OK" };
    let mut stream = stream;
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).ok()?;
    Some((headers, String::from_utf8(body).ok()?))
}

fn telling(sink: &Sink) -> Managed {
    telling_with("  alerting: [webhook]\n", "", sink)
}

fn telling_with(general: &str, more: &str, sink: &Sink) -> Managed {
    let url = sink.url();
    let models = format!("  - {{model_name: cent, litellm_params: {{model: demo/echo, input_cost_per_request: 0.01}}}}\n{more}");
    let gateway = Managed::with_models(general, &models, &[("WEBHOOK_URL", &url), ("SWITCHBOARD_WEBHOOK_SECRET", SECRET)]);
    // Whether anybody is told is looked at on a thread of its own.
    let began = Instant::now();
    while !gateway.app.gate().app.alerts.are_heard() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    gateway
}

fn events(told: &[(Vec<String>, String)]) -> Vec<Value> {
    told.iter().map(|(_, body)| serde_json::from_str(body).expect("JSON")).collect()
}

#[test]
fn budgets_are_told_once_signed_and_without_secrets() {
    let sink = Sink::start(0);
    let gateway = telling(&sink);
    let key = gateway.key(&json!({"key_alias": "al", "max_budget": 0.03, "soft_budget": 0.01, "user_id": "u"}));
    let statuses: Vec<u16> = (0..5).map(|_| gateway.chat(&key, "cent").status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 422, 422]);
    let told = sink.told(2);
    let mut events = events(&told);
    events.sort_by_key(|event| event["event"].to_string());
    assert_eq!(
        events.iter().map(|event| event["event"].as_str().expect("text")).collect::<Vec<_>>(),
        ["budget_crossed", "soft_budget_crossed"]
    );
    let crossed = &events[0];
    assert_eq!((&crossed["event_group"], &crossed["key_alias"], &crossed["user_id"]), (&json!("key"), &json!("al"), &json!("u")));
    assert_eq!((&crossed["max_budget"], &crossed["spend"]), (&json!(0.03), &json!(0.03)));
    assert_eq!(crossed["event_message"], "Key Budget: Budget Crossed Total Budget:`0.03`");
    assert_eq!(crossed["token"].as_str().map(str::len), Some(64), "the hash and not the key");
    for (headers, body) in &told {
        assert!(!body.contains(&key) && !headers.iter().any(|header| header.contains(&key)));
        let header = |name: &str| headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).expect("a header").to_owned();
        let (at, proof) = (header("x-switchboard-timestamp"), header("x-switchboard-signature"));
        let signing = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), format!("{at}.{body}").as_bytes());
        let hex: String = signing.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(proof, format!("t={at},v1={hex}"));
    }
    // What was told before a restart is not told again after it.
    assert_eq!(gateway.chat(&key, "cent").status, 422);
    let other = gateway.key(&json!({"max_budget": 0.01}));
    assert_eq!(gateway.chat(&other, "cent").status, 200);
    assert_eq!(sink.told(3).len(), 3, "the other key's, and nothing twice");
}

#[test]
fn a_sink_that_fails_is_tried_again_and_one_that_is_down_holds_nobody_up() {
    let sink = Sink::start(2);
    let gateway = telling(&sink);
    let key = gateway.key(&json!({"max_budget": 0.01}));
    assert_eq!(gateway.chat(&key, "cent").status, 200);
    let told = sink.told(3);
    assert_eq!(told[0].1, told[2].1, "the same again");
    drop(sink);
    for _ in 0..20 {
        let key = gateway.key(&json!({"max_budget": 0.01}));
        assert_eq!(gateway.chat(&key, "cent").status, 200);
    }
}

#[test]
fn keys_that_expire_soon_are_told() {
    let sink = Sink::start(0);
    let gateway = telling(&sink);
    gateway.key(&json!({"key_alias": "late", "duration": "30d"}));
    let soon = gateway.key(&json!({"key_alias": "soon", "duration": "1h"}));
    gateway.app.gate().app.alerts.look_at_keys();
    let events = events(&sink.told(1));
    assert_eq!((events.len(), &events[0]["event"], &events[0]["key_alias"]), (1, &json!("key_expiry"), &json!("soon")));
    assert!(!events[0].to_string().contains(&soon));
}

/// Alerts that could not be told so far.
fn failed(gateway: &Managed) -> u64 {
    let page = gateway.as_key(MASTER, "GET", "/metrics", &Value::Null).text().to_owned();
    let line = page.lines().find_map(|line| line.strip_prefix("switchboard_alerts_failed_total "));
    line.and_then(|count| count.parse::<f64>().ok()).map_or(0, |count| count as u64)
}

/// SSRF: who may set addresses over the API could have the gateway post to what only the gateway reaches.
#[test]
fn an_address_that_came_over_the_api_must_be_a_public_one() {
    let (trusted, within) = (Sink::start(0), Sink::start(0));
    let gateway = telling_with("  alerting: [webhook, slack]\n", "", &trusted);
    let port = within.address.port();
    let inner = [
        within.url(),
        format!("http://localhost:{port}/hook"),
        format!("http://[::ffff:127.0.0.1]:{port}/hook"),
        format!("http://2130706433:{port}/hook"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://127.0.0.1/hook".to_owned(),
    ];
    for (number, address) in inner.iter().enumerate() {
        gateway.post("/config/update", &json!({"general_settings": {"alert_to_webhook_url": {"budget_alerts": address}}}));
        let before = failed(&gateway);
        let key = gateway.key(&json!({"max_budget": 0.01}));
        assert_eq!(gateway.chat(&key, "cent").status, 200);
        trusted.told(number + 1);
        let began = Instant::now();
        while failed(&gateway) == before {
            assert!(began.elapsed() < Duration::from_secs(60), "{address} was not given up");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(within.told(0).len(), 0, "{address}");
    }
}

#[test]
fn a_balance_that_is_low_is_told_once() {
    let sink = Sink::start(0);
    let gateway = telling(&sink);
    gateway.post("/team/new", &json!({"team_id": "t"}));
    gateway.post("/credits/topup", &json!({"team_id": "t", "amount": 0.05, "low_balance": 0.04}));
    let key = gateway.key(&json!({"team_id": "t"}));
    for _ in 0..2 {
        assert_eq!(gateway.chat(&key, "cent").status, 200);
    }
    // Balances are looked at every few seconds; here now, and once more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for _ in 0..2 {
        runtime.block_on(credits::sweep(&gateway.app.gate().app, true)).expect("a look");
    }
    let events = events(&sink.told(1));
    let told = &events[0];
    assert_eq!(
        (events.len(), &told["event"], &told["event_group"], &told["team_id"]),
        (1, &json!("low_balance"), &json!("team"), &json!("t"))
    );
    assert_eq!(told["balance"], json!(0.03));
    assert!(!told.to_string().contains(&key));
}

#[test]
fn a_deployment_that_is_shut_out_is_told_once() {
    let (sink, upstream) = (Sink::start(0), Upstream::start());
    let params = format!("{{model: openai/gpt-4o-mini, api_key: of-the-provider, api_base: {}/bad/v1}}", upstream.url());
    let model = format!("  - {{model_name: ill, litellm_params: {params}, model_info: {{id: ill-1}}}}\n");
    let gateway = telling_with("  alerting: [webhook]\n", &model, &sink);
    for _ in 0..8 {
        assert!(gateway.chat(MASTER, "ill").status.is_server_error());
    }
    let told = sink.told(1);
    let events = events(&told);
    let outage = &events[0];
    assert_eq!(
        (&outage["event"], &outage["model_id"], &outage["model_group"]),
        (&json!("deployment_outage"), &json!("ill-1"), &json!("ill"))
    );
    assert!(!told[0].1.contains("of-the-provider"), "no credential");
    assert_eq!(sink.told(1).len(), 1, "one outage is told once");
}
