//! What providers answer in forms of their own is paid at their own paths too, and what goes on after its answer.

use serde_json::{Value, json};

use crate::managed::{Managed, with};
use crate::spending::until;
use crate::upstream::Upstream;

/// Variables that lead providers to that upstream, below a path that says how it answers.
fn variables(upstream: &Upstream, order: &str) -> String {
    let url = format!("{}/{order}", upstream.url());
    format!(
        "environment_variables: {{OPENAI_API_BASE: {url}/v1, OPENAI_API_KEY: of-openai, GEMINI_API_BASE: {url}/v1beta, \
         GEMINI_API_KEY: of-google, COHERE_API_BASE: {url}, COHERE_API_KEY: of-cohere, MISTRAL_API_BASE: {url}/v1, \
         MISTRAL_API_KEY: of-mistral}}\n"
    )
}

fn spent(gateway: &Managed, id: &str) -> f64 {
    let line = until(gateway, &format!("/spend/logs?request_id={id}"), |lines| lines[0].is_object())[0].clone();
    line["spend"].as_f64().unwrap_or_else(|| panic!("{line}"))
}

/// Path, body, answer, and what it costs at least.
type Case = (&'static str, Value, Value, f64);

fn of_cohere() -> [Case; 5] {
    let billed = |units: Value, more: Value| json!({"id": "a", "meta": {"billed_units": units}, "results": more["results"], "embeddings": more["embeddings"]});
    let ranked = || billed(json!({"search_units": 1}), json!({"results": [{"index": 0, "relevance_score": 0.5}]}));
    let embedded = || billed(json!({"input_tokens": 1_000_000}), json!({"embeddings": {"float": [[0.5]]}}));
    let rank = json!({"model": "rerank-v3.5", "query": "q", "documents": ["a"]});
    let embed = json!({"model": "embed-english-v3.0", "texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]});
    let chat = json!({"model": "command-r-08-2024", "message": "hi"});
    [
        ("/cohere/v2/rerank", rank.clone(), ranked(), 0.002),
        ("/cohere/v1/rerank", rank, ranked(), 0.002),
        ("/cohere/v2/embed", embed.clone(), embedded(), 0.09),
        ("/cohere/v1/embed", embed, embedded(), 0.09),
        ("/cohere/v1/chat", chat, billed(json!({"input_tokens": 1000.0, "output_tokens": 1000}), json!({})), 0.000_7),
    ]
}

fn of_others() -> [Case; 9] {
    let chat = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "usage": {"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a"}}]});
    let told = json!({"total_input_tokens": 1000, "total_output_tokens": 1000, "total_thought_tokens": 1000});
    let drawn = json!({"predictions": [{"bytesBase64Encoded": "AA==", "mimeType": "image/png"}]});
    let film = json!({"instances": [{"prompt": "a"}], "parameters": {"durationSeconds": 4}});
    let texts = json!({"requests": [{"content": {"parts": [{"text": "a"}]}}]});
    let read = json!({"pages": [], "usage_info": {"pages_processed": 2}});
    let ask = |model: &str| json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
    [
        ("/mistral/v1/fim/completions", json!({"model": "codestral-latest", "prompt": "a", "max_tokens": 100}), chat.clone(), 0.000_01),
        ("/mistral/v1/ocr", json!({"model": "mistral-ocr-latest", "document": {"document_url": "https://x"}}), read, 0.008),
        ("/gemini/v1beta/interactions", json!({"model": "gemini-2.5-flash", "input": "hi"}), json!({"id": "i", "usage": told}), 0.005),
        ("/gemini/v1beta/models/imagen-3.0-generate-001:predict", json!({"instances": [{"prompt": "a"}]}), drawn, 0.04),
        ("/gemini/v1beta/models/veo-3.1-generate-001:predictLongRunning", film, json!({"name": "op"}), 1.6),
        ("/gemini/v1beta/models/gemini-embedding-001:batchEmbedContents", texts, json!({"embeddings": [{"values": [0.5]}]}), 0.000_001),
        ("/openai/v1/videos", json!({"model": "sora-2", "prompt": "a", "seconds": "4"}), json!({"id": "video_1"}), 0.4),
        // The formats of others.
        ("/gemini/v1beta/openai/chat/completions", ask("gemini-2.5-flash"), chat.clone(), 0.000_01),
        ("/cohere/compatibility/v1/chat/completions", ask("command-r-08-2024"), chat, 0.000_005),
    ]
}

#[test]
fn an_answer_in_a_providers_own_form_is_paid() {
    let upstream = Upstream::start();
    with(&variables(&upstream, "told"), |gateway| {
        let (key, poor) = (gateway.key(&json!({"max_budget": 100})), gateway.key(&json!({"max_budget": 0.000_000_1})));
        for (path, mut body, answer, least) in of_cohere().into_iter().chain(of_others()) {
            body["told"] = json!(answer.to_string());
            let reply = gateway.as_key(&key, "POST", path, &body);
            assert_eq!((reply.status.as_u16(), reply.text()), (200, answer.to_string().as_str()), "{path}");
            let spent = spent(gateway, reply.header("x-litellm-call-id"));
            assert!((least * 0.999..least * 10.0).contains(&spent), "{path}: {spent}");
            // What a film or a page may cost is not held yet.
            if !path.ends_with("videos") && !path.ends_with("ocr") && !path.ends_with("LongRunning") {
                let refused = gateway.as_key(&poor, "POST", path, &body).status.as_u16();
                assert!([402, 422].contains(&refused), "{path}: {refused}");
            }
        }
    });
}

#[test]
fn no_answer_hides_what_it_took() {
    let upstream = Upstream::start();
    with(&variables(&upstream, "good"), |gateway| {
        let key = gateway.key(&json!({}));
        let content = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
        let path = "/gemini/v1beta/models/gemini-2.5-flash:generateContent?fields=candidates&alt=proto&%24fields=x&a=1";
        let ask = gateway.app.ask("POST", path).key(&key).header("x-goog-fieldmask", "candidates").json(&content).send();
        assert_eq!(ask.status, 200, "{}", ask.text());
        assert_eq!(upstream.asked().last().expect("a request").0, "/good/v1beta/models/gemini-2.5-flash:generateContent?a=1");
        assert_eq!(upstream.header("x-goog-fieldmask"), None);
        let said = json!({"model": "tts-1", "voice": "alloy", "input": "a".repeat(600)});
        let reply = gateway.as_key(&key, "POST", "/openai_passthrough/v1/audio/speech", &said);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let spent = spent(gateway, reply.header("x-litellm-call-id"));
        assert!((spent - 0.009).abs() < 1e-9, "{spent}");
    });
}

#[test]
fn what_goes_on_in_the_background_is_paid_with_all_that_is_held() {
    let upstream = Upstream::start();
    let model = format!("  - {{model_name: b, litellm_params: {{model: openai/gpt-4o, api_base: {}/told, api_key: k}}}}\n", upstream.url());
    with(&format!("{model}{}", variables(&upstream, "told")), |gateway| {
        let answer = |id: &str, status: &str, usage: Value| {
            let text = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "It is fine.", "annotations": []}]});
            let output = if usage.is_null() { json!([]) } else { json!([text]) };
            let answer = json!({"id": id, "object": "response", "created_at": 1, "status": status, "model": "gpt-4o", "error": null,
                "output": output, "usage": usage});
            answer.to_string()
        };
        let spent = |key: &str| gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].as_f64().unwrap_or_default();
        for (path, model) in [("/v1/responses", "b"), ("/openai/v1/responses", "gpt-4o")] {
            let key = gateway.key(&json!({"max_budget": 1}));
            let ask = |background: Value, told: String| json!({"model": model, "input": told, "max_output_tokens": 10_000, "background": background, "store": true});
            let reply = gateway.as_key(&key, "POST", path, &ask(json!(true), answer("resp_q", "queued", Value::Null)));
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            until(gateway, &format!("/key/info?key={key}"), |info| info["info"]["spend"].as_f64() > Some(0.0));
            let held = spent(&key);
            assert!((0.1..0.2).contains(&held), "{path}: {held}");
            // What tells what it took is paid by that.
            let usage = json!({"input_tokens": 1000, "output_tokens": 1000, "total_tokens": 2000});
            let other = gateway.key(&json!({"max_budget": 1}));
            let reply = gateway.as_key(&other, "POST", path, &ask(json!(true), answer("resp_d", "completed", usage)));
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            until(gateway, &format!("/key/info?key={other}"), |info| info["info"]["spend"].as_f64() > Some(0.0));
            assert!((spent(&other) - 0.0125).abs() < 1e-9, "{path}: {}", spent(&other));
        }
    });
}
