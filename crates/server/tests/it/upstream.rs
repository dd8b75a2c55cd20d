//! A provider on loopback that answers what OpenAI would, and keeps what it was asked.
//!
//! The first segment of a path is the order: `/good` succeeds, `/bad` fails with 500, `/refusing` with 400, `/limited` with 429 for a minute,
//! `/slow` takes its time, `/slower` more, `/held` until it is let go, `/dead` more than anybody has. `/thinks` calls every request one for thought,
//! `/pausing` rests in the middle of a stream, `/ponders` thinks before it says something, `/marks` marks two answers alike, `/denied` denies what is asked for as forbidden or flagged, `/vectors` tells code from other texts, `/cached` had some of every prompt in its cache,
//! `/long` says that the prompt is too long, `/told` answers what the prompt tells it to, `/stalls` refuses piece by piece and rests before the last one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use serde_json::json;
use switchboard_engine::wire::framing::write_aws_message;

type Asked = Arc<Mutex<Vec<(String, String)>>>;
/// The headers of each request.
type Heads = Arc<Mutex<Vec<Vec<(String, String)>>>>;

/// A running provider. Dropped, it stops.
pub(crate) struct Upstream {
    address: SocketAddr,
    asked: Asked,
    keys: Arc<Mutex<Vec<String>>>,
    heads: Heads,
    stopping: Arc<AtomicBool>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, keys, stopping) = (Asked::default(), Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let gate: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let (kept, shown, stop, held) = (asked.clone(), keys.clone(), stopping.clone(), gate.clone());
        let heads = Heads::default();
        let headed = heads.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (kept, shown, held, headed) = (kept.clone(), shown.clone(), held.clone(), headed.clone());
                std::thread::spawn(move || {
                    // A client may leave whenever it wants.
                    let _ = answer(&stream.expect("a connection"), (&kept, &shown, &headed), &held);
                });
            }
        });
        Self { address, asked, keys, heads, stopping, gate, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The credential of every request that had one, in the order they came.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().expect("lock").clone()
    }

    /// What the last request had under that header; nothing where it had none.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let heads = self.heads.lock().expect("lock");
        let found = heads.last().expect("a request").iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    /// The headers of every request.
    pub(crate) fn heads(&self) -> Vec<Vec<(String, String)>> {
        self.heads.lock().expect("lock").clone()
    }

    /// Lets go of what is held, and holds nothing from now on.
    pub(crate) fn let_go(&self) {
        *self.gate.0.lock().expect("lock") = true;
        self.gate.1.notify_all();
    }

    /// Path and body of every request.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().expect("lock").clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.let_go();
        // Wakes it up; that it has gone already says the same.
        let _ = TcpStream::connect(self.address);
        self.thread.take().expect("running").join().expect("stopped");
    }
}

fn answer(
    stream: &TcpStream,
    (asked, keys, heads): (&Asked, &Mutex<Vec<String>>, &Heads),
    gate: &(Mutex<bool>, Condvar),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut key) = (0, String::new());
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            head.push((name.to_owned(), value.trim().to_owned()));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
            if ["authorization", "x-api-key", "x-goog-api-key", "api-key"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
                value.trim().clone_into(&mut key);
                keys.lock().expect("lock").push(key.clone());
            }
        }
        heads.lock().expect("lock").push(head);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let (status, kind, reply) = if key.contains("refused") { refusal() } else { reply(&path, &body) };
        let (held, pauses, stalls) = (path.starts_with("/held"), path.starts_with("/pausing"), path.starts_with("/stalls"));
        asked.lock().expect("lock").push((path, body));
        if held {
            drop(gate.1.wait_while(gate.0.lock().expect("lock"), |open| !*open).expect("lock"));
        }
        if stalls {
            let frame = "data: {\"error\": {\"message\": \"slow down\"}}\n\n";
            let head = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            (&mut &*stream).write_all(format!("{head}{frame}").as_bytes())?;
            std::thread::sleep(Duration::from_secs(4));
            return Ok(());
        }
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", reply.len());
        let mut stream = stream;
        if pauses {
            let middle = reply.windows(2).position(|two| two == b"\n\n").map_or(0, |at| at + 2);
            stream.write_all(&[head.as_bytes(), &reply[..middle]].concat())?;
            std::thread::sleep(Duration::from_millis(2500));
            stream.write_all(&reply[middle..])?;
            continue;
        }
        stream.write_all(&[head.as_bytes(), &reply].concat())?;
    }
}

/// Whoever shows a key that says so is refused.
fn refusal() -> (&'static str, &'static str, Vec<u8>) {
    let problem = json!({"error": {"message": "Incorrect API key provided", "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}});
    ("401 Unauthorized", "application/json", problem.to_string().into_bytes())
}

/// A prompt that is too long, in the words of Google or of one who speaks OpenAI's form.
fn too_long(path: &str) -> (&'static str, &'static str, Vec<u8>) {
    let problem = if path.contains(":generateContent") {
        let message = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).";
        json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}})
    } else {
        let message = "This model's maximum prompt length is 131072 but the request contains 150000 tokens.";
        json!({"error": message, "code": "Client specified an invalid argument"})
    };
    ("400 Bad Request", "application/json", problem.to_string().into_bytes())
}

/// A model that the account may not have, and a prompt that nobody may send.
fn denied(body: &str) -> Option<(&'static str, &'static str, Vec<u8>)> {
    let problem = match () {
        () if body.contains("forbidden") => {
            let message = "Project `proj_x` does not have access to model `forbidden`";
            json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": "access_denied"}})
        }
        () if body.contains("flagged") => {
            let message = "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO";
            json!({"code": "The caller does not have permission to execute the specified operation", "error": message})
        }
        () => return None,
    };
    Some(("403 Forbidden", "application/json", problem.to_string().into_bytes()))
}

/// What fails whatever is asked.
fn failing(path: &str) -> Option<(&'static str, &'static str, Vec<u8>)> {
    const JSON: &str = "application/json";
    if path.starts_with("/bad") {
        let problem = json!({"error": {"message": "scripted failure", "type": "server_error", "param": null, "code": null}});
        return Some(("500 Internal Server Error", JSON, problem.to_string().into_bytes()));
    }
    if path.starts_with("/refusing") {
        let problem = json!({"error": {"message": "scripted refusal", "type": "invalid_request_error", "param": null, "code": null}});
        return Some(("400 Bad Request", JSON, problem.to_string().into_bytes()));
    }
    if path.starts_with("/limited") {
        let problem = json!({"error": {"message": "scripted limit", "type": "rate_limit_error", "param": null, "code": null}});
        return Some(("429 Too Many Requests\r\nretry-after: 60\r\nx-request-id: up-1", JSON, problem.to_string().into_bytes()));
    }
    None
}

fn reply(path: &str, body: &str) -> (&'static str, &'static str, Vec<u8>) {
    const JSON: &str = "application/json";
    if let Some(failure) = failing(path) {
        return failure;
    }
    if path.starts_with("/long") {
        return too_long(path);
    }
    if path.starts_with("/denied")
        && let Some(denied) = denied(body)
    {
        return denied;
    }
    if path.starts_with("/slow") {
        std::thread::sleep(Duration::from_millis(if path.starts_with("/slower") { 1_000 } else { 60 }));
    }
    if path.starts_with("/dead") {
        std::thread::sleep(Duration::from_secs(5));
    }
    if path.starts_with("/told") {
        let asked = serde_json::from_str(body).expect("JSON");
        let answer = told(&asked).unwrap_or_else(|| panic!("no answer in {asked}"));
        let kind = if answer.starts_with('{') { JSON } else { "text/event-stream" };
        return ("200 OK", kind, answer.as_bytes().to_vec());
    }
    let mut usage = json!({"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25});
    if path.starts_with("/cached") {
        usage["prompt_tokens_details"] = json!({"cached_tokens": 3});
    }
    if let Some(answer) = of_others(path, body) {
        return answer;
    }
    let value = match path.rsplit('/').next().unwrap_or_default() {
        "embeddings" if path.starts_with("/vectors") => {
            let asked: serde_json::Value = serde_json::from_str(body).expect("JSON");
            let vector =
                |text: &serde_json::Value| if text.as_str().is_some_and(|text| text.contains("code")) { [1.0, 0.1] } else { [0.1, 1.0] };
            let texts = asked["input"].as_array().expect("texts").iter().enumerate();
            let data: Vec<_> = texts.map(|(at, text)| json!({"object": "embedding", "index": at, "embedding": vector(text)})).collect();
            json!({"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})
        }
        "embeddings" => {
            json!({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 1, "total_tokens": 1}})
        }
        "moderations" => json!({"id": "m", "model": "m", "results": [{"flagged": false}]}),
        "transcriptions" => json!({"text": "ok"}),
        "generations" => json!({"created": 1, "data": [{"b64_json": "AA=="}]}),
        "speech" => return ("200 OK", "audio/mpeg", vec![0; 16]),
        _ if body.contains("\"stream\":true") => return ("200 OK", "text/event-stream", streamed(path, usage)),
        _ if path.starts_with("/thinks") => said("Reasoning.", &usage),
        _ if path.starts_with("/marks") => said("{\"first\": 6, \"second\": 6}", &usage),
        _ => said("It is fine.", &usage),
    };
    ("200 OK", JSON, value.to_string().into_bytes())
}

/// The answer that a prompt tells: the first text in it that looks like one.
fn told(asked: &serde_json::Value) -> Option<&str> {
    match asked {
        serde_json::Value::String(text) => (text.starts_with('{') || text.starts_with("data: ")).then_some(text),
        serde_json::Value::Array(list) => list.iter().find_map(told),
        serde_json::Value::Object(fields) => fields.values().find_map(told),
        _ => None,
    }
}

/// A chat as OpenAI streams it.
fn streamed(path: &str, usage: serde_json::Value) -> Vec<u8> {
    let chunk = |choices: serde_json::Value, usage: serde_json::Value| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let says = |delta: serde_json::Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), json!(null));
    let thought = says(json!({"role": "assistant", "content": null, "reasoning_content": "Hm."}));
    let text = [
        if path.starts_with("/ponders") { thought } else { String::new() },
        says(json!({"role": "assistant", "content": "It is"})),
        says(json!({"content": " fine."})),
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), json!(null)),
        chunk(json!([]), usage),
        "data: [DONE]\n\n".to_owned(),
    ];
    text.concat().into_bytes()
}

/// What Anthropic and Google would say, at their paths.
fn of_others(path: &str, body: &str) -> Option<(&'static str, &'static str, Vec<u8>)> {
    let path = path.split('?').next().unwrap_or_default();
    let value = match path.rsplit('/').next().unwrap_or_default() {
        "messages" if body.contains("\"stream\":true") => return Some(("200 OK", "text/event-stream", anthropic_stream())),
        "messages" => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": null,
            "content": [{"type": "text", "text": "It is fine."}], "usage": {"input_tokens": 5, "output_tokens": 20},
        }),
        "invoke-with-response-stream" => {
            return Some(("200 OK", "application/vnd.amazon.eventstream", invoked_stream(path)));
        }
        "invoke" if path.contains("anthropic") => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": null,
            "content": [{"type": "text", "text": "It is fine."}], "usage": {"input_tokens": 5, "output_tokens": 20},
        }),
        "invoke" => {
            let counts = "application/json\r\nx-amzn-bedrock-input-token-count: 5\r\nx-amzn-bedrock-output-token-count: 20";
            return Some(("200 OK", counts, br#"{"generation":"It is fine."}"#.to_vec()));
        }
        "converse" => json!({
            "output": {"message": {"role": "assistant", "content": [{"text": "It is fine."}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 5, "outputTokens": 20, "totalTokens": 25}, "metrics": {"latencyMs": 1},
        }),
        "input_tokens" => json!({"object": "response.input_tokens", "input_tokens": 7}),
        "count_tokens" => json!({"input_tokens": 7}),
        "compact" => json!({
            "id": "resp_1", "object": "response.compaction", "created_at": 1,
            "output": [{"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAA"}],
            "usage": {"input_tokens": 5, "output_tokens": 20, "total_tokens": 25},
        }),
        "responses" => json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "error": null,
            "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "It is fine.", "annotations": []}]}],
            "usage": {"input_tokens": 5, "output_tokens": 20, "total_tokens": 25},
        }),
        name if name.ends_with(":generateContent") => json!({
            "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "It is fine."}]}}],
            "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 20, "totalTokenCount": 25},
        }),
        _ => return None,
    };
    Some(("200 OK", "application/json", value.to_string().into_bytes()))
}

/// What a model streams that Bedrock invoked in its own form.
fn invoked_stream(path: &str) -> Vec<u8> {
    let events = if path.contains("anthropic") {
        anthropic_events().to_vec()
    } else {
        let counts = json!({"inputTokenCount": 5, "outputTokenCount": 20});
        vec![json!({"generation": "It is"}), json!({"generation": " fine.", "amazon-bedrock-invocationMetrics": counts})]
    };
    let wrapped = events.iter().map(|event| {
        let bytes = base64::engine::general_purpose::STANDARD.encode(event.to_string());
        write_aws_message(&[(":event-type", "chunk")], json!({"bytes": bytes}).to_string().as_bytes())
    });
    wrapped.collect::<Vec<_>>().concat()
}

/// A message as Anthropic streams it.
fn anthropic_stream() -> Vec<u8> {
    let written = anthropic_events().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()));
    written.concat().into_bytes()
}

fn anthropic_events() -> [serde_json::Value; 6] {
    [
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is fine."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ]
}

fn said(text: &str, usage: &serde_json::Value) -> serde_json::Value {
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null, "message": {"role": "assistant", "content": text, "refusal": null}}],
    })
}
