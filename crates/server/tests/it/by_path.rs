//! Models that stand in the path, as Azure's clients and OpenAI's oldest ones name them.

use serde_json::json;

use crate::managed::Managed;
use crate::upstream::Upstream;

/// With a deployment of the gateway's own, and beside it a key of OpenAI's that is for other paths.
fn gateway(upstream: &Upstream) -> Managed {
    let url = upstream.url();
    let model =
        format!("  - {{model_name: team/private/chat, litellm_params: {{model: openai/m, api_base: {url}/good/v1, api_key: of-mine}}}}\n");
    Managed::with_models("", &model, &[("OPENAI_API_BASE", &format!("{url}/good/theirs/v1")), ("OPENAI_API_KEY", "of-openai")])
}

#[test]
fn a_model_in_the_path_may_hold_slashes() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key(&json!({}));
    let chat = json!({"messages": [{"role": "user", "content": "hi"}]});
    for prefix in ["/openai/deployments", "/engines", "/v1/engines"] {
        for name in ["team/private/chat", "team%2Fprivate%2Fchat"] {
            let before = upstream.asked().len();
            let reply = gateway.as_key(&key, "POST", &format!("{prefix}/{name}/chat/completions?api-version=2024-10-21"), &chat);
            assert_eq!(reply.status, 200, "{prefix}/{name}: {}", reply.text());
            assert_eq!(upstream.asked()[before].0, "/good/v1/chat/completions");
            let reply = gateway.as_key(&key, "POST", &format!("{prefix}/{name}/embeddings"), &json!({"input": "hi"}));
            assert_eq!(reply.status, 200, "{prefix}/{name}: {}", reply.text());
        }
    }
}

#[test]
fn what_names_a_model_here_goes_to_no_providers_own_api() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key(&json!({}));
    let chat = json!({"messages": [{"role": "user", "content": "a private matter"}]});
    let before = upstream.asked().len();
    for path in [
        "/openai/deployments/nobody/chat/completions",
        "/openai/deployments/no/body/chat/completions",
        "/openai//deployments/no/body/chat/completions",
        "/openai/deployments/team/private/chat/assistants",
        "/engines/no/body/completions",
        "/v1/engines/team/private/chat/files",
    ] {
        let reply = gateway.as_key(&key, "POST", path, &chat);
        assert!(reply.status.is_client_error(), "{path}: {} {}", reply.status, reply.text());
    }
    assert_eq!(upstream.asked().len(), before, "{:?}", upstream.asked());
    // Its own paths are still passed on.
    let reply = gateway.as_key(&key, "POST", "/openai/v1/assistants", &json!({"model": "gpt-4o"}));
    assert_eq!(reply.status, 200, "{}", reply.text());
}
