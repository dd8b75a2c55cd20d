//! Automatic models and rules on content, over HTTP.

use serde_json::json;

use crate::app::{Reply, TestApp};

/// Four models of rising prices.
const CONFIG: &str = "
model_list:
  - model_name: tiny
    litellm_params: {model: demo/echo, input_cost_per_token: 1e-7, output_cost_per_token: 4e-7}
    model_info: {local: true}
  - model_name: small
    litellm_params: {model: demo/echo, input_cost_per_token: 4e-7, output_cost_per_token: 2e-6}
  - model_name: big
    litellm_params: {model: demo/echo, input_cost_per_token: 3e-6, output_cost_per_token: 15e-6}
  - model_name: huge
    litellm_params: {model: demo/echo, input_cost_per_token: 15e-6, output_cost_per_token: 60e-6}
  - model_name: smart-router
    litellm_params:
      model: auto_router/complexity_router
      complexity_router_config:
        tiers: {SIMPLE: small, MEDIUM: [small, big], COMPLEX: {model_name: big, litellm_params: {temperature: 0.1}}, REASONING: huge}
        tier_boundaries: {simple_medium: 0.15, medium_complex: 0.35, complex_reasoning: 0.6}
        default_model: big
switchboard:
  content_rules:
    - {classes: [credit_card, medical], labels: [local]}
";

const PROOF: &str = "Prove that there are infinitely many prime numbers.";

fn said(app: &TestApp, model: &str, text: &str) -> Reply {
    let body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
    app.ask("POST", "/v1/chat/completions").json(&body).send()
}

/// The group that answered.
fn answer(app: &TestApp, model: &str, text: &str) -> String {
    let reply = said(app, model, text);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-litellm-model-group").to_owned()
}

#[test]
fn automatic_names_go_where_the_request_needs() {
    let app = TestApp::of(CONFIG);
    assert_eq!(answer(&app, "auto", "Hello!"), "tiny");
    assert_eq!(answer(&app, "switchboard/auto", PROOF), "huge");
    assert_eq!(answer(&app, "openrouter/auto", "Explain how photosynthesis works."), "small");
    let body = json!({"model": "openrouter/auto", "messages": [{"role": "user", "content": PROOF}]});
    let reply = app.ask("POST", "/api/v1/chat/completions").json(&body).send();
    assert_eq!(reply.json()["model"], "huge", "the model that was chosen: {}", reply.text());
    assert_eq!(answer(&app, "smart-router", "What is the capital of Peru?"), "small");
    assert_eq!(answer(&app, "smart-router", "Prove that the square root of 2 is irrational."), "huge");
    let models = app.ask("GET", "/v1/models").send().json();
    let listed = |name: &str| models["data"].as_array().into_iter().flatten().any(|model| model["id"] == name);
    assert!(listed("smart-router") && !listed("auto"), "what an operator named is listed: {models}");
    assert_eq!(app.ask("GET", "/v1/models/smart-router").send().json()["id"], "smart-router");
    let info = app.ask("GET", "/model/info").send().json();
    let told = info["data"].as_array().into_iter().flatten().find(|model| model["model_name"] == "smart-router").cloned();
    let params = told.expect("the router")["litellm_params"].clone();
    assert_eq!(params["model"], "auto_router/complexity_router");
    assert_eq!(params["complexity_router_config"]["tiers"]["REASONING"], "huge");
}

#[test]
fn content_goes_only_where_it_may() {
    let app = TestApp::of(CONFIG);
    let card = "My card number is 4111 1111 1111 1111, is it valid?";
    assert_eq!(answer(&app, "tiny", card), "tiny");
    let refused = said(&app, "huge", card);
    assert_eq!(refused.status, 404, "{}", refused.text());
    assert!(!refused.text().contains("4111"), "{}", refused.text());
    assert_eq!(answer(&app, "huge", "Is there a card number here?"), "huge");
}

#[test]
fn explanations_tell_tier_and_classes_whatever_the_model_is() {
    let app = TestApp::of(CONFIG);
    let explain = |body: &serde_json::Value| app.ask("POST", "/v1/route/explain").json(body).send().json();
    let told =
        explain(&json!({"model": "tiny", "messages": [{"role": "user", "content": "Prove by induction that anna@example.org is odd."}]}));
    assert_eq!((&told["tier"], &told["classes"], &told["model"]), (&json!("reasoning"), &json!(["email"]), &json!("tiny")));
    assert!(told["classify_us"].is_u64() && told["features"]["reasoning_markers"].is_f64(), "{told}");
    let told = explain(&json!({"model": "auto", "max_tokens": 9, "system": "be kind", "messages": [{"role": "user", "content": PROOF}]}));
    assert_eq!((&told["tier"], &told["model"], &told["strategy"]), (&json!("reasoning"), &json!("huge"), &json!("auto")));
    let told = explain(&json!({"model": "huge", "messages": [{"role": "user", "content": "My card is 4111-1111-1111-1111"}]}));
    assert_eq!(told["excluded"][0]["reasons"], json!(["content_class"]));
    assert!(!told.to_string().contains("4111"), "{told}");
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    let wrong = "
model_list:
  - model_name: m
    litellm_params: {model: openai/gpt-4o, api_key: k}
switchboard:
  auto: {models: {middling: m}}
  content_rules:
    - {classes: [horoscope], labels: [local]}
";
    let loaded = crate::app::load(wrong);
    let told = loaded.diagnostics.to_string();
    assert!(told.contains("there is no tier `middling`"), "{told}");
    assert!(told.contains("`horoscope`, which nothing recognizes"), "{told}");
}

#[test]
fn content_goes_no_other_way_after_a_failure() {
    let app = TestApp::of(
        "\
model_list:
  - model_name: home
    litellm_params: {model: openai/here, api_base: http://127.0.0.1:9/v1, api_key: k}
    model_info: {local: true}
  - model_name: cloud
    litellm_params: {model: demo/echo}
router_settings:
  num_retries: 0
  fallbacks: [{home: [cloud]}]
switchboard:
  content_rules:
    - {classes: [credit_card], labels: [local]}
",
    );
    assert_eq!(answer(&app, "home", "Hello!"), "cloud");
    let reply = said(&app, "home", "My card is 4111 1111 1111 1111.");
    assert_ne!(reply.status, 200, "{}", reply.text());
}
