//! The operations that are no chat, against recorded exchanges; skipped where these are not at hand.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Operation};
use crate::embed::{Encoding, Shape, Target};
use crate::frames::Frames;
use crate::outline::Outline;
use crate::recorded::rows;
use crate::{count, rerank, usage};

/// The exchanges whose API is one of those, as (api, status, request, answer).
fn exchanges(apis: &[&str]) -> Vec<(String, u64, Value, Vec<u8>)> {
    let exchange = |line: Value| {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        (text("api"), line["status"].as_u64().unwrap_or(0), line["request_body"].clone(), text("response_body").into_bytes())
    };
    rows("corpus.jsonl", |api| apis.contains(&api)).into_iter().map(exchange).collect()
}

#[test]
fn openai_like_embeddings() {
    let apis = [
        "openai.embeddings",
        "azure.embeddings",
        "mistral.embeddings",
        "voyage.embeddings",
        "doubleword.embeddings",
        "venice.embeddings",
        "llamacpp.embeddings",
        "perplexity.embeddings",
        "openrouter.embeddings",
        "openai-compatible.embeddings",
    ];
    for (api, status, request, answer) in exchanges(&apis) {
        let inputs = request.is_object().then(|| {
            let read = Shape::OpenAi.read_request(request.to_string().as_bytes()).unwrap_or_else(|error| panic!("{api}: {error}"));
            let written = Shape::OpenAi.write_request(&read, Target { model: "m", project: None }).expect("writable");
            let written: Value = serde_json::from_slice(&written.bodies[0]).expect("json");
            let whole = if request["input"].is_string() || request["input"][0].is_number() {
                json!([request["input"]])
            } else {
                request["input"].clone()
            };
            assert_eq!(written["input"], whole, "{api}");
            read.inputs.len()
        });
        if status != 200 {
            assert!(Shape::OpenAi.read_reply(&HeaderMap::new(), &answer).is_err(), "{api}: an error is no answer");
            continue;
        }
        let told: Value = serde_json::from_slice(&answer).expect("json");
        let read = Shape::OpenAi.read_reply(&HeaderMap::new(), &answer).unwrap_or_else(|fault| panic!("{api}: {fault:?}"));
        assert_eq!(read.vectors.len(), inputs.unwrap_or(read.vectors.len()), "{api}");
        let usage = read.usage.as_ref().expect("usage");
        assert_eq!(usage.total, told["usage"]["total_tokens"].as_u64(), "{api}");
        assert_eq!(usage.input, told["usage"]["prompt_tokens"].as_u64().or(usage.total), "{api}");
        let packed = Shape::OpenAi.reencode(&answer, Encoding::Base64).unwrap_or(answer.clone());
        let packed: Value = serde_json::from_slice(&packed).expect("json");
        assert!(packed["data"][0]["embedding"].is_string(), "{api}");
        if told["data"][0]["embedding"].is_array() {
            let back = Shape::OpenAi.reencode(packed.to_string().as_bytes(), Encoding::Float).expect("unpacked");
            let back: Value = serde_json::from_slice(&back).expect("json");
            let numbers = |value: &Value| {
                value["data"][0]["embedding"].as_array().map(|all| all.iter().filter_map(Value::as_f64).collect::<Vec<_>>())
            };
            let (before, after) = (numbers(&told).expect("numbers"), numbers(&back).expect("numbers"));
            assert_eq!(before.len(), after.len());
            assert!(before.iter().zip(&after).all(|(one, other)| (one - other).abs() <= one.abs() * 1e-6), "{api}");
        }
    }
}

#[test]
fn other_embeddings() {
    let shapes = [
        ("cohere.v2.embed", Shape::Cohere, Some(7)),
        ("cohere.v1.embed", Shape::BedrockCohere, Some(9)),
        ("gemini.embedContent", Shape::GeminiOne, None),
        ("gemini.batchEmbedContents", Shape::GeminiBatch, Some(261)),
        ("vertex.embedContent", Shape::GeminiOne, Some(11)),
        ("vertex.predict", Shape::VertexPredict, Some(10)),
    ];
    for (api, shape, tokens) in shapes {
        for (_, status, request, answer) in exchanges(&[api]) {
            let read = shape.read_reply(&HeaderMap::new(), &answer);
            assert_eq!(read.is_ok(), status == 200, "{api}");
            let Ok(read) = read else { continue };
            assert_eq!(read.usage.as_ref().and_then(|usage| usage.input), tokens, "{api}");
            assert!(read.vectors.iter().all(|vector| vector.base64().is_some()), "{api}");
            if matches!(shape, Shape::GeminiOne | Shape::GeminiBatch) && request.is_object() {
                let asked = shape.read_request(request.to_string().as_bytes()).unwrap_or_else(|error| panic!("{api}: {error}"));
                assert_eq!(asked.inputs.len(), read.vectors.len(), "{api}");
                let target = Target { model: "gemini-embedding-2", project: None };
                assert!(shape.write_request(&asked, target).expect("writable").losses.is_empty());
            }
        }
    }
}

#[test]
fn reranking() {
    let shapes = [
        ("cohere.v1.rerank", rerank::Shape::Cohere),
        ("cohere.v2.rerank", rerank::Shape::Cohere),
        ("llamacpp.rerank", rerank::Shape::Cohere),
        ("voyage.rerank", rerank::Shape::Voyage),
    ];
    for (api, shape) in shapes {
        for (_, status, request, answer) in exchanges(&[api]) {
            let asked = rerank::read_request(request.to_string().as_bytes()).unwrap_or_else(|error| panic!("{api}: {error}"));
            let read = shape.read_reply(&answer);
            assert_eq!(read.is_ok(), status == 200, "{api}");
            let Ok(mut read) = read else { continue };
            assert!(read.queries.is_some() || read.usage.is_some(), "{api}");
            read.with_documents(&asked);
            let told: Value = serde_json::from_slice(&rerank::write_reply(&read, "id", "m")).expect("json");
            let sent: Value = serde_json::from_slice(&answer).expect("json");
            let sent = if sent["results"].is_array() { &sent["results"] } else { &sent["data"] };
            assert_eq!(told["results"].as_array().map(Vec::len), sent.as_array().map(Vec::len));
            assert_eq!(told["results"][0]["relevance_score"], sent[0]["relevance_score"], "{api}");
            assert!(told["results"][0]["document"]["text"].is_string(), "{api}");
        }
    }
}

#[test]
fn token_counts() {
    let apis = [
        ("anthropic.count_tokens", Dialect::Anthropic),
        ("gemini.countTokens", Dialect::Gemini),
        ("bedrock.count-tokens", Dialect::Bedrock),
    ];
    for (api, dialect) in apis {
        for (_, status, request, answer) in exchanges(&[api]) {
            assert_eq!(count::read_reply(&answer).is_ok(), status == 200, "{api}");
            if dialect == Dialect::Bedrock {
                continue;
            }
            let body = Frames::from(request.to_string().into_bytes());
            count::check(dialect, &body.join()).unwrap_or_else(|error| panic!("{api}: {error}"));
            let outline = Outline::scan(&body).expect("json");
            count::same(dialect, &body, &outline, "other").expect("spliced");
            let chat = count::chat_body(dialect, &body).expect("a chat request");
            if let Some(inbound) = dialect.inbound() {
                let head = crate::half::Head { path_model: Some("m"), ..Default::default() };
                inbound.read_request(&head, &chat.join()).unwrap_or_else(|error| panic!("{api}: {error}"));
            }
        }
    }
}

#[test]
fn images_audio_and_moderations() {
    let apis = [
        ("openai.images", Operation::ImageGenerations),
        ("xai.images", Operation::ImageGenerations),
        ("openai.moderations", Operation::Moderations),
        ("openai.audio.translations", Operation::Translations),
        ("venice.audio.transcriptions", Operation::Transcriptions),
        ("openrouter.audio.transcriptions", Operation::Transcriptions),
    ];
    for (api, operation) in apis {
        for (_, status, _, answer) in exchanges(&[api]) {
            let spent = usage::of_answer(operation, &answer);
            let images = operation == Operation::ImageGenerations && status == 200;
            assert_eq!(spent.images.is_some(), images, "{api}");
            assert_eq!(spent.heard.is_some(), operation == Operation::Transcriptions, "{api}");
        }
    }
}
