//! What one caller brings about shuts nobody else out.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

fn entry(name: &str, model: &str, more: &str) -> String {
    format!("  - {{model_name: {name}, litellm_params: {{model: {model}, {more}}}}}\n")
}

fn ask(gateway: &Managed, model: &str, text: &str, more: &Value) -> Reply {
    let mut body = json!({"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": text}]});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body)
}

#[test]
fn what_a_provider_denies_is_denied_to_the_model_alone() {
    let upstream = Upstream::start();
    let at = format!("api_base: '{}/denied', api_key: k", upstream.url());
    let yaml = entry("closed", "openai/forbidden", &at) + &entry("open", "openai/allowed", &at);
    with(&yaml, |gateway| {
        let before = upstream.asked().len();
        for _ in 0..6 {
            assert_eq!(ask(gateway, "closed", "hi", &json!({})).status, 503);
        }
        let asked = upstream.asked().len() - before;
        assert!(asked < 6, "a model that is denied is asked {asked} times");
        for _ in 0..6 {
            let reply = ask(gateway, "open", "flagged", &json!({}));
            assert!(reply.status.is_client_error() && reply.text().contains("usage guidelines"), "{}", reply.text());
        }
        assert_eq!(ask(gateway, "open", "hi", &json!({})).status, 200);
    });
}

#[test]
fn who_gives_too_little_time_says_nothing_of_the_provider() {
    let upstream = Upstream::start();
    let yaml = entry("slow", "openai/m", &format!("api_base: '{}/slower', api_key: k, num_retries: 0", upstream.url()));
    with(&yaml, |gateway| {
        for _ in 0..8 {
            let reply = ask(gateway, "slow", "hi", &json!({"timeout": 0.02}));
            assert!(matches!(reply.status.as_u16(), 408 | 504), "{}: {}", reply.status, reply.text());
        }
        assert_eq!(ask(gateway, "slow", "hi", &json!({})).status, 200);
    });
}

#[test]
fn accounts_are_refused_each_for_itself() {
    let upstream = Upstream::start();
    let account = |id: &str| {
        let keys = format!("aws_access_key_id: {id}, aws_secret_access_key: s, aws_region_name: us-east-1");
        format!("aws_bedrock_runtime_endpoint: '{}/good', {keys}", upstream.url())
    };
    let yaml = entry("one", "bedrock/m", &account("AKIArefused")) + &entry("two", "bedrock/m", &account("AKIAgood"));
    with(&yaml, |gateway| {
        for _ in 0..6 {
            assert_eq!(ask(gateway, "one", "hi", &json!({})).status, 503);
        }
        let asked = upstream.asked().len();
        let reply = ask(gateway, "two", "hi", &json!({}));
        assert_eq!(upstream.asked().len(), asked + 1, "{}", reply.text());
    });
}
