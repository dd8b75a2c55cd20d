//! Which headers of clients providers get.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::upstream::Upstream;

const KEY: &str = "sk-master-of-tests-0123456789abcdef";

fn gateway(settings: &str, upstream: &Upstream) -> TestApp {
    let url = upstream.url();
    let models = format!(
        "model_list:
  - {{model_name: open, litellm_params: {{model: openai/m, api_key: sk-own, api_base: {url}/good}}}}
  - {{model_name: told, litellm_params: {{model: openai/m, api_key: sk-own, api_base: {url}/good, organization: org-own,
      extra_headers: {{x-team: ours}}}}, model_info: {{access_groups: [friends]}}}}
  - {{model_name: claude, litellm_params: {{model: anthropic/m, api_key: sk-own, api_base: {url}/good}}}}
{settings}"
    );
    TestApp::with(&models, &[("SWITCHBOARD_MASTER_KEY", KEY)])
}

fn ask(app: &TestApp, model: &str, headers: &[(&str, &str)]) -> Reply {
    let body: Value = json!({"model": model, "messages": [{"role": "user", "content": "How is it?"}]});
    let asked = app.ask("POST", "/v1/chat/completions").json(&body);
    let reply = headers.iter().fold(asked, |asked, (name, value)| asked.header(name, value)).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

const BEARER: (&str, &str) = ("authorization", "Bearer sk-master-of-tests-0123456789abcdef");
const MANY: [(&str, &str); 9] = [
    BEARER,
    ("x-team", "theirs"),
    ("X-Custom", "1"),
    ("x-stainless-lang", "js"),
    ("x-switchboard-continue", "1"),
    ("x-amz-security-token", "theirs"),
    ("cookie", "a=b"),
    ("anthropic-beta", "beta-1"),
    ("accept-language", "de"),
];

#[test]
fn nothing_passes_unless_it_is_wanted() {
    let upstream = Upstream::start();
    let app = gateway("", &upstream);
    ask(&app, "open", &MANY);
    for name in ["x-team", "x-custom", "x-stainless-lang", "anthropic-beta", "cookie", "accept-language", "traceparent"] {
        assert_eq!(upstream.header(name), None, "{name}");
    }
    ask(&app, "claude", &MANY);
    assert_eq!((upstream.header("anthropic-beta").as_deref(), upstream.header("x-custom")), (Some("beta-1"), None));
}

#[test]
fn headers_of_clients_pass_where_they_should() {
    let upstream = Upstream::start();
    let app = gateway("general_settings: {forward_client_headers_to_llm_api: true}", &upstream);
    ask(&app, "open", &MANY);
    let sent = |name: &str| upstream.header(name);
    assert_eq!((sent("x-team").as_deref(), sent("x-custom").as_deref()), (Some("theirs"), Some("1")));
    assert_eq!(sent("anthropic-beta").as_deref(), Some("beta-1"));
    assert_eq!(sent("authorization").as_deref(), Some("Bearer sk-own"));
    for name in ["x-stainless-lang", "x-switchboard-continue", "x-amz-security-token", "cookie", "accept-language"] {
        assert_eq!(sent(name), None, "{name}");
    }
    // What the deployment says comes first, and keys of the gateway stay here in whatever header they stand.
    ask(&app, "told", &[("x-litellm-api-key", KEY), ("x-copy", KEY), ("x-team", "theirs"), ("x-goog-api-key", "g"), ("x-api-key", "a")]);
    assert_eq!(sent("x-team").as_deref(), Some("ours"));
    for name in ["x-litellm-api-key", "x-copy", "x-goog-api-key", "x-api-key"] {
        assert_eq!(sent(name), None, "{name}");
    }
}

#[test]
fn models_alone_pass_headers_on_where_they_are_named() {
    let upstream = Upstream::start();
    let settings = |models: &str| format!("litellm_settings: {{model_group_settings: {{forward_client_headers_to_llm_api: [{models}]}}}}");
    let custom = |models: &str, model: &str| {
        let app = gateway(&settings(models), &upstream);
        ask(&app, model, &MANY);
        upstream.header("x-custom").is_some()
    };
    assert!(custom("open", "open") && !custom("open", "told"));
    assert!(custom("friends", "told") && !custom("friends", "open"), "an access group");
    assert!(custom("\"to*\"", "told") && !custom("\"to*\"", "claude"), "a pattern");
    let checks = format!("{}\nrouter_settings: {{optional_pre_call_checks: [forward_client_headers_by_model_group]}}", settings("open"));
    let app = gateway(&checks, &upstream);
    ask(&app, "open", &MANY);
    assert_eq!(upstream.header("x-custom").as_deref(), Some("1"));
}

#[test]
fn organizations_and_traces_pass_where_they_should() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let upstream = Upstream::start();
    let headers = [BEARER, ("openai-organization", "org-theirs"), ("traceparent", TRACE), ("tracestate", "a=1")];
    let seen = |app: &TestApp, model: &str| {
        ask(app, model, &headers);
        (upstream.header("openai-organization"), upstream.header("traceparent"), upstream.header("tracestate"))
    };
    let some = |text: &str| Some(text.to_owned());
    let app = gateway("", &upstream);
    assert_eq!(seen(&app, "told"), (some("org-own"), None, None));
    let both = "general_settings: {forward_openai_org_id: true}\nlitellm_settings: {forward_traceparent_to_llm_provider: true}";
    let app = gateway(both, &upstream);
    assert_eq!(seen(&app, "told"), (some("org-theirs"), some(TRACE), None));
    assert_eq!(seen(&app, "claude"), (None, some(TRACE), None), "an organization of OpenAI's is nobody else's business");
}

#[test]
fn a_key_that_a_client_brings_takes_the_place_of_the_gateways() {
    let upstream = Upstream::start();
    let app = gateway("general_settings: {forward_llm_provider_auth_headers: true, forward_client_headers_to_llm_api: true}", &upstream);
    ask(&app, "open", &[BEARER, ("x-api-key", "sk-theirs")]);
    assert_eq!((upstream.header("authorization").as_deref(), upstream.header("x-api-key")), (Some("Bearer sk-theirs"), None));
    ask(&app, "claude", &[("x-litellm-api-key", KEY), ("x-api-key", "sk-theirs"), ("x-goog-api-key", "g")]);
    assert_eq!((upstream.header("x-api-key").as_deref(), upstream.header("x-goog-api-key").as_deref()), (Some("sk-theirs"), Some("g")));
    // Where it is the gateway's key itself, it stays.
    ask(&app, "claude", &[("x-api-key", KEY)]);
    assert_eq!(upstream.header("x-api-key").as_deref(), Some("sk-own"));
    ask(&app, "claude", &[BEARER, ("x-api-key", KEY), ("x-goog-api-key", KEY)]);
    assert_eq!((upstream.header("x-api-key").as_deref(), upstream.header("x-goog-api-key")), (Some("sk-own"), None), "the same key twice");
    let app = gateway("litellm_settings: {forward_llm_provider_auth_headers: true}", &upstream);
    ask(&app, "open", &[BEARER, ("x-api-key", "sk-theirs")]);
    assert_eq!(upstream.header("authorization").as_deref(), Some("Bearer sk-theirs"));
}

#[test]
fn a_persons_own_subscription_is_used_where_headers_pass() {
    let upstream = Upstream::start();
    let headers = [("x-litellm-api-key", KEY), ("authorization", "Bearer sk-ant-oat01-theirs"), ("anthropic-beta", "beta-1")];
    let plain = gateway("", &upstream);
    ask(&plain, "claude", &headers);
    assert_eq!((upstream.header("x-api-key").as_deref(), upstream.header("authorization")), (Some("sk-own"), None));
    let app = gateway("general_settings: {forward_client_headers_to_llm_api: true}", &upstream);
    ask(&app, "claude", &headers);
    assert_eq!((upstream.header("authorization").as_deref(), upstream.header("x-api-key")), (Some("Bearer sk-ant-oat01-theirs"), None));
    assert_eq!(upstream.header("anthropic-beta").as_deref(), Some("beta-1,oauth-2025-04-20"));
    ask(&app, "open", &headers);
    assert_eq!(upstream.header("authorization").as_deref(), Some("Bearer sk-own"), "it is no other provider's business");
}
