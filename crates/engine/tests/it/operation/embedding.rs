//! Embeddings.

use serde_json::json;
use switchboard_engine::meter::Outcome;
use switchboard_engine::wire::problem::Kind;
use switchboard_engine::wire::{Dialect, Operation};

use super::{Rig, call};

#[tokio::test]
async fn the_same_form_passes_and_vectors_come_as_asked() {
    let reply = br#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-2.5]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":2,"total_tokens":2}}"#;
    let rig = Rig::new("openai", "text-embedding-3-small", |_, _| {
        (200, "application/json", br#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-2.5]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":2,"total_tokens":2}}"#.to_vec())
    })
    .await;
    let got = rig.ask(Operation::Embeddings, &json!({"model": "public", "input": [1, 2], "new": {"a": 1}, "fallbacks": []})).await.unwrap();
    assert_eq!(got.body, reply[..], "untouched where nothing was asked");
    assert_eq!(rig.sent(), [("/embeddings".to_owned(), json!({"model": "text-embedding-3-small", "input": [1, 2], "new": {"a": 1}}))]);
    let record = rig.record();
    assert_eq!((record.outcome, record.usage.and_then(|usage| usage.input)), (Outcome::Complete, Some(2)));
    assert_eq!(record.cost.map(|cost| cost.to_string()).as_deref(), Some("0.00000004"));
    let got = rig.ask(Operation::Embeddings, &json!({"model": "public", "input": "x", "encoding_format": "base64"})).await.unwrap();
    assert_eq!(got.json()["data"][0]["embedding"], "AACAPwAAIMA=");
}

#[tokio::test]
async fn cohere_is_translated_and_losses_are_told() {
    let rig = Rig::new("cohere", "embed-v4.0", |_, _| {
        (
            200,
            "application/json",
            br#"{"id":"i","embeddings":{"float":[[0.5],[0.25]]},"meta":{"billed_units":{"input_tokens":7}}}"#.to_vec(),
        )
    })
    .await;
    let got =
        rig.ask(Operation::Embeddings, &json!({"model": "public", "input": ["a", "b"], "user": "u", "fallbacks": ["x"]})).await.unwrap();
    assert_eq!(got.header("x-switchboard-dropped"), Some("user, input_type;approximated"));
    assert_eq!(got.json()["data"][1]["embedding"], json!([0.25]));
    assert_eq!(got.json()["model"], "public");
    assert_eq!(rig.sent()[0].0, "/v2/embed");
    assert_eq!(rig.record().losses, 2);
    let strict = switchboard_engine::call::Call {
        strict: true,
        ..call(Operation::Embeddings, &json!({"model": "public", "input": "a", "user": "u"}))
    };
    assert_eq!(rig.call(strict).await.unwrap_err().problem.kind, Kind::Unsupported);
    let tokens = rig.ask(Operation::Embeddings, &json!({"model": "public", "input": [1]})).await.unwrap_err();
    assert_eq!((tokens.problem.kind, tokens.problem.param.as_deref()), (Kind::Unsupported, Some("input")));
    let short = rig.ask(Operation::Embeddings, &json!({"model": "public", "input": "one"})).await.unwrap_err();
    assert_eq!(short.problem.kind, Kind::Upstream, "two vectors for one input");
}

#[tokio::test]
async fn one_input_a_call_is_many_calls_joined_in_order() {
    let rig = Rig::new("bedrock", "amazon.titan-embed-text-v2:0", |_, body| {
        let text: serde_json::Value = serde_json::from_str(body).unwrap();
        let number: u32 = text["inputText"].as_str().unwrap().parse().unwrap();
        (200, "application/json", json!({"embedding": [number], "inputTextTokenCount": 1}).to_string().into_bytes())
    })
    .await;
    let inputs: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let got = rig.ask(Operation::Embeddings, &json!({"model": "public", "input": inputs})).await.unwrap().json();
    let order: Vec<_> = got["data"].as_array().unwrap().iter().map(|item| item["embedding"][0].as_u64().unwrap()).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
    assert_eq!(got["usage"], json!({"prompt_tokens": 20, "total_tokens": 20}));
    assert_eq!(rig.sent()[0].0, "/model/amazon.titan-embed-text-v2:0/invoke");
    assert_eq!(rig.sent().len(), 20);
}

#[tokio::test]
async fn a_gemini_client_gets_geminis_answer_and_geminis_errors() {
    let rig = Rig::new("gemini", "gemini-embedding-001", |_, body| match body.contains("bad") {
        false => (200, "application/json", br#"{"embeddings":[{"values":[0.5]}]}"#.to_vec()),
        true => (400, "application/json", br#"{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}"#.to_vec()),
    })
    .await;
    let gemini = |text: &str| {
        let mut call = call(Operation::Embeddings, &json!({"content": {"parts": [{"text": text}]}}));
        (call.door.dialect, call.door.shape, call.model_in_path) = (Dialect::Gemini, "gemini", true);
        call
    };
    let got = rig.call(gemini("a")).await.unwrap();
    assert_eq!(got.json(), json!({"embedding": {"values": [0.5]}}));
    assert_eq!(rig.sent()[0].0, "/models/gemini-embedding-001:batchEmbedContents");
    assert_eq!(rig.sent()[0].1["requests"][0]["model"], "models/gemini-embedding-001");
    let error = rig.call(gemini("bad")).await.unwrap_err();
    assert_eq!((error.problem.kind, error.problem.message.as_str()), (Kind::BadRequest, "no"));
}
