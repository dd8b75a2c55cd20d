//! What is remembered for one caller is never another's (X10; LiteLLM #29955, #19575).

use serde_json::{Value, json};

use crate::identity::issuer::{CLIENT, Provider};
use crate::managed::Managed;
use crate::upstream::Upstream;

#[test]
fn two_callers_never_share_an_answer() {
    let (provider, upstream) = (Provider::start(), Upstream::start());
    let model = format!(
        "  - {{model_name: far, litellm_params: {{model: openai/m, api_base: {}/good/v1, api_key: sk-upstream}}}}\n",
        upstream.url()
    );
    let general = "  enable_jwt_auth: true\n  litellm_jwtauth: {user_id_jwt_field: sub, user_id_upsert: true}\n";
    let keys = provider.keys_url();
    let gateway = Managed::with_models(general, &model, &[("JWT_PUBLIC_KEY_URL", &keys), ("JWT_AUDIENCE", CLIENT)]);
    let (one, other) = (gateway.key(&json!({})), gateway.key(&json!({})));
    let (ann, bob) = (provider.token(&json!({"sub": "ann"})), provider.token(&json!({"sub": "bob"})));
    let body = json!({"model": "far", "messages": [{"role": "user", "content": "the same for everybody"}]});
    let ask = |key: &str| {
        let reply = gateway.app.ask("POST", "/v1/chat/completions").key(key).header("idempotency-key", "the-same").json(&body).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.header("idempotent-replayed").to_owned()
    };
    for caller in [&one, &other, &ann, &bob] {
        assert_eq!(ask(caller), "", "it is the first time for this caller");
    }
    assert_eq!(upstream.asked().len(), 4);
    // Each has its own, which is what shows that there was something to share.
    for caller in [&one, &other, &ann, &bob] {
        assert_eq!(ask(caller), "true");
    }
    assert_eq!(upstream.asked().len(), 4);
    // A thousand times the same by two tenants, without the name: nobody's answer is anybody else's.
    for _ in 0..1000 {
        for caller in [&one, &other] {
            let reply = gateway.as_key(caller, "POST", "/v1/chat/completions", &body);
            assert_eq!((reply.status.as_u16(), reply.header("idempotent-replayed")), (200, ""));
        }
    }
    assert_eq!(upstream.asked().len(), 2004);
    assert_eq!(gateway.as_key(&one, "GET", "/key/info", &Value::Null).json()["info"]["user_id"], Value::Null);
}
