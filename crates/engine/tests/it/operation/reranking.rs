//! Reranking.

use serde_json::json;
use switchboard_engine::wire::Operation;

use super::Rig;

#[tokio::test]
async fn cohere_passes_and_documents_come_back_where_wanted() {
    let rig = Rig::new("cohere", "rerank-v3.5", |_, _| {
        (
            200,
            "application/json",
            br#"{"id":"i","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}"#.to_vec(),
        )
    })
    .await;
    let mut body = json!({"model": "public", "query": "q", "documents": ["a", "b"], "top_n": 1});
    let got = rig.ask(Operation::Rerank, &body).await.unwrap();
    assert_eq!(got.json()["results"], json!([{"index": 1, "relevance_score": 0.9}]));
    assert_eq!(
        rig.sent()[0],
        ("/v2/rerank".to_owned(), json!({"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"], "top_n": 1}))
    );
    assert_eq!(rig.record().cost.map(|cost| cost.to_string()).as_deref(), Some("0.002"), "a search is billed");
    body["return_documents"] = json!(true);
    body["documents"][1] = json!({"text": "b"});
    let got = rig.ask(Operation::Rerank, &body).await.unwrap();
    assert_eq!(got.json()["results"][0]["document"], json!({"text": "b"}));
    assert_eq!(rig.sent()[1].1["documents"], json!(["a", "b"]));
}

#[tokio::test]
async fn voyage_is_translated() {
    let rig = Rig::new("voyage", "rerank-2-lite", |_, _| {
        (
            200,
            "application/json",
            br#"{"object":"list","data":[{"relevance_score":0.69,"index":0}],"model":"rerank-2-lite","usage":{"total_tokens":43}}"#
                .to_vec(),
        )
    })
    .await;
    let got = rig
        .ask(Operation::Rerank, &json!({"model": "public", "query": "q", "documents": ["a"], "top_n": 1, "max_chunks_per_doc": 2}))
        .await
        .unwrap();
    assert_eq!(got.json()["results"], json!([{"index": 0, "relevance_score": 0.69}]));
    assert_eq!(got.header("x-switchboard-dropped"), Some("max_chunks_per_doc"));
    assert_eq!(rig.sent()[0].1, json!({"model": "rerank-2-lite", "query": "q", "documents": ["a"], "top_k": 1}));
    assert_eq!(rig.record().usage.and_then(|usage| usage.input), Some(43));
}
