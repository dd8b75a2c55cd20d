//! Requests that a provider answers later: held when they are asked for, charged when their provider tells what they took.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::charged::close;
use crate::managed::{MASTER, Managed, with};
use crate::scripted::next_request;
use crate::spending::until;

type Shelf = Arc<Mutex<HashMap<String, String>>>;
type Asked = Arc<Mutex<Vec<String>>>;

/// A provider on loopback that has an answer for each method and path, and 404 for others.
struct Provider {
    address: SocketAddr,
    shelf: Shelf,
    asked: Asked,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (shelf, asked, stopping) = (Shelf::default(), Asked::default(), Arc::<AtomicBool>::default());
        let (kept, noted, stop) = (shelf.clone(), asked.clone(), stopping.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (kept, noted) = (kept.clone(), noted.clone());
                // A client may leave whenever it wants.
                std::thread::spawn(move || answer(&stream.expect("a connection"), &kept, &noted));
            }
        });
        Self { address, shelf, asked, stopping, thread: Some(thread) }
    }

    /// The variables by which it is everybody's API.
    fn variables(&self) -> String {
        let url = format!("http://{}", self.address);
        format!(
            "environment_variables: {{OPENAI_API_BASE: '{url}/v1', OPENAI_API_KEY: k, ANTHROPIC_API_BASE: '{url}', ANTHROPIC_API_KEY: k, \
             GEMINI_API_BASE: '{url}/v1beta', GEMINI_API_KEY: k, AWS_BEDROCK_RUNTIME_ENDPOINT: '{url}', AWS_BEARER_TOKEN_BEDROCK: k, \
             AWS_REGION: us-east-1}}\n"
        )
    }

    fn has(&self, request: &str, answer: &str) {
        self.shelf.lock().expect("lock").insert(request.to_owned(), answer.to_owned());
    }

    fn tells(&self, request: &str, answer: &Value) {
        self.has(request, &answer.to_string());
    }

    /// How often that was asked for.
    fn times(&self, request: &str) -> usize {
        self.asked.lock().expect("lock").iter().filter(|asked| *asked == request).count()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes it up; that it has gone already says the same.
        let _ = TcpStream::connect(self.address);
        self.thread.take().expect("running").join().expect("stopped");
    }
}

fn answer(stream: &TcpStream, shelf: &Shelf, asked: &Asked) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(first) = next_request(&mut reader)? {
        let request = first.rsplit_once(' ').map_or("", |(request, _)| request);
        asked.lock().expect("lock").push(request.to_owned());
        let found = shelf.lock().expect("lock").get(request).cloned();
        let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
        let body = found.unwrap_or_else(|| r#"{"error": {"message": "there is no such thing"}}"#.to_owned());
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut stream = stream;
        stream.write_all(format!("{head}{body}").as_bytes())?;
    }
    Ok(())
}

fn lines(all: &[Value]) -> String {
    all.iter().map(|line| format!("{line}\n")).collect()
}

fn spent(gateway: &Managed, key: &str) -> f64 {
    gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].as_f64().unwrap_or_default()
}

/// What is charged for a job until it is told what it took.
fn held(gateway: &Managed, key: &str) -> f64 {
    until(gateway, &format!("/key/info?key={key}"), |info| info["info"]["spend"].as_f64() > Some(0.0));
    spent(gateway, key)
}

fn ask(gateway: &Managed, key: &str, method: &str, path: &str, body: &Value) -> Value {
    let reply = gateway.as_key(key, method, path, body);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

fn asked_of_openai(most: u64) -> String {
    let line = |id: &str| {
        json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": "gpt-4o", "max_tokens": most, "messages": [{"role": "user", "content": "hi"}]}})
    };
    lines(&[line("a"), line("b"), line("c")])
}

fn answered_by_openai() -> String {
    let chat = |input: u64, output: u64| {
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
            "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}]})
    };
    let line = |body: Value| json!({"id": "r", "custom_id": "a", "response": {"status_code": 200, "body": body}, "error": null});
    let failed = json!({"id": "r", "custom_id": "c", "response": {"status_code": 400, "body": {"error": {}}}, "error": null});
    lines(&[line(chat(1000, 500)), failed, line(chat(2000, 100))])
}

#[test]
fn a_batch_is_charged_when_it_is_told_what_it_took() {
    let provider = Provider::start();
    with(&provider.variables(), |gateway| {
        provider.has("GET /v1/files/file-in/content", &asked_of_openai(1000));
        provider.has("GET /v1/files/file-out/content", &answered_by_openai());
        let job = json!({"input_file_id": "file-in", "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        let limited = (json!({"max_budget": 1}), "/v1/batches", "batch_1", 0.015..0.017);
        let free = (json!({}), "/openai/v1/batches", "batch_2", 0.0..0.001);
        for (terms, path, id, most) in [limited, free] {
            let batch = |status: &str, output: Value| {
                json!({"id": id, "object": "batch", "status": status, "input_file_id": "file-in", "output_file_id": output,
                    "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}})
            };
            provider.tells("POST /v1/batches", &batch("validating", json!(null)));
            provider.tells(&format!("GET /v1/batches/{id}"), &batch("in_progress", json!(null)));
            let (key, other) = (gateway.key(&terms), gateway.key(&json!({})));
            ask(gateway, &key, "POST", path, &job);
            let held = held(gateway, &key);
            assert!(most.contains(&held), "{path}: {held}");
            ask(gateway, &other, "GET", &format!("{path}/{id}"), &json!({}));
            assert!(close(spent(gateway, &key), held), "it is not over");
            // Half of what the models cost, whoever asks.
            let before = provider.times("GET /v1/files/file-out/content");
            provider.tells("GET /v1/batches", &json!({"object": "list", "data": [batch("completed", json!("file-out"))]}));
            provider.tells(&format!("GET /v1/batches/{id}"), &batch("completed", json!("file-out")));
            for place in [format!("{path}/{id}"), path.to_owned(), format!("{path}/{id}")] {
                ask(gateway, &other, "GET", &place, &json!({}));
                assert!(close(spent(gateway, &key), 0.006_75), "{place}: {}", spent(gateway, &key));
            }
            assert_eq!(provider.times("GET /v1/files/file-out/content") - before, 1, "once");
            assert!(close(spent(gateway, &other), 0.0));
        }
    });
}

/// Many who ask at once, of more than one gateway where they share a database, and answers that do not say what they took.
#[test]
fn a_batch_is_charged_once_and_never_less_than_is_known() {
    let provider = Provider::start();
    with(&provider.variables(), |gateway| {
        provider.has("GET /v1/files/file-in/content", &asked_of_openai(1000));
        provider.has("GET /v1/files/file-out/content", &answered_by_openai());
        let untold = json!({"custom_id": "b", "response": {"status_code": 200, "body": {"object": "chat.completion"}}});
        provider.has("GET /v1/files/file-some/content", &format!("{}{untold}", answered_by_openai()));
        let job = json!({"input_file_id": "file-in", "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        let other = gateway.another();
        for (id, file) in [("batch_many", "file-out"), ("batch_some", "file-some"), ("batch_lost", "file-gone")] {
            let batch = |status: &str, output: Value| json!({"id": id, "object": "batch", "status": status, "output_file_id": output});
            provider.tells("POST /v1/batches", &batch("validating", json!(null)));
            provider.tells(&format!("GET /v1/batches/{id}"), &batch("cancelled", json!(file)));
            let key = gateway.key(&json!({"max_budget": 1}));
            ask(gateway, &key, "POST", "/v1/batches", &job);
            let held = held(gateway, &key);
            std::thread::scope(|scope| {
                for one in [Some(gateway), other.as_ref(), Some(gateway), other.as_ref()].into_iter().flatten() {
                    scope.spawn(move || ask(one, MASTER, "GET", &format!("/v1/batches/{id}"), &json!({})));
                }
            });
            let wanted = if id == "batch_many" { 0.006_75 } else { held };
            assert!(close(spent(gateway, &key), wanted), "{id}: {} of {held}", spent(gateway, &key));
        }
        // What failed as a whole has taken nothing.
        provider.tells("POST /v1/batches", &json!({"id": "batch_none", "object": "batch", "status": "validating"}));
        provider.tells(
            "GET /v1/batches/batch_none",
            &json!({"id": "batch_none", "object": "batch", "status": "failed", "output_file_id": null}),
        );
        let key = gateway.key(&json!({"max_budget": 1}));
        ask(gateway, &key, "POST", "/v1/batches", &job);
        assert!(held(gateway, &key) > 0.01);
        ask(gateway, &key, "GET", "/v1/batches/batch_none", &json!({}));
        assert!(close(spent(gateway, &key), 0.0), "{}", spent(gateway, &key));
    });
}

#[test]
fn a_batch_for_which_there_is_no_money_is_refused() {
    let provider = Provider::start();
    with(&provider.variables(), |gateway| {
        provider.has("GET /v1/files/file-in/content", &asked_of_openai(1000));
        provider.tells("POST /v1/batches", &json!({"id": "batch_1", "object": "batch", "status": "validating"}));
        provider.tells("POST /async-invoke", &json!({"invocationArn": "arn:x"}));
        let (poor, free) = (gateway.key(&json!({"max_budget": 0.01})), gateway.key(&json!({})));
        let before = provider.times("POST /v1/batches");
        let job = |file: &str| json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        let refused = |path: &str, body: &Value| gateway.as_key(&poor, "POST", path, body);
        let reply = refused("/openai/v1/batches", &job("file-in"));
        assert!([402, 422, 429].contains(&reply.status.as_u16()), "{}", reply.text());
        // What cannot be read, nobody can hold.
        for file in ["file-gone", "../files", "file-in/../x"] {
            let reply = refused("/openai/v1/batches", &job(file));
            assert_eq!((reply.status.as_u16(), reply.json()["error"]["code"].as_str()), (400, Some("job_unreadable")), "{}", reply.text());
        }
        let film = json!({"modelId": "amazon.nova-reel-v1:0", "modelInput": {"taskType": "TEXT_VIDEO"}});
        assert_eq!(refused("/bedrock/async-invoke", &film).status, 400);
        assert_eq!(provider.times("POST /v1/batches"), before, "nothing was asked for");
        ask(gateway, &free, "POST", "/openai/v1/batches", &job("file-gone"));
        ask(gateway, &free, "POST", "/bedrock/async-invoke", &film);
        assert!(close(spent(gateway, &poor), 0.0));
    });
}

#[test]
fn answers_of_a_batch_are_shown_when_they_are_charged() {
    let provider = Provider::start();
    with(&provider.variables(), |gateway| {
        let model = "claude-sonnet-4-5";
        let one = |model: &str| json!({"custom_id": "a", "params": {"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}});
        let batch = json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress", "results_url": null});
        let took = json!({"input_tokens": 1000, "output_tokens": 500, "service_tier": "batch"});
        let message = json!({"id": "m", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn",
            "stop_sequence": null, "content": [{"type": "text", "text": "fine"}], "usage": took});
        let answers = [
            json!({"custom_id": "a", "result": {"type": "succeeded", "message": message}}),
            json!({"custom_id": "b", "result": {"type": "expired"}}),
        ];
        provider.tells("POST /v1/messages/batches", &batch);
        provider.has("GET /v1/messages/batches/msgbatch_1/results", &lines(&answers));
        let key = gateway.key(&json!({"max_budget": 1, "models": [model]}));
        let path = "/anthropic/v1/messages/batches";
        let other = json!({"requests": [one(model), one("claude-opus-4-1")]});
        assert_eq!(gateway.as_key(&key, "POST", path, &other).status, 403, "models are what the requests name");
        ask(gateway, &key, "POST", path, &json!({"requests": [one(model), one(model)]}));
        let held = held(gateway, &key);
        assert!((0.015..0.017).contains(&held), "{held}");
        let reply = gateway.as_key(MASTER, "GET", &format!("{path}/msgbatch_1/results"), &json!({}));
        assert_eq!(reply.text(), lines(&answers));
        assert!(close(spent(gateway, &key), (0.003 + 0.0075) / 2.0), "{}", spent(gateway, &key));
    });
}

#[test]
fn a_batch_of_which_its_job_has_the_answers_is_charged_by_them() {
    let provider = Provider::start();
    with(&provider.variables(), |gateway| {
        let contents = json!({"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 1000}});
        let job = json!({"batch": {"displayName": "x", "inputConfig": {"requests": {"requests": [{"request": contents}]}}}});
        let named = json!({"name": "batches/1", "metadata": {"model": "models/gemini-2.5-flash", "state": "BATCH_STATE_PENDING"}});
        provider.tells("POST /v1beta/models/gemini-2.5-flash:batchGenerateContent", &named);
        let answer = |usage: Value| {
            json!({"response": {"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}],
            "modelVersion": "gemini-2.5-flash", "usageMetadata": usage}})
        };
        let told = answer(json!({"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}));
        let over = json!({"name": "batches/1", "metadata": named["metadata"], "done": true,
            "response": {"inlinedResponses": {"inlinedResponses": [told, {"error": {"code": 3}}]}}});
        provider.tells("GET /v1beta/batches/1", &over);
        let key = gateway.key(&json!({"max_budget": 1}));
        ask(gateway, &key, "POST", "/gemini/v1beta/models/gemini-2.5-flash:batchGenerateContent", &job);
        assert!(held(gateway, &key) > 0.001, "{}", spent(gateway, &key));
        assert_eq!(ask(gateway, &key, "GET", "/gemini/v1beta/batches/1", &json!({})), over);
        assert!(close(spent(gateway, &key), (0.000_3 + 0.000_25) / 2.0), "{}", spent(gateway, &key));
    });
}
