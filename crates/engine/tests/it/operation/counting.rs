//! Token counts.

use serde_json::json;
use switchboard_engine::wire::{Dialect, Operation};

use super::{Rig, call};

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
    assert_eq!((got.json(), got.header("x-switchboard-estimated")), (json!({"input_tokens": 9}), Some("1")));
    assert!(rig.sent().is_empty(), "nothing was sent");
    assert!(rig.ask(Operation::CountTokens, &json!({"model": "public"})).await.is_err());
}

#[tokio::test]
async fn a_provider_that_cannot_count_this_model_is_estimated() {
    let rig = Rig::new("bedrock", "amazon.nova-lite-v1:0", |_, _| {
        (400, "application/json", br#"{"message":"The provided model doesn't support counting tokens."}"#.to_vec())
    })
    .await;
    let got = rig
        .ask(Operation::CountTokens, &json!({"model": "public", "messages": [{"role": "user", "content": "hello world"}]}))
        .await
        .unwrap();
    assert_eq!((got.json(), got.header("x-switchboard-estimated")), (json!({"input_tokens": 9}), Some("1")));
    let (path, body) = rig.sent().remove(0);
    assert_eq!(path, "/model/amazon.nova-lite-v1:0/count-tokens");
    assert_eq!(body, json!({"input": {"converse": {"messages": [{"role": "user", "content": [{"text": "hello world"}]}]}}}));
}

#[tokio::test]
async fn a_gemini_client_is_told_in_its_own_words() {
    let rig = Rig::new("openai", "gpt-4o", |_, _| (500, "application/json", b"{}".to_vec())).await;
    for body in [
        json!({"contents": [{"role": "user", "parts": [{"text": "hello world"}]}]}),
        json!({"generateContentRequest": {"model": "models/x", "contents": [{"role": "user", "parts": [{"text": "hello world"}]}]}}),
    ] {
        let mut asked = call(Operation::CountTokens, &body);
        (asked.door.dialect, asked.door.shape, asked.model_in_path) = (Dialect::Gemini, "gemini", true);
        let got = rig.call(asked).await.unwrap();
        assert_eq!((got.json(), got.header("x-switchboard-estimated")), (json!({"totalTokens": 9}), Some("1")));
    }
}

#[tokio::test]
async fn instructions_at_the_beginning_are_counted_where_they_belong() {
    let rig = Rig::new("anthropic", "claude-sonnet-5", |_, _| (200, "application/json", br#"{"input_tokens":13}"#.to_vec())).await;
    let turns = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]);
    let got = rig.ask(Operation::CountTokens, &json!({"model": "public", "system": "be kind", "messages": turns})).await.unwrap();
    assert_eq!((got.json(), got.header("x-switchboard-estimated")), (json!({"input_tokens": 13}), None));
    let expected = json!({"model": "claude-sonnet-5", "system": [{"type": "text", "text": "be kind"}, {"type": "text", "text": "be brief"}],
        "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(rig.sent()[0].1, expected);
}
