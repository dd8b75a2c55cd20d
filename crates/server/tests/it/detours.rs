//! Ways past lists of models, budgets and limits at providers' own paths, all of them closed: however a path is written, and whatever
//! else a body says.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, with};
use crate::spending::until;
use crate::upstream::Upstream;

/// Variables that lead providers to that upstream, below a path that says how it answers.
fn variables(upstream: &Upstream, order: &str) -> String {
    let url = format!("{}/{order}", upstream.url());
    format!(
        "environment_variables: {{ANTHROPIC_API_BASE: {url}, ANTHROPIC_API_KEY: of-anthropic, OPENAI_API_BASE: {url}/v1, \
         OPENAI_API_KEY: of-openai, GEMINI_API_BASE: {url}/v1beta, GEMINI_API_KEY: of-google, COHERE_API_BASE: {url}, \
         COHERE_API_KEY: of-cohere, MISTRAL_API_BASE: {url}/v1, MISTRAL_API_KEY: of-mistral, OPENROUTER_API_BASE: {url}/v1, \
         OPENROUTER_API_KEY: of-openrouter, REPLICATE_API_BASE: {url}/v1, REPLICATE_API_TOKEN: of-replicate, \
         AWS_BEDROCK_RUNTIME_ENDPOINT: {url}, AWS_BEARER_TOKEN_BEDROCK: of-bedrock, AWS_REGION: us-east-1}}\n"
    )
}

/// The line of the log that an answer names.
fn line(gateway: &Managed, id: &str) -> Value {
    until(gateway, &format!("/spend/logs?request_id={id}"), |lines| lines[0].is_object())[0].clone()
}

fn is_paid(line: &Value) -> bool {
    line["spend"].as_f64().is_some_and(|spend| spend > 0.0)
}

#[test]
fn a_body_opens_no_model_that_its_path_does_not_ask_for() {
    let upstream = Upstream::start();
    with(&variables(&upstream, "good"), |gateway| {
        let key = gateway.key(&json!({"models": ["gpt-4o", "gemini-2.5-flash", "openai/gpt-5"]}));
        let asked = upstream.asked().len();
        let said = |model: &str| json!({"model": model, "instances": [{"prompt": "a cat"}], "input": "x"});
        for (path, body) in [
            ("/gemini/v1beta/models/veo-3.0-generate-001:predictLongRunning", said("gpt-4o")),
            ("/gemini/v1beta/models/gemini-2.5-pro:batchGenerateContent", said("gpt-4o")),
            ("/gemini/v1beta/models/gemini-2.5-pro:generateContent", said("gpt-4o")),
            ("/gemini/v1beta/models/gemini-2.5-pro%3AgenerateContent", said("gpt-4o")),
            ("/gemini/v1beta/Models/gemini-2.5-pro:nothingKnown", said("gpt-4o")),
            ("/gemini/v1beta%2Fmodels%2Fgemini-2.5-pro:nothingKnown", said("gpt-4o")),
            ("/gemini/v1beta/tunedModels/mine:generateContent", said("gpt-4o")),
            ("/bedrock/model/meta.llama3-8b/%69nvoke", said("gpt-4o")),
            ("/bedrock/async-invoke", said("gpt-4o")),
            ("/bedrock/rerank", said("gpt-4o")),
            ("/anthropic/v1/messages/batches", said("gpt-4o")),
            (
                "/anthropic/v1/messages/batches",
                json!({"requests": [{"custom_id": "1", "params": {"model": "gpt-4o"}}, {"custom_id": "2", "params": {}}]}),
            ),
            ("/v1/batches", said("gpt-4o")),
            ("/v1/files", said("gpt-4o")),
            ("/openai/v1/assistants", said("gpt-4o")),
            ("/replicate/v1/models/meta/llama/predictions", said("gpt-4o")),
            ("/replicate/v1/predictions", json!({"model": "gpt-4o", "version": "somebody/other:1"})),
            ("/openrouter/v1/chat/completions", json!({"model": "gpt-4o", "models": ["gpt-4o", "openai/o1-pro"], "messages": []})),
            ("/openrouter/v1/chat/completions", json!({"model": ["gpt-4o"], "messages": []})),
            ("/gemini/v1beta/models/gemini-2.5-flash:batchEmbedContents", json!({"requests": [{"model": "models/gemini-2.5-pro"}]})),
        ] {
            let reply = gateway.as_key(&key, "POST", path, &body);
            assert_eq!(reply.status, 403, "{path}: {}", reply.text());
            assert_eq!(gateway.as_key(&key, "PUT", path, &body).status, 403, "{path}");
        }
        assert_eq!(upstream.asked().len(), asked, "nobody was asked");
        for (path, body) in [
            ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", said("gpt-4o")),
            ("/gemini/v1beta/models/gemini-2.5-flash:batchEmbedContents", json!({"requests": [{"model": "models/gemini-2.5-flash"}]})),
            ("/openrouter/v1/chat/completions", json!({"model": "gpt-4o", "models": ["openai/gpt-5"], "messages": []})),
        ] {
            assert_eq!(gateway.as_key(&key, "POST", path, &body).status, 200, "{path}");
        }
        assert_eq!(gateway.as_key(&key, "GET", "/gemini/v1beta/models/gemini-2.5-flash", &Value::Null).status, 200);
        assert_eq!(gateway.as_key(&key, "GET", "/gemini/v1beta/models/gemini-2.5-pro", &Value::Null).status, 403);
    });
}

#[test]
fn a_call_is_paid_however_its_path_is_written_and_is_sent_as_it_was_compared() {
    let upstream = Upstream::start();
    with(&variables(&upstream, "good"), |gateway| {
        let (key, poor) = (gateway.key(&json!({})), gateway.key(&json!({"max_budget": 0.000_000_1})));
        let claude = "anthropic.claude-3-5-sonnet-20240620-v1:0";
        let message = json!({"model": "claude-sonnet-4-5-20250929", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
        let content = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 10}});
        let chat = json!({"model": "gpt-4o", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
        let invoked = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]});
        let generate = "/good/v1beta/models/gemini-2.5-pro:generateContent";
        for (path, body, sent) in [
            ("/anthropic/v1/%6dessages".to_owned(), &message, "/good/v1/messages".to_owned()),
            ("/anthropic/v1/messages/".to_owned(), &message, "/good/v1/messages".to_owned()),
            ("/anthropic//v1//messages//".to_owned(), &message, "/good/v1/messages".to_owned()),
            ("/%61nthropic/v1/messages".to_owned(), &message, "/good/v1/messages".to_owned()),
            ("/anthropic/V1/Messages".to_owned(), &message, "/good/V1/Messages".to_owned()),
            ("/anthropic/v1%2Fmessages".to_owned(), &message, "/good/v1%2Fmessages".to_owned()),
            ("/gemini/v1beta/models/gemini-2.5-pro%3AgenerateContent".to_owned(), &content, generate.to_owned()),
            ("/gemini/v1beta/models/gemini-2.5-pro:generate%43ontent/".to_owned(), &content, generate.to_owned()),
            ("/openai_passthrough/v1/chat/completions/".to_owned(), &chat, "/good/v1/chat/completions".to_owned()),
            ("/openai/v1/chat/completions/".to_owned(), &chat, "/good/v1/chat/completions".to_owned()),
            (format!("/bedrock/model/{claude}/%69nvoke"), &invoked, format!("/good/model/{claude}/invoke")),
            (format!("/bedrock/model/{}/invoke/", claude.replace(':', "%3a")), &invoked, format!("/good/model/{claude}/invoke")),
        ] {
            let before = upstream.asked().len();
            let reply = gateway.as_key(&key, "POST", &path, body);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(upstream.asked()[before].0, sent, "{path}");
            if !path.contains("%2F") && !path.contains("Messages") {
                let line = line(gateway, reply.header("x-litellm-call-id"));
                assert!(is_paid(&line) && line["total_tokens"] == 25, "{path}: {line}");
            }
            let refused = gateway.as_key(&poor, "POST", &path, body).status.as_u16();
            assert!([402, 422].contains(&refused), "{path}: {refused}");
            assert_eq!(upstream.asked().len(), before + 1, "{path}");
        }
        for path in [
            "/anthropic/v1/messages;x=1",
            "/anthropic/v1/messages%3Bx",
            "/anthropic/v1/%256dessages",
            "/anthropic/v1/x/%2e%2e/messages",
            "/anthropic/v1/x/..%2Fmessages",
            "/anthropic/v1/messages%3Fx",
            "/anthropic/v1%5Cmessages",
        ] {
            let before = upstream.asked().len();
            assert_eq!(gateway.as_key(MASTER, "POST", path, &message).status, 400, "{path}");
            assert_eq!(upstream.asked().len(), before, "{path}");
        }
    });
}

#[test]
fn what_can_be_read_in_two_ways_is_not_passed_on_where_it_is_read() {
    let upstream = Upstream::start();
    with(&variables(&upstream, "good"), |gateway| {
        let key = gateway.key(&json!({"max_budget": 10}));
        let before = upstream.asked().len();
        let send = |path: &str, kind: &str, body: &str| {
            let ask = gateway.app.ask("POST", path).key(&key).header("content-type", kind);
            ask.body(body.as_bytes().to_vec()).send()
        };
        let twice = r#"{"model":"claude-haiku-4-5","model":"claude-opus-4-1","max_tokens":9,"messages":[]}"#;
        assert_eq!(send("/anthropic/v1/messages", "application/json", twice).status, 400);
        assert_eq!(send("/anthropic/v1/messages", "multipart/form-data; boundary=b", twice).status, 400);
        let field = |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let form = [field("model", "whisper-1"), field("model", "gpt-4o-transcribe"), field("file", "x"), "--b--\r\n".to_owned()].concat();
        assert_eq!(send("/openai_passthrough/v1/audio/transcriptions", "multipart/form-data; boundary=b", &form).status, 400);
        // Which model draws where none is named, only its provider knows.
        assert_eq!(send("/openai_passthrough/v1/images/generations", "application/json", r#"{"prompt":"a cat"}"#).status, 400);
        assert_eq!(upstream.asked().len(), before);
        let ask = gateway.app.ask("POST", "/openai_passthrough/v1/embeddings").key(&key).header("x-http-method-override", "GET");
        assert_eq!(ask.json(&json!({"model": "text-embedding-3-small", "input": "x"})).send().status, 200);
        assert_eq!(upstream.header("x-http-method-override"), None);
    });
}

#[test]
fn a_slash_at_the_end_of_the_gateways_own_paths_leads_nowhere_else() {
    let upstream = Upstream::start();
    let model =
        format!("  - {{model_name: kept, litellm_params: {{model: openai/m, api_base: {}/good, api_key: of-kept}}}}\n", upstream.url());
    with(&format!("{model}{}", variables(&upstream, "good")), |gateway| {
        let key = gateway.key(&json!({"models": ["kept"]}));
        let ask = json!({"model": "kept", "input": "hi"});
        for path in
            ["/v1/responses/", "/responses/", "/v1//responses", "/v1/%72esponses", "/openai/v1/responses/", "/v1/responses/compact/"]
        {
            let reply = gateway.as_key(&key, "POST", path, &ask);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer of-kept"), "{path}");
            let other = gateway.as_key(&key, "POST", path, &json!({"model": "good", "input": "hi"}));
            assert_eq!(other.status, 403, "{path}: {}", other.text());
        }
        assert_eq!(gateway.as_key(&key, "GET", "/v1/models/", &Value::Null).status, 200);
        let routed = gateway.key(&json!({"allowed_routes": ["/v1/embeddings"]}));
        assert_eq!(gateway.as_key(&routed, "POST", "/v1/%72esponses/", &ask).status, 403, "lists of routes know it as it is");
    });
}

#[test]
fn azures_paths_are_the_gateways_for_models_it_knows() {
    let upstream = Upstream::start();
    let model =
        format!("  - {{model_name: kept, litellm_params: {{model: openai/m, api_base: {}/good, api_key: of-kept}}}}\n", upstream.url());
    with(&format!("{model}{}", variables(&upstream, "good")), |gateway| {
        let key = gateway.key(&json!({}));
        for (path, body) in [
            ("/openai/responses?api-version=2025-03-01-preview", json!({"model": "kept", "input": "hi"})),
            ("/openai/chat/completions", json!({"model": "kept", "messages": [{"role": "user", "content": "hi"}]})),
            ("/openai/embeddings", json!({"model": "kept", "input": "hi"})),
        ] {
            let reply = gateway.as_key(&key, "POST", path, &body);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer of-kept"), "{path}");
        }
        let models = gateway.as_key(&key, "GET", "/openai/models", &Value::Null);
        assert_eq!((models.status.as_u16(), models.text().contains("\"kept\"")), (200, true), "{}", models.text());
        // What nobody here serves is OpenAI's, as below `/openai/v1`.
        let reply = gateway.as_key(&key, "POST", "/openai/responses", &json!({"model": "gpt-4o", "input": "hi"}));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer of-openai"));
        assert_eq!(upstream.asked().last().expect("a request").0, "/good/v1/responses");
        assert!(is_paid(&line(gateway, reply.header("x-litellm-call-id"))));
        assert_eq!(gateway.as_key(&key, "GET", "/openai/responses/resp_9", &Value::Null).status, 200, "objects are the provider's");
    });
}
