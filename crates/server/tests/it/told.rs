//! What is told where a provider says or takes less than a client expects.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::managed::{MASTER, with};
use crate::upstream::Upstream;

/// Google's embeddings come without counts, which OpenAI's clients require: what is charged is told, as what it is.
#[test]
fn counts_that_no_provider_made_are_marked() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let yaml =
        format!("  - {{model_name: vectors, litellm_params: {{model: gemini/gemini-embedding-001, api_base: '{at}/told', api_key: k}}}}\n");
    with(&yaml, |gateway| {
        let embed = |answer: &Value| {
            let reply = gateway.as_key(MASTER, "POST", "/v1/embeddings", &json!({"model": "vectors", "input": answer.to_string()}));
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply
        };
        let silent = embed(&json!({"embeddings": [{"values": [0.5]}]}));
        let usage = silent.json()["usage"].clone();
        assert!(usage["prompt_tokens"].as_u64().is_some_and(|count| count > 0), "{usage}");
        assert_eq!((&usage["prompt_tokens"], silent.header("x-switchboard-estimated")), (&usage["total_tokens"], "1"));
        let counted = embed(&json!({"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 7}}));
        assert_eq!((&counted.json()["usage"]["prompt_tokens"], counted.header("x-switchboard-estimated")), (&json!(7), ""));
    });
}

/// What goes beyond one answer is refused where the provider has none of it, or left out and told (`drop_params`).
#[test]
fn what_a_provider_has_not_is_left_out_where_that_is_wanted() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let yaml = format!("  - {{model_name: claude, litellm_params: {{model: anthropic/claude-x, api_base: '{at}/good', api_key: k}}}}\n");
    with(&yaml, |gateway| {
        let ask = |more: &Value| {
            let mut body = json!({"model": "claude", "n": 2, "logprobs": true, "messages": [{"role": "user", "content": "hi"}]});
            body.as_object_mut().expect("fields").extend(more.as_object().cloned().expect("fields"));
            gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body)
        };
        assert_eq!(ask(&json!({})).status, 400);
        let reply = ask(&json!({"drop_params": true}));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let dropped = reply.header("x-switchboard-dropped");
        assert!(["n", "logprobs"].iter().all(|field| dropped.split(", ").any(|name| name == *field)), "{dropped}");
    });
}

/// Clients of chats and those of the responses API ask for likelihoods in their own words, and get them so.
#[test]
fn likelihoods_are_told_between_openais_two_apis() {
    let top = json!([{"token": "Hi", "logprob": -0.1, "bytes": [72, 105]}]);
    let tokens = json!([{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": top}]);
    let text = json!({"type": "output_text", "text": "Hi", "annotations": [], "logprobs": tokens});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]});
    let response = json!({"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [message]});
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop",
        "logprobs": {"content": tokens, "refusal": null}});
    let chat = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]});
    crate::charged::told(&[("new", "openai/responses/m", ""), ("old", "deepseek/m", "")], |gateway| {
        let asked = json!({"logprobs": true, "top_logprobs": 1});
        let reply = crate::charged::ask(gateway, "/v1/chat/completions", "new", &asked, &response.to_string());
        assert_eq!(reply.json()["choices"][0]["logprobs"]["content"], tokens, "{}", reply.text());
        let asked = json!({"include": ["message.output_text.logprobs"], "top_logprobs": 1});
        let reply = crate::charged::ask(gateway, "/v1/responses", "old", &asked, &chat.to_string());
        assert_eq!(reply.json()["output"][0]["content"][0]["logprobs"], tokens, "{}", reply.text());
        assert_eq!(reply.header("x-switchboard-dropped"), "");
    });
}

/// The page's examples ask a model that is there.
#[test]
fn the_first_page_names_a_model_that_is_served() {
    let page = |models: &str| TestApp::of(models).get("/").text().to_owned();
    let entry =
        |name: &str, more: &str| format!("  - {{model_name: {name}, litellm_params: {{model: openai/gpt-4o, api_key: k}}{more}}}\n");
    let sound = entry("voice", ", model_info: {mode: audio_speech}");
    let team = entry("theirs", ", model_info: {team_id: t}");
    let text = page(&format!("model_list:\n{sound}{team}{}{}", entry("zebra", ""), entry("ant", "")));
    assert_eq!((text.matches("zebra").count(), text.contains("demo/echo"), text.contains("{model}")), (5, false, false), "{text}");
    assert!(!text.contains("theirs") && !text.contains("voice"));
    assert!(page("").contains("demo/echo"));
    let closed = page(&format!("model_list:\n{}general_settings: {{master_key: {MASTER}}}\n", entry("zebra", "")));
    assert!(closed.contains("your-model") && !closed.contains("zebra"), "models are told to keys alone: {closed}");
}
