//! Token counts.

use serde_json::json;
use switchboard_engine::wire::Operation;

use super::Rig;

#[tokio::test]
async fn the_provider_counts_where_it_can() {
    let rig = Rig::new("anthropic", "claude-sonnet-5", |_, _| (200, "application/json", br#"{"input_tokens":13}"#.to_vec())).await;
    let got = rig.ask(Operation::CountTokens, &json!({"model": "public", "messages": [{"role": "user", "content": "hi"}]})).await.unwrap();
    assert_eq!((got.json(), got.header("x-switchboard-estimated")), (json!({"input_tokens": 13}), None));
    assert_eq!(rig.sent()[0].0, "/v1/messages/count_tokens");
    assert_eq!(rig.sent()[0].1["model"], "claude-sonnet-5");
}

#[tokio::test]
async fn another_dialects_provider_counts_too() {
    let rig = Rig::new("gemini", "gemini-3.5-flash", |_, _| (200, "application/json", br#"{"totalTokens":8}"#.to_vec())).await;
    let got = rig.ask(Operation::CountTokens, &json!({"model": "public", "messages": [{"role": "user", "content": "hi"}]})).await.unwrap();
    assert_eq!((got.json(), got.header("x-switchboard-estimated")), (json!({"input_tokens": 8}), None));
    let (path, body) = rig.sent().remove(0);
    assert_eq!(path, "/models/gemini-3.5-flash:countTokens");
    assert_eq!(body["generateContentRequest"]["model"], "models/gemini-3.5-flash");
    assert_eq!(body["generateContentRequest"]["contents"][0]["parts"][0]["text"], "hi");
}

#[tokio::test]
async fn who_cannot_is_estimated() {
    let rig = Rig::new("openai", "gpt-4o", |_, _| (500, "application/json", b"{}".to_vec())).await;
    let got = rig
        .ask(Operation::CountTokens, &json!({"model": "public", "messages": [{"role": "user", "content": "hello world"}]}))
        .await
        .unwrap();
    assert_eq!((got.json(), got.header("x-switchboard-estimated")), (json!({"input_tokens": 6}), Some("1")));
    assert!(rig.sent().is_empty(), "nothing was sent");
    assert!(rig.ask(Operation::CountTokens, &json!({"model": "public"})).await.is_err());
}
