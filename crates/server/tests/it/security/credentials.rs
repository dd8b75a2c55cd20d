//! Keys that are wrong, and what their senders are told (A7): nothing by which one wrong key could be told from another.
//!
//! Of a key that is there and has ended or is blocked its holder is told so, as LiteLLM does; only who has the whole key can ask.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use switchboard_server::auth::mint;

use crate::app::Reply;
use crate::managed::Managed;

const DOORS: [(&str, &str); 7] = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/messages"),
    ("POST", "/v1beta/models/good:generateContent"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"),
    ("POST", "/key/generate"),
];

/// A key with one letter of its secret changed.
fn altered(key: &str) -> String {
    let mut altered = key.to_owned();
    altered.replace_range(20..21, if &key[20..21] == "A" { "B" } else { "A" });
    altered
}

/// Everything an answer says that is not the sender's own key or the time.
fn told(reply: &Reply, key: &str) -> (u16, BTreeMap<String, String>, String) {
    let own = [mint::short(key), hex::encode(switchboard_server::auth::digest(key.as_bytes()))];
    let veiled = |text: &str| own.iter().fold(text.to_owned(), |text, own| text.replace(own.as_str(), "…"));
    let ours = ["date", "x-request-id", "x-litellm-call-id", "request-id"];
    let headers = reply.headers.iter().filter(|(name, _)| !ours.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), veiled(value.to_str().expect("text")))).collect();
    let mut text = veiled(reply.text());
    if let Some(id) = ours.iter().skip(1).find_map(|name| reply.headers.get(*name)?.to_str().ok()) {
        text = text.replace(id, "…");
    }
    (reply.status.as_u16(), headers, text)
}

#[test]
fn one_wrong_key_is_told_what_every_other_is() {
    let gateway = Managed::signing_in("", &[]);
    let deleted = gateway.key(&json!({}));
    gateway.post("/key/delete", &json!({"keys": [deleted]}));
    let there = gateway.key(&json!({}));
    let expired = gateway.key(&json!({"duration": "1s"}));
    let blocked = gateway.key(&json!({}));
    gateway.post("/key/block", &json!({"key": blocked}));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let wrong = [
        ("an unknown key", mint::key()),
        ("a deleted key", deleted),
        ("a good key, altered", altered(&there)),
        ("an expired key, altered", altered(&expired)),
        ("a blocked key, altered", altered(&blocked)),
        ("a key of others' making", "sk-CcUYWrlBZIlOFnity_MnJw".to_owned()),
        ("no key at all", "sk-no key at all".to_owned()),
    ];
    for (method, path) in DOORS {
        let ask = |key: &str| {
            let body = if method == "GET" { Value::Null } else { json!({"model": "good"}) };
            gateway.as_key(key, method, path, &body)
        };
        // The second time a key is known for a wrong one; that shows no more than the first time.
        for _ in 0..2 {
            let first = told(&ask(&wrong[0].1), &wrong[0].1);
            assert_eq!(first.0, 401, "{path}: {}", first.2);
            for (what, key) in &wrong[1..] {
                assert_eq!(told(&ask(key), key), first, "{what} at {path}");
            }
        }
        for (what, key) in [("expired", &expired), ("blocked", &blocked)] {
            let reply = ask(key);
            assert!(reply.status == 401 && reply.text().to_lowercase().contains(what), "{path}: {}", reply.text());
        }
    }
}
