//! Providers' own APIs behind the gateway's keys: `/anthropic/…`, `/openai/…` and the like.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, with};
use crate::spending::until;
use crate::upstream::Upstream;

const MODEL: &str = "claude-sonnet-4-5-20250929";

/// Variables that lead every provider of these tests to that upstream.
fn variables(upstream: &Upstream) -> String {
    let url = upstream.url();
    format!(
        "environment_variables: {{ANTHROPIC_API_BASE: {url}/good, ANTHROPIC_API_KEY: of-anthropic, OPENAI_API_BASE: {url}/good/v1, \
         OPENAI_API_KEY: of-openai, GEMINI_API_BASE: {url}/good/v1beta, GEMINI_API_KEY: of-google, COHERE_API_BASE: {url}/bad, \
         COHERE_API_KEY: of-cohere}}\n"
    )
}

fn message(stream: bool) -> Value {
    json!({
        "model": MODEL, "max_tokens": 10, "stream": stream, "messages": [{"role": "user", "content": "hi"}],
        "litellm_metadata": {"tags": ["one", "two"], "user": "somebody"},
    })
}

/// The line of the log that a header of an answer names.
fn line(gateway: &Managed, id: Option<&str>) -> Value {
    let path = format!("/spend/logs?request_id={}", id.expect("the id of the call"));
    until(gateway, &path, |lines| lines[0].is_object())[0].clone()
}

#[test]
fn a_message_passes_as_it_is_and_is_counted() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let key = gateway.key(&json!({}));
        for stream in [false, true] {
            let before = upstream.asked().len();
            let reply = gateway.as_key(&key, "POST", "/anthropic/v1/messages", &message(stream));
            assert_eq!(reply.status, 200, "{}", reply.text());
            match stream {
                true => assert!(reply.text().ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"), "{}", reply.text()),
                false => assert_eq!(reply.json()["content"][0]["text"], "It is fine."),
            }
            let (path, sent) = upstream.asked()[before].clone();
            assert_eq!(path, "/good/v1/messages");
            assert!(!sent.contains("litellm_metadata"), "{sent}");
            assert_eq!(upstream.keys().last().map(String::as_str), Some("of-anthropic"));
            let line = line(gateway, reply.header("x-litellm-call-id").into());
            assert_eq!(line["request_id"], reply.header("x-litellm-call-id"));
            let expected = json!({
                "call_type": "pass_through_endpoint", "model": MODEL, "custom_llm_provider": "anthropic", "prompt_tokens": 5,
                "completion_tokens": 20, "total_tokens": 25, "request_tags": ["one", "two"], "end_user": "somebody",
                "api_base": format!("{}/good/v1/messages", upstream.url()), "status": "success",
            });
            for (name, value) in expected.as_object().expect("fields") {
                assert_eq!(&line[name], value, "{name}");
            }
            assert!(line["spend"].as_f64().is_some_and(|spend| spend > 0.0), "{line}");
            assert!(line["startTime"].as_str() < line["endTime"].as_str());
        }
    });
}

#[test]
fn every_provider_is_shown_its_own_credential_at_its_own_paths() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let key = gateway.key(&json!({}));
        let chat = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
        let content = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
        for (method, path, body, asked, credential) in [
            ("POST", "/openai_passthrough/v1/chat/completions", &chat, "/good/v1/chat/completions", "Bearer of-openai"),
            ("POST", "/openai/v1/assistants", &json!({"model": "gpt-4o"}), "/good/v1/assistants", "Bearer of-openai"),
            ("GET", "/openai/v1/responses/resp_1", &Value::Null, "/good/v1/responses/resp_1", "Bearer of-openai"),
            ("DELETE", "/openai/v1/responses/resp_1", &Value::Null, "/good/v1/responses/resp_1", "Bearer of-openai"),
            ("GET", "/openai/files?limit=2", &Value::Null, "/good/v1/files?limit=2", "Bearer of-openai"),
            (
                "POST",
                "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
                &content,
                "/good/v1beta/models/gemini-2.5-flash:generateContent",
                "of-google",
            ),
        ] {
            let before = upstream.asked().len();
            let reply = gateway.as_key(&key, method, path, body);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(upstream.asked()[before].0, asked);
            assert_eq!(upstream.keys().last().map(String::as_str), Some(credential), "{path}");
        }
        let path = format!("/gemini/v1beta/models/gemini-2.5-flash:generateContent?key={key}");
        let before = upstream.asked().len();
        let reply = gateway.app.ask("POST", &path).header("tags", "a, b").json(&content).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(!upstream.asked()[before].0.contains(&key), "the gateway's key stays here");
        let line = line(gateway, reply.header("x-litellm-call-id").into());
        assert_eq!(
            (&line["request_tags"], &line["model"], &line["total_tokens"]),
            (&json!(["a", "b"]), &json!("gemini-2.5-flash"), &json!(25))
        );
    });
}

#[test]
fn what_geminis_clients_keep_at_the_provider_is_found_there() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let key = gateway.key(&json!({"models": ["gemini-2.5-flash"]}));
        let cache = |model: &str| json!({"model": format!("models/{model}"), "contents": [{"role": "user", "parts": [{"text": "hi"}]}], "ttl": "60s"});
        for (who, method, path, body, expected) in [
            (MASTER, "GET", "/v1beta/cachedContents?pageSize=2", Value::Null, 200),
            (MASTER, "GET", "/v1beta/cachedContents/abc", Value::Null, 200),
            (MASTER, "PATCH", "/v1beta/cachedContents/abc?updateMask=ttl", json!({"ttl": "600s"}), 200),
            (MASTER, "DELETE", "/v1beta/cachedContents/abc", Value::Null, 200),
            (&*key, "POST", "/v1beta/cachedContents", cache("gemini-2.5-flash"), 200),
            (&*key, "POST", "/v1beta/cachedContents", cache("gemini-2.5-pro"), 403),
            (&*key, "GET", "/v1beta/cachedContents", Value::Null, 403),
        ] {
            let before = upstream.asked().len();
            let reply = gateway.as_key(who, method, path, &body);
            assert_eq!(reply.status.as_u16(), expected, "{method} {path}: {}", reply.text());
            if expected == 200 {
                assert_eq!(upstream.asked()[before].0, format!("/good{path}"));
                assert_eq!(upstream.keys().last().map(String::as_str), Some("of-google"));
            }
        }
    });
}

#[test]
fn a_model_of_ones_own_machine_is_asked_for_at_its_providers_paths_too() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let yaml = format!(
        "  - {{model_name: mine, litellm_params: {{model: hosted_vllm/org/model, api_base: '{at}/good/v1', api_key: of-mine, input_cost_per_token: 0.001}}}}
"
    );
    with(&yaml, |gateway| {
        let key = gateway.key(&json!({"models": ["mine"]}));
        let chat = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        for path in ["/vllm/chat/completions", "/vllm/v1/chat/completions", "/hosted_vllm/v1/chat/completions"] {
            let reply = gateway.as_key(&key, "POST", path, &chat("mine"));
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            let (asked, sent) = upstream.asked().pop().expect("a request");
            assert_eq!((asked.as_str(), upstream.keys().last().map(String::as_str)), ("/good/v1/chat/completions", Some("Bearer of-mine")));
            assert!(sent.contains("\"org/model\""), "{sent}");
            let line = line(gateway, reply.header("x-litellm-call-id").into());
            assert!(line["spend"].as_f64().is_some_and(|spend| spend > 0.0), "{line}");
        }
        assert_eq!(gateway.as_key(&key, "POST", "/vllm/chat/completions", &chat("other")).status, 403);
    });
}

#[test]
fn at_a_path_of_both_a_model_that_is_not_known_here_is_the_providers() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let key = gateway.key(&json!({}));
        let chat = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let asked = upstream.asked().len();
        assert_eq!(gateway.as_key(&key, "POST", "/openai/v1/chat/completions", &chat("good")).status, 200);
        assert_eq!(gateway.as_key(&key, "POST", "/v1/chat/completions", &chat("gpt-4o")).status, 400);
        assert_eq!(upstream.asked().len(), asked, "these are the gateway's own");
        let reply = gateway.as_key(&key, "POST", "/openai/v1/chat/completions", &chat("gpt-4o"));
        assert_eq!((reply.status.as_u16(), upstream.asked().len()), (200, asked + 1), "{}", reply.text());
        assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer of-openai"));
        assert!(line(gateway, reply.header("x-litellm-call-id").into())["spend"].as_f64().is_some_and(|spend| spend > 0.0));
    });
}

#[test]
fn what_openais_clients_keep_at_the_provider_is_found_there() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let key = gateway.key(&json!({"allowed_routes": ["openai_routes"]}));
        for (method, path, asked) in [
            ("GET", "/v1/files", "/good/v1/files"),
            ("GET", "/files/file-1/content", "/good/v1/files/file-1/content"),
            ("POST", "/v1/batches/b/cancel", "/good/v1/batches/b/cancel"),
            ("GET", "/v1/fine_tuning/jobs", "/good/v1/fine_tuning/jobs"),
            ("DELETE", "/v1/responses/resp_1", "/good/v1/responses/resp_1"),
            ("POST", "/v1/responses/resp_1/cancel", "/good/v1/responses/resp_1/cancel"),
        ] {
            let before = upstream.asked().len();
            let reply = gateway.as_key(if path.starts_with("/v1/") { &key } else { MASTER }, method, path, &Value::Null);
            assert_eq!((reply.status.as_u16(), upstream.asked()[before].0.as_str()), (200, asked), "{}", reply.text());
            assert!(reply.headers.contains_key("content-length"), "{path}");
            assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer of-openai"));
        }
        // What a team has to itself shuts nobody else out.
        gateway.post("/team/new", &json!({"team_id": "t"}));
        let model = json!({"model_name": "ours", "litellm_params": {"model": "demo/echo"}, "model_info": {"team_id": "t"}});
        gateway.post("/model/new", &model);
        assert_eq!(gateway.as_key(&key, "GET", "/v1/files", &Value::Null).status, 200);
        assert_eq!(gateway.app.ask("GET", "/v1/files").send().status, 401);
        let other = gateway.app.ask("GET", "/v1/files").key(MASTER).header("custom-llm-provider", "mistral").send();
        assert_eq!(other.status, 404, "there is no key for it: {}", other.text());
    });
}

#[test]
fn a_stream_reports_its_usage_although_nobody_asked_and_nobody_sees_it() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let key = gateway.key(&json!({}));
        let chat = json!({"model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
        let before = upstream.asked().len();
        let reply = gateway.as_key(&key, "POST", "/openai_passthrough/v1/chat/completions", &chat);
        assert!(upstream.asked()[before].1.contains("include_usage"), "{}", upstream.asked()[before].1);
        assert!(reply.text().ends_with("data: [DONE]\n\n") && !reply.text().contains("\"total_tokens\""), "{}", reply.text());
        let line = line(gateway, reply.header("x-litellm-call-id").into());
        assert_eq!((&line["prompt_tokens"], &line["completion_tokens"]), (&json!(5), &json!(20)));
    });
}

#[test]
fn who_may_not_pass_does_not_and_is_told_so_before_anything_is_asked() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let asked = upstream.asked().len();
        for path in ["/anthropic/v1/messages", "/assemblyai/v2/transcript", "/eu.assemblyai/v2/transcript"] {
            assert_eq!(gateway.as_key("sk-12222", "POST", path, &json!({})).status, 401, "{path}");
            assert_eq!(gateway.app.ask("POST", path).json(&json!({})).send().status, 401, "{path}");
        }
        let one = gateway.key(&json!({"models": ["gpt-4o"]}));
        let refused = gateway.as_key(&one, "POST", "/anthropic/v1/messages", &message(false));
        assert_eq!((refused.status.as_u16(), refused.json()["type"].clone()), (403, json!("error")), "{}", refused.text());
        assert_eq!(gateway.as_key(&one, "GET", "/openai/v1/files", &Value::Null).status, 403, "no model is named");
        let embeds = gateway.key(&json!({"allowed_routes": ["/v1/embeddings"]}));
        assert_eq!(gateway.as_key(&embeds, "GET", "/openai/v1/files", &Value::Null).status, 403);
        let poor = gateway.key(&json!({"max_budget": 0.000_000_1}));
        assert_eq!(gateway.as_key(&poor, "POST", "/anthropic/v1/messages", &message(false)).status, 402);
        assert_eq!(gateway.as_key(MASTER, "GET", "/anthropic/v1/../../x", &Value::Null).status, 400);
        assert_eq!(gateway.as_key(MASTER, "GET", "/mistral/v1/models", &Value::Null).status, 404, "there is no key for it");
        assert_eq!(gateway.as_key(MASTER, "GET", "/nobody/v1/models", &Value::Null).status, 404);
        assert_eq!(upstream.asked().len(), asked, "nobody was asked");
        let allowed = gateway.key(&json!({"models": ["anthropic/*"], "allowed_routes": ["mapped_pass_through_routes"]}));
        assert_eq!(gateway.as_key(&allowed, "POST", "/anthropic/v1/messages", &message(false)).status, 200);
    });
}

#[test]
fn what_a_provider_refuses_is_told_in_its_words() {
    let upstream = Upstream::start();
    with(&format!("{}general_settings: {{store_prompts_in_spend_logs: true}}\n", variables(&upstream)), |gateway| {
        let key = gateway.key(&json!({}));
        let reply = gateway.as_key(&key, "POST", "/cohere/v2/chat", &json!({"model": "command-r"}));
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["message"]), (500, &json!("scripted failure")));
        let line = line(gateway, reply.header("x-litellm-call-id").into());
        assert_eq!((&line["status"], &line["spend"]), (&json!("failure"), &json!(0.0)));
        assert_eq!(line["metadata"]["error_information"]["error_message"], "scripted failure");
    });
}

#[test]
fn a_callers_own_credential_goes_along_beside_the_gateways_key() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let key = gateway.key(&json!({}));
        let ask = gateway.app.ask("GET", "/openai/v1/files").header("x-litellm-api-key", &key).header("authorization", "Bearer my-own");
        assert_eq!(ask.send().status, 200);
        assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer my-own"));
    });
}

#[test]
fn a_deployment_lends_its_credential_where_it_says_so() {
    let upstream = Upstream::start();
    let lent = format!(
        "  - {{model_name: a, litellm_params: {{model: anthropic/x, api_key: lent, api_base: \"{}/good\", use_in_pass_through: true}}}}\n\
         \x20 - {{model_name: b, litellm_params: {{model: mistral/y, api_key: kept, api_base: \"{}/good\"}}}}\n",
        upstream.url(),
        upstream.url()
    );
    let gateway = Managed::with_models("", &lent, &[]);
    let reply = gateway.as_key(MASTER, "POST", "/anthropic/v1/messages", &message(false));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(upstream.keys().last().map(String::as_str), Some("lent"));
    assert_eq!(gateway.as_key(MASTER, "GET", "/mistral/v1/models", &Value::Null).status, 404);
}

#[test]
fn an_answer_that_is_kept_is_for_whom_it_was_given() {
    let upstream = Upstream::start();
    let model = format!("  - {{model_name: kept, litellm_params: {{model: openai/m, api_base: {}/good, api_key: k}}}}\n", upstream.url());
    for (shared, refused) in [("", 403), ("general_settings: {disable_responses_id_security: true}\n", 200)] {
        with(&format!("{model}{}{shared}", variables(&upstream)), |gateway| {
            for team in ["one", "two"] {
                gateway.post("/team/new", &json!({"team_id": team}));
            }
            for user in ["a", "b"] {
                gateway.post("/user/new", &json!({"user_id": user, "user_role": "internal_user", "auto_create_key": false}));
            }
            let key = |user: Value, team: &str| gateway.key(&json!({"user_id": user, "team_id": team}));
            let own = key(json!("a"), "one");
            let made = gateway.as_key(&own, "POST", "/v1/responses", &json!({"model": "kept", "input": "hi"}));
            assert_eq!((made.status.as_u16(), &made.json()["id"]), (200, &json!("resp_1")), "{}", made.text());
            until(gateway, "/spend/logs?request_id=resp_1", |lines| lines[0].is_object());
            let on = json!({"model": "kept", "input": "more", "previous_response_id": "resp_1"});
            let directly = json!({"model": "gpt-4o", "input": "more", "previous_response_id": "resp_1"});
            for (caller, status) in [
                (own, 200),
                (key(json!("b"), "one"), refused),
                (key(json!("a"), "two"), refused),
                (key(Value::Null, "one"), refused),
                (MASTER.to_owned(), 200),
            ] {
                for (method, path, body) in [
                    ("GET", "/v1/responses/resp_1", &Value::Null),
                    ("GET", "/responses/resp%5F1/input_items", &Value::Null),
                    ("DELETE", "/openai/v1/responses/resp_1", &Value::Null),
                    ("POST", "/v1/responses/resp_1/cancel", &Value::Null),
                    ("POST", "/v1/responses", &on),
                    ("POST", "/openai/v1/responses", &directly),
                ] {
                    let answer = gateway.as_key(&caller, method, path, body);
                    assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
                    let why = (&answer.json()["error"]["type"], answer.text().contains("The response id is not associated with the"));
                    assert!(status == 200 || why == (&json!("permission_error"), true), "{}", answer.text());
                }
                let unknown = gateway.as_key(&caller, "GET", "/v1/responses/resp_none", &Value::Null);
                assert_eq!(unknown.status, 200, "{}", unknown.text());
            }
        });
    }
}

#[test]
fn a_key_with_a_list_of_models_keeps_its_answers() {
    let upstream = Upstream::start();
    let model = format!("  - {{model_name: kept, litellm_params: {{model: openai/m, api_base: {}/good, api_key: k}}}}\n", upstream.url());
    with(&format!("{model}{}", variables(&upstream)), |gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["kept"]}));
        let listed = gateway.key(&json!({"models": ["kept"]}));
        let of_team = gateway.key(&json!({"team_id": "t"}));
        let made = gateway.as_key(&listed, "POST", "/v1/responses", &json!({"model": "kept", "input": "hi"}));
        assert_eq!(made.status, 200, "{}", made.text());
        let concerned = |key: &str| {
            let asked = [
                ("GET", "/v1/responses/resp_1"),
                ("GET", "/responses/resp_1/input_items?limit=1"),
                ("POST", "/openai/v1/responses/resp_1/cancel"),
                ("DELETE", "/v1/responses/resp_1"),
            ];
            asked.map(|(method, path)| gateway.as_key(key, method, path, &Value::Null).status.as_u16())
        };
        until(gateway, "/spend/logs?request_id=resp_1", |lines| lines[0].is_object());
        assert_eq!(concerned(&listed), [200; 4]);
        assert_eq!(concerned(&of_team), [200; 4]);
        assert_eq!(concerned(&gateway.key(&json!({"models": ["good"]}))), [403; 4], "a model that it may not use");
        // What names no model is shut to it as before.
        for (method, path) in
            [("GET", "/v1/responses"), ("POST", "/v1/responses/resp_1"), ("GET", "/v1/files/resp_1"), ("POST", "/v1/responses/x/y")]
        {
            assert_eq!(gateway.as_key(&listed, method, path, &json!({"input": "hi"})).status.as_u16() / 100, 4, "{method} {path}");
        }
    });
}

#[test]
fn content_is_classified_by_the_providers_own_model_where_none_is_named() {
    let upstream = Upstream::start();
    with(&variables(&upstream), |gateway| {
        let (key, listed) = (gateway.key(&json!({})), gateway.key(&json!({"models": ["good"]})));
        for path in ["/moderations", "/v1/moderations"] {
            let before = upstream.asked().len();
            let reply = gateway.as_key(&key, "POST", path, &json!({"input": "hi"}));
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            let (asked, sent) = upstream.asked()[before].clone();
            assert_eq!((asked.as_str(), sent.contains("model")), ("/good/v1/moderations", false), "{sent}");
            assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer of-openai"));
            let unknown = gateway.as_key(&key, "POST", path, &json!({"input": "hi", "model": "nobodys"}));
            assert_eq!(unknown.status.as_u16() / 100, 4, "{}", unknown.text());
            assert_eq!(gateway.as_key(&listed, "POST", path, &json!({"input": "hi"})).status, 403);
            assert_eq!(upstream.asked().len(), before + 1);
        }
    });
    let gateway = Managed::with_models("", "", &[]);
    assert_eq!(gateway.as_key(MASTER, "POST", "/moderations", &json!({"input": "hi"})).status, 400, "nobody is there for it");
}

#[test]
fn what_a_model_is_asked_in_its_own_form_is_read_for_what_it_took_streamed_or_not() {
    let upstream = Upstream::start();
    let variables = format!(
        "environment_variables: {{AWS_BEDROCK_RUNTIME_ENDPOINT: {}/good, AWS_BEARER_TOKEN_BEDROCK: of-bedrock, AWS_REGION: us-east-1}}\n",
        upstream.url()
    );
    with(&variables, |gateway| {
        let claude = "anthropic.claude-3-5-sonnet-20240620-v1:0";
        let models = [claude, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "meta.llama3-70b-instruct-v1:0"];
        for (model, action) in models.into_iter().flat_map(|model| ["invoke", "invoke-with-response-stream"].map(|action| (model, action)))
        {
            let path = format!("/bedrock/model/{model}/{action}");
            let body =
                json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]});
            let mine = gateway.key(&json!({"models": [model], "max_budget": 10}));
            let reply = gateway.as_key(&mine, "POST", &path, &body);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            let line = line(gateway, reply.header("x-litellm-call-id").into());
            assert_eq!((&line["prompt_tokens"], &line["completion_tokens"]), (&json!(5), &json!(20)), "{path}: {line}");
            assert_eq!((&line["status"], &line["model"]), (&json!("success"), &json!(model)), "{path}");
            assert!(line["spend"].as_f64().is_some_and(|spend| spend > 0.0), "{path}: {line}");
            let asked = upstream.asked().len();
            let poor = gateway.key(&json!({"max_budget": 0.000_000_1}));
            let refused = gateway.as_key(&poor, "POST", &path, &body).status.as_u16();
            assert_eq!(refused, if model.contains("claude") { 402 } else { 422 }, "{path}");
            let other = gateway.key(&json!({"models": ["other"]}));
            assert_eq!(gateway.as_key(&other, "POST", &path, &body).status, 403, "{path}");
            assert_eq!(upstream.asked().len(), asked, "{path}");
        }
    });
}

#[test]
fn a_conversation_is_made_shorter_by_its_models_deployment_and_paid() {
    let upstream = Upstream::start();
    let model = format!(
        "  - {{model_name: cmp, litellm_params: {{model: openai/gpt-4o-mini, api_base: {}/good/v1, api_key: of-place}}}}\n",
        upstream.url()
    );
    with(&model, |gateway| {
        for path in ["/v1/responses/compact", "/responses/compact", "/openai/v1/responses/compact"] {
            let key = gateway.key(&json!({"models": ["cmp"]}));
            let before = upstream.asked().len();
            let reply = gateway.as_key(&key, "POST", path, &json!({"model": "cmp", "input": "x", "litellm_metadata": {"tags": ["t"]}}));
            assert_eq!((reply.status.as_u16(), &reply.json()["object"]), (200, &json!("response.compaction")), "{}", reply.text());
            let (asked, body) = upstream.asked()[before].clone();
            assert_eq!((asked.as_str(), body.as_str()), ("/good/v1/responses/compact", r#"{"input":"x","model":"gpt-4o-mini"}"#), "{path}");
            assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer of-place"));
            let line = line(gateway, reply.header("x-litellm-call-id").into());
            assert_eq!((&line["call_type"], &line["total_tokens"]), (&json!("acompact_responses"), &json!(25)), "{line}");
            assert!(line["spend"].as_f64().is_some_and(|spend| spend > 0.0), "{line}");
            let poor = gateway.key(&json!({"max_budget": 0.000_000_1}));
            assert_eq!(gateway.as_key(&poor, "POST", path, &json!({"model": "cmp", "input": "x"})).status, 422);
            let missing = gateway.as_key(&key, "POST", path, &json!({"model": "cmp"}));
            let message = "/responses/compact: Missing required parameter: 'input'.";
            assert_eq!((missing.status.as_u16(), &missing.json()["error"]["message"]), (400, &json!(message)));
        }
        let strange = gateway.as_key(MASTER, "POST", "/v1/responses/compact", &json!({"model": "nobody", "input": "x"}));
        assert_eq!(strange.status, 400, "{}", strange.text());
    });
}

#[test]
fn a_refusal_that_comes_piece_by_piece_passes_so() {
    let upstream = Upstream::start();
    let variables = format!("environment_variables: {{COHERE_API_BASE: {}/stalls, COHERE_API_KEY: of-cohere}}\n", upstream.url());
    let gateway = Managed::with_models("  store_prompts_in_spend_logs: true\n", &variables, &[]);
    let key = gateway.key(&json!({}));
    let mut stream = std::net::TcpStream::connect(gateway.app.address()).expect("a connection");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(3))).expect("set");
    let body = json!({"model": "command-r", "stream": true}).to_string();
    let head = format!(
        "POST /cohere/v2/chat HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("written");
    let mut seen = String::new();
    while !seen.contains("slow down") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).expect("in time");
        assert_ne!(count, 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    assert!(seen.starts_with("HTTP/1.1 429"), "{seen}");
    let id = seen.lines().find_map(|line| line.strip_prefix("x-litellm-call-id: ")).map(str::trim);
    let line = line(&gateway, id);
    assert_eq!((&line["status"], &line["spend"]), (&json!("failure"), &json!(0.0)), "{line}");
    let error = &line["metadata"]["error_information"];
    assert_eq!((&error["error_code"], &error["error_message"]), (&json!("429"), &json!("slow down")));
}
