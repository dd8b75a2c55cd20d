use serde_json::{Value, json};

use super::*;

fn ask() -> RerankRequest {
    let body = json!({"model": "x", "query": "q", "documents": ["a", {"text": "b", "page": 2}, {"title": "c"}], "top_n": 2, "max_chunks_per_doc": 3, "rank_fields": ["text"]});
    read_request(body.to_string().as_bytes()).expect("a request")
}

fn write(shape: Shape, place: &Place<'_>) -> (Value, String) {
    let written = shape.write_request(&ask(), Target { model: "m", project: Some("p") }, place).expect("writable");
    (serde_json::from_slice(&written.body).expect("json"), written.losses.to_string())
}

#[test]
fn rows_and_shapes_agree() {
    for (name, shape) in ROWS {
        assert_eq!(Shape::of_row(name), Some(shape));
        assert_eq!(shape.as_str(), name);
    }
}

#[test]
fn requests_are_written_in_each_shape() {
    let second = Place { second: true, region: None };
    assert_eq!(
        write(Shape::Cohere, &second),
        (
            json!({"model": "m", "query": "q", "documents": ["a", "b", r#"{"title":"c"}"#], "top_n": 2}),
            "documents;approximated, rank_fields".into()
        )
    );
    let (body, losses) = write(Shape::Cohere, &Place::default());
    assert_eq!((body["documents"][1]["page"].clone(), body["rank_fields"].clone(), losses), (json!(2), json!(["text"]), String::new()));
    let (body, losses) = write(Shape::Voyage, &Place::default());
    assert_eq!(body, json!({"model": "m", "query": "q", "documents": ["a", "b", r#"{"title":"c"}"#], "top_k": 2}));
    assert_eq!(losses, "max_chunks_per_doc, rank_fields, documents;approximated");
    let (body, _) = write(Shape::Jina, &Place::default());
    assert_eq!((body["return_documents"].clone(), body["top_n"].clone()), (json!(false), json!(2)));
    let (body, _) = write(Shape::Tei, &Place::default());
    assert_eq!(body["texts"][1], "b");
    let (body, _) = write(Shape::Watsonx, &Place::default());
    assert_eq!((body["inputs"][0]["text"].clone(), body["parameters"]["return_options"]["top_n"].clone()), (json!("a"), json!(2)));
    let (body, _) = write(Shape::Bedrock, &Place { region: Some("eu-west-1"), second: false });
    let configuration = &body["rerankingConfiguration"]["bedrockRerankingConfiguration"];
    assert_eq!(configuration["modelConfiguration"]["modelArn"], "arn:aws:bedrock:eu-west-1::foundation-model/m");
    assert_eq!(body["sources"][1]["inlineDocumentSource"]["jsonDocument"]["page"], 2);
    assert!(Shape::Bedrock.write_request(&ask(), Target { model: "m", project: None }, &Place::default()).is_err());
}

#[test]
fn answers_are_read_and_written_in_coheres_form() {
    let cohere =
        json!({"id": "i", "results": [{"index": 1, "relevance_score": 0.75809944}], "meta": {"billed_units": {"search_units": 1}}});
    let mut reply = Shape::Cohere.read_reply(cohere.to_string().as_bytes()).expect("an answer");
    assert_eq!((reply.queries, reply.usage.clone()), (Some(1), None));
    reply.with_documents(&ask());
    let told: Value = serde_json::from_slice(&write_reply(&reply, "own", "asked")).expect("json");
    assert_eq!(
        told,
        json!({"id": "i", "model": "asked", "results": [{"index": 1, "relevance_score": 0.75809944, "document": {"text": "b", "page": 2}}],
            "meta": {"billed_units": {"search_units": 1}}, "usage": {"search_units": 1}})
    );
    let voyage = json!({"data": [{"relevance_score": 0.5, "index": 0, "document": "a"}], "usage": {"total_tokens": 43}});
    let reply = Shape::Voyage.read_reply(voyage.to_string().as_bytes()).expect("an answer");
    assert_eq!(reply.results[0].document.as_ref().map(|raw| raw.get()), Some(r#"{"text":"a"}"#));
    assert_eq!(reply.usage.and_then(|usage| usage.input), Some(43));
    let tei = json!([{"index": 0, "score": 0.1}, {"index": 1, "score": 0.9}]);
    let reply = Shape::Tei.read_reply(tei.to_string().as_bytes()).expect("an answer");
    assert_eq!(reply.results.iter().map(|ranked| ranked.index).collect::<Vec<_>>(), [1, 0]);
    let bedrock = json!({"results": [{"index": 1, "relevanceScore": 0.9}]});
    assert_eq!(Shape::Bedrock.read_reply(bedrock.to_string().as_bytes()).expect("an answer").results[0].index, 1);
    let watsonx = json!({"model_id": "m", "results": [{"index": 0, "score": 0.7}], "input_token_count": 5});
    assert_eq!(Shape::Watsonx.read_reply(watsonx.to_string().as_bytes()).expect("an answer").usage.and_then(|usage| usage.input), Some(5));
}

#[test]
fn a_document_out_of_range_stays_away() {
    let mut reply = Shape::Cohere.read_reply(br#"{"results":[{"index":9,"relevance_score":1}]}"#).expect("an answer");
    reply.with_documents(&ask());
    assert!(reply.results[0].document.is_none());
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_the_readers(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), text in "[\\[\\]{}\",:a-z0-9. ]{0,80}") {
        for body in [body.as_slice(), text.as_bytes(), format!("{{\"query\":\"q\",\"documents\":{text}}}").as_bytes()] {
            let _ = read_request(body);
            for (_, shape) in ROWS {
                let _ = shape.read_reply(body);
            }
        }
    }
}
