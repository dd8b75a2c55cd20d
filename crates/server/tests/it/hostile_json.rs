//! What readers of JSON have stumbled over, at every kind of door (C5).

use http::StatusCode;
use serde_json::Value;

use crate::kept::Kept;
use crate::managed::{MASTER, Managed};

/// A text, and whether it is JSON: `v` is, `i` is none, of `e` readers differ about what it says.
struct Text {
    kind: char,
    bytes: Vec<u8>,
}

/// Those of the file, and what is too long to be written there.
fn texts() -> Vec<Text> {
    let file = include_str!("hostile_json.txt");
    let listed = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut texts: Vec<Text> = listed.map(|line| Text { kind: line.as_bytes()[0].into(), bytes: unwritten(&line[2..]) }).collect();
    texts.push(Text { kind: 'i', bytes: Vec::new() });
    texts
}

/// What is nested a million deep: whole, and never closed.
fn deep() -> Vec<Text> {
    let mut texts = Vec::new();
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let (open, close) = (open.repeat(1_000_000), close.repeat(1_000_000));
        texts.push(Text { kind: 'e', bytes: format!("{open}1{close}").into_bytes() });
        texts.push(Text { kind: 'i', bytes: open.into_bytes() });
    }
    texts
}

/// A line of the file as bytes.
fn unwritten(line: &str) -> Vec<u8> {
    let mut parts = line.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

/// A way in: bodies with a place for a text, the first of which takes whatever is JSON, and how its clients read errors.
struct Door {
    path: &'static str,
    bodies: &'static [&'static str],
    is_refusal: fn(StatusCode, &Value) -> bool,
}

const MESSAGES: &str = r#"[{"role":"user","content":"hello"}]"#;

const MANAGEMENT: &str = "/key/generate";

const DOORS: [Door; 6] = [
    Door {
        path: "/v1/chat/completions",
        bodies: &[
            r#"{"model":"good","messages":MESSAGES,"x":HERE}"#,
            r#"{"model":"good","messages":[{"role":"user","content":HERE}]}"#,
            r#"{"model":"good","messages":MESSAGES,"temperature":HERE}"#,
            r#"{"model":"good","messages":MESSAGES,"stream":HERE}"#,
            r#"{"model":"good","messages":HERE}"#,
            r#"{"model":HERE,"messages":MESSAGES}"#,
            r#"{"model":"good","messages":MESSAGES,"tools":[HERE],"metadata":HERE,"user":HERE}"#,
        ],
        is_refusal: of_openai,
    },
    Door {
        path: "/v1/responses",
        bodies: &[
            r#"{"model":"good","input":"hello","x":HERE}"#,
            r#"{"model":"good","input":HERE}"#,
            r#"{"model":"good","input":[{"role":"user","content":HERE}],"store":HERE}"#,
            r#"{"model":HERE,"input":"hello"}"#,
        ],
        is_refusal: of_openai,
    },
    Door {
        path: "/v1/messages",
        bodies: &[
            r#"{"model":"good","max_tokens":5,"messages":MESSAGES,"x":HERE}"#,
            r#"{"model":"good","max_tokens":5,"messages":[{"role":"user","content":HERE}]}"#,
            r#"{"model":"good","max_tokens":HERE,"messages":MESSAGES}"#,
            r#"{"model":"good","max_tokens":5,"messages":MESSAGES,"system":HERE,"metadata":HERE}"#,
        ],
        is_refusal: |_, said| said["type"] == "error" && said["error"]["type"].is_string() && said["error"]["message"].is_string(),
    },
    Door {
        path: "/v1beta/models/good:generateContent",
        bodies: &[
            r#"{"contents":[{"role":"user","parts":[{"text":"hello"}]}],"x":HERE}"#,
            r#"{"contents":[{"role":"user","parts":[{"text":HERE}]}]}"#,
            r#"{"contents":HERE}"#,
            r#"{"contents":[{"role":"user","parts":[{"text":"hello"}]}],"generationConfig":{"temperature":HERE},"labels":HERE}"#,
        ],
        is_refusal: |status, said| {
            said["error"]["code"] == status.as_u16() && said["error"]["status"].is_string() && said["error"]["message"].is_string()
        },
    },
    Door {
        path: "/v1/embeddings",
        bodies: &[
            r#"{"model":"vectors","input":"hello","x":HERE}"#,
            r#"{"model":"vectors","input":HERE}"#,
            r#"{"model":"vectors","input":["hello",HERE],"dimensions":HERE}"#,
        ],
        is_refusal: of_openai,
    },
    Door {
        path: MANAGEMENT,
        bodies: &[
            r#"{"metadata":{"x":HERE}}"#,
            r#"{"metadata":HERE}"#,
            r#"{"max_budget":HERE}"#,
            r#"{"key_alias":HERE,"models":[HERE],"duration":HERE}"#,
        ],
        is_refusal: |status, said| of_openai(status, said) || said["detail"] != Value::Null,
    },
];

fn of_openai(_: StatusCode, said: &Value) -> bool {
    said["error"]["message"].is_string() && said["error"]["type"].is_string()
}

fn gateway() -> Managed {
    let vectors = "  - {model_name: vectors, litellm_params: {model: demo/echo}, model_info: {mode: embedding}}\n";
    Managed::with_models("", vectors, &[])
}

/// Sends a body; whether it was taken. Whatever it is, nothing breaks, and its sender is told in its own form what is wrong with it.
fn is_taken(kept: &mut Kept<'_>, door: &Door, body: &[u8]) -> bool {
    let reply = kept.ask("POST", door.path, body);
    let (status, said) = (reply.status, reply.body);
    let shown = || String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    if status == StatusCode::OK {
        return true;
    }
    // LiteLLM's management says 422 of what is JSON and not what it wants.
    let unfit = door.path == MANAGEMENT && status == StatusCode::UNPROCESSABLE_ENTITY;
    let refused = unfit || [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE].contains(&status);
    let read: Value = serde_json::from_slice(&said).unwrap_or_default();
    assert!(refused && (door.is_refusal)(status, &read), "{} {}: {status} {}", door.path, shown(), String::from_utf8_lossy(&said));
    false
}

/// A body with that text in its place.
fn filled(body: &str, text: &[u8]) -> Vec<u8> {
    let body = body.replace("MESSAGES", MESSAGES);
    let mut parts = body.split("HERE").map(str::as_bytes);
    let mut filled = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        filled.extend_from_slice(text);
        filled.extend_from_slice(part);
    }
    filled
}

#[test]
fn hostile_json_is_refused_or_answered_and_nothing_breaks() {
    let (gateway, texts, mut asked) = (gateway(), texts(), 0);
    assert!(texts.len() > 800, "{}", texts.len());
    for door in &DOORS {
        let mut kept = Kept::to(&gateway.app, MASTER);
        for (at, text) in texts.iter().enumerate() {
            let taken = is_taken(&mut kept, door, &text.bytes);
            assert!(!taken || text.kind != 'i', "{} takes {:?}", door.path, String::from_utf8_lossy(&text.bytes));
            // What is well-formed may stand where nobody reads it.
            let (first, others) = door.bodies.split_first().expect("bodies");
            let body = filled(first, &text.bytes);
            let taken = is_taken(&mut kept, door, &body);
            let right = match text.kind {
                'v' => taken,
                'i' => !taken,
                _ => true,
            };
            assert!(right, "{} {}: taken is {taken}", door.path, String::from_utf8_lossy(&body));
            // Elsewhere every third text in turn.
            for body in others.iter().skip(at % 3).step_by(3) {
                let body = filled(body, &text.bytes);
                let taken = is_taken(&mut kept, door, &body);
                assert!(!taken || text.kind != 'i', "{} takes {:?}", door.path, String::from_utf8_lossy(&body));
                asked += 1;
            }
            asked += 2;
        }
        for text in deep() {
            is_taken(&mut kept, door, &text.bytes);
            is_taken(&mut kept, door, &filled(door.bodies[0], &text.bytes));
            asked += 2;
        }
        let body = filled(door.bodies[0], b"1");
        assert!(is_taken(&mut kept, door, &body), "{} is still there", door.path);
        assert!(kept.opened < 20, "{}: {} connections", door.path, kept.opened);
    }
    println!("{} texts, {asked} requests", texts.len() + deep().len());
}
