//! A provider on loopback that answers by a script, piece by piece, and clients that stay or leave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::managed::{Managed, with};
use crate::spending::until;

pub(crate) const SSE: &str = "text/event-stream";
pub(crate) const JSON: &str = "application/json";

/// What a provider answers: the kind of it, and its pieces, each after so many milliseconds.
pub(crate) struct Script(pub(crate) &'static str, pub(crate) Vec<(u64, Vec<u8>)>);

impl Script {
    pub(crate) fn json(answer: &Value) -> Self {
        Self(JSON, vec![(0, answer.to_string().into_bytes())])
    }

    pub(crate) fn events(events: &[(u64, Value)]) -> Self {
        Self(SSE, events.iter().map(|(after, event)| (*after, format!("data: {event}\n\n").into_bytes())).collect())
    }

    /// The same with what ends a stream of OpenAI's.
    pub(crate) fn done(mut self) -> Self {
        self.1.push((0, b"data: [DONE]\n\n".to_vec()));
        self
    }
}

/// A provider on loopback: the first segment of a path is the number of the script.
struct Scripted {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stopping, scripts) = (Arc::<AtomicBool>::default(), Arc::new(scripts));
        let stop = stopping.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let scripts = scripts.clone();
                // A client may leave whenever it wants.
                std::thread::spawn(move || answer(&stream.expect("a connection"), &scripts));
            }
        });
        Self { address, stopping, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes it up; that it has gone already says the same.
        let _ = TcpStream::connect(self.address);
        self.thread.take().expect("running").join().expect("stopped");
    }
}

/// The first line of the next request, the rest of which is passed over; none where there is no other.
pub(crate) fn next_request(reader: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    Ok(Some(first))
}

fn answer(stream: &TcpStream, scripts: &[Script]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(first) = next_request(&mut reader)? {
        let number: usize = first.split('/').nth(1).and_then(|number| number.parse().ok()).expect("the number of a script");
        let Script(kind, pieces) = &scripts[number];
        let mut stream = stream;
        // A whole answer is made before its head is sent.
        std::thread::sleep(Duration::from_millis(if *kind == SSE { 0 } else { pieces[0].0 }));
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes())?;
        for (at, (after, piece)) in pieces.iter().enumerate() {
            if *kind == SSE || at > 0 {
                std::thread::sleep(Duration::from_millis(*after));
            }
            stream.write_all(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())?;
        }
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

/// Runs a test with deployments that answer by those scripts: of each, name, model, more and the script. The first is OpenAI's and
/// Anthropic's own API, too.
pub(crate) fn scripted(models: Vec<(&str, &str, &str, Script)>, test: impl Fn(&Managed)) {
    let mut yaml = String::new();
    let mut scripts = Vec::new();
    let mut named = Vec::new();
    for (at, (name, model, more, script)) in models.into_iter().enumerate() {
        scripts.push(script);
        named.push((at, name.to_owned(), model.to_owned(), more.to_owned()));
    }
    let provider = Scripted::start(scripts);
    let url = provider.url();
    for (at, name, model, more) in named {
        let comma = if more.is_empty() || more.starts_with('}') { "" } else { ", " };
        yaml +=
            &format!("  - {{model_name: {name}, litellm_params: {{model: {model}, api_base: '{url}/{at}', api_key: k{comma}{more}}}}}\n");
    }
    yaml += &format!(
        "environment_variables: {{OPENAI_API_BASE: '{url}/0/v1', OPENAI_API_KEY: k, ANTHROPIC_API_BASE: '{url}/0', ANTHROPIC_API_KEY: k}}\n"
    );
    with(&yaml, test);
}

pub(crate) fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

/// What was charged for a call that was made with a key of its own, once that is known, with the line of the log.
pub(crate) fn charged(gateway: &Managed, ask: impl FnOnce(&str)) -> (f64, Value) {
    let key = gateway.key(&json!({}));
    ask(&key);
    let info = until(gateway, &format!("/key/info?key={key}"), |info| info["info"]["spend"].as_f64().is_some_and(|spend| spend > 0.0));
    let spend = info["info"]["spend"].as_f64().expect("a number");
    let hash = info["info"]["token"].as_str().or(info["key"].as_str()).expect("a key").to_owned();
    let rows = until(gateway, &format!("/spend/logs?api_key={hash}"), |rows| rows[0].is_object());
    (spend, rows[0].clone())
}

/// Asks and stays for the whole answer.
pub(crate) fn stay<'a>(gateway: &'a Managed, path: &'a str, body: &'a Value) -> impl FnOnce(&str) + 'a {
    move |key| {
        let reply = gateway.as_key(key, "POST", path, body);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// Asks and leaves as soon as the answer holds that, or after the patience where there is nothing to wait for.
pub(crate) fn leave<'a>(gateway: &'a Managed, path: &'a str, body: &'a Value, mark: &'a str) -> impl FnOnce(&str) + 'a {
    move |key| {
        let mut socket = TcpStream::connect(gateway.app.address()).expect("connected");
        let text = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(text.as_bytes())).expect("sent");
        if mark.is_empty() {
            std::thread::sleep(Duration::from_millis(300));
            return;
        }
        let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
        while memchr::memmem::find(&heard, mark.as_bytes()).is_none() {
            let read = socket.read(&mut piece).expect("an answer");
            assert!(read > 0, "no `{mark}` in {}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&piece[..read]);
        }
    }
}
