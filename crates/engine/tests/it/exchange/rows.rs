//! Deployments as their rows make them: URL, headers and body of what a provider gets.

use std::collections::BTreeMap;

use http::HeaderMap;
use switchboard_engine::deployment::Spec;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::{Dialect, Operation};

use super::rig::{Rig, ask, build, call, door};
use super::upstream::{Scripted, json, reply};
use super::words::whole;

/// (provider, model, settings, URL of a stream, what the headers hold)
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, Option<(&'static str, &'static str)>);

const VERSION: Option<(&str, &str)> = Some(("anthropic-version", "2023-06-01"));

/// Those who serve Claude in Anthropic's format.
const CLAUDE: [Row; 5] = [
    ("anthropic", "claude-opus-4-6", &[], "https://api.anthropic.com/v1/messages", VERSION),
    (
        "vertex_ai",
        "claude-opus-4-6",
        &[("vertex_project", "p1"), ("vertex_location", "us-east5")],
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p1/locations/us-east5/publishers/anthropic/models/claude-opus-4-6:streamRawPredict",
        None,
    ),
    (
        "vertex_ai",
        "claude-opus-4-6",
        &[("vertex_project", "p1"), ("vertex_location", "global")],
        "https://aiplatform.googleapis.com/v1/projects/p1/locations/global/publishers/anthropic/models/claude-opus-4-6:streamRawPredict",
        None,
    ),
    (
        "databricks",
        "databricks-claude-opus-4-6",
        &[("DATABRICKS_HOST", "w.cloud.databricks.com")],
        "https://w.cloud.databricks.com/serving-endpoints/anthropic/v1/messages",
        VERSION,
    ),
    ("openrouter", "anthropic/claude-opus-4.6", &[], "https://openrouter.ai/api/v1/messages", VERSION),
];

fn row_spec((provider, model, settings, ..): &Row) -> Spec {
    Spec {
        id: "row".to_owned(),
        group: "m".to_owned(),
        provider: (*provider).to_owned(),
        model: (*model).to_owned(),
        values: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
        ..Spec::default()
    }
}

#[test]
fn claude_is_reached_wherever_it_is_served() {
    for row in &CLAUDE {
        let (provider, _, _, url, header) = row;
        let deployment = build(row_spec(row));
        let spoken = deployment.dialect_for(Dialect::Anthropic);
        assert_eq!(spoken, Some(Dialect::Anthropic), "{provider}");
        let reach = deployment.reach(Operation::Chat, spoken, true).unwrap();
        assert_eq!(format!("{}://{}{}", reach.origin.scheme(), reach.origin.authority(), reach.path), *url);
        let of = |headers: &HeaderMap, name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        if let Some((name, value)) = header {
            assert_eq!(of(&reach.headers, name).as_deref(), Some(*value), "{provider}");
        }
        assert_eq!(deployment.profile.vendor.as_deref(), Some("anthropic"), "{provider}");
    }
}

#[tokio::test]
async fn the_envelope_is_the_rows() {
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::Anthropic))]).await;
    let vertex = Spec { base: Some(format!("http://{}", upstream.address())), ..row_spec(&CLAUDE[1]) };
    let rig = Rig::new(vec![vertex]);
    for client in [Dialect::Anthropic, Dialect::OpenAiChat] {
        assert_eq!(rig.ask(&ask(client, false)).await.status, 200, "{client}");
    }
    for (head, body) in upstream.requests() {
        assert!(head.contains("claude-opus-4-6:rawPredict HTTP"), "{head}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
        assert_eq!(body.get("model"), None, "the path names the model: {body}");
    }
}

#[tokio::test]
async fn limits_go_by_the_name_the_model_knows() {
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let base = Some(format!("http://{}/v1", upstream.address()));
    let defaults = vec![("max_tokens".to_owned(), "9".to_owned())];
    let spec = Spec { base, defaults, ..row_spec(&("openai", "gpt-5", &[], "", None)) };
    let rig = Rig::new(vec![spec]);
    let none = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let old = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    let both = r#"{"model":"m","max_tokens":5,"max_completion_tokens":7,"messages":[{"role":"user","content":"hi"}]}"#;
    for body in [old, both, none] {
        rig.ask(&call(Dialect::OpenAiChat, false, body)).await;
    }
    let bodies: Vec<serde_json::Value> = upstream.requests().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
    assert_eq!((&bodies[0]["max_completion_tokens"], bodies[0].get("max_tokens")), (&5.into(), None));
    assert_eq!((&bodies[1]["max_completion_tokens"], bodies[1].get("max_tokens")), (&7.into(), None));
    assert_eq!((&bodies[2]["max_completion_tokens"], bodies[2].get("max_tokens")), (&9.into(), None), "the operator's");
}

#[tokio::test]
async fn what_a_row_takes_out_is_told() {
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let base = Some(format!("http://{}/v1", upstream.address()));
    let rig = Rig::new(vec![Spec { base, ..row_spec(&("mistral", "mistral-large-latest", &[], "", None)) }]);
    let body = r#"{"model":"m","user":"u1","seed":3,"messages":[{"role":"user","content":"hi"}]}"#;
    let told = rig.ask(&call(Dialect::OpenAiChat, false, body)).await;
    assert_eq!(told.header("x-switchboard-dropped"), Some("user"));
    let sent = upstream.body();
    assert_eq!((sent.get("user"), &sent["random_seed"], sent.get("seed")), (None, &3.into(), None));
    assert_eq!(rig.record().losses, 1);
}

#[tokio::test]
async fn a_clients_headers_reach_those_who_understand_them_alone() {
    for provider in [Dialect::OpenAiChat, Dialect::Anthropic] {
        let upstream = Scripted::start(vec![json("200 OK", whole(provider))]).await;
        let rig = Rig::new(vec![super::rig::spec(provider, &upstream)]);
        let mut call = ask(provider, false);
        for name in ["anthropic-beta", "authorization", "x-api-key", "cookie", "openai-organization", "x-forwarded-for"] {
            call.headers.insert(name, "canary-client".parse().unwrap());
        }
        rig.ask(&call).await;
        let (head, _) = upstream.requests().remove(0);
        assert_eq!(head.matches("canary-client").count(), usize::from(provider == Dialect::Anthropic), "{head}");
    }
}

#[tokio::test]
async fn aws_streams_of_claude_are_unwrapped() {
    use base64::Engine as _;
    use switchboard_wire::framing::write_aws_message;
    let encode = |payload: &str| base64::engine::general_purpose::STANDARD.encode(payload);
    let streamed = super::words::streamed(Dialect::Anthropic);
    let mut body = Vec::new();
    for payload in streamed.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let chunk = format!(r#"{{"bytes":"{}"}}"#, encode(payload));
        body.extend(write_aws_message(&[(":message-type", "event"), (":event-type", "chunk")], chunk.as_bytes()));
    }
    let mut said = format!("HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ncontent-length: {}\r\n\r\n", body.len())
        .into_bytes();
    said.extend(body);
    let upstream = Scripted::start(vec![super::upstream::Act::Say(said)]).await;
    for client in super::words::ALL {
        let rig = Rig::new(vec![super::rig::spec(Dialect::Anthropic, &upstream)]);
        let told = rig.ask(&ask(client, true)).await;
        assert_eq!(super::words::text_of_stream(client, &told.body), "Hello there", "{client}: {told:?}");
        told.says(&[super::words::clean_end(client)]);
    }
}

#[tokio::test]
async fn sound_that_breaks_off_does_not_end_cleanly() {
    use http_body_util::BodyExt;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 99\r\n\r\n";
    let upstream = Scripted::start(vec![super::upstream::Act::Say(format!("{head}beep").into_bytes()), reply("200 OK", "", "")]).await;
    let base = Some(format!("http://{}/v1", upstream.address()));
    let rig = Rig::new(vec![Spec { base, ..row_spec(&("openai", "gpt-4o-mini-tts", &[], "", None)) }]);
    let mut call = call(Dialect::OpenAiChat, false, r#"{"model":"m","input":"hi","voice":"alloy"}"#);
    call.door = switchboard_engine::call::Door { operation: Operation::Speech, flavor: Flavor::OpenAi, ..door(Dialect::OpenAiChat) };
    let answer = rig.open(&call).await;
    assert!(answer.body.collect().await.is_err());
}

#[tokio::test]
async fn a_gateway_gets_what_steers_it_but_neither_credentials_nor_addresses() {
    let steering = r#""provider":{"order":["a"]},"models":["b"],"usage":{"include":true},"plugins":[],"transforms":[],"fallbacks":["c"]"#;
    let withheld = r#""api_key":"sk-client","api_base":"http://evil","base_url":"http://evil","api_version":"1","custom_llm_provider":"x","extra_headers":{"authorization":"z"},"aws_secret_access_key":"s","aws_sts_endpoint":"http://evil","vertex_credentials":"{}""#;
    let words = [(Dialect::OpenAiChat, "messages"), (Dialect::Anthropic, "messages"), (Dialect::OpenAiResponses, "input")];
    for (dialect, turns) in words {
        let body = format!(r#"{{"model":"m",{steering},{withheld},"max_tokens":9,"{turns}":[{{"role":"user","content":"hi"}}]}}"#);
        for (provider, goes_on) in [("openrouter", true), ("databricks", false)] {
            let upstream = Scripted::start(vec![json("200 OK", whole(dialect))]).await;
            let base = Some(format!("http://{}/api/v1", upstream.address()));
            let rig = Rig::new(vec![Spec { base, ..row_spec(&(provider, "anthropic/claude-opus-4.6", &[], "", None)) }]);
            rig.ask(&call(dialect, false, &body)).await;
            let sent = upstream.body();
            for field in ["provider", "models", "usage", "plugins", "transforms", "fallbacks"] {
                assert_eq!(sent.get(field).is_some(), goes_on, "{provider} {dialect} {field}: {sent}");
            }
            let secrets = ["aws_secret_access_key", "aws_sts_endpoint", "vertex_credentials"];
            let known = ["api_key", "api_base", "base_url", "api_version", "custom_llm_provider", "extra_headers"];
            for field in known.into_iter().chain(secrets) {
                assert_eq!(sent.get(field), None, "{provider} {dialect}: {sent}");
            }
        }
    }
}

#[tokio::test]
async fn marks_for_caches_stand_where_they_are_wanted() {
    use serde_json::{Value, json};
    let points = json!([{"location": "message", "role": "system"}, {"location": "message", "index": "-1"}, {"location": "tool_config"}]);
    let mark = json!({"type": "ephemeral"});
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let chat = json!({"model": "m", "tools": tools, "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes"}, {"role": "user", "content": [{"type": "text", "text": "go"}, {"type": "text", "text": "on"}]}]});
    let own = json!({"model": "m", "max_tokens": 9, "system": "be brief", "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "go"}, {"type": "text", "text": "on"}]}]});
    let said = |body: &Value, points: Value| {
        let mut body = body.clone();
        body["cache_control_injection_points"] = points;
        body
    };
    let sent = |provider, of_target: &Value, client, body: Value| {
        let list = of_target.as_array().cloned().unwrap_or_default();
        async move {
            let upstream = Scripted::start(vec![json("200 OK", whole(provider))]).await;
            let cache_points = switchboard_engine::deployment::CachePoint::read_all(&list);
            let rig = Rig::new(vec![Spec { cache_points, ..super::rig::spec(provider, &upstream) }]);
            let told = rig.ask(&call(client, false, &body.to_string())).await;
            assert_eq!(told.status, 200, "{told:?}");
            upstream.body()
        }
    };
    let none = Value::Null;
    for (client, body, of_target) in [
        (Dialect::OpenAiChat, chat.clone(), &points),
        (Dialect::Anthropic, own.clone(), &points),
        (Dialect::OpenAiChat, said(&chat, points.clone()), &none),
        (Dialect::Anthropic, said(&own, points.clone()), &none),
    ] {
        let body = sent(Dialect::Anthropic, of_target, client, body).await;
        let blocks = [&body["system"][0], &body["messages"].as_array().unwrap().last().unwrap()["content"][1], &body["tools"][0]];
        assert!(blocks.iter().all(|block| block["cache_control"] == mark), "{client}: {body}");
        assert_eq!(body.to_string().matches("cache_control").count(), 3, "{client}: {body}");
    }
    // A client's own marks stay, and count.
    let marked = json!({"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]});
    let mut full = own.clone();
    full["messages"] = json!([marked, marked, marked, {"role": "user", "content": "b"}, {"role": "user", "content": "c"}]);
    let wanted = json!([{"location": "message", "role": "user", "control": {"type": "ephemeral", "ttl": "5m"}}]);
    let body = sent(Dialect::Anthropic, &wanted, Dialect::Anthropic, full).await;
    assert_eq!(body.to_string().matches("cache_control").count(), 4, "{body}");
    assert_eq!(body["messages"][0], marked);
    assert_eq!(body["messages"][3]["content"][0]["cache_control"]["ttl"], "5m");
    let called = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}, "cache_control": mark});
    let mut calling = chat.clone();
    calling["messages"] = json!([{"role": "system", "content": "be brief"}, marked,
        {"role": "assistant", "tool_calls": [called("1"), called("2"), called("3")]}, {"role": "tool", "tool_call_id": "1", "content": "a"},
        {"role": "tool", "tool_call_id": "2", "content": "b"}, {"role": "tool", "tool_call_id": "3", "content": "c"}]);
    let body = sent(Dialect::Anthropic, &points, Dialect::OpenAiChat, calling).await;
    assert_eq!(body.to_string().matches("cache_control").count(), 4, "{body}");
    // Who takes no marks gets none, and nobody is sent what they are made of.
    let body = sent(Dialect::OpenAiChat, &points, Dialect::OpenAiChat, said(&chat, points.clone())).await;
    assert_eq!(body["messages"], chat["messages"]);
    assert!(!body.to_string().contains("cache_control"), "{body}");
}

#[tokio::test]
async fn models_that_call_while_they_think_are_asked_in_the_newer_form() {
    use serde_json::{Value, json};
    let asked = |model: &'static str, more: Value| async move {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": false,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let upstream = Scripted::start(vec![json("404 Not Found", "{}")]).await;
        let (provider, model) = model.split_once('/').unwrap();
        let spec = Spec { provider: provider.to_owned(), model: model.to_owned(), ..super::rig::spec(Dialect::OpenAiChat, &upstream) };
        Rig::new(vec![spec]).ask(&call(Dialect::OpenAiChat, false, &body.to_string())).await;
        upstream.requests()[0].0.lines().next().unwrap().contains("/responses")
    };
    let effort = |effort: &str| json!({"reasoning_effort": effort});
    assert!(asked("azure/gpt-6-sol", json!({})).await);
    assert!(!asked("azure/gpt-6-sol", effort("none")).await);
    assert!(!asked("azure/gpt-6-sol", json!({"tools": []})).await);
    assert!(asked("openai/gpt-6-sol", effort("low")).await);
    assert!(!asked("openai/gpt-6-sol", json!({})).await, "at an address of the user's own");
    assert!(asked("openai/gpt-5.4-mini", effort("low")).await);
    assert!(!asked("azure/gpt-5.4-mini", json!({})).await, "it does not think unless told");
    assert!(!asked("openai/gpt-5", effort("low")).await);
    assert!(!asked("openrouter/openai/gpt-5.4-nano", effort("low")).await, "who resells it sees to that");
}

#[tokio::test]
async fn what_a_deployment_says_is_translated_like_what_a_client_says() {
    use serde_json::json;
    let said = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let defaults = vec![
        said("temperature", "0.5"),
        said("top_k", "3"),
        said("max_tokens", "7"),
        said("own_field", "1"),
        said("safety_settings", "[]"),
    ];
    let sent = |provider, client, body: serde_json::Value| {
        let defaults = defaults.clone();
        async move {
            let converse = r#"{"output":{"message":{"role":"assistant","content":[{"text":"fine"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}"#;
            let answer = if provider == Dialect::Bedrock { converse } else { whole(provider) };
            let upstream = Scripted::start(vec![json("200 OK", answer)]).await;
            let rig = Rig::new(vec![Spec { defaults, ..super::rig::spec(provider, &upstream) }]);
            assert_eq!(rig.ask(&call(client, false, &body.to_string())).await.status, 200);
            upstream.body()
        }
    };
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 9});
    let body = sent(Dialect::Gemini, Dialect::OpenAiChat, chat.clone()).await;
    assert_eq!(body["generationConfig"], json!({"temperature": 0.5, "topK": 3, "maxOutputTokens": 9}), "{body}");
    // It refuses what it does not know.
    assert_eq!(["temperature", "max_tokens", "own_field"].map(|key| body.get(key)), [None; 3], "{body}");
    assert_eq!((&body["safetySettings"], body.get("safety_settings")), (&json!([]), None));
    let mut own = chat.clone();
    own["additionalModelRequestFields"] = json!({"a": 1});
    let body = sent(Dialect::Bedrock, Dialect::OpenAiChat, own).await;
    assert_eq!(body["inferenceConfig"], json!({"temperature": 0.5, "maxTokens": 9}), "{body}");
    assert_eq!(
        (&body["additionalModelRequestFields"], body.get("own_field")),
        (&json!({"a": 1, "own_field": 1, "safety_settings": [], "top_k": 3}), None)
    );
    let body = sent(Dialect::OpenAiChat, Dialect::OpenAiChat, chat).await;
    assert_eq!((&body["temperature"], &body["top_k"], &body["own_field"]), (&json!(0.5), &json!(3), &json!(1)));
    let messages = json!({"model": "m", "max_tokens": 9, "temperature": 1, "messages": [{"role": "user", "content": "hi"}]});
    let body = sent(Dialect::Gemini, Dialect::Anthropic, messages).await;
    assert_eq!(body["generationConfig"], json!({"temperature": 1, "topK": 3, "maxOutputTokens": 9}), "{body}");
}

#[tokio::test]
async fn what_a_deployment_asks_for_is_opted_into() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    for client in [Dialect::Anthropic, Dialect::OpenAiChat] {
        let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::Anthropic))]).await;
        let defaults = vec![("speed".to_owned(), "\"fast\"".to_owned())];
        let rig = Rig::new(vec![Spec { defaults, ..super::rig::spec(Dialect::Anthropic, &upstream) }]);
        assert_eq!(rig.ask(&call(client, false, body)).await.status, 200);
        assert_eq!(upstream.body()["speed"], "fast");
        assert!(upstream.requests()[0].0.contains("anthropic-beta: fast-mode-2026-02-01"), "{client}");
    }
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, json)| ((*key).to_owned(), (*json).to_owned())).collect()
}

#[tokio::test]
async fn options_of_ollamas_stand_where_it_reads_them() {
    let upstream = Scripted::start(vec![json("200 OK", r#"{"message":{"role":"assistant","content":"hi"},"done":true}"#)]).await;
    let defaults = said(&[("num_ctx", "4096"), ("num_predict", "20"), ("keep_alive", "\"30m\""), ("think", "false")]);
    let base = Some(format!("http://{}", upstream.address()));
    let rig = Rig::new(vec![Spec { base, defaults, ..row_spec(&("ollama", "llama3.2", &[], "", None)) }]);
    for client in [Dialect::OpenAiChat, Dialect::Anthropic] {
        assert_eq!(rig.ask(&ask(client, false)).await.status, 200, "{client}");
    }
    for (head, body) in upstream.requests() {
        assert!(head.starts_with("POST /api/chat "), "{head}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["options"]["num_ctx"], 4096, "{body}");
        assert_eq!((body.get("num_ctx"), &body["keep_alive"], &body["think"]), (None, &"30m".into(), &false.into()), "{body}");
    }
}

#[tokio::test]
async fn whether_an_answer_comes_in_pieces_is_the_callers_to_say() {
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let base = Some(format!("http://{}/v1", upstream.address()));
    let defaults = said(&[("stream", "true"), ("stream_options", "{\"include_usage\":true}")]);
    let rig = Rig::new(vec![Spec { base, set: said(&[("stream", "true")]), defaults, ..row_spec(&("openai", "gpt-4o", &[], "", None)) }]);
    assert_eq!(rig.ask(&ask(Dialect::OpenAiChat, false)).await.status, 200);
    let (_, body) = upstream.requests().remove(0);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(body.get("stream_options").is_none() && body["stream"] != true, "{body}");
}

#[test]
fn what_a_name_does_not_tell_its_base_model_does() {
    let arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x";
    let vendor = |provider, model, base: &str| {
        let deployment = build(Spec { base_model: Some(base.to_owned()), ..row_spec(&(provider, model, &[("resource", "r")], "", None)) });
        (deployment.profile.vendor, deployment.profile.ways.is_some(), deployment.profile.max_completion_tokens)
    };
    let claude = (Some("anthropic".to_owned()), true, None);
    for base in ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"] {
        assert_eq!(vendor("bedrock", arn, base), claude, "{base}");
    }
    assert_eq!(vendor("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-pro-v1:0").0.as_deref(), Some("anthropic"));
    assert_eq!(vendor("azure", "mine", "azure/gpt-5"), (Some("openai".to_owned()), false, Some(true)));
}

#[tokio::test]
async fn gemini_gets_no_field_it_does_not_know() {
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::Gemini))]).await;
    let base = Some(format!("http://{}/v1beta", upstream.address()));
    let defaults =
        said(&[("thinking_level", "\"medium\""), ("supports_vision", "true"), ("labels", "{\"a\":\"b\"}"), ("temperature", "0.5")]);
    let rig = Rig::new(vec![Spec { base, defaults, ..row_spec(&("gemini", "gemini-3-flash-preview", &[], "", None)) }]);
    for client in [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::Gemini] {
        assert_eq!(rig.ask(&ask(client, false)).await.status, 200, "{client}");
    }
    for (at, (_, body)) in upstream.requests().iter().enumerate() {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert!(
            body.get("thinking_level").is_none() && body.get("supports_vision").is_none() && body.get("temperature").is_none(),
            "{body}"
        );
        assert_eq!(body["labels"]["a"], "b", "{body}");
        if at == 0 {
            assert_eq!(body["generationConfig"]["thinkingConfig"]["thinkingLevel"], "medium", "{body}");
        }
    }
}
