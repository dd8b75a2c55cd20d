//! Anthropic's own fallbacks, which its clients name in the field in which LiteLLM's name the gateway's.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

const FEATURE: &str = "server-side-fallback-2026-07-01";

fn served(test: impl Fn(&Managed, &Upstream)) {
    let upstream = Upstream::start();
    let at = upstream.url();
    let models = format!(
        "
  - {{model_name: claude, litellm_params: {{model: anthropic/claude-opus-4-8, api_base: '{at}/good', api_key: k}}}}
  - {{model_name: other, litellm_params: {{model: anthropic/claude-haiku-4-5, api_base: '{at}/good', api_key: k}}}}
  - {{model_name: gpt, litellm_params: {{model: openai/gpt-4o, api_base: '{at}/good/v1', api_key: k}}}}
"
    );
    with(&models, |gateway| test(gateway, &upstream));
}

fn body(model: &str, fallbacks: &Value) -> Value {
    json!({"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}], "fallbacks": fallbacks})
}

fn ask(gateway: &Managed, key: &str, body: &Value, feature: bool) -> Reply {
    let asked = gateway.app.ask("POST", "/v1/messages").key(key).json(body);
    if feature { asked.header("anthropic-beta", FEATURE) } else { asked }.send()
}

fn last(upstream: &Upstream) -> Value {
    serde_json::from_str(&upstream.asked().pop().expect("a request").1).expect("JSON")
}

#[test]
fn they_reach_anthropic_where_they_are_asked_for() {
    served(|gateway, upstream| {
        let chain = json!([{"model": "claude-haiku-4-5", "max_tokens": 8}]);
        for (fallbacks, feature) in [(json!("default"), true), (json!("default"), false), (chain, true)] {
            let reply = ask(gateway, MASTER, &body("claude", &fallbacks), feature);
            assert_eq!(reply.status.as_u16(), 200, "{fallbacks}: {}", reply.text());
            let sent = last(upstream);
            assert_eq!((&sent["fallbacks"], &sent["model"]), (&fallbacks, &json!("claude-opus-4-8")));
            // Others have none.
            let reply = ask(gateway, MASTER, &body("gpt", &fallbacks), feature);
            assert_eq!(reply.status.as_u16(), 200, "{fallbacks}: {}", reply.text());
            assert!(reply.header("x-switchboard-dropped").contains("fallbacks"), "{fallbacks}");
            assert_eq!(last(upstream).get("fallbacks"), None);
        }
        // Without the feature a list is the gateway's.
        let reply = ask(gateway, MASTER, &body("claude", &json!(["other"])), false);
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        assert_eq!(last(upstream).get("fallbacks"), None);
    });
}

#[test]
fn they_are_refused_where_nobody_can_say_what_answers() {
    served(|gateway, upstream| {
        let poor = gateway.key(&json!({"max_budget": 5.0}));
        let narrow = gateway.key(&json!({"models": ["claude", "other"]}));
        for (key, status) in [(&poor, 400), (&narrow, 403)] {
            let before = upstream.asked().len();
            let reply = ask(gateway, key, &body("claude", &json!("default")), true);
            assert_eq!(reply.status.as_u16(), status, "{}", reply.text());
            assert!(reply.json()["error"]["message"].as_str().is_some_and(|why| why.contains("`fallbacks`")), "{}", reply.text());
            assert_eq!(upstream.asked().len(), before, "nothing was asked");
            // The gateway's own are held for, and known.
            let reply = ask(gateway, key, &body("claude", &json!(["other"])), false);
            assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        }
    });
}
