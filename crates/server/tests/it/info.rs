//! What LiteLLM's clients are told of deployments.

use serde_json::{Value, json};

use crate::app::TestApp;

const KEY: &str = "sk-9f2c4e81b7d05a63";
const CONFIG: &str = "\
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-4o-mini, api_key: sk-hidden-1, api_base: 'https://proxy.example/v1?sig=hush', timeout: 30, rpm: 10, tpm: 1000, weight: 2}
    model_info: {id: one, access_groups: [cheap], team: red}
  - {model_name: fast, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: sk-hidden-2, rpm: 5}, model_info: {id: two}}
  - model_name: own
    litellm_params: {model: openai_like/x, api_base: 'http://127.0.0.1:9', api_key: sk-hidden-3, input_cost_per_token: 0.000003, output_cost_per_token: 9e-6}
    model_info: {id: three, supports_vision: true, max_input_tokens: 4000, mode: chat}
  - {model_name: groq/*, litellm_params: {model: groq/*, api_key: sk-hidden-4}, model_info: {id: four}}
general_settings: {master_key: sk-9f2c4e81b7d05a63}
";

fn get(app: &TestApp, path: &str) -> Value {
    let reply = app.ask("GET", path).key(KEY).send();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    assert!(!reply.text().contains("sk-hidden") && !reply.text().contains("hush"), "{}", reply.text());
    reply.json()
}

fn ids(reply: &Value) -> Vec<&str> {
    reply["data"].as_array().expect("a list").iter().map(|one| one["model_info"]["id"].as_str().expect("an id")).collect()
}

#[test]
fn deployments_are_told_without_their_credentials() {
    let app = TestApp::of(CONFIG);
    for path in ["/model/info", "/v1/model/info"] {
        assert_eq!(ids(&get(&app, path)), ["one", "two", "four", "three"], "{path}");
    }
    let one = &get(&app, "/model/info?litellm_model_id=one")["data"][0];
    assert_eq!(
        one["litellm_params"],
        json!({
            "model": "openai/gpt-4o-mini", "api_base": "https://proxy.example/v1", "rpm": 10, "tpm": 1000, "weight": 2.0, "timeout": 30,
            "use_in_pass_through": false, "use_litellm_proxy": false, "merge_reasoning_content_in_choices": false,
        })
    );
    assert_eq!(app.ask("GET", "/model/info").key(KEY).send().header("x-content-type-options"), "nosniff");
    let known = &one["model_info"];
    for (name, value) in [
        ("input_cost_per_token", json!(1.5e-7)),
        ("cache_read_input_token_cost", json!(7.5e-8)),
        ("output_cost_per_reasoning_token", Value::Null),
        ("max_input_tokens", json!(128_000)),
        ("supports_vision", json!(true)),
        ("supports_computer_use", Value::Null),
        ("mode", json!("chat")),
        ("key", json!("gpt-4o-mini")),
        ("litellm_provider", json!("openai")),
        ("access_groups", json!(["cheap"])),
        ("team", json!("red")),
        ("db_model", json!(false)),
    ] {
        assert_eq!(known[name], value, "{name}");
    }
    let params = known["supported_openai_params"].as_array().expect("a list");
    assert!(["tools", "n", "store", "user"].iter().all(|name| params.contains(&json!(name))), "{params:?}");
    assert_eq!(app.ask("GET", "/model/info?litellm_model_id=none").key(KEY).send().status, 400);
    assert_eq!(app.get("/model/info").status, 401);
}

#[test]
fn what_the_operator_knows_wins() {
    let app = TestApp::of(CONFIG);
    let own = &get(&app, "/model/info?litellm_model_id=three")["data"][0]["model_info"];
    assert_eq!((&own["input_cost_per_token"], &own["output_cost_per_token"]), (&json!(3e-6), &json!(9e-6)));
    assert_eq!((&own["supports_vision"], &own["max_input_tokens"]), (&json!(true), &json!(4000)));
    let told = &app.ask("GET", "/api/v1/model/own").key(KEY).send().json()["data"];
    assert_eq!((&told["pricing"]["prompt"], &told["architecture"]["modality"]), (&json!("0.000003"), &json!("text+image->text")));
}

#[test]
fn pages_can_be_searched_and_sorted() {
    let app = TestApp::of(CONFIG);
    let first = get(&app, "/v2/model/info?size=3");
    assert_eq!(
        (&first["total_count"], &first["total_pages"], &first["current_page"], &first["size"]),
        (&json!(4), &json!(2), &json!(1), &json!(3))
    );
    assert_eq!(ids(&get(&app, "/v2/model/info?size=3&page=2")), ["three"]);
    for (query, expected) in [
        ("search=FAS", vec!["one", "two"]),
        ("model=own", vec!["three"]),
        ("modelId=four", vec!["four"]),
        ("access_group=cheap", vec!["one"]),
        ("wildcard_only=true", vec!["four"]),
        ("sortBy=costs", vec!["one", "two", "three", "four"]),
        ("sortBy=model_name&sortOrder=desc", vec!["three", "four", "one", "two"]),
    ] {
        assert_eq!(ids(&get(&app, &format!("/v2/model/info?{query}"))), expected, "{query}");
    }
    for query in ["page=0", "size=x", "sortBy=luck"] {
        assert_eq!(app.ask("GET", &format!("/v2/model/info?{query}")).key(KEY).send().status, 400, "{query}");
    }
}

#[test]
fn groups_are_as_able_as_their_best_deployment() {
    let app = TestApp::of(CONFIG);
    let fast = &get(&app, "/model_group/info?model_group=fast")["data"][0];
    for (name, value) in [
        ("model_group", json!("fast")),
        ("providers", json!(["anthropic", "openai"])),
        ("max_input_tokens", json!(200_000)),
        ("input_cost_per_token", json!(3e-6)),
        ("rpm", json!(15)),
        ("tpm", json!(1000)),
        ("supports_reasoning", json!(true)),
        ("mode", json!("chat")),
    ] {
        assert_eq!(fast[name], value, "{name}");
    }
    let all = get(&app, "/model_group/info");
    let names: Vec<&str> = all["data"].as_array().expect("a list").iter().map(|one| one["model_group"].as_str().expect("a name")).collect();
    assert!(names.contains(&"own") && names.iter().any(|name| name.starts_with("groq/llama")), "{names:?}");
    assert_eq!(get(&app, "/model_group/info?model_group=groq/llama-3.3-70b-versatile")["data"][0]["providers"], json!(["groq"]));
}
