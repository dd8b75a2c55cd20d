//! What a deployment, and the router for all of them, says of how it is used.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp, load};
use crate::upstream::Upstream;

fn post(app: &TestApp, fields: &Value) -> Reply {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "How is it?"}]});
    body.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    app.ask("POST", "/v1/chat/completions").json(&body).send()
}

/// A deployment of the model `m`, by its order at the upstream.
fn entry(upstream: &Upstream, order: &str, params: &str, info: &str) -> String {
    let url = upstream.url();
    format!(
        "  - {{model_name: m, litellm_params: {{model: openai/m, api_key: k, api_base: {url}/{order}{params}}}, model_info: {{id: {order}{info}}}}}\n"
    )
}

fn gateway(entries: &[String], settings: &str) -> TestApp {
    TestApp::of(&format!("model_list:\n{}{settings}", entries.concat()))
}

fn from(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-litellm-model-id")
}

#[test]
fn deployments_are_served_in_their_environments_alone() {
    let upstream = Upstream::start();
    let yaml = format!(
        "model_list:\n{}{}",
        entry(&upstream, "good", "", ", supported_environments: [production, staging]"),
        entry(&upstream, "cached", "", ", supported_environments: [development]"),
    );
    for (environment, served) in [("staging", "good"), ("development", "cached")] {
        let app = TestApp::with(&yaml, &[("LITELLM_ENVIRONMENT", environment)]);
        assert!((0..4).all(|_| from(&post(&app, &json!({}))) == served), "{environment}");
    }
    let nowhere = TestApp::of(&yaml);
    assert_eq!(post(&nowhere, &json!({})).status, 400);
    assert!(load(&yaml).diagnostics.to_string().contains("LITELLM_ENVIRONMENT"));
}

/// How often a failing deployment was asked in so many requests.
fn failures(upstream: &Upstream, entries: &[String], settings: &str) -> usize {
    let before = upstream.asked().len();
    let app = gateway(entries, settings);
    for _ in 0..6 {
        post(&app, &json!({"num_retries": 0}));
    }
    let asked = upstream.asked();
    asked[before..].iter().filter(|(path, _)| path.starts_with("/bad")).count()
}

#[test]
fn a_deployment_says_how_many_failures_it_bears() {
    const NEVER: &str = "router_settings: {allowed_fails: 100, cooldown_time: 60}\n";
    let upstream = Upstream::start();
    let good = entry(&upstream, "good", ", order: 2", "");
    let bad = |info: &str| entry(&upstream, "bad", ", order: 1", info);
    let asked = |info: &str| failures(&upstream, &[bad(info), good.clone()], NEVER);
    let usual = asked("");
    assert_eq!(asked(", allowed_fails: 0"), 1, "where it is asked {usual} times unless it says");
    assert_eq!(asked(", allowed_fails_policy: {InternalServerErrorAllowedFails: 0}"), 1);
    assert!(asked(", allowed_fails_policy: {RateLimitErrorAllowedFails: 0}") > 1 && usual > 1);
    assert!(failures(&upstream, &[bad(", allowed_fails: 0")], NEVER) > 1, "there is no other");
    let policy = ", allowed_fails_policy: {InternalServerErrorAllowedFails: 0}, cooldown_time: 60";
    assert_eq!(failures(&upstream, &[bad(policy)], NEVER), 1, "what is said of this failure holds for the only one too");
    assert!(asked(", allowed_fails: 0, cooldown_time: 0") > 1, "its own rest is over at once");
}

#[test]
fn service_tiers_have_times_of_their_own() {
    let upstream = Upstream::start();
    let tiers = ", timeout: 30, timeout_by_service_tier: {flex: 0.2}, stream_timeout_by_service_tier: {priority: 0.2}";
    let app = gateway(&[entry(&upstream, "dead", tiers, "")], "");
    for asked in [json!({"service_tier": "flex"}), json!({"service_tier": "priority", "stream": true})] {
        let mut asked = asked;
        asked["num_retries"] = json!(0);
        let reply = post(&app, &asked);
        assert_eq!(reply.status, 504, "{}", reply.text());
        assert_eq!(reply.header("x-litellm-timeout"), "0.2", "{asked}");
    }
    let app = gateway(&[entry(&upstream, "slow", ", timeout_by_service_tier: {flex: 0.01}", "")], "");
    assert_eq!(post(&app, &json!({"service_tier": "default"})).status, 200);
}

#[test]
fn a_deployment_can_pretend_not_to_answer() {
    let upstream = Upstream::start();
    let app = gateway(&[entry(&upstream, "good", ", mock_timeout: true, timeout: 0.05", "")], "");
    let reply = post(&app, &json!({"num_retries": 0}));
    assert_eq!(reply.status, 504, "{}", reply.text());
    assert!(upstream.asked().is_empty());
}

/// The content of a stream, joined, and whether anything stands under another name.
fn streamed(reply: &Reply) -> (String, bool) {
    let events = reply.text().lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let deltas: Vec<Value> = events.map(|data| serde_json::from_str::<Value>(data).expect("JSON")["choices"][0]["delta"].clone()).collect();
    let content = deltas.iter().filter_map(|delta| delta["content"].as_str()).collect();
    (content, deltas.iter().any(|delta| delta["reasoning_content"].is_string()))
}

#[test]
fn thoughts_are_part_of_the_text_where_that_is_wanted() {
    let upstream = Upstream::start();
    let plain = gateway(&[entry(&upstream, "ponders", "", "")], "");
    let merging = gateway(&[entry(&upstream, "ponders", ", merge_reasoning_content_in_choices: true", "")], "");
    let stream = json!({"stream": true});
    assert_eq!(streamed(&post(&plain, &stream)), ("It is fine.".to_owned(), true));
    let merged = ("<think>Hm.</think>It is fine.".to_owned(), false);
    assert_eq!(streamed(&post(&merging, &stream)), merged);
    assert_eq!(streamed(&post(&plain, &json!({"stream": true, "merge_reasoning_content_in_choices": true}))), merged);
    let thoughtless = gateway(&[entry(&upstream, "good", ", merge_reasoning_content_in_choices: true", "")], "");
    assert_eq!(streamed(&post(&thoughtless, &stream)).0, "It is fine.");
}

#[test]
fn a_silent_stream_shows_that_it_is_open() {
    let upstream = Upstream::start();
    let pings = |params: &str, asked: &Value| {
        let app = gateway(&[entry(&upstream, "pausing", params, "")], "");
        let mut body = json!({"stream": true});
        body.as_object_mut().expect("a map").extend(asked.as_object().expect("a map").clone());
        let reply = post(&app, &body);
        assert_eq!(streamed(&reply).0, "It is fine.");
        reply.text().matches(": ping\n\n").count()
    };
    assert!(pings(", keepalive_seconds: 1", &json!({})) > 0);
    assert_eq!(pings("", &json!({"keepalive_seconds": 1})), 0, "callers may not say");
    assert!(pings(", allow_client_keepalive_override: true", &json!({"keepalive_seconds": 0.1})) > 0);
    assert_eq!(pings(", keepalive_seconds: 0, allow_client_keepalive_override: true", &json!({"keepalive_seconds": 1})), 0);
}

#[test]
fn the_router_has_parameters_for_every_request() {
    let upstream = Upstream::start();
    let sent = |fields: &Value| {
        let settings = "router_settings: {default_litellm_params: {temperature: 0.25, seed: 7, metadata: {a: b}}}\n";
        let app = gateway(&[entry(&upstream, "good", ", temperature: 0.5, top_p: 0.9", "")], settings);
        assert_eq!(post(&app, fields).status, 200);
        let body: Value = serde_json::from_str(&upstream.asked().last().expect("a request").1).expect("JSON");
        (body["temperature"].clone(), body["seed"].clone(), body["top_p"].clone(), body["metadata"].clone())
    };
    assert_eq!(sent(&json!({})), (json!(0.25), json!(7), json!(0.9), Value::Null));
    assert_eq!(sent(&json!({"temperature": 1, "seed": 1})), (json!(1), json!(1), json!(0.9), Value::Null));
}

#[test]
fn the_router_says_how_many_requests_a_deployment_takes_at_a_time() {
    let bound = |params: &str| {
        let yaml = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: demo/echo{params}}}}}]\nrouter_settings: {{default_max_parallel_requests: 3}}"
        );
        load(&yaml).config.expect("a configuration").deployments[0].limits.max_parallel_requests
    };
    assert_eq!((bound(""), bound(", max_parallel_requests: 1"), bound(", rpm: 100")), (Some(3), Some(1), None));
    let upstream = Upstream::start();
    let app = gateway(&[entry(&upstream, "good", "", "")], "router_settings: {default_max_parallel_requests: 0}\n");
    assert_eq!(post(&app, &json!({})).status, 429);
}

#[test]
fn callers_stay_where_the_router_says_so_of_a_model() {
    let upstream = Upstream::start();
    let entries: Vec<String> = ["good", "cached", "slow"].iter().map(|order| entry(&upstream, order, "", "")).collect();
    let places = |settings: &str| {
        let app = gateway(&entries, settings);
        let ask = |session: &str| from(&post(&app, &json!({"litellm_session_id": session}))).to_owned();
        let mut places: Vec<String> = (0..16).map(|_| ask("one")).collect();
        places.sort_unstable();
        places.dedup();
        places.len()
    };
    assert_eq!(places("router_settings: {model_group_affinity_config: {m: [session_affinity]}}\n"), 1);
    assert!(places("router_settings: {model_group_affinity_config: {other: [session_affinity]}}\n") > 1);
    let instead = "router_settings: {optional_pre_call_checks: [session_affinity], model_group_affinity_config: {m: []}}\n";
    assert!(places(instead) > 1, "what is said of a model holds instead");
}

#[test]
fn deployments_that_cannot_be_used_are_left_out() {
    let upstream = Upstream::start();
    let broken = "  - {model_name: m, litellm_params: {model: azure/x, api_key: k}}\n".to_owned();
    let app = gateway(&[broken, entry(&upstream, "good", "", "")], "router_settings: {ignore_invalid_deployments: false}\n");
    assert!((0..4).all(|_| from(&post(&app, &json!({}))) == "good"));
}

#[test]
fn prompts_and_answers_have_limits_of_their_own() {
    let upstream = Upstream::start();
    let answered = |limits: &str, settings: &str| {
        let app = gateway(&[entry(&upstream, "good", limits, "")], settings);
        let ask = || post(&app, &json!({"max_tokens": 20, "num_retries": 0})).status.as_u16();
        [ask(), ask()]
    };
    const KEPT: &str = "router_settings: {optional_pre_call_checks: [enforce_model_rate_limits]}\n";
    assert_eq!(answered(", otpm: 30", KEPT), [200, 429], "of twenty tokens each");
    assert_eq!(answered(", otpm: 30", ""), [200, 200], "nobody keeps to it");
    assert_eq!(answered(", itpm: 1", KEPT)[0], 429);
    assert_eq!(answered(", itpm: 1000, otpm: 1000", KEPT), [200, 200]);
}

/// A gateway with one deployment, `m`, of that model at that place of the upstream.
fn at(upstream: &Upstream, model: &str, place: &str, params: &str) -> TestApp {
    let url = upstream.url();
    TestApp::of(&format!(
        "model_list:\n  - {{model_name: m, litellm_params: {{model: {model}, api_key: k, api_base: '{url}{place}'{params}}}}}\n"
    ))
}

#[test]
fn addresses_lead_where_they_say() {
    let upstream = Upstream::start();
    let asked = |model: &str, place: &str, params: &str| {
        let app = at(&upstream, model, place, params);
        assert_eq!(post(&app, &json!({})).status, 200, "{model} {place}");
        upstream.asked().last().expect("a request").0.clone()
    };
    let azure = "/good/openai/deployments/gpt-4o";
    assert_eq!(asked("azure/gpt-4o", azure, ""), format!("{azure}/chat/completions?api-version=2025-02-01-preview"));
    let whole = format!("{azure}/chat/completions?api-version=1");
    assert_eq!(asked("azure/gpt-4o", &whole, ""), whole);
    assert_eq!(asked("azure/gpt-4o", "/good", ", api_version: v1"), "/good/openai/v1/chat/completions");
    assert_eq!(asked("groq/m", "/good/chat/completions", ""), "/good/chat/completions");
    assert_eq!(asked("azure_ai/claude-haiku-4-5", "/good/anthropic", ""), "/good/anthropic/v1/messages");
    assert_eq!(upstream.header("x-api-key").as_deref(), Some("k"));
    assert_eq!(asked("azure_ai/mistral-large", "/good/v1", ""), "/good/v1/chat/completions");
    assert_eq!(upstream.header("authorization").as_deref(), Some("Bearer k"));
}

#[test]
fn answers_in_a_form_of_the_providers_own_are_told_in_the_clients() {
    let upstream = Upstream::start();
    let app = at(&upstream, "databricks/some-model", "/told", "");
    let thought = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]});
    let content = json!([thought, {"type": "text", "text": "PONG"}]);
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "cache_read_input_tokens": 4});
    let whole = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}]});
    let told = |answer: &str, stream: bool| post(&app, &json!({"stream": stream, "messages": [{"role": "user", "content": answer}]}));
    let reply = told(&whole.to_string(), false).json();
    let message = &reply["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("PONG"), &json!("Hm.")), "{reply}");
    assert_eq!(reply["usage"]["prompt_tokens_details"]["cached_tokens"], 4, "{reply}");
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let chunks = [chunk(json!({"role": "assistant", "content": content}), json!(null)), chunk(json!({}), json!("stop"))];
    let events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>() + "data: [DONE]\n\n";
    assert_eq!(streamed(&told(&events, true)), ("PONG".to_owned(), true));
}

/// A gateway of one model `m` with those parameters beside its address.
fn sole(upstream: &Upstream, model: &str, params: &str) -> TestApp {
    let url = upstream.url();
    TestApp::of(&format!("model_list: [{{model_name: m, litellm_params: {{model: '{model}', api_base: '{url}/good', {params}}}}}]"))
}

#[test]
fn claude_at_azure_is_shown_tokens_as_other_models_are() {
    let upstream = Upstream::start();
    for (params, header, wanted) in [("azure_ad_token: entra", "authorization", "Bearer entra"), ("api_key: k", "x-api-key", "k")] {
        post(&sole(&upstream, "azure_ai/claude-sonnet-4-5", params), &json!({}));
        assert_eq!(upstream.header(header).as_deref(), Some(wanted), "{params}");
    }
    assert!(upstream.asked().iter().all(|(path, _)| path.ends_with("/anthropic/v1/messages")), "{:?}", upstream.asked());
}

#[test]
fn a_stream_is_for_those_who_ask_for_one() {
    let upstream = Upstream::start();
    let app = sole(&upstream, "openai/m", "api_key: k, stream: true, extra_body: {stream: true}");
    assert_eq!(post(&app, &json!({})).json()["choices"][0]["message"]["role"], "assistant");
    assert!(upstream.asked().iter().all(|(_, body)| !body.contains("\"stream\":true")), "{:?}", upstream.asked());
}

#[test]
fn models_of_nobody_are_left_out_and_the_others_served() {
    let upstream = Upstream::start();
    let stray = "  - {model_name: stray, litellm_params: {model: siliconflow/Qwen3-8B, api_key: theirs}}\n\
                 \x20 - {model_name: bad, litellm_params: {model: openai/m, api_base: '${NOWHERE}'}}\n";
    let app = gateway(&[entry(&upstream, "good", "", ""), stray.to_owned()], "");
    assert_eq!(from(&post(&app, &json!({}))), "good");
    assert_eq!(post(&app, &json!({"model": "stray"})).status, 401);
    assert_eq!(app.gate().unusable.len(), 2);
}
