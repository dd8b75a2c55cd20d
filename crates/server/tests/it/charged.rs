//! What answers are charged that say little, or much, of what they took: over HTTP, at a provider that answers as it is told.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{Managed, with};
use crate::spending::until;
use crate::upstream::Upstream;

/// Runs a test with deployments at a provider that answers what the prompt tells it to: of each, name, model and more.
fn told(models: &[(&str, &str, &str)], test: impl Fn(&Managed)) {
    let upstream = Upstream::start();
    let at = upstream.url();
    let entries = models.iter().map(|(name, model, more)| {
        let comma = if more.is_empty() || more.starts_with('}') { "" } else { ", " };
        format!("  - {{model_name: {name}, litellm_params: {{model: {model}, api_base: '{at}/told', api_key: k{comma}{more}}}}}\n")
    });
    with(&entries.collect::<String>(), test);
}

fn ask(gateway: &Managed, path: &str, model: &str, more: &Value, answer: &str) -> Reply {
    let mut body = match path {
        "/v1/responses" => json!({"model": model, "input": answer}),
        "/v1/messages" => json!({"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": answer}]}),
        _ => json!({"model": model, "messages": [{"role": "user", "content": answer}]}),
    };
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let reply = gateway.app.ask("POST", path).key(crate::managed::MASTER).json(&body).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

/// What a whole answer says it cost.
fn cost(reply: &Reply) -> f64 {
    reply.header("x-litellm-response-cost").parse().unwrap_or_else(|_| panic!("no cost: {:?}", reply.headers))
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

fn chat(usage: &Value) -> String {
    json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}]})
    .to_string()
}

fn message(usage: &Value) -> String {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": null,
        "content": [{"type": "text", "text": "fine"}], "usage": usage})
    .to_string()
}

#[test]
fn a_stream_without_usage_says_what_it_was_charged_for() {
    told(&[("m", "openai/m", "input_cost_per_token: 0.001, output_cost_per_token: 0.002")], |gateway| {
        let chunk = json!({"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "It is fine."}, "finish_reason": null}]});
        let last = json!({"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let reply = ask(
            gateway,
            "/v1/chat/completions",
            "m",
            &json!({"stream": true}),
            &format!("data: {chunk}\n\ndata: {last}\n\ndata: [DONE]\n\n"),
        );
        let id = reply.header("x-litellm-call-id").to_owned();
        let rows = until(gateway, &format!("/spend/logs?request_id={id}"), |rows| rows[0]["spend"].as_f64().is_some());
        let row = &rows[0];
        let count = |name: &str| row[name].as_f64().expect("a count");
        let (input, output, spend) = (count("prompt_tokens"), count("completion_tokens"), count("spend"));
        assert!(input > 0.0 && output > 0.0 && close(spend, input * 0.001 + output * 0.002), "{row}");
        assert!(close(row["metadata"]["cost_breakdown"]["total_cost"].as_f64().expect("a cost"), spend), "{row}");
    });
}

#[test]
fn what_has_no_price_does_not_make_the_rest_free() {
    told(&[("m", "anthropic/m", "input_cost_per_token: 0.000003, output_cost_per_token: 0.000015")], |gateway| {
        let usage = json!({"input_tokens": 1000, "output_tokens": 100, "server_tool_use": {"web_search_requests": 2}});
        let reply = ask(gateway, "/v1/messages", "m", &json!({}), &message(&usage));
        assert!(close(cost(&reply), 0.0045), "{}", cost(&reply));
    });
}

#[test]
fn who_sets_the_price_of_tokens_sets_it_for_all_of_them() {
    let own = "input_cost_per_token: 0.001, output_cost_per_token: 0.002";
    told(
        &[
            ("m", "openai/gpt-4o-audio-preview", own),
            (
                "hour",
                "anthropic/claude-sonnet-4-5",
                "input_cost_per_token: 0.001, output_cost_per_token: 0.002, cache_creation_input_token_cost_above_1hr: 0.005",
            ),
        ],
        |gateway| {
            let usage = json!({"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 2}});
            let reply = ask(gateway, "/v1/chat/completions", "m", &json!({}), &chat(&usage));
            assert!(close(cost(&reply), 0.03), "{}", cost(&reply));
            let usage = json!({"input_tokens": 10, "output_tokens": 10, "cache_creation_input_tokens": 4, "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 4}});
            let reply = ask(gateway, "/v1/messages", "hour", &json!({}), &message(&usage));
            assert!(close(cost(&reply), 0.01 + 0.02 + 0.02), "{}", cost(&reply));
        },
    );
}

#[test]
fn a_base_model_is_found_with_its_providers_name_and_a_wrong_one_harms_nothing() {
    let based = |base: &str| format!("}}, model_info: {{base_model: {base}");
    let (bare, full, other, wrong) = (based("gpt-4o"), based("azure/gpt-4o"), based("openai/gpt-4o"), based("azure/no-such-model"));
    let models = [
        ("bare", "azure/own-name", &*bare),
        ("full", "azure/own-name", &*full),
        ("foreign", "azure/own-name", &*other),
        ("wrong", "azure/gpt-4o", &*wrong),
    ];
    told(&models, |gateway| {
        let usage = json!({"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000});
        for (name, ..) in models {
            let reply = ask(gateway, "/v1/chat/completions", name, &json!({}), &chat(&usage));
            assert!(close(cost(&reply), 0.0125), "{name}: {}", cost(&reply));
        }
    });
}

#[test]
fn the_terms_asked_for_count_where_the_answer_names_none() {
    let prices = "input_cost_per_token: 0.001, output_cost_per_token: 0.001, input_cost_per_token_priority: 0.01, output_cost_per_token_priority: 0.01";
    let standing = format!("{prices}, service_tier: priority");
    told(&[("m", "openai/m", prices), ("standing", "openai/m", &standing)], |gateway| {
        let usage = json!({"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20});
        let plain = chat(&usage);
        let named = |tier: &str| {
            let mut answer: Value = serde_json::from_str(&plain).expect("JSON");
            answer["service_tier"] = tier.into();
            answer.to_string()
        };
        let dear = |model: &str, asked: Value, answer: &str| cost(&ask(gateway, "/v1/chat/completions", model, &asked, answer));
        assert!(close(dear("m", json!({}), &plain), 0.02));
        for tier in ["priority", "fast"] {
            assert!(close(dear("m", json!({"service_tier": tier}), &plain), 0.2), "{tier}");
        }
        assert!(close(dear("m", json!({"service_tier": "auto"}), &plain), 0.02));
        assert!(close(dear("m", json!({"service_tier": "priority"}), &named("default")), 0.02), "what was served counts");
        assert!(close(dear("m", json!({}), &named("priority")), 0.2));
        assert!(close(dear("standing", json!({}), &plain), 0.2));
    });
}
