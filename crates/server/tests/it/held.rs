//! What is held before a call is no less than what it can cost: calls whose cost does not show are refused where a budget is small.

use serde_json::{Value, json};

use crate::managed::{Managed, with};
use crate::upstream::Upstream;

/// Runs a test with deployments at a provider that answers: of each, name, model and more. Pass-through routes lead there too.
fn served(models: &[(&str, &str, &str)], test: impl Fn(&Managed, &Upstream)) {
    let upstream = Upstream::start();
    let at = upstream.url();
    let entries = models.iter().map(|(name, model, more)| {
        let base = if model.starts_with("gemini") { "/good/v1beta" } else { "/good" };
        format!("  - {{model_name: {name}, litellm_params: {{model: {model}, api_base: '{at}{base}', api_key: k, {more}}}}}\n")
    });
    let variables = format!(
        "environment_variables: {{ANTHROPIC_API_BASE: {at}/good, ANTHROPIC_API_KEY: k, OPENAI_API_BASE: {at}/good/v1, OPENAI_API_KEY: k, \
         GEMINI_API_BASE: {at}/good/v1beta, GEMINI_API_KEY: k}}\n"
    );
    with(&format!("{}{variables}", entries.collect::<String>()), |gateway| test(gateway, &upstream));
}

/// What a key with that budget gets for that body.
fn asked(gateway: &Managed, budget: f64, path: &str, body: &str) -> u16 {
    let key = gateway.key(&json!({"max_budget": budget}));
    let reply = gateway.app.ask("POST", path).key(&key).header("content-type", "application/json").body(body.to_owned()).send();
    // Anthropic's clients know another word for it.
    let status = if reply.status.as_u16() == 402 { 422 } else { reply.status.as_u16() };
    assert!(status == 200 || status == 422, "{path} {body}: {status} {}", reply.text());
    status
}

/// Each of them at its budget.
fn all(gateway: &Managed, cases: &[(f64, &str, String, u16)]) {
    for (budget, path, body, expected) in cases {
        assert_eq!(asked(gateway, *budget, path, body), *expected, "{budget}: {path} {body}");
    }
}

/// A chat in some dialect with more fields.
fn body(kind: &str, more: &str) -> String {
    let rest = if more.is_empty() { String::new() } else { format!(", {more}") };
    match kind {
        "responses" => format!(r#"{{"model": "m", "input": "hi", "max_output_tokens": 16{rest}}}"#),
        "messages" => format!(r#"{{"model": "a", "max_tokens": 16, "messages": [{{"role": "user", "content": "hi"}}]{rest}}}"#),
        "gemini" => {
            format!(
                r#"{{"contents": [{{"role": "user", "parts": [{{"text": "hi"}}]}}], "generationConfig": {{"maxOutputTokens": 16}}{rest}}}"#
            )
        }
        _ => format!(r#"{{"model": "m", "max_tokens": 16, "messages": [{{"role": "user", "content": "hi"}}]{rest}}}"#),
    }
}

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/g:generateContent";
const OLLAMA: &str = "/v1beta/models/o:generateContent";
/// A dollar for a million tokens of the prompt, nothing for those of the answer.
const INPUT: &str = "input_cost_per_token: 0.000001, output_cost_per_token: 0}, model_info: {max_input_tokens: 900000";
const THREE: [(&str, &str, &str); 3] = [("m", "openai/m", INPUT), ("a", "anthropic/a", INPUT), ("g", "gemini/g", INPUT)];

#[test]
fn what_is_paid_by_the_time_is_held_and_free_is_what_has_no_price() {
    let models = [
        ("timed", "openai/m", "}, model_info: {input_cost_per_second: 0.1"),
        ("short", "openai/m", "timeout: 1}, model_info: {input_cost_per_second: 0.1"),
        ("letters", "openai/m", "}, model_info: {input_cost_per_character: 0.001"),
        ("free", "openai/m", "input_cost_per_token: 0, output_cost_per_token: 0"),
    ];
    served(&models, |gateway, upstream| {
        let chat = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "hi"}]}).to_string();
        all(
            gateway,
            &[
                (0.0, CHAT, chat("timed"), 422),
                (0.05, CHAT, chat("timed"), 422),
                (10.0, CHAT, chat("timed"), 200),
                (0.05, CHAT, chat("short"), 422),
                (0.2, CHAT, chat("short"), 200),
                (0.01, CHAT, chat("letters"), 422),
                (1.0, CHAT, chat("letters"), 200),
                (0.0, CHAT, chat("free"), 200),
            ],
        );
        let before = upstream.asked().len();
        let film = json!({"model": "sora-2", "prompt": "a cat", "seconds": "8"}).to_string();
        for path in ["/openai/v1/videos", "/openai/v1/whatever"] {
            assert_eq!(asked(gateway, 0.0, path, &film), 422, "{path}");
            assert_eq!(asked(gateway, 0.5, path, &film), 422, "{path}");
        }
        assert_eq!(upstream.asked().len(), before);
        assert_eq!(asked(gateway, 2.0, "/openai/v1/videos", &film), 200);
    });
}

#[test]
fn what_the_provider_keeps_stays_held_after_the_count() {
    served(&THREE, |gateway, _| {
        all(
            gateway,
            &[
                (0.1, RESPONSES, body("responses", ""), 200),
                (0.1, RESPONSES, body("responses", r#""conversation": null"#), 200),
                (0.5, RESPONSES, body("responses", r#""conversation": "conv_1""#), 422),
                (0.5, RESPONSES, body("responses", r#""prompt": {"id": "pmpt_1"}"#), 422),
                (1.0, RESPONSES, body("responses", r#""conversation": "conv_1""#), 200),
                (0.1, GEMINI, body("gemini", ""), 200),
                (0.5, GEMINI, body("gemini", r#""cachedContent": "cachedContents/abc""#), 422),
            ],
        );
    });
}

#[test]
fn tools_that_the_provider_runs_are_held_however_they_are_written() {
    served(&THREE, |gateway, _| {
        let tools = |tool: &str| format!(r#""tools": [{tool}]"#);
        let (chat, message) = (|tool: &str| body("chat", &tools(tool)), |tool: &str| body("messages", &tools(tool)));
        let (response, gemini) = (|tool: &str| body("responses", &tools(tool)), |tool: &str| body("gemini", &tools(tool)));
        let function =
            r#"{"type": "function", "function": {"name": "f", "description": "a web_search", "parameters": {"type": "object"}}}"#;
        all(
            gateway,
            &[
                (0.1, CHAT, chat(function), 200),
                (0.1, CHAT, body("chat", r#""web_search_options": {}"#), 422),
                (0.1, CHAT, body("chat", r#""search_parameters": {"mode": "auto"}"#), 422),
                (0.1, CHAT, body("chat", r#""search_parameters": {"mode": "off"}"#), 200),
                (0.1, MESSAGES, message(r#"{"name": "f", "input_schema": {"type": "object"}}"#), 200),
                (0.1, MESSAGES, message(r#"{"type": "bash_20250124", "name": "bash"}"#), 200),
                (0.1, MESSAGES, message(r#"{"type": "web_search_20250305", "name": "web_search"}"#), 422),
                (0.1, MESSAGES, message(r#"{"type": "web\u005fsearch_20250305", "name": "web\u005fsearch"}"#), 422),
                (0.1, MESSAGES, message(r#"{"type": "code_execution_20250825", "name": "code_execution"}"#), 422),
                (0.1, MESSAGES, message(r#"{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}"#), 200),
                (0.3, MESSAGES, message(r#"{"type": "web_search_20250305", "name": "web_search"}"#), 200),
                (0.3, MESSAGES, message(r#"{"type": "web_search_20250305", "name": "web_search", "max_uses": 50}"#), 422),
                (0.1, MESSAGES, body("messages", r#""mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "x"}]"#), 422),
                (0.1, RESPONSES, response(r#"{"type": "function", "name": "f", "parameters": {"type": "object"}}"#), 200),
                (0.1, RESPONSES, response(r#"{"type": "code_interpreter", "container": {"type": "auto"}}"#), 422),
                (0.1, RESPONSES, response(r#"{"type": "mcp", "server_label": "x", "server_url": "https://mcp.example"}"#), 422),
                (0.1, GEMINI, gemini(r#"{"functionDeclarations": [{"name": "f"}]}"#), 200),
                (0.1, GEMINI, gemini(r#"{"urlContext": {}}"#), 422),
                (0.1, GEMINI, gemini(r#"{"codeExecution": {}}"#), 422),
                (0.1, GEMINI, gemini(r#"{"google\u0053earch": {}}"#), 422),
            ],
        );
    });
}

#[test]
fn grounding_tools_are_held_with_their_searches() {
    served(&[("g", "gemini/gemini-2.5-pro", "input_cost_per_token: 0, output_cost_per_token: 0")], |gateway, _| {
        for tool in ["googleSearch", "google_search", "googleMaps", "enterpriseWebSearch"] {
            let tools = format!(r#""tools": [{{"{tool}": {{}}}}]"#);
            assert_eq!(asked(gateway, 0.01, GEMINI, &body("gemini", &tools)), 422, "{tool}");
        }
        assert_eq!(asked(gateway, 0.01, GEMINI, &body("gemini", "")), 200);
    });
}

#[test]
fn an_answer_for_each_of_several_prompts_is_held() {
    let priced = "input_cost_per_token: 0, output_cost_per_token: 0.001";
    served(&[("m", "openai/m", priced)], |gateway, _| {
        let completion = |prompt: Value| json!({"model": "m", "max_tokens": 10, "prompt": prompt}).to_string();
        let path = "/v1/completions";
        all(
            gateway,
            &[
                (0.02, path, completion(json!("hi")), 200),
                (0.02, path, completion(json!(["hi"])), 200),
                (0.02, path, completion(json!(["hi", "hi", "hi"])), 422),
                (0.02, path, completion(json!([[1, 2], [3], [4]])), 422),
                (0.04, path, completion(json!(["hi", "hi", "hi"])), 200),
                (0.05, path, json!({"model": "m", "max_tokens": 10, "n": 2, "prompt": ["a", "b", "c"]}).to_string(), 422),
            ],
        );
    });
}

#[test]
fn what_is_served_fast_is_held_at_the_price_of_that() {
    served(&[("a", "anthropic/claude-opus-4-8", "max_retries: 0")], |gateway, _| {
        let long = |more: &str| body("messages", more).replace("\"max_tokens\": 16", "\"max_tokens\": 1000");
        all(
            gateway,
            &[
                (0.035, MESSAGES, long(""), 200),
                (0.035, MESSAGES, long(r#""speed": "standard""#), 200),
                (0.035, MESSAGES, long(r#""speed": "fast""#), 422),
                // An account may say where its answers are made.
                (0.0265, MESSAGES, long(""), 422),
            ],
        );
    });
}

#[test]
fn caches_for_an_hour_and_files_are_found_in_escapes() {
    let cached = "input_cost_per_token: 0.000001, output_cost_per_token: 0, cache_creation_input_token_cost: 0.000001, \
                  cache_creation_input_token_cost_above_1hr: 0.00001";
    served(&[("a", "anthropic/a", cached), ("g", "gemini/g", INPUT)], |gateway, _| {
        let kept = |time: &str| body("messages", &format!(r#""cache_control": {{"type": "ephemeral", "ttl": "{time}"}}"#));
        let part = |part: &str| {
            format!(r#"{{"contents": [{{"role": "user", "parts": [{part}]}}], "generationConfig": {{"maxOutputTokens": 16}}}}"#)
        };
        let film = |key: &str| part(&format!(r#"{{"fileData": {{"mimeType": "video/mp4", "{key}": "https://files.example/f"}}}}"#));
        all(
            gateway,
            &[
                (0.0004, MESSAGES, kept("5m"), 200),
                (0.0004, MESSAGES, kept("1h"), 422),
                (0.0004, MESSAGES, kept(r"\u0031h"), 422),
                (0.01, GEMINI, part(r#"{"text": "Gr\u00fc\u00dfe"}"#), 200),
                (0.5, GEMINI, film("fileUri"), 422),
                (0.5, GEMINI, film(r"file\u0055ri"), 422),
            ],
        );
    });
}

#[test]
fn documents_and_pictures_are_held_by_what_may_be_in_them() {
    served(&THREE, |gateway, _| {
        let message =
            |parts: &[Value]| json!({"model": "a", "max_tokens": 16, "messages": [{"role": "user", "content": parts}]}).to_string();
        let source = |kind: &str| json!({"type": "base64", "media_type": kind, "data": "AAAA"});
        let picture = || json!({"type": "image", "source": source("image/png")});
        let document = json!({"type": "document", "source": source("application/pdf")});
        let text = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a document"}});
        let inline = json!({"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]});
        all(
            gateway,
            &[
                (0.02, MESSAGES, message(&[picture()]), 200),
                (0.1, MESSAGES, message(&vec![picture(); 20]), 422),
                (0.1, MESSAGES, message(&[document]), 422),
                (0.1, MESSAGES, message(&[text]), 200),
                (0.005, GEMINI, inline.to_string(), 422),
                (
                    0.1,
                    RESPONSES,
                    body("responses", "")
                        .replace("\"hi\"", r#"[{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]"#),
                    422,
                ),
                (0.1, "/v1/embeddings", json!({"model": "m", "input": "a cat"}).to_string(), 200),
                (0.005, "/v1/embeddings", json!({"model": "m", "input": [{"image": "AAAA"}]}).to_string(), 422),
            ],
        );
    });
}

#[test]
fn images_are_held_in_every_makers_words() {
    let by_token = "input_cost_per_token: 0, output_cost_per_token: 0.00001";
    let by_image = "input_cost_per_token: 0, output_cost_per_image: 0.01";
    let fine = "input_cost_per_token: 0, output_cost_per_token: 0.00001, extra_body: {quality: high}";
    let models = [("tokens", "openai/m", by_token), ("images", "openai/m", by_image), ("fine", "openai/m", fine)];
    served(&models, |gateway, _| {
        let image = |model: &str, more: Value| {
            let mut body = json!({"model": model, "prompt": "a cat"});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            body.to_string()
        };
        let path = "/v1/images/generations";
        all(
            gateway,
            &[
                (0.01, path, image("tokens", json!({"size": "1x1"})), 422),
                (0.004, path, image("tokens", json!({"size": "1024x1024", "quality": "low"})), 200),
                (0.004, path, image("tokens", json!({"size": "1024x1024", "quality": "low", "partial_images": 3})), 422),
                (0.02, path, image("images", json!({})), 200),
                (0.02, path, image("images", json!({"batch_size": 4})), 422),
                (0.02, path, image("images", json!({"num_images": "4"})), 422),
                (0.02, path, image("images", json!({"parameters": {"sampleCount": 4}})), 422),
                (0.01, path, image("fine", json!({"size": "1024x1024", "quality": "low"})), 422),
            ],
        );
    });
}

#[test]
fn files_of_forms_are_held_by_what_they_are() {
    let priced = "input_cost_per_token: 0.00001, output_cost_per_image: 0.001";
    let heard = "input_cost_per_token: 0.00001, output_cost_per_token: 0.00001";
    served(&[("paints", "openai/m", priced), ("hears", "openai/m", heard)], |gateway, _| {
        let part = |head: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        let image = |bytes: usize| part("name=\"image[]\"; filename=\"a.png\"\r\nContent-Type: image/png", &"P".repeat(bytes));
        let sound = |bytes: usize| part("name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg", &"S".repeat(bytes));
        let (edits, hears) = ("/v1/images/edits", "/v1/audio/transcriptions");
        for (budget, path, model, files, expected) in [
            (0.1, edits, "paints", image(10), 200),
            (0.1, edits, "paints", image(10).repeat(3), 422),
            // A picture has not as many tokens as bytes.
            (0.1, edits, "paints", image(100_000), 200),
            (0.01, hears, "hears", sound(100), 422),
            (0.2, hears, "hears", sound(100), 200),
            (0.2, hears, "hears", sound(100_000), 200),
        ] {
            let key = gateway.key(&json!({"max_budget": budget}));
            let form = [part("name=\"model\"", model), part("name=\"prompt\"", "a cat"), files, "--B--\r\n".to_owned()].concat();
            let ask = gateway.app.ask("POST", path).key(&key).header("content-type", "multipart/form-data; boundary=B");
            let reply = ask.body(form).send();
            assert_eq!(reply.status.as_u16(), expected, "{budget} {path}: {}", reply.text());
        }
    });
}

#[test]
fn speech_long_documents_and_answers_without_a_bound_are_held() {
    let tokens = "input_cost_per_token: 0, output_cost_per_token: 0.00001";
    let endless = "input_cost_per_token: 0, output_cost_per_token: 0.001}, model_info: {max_output_tokens: 1000";
    let models = [("speaks", "openai/m", tokens), ("ranks", "cohere/m", "input_cost_per_query: 0.01"), ("m", "openai/m", endless)];
    served(&models, |gateway, _| {
        let speech = json!({"model": "speaks", "voice": "alloy", "input": "It is fine. ".repeat(10)}).to_string();
        let rank = |bytes: usize| json!({"model": "ranks", "query": "why", "documents": ["w".repeat(bytes)]}).to_string();
        all(
            gateway,
            &[
                (0.005, "/v1/audio/speech", speech.clone(), 422),
                (0.05, "/v1/audio/speech", speech, 200),
                (0.015, "/v1/rerank", rank(100_000), 422),
                (0.5, CHAT, body("chat", "").replace("16", "0"), 422),
                (0.5, CHAT, body("chat", ""), 200),
            ],
        );
    });
}

/// What a model that searches in any case takes, and what a provider states of models that no list has.
#[test]
fn searching_models_and_stated_costs_are_held() {
    let models = [("sonar", "perplexity/sonar-pro", "max_retries: 0"), ("deep", "perplexity/sonar-deep-research", "max_retries: 0")];
    served(&models, |gateway, _| {
        let chat = |model: &str| body("chat", "").replace("\"m\"", &format!("\"{model}\""));
        all(
            gateway,
            &[
                (0.01, CHAT, chat("sonar"), 422),
                (0.06, CHAT, chat("sonar"), 200),
                (0.5, CHAT, chat("deep"), 422),
                (2.0, CHAT, chat("deep"), 200),
            ],
        );
    });
    let upstream = Upstream::start();
    let yaml =
        format!("  - {{model_name: r, litellm_params: {{model: openrouter/lab/new, api_base: '{}/told', api_key: k}}}}\n", upstream.url());
    with(&yaml, |gateway| {
        let answer = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25, "cost": 0.5}});
        let chat = json!({"model": "r", "max_tokens": 100, "messages": [{"role": "user", "content": answer.to_string()}]}).to_string();
        all(
            gateway,
            &[(0.001, CHAT, chat.clone(), 422), (0.1, CHAT, chat.clone(), 200), (0.1, CHAT, chat.clone(), 422), (1.0, CHAT, chat, 200)],
        );
    });
}

/// Where there is money for a shorter answer only, it is asked for in the provider's words, and what stands beside them stays.
#[test]
fn answers_are_shortened_to_the_budget_in_objects_too() {
    let priced = "input_cost_per_token: 0, output_cost_per_token: 0.001}, model_info: {max_output_tokens: 60000";
    let keys = "aws_region_name: us-east-1, aws_access_key_id: AKIAX, aws_secret_access_key: x3";
    let bedrock = format!("{keys}, {priced}");
    let models = [("g", "gemini/g", priced), ("b", "bedrock/amazon.nova-lite-v1:0", &*bedrock), ("o", "ollama/o", priced)];
    served(&models, |gateway, upstream| {
        let said = r#""contents": [{"role": "user", "parts": [{"text": "hi"}]}]"#;
        let gemini = |config: &str| format!("{{{said}{config}}}");
        let passed = "/gemini/v1beta/models/gemini-2.5-pro:generateContent";
        let chat = |model: &str| json!({"model": model, "temperature": 0.5, "messages": [{"role": "user", "content": "hi"}]}).to_string();
        for (path, body, object, key, beside) in [
            (GEMINI, gemini(""), "generationConfig", "maxOutputTokens", Value::Null),
            (GEMINI, gemini(r#", "generationConfig": {"temperature": 0.5}"#), "generationConfig", "maxOutputTokens", json!(0.5)),
            (GEMINI, gemini(r#", "generation_config": {"temperature": 0.5}"#), "generationConfig", "maxOutputTokens", json!(0.5)),
            (CHAT, chat("g"), "generationConfig", "maxOutputTokens", json!(0.5)),
            (passed, gemini(r#", "generationConfig": {"temperature": 0.5}"#), "generationConfig", "maxOutputTokens", json!(0.5)),
            (CHAT, chat("b"), "inferenceConfig", "maxTokens", json!(0.5)),
            (OLLAMA, gemini(r#", "generationConfig": {"temperature": 0.5}"#), "options", "num_predict", json!(0.5)),
        ] {
            let budget = 0.2;
            let before = upstream.asked().len();
            let key_of = gateway.key(&json!({"max_budget": budget}));
            let reply = gateway.app.ask("POST", path).key(&key_of).header("content-type", "application/json").body(body.clone()).send();
            assert!(reply.status.as_u16() != 422, "{path} {body}: {}", reply.text());
            let (_, sent) = upstream.asked()[before].clone();
            let sent: Value = serde_json::from_str(&sent).expect("JSON");
            let cap = sent[object][key].as_u64().unwrap_or_else(|| panic!("{path} {body}: {sent}"));
            assert!((16..60_000).contains(&cap), "{sent}");
            assert_eq!(sent[object]["temperature"], beside, "{sent}");
            assert!(sent.get("generation_config").is_none(), "{sent}");
        }
        // Who says how long it may be, gets that or nothing.
        assert_eq!(asked(gateway, 0.2, GEMINI, &gemini(r#", "generationConfig": {"maxOutputTokens": 60000}"#)), 422);
    });
}

/// Dearer terms of service are held for whoever may get them.
#[test]
fn terms_of_service_that_nobody_asks_for_are_not_held() {
    let priced = "input_cost_per_token: 0, output_cost_per_token: 0.001, output_cost_per_token_priority: 0.01";
    served(&[("m", "openai/m", priced), ("g", "gemini/g", priced)], |gateway, _| {
        all(
            gateway,
            &[
                (0.05, GEMINI, body("gemini", ""), 200),
                (0.05, GEMINI, body("gemini", r#""serviceTier": "priority""#), 422),
                (0.05, CHAT, body("chat", r#""service_tier": "default""#), 200),
                (0.05, CHAT, body("chat", r#""service_tier": "priority""#), 422),
                // An account may have them of itself.
                (0.05, CHAT, body("chat", ""), 422),
            ],
        );
    });
}

/// A long prompt may be made shorter first: that reads it once more, and is an answer of its own.
#[test]
fn a_prompt_that_may_be_made_shorter_is_held_twice() {
    let long = "word ".repeat(20_000);
    let message =
        |more: &str| format!(r#"{{"model": "a", "max_tokens": 16, "messages": [{{"role": "user", "content": "{long}"}}]{more}}}"#);
    let shortened = |edit: &str| message(&format!(r#", "context_management": {{"edits": [{{"type": "{edit}"}}]}}"#));
    let beside = "input_cost_per_token: 0.000001, output_cost_per_token: 0.001";
    served(&[("a", "anthropic/a", beside)], |gateway, _| {
        all(
            gateway,
            &[
                (0.05, MESSAGES, message(""), 200),
                (0.05, MESSAGES, shortened("clear_tool_uses_20250919"), 200),
                (0.05, MESSAGES, shortened("compact_20260112"), 422),
                (0.1, MESSAGES, shortened("compact_20260112"), 200),
            ],
        );
    });
}

/// What is drawn for an answer, and a container in which code runs, are held where the call may have them.
#[test]
fn tools_with_prices_of_their_own_are_held() {
    served(&[("m", "openai/gpt-4.1", "")], |gateway, _| {
        let tools = |tool: &str| body("responses", &format!(r#""tools": [{tool}]"#));
        let code = r#"{"type": "code_interpreter", "container": {"type": "auto"}}"#;
        all(
            gateway,
            &[
                (0.01, RESPONSES, body("responses", ""), 200),
                (1.0, RESPONSES, tools(r#"{"type": "image_generation"}"#), 422),
                (10.0, RESPONSES, tools(r#"{"type": "image_generation"}"#), 200),
                (0.41, RESPONSES, tools(code), 422),
                (1.0, RESPONSES, tools(code), 200),
            ],
        );
    });
}
