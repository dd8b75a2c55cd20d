//! What answers are charged that say little, or much, of what they took: over HTTP, at a provider that answers as it is told.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{Managed, with};
use crate::spending::until;
use crate::upstream::Upstream;

/// Runs a test with deployments at a provider that answers what the prompt tells it to: of each, name, model and more.
pub(crate) fn told(models: &[(&str, &str, &str)], test: impl Fn(&Managed)) {
    let upstream = Upstream::start();
    let at = upstream.url();
    let entries = models.iter().map(|(name, model, more)| {
        let comma = if more.is_empty() || more.starts_with('}') { "" } else { ", " };
        format!("  - {{model_name: {name}, litellm_params: {{model: {model}, api_base: '{at}/told', api_key: k{comma}{more}}}}}\n")
    });
    with(&entries.collect::<String>(), test);
}

pub(crate) fn ask(gateway: &Managed, path: &str, model: &str, more: &Value, answer: &str) -> Reply {
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
pub(crate) fn cost(reply: &Reply) -> f64 {
    reply.header("x-litellm-response-cost").parse().unwrap_or_else(|_| panic!("no cost: {:?}", reply.headers))
}

pub(crate) fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

pub(crate) fn chat(usage: &Value) -> String {
    json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}]})
    .to_string()
}

pub(crate) fn message(usage: &Value) -> String {
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

/// Tiers of service are paid as the list says, also where an operator has a price for the usual terms, but for what is free.
#[test]
fn an_operators_price_leaves_the_tiers_of_the_list() {
    let models = [
        ("dear", "openai/gpt-4.1", "input_cost_per_token: 0.001, output_cost_per_token: 0.002"),
        ("half", "openai/gpt-4.1", "input_cost_per_token: 0.001, input_cost_per_token_priority: 0.01"),
        ("free", "openai/gpt-4.1", "input_cost_per_token: 0, output_cost_per_token: 0"),
    ];
    told(&models, |gateway| {
        let usage = json!({"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40});
        let answer = |tier: &str| chat(&usage).replacen('{', &format!("{{\"service_tier\":\"{tier}\","), 1);
        for (model, tier, expected) in [
            ("dear", "default", 0.06),
            ("dear", "priority", 20.0 * 3.5e-6 + 20.0 * 14e-6),
            ("half", "priority", 20.0 * 0.01 + 20.0 * 14e-6),
            ("free", "priority", 0.0),
        ] {
            let reply = ask(gateway, "/v1/chat/completions", model, &json!({}), &answer(tier));
            assert!(close(cost(&reply), expected), "{model} {tier}: {}", cost(&reply));
        }
    });
}

/// What a deployment adds to a call, is held for it before.
#[test]
fn what_a_deployment_adds_to_a_call_is_held_too() {
    let priced = "input_cost_per_token: 0, output_cost_per_token: 0.01";
    let (four, long) = (format!("{priced}, n: 4"), format!("{priced}, extra_body: {{max_tokens: 100}}"));
    told(&[("one", "openai/m", priced), ("four", "openai/m", &four), ("long", "openai/m", &long)], |gateway| {
        let answer = chat(&json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}));
        for (model, expected) in [("one", 200), ("four", 422), ("long", 422)] {
            let key = gateway.key(&json!({"max_budget": 0.2}));
            let body = json!({"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": answer}]});
            let reply = gateway.as_key(&key, "POST", "/v1/chat/completions", &body);
            assert_eq!(reply.status.as_u16(), expected, "{model}: {}", reply.text());
        }
    });
}

/// However a call says how many answers it wants, each is held for.
#[test]
fn answers_are_held_however_their_number_is_written() {
    let priced = "input_cost_per_token: 0, output_cost_per_token: 0.01";
    let at = |path: &str| format!("/v1beta/models/{path}:generateContent");
    told(&[("m", "openai/m", priced), ("g", "gemini/g", priced)], |gateway| {
        let chat = |more: Value| {
            let mut body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "no answer"}]});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            ("/v1/chat/completions".to_owned(), body.to_string())
        };
        let config =
            |config: &str| (at("g"), format!(r#"{{"contents": [{{"parts": [{{"text": "no answer"}}]}}], "generationConfig": {config}}}"#));
        for (path, body) in [
            chat(json!({"n": 5})),
            chat(json!({"n": 5.0})),
            chat(json!({"n": "5"})),
            chat(json!({"n": 4.5})),
            chat(json!({"best_of": 5.0})),
            chat(json!({"n": 1, "max_tokens": 50.0})),
            config(r#"{"maxOutputTokens": 10, "candidateCount": 5.0}"#),
            config(r#"{"maxOutputTokens": 10.0, "candidateCount": "5"}"#),
            config(r#"{"maxOutputTokens": 10, "candidateCount": 1, "candidateCount": 5}"#),
            config(r#"{"maxOutputTokens": 10, "candidate_count": 5, "candidateCount": 1}"#),
        ] {
            let key = gateway.key(&json!({"max_budget": 0.2}));
            let reply = gateway.app.ask("POST", &path).key(&key).header("content-type", "application/json").body(body.clone()).send();
            assert_eq!(reply.status.as_u16(), 422, "{body}: {}", reply.text());
        }
    });
}

/// Forms say it too.
#[test]
fn images_that_a_form_asks_for_are_held_each() {
    let upstream = Upstream::start();
    let priced = "input_cost_per_token: 0, output_cost_per_image: 0.01";
    let yaml = format!(
        "  - {{model_name: paints, litellm_params: {{model: openai/m, api_base: '{}/good', api_key: k, {priced}}}}}\n",
        upstream.url()
    );
    with(&yaml, |gateway| {
        let part = |head: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        for (count, more, expected) in [("1", "", 200), ("10", "", 422), ("1", "10", 400)] {
            let key = gateway.key(&json!({"max_budget": 0.05}));
            let again = if more.is_empty() { String::new() } else { part("name=\"n\"", more) };
            let form = [
                part("name=\"model\"", "paints"),
                part("name=\"n\"", count),
                again,
                part("name=\"prompt\"", "a cat"),
                part("name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png", "PNG"),
                "--B--\r\n".to_owned(),
            ];
            let ask = gateway.app.ask("POST", "/v1/images/edits").key(&key).header("content-type", "multipart/form-data; boundary=B");
            let reply = ask.body(form.concat()).send();
            assert_eq!(reply.status.as_u16(), expected, "{count}: {}", reply.text());
        }
    });
}

#[test]
fn images_that_are_paid_by_the_token_are_held_before() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let yaml = format!("  - {{model_name: paints, litellm_params: {{model: openai/gpt-image-1, api_base: '{at}/good', api_key: k}}}}\n");
    with(&yaml, |gateway| {
        for (more, expected) in [
            (json!({}), 422),
            (json!({"quality": "low"}), 200),
            (json!({"quality": "low", "n": 5}), 422),
            (json!({"quality": "medium", "size": "1024x1024"}), 200),
            (json!({"quality": "high", "size": "1024x1024"}), 422),
        ] {
            let key = gateway.key(&json!({"max_budget": 0.05}));
            let mut body = json!({"model": "paints", "prompt": "a cat"});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let reply = gateway.as_key(&key, "POST", "/v1/images/generations", &body);
            assert_eq!(reply.status.as_u16(), expected, "{more}: {}", reply.text());
        }
    });
}

#[test]
fn quiet_hours_of_every_day_and_of_some_days_have_their_prices() {
    let prices = "input_cost_per_token: 0.0001, output_cost_per_token: 0.0002, made_up: 1";
    let standard = "input_cost_per_token: 0.001, output_cost_per_token: 0.002}, model_info: {off_peak_pricing:";
    let days = "weekdays: [1, 2, 3, 4, 5, 6, 7]";
    let daily = format!("{standard} {{hours_utc: '00:00-00:00', {prices}}}");
    let listed = format!("{standard} {{windows: [{{{days}, hours_utc: ['00:00-12:00', '12:00-00:00']}}], {prices}}}");
    let never = format!("{standard} {{{prices}}}");
    told(&[("daily", "openai/m", &daily), ("listed", "openai/m", &listed), ("never", "openai/m", &never)], |gateway| {
        let usage = json!({"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40});
        for (model, expected) in [("daily", 0.006), ("listed", 0.006), ("never", 0.06)] {
            let reply = ask(gateway, "/v1/chat/completions", model, &json!({}), &chat(&usage));
            assert!(close(cost(&reply), expected), "{model}: {}", cost(&reply));
        }
    });
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

#[test]
fn an_answer_that_breaks_off_is_charged_by_the_terms_its_pieces_name() {
    let prices = "input_cost_per_token: 0.001, output_cost_per_token: 0.001, input_cost_per_token_priority: 0.01, output_cost_per_token_priority: 0.01";
    let piece = |delta: Value, tier: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "service_tier": tier,
            "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    };
    let chat = [piece(json!({"role": "assistant", "content": "It"}), json!("priority")), piece(json!({"content": " is"}), json!(null))];
    let responses = [
        json!({"type": "response.created", "sequence_number": 0,
            "response": {"id": "resp_1", "object": "response", "status": "in_progress", "model": "m", "output": [], "service_tier": "priority"}}),
        json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
            "item": {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}}),
        json!({"type": "response.output_text.delta", "sequence_number": 2, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "It is"}),
    ];
    let messages = [
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1, "service_tier": "priority"}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is"}}),
    ];
    let gemini = [json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "It is"}]}}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "trafficType": "ON_DEMAND_PRIORITY"}})];
    let models = [("chat", "openai/m", prices), ("claude", "anthropic/m", prices), ("gemini", "gemini/m", prices)];
    told(&models, |gateway| {
        for (path, model, events) in [
            ("/v1/chat/completions", "chat", &chat[..]),
            ("/v1/messages", "chat", &chat),
            ("/v1/responses", "chat", &responses),
            ("/v1/messages", "claude", &messages),
            ("/v1/chat/completions", "claude", &messages),
            ("/v1/chat/completions", "gemini", &gemini),
        ] {
            let answer: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            let reply = ask(gateway, path, model, &json!({"stream": true}), &answer);
            let id = reply.header("x-litellm-call-id").to_owned();
            let rows = until(gateway, &format!("/spend/logs?request_id={id}"), |rows| rows[0]["spend"].as_f64().is_some());
            let count = |name: &str| rows[0][name].as_f64().expect("a count");
            let (tokens, spend) = (count("prompt_tokens") + count("completion_tokens"), count("spend"));
            assert!(tokens > 0.0 && close(spend, tokens * 0.01), "{path} {model}: {}", rows[0]);
        }
    });
}

#[test]
fn what_a_provider_states_is_what_is_charged_unless_the_operator_has_a_price() {
    let own = "input_cost_per_token: 0.001, output_cost_per_token: 0.001";
    told(
        &[
            ("listed", "perplexity/sonar", ""),
            ("unlisted", "openrouter/lab/nobody-knows", ""),
            ("own", "openrouter/lab/m", own),
            ("other", "openai/gpt-4o", ""),
        ],
        |gateway| {
            let usage = |cost: Value| json!({"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20, "cost": cost});
            let charged = |model: &str, told: Value| {
                let reply = ask(gateway, "/v1/chat/completions", model, &json!({}), &chat(&usage(told)));
                cost(&reply)
            };
            assert!(close(charged("listed", json!({"input_tokens_cost": 0.001, "total_cost": 0.0123})), 0.0123));
            assert!(close(charged("unlisted", json!(0.0421)), 0.0421));
            assert!(close(charged("own", json!(0.0421)), 0.02));
            assert!(close(charged("listed", json!(-1)), 0.00002), "what cannot be is no statement");
        },
    );
}

#[test]
fn terms_that_make_all_dearer_are_charged() {
    let factors = "input_cost_per_token: 0.001, output_cost_per_token: 0.002}, model_info: {provider_specific_entry: {fast: 6, us: 1.1}";
    let flex =
        "input_cost_per_token: 0.001, output_cost_per_token: 0.002, input_cost_per_token_flex: 0.0005, output_cost_per_token_flex: 0.001";
    told(&[("claude", "anthropic/m", factors), ("gemini", "gemini/m", flex)], |gateway| {
        let message = |more: Value| {
            let mut usage = json!({"input_tokens": 10, "output_tokens": 10});
            usage.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            cost(&ask(gateway, "/v1/messages", "claude", &json!({}), &message(&usage)))
        };
        assert!(close(message(json!({})), 0.03));
        assert!(close(message(json!({"inference_geo": "us", "speed": "standard"})), 0.033));
        assert!(close(message(json!({"inference_geo": "global", "speed": "fast"})), 0.18));
        assert!(close(message(json!({"inference_geo": 1, "speed": null})), 0.03));
        let gemini = |kind: Value| {
            let answer = json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "fine"}]}}],
                "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 20, "trafficType": kind}});
            cost(&ask(gateway, "/v1/chat/completions", "gemini", &json!({}), &answer.to_string()))
        };
        assert!(close(gemini("ON_DEMAND".into()), 0.03));
        assert!(close(gemini(1.into()), 0.03), "a number for the word harms nothing");
        assert!(close(gemini("ON_DEMAND_FLEX".into()), 0.015));
    });
}

#[test]
fn terms_of_the_price_list_make_no_prices_of_ones_own_dearer() {
    let prices = "input_cost_per_token: 0.001, output_cost_per_token: 0.002";
    let factor = format!("{prices}}}, model_info: {{provider_specific_entry: {{fast: 6}}");
    let alone = "}, model_info: {provider_specific_entry: {fast: 6}";
    let model = "anthropic/claude-opus-5-5";
    told(&[("own", model, prices), ("both", model, &factor), ("listed", model, ""), ("factor", model, alone)], |gateway| {
        let fast = message(&json!({"input_tokens": 10, "output_tokens": 10, "speed": "fast"}));
        let plain = message(&json!({"input_tokens": 10, "output_tokens": 10}));
        let charged = |name: &str, answer: &str| cost(&ask(gateway, "/v1/messages", name, &json!({}), answer));
        assert!(close(charged("own", &fast), 0.03), "{}", charged("own", &fast));
        assert!(close(charged("both", &fast), 0.18), "{}", charged("both", &fast));
        assert!(close(charged("listed", &fast), 2.0 * charged("listed", &plain)));
        assert!(close(charged("factor", &fast), 6.0 * charged("factor", &plain)));
    });
}

#[test]
fn searches_are_counted_where_only_the_output_shows_them() {
    let sizes =
        "search_context_cost_per_query: {search_context_size_low: 0.005, search_context_size_medium: 0.01, search_context_size_high: 0.02}";
    let tokens = "input_cost_per_token: 0.001, output_cost_per_token: 0.001";
    let (in_info, in_params) =
        (format!("{tokens}}}, model_info: {{{sizes}"), format!("{tokens}, {sizes}, web_search_billing_unit: per_prompt"));
    told(&[("m", "openai/m", &in_info), ("once", "openai/m", &in_params)], |gateway| {
        let search =
            |id: &str| json!({"type": "web_search_call", "id": id, "status": "completed", "action": {"type": "search", "query": "q"}});
        let said = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "fine", "annotations": []}]});
        let answer = json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "error": null,
            "output": [search("ws_1"), search("ws_2"), said], "usage": {"input_tokens": 10, "output_tokens": 10, "total_tokens": 20}});
        let reply = ask(gateway, "/v1/responses", "m", &json!({}), &answer.to_string());
        assert!(close(cost(&reply), 0.04), "{}", cost(&reply));
        assert!(close(reply.header("x-litellm-response-cost-tool-usage").parse().expect("a number"), 0.02));
        let large = json!({"tools": [{"type": "web_search", "search_context_size": "high"}]});
        let dear = |model: &str| cost(&ask(gateway, "/v1/responses", model, &large, &answer.to_string()));
        assert!(close(dear("m"), 0.06), "{}", dear("m"));
        assert!(close(dear("once"), 0.04), "all searches of an answer are one: {}", dear("once"));
        let ended = json!({"type": "response.completed", "sequence_number": 1, "response": answer});
        let streamed = format!("data: {ended}\n\n");
        let reply = ask(gateway, "/v1/responses", "m", &json!({"stream": true}), &streamed);
        let id = reply.header("x-litellm-call-id").to_owned();
        let rows = until(gateway, &format!("/spend/logs?request_id={id}"), |rows| rows[0]["spend"].as_f64().is_some());
        assert!(close(rows[0]["spend"].as_f64().expect("a cost"), 0.04), "{}", rows[0]);
    });
}

#[test]
fn a_provider_is_the_same_under_each_of_its_names() {
    let upstream = Upstream::start();
    let yaml = format!(
        "  - {{model_name: m, litellm_params: {{model: hosted_vllm/m, api_base: '{}/told', api_key: k, input_cost_per_request: 0.01}}}}
router_settings: {{provider_budget_config: {{hosted_vllm: {{budget_limit: 0.015, time_period: 1d}}}}}}
litellm_settings: {{cost_discount_config: {{hosted_vllm: 0.5}}}}
",
        upstream.url()
    );
    with(&yaml, |gateway| {
        let answer = chat(&json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}));
        let asked = json!({"model": "m", "messages": [{"role": "user", "content": answer}]});
        let asks = || gateway.as_key(crate::managed::MASTER, "POST", "/v1/chat/completions", &asked);
        let first = asks();
        assert!(close(cost(&first), 0.005), "the discount: {}", cost(&first));
        let statuses: Vec<u16> = (0..3).map(|_| asks().status.as_u16()).collect();
        assert!(statuses.iter().any(|status| *status != 200), "the budget: {statuses:?}");
        let told = gateway.get("/provider/budgets")["providers"]["hosted_vllm"]["spend"].as_f64();
        assert!(told.is_some_and(|spend| spend >= 0.005), "{told:?}");
    });
}

#[test]
fn models_that_are_paid_by_the_second_are_charged_for_the_time_they_took() {
    let upstream = Upstream::start();
    let models = [
        ("whole", "openai/m", "cost_per_second: 100, input_cost_per_second: 1"),
        ("input", "openai/m", "input_cost_per_second: 100, output_cost_per_second: 1"),
        ("output", "anthropic/m", "output_cost_per_second: 100"),
    ];
    let entry = |(name, model, price): &(&str, &str, &str)| {
        format!(
            "  - {{model_name: {name}, litellm_params: {{model: {model}, api_base: '{}/slow', api_key: k, {price}}}}}\n",
            upstream.url()
        )
    };
    with(&models.iter().map(entry).collect::<String>(), |gateway| {
        for (name, ..) in models {
            let reply = ask(gateway, "/v1/chat/completions", name, &json!({}), "hello");
            let took: f64 = reply.header("x-litellm-response-duration-ms").parse().expect("a number");
            let cost = cost(&reply);
            // The provider takes sixty milliseconds at least.
            assert!(cost >= 6.0 && cost <= took / 10.0 + 0.1, "{name}: {cost} for {took} ms");
        }
    });
}

#[test]
fn images_are_paid_by_the_piece_the_pixel_or_the_token_whatever_the_list_calls_it() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let yaml = format!(
        "  - {{model_name: piece, litellm_params: {{model: openai/m, api_base: '{at}/good', api_key: k, input_cost_per_image: 0.04}}}}
  - {{model_name: pixel, litellm_params: {{model: openai/m, api_base: '{at}/good', api_key: k, input_cost_per_pixel: 0.00000001}}}}
  - {{model_name: made, litellm_params: {{model: openai/m, api_base: '{at}/good', api_key: k, output_cost_per_pixel: 0.00000001}}}}
"
    );
    with(&yaml, |gateway| {
        for (name, wanted) in [("piece", 0.04), ("pixel", 0.01048576), ("made", 0.01048576)] {
            let asked = json!({"model": name, "prompt": "a cat", "size": "1024x1024"});
            let reply = gateway.as_key(crate::managed::MASTER, "POST", "/v1/images/generations", &asked);
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(close(cost(&reply), wanted), "{name}: {}", cost(&reply));
        }
    });
}
