//! What OpenRouter's clients are told beside an answer or a failure, where the format passes as it came too.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::charged::message;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

const PRICE: &str = "input_cost_per_token: 0.001, output_cost_per_token: 0.002";

fn models(upstream: &Upstream) -> String {
    let base = upstream.url();
    let entry = |name: &str, model: &str, at: &str| {
        format!("  - {{model_name: '{name}', litellm_params: {{model: {model}, api_base: '{base}/{at}', api_key: k, {PRICE}}}}}\n")
    };
    let all = [
        entry("openai/gpt-4o", "openai/gpt-4o", "told"),
        entry("anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4-5", "told"),
        entry("openai/gpt-3.5-turbo-instruct", "text-completion-openai/gpt-3.5-turbo-instruct", "told"),
        entry("openai/text-embedding-3-small", "openai/text-embedding-3-small", "good"),
        entry("openai/broken", "openai/broken", "bad"),
        entry("anthropic/limited", "anthropic/limited", "limited"),
    ];
    all.concat()
}

fn ask(gateway: &Managed, path: &str, body: &Value) -> Reply {
    gateway.app.ask("POST", path).key(MASTER).header("x-openrouter-metadata", "enabled").json(body).send()
}

fn answered(gateway: &Managed, path: &str, body: &Value) -> Reply {
    let reply = ask(gateway, path, body);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply
}

/// The usage of the last event that has one.
fn last_usage(reply: &Reply) -> Value {
    let events = reply.text().lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let usage = |event: &Value| {
        [event.pointer("/usage"), event.pointer("/response/usage")].into_iter().flatten().find(|usage| usage.is_object()).cloned()
    };
    events.filter_map(|event| usage(&event)).next_back().unwrap_or_else(|| panic!("no usage: {}", reply.text()))
}

fn response(usage: &Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4o", "error": null, "output": [
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "fine", "annotations": []}]},
    ], "usage": usage})
}

#[test]
fn answers_that_pass_as_they_came_say_what_they_cost_and_by_which_name() {
    let upstream = Upstream::start();
    with(&models(&upstream), |gateway| {
        let told = message(&json!({"input_tokens": 10, "output_tokens": 20}));
        let claude = json!({"model": "anthropic/claude-sonnet-4.5", "max_tokens": 50, "messages": [{"role": "user", "content": told}]});
        let gpt = response(&json!({"input_tokens": 10, "output_tokens": 20, "total_tokens": 30})).to_string();
        let text = json!({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, "text": "fine", "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}});
        for (path, body) in [
            ("/api/v1/messages", claude.clone()),
            ("/api/v1/responses", json!({"model": "openai/gpt-4o", "input": gpt})),
            ("/api/v1/completions", json!({"model": "openai/gpt-3.5-turbo-instruct", "prompt": text.to_string()})),
        ] {
            let reply = answered(gateway, path, &body).json();
            assert_eq!((&reply["usage"]["cost"], &reply["usage"]["is_byok"]), (&json!(0.05), &json!(false)), "{path}: {reply}");
            assert_eq!(reply["usage"]["cost_details"]["upstream_inference_cost"], 0.05, "{path}: {reply}");
            assert_eq!(reply["model"], body["model"], "{path}: {reply}");
        }
        let plain = gateway.as_key(MASTER, "POST", "/v1/messages", &claude).json();
        assert_eq!(plain["usage"].get("cost"), None, "others' clients are told in a header");
        let vectors = answered(gateway, "/api/v1/embeddings", &json!({"model": "openai/text-embedding-3-small", "input": "a"}));
        assert!(vectors.header("x-generation-id").starts_with("gen-") || !vectors.header("x-generation-id").is_empty());
        let vectors = vectors.json();
        assert_eq!((&vectors["usage"]["cost"], &vectors["model"]), (&json!(0.001), &json!("openai/text-embedding-3-small")), "{vectors}");
    });
}

#[test]
fn streams_that_pass_as_they_came_say_it_where_they_end() {
    let upstream = Upstream::start();
    let event = |name: &str, data: Value| format!("event: {name}\ndata: {data}\n\n");
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 1}}});
    let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "fine"}});
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 20}});
    let claude = [
        "data: ".to_owned() + &start.to_string() + "\n\n",
        event("content_block_start", json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        event("content_block_delta", delta),
        event("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
        event("message_delta", end),
        event("message_stop", json!({"type": "message_stop"})),
    ];
    let begun = json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "model": "gpt-4o", "output": []}});
    let said = json!({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "fine"});
    let done = json!({"type": "response.completed", "sequence_number": 2, "response": response(&json!({"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}))});
    let gpt =
        ["data: ".to_owned() + &begun.to_string() + "\n\n", event("response.output_text.delta", said), event("response.completed", done)];
    with(&models(&upstream), |gateway| {
        let claude = json!({"model": "anthropic/claude-sonnet-4.5", "max_tokens": 50, "stream": true, "messages": [{"role": "user", "content": claude.concat()}]});
        let gpt = json!({"model": "openai/gpt-4o", "stream": true, "input": gpt.concat()});
        for (path, body) in [("/api/v1/messages", claude), ("/api/v1/responses", gpt)] {
            let reply = answered(gateway, path, &body);
            assert_eq!(last_usage(&reply)["cost"], 0.05, "{path}: {}", reply.text());
            assert!(reply.text().contains(&format!("\"model\":{}", body["model"])), "{path}: {}", reply.text());
        }
    });
}

/// Failures tell how an answer would have come about, and of which kind they are, in the words of the door.
#[test]
fn failures_tell_what_was_tried_and_of_which_kind_they_are() {
    let upstream = Upstream::start();
    with(&models(&upstream), |gateway| {
        let turns = json!([{"role": "user", "content": "hello"}]);
        let broken = ask(gateway, "/api/v1/chat/completions", &json!({"model": "openai/broken", "messages": turns}));
        let told = &broken.json()["openrouter_metadata"];
        assert_eq!((broken.status.as_u16(), &told["requested"]), (502, &json!("openai/broken")), "{}", broken.text());
        assert!(told["attempt"].as_u64().is_some_and(|attempts| attempts > 0), "{told}");
        assert_eq!(
            (&told["endpoints"]["available"][0]["selected"], &told["attempts"][0]["model"]),
            (&json!(false), &json!("openai/broken"))
        );
        let nobody = json!({"model": "openai/broken", "messages": turns, "provider": {"only": ["anthropic"]}});
        let told = ask(gateway, "/api/v1/chat/completions", &nobody).json();
        assert_eq!(
            (&told["openrouter_metadata"]["attempt"], &told["openrouter_metadata"]["endpoints"]["total"]),
            (&json!(0), &json!(1)),
            "{told}"
        );
        let limited = ask(gateway, "/api/v1/messages", &json!({"model": "anthropic/limited", "max_tokens": 5, "messages": turns})).json();
        assert_eq!(
            (&limited["error"]["type"], &limited["error"]["error_type"]),
            (&json!("rate_limit_error"), &json!("rate_limit_exceeded")),
            "{limited}"
        );
        assert_eq!(limited["openrouter_metadata"]["requested"], "anthropic/limited");
        let silent = gateway.as_key(MASTER, "POST", "/api/v1/chat/completions", &nobody).json();
        assert_eq!(silent.get("openrouter_metadata"), None, "only who asks is told");
    });
}

#[test]
fn a_prompt_is_a_conversation_of_one_turn() {
    let upstream = Upstream::start();
    with(&models(&upstream), |gateway| {
        let told = message(&json!({"input_tokens": 10, "output_tokens": 20}));
        let body = json!({"model": "anthropic/claude-sonnet-4.5", "max_tokens": 50, "prompt": told});
        assert_eq!(answered(gateway, "/api/v1/chat/completions", &body).json()["choices"][0]["message"]["content"], "fine");
        assert_eq!(gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body).status, 400, "OpenAI's own API has no such chats");
    });
}

#[test]
fn models_that_end_are_told_by_how_soon_they_do() {
    let app = TestApp::of(
        "model_list:\n\
         - {model_name: old, litellm_params: {model: demo/echo}, model_info: {deprecation_date: '2020-02-29'}}\n\
         - {model_name: old, litellm_params: {model: demo/echo}, model_info: {deprecation_date: '2020-02-29'}}\n\
         - {model_name: late, litellm_params: {model: demo/echo}, model_info: {deprecation_date: '2999-01-01'}}\n\
         - {model_name: endless, litellm_params: {model: demo/echo}}\n",
    );
    for path in ["/model/deprecations", "/v1/model/deprecations"] {
        let told = app.get(path).json();
        let names = |list: &str| told[list].as_array().expect("a list").iter().map(|one| one["model_name"].clone()).collect::<Vec<_>>();
        assert_eq!(
            (names("deprecated"), names("imminent"), names("upcoming")),
            (vec![json!("old")], vec![], vec![json!("late")]),
            "{told}"
        );
        assert_eq!((&told["warn_within_days"], &told["deprecated"][0]["deprecation_date"]), (&json!(30), &json!("2020-02-29")));
        assert!(told["deprecated"][0]["days_until_deprecation"].as_i64().is_some_and(|days| days < -2000));
    }
    let soon = app.get("/model/deprecations?warn_within_days=9999999").json();
    assert_eq!(soon["imminent"][0]["model_name"], "late");
    assert_eq!(app.get("/model/deprecations?warn_within_days=soon").status, 400);
}

/// Where nothing is known of categories, all are listed.
#[test]
fn categories_that_nobody_knows_leave_nothing_out() {
    let entry = |name: &str, more: &str| format!("- {{model_name: {name}, litellm_params: {{model: demo/echo}}{more}}}\n");
    let count = |models: &str| {
        TestApp::of(&format!("model_list:\n{models}")).get("/api/v1/models?category=programming").json()["total_count"].clone()
    };
    assert_eq!(count(&(entry("a", "") + &entry("b", ""))), 2);
    assert_eq!(count(&(entry("a", ", model_info: {categories: [programming]}") + &entry("b", ""))), 1);
}
