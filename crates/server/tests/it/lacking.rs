//! Models that lack what they are called with: they keep their names, and nothing else is taken for them.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::upstream::Upstream;

fn ask(app: &TestApp, model: &str) -> Reply {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    app.ask("POST", "/v1/chat/completions").json(&body).send()
}

fn told(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

fn gateway(upstream: &Upstream, models: &str, settings: &str) -> TestApp {
    let url = upstream.url();
    TestApp::of(&format!(
        "model_list:\n{models}  - {{model_name: '*', litellm_params: {{model: 'openai/*', api_base: '{url}/good/v1', api_key: k}}}}\n{settings}"
    ))
}

#[test]
fn a_name_without_its_key_is_no_other_model() {
    let upstream = Upstream::start();
    let models = "
  - {model_name: named, litellm_params: {model: groq/llama-3.3-70b-versatile, api_key: os.environ/NOT_SET_KEY}}
  - {model_name: bare, litellm_params: {model: groq/llama-3.3-70b-versatile}}
  - {model_name: odd, litellm_params: {model: nobodys/model}}
  - {model_name: 'groq/*', litellm_params: {model: 'groq/*'}}
  - {model_name: 'strange/*', litellm_params: {model: 'nobodys/*'}}
";
    let app = gateway(&upstream, models, "");
    for (model, why) in [
        ("named", "NOT_SET_KEY"),
        ("bare", "GROQ_API_KEY"),
        ("odd", "`nobodys`"),
        ("groq/llama-3.3-70b-versatile", "GROQ_API_KEY"),
        ("strange/model", "`nobodys`"),
    ] {
        let reply = ask(&app, model);
        assert_eq!(reply.status, 401, "{model}: {}", reply.text());
        assert!(told(&reply).contains(why) && told(&reply).contains(model), "{model}: {}", reply.text());
    }
    assert_eq!(upstream.asked().len(), 0);
    assert_eq!(ask(&app, "whatever").status, 200, "what nobody names is still for the pattern");
    let listed = app.get("/v1/models").json();
    let names: Vec<&str> = listed["data"].as_array().expect("a list").iter().filter_map(|model| model["id"].as_str()).collect();
    assert!(["named", "bare", "odd"].iter().all(|name| names.contains(name)), "{names:?}");
}

#[test]
fn where_another_deployment_or_model_serves_nothing_lacks() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let models = format!(
        "
  - {{model_name: both, litellm_params: {{model: groq/llama-3.3-70b-versatile}}}}
  - {{model_name: both, litellm_params: {{model: openai/good, api_base: '{url}/good/v1', api_key: k}}}}
  - {{model_name: alone, litellm_params: {{model: groq/llama-3.3-70b-versatile}}}}
"
    );
    let app = gateway(&upstream, &models, "router_settings: {fallbacks: [{alone: [both]}]}\n");
    for _ in 0..8 {
        assert_eq!(ask(&app, "both").status, 200);
    }
    let reply = ask(&app, "alone");
    assert_eq!((reply.status.as_u16(), reply.header("x-litellm-attempted-fallbacks")), (200, "1"), "{}", reply.text());
    assert_eq!(reply.header("x-litellm-model-group"), "both");
    assert_eq!(app.get("/health/readiness").status, 200);
}

#[test]
fn clients_of_other_formats_are_told_in_theirs() {
    let upstream = Upstream::start();
    let app = gateway(&upstream, "  - {model_name: named, litellm_params: {model: groq/x}}\n", "");
    let body = json!({"model": "named", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    let reply = app.ask("POST", "/v1/messages").json(&body).send();
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["type"]), (401, &json!("authentication_error")), "{}", reply.text());
    let reply = app.ask("POST", "/v1/embeddings").json(&json!({"model": "named", "input": "hi"})).send();
    assert_eq!(reply.status, 401, "{}", reply.text());
    let listed: Value = app.get("/v1/models/named").json();
    assert_eq!(listed["id"], "named");
}
