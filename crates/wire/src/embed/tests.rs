use http::HeaderMap;
use serde_json::{Value, json};

use super::*;

const TARGET: Target<'static> = Target { model: "m", project: None };

fn read(body: &Value) -> EmbedRequest {
    Shape::OpenAi.read_request(body.to_string().as_bytes()).expect("a request")
}

fn write(shape: Shape, model: &str, body: &Value) -> (Vec<Value>, String) {
    let written = shape.write_request(&read(body), Target { model, project: Some("p") }).expect("writable");
    (written.bodies.iter().map(|body| serde_json::from_slice(body).expect("json")).collect(), written.losses.to_string())
}

fn reply(shape: Shape, body: &Value) -> EmbedReply {
    shape.read_reply(&HeaderMap::new(), body.to_string().as_bytes()).expect("an answer")
}

fn as_openai(reply: &EmbedReply, encoding: Option<Encoding>) -> Value {
    serde_json::from_slice(&Shape::OpenAi.write_reply(reply, encoding, "asked")).expect("json")
}

#[test]
fn rows_and_shapes_agree() {
    for (name, shape) in ROWS {
        assert_eq!(Shape::of_row(name), Some(shape));
        assert_eq!(shape.as_str(), name);
    }
    assert_eq!(Shape::of_door("gemini"), Some(Shape::GeminiOne));
    assert_eq!(Shape::of_row("nothing"), None);
}

#[test]
fn every_form_of_input_is_read() {
    assert_eq!(read(&json!({"input": "a"})).inputs, [EmbedInput::Text("a".into())]);
    assert_eq!(read(&json!({"input": ["a", "b"]})).inputs.len(), 2);
    assert_eq!(read(&json!({"input": [1, 2]})).inputs, [EmbedInput::Tokens(vec![1.into(), 2.into()])]);
    assert_eq!(read(&json!({"input": [[1], [2, 3]]})).inputs.len(), 2);
    let mixed = read(
        &json!({"input": [{"content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "data:image/gif;base64,AA=="}}]}]}),
    );
    assert!(matches!(&mixed.inputs[0], EmbedInput::Parts(parts) if parts.len() == 2));
    for bad in [json!({}), json!({"input": []}), json!({"input": 7}), json!({"input": [{}]}), json!({"input": "a", "encoding_format": "x"})]
    {
        assert!(Shape::OpenAi.read_request(bad.to_string().as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn cohere_gets_a_purpose_and_the_client_is_told() {
    let (bodies, losses) =
        write(Shape::Cohere, "embed-v4.0", &json!({"input": ["a"], "dimensions": 8, "user": "u", "encoding_format": "base64"}));
    assert_eq!(
        bodies,
        [
            json!({"model": "embed-v4.0", "texts": ["a"], "input_type": "search_document", "embedding_types": ["float"], "output_dimension": 8})
        ]
    );
    assert_eq!(losses, "user, input_type;approximated");
    let (bodies, losses) = write(Shape::BedrockCohere, "m", &json!({"input": "a", "task_type": "RETRIEVAL_QUERY", "truncate": "START"}));
    assert_eq!(bodies, [json!({"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"], "truncate": "START"})]);
    assert_eq!(losses, "");
    let image = json!({"input": [{"image_url": {"url": "data:image/png;base64,AA=="}}], "input_type": "image"});
    let (bodies, _) = write(Shape::Cohere, "m", &image);
    assert_eq!(bodies[0]["inputs"][0]["content"][0]["image_url"]["url"], "data:image/png;base64,AA==");
}

#[test]
fn one_input_a_call_becomes_several_calls() {
    let body = json!({"input": ["a", "b"], "dimensions": 256});
    let (bodies, _) = write(Shape::BedrockTitan, "amazon.titan-embed-text-v2:0", &body);
    assert_eq!(bodies, [json!({"inputText": "a", "dimensions": 256}), json!({"inputText": "b", "dimensions": 256})]);
    let (bodies, losses) = write(Shape::BedrockTitan, "amazon.titan-embed-text-v1", &body);
    assert_eq!((bodies[0].clone(), losses.as_str()), (json!({"inputText": "a"}), "dimensions"));
    let (bodies, _) = write(Shape::BedrockTitan, "amazon.titan-embed-image-v1", &body);
    assert_eq!(bodies[1], json!({"inputText": "b", "embeddingConfig": {"outputEmbeddingLength": 256}}));
    let (bodies, _) = write(Shape::BedrockNova, "m", &body);
    assert_eq!(bodies[0]["singleEmbeddingParams"]["text"]["value"], "a");
    let (bodies, _) = write(Shape::VertexPredict, "gemini-embedding-001", &body);
    assert_eq!(bodies[1], json!({"instances": [{"content": "b"}], "parameters": {"outputDimensionality": 256}}));
    let (bodies, _) = write(Shape::VertexPredict, "text-embedding-005", &body);
    assert_eq!(bodies.len(), 1);

    let mut sum = reply(Shape::BedrockTitan, &json!({"embedding": [0.5], "inputTextTokenCount": 3}));
    sum.join(reply(Shape::BedrockTitan, &json!({"embedding": [1.0], "inputTextTokenCount": 4.0})));
    assert_eq!(
        as_openai(&sum, None),
        json!({"object": "list", "model": "asked", "usage": {"prompt_tokens": 7, "total_tokens": 7}, "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5]}, {"object": "embedding", "index": 1, "embedding": [1.0]}]})
    );
    sum.join(reply(Shape::BedrockTitan, &json!({"embedding": [1.0]})));
    assert_eq!(sum.usage, None, "a sum of unknowns is unknown");
}

#[test]
fn more_inputs_than_a_call_takes_are_split() {
    let inputs: Vec<String> = (0..205).map(|number| number.to_string()).collect();
    let (bodies, losses) = write(Shape::GeminiBatch, "m", &json!({"input": inputs, "user": "u"}));
    assert_eq!(bodies.iter().map(|body| body["requests"].as_array().map(Vec::len)).collect::<Vec<_>>(), [Some(100), Some(100), Some(5)]);
    assert_eq!((bodies[2]["requests"][4]["content"]["parts"][0]["text"].as_str(), losses.as_str()), (Some("204"), "user"));
    let (bodies, _) = write(Shape::Cohere, "m", &json!({"input": inputs}));
    assert_eq!(bodies.len(), 3);
    let (bodies, _) = write(Shape::OpenAi, "m", &json!({"input": inputs}));
    assert_eq!(bodies.len(), 1);
}

#[test]
fn others_get_their_own_words() {
    let body = json!({"input": ["a"], "dimensions": 8, "input_type": "query", "truncate": true, "encoding_format": "float"});
    let (bodies, _) = write(Shape::Voyage, "voyage-3", &body);
    assert_eq!(bodies, [json!({"model": "voyage-3", "input": ["a"], "input_type": "query", "output_dimension": 8, "truncation": true})]);
    let (bodies, _) = write(Shape::Jina, "m", &body);
    assert_eq!(
        bodies,
        [json!({"model": "m", "input": ["a"], "task": "retrieval.query", "dimensions": 8, "truncate": true, "embedding_type": "float"})]
    );
    let (bodies, losses) = write(Shape::Ollama, "m", &body);
    assert_eq!(
        (bodies[0].clone(), losses.as_str()),
        (json!({"model": "m", "input": ["a"], "truncate": true, "dimensions": 8}), "input_type")
    );
    let (bodies, losses) = write(Shape::Watsonx, "m", &body);
    assert_eq!(
        (bodies[0].clone(), losses.as_str()),
        (json!({"model_id": "m", "project_id": "p", "inputs": ["a"]}), "input_type, truncate, dimensions")
    );
    let (bodies, _) = write(Shape::HuggingFace, "m", &json!({"input": "a", "normalize": true}));
    assert_eq!(bodies, [json!({"inputs": ["a"], "normalize": true})]);
    let (bodies, _) = write(Shape::GeminiBatch, "gemini-embedding-001", &body);
    assert_eq!(
        bodies,
        [
            json!({"requests": [{"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8}]})
        ]
    );
}

#[test]
fn tokens_and_media_are_refused_where_they_mean_nothing() {
    for shape in [
        Shape::Cohere,
        Shape::GeminiBatch,
        Shape::BedrockTitan,
        Shape::BedrockNova,
        Shape::Voyage,
        Shape::Jina,
        Shape::Ollama,
        Shape::VertexPredict,
    ] {
        let error = shape.write_request(&read(&json!({"input": [1, 2]})), TARGET).expect_err("tokens");
        assert_eq!((error.field.as_str(), error.target), ("input", shape.as_str()));
    }
    let image = json!({"input": [{"image": "https://example.com/a.png"}]});
    assert!(Shape::Ollama.write_request(&read(&image), TARGET).is_err());
    assert!(Shape::BedrockTitan.write_request(&read(&image), TARGET).is_err());
    assert!(Shape::Jina.write_request(&read(&image), TARGET).is_ok());
}

#[test]
fn a_gemini_client_reaches_others_and_its_own() {
    let one = json!({"model": "models/x", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_DOCUMENT", "title": "T", "outputDimensionality": 4, "new": 1});
    let request = Shape::GeminiOne.read_request(one.to_string().as_bytes()).expect("a request");
    let written = Shape::GeminiBatch.write_request(&request, Target { model: "y", project: None }).expect("writable");
    let mut expected = one.clone();
    expected["model"] = json!("models/y");
    assert_eq!(serde_json::from_slice::<Value>(&written.bodies[0]).expect("json"), json!({"requests": [expected]}));
    assert!(written.losses.is_empty());

    let written = Shape::OpenAi.write_request(&request, TARGET).expect("writable");
    assert_eq!(
        serde_json::from_slice::<Value>(&written.bodies[0]).expect("json"),
        json!({"model": "m", "input": ["a"], "dimensions": 4, "encoding_format": "float"})
    );
    assert_eq!(written.losses.to_string(), "title, taskType, new");

    // Several texts of one content have one vector.
    let several = json!({"model": "models/x", "content": {"parts": [{"text": "a"}, {"text": "b"}]}});
    let several = Shape::GeminiOne.read_request(several.to_string().as_bytes()).expect("a request");
    let written = Shape::OpenAi.write_request(&several, TARGET).expect("writable");
    assert_eq!(serde_json::from_slice::<Value>(&written.bodies[0]).expect("json")["input"], json!(["a\nb"]));

    let answer =
        reply(Shape::OpenAi, &json!({"data": [{"index": 0, "embedding": [0.25]}], "usage": {"prompt_tokens": 2, "total_tokens": 2}}));
    let told: Value = serde_json::from_slice(&Shape::GeminiOne.write_reply(&answer, None, "m")).expect("json");
    assert_eq!(told, json!({"embedding": {"values": [0.25]}, "usageMetadata": {"promptTokenCount": 2, "totalTokenCount": 2}}));
    let told: Value = serde_json::from_slice(&Shape::GeminiBatch.write_reply(&answer, None, "m")).expect("json");
    assert_eq!(told["embeddings"][0]["values"], json!([0.25]));

    let differ = json!({"requests": [{"content": {"parts": [{"text": "a"}]}}, {"content": {"parts": [{"text": "b"}]}, "title": "T"}]});
    assert!(Shape::GeminiBatch.read_request(differ.to_string().as_bytes()).is_err());
}

#[test]
fn vectors_are_packed_and_unpacked() {
    let floats = json!({"data": [{"index": 1, "embedding": [1.0, -2.5]}, {"index": 0, "embedding": [0.1]}]});
    let read = reply(Shape::OpenAi, &floats);
    let packed = as_openai(&read, Some(Encoding::Base64));
    assert_eq!(packed["data"][0]["embedding"], "zczMPQ==", "in the order of `index`");
    assert_eq!(packed["data"][1]["embedding"], "AACAPwAAIMA=");
    let unpacked = as_openai(&reply(Shape::OpenAi, &packed), Some(Encoding::Float));
    assert_eq!(unpacked["data"][1]["embedding"], json!([1.0, -2.5]));
    assert_eq!(unpacked["data"][0]["embedding"].to_string(), "[0.1]");
}

#[test]
fn an_answer_is_reencoded_in_place() {
    let body = br#"{ "object":"list", "data":[ {"embedding": [1.0, -2.5] ,"index":0}, {"embedding":[0.1],"index":1} ], "x":{"y":1} }"#;
    assert_eq!(Shape::OpenAi.reencode(body, Encoding::Float), None, "nothing to do");
    let packed = Shape::OpenAi.reencode(body, Encoding::Base64).expect("packed");
    let expected =
        r#"{ "object":"list", "data":[ {"embedding": "AACAPwAAIMA=" ,"index":0}, {"embedding":"zczMPQ==","index":1} ], "x":{"y":1} }"#;
    assert_eq!(String::from_utf8_lossy(&packed), expected);
    let unpacked = Shape::OpenAi.reencode(&packed, Encoding::Float).expect("unpacked");
    assert_eq!(String::from_utf8_lossy(&unpacked), String::from_utf8_lossy(body).replace("[1.0, -2.5]", "[1.0,-2.5]"));
    // What is packed is not 32-bit floats: it stays as it is.
    let other = br#"{"data":[{"embedding":"AAA=","index":0}]}"#;
    assert_eq!(Shape::OpenAi.reencode(other, Encoding::Float).as_deref(), Some(&other[..]));
}

#[test]
fn answers_of_every_shape_are_read() {
    let first = |reply: &EmbedReply| reply.vectors[0].floats().expect("floats").into_owned();
    let input = |reply: &EmbedReply| reply.usage.as_ref().and_then(|usage| usage.input);
    let cohere = json!({"id": "i", "embeddings": {"float": [[0.5]]}, "meta": {"billed_units": {"input_tokens": 7, "image_tokens": 0}}});
    let cases = [
        (Shape::Cohere, cohere, Some(7)),
        (Shape::BedrockCohere, json!({"embeddings": [[0.5]], "response_type": "embeddings_floats"}), None),
        (Shape::GeminiBatch, json!({"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 5}}), Some(5)),
        (Shape::GeminiOne, json!({"embedding": {"values": [0.5]}}), None),
        (Shape::VertexPredict, json!({"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 3.0}}}]}), Some(3)),
        (Shape::VertexPredict, json!({"predictions": [{"textEmbedding": [0.5]}]}), None),
        (Shape::BedrockNova, json!({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5]}]}), None),
        (Shape::Ollama, json!({"model": "m", "embeddings": [[0.5]], "prompt_eval_count": 4}), Some(4)),
        (Shape::Watsonx, json!({"model_id": "m", "results": [{"embedding": [0.5]}], "input_token_count": 9}), Some(9)),
        (Shape::HuggingFace, json!([[0.5]]), None),
        (Shape::Voyage, json!({"data": [{"embedding": [0.5], "index": 0}], "usage": {"total_tokens": 8}}), Some(8)),
    ];
    for (shape, body, tokens) in cases {
        let read = reply(shape, &body);
        assert_eq!((first(&read).as_str(), input(&read)), ("[0.5]", tokens), "{shape:?}");
        assert!(shape.read_reply(&HeaderMap::new(), br#"{"message":"no"}"#).is_err(), "{shape:?}");
    }
    assert!(Shape::HuggingFace.read_reply(&HeaderMap::new(), b"[[ [0.5] ]]").is_err());
    let mut headers = HeaderMap::new();
    headers.insert("x-amzn-bedrock-input-token-count", http::HeaderValue::from_static("11"));
    let counted = Shape::BedrockCohere.read_reply(&headers, br#"{"embeddings":[[0.5]]}"#).expect("an answer");
    assert_eq!(input(&counted), Some(11));
}

const PIXEL: &str = "data:image/png;base64,iVBORw==";

#[test]
fn media_reach_those_who_take_them() {
    let body = |shape, model: &str, input: Value| write(shape, model, &json!({"input": input})).0;
    let mixed = json!({"content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": PIXEL}}]});
    let parts = &body(Shape::GeminiBatch, "gemini-embedding-2", json!(["a", PIXEL, mixed]))[0]["requests"];
    assert_eq!(parts[0]["content"]["parts"], json!([{"text": "a"}]));
    assert_eq!(parts[1]["content"]["parts"], json!([{"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}]));
    assert_eq!(parts[2]["content"]["parts"].as_array().map(Vec::len), Some(2));
    let stored = &body(Shape::GeminiOne, "gemini-embedding-2", json!("gs://b/a.mp3"))[0]["content"]["parts"];
    assert_eq!(stored, &json!([{"fileData": {"fileUri": "gs://b/a.mp3", "mimeType": "audio/mpeg"}}]));
    let said = &body(Shape::GeminiOne, "gemini-embedding-2", json!("gs://b/a.mp3 is a path"))[0]["content"]["parts"];
    assert_eq!(said[0]["text"], "gs://b/a.mp3 is a path");

    let vertex = body(Shape::VertexPredict, "multimodalembedding@001", json!(["a", PIXEL, "gs://b/a.jpg"]));
    assert_eq!(vertex[0]["instances"], json!([{"text": "a"}]));
    assert_eq!(vertex[1]["instances"], json!([{"image": {"bytesBase64Encoded": "iVBORw=="}}]));
    assert_eq!(vertex[2]["instances"], json!([{"image": {"gcsUri": "gs://b/a.jpg"}}]));

    let titan = body(Shape::BedrockTitan, "amazon.titan-embed-image-v1", json!([PIXEL, mixed]));
    assert_eq!(titan, [json!({"inputImage": "iVBORw=="}), json!({"inputText": "t", "inputImage": "iVBORw=="})]);

    let newer = body(Shape::Cohere, "embed-v4.0", json!(["a", PIXEL]));
    assert_eq!(newer[0]["inputs"][1]["content"], json!([{"type": "image_url", "image_url": {"url": PIXEL}}]));
    let (older, losses) =
        write(Shape::Cohere, "embed-english-v3.0", &json!({"input": [PIXEL, PIXEL], "dimensions": 8, "input_type": "search_query"}));
    let one = json!({"model": "embed-english-v3.0", "images": [PIXEL], "input_type": "image", "embedding_types": ["float"]});
    assert_eq!((older, losses.as_str()), (vec![one.clone(), one], "dimensions, input_type"));
    let both = read(&json!({"input": ["a", PIXEL]}));
    assert!(Shape::BedrockCohere.write_request(&both, Target { model: "cohere.embed-english-v3", project: None }).is_err());

    let jina = body(Shape::Jina, "jina-embeddings-v4", json!(["a", PIXEL]));
    assert_eq!(jina[0]["input"], json!(["a", {"image": "iVBORw=="}]));
    for shape in [Shape::Voyage, Shape::Ollama, Shape::Watsonx, Shape::HuggingFace] {
        assert!(shape.write_request(&read(&json!({"input": PIXEL})), TARGET).is_err(), "{shape:?} embeds text");
    }
}

#[test]
fn what_stands_at_a_web_address_is_wanted_as_bytes() {
    let url = "https://x.test/a.png";
    let asked = json!({"input": [{"image_url": {"url": url}}, {"content": [{"type": "text", "text": "t"}, {"image": "s3://b/a"}]}, PIXEL]});
    for (_, shape) in ROWS {
        let (mut request, mut wanted) = (read(&asked), Vec::new());
        request.each_wanted(shape, &mut |medium, media| wanted.push((medium, media.clone())));
        let bytes_only = !matches!(
            shape,
            Shape::OpenAi | Shape::Jina | Shape::Voyage | Shape::VoyageMultimodal | Shape::Ollama | Shape::Watsonx | Shape::HuggingFace
        );
        assert_eq!(wanted.len(), usize::from(bytes_only), "{shape:?}");
        assert!(wanted.iter().all(|(medium, _)| *medium == crate::media::Medium::Image));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_the_readers(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), text in "[\\[\\]{}\",:a-z0-9. ]{0,80}") {
        for body in [body.as_slice(), text.as_bytes(), format!("{{\"input\":{text}}}").as_bytes(), format!("{{\"data\":[{{\"embedding\":{text}}}]}}").as_bytes()] {
            for (_, shape) in ROWS {
                let _ = shape.read_request(body);
                if let Ok(read) = shape.read_reply(&HeaderMap::new(), body) {
                    shape.write_reply(&read, Some(Encoding::Base64), "m");
                }
                let _ = shape.reencode(body, Encoding::Base64);
            }
        }
    }

    #[test]
    fn packing_loses_nothing(numbers in proptest::collection::vec(-1e6_f32..1e6, 1..50)) {
        let body = json!({"data": [{"index": 0, "embedding": numbers}]});
        let packed = as_openai(&reply(Shape::OpenAi, &body), Some(Encoding::Base64));
        let back = as_openai(&reply(Shape::OpenAi, &packed), Some(Encoding::Float));
        let back: Vec<f32> = serde_json::from_value(back["data"][0]["embedding"].clone()).expect("floats");
        proptest::prop_assert_eq!(back, numbers);
    }
}

#[test]
fn voyage_makes_one_vector_of_texts_and_images() {
    let both =
        json!({"content": [{"type": "text", "text": "a cat"}, {"type": "image_url", "image_url": {"url": "https://h.example/a.png"}}]});
    let body = json!({"input": ["plain", "data:image/png;base64,AA==", both], "dimensions": 8, "input_type": "query", "user": "u"});
    let (bodies, losses) = write(Shape::VoyageMultimodal, "voyage-multimodal-3.5", &body);
    let inputs = json!([
        {"content": [{"type": "text", "text": "plain"}]},
        {"content": [{"type": "image_base64", "image_base64": "data:image/png;base64,AA=="}]},
        {"content": [{"type": "text", "text": "a cat"}, {"type": "image_url", "image_url": "https://h.example/a.png"}]},
    ]);
    assert_eq!(bodies, [json!({"model": "voyage-multimodal-3.5", "inputs": inputs, "input_type": "query", "output_dimension": 8})]);
    assert_eq!(losses, "user");
    let usage = json!({"text_tokens": 5, "image_pixels": 2_000_000, "total_tokens": 3576});
    let answer = reply(Shape::VoyageMultimodal, &json!({"object": "list", "data": [{"embedding": [0.5], "index": 0}], "usage": usage}));
    assert_eq!((answer.vectors.len(), answer.usage.and_then(|usage| usage.input)), (1, Some(3576)));
    let sound = read(&json!({"input": [{"input_audio": {"data": "AA==", "format": "mp3"}}]}));
    assert!(Shape::VoyageMultimodal.write_request(&sound, TARGET).is_err());
}
