//! What tools that providers run cost beside the tokens: over HTTP, at a provider that answers as it is told.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::charged::{ask, chat, close, cost, message, told};
use crate::managed::{MASTER, Managed, with};
use crate::spending::until;
use crate::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";
const TOKENS: &str = "input_cost_per_token: 0.001, output_cost_per_token: 0.001";

/// What a line of the log says that an answer cost.
fn spent(gateway: &Managed, reply: &Reply) -> f64 {
    let id = reply.header("x-litellm-call-id");
    let rows = until(gateway, &format!("/spend/logs?request_id={id}"), |rows| rows[0]["spend"].as_f64().is_some());
    rows[0]["spend"].as_f64().expect("a cost")
}

fn page(url: &str) -> Value {
    json!({"type": "url_citation", "url_citation": {"url": url, "title": "t", "start_index": 0, "end_index": 4}})
}

/// A chat completion whose text names pages.
fn cited(usage: &Value, pages: &[Value]) -> String {
    let mut answer: Value = serde_json::from_str(&chat(usage)).expect("JSON");
    answer["choices"][0]["message"]["annotations"] = json!(pages);
    answer.to_string()
}

/// The same as a stream.
fn cited_in_pieces(usage: &Value, pages: &[Value]) -> String {
    let chunk = |delta: Value, finish: Value| json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let last = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage});
    let chunks = [
        chunk(json!({"role": "assistant", "content": "fine"}), json!(null)),
        chunk(json!({"annotations": pages}), json!(null)),
        chunk(json!({"content": "."}), json!(null)),
        chunk(json!({}), json!("stop")),
        last,
    ];
    chunks.map(|chunk| format!("data: {chunk}\n\n")).concat() + "data: [DONE]\n\n"
}

#[test]
fn pages_that_a_chat_completion_names_are_one_search() {
    let own = format!("{TOKENS}, search_context_cost_per_query: {{search_context_size_medium: 0.01}}");
    let models = [("m", "openai/m", own.as_str()), ("plain", "openai/p", TOKENS), ("r", "openrouter/openai/gpt-4o", "")];
    told(&models, |gateway| {
        let usage = json!({"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20});
        let pages = [page("https://one.example"), page("https://two.example")];
        let stream = json!({"stream": true});
        let charged = |path: &str, model: &str, answer: &str| cost(&ask(gateway, path, model, &json!({}), answer));
        for path in [CHAT, "/v1/messages"] {
            assert!(close(charged(path, "m", &cited(&usage, &[])), 0.02), "{path}");
            assert!(close(charged(path, "m", &cited(&usage, &pages)), 0.03), "{path}");
            let streamed = spent(gateway, &ask(gateway, path, "m", &stream, &cited_in_pieces(&usage, &pages)));
            assert!(close(streamed, 0.03), "{path}: {streamed}");
        }
        // What has no price does not make the rest free, and who counts is believed.
        assert!(close(charged(CHAT, "plain", &cited(&usage, &pages)), 0.02));
        let counted = |count: u64| {
            let mut usage = usage.clone();
            usage["server_tool_use"] = json!({"web_search_requests": count});
            usage
        };
        for (count, expected) in [(0, 0.02), (1, 0.03), (3, 0.05)] {
            assert!(close(charged(CHAT, "m", &cited(&counted(count), &pages)), expected), "{count}");
            let streamed = spent(gateway, &ask(gateway, CHAT, "m", &stream, &cited_in_pieces(&counted(count), &pages)));
            assert!(close(streamed, expected), "{count}: {streamed}");
        }
        // A cost that is stated holds the search.
        let mut stated = usage.clone();
        stated["cost"] = json!(0.5);
        assert!(close(charged(CHAT, "r", &cited(&stated, &pages)), 0.5));
        // Nothing is reported but the pages: the tokens are guessed all the same.
        assert!(spent(gateway, &ask(gateway, CHAT, "m", &json!({}), &cited(&json!(null), &pages))) > 0.02);
    });
}

#[test]
fn pages_are_searches_at_a_providers_own_path_too() {
    let upstream = Upstream::start();
    let variables = format!("environment_variables: {{OPENAI_API_BASE: {}/told/v1, OPENAI_API_KEY: of-openai}}\n", upstream.url());
    with(&variables, |gateway| {
        let usage = json!({"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000});
        for (more, answer) in [
            (json!({}), cited(&usage, &[page("https://one.example")])),
            (json!({"stream": true, "stream_options": {"include_usage": true}}), cited_in_pieces(&usage, &[page("https://one.example")])),
        ] {
            let reply = ask(gateway, "/openai/v1/chat/completions", "gpt-4o-search-preview", &more, &answer);
            let charged = spent(gateway, &reply);
            assert!((0.0275..0.028).contains(&charged), "{charged}");
        }
    });
}

#[test]
fn geminis_searches_are_counted_as_google_bills_them() {
    told(&[("two", "gemini/gemini-2.5-pro", ""), ("three", "gemini/gemini-3.1-pro-preview", "")], |gateway| {
        let answer = |grounding: &[Value]| {
            let candidates = grounding.iter().enumerate().map(|(index, grounding)| {
                json!({"index": index, "content": {"role": "model", "parts": [{"text": "fine"}]}, "finishReason": "STOP", "groundingMetadata": grounding})
            });
            let usage = json!({"promptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 20});
            json!({"candidates": candidates.collect::<Vec<_>>(), "usageMetadata": usage, "modelVersion": "m"}).to_string()
        };
        let charged = |model: &str, grounding: &[Value]| {
            let whole = cost(&ask(gateway, CHAT, model, &json!({}), &answer(grounding)));
            let stream = format!("data: {}\n\n", answer(grounding));
            let streamed = spent(gateway, &ask(gateway, CHAT, model, &json!({"stream": true}), &stream));
            assert!(close(whole, streamed), "{whole} {streamed}");
            whole
        };
        let [two, three] = ["two", "three"].map(|model| charged(model, &[json!({})]));
        let web = |queries: &[&str]| json!({"webSearchQueries": queries, "groundingChunks": [{"web": {"uri": "https://one.example"}}]});
        let maps = |queries: &[&str]| json!({"webSearchQueries": queries, "groundingChunks": [{"maps": {"uri": "https://maps.example", "title": "A"}}]});
        for (grounding, per_prompt, per_query) in [
            (vec![web(&["a", "b", "a", ""])], 0.035, 0.028),
            (vec![web(&["a", "b"]), web(&["b", "c"])], 0.035, 0.042),
            (vec![maps(&["a", "b"])], 0.025, 0.028),
            (vec![maps(&[])], 0.025, 0.014),
            (vec![web(&["a"]), maps(&["b"])], 0.06, 0.028),
            // Pages that were fetched are no search.
            (vec![web(&[])], 0.0, 0.0),
        ] {
            let (once, each) = (charged("two", &grounding) - two, charged("three", &grounding) - three);
            assert!(close(once, per_prompt) && close(each, per_query), "{once} {each}: {grounding:?}");
        }
    });
}

#[test]
fn every_turn_of_an_answer_is_paid() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let tokens = "input_cost_per_token: 0.000001, output_cost_per_token: 0.00001, cache_read_input_token_cost: 0.0000001, input_cost_per_token_above_200k_tokens: 0.0001";
    let config = format!(
        "  - {{model_name: m, litellm_params: {{model: anthropic/m, api_base: '{at}/told', api_key: k, {tokens}}}}}\n\
         environment_variables: {{ANTHROPIC_API_BASE: {at}/told, ANTHROPIC_API_KEY: of-anthropic}}\n"
    );
    with(&config, |gateway| {
        let turn = |kind: &str, input: u64, output: u64| json!({"type": kind, "input_tokens": input, "output_tokens": output, "cache_read_input_tokens": 1000});
        let usage = json!({"input_tokens": 23000, "output_tokens": 1000, "cache_read_input_tokens": 1000,
            "iterations": [turn("compaction", 180_000, 3500), turn("message", 23000, 1000)]});
        // No turn is long, though all of them are.
        let expected = 0.203 + 0.045 + 0.0002;
        let stream = |usage: &Value| {
            let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                "content": [], "stop_reason": null, "usage": {"input_tokens": 23000, "output_tokens": 1}}});
            let events = [
                start,
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "fine"}}),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": usage}),
                json!({"type": "message_stop"}),
            ];
            events.map(|event| format!("data: {event}\n\n")).concat()
        };
        for path in ["/v1/messages", CHAT] {
            let whole = cost(&ask(gateway, path, "m", &json!({}), &message(&usage)));
            let streamed = spent(gateway, &ask(gateway, path, "m", &json!({"stream": true}), &stream(&usage)));
            assert!(close(whole, expected) && close(streamed, expected), "{path}: {whole} {streamed}");
        }
        let mut single = usage.clone();
        single["iterations"] = json!([turn("message", 23000, 1000)]);
        assert!(close(cost(&ask(gateway, "/v1/messages", "m", &json!({}), &message(&single))), 0.023 + 0.01 + 0.0001));
        single["iterations"] = json!("none");
        assert!(close(cost(&ask(gateway, "/v1/messages", "m", &json!({}), &message(&single))), 0.023 + 0.01 + 0.0001));
        // At Anthropic's own path: 203,000 tokens at $5 a million, 4,500 at $25, 2,000 from the cache at $0.5.
        for (more, answer) in [(json!({}), message(&usage)), (json!({"stream": true}), stream(&usage))] {
            let charged = spent(gateway, &ask(gateway, "/anthropic/v1/messages", "claude-opus-4-6", &more, &answer));
            assert!(close(charged, 1.015 + 0.1125 + 0.001), "{charged}");
        }
    });
}

/// An answer of the responses API with that output and what was counted of tools.
fn responded(output: &[Value], tools: &Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "error": null, "output": output,
        "usage": {"input_tokens": 10, "output_tokens": 10, "total_tokens": 20}, "tool_usage": tools})
}

#[test]
fn tools_of_the_responses_api_are_paid() {
    told(&[("m", "openai/gpt-4.1", ""), ("azure", "azure/gpt-4.1", "api_version: v1")], |gateway| {
        let asked = |model: &str, tools: Value, answer: &Value| {
            let whole = cost(&ask(gateway, "/v1/responses", model, &json!({"tools": tools}), &answer.to_string()));
            let events = format!("data: {}\n\n", json!({"type": "response.completed", "sequence_number": 1, "response": answer}));
            let streamed = spent(gateway, &ask(gateway, "/v1/responses", model, &json!({"stream": true, "tools": tools}), &events));
            assert!(close(whole, streamed), "{whole} {streamed}");
            whole
        };
        let said = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "fine", "annotations": []}]});
        let plain = asked("m", json!([]), &responded(std::slice::from_ref(&said), &json!(null)));
        let more = |tools: Value, items: &[Value], counted: &Value| {
            let output: Vec<Value> = items.iter().chain([&said]).cloned().collect();
            asked("m", tools, &responded(&output, counted)) - plain
        };
        let web = |action: &str| json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": action}});
        let file = json!({"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["q"], "results": null});
        let code = |container: &str| json!({"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1", "container_id": container, "outputs": null});
        let opened = [web("search"), web("open_page"), web("find_in_page")];
        assert!(close(more(json!([{"type": "web_search"}]), &opened, &json!(null)), 0.025));
        assert!(close(more(json!([{"type": "web_search"}]), &opened, &json!({"web_search": {"num_requests": 2}})), 0.05));
        let searching = json!([{"type": "file_search", "vector_store_ids": ["vs_1"]}]);
        assert!(close(more(searching, &[file.clone(), file.clone()], &json!(null)), 0.005));
        let coding = |container: Value| json!([{"type": "code_interpreter", "container": container}]);
        let runs = [code("cntr_1"), code("cntr_1"), code("cntr_2")];
        assert!(close(more(coding(json!({"type": "auto"})), &runs, &json!(null)), 0.06));
        assert!(close(more(coding(json!("cntr_1")), &runs[..1], &json!(null)), 0.0), "a container that was there is paid where it is made");
        let drawn = json!({"image_gen": {"input_tokens": 1100, "input_tokens_details": {"image_tokens": 1000, "text_tokens": 100},
            "output_tokens": 6208, "output_tokens_details": {"image_tokens": 6208, "text_tokens": 0}, "total_tokens": 7308}});
        let drawing = |model: Value| json!([{"type": "image_generation", "model": model}]);
        assert!(close(more(drawing(json!(null)), &[], &drawn), 0.0005 + 0.01 + 0.24832));
        assert!(close(more(drawing(json!("gpt-image-1-mini")), &[], &drawn), 0.0002 + 0.0025 + 0.049664));
        assert!(close(more(drawing(json!(null)), &[], &json!({"image_gen": {"input_tokens": 0, "output_tokens": 0}})), 0.0));
    });
}

/// What goes on in the background is charged all that was held for it, until somebody asks for the answer and it says what it took.
#[test]
fn an_answer_that_tells_later_what_it_took_is_charged_that_once() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let config = format!(
        "  - {{model_name: b, litellm_params: {{model: openai/gpt-4o, api_base: {at}/told, api_key: k}}}}\n\
         environment_variables: {{OPENAI_API_BASE: {at}/told/v1, OPENAI_API_KEY: of-openai}}\n"
    );
    with(&config, |gateway| {
        let answer = |id: &str, status: &str, usage: Value| json!({"id": id, "object": "response", "created_at": 1, "status": status, "model": "gpt-4o", "error": null, "output": [], "usage": usage});
        let usage = |tokens: u64| json!({"input_tokens": tokens, "output_tokens": tokens, "total_tokens": 2 * tokens});
        let spent = |key: &str| gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].as_f64().unwrap_or_default();
        // A model that is the gateway's, and one that only its provider knows.
        for (path, id, model) in [
            ("/v1/responses", "resp_one", "b"),
            ("/openai/v1/responses", "resp_two", "b"),
            ("/openai/v1/responses", "resp_three", "gpt-4o"),
        ] {
            let key = gateway.key(&json!({"max_budget": 1}));
            let asked = json!({"model": model, "input": answer(id, "queued", Value::Null).to_string(), "max_output_tokens": 10_000, "background": true});
            assert_eq!(gateway.as_key(&key, "POST", path, &asked).status, 200);
            until(gateway, &format!("/key/info?key={key}"), |info| info["info"]["spend"].as_f64() > Some(0.0));
            let held = spent(&key);
            assert!(held > 0.1, "{path}: {held}");
            // What is still being made tells nothing, and what was told once is not told again.
            let get = |told: &Value| {
                let reply = gateway.as_key(&key, "GET", &format!("{path}/{id}"), &json!({"input": told.to_string()}));
                assert_eq!((reply.status.as_u16(), reply.json()["id"].as_str()), (200, Some(id)), "{}", reply.text());
            };
            get(&answer(id, "in_progress", Value::Null));
            get(&answer(id, "completed", usage(1000)));
            until(gateway, &format!("/key/info?key={key}"), |info| info["info"]["spend"].as_f64() < Some(held));
            assert!(close(spent(&key), 0.0125), "{path}: {}", spent(&key));
            (0..3).for_each(|_| get(&answer(id, "completed", usage(2000))));
            std::thread::sleep(std::time::Duration::from_millis(500));
            assert!(close(spent(&key), 0.0125), "{path}: {}", spent(&key));
            let rows = gateway.get(&format!("/spend/logs?request_id={id}"));
            assert!(close(rows[0]["spend"].as_f64().expect("a cost"), 0.0125), "{rows}");
        }
    });
}

/// A profile at AWS that bears its model's name costs what that costs.
#[test]
fn a_profile_with_its_models_name_is_paid_like_it() {
    let upstream = Upstream::start();
    let variables = format!(
        "environment_variables: {{AWS_BEDROCK_RUNTIME_ENDPOINT: {}/good, AWS_BEARER_TOKEN_BEDROCK: of-bedrock, AWS_REGION: us-east-1}}\n",
        upstream.url()
    );
    with(&variables, |gateway| {
        let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]});
        let profile = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2F";
        let cost = |model: &str| {
            let path = format!("/bedrock/model/{model}/invoke");
            let poor = gateway.key(&json!({"max_budget": 0.000_000_1}));
            assert_eq!(gateway.as_key(&poor, "POST", &path, &body).status, 402, "{path}");
            spent(gateway, &gateway.as_key(MASTER, "POST", &path, &body))
        };
        let model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
        let plain = cost(model);
        assert!(plain > 0.0 && close(cost(&format!("{profile}{model}")), plain), "{plain}");
    });
}
