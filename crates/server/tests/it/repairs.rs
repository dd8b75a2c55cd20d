//! Requests that are put right on their way where the operator says so.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::upstream::Upstream;

fn gateway(settings: &str, upstream: &Upstream) -> TestApp {
    let url = upstream.url();
    TestApp::of(&format!(
        "model_list:
  - {{model_name: claude, litellm_params: {{model: anthropic/m, api_key: k, api_base: {url}/good}}}}
  - {{model_name: gpt, litellm_params: {{model: openai/m, api_key: k, api_base: {url}/good}}}}
  - {{model_name: bounded, litellm_params: {{model: openai/m, api_key: k, api_base: {url}/good}}, model_info: {{max_output_tokens: 100}}}}
litellm_settings: {{{settings}}}
"
    ))
}

/// Where the provider was asked, and what.
fn sent(app: &TestApp, upstream: &Upstream, path: &str, body: &Value) -> (String, Value) {
    let reply = app.ask("POST", path).json(body).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (path, body) = upstream.asked().last().expect("a request").clone();
    (path, serde_json::from_str(&body).expect("JSON"))
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}})
}

#[test]
fn calls_of_tools_and_their_results_are_paired() {
    let upstream = Upstream::start();
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}});
    let asked = json!({"model": "claude", "tools": [tool], "messages": [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": null, "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "first"},
        {"role": "tool", "tool_call_id": "a", "content": "second"},
        {"role": "tool", "tool_call_id": "stray", "content": "third"},
        {"role": "user", "content": "And?"},
    ]});
    let results = |settings: &str| {
        let (_, body) = sent(&gateway(settings, &upstream), &upstream, "/v1/chat/completions", &asked);
        let parts =
            body["messages"].as_array().expect("turns").iter().flat_map(|turn| turn["content"].as_array().cloned().unwrap_or_default());
        let results = parts.filter(|part| part["type"] == "tool_result");
        results.map(|part| (part["tool_use_id"].as_str().expect("an id").to_owned(), part["content"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(results("").len(), 3, "as it came");
    let mut paired = results("modify_params: true");
    paired.sort_unstable();
    let ids: Vec<&str> = paired.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a", "b"], "{paired:?}");
    assert!(paired[0].1.contains("second") && paired[1].1.contains("No result provided for tool 'look'"), "{paired:?}");
}

#[test]
fn no_more_is_asked_for_than_the_model_gives() {
    let upstream = Upstream::start();
    let most = |settings: &str, asked: u64| {
        let body = json!({"model": "bounded", "max_tokens": asked, "messages": [{"role": "user", "content": "?"}]});
        sent(&gateway(settings, &upstream), &upstream, "/v1/chat/completions", &body).1["max_tokens"].clone()
    };
    assert_eq!((most("", 500), most("modify_params: true", 500), most("modify_params: true", 50)), (json!(500), json!(100), json!(50)));
}

#[test]
fn chats_go_to_openai_by_its_newer_api_where_that_is_wanted() {
    let upstream = Upstream::start();
    let body = json!({"model": "gpt", "reasoning_effort": "low", "messages": [{"role": "user", "content": "?"}]});
    let at = |settings: &str, path: &str, body: &Value| sent(&gateway(settings, &upstream), &upstream, path, body);
    assert_eq!(at("", "/v1/chat/completions", &body).0, "/good/chat/completions");
    let (path, sent) = at("route_all_chat_openai_to_responses: true", "/v1/chat/completions", &body);
    assert_eq!((path.as_str(), &sent["reasoning"]), ("/good/responses", &json!({"effort": "low"})));
    let both = "route_all_chat_openai_to_responses: true, reasoning_auto_summary: true";
    assert_eq!(at(both, "/v1/chat/completions", &body).1["reasoning"], json!({"effort": "low", "summary": "detailed"}));
    let plain = json!({"model": "gpt", "messages": [{"role": "user", "content": "?"}]});
    assert_eq!(at(both, "/v1/chat/completions", &plain).1["reasoning"], Value::Null, "no reasoning was asked for");
    let message = json!({"model": "gpt", "max_tokens": 50, "messages": [{"role": "user", "content": "?"}]});
    assert_eq!(at("use_chat_completions_url_for_anthropic_messages: true", "/v1/messages", &message).0, "/good/chat/completions");
}

#[test]
fn thoughts_that_another_account_has_sealed_are_left_out() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let models = format!(
        "model_list:
  - {{model_name: m, litellm_params: {{model: openai/m, api_key: k1, api_base: {url}/bad, order: 1}}}}
  - {{model_name: m, litellm_params: {{model: openai/m, api_key: k2, api_base: {url}/good, order: 2}}}}
  - {{model_name: alone, litellm_params: {{model: openai/m, api_key: k1, api_base: {url}/bad}}}}
  - {{model_name: other, litellm_params: {{model: openai/m, api_key: k2, api_base: {url}/good}}}}
router_settings: {{num_retries: 0, fallbacks: [{{alone: [other]}}]}}
"
    );
    let app = TestApp::of(&models);
    let thought = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAA", "summary": [{"type": "summary_text", "text": "multiply"}]});
    let silent = json!({"type": "reasoning", "id": "rs_2", "encrypted_content": "gAAAAB", "summary": []});
    let said = json!({"role": "user", "content": "encrypted_content"});
    for (model, hops) in [("m", true), ("alone", true), ("other", false)] {
        let before = upstream.asked().len();
        let body = json!({"model": model, "store": false, "input": [said, thought, silent]});
        let reply = app.ask("POST", "/v1/responses").json(&body).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let asked: Vec<Value> = upstream.asked()[before..].iter().map(|(_, body)| serde_json::from_str(body).expect("JSON")).collect();
        assert_eq!(asked[0]["input"], json!([said, thought, silent]), "the first one gets all");
        let plain = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "multiply"}]});
        let last = if hops { json!([said, plain]) } else { json!([said, thought, silent]) };
        assert_eq!(asked.last().expect("a request")["input"], last, "{model}");
        assert_eq!(reply.header("x-switchboard-dropped").contains("input.encrypted_content"), hops, "{model}");
    }
}

#[test]
fn an_answer_of_fewer_tokens_than_there_may_be_is_of_as_many() {
    let upstream = Upstream::start();
    let app = gateway("", &upstream);
    for (asked, expected) in [(1, json!(16)), (15, json!(16)), (16, json!(16)), (40, json!(40)), (0, json!(0))] {
        let body = json!({"model": "gpt", "input": "hi", "max_output_tokens": asked});
        let reply = app.ask("POST", "/v1/responses").json(&body).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let sent: Value = serde_json::from_str(&upstream.asked().last().expect("a request").1).expect("JSON");
        assert_eq!(sent["max_output_tokens"], expected);
        assert_eq!(reply.header("x-switchboard-dropped") == "max_output_tokens;clamped", (1..16).contains(&asked), "{asked}");
    }
}
