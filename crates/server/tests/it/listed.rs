//! Models as OpenRouter's clients call them: families, lists, whatever is free, and what no list has yet.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::charged::chat as says;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

/// Models at a provider that answers what the prompt tells it to.
fn at(upstream: &Upstream, models: &[(&str, &str)]) -> String {
    let base = format!("{}/told", upstream.url());
    let entries = models.iter();
    entries
        .map(|(name, more)| format!("  - {{model_name: '{name}', litellm_params: {{api_base: '{base}', api_key: k, {more}}}}}\n"))
        .collect()
}

fn asked(gateway: &Managed, path: &str, body: &Value) -> Reply {
    let reply = gateway.as_key(MASTER, "POST", path, body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn told() -> Value {
    json!([{"role": "user", "content": says(&json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}))}])
}

#[test]
fn families_are_answered_by_their_newest_model_which_is_named() {
    let upstream = Upstream::start();
    let models =
        at(&upstream, &[("openai/*", "model: openai/*"), ("openai/gpt-99.5", "model: openai/gpt-99.5"), ("xai/*", "model: xai/*")]);
    with(&models, |gateway| {
        let ask = |model: &str| asked(gateway, "/api/v1/chat/completions", &json!({"model": model, "messages": told()}));
        assert_eq!(ask("~openai/gpt-latest").json()["model"], "openai/gpt-99.5");
        let mini = ask("~openai/gpt-mini-latest").json()["model"].clone();
        assert!(mini.as_str().is_some_and(|name| name.starts_with("openai/gpt-") && name.ends_with("-mini")), "{mini}");
        let grok = ask("~x-ai/grok-latest").json()["model"].clone();
        assert!(grok.as_str().is_some_and(|name| name.starts_with("x-ai/grok-")), "as markets call it: {grok}");
        let none =
            gateway.as_key(MASTER, "POST", "/api/v1/chat/completions", &json!({"model": "~openai/none-such-latest", "messages": told()}));
        assert!(none.status.is_client_error(), "{}", none.text());
        let ask = gateway.app.ask("POST", "/api/v1/chat/completions").key(MASTER).header("x-openrouter-metadata", "enabled");
        let reply = ask.json(&json!({"model": "~x-ai/grok-latest", "messages": told()})).send().json();
        let told = &reply["openrouter_metadata"];
        assert_eq!((&told["strategy"], &told["attempts"][0]["model"]), (&json!("latest"), &grok), "{told}");
    });
}

/// Of models that are ranked together, the one that answered is named, and found by it afterwards.
#[test]
fn of_models_ranked_together_the_one_that_answered_is_named() {
    let upstream = Upstream::start();
    let price = |usd: &str| format!("model: openai/m, input_cost_per_token: {usd}, output_cost_per_token: {usd}");
    let models = at(&upstream, &[("a/dear", &price("0.001")), ("b/cheap", &price("0.000001"))]);
    with(&models, |gateway| {
        let sort = json!({"sort": {"by": "price", "partition": "none"}});
        let ask = |models: Value, messages: Value, stream: bool| {
            let body = json!({"models": models, "provider": sort, "messages": messages, "stream": stream});
            asked(gateway, "/api/v1/chat/completions", &body).text().to_owned()
        };
        let chunk = |delta: Value, why: Value| {
            let choice = json!({"index": 0, "delta": delta, "finish_reason": why});
            let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
            format!("data: {chunk}\n\n")
        };
        let stream = [chunk(json!({"content": "fine"}), Value::Null), chunk(json!({}), json!("stop")), "data: [DONE]\n\n".to_owned()];
        let streamed = json!([{"role": "user", "content": stream.concat()}]);
        let both = json!(["a/dear", "b/cheap"]);
        for text in [ask(both.clone(), told(), false), ask(both, streamed, true), ask(json!(["b/cheap", "a/dear"]), told(), false)] {
            assert!(text.contains("\"model\":\"b/cheap\"") && !text.contains("a/dear"), "{text}");
        }
    });
}

/// What is paid for otherwise than by tokens is not free, and what is for something else is no model for chats.
#[test]
fn what_is_paid_by_the_query_is_not_free() {
    let upstream = Upstream::start();
    let models = at(
        &upstream,
        &[
            ("ranks", "model: cohere/rerank-v3.5"),
            ("hears", "model: openai/whisper-1, input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_second: 0"),
        ],
    );
    with(&models, |gateway| {
        let body = json!({"model": "openrouter/free", "messages": told()});
        let before = upstream.asked().len();
        let reply = gateway.as_key(MASTER, "POST", "/api/v1/chat/completions", &body);
        assert_eq!((reply.status.as_u16(), upstream.asked().len() - before), (400, 0), "{}", reply.text());
    });
}

#[test]
fn models_that_no_list_has_yet_are_spelled_as_their_maker_does() {
    let upstream = Upstream::start();
    let models = at(&upstream, &[("anthropic/*", "model: anthropic/*")]);
    with(&models, |gateway| {
        let answer = crate::charged::message(&json!({"input_tokens": 5, "output_tokens": 2}));
        for (model, sent) in [
            ("claude-tomorrow-9", "claude-tomorrow-9"),
            ("anthropic/claude-tomorrow-9.1", "claude-tomorrow-9-1"),
            ("anthropic/claude-tomorrow-9.1:nitro", "claude-tomorrow-9-1"),
            ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ] {
            let body = json!({"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": answer}]});
            asked(gateway, "/v1/messages", &body);
            let (_, body) = upstream.asked().pop().expect("a request");
            assert!(body.contains(&format!("\"model\":\"{sent}\"")), "{model}: {body}");
        }
        let unknown = json!({"model": "my-claude", "max_tokens": 5, "messages": [{"role": "user", "content": answer}]});
        assert!(gateway.as_key(MASTER, "POST", "/v1/messages", &unknown).status.is_client_error());
    });
}

/// The names of Claude's models that have no date search as those with one do.
#[test]
fn models_search_by_either_of_their_names() {
    let upstream = Upstream::start();
    let models = at(&upstream, &[("anthropic/*", "model: anthropic/*")]);
    with(&models, |gateway| {
        let answer = crate::charged::message(&json!({"input_tokens": 5, "output_tokens": 2}));
        for model in ["anthropic/claude-sonnet-4.5:online", "anthropic/claude-opus-4.5:online", "anthropic/claude-haiku-4.5:online"] {
            let body = json!({"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": answer}]});
            asked(gateway, "/api/v1/chat/completions", &body);
            let (_, body) = upstream.asked().pop().expect("a request");
            assert!(body.contains("\"web_search\""), "{model}: {body}");
        }
    });
}
