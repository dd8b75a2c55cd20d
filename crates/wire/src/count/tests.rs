use serde_json::{Value, json};

use super::*;

fn frames(value: &Value) -> Frames {
    Frames::from(value.to_string().into_bytes())
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("json")
}

#[test]
fn the_same_dialect_gets_its_model_alone() {
    let body = frames(&json!({"model": "mine", "messages": []}));
    let outline = Outline::scan(&body).expect("json");
    assert_eq!(
        parsed(&same(Dialect::Anthropic, &body, &outline, "theirs").expect("body").join()),
        json!({"model": "theirs", "messages": []})
    );
    let body = frames(&json!({"generateContentRequest": {"contents": [], "model": "models/mine"}}));
    let outline = Outline::scan(&body).expect("json");
    let sent = parsed(&same(Dialect::Gemini, &body, &outline, "theirs").expect("body").join());
    assert_eq!(sent, json!({"generateContentRequest": {"contents": [], "model": "models/theirs"}}));
    let body = frames(&json!({"contents": []}));
    let outline = Outline::scan(&body).expect("json");
    assert_eq!(parsed(&same(Dialect::Gemini, &body, &outline, "theirs").expect("body").join()), json!({"contents": []}));
}

#[test]
fn the_chat_request_is_found() {
    let gemini = frames(&json!({"generateContentRequest": {"contents": [1]}}));
    assert_eq!(parsed(&chat_body(Dialect::Gemini, &gemini).expect("body").join()), json!({"contents": [1]}));
    let anthropic = frames(&json!({"model": "m", "messages": []}));
    assert_eq!(
        parsed(&chat_body(Dialect::Anthropic, &anthropic).expect("body").join()),
        json!({"model": "m", "messages": [], "max_tokens": 1})
    );
    assert!(check(Dialect::Anthropic, br#"{"model":"m"}"#).is_err());
    assert!(check(Dialect::Gemini, br#"{"contents":[]}"#).is_ok());
}

#[test]
fn a_chat_request_is_wrapped() {
    let chat = br#"{"messages":[],"max_tokens":9,"stream":true,"system":"s"}"#;
    assert_eq!(parsed(&wrap(Dialect::Anthropic, chat, "m").expect("body")), json!({"model": "m", "messages": [], "system": "s"}));
    let converse = br#"{"messages":[],"inferenceConfig":{"maxTokens":1},"toolConfig":{}}"#;
    assert_eq!(
        parsed(&wrap(Dialect::Bedrock, converse, "m").expect("body")),
        json!({"input": {"converse": {"messages": [], "toolConfig": {}}}})
    );
    let gemini = br#"{"contents":[]}"#;
    assert_eq!(
        parsed(&wrap(Dialect::Gemini, gemini, "m").expect("body")),
        json!({"generateContentRequest": {"model": "models/m", "contents": []}})
    );
}

#[test]
fn counts_are_read_and_written() {
    for body in [r#"{"input_tokens": 641}"#, r#"{"totalTokens": 641, "promptTokensDetails": []}"#, r#"{"inputTokens":641}"#] {
        assert_eq!(read_reply(body.as_bytes()), Ok(641));
    }
    assert!(read_reply(b"{}").is_err());
    assert_eq!(parsed(&write_reply(Dialect::Anthropic, 7)), json!({"input_tokens": 7}));
    assert_eq!(parsed(&write_reply(Dialect::Gemini, 7)), json!({"totalTokens": 7}));
}
