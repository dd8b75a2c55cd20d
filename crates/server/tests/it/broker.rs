//! Keys that come and go between people, applications and providers: sign-in by code, keys of providers, kept content.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn trade(gateway: &Managed, body: &Value) -> Reply {
    gateway.app.ask("POST", "/api/v1/auth/keys").json(body).send()
}

#[test]
fn a_code_is_traded_once_for_a_key_that_can_only_call() {
    with("", |gateway| {
        gateway.post("/user/new", &json!({"user_id": "ann", "user_role": "internal_user", "auto_create_key": false}));
        let anns = gateway.key(&json!({"user_id": "ann", "models": ["good"]}));
        let body = json!({
            "callback_url": "https://app.example/cb", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "limit": 3,
            "usage_limit_type": "monthly", "key_label": "App",
        });
        let made = gateway.as_key(&anns, "POST", "/api/v1/auth/keys/code", &body);
        assert_eq!(made.status, 200, "{}", made.text());
        let code = made.json()["data"]["id"].as_str().expect("a code").to_owned();
        assert_eq!(trade(gateway, &json!({"code": "wrong"})).status, 403);
        assert_eq!(trade(gateway, &json!({"code": code, "code_verifier": "wrong", "code_challenge_method": "S256"})).status, 403);
        assert_eq!(trade(gateway, &json!({"code": code, "code_verifier": VERIFIER, "code_challenge_method": "plain"})).status, 400);
        let traded = trade(gateway, &json!({"code": code, "code_verifier": VERIFIER, "code_challenge_method": "S256"}));
        assert_eq!(traded.status, 200, "{}", traded.text());
        let traded = traded.json();
        assert_eq!(traded["user_id"], "ann");
        let key = traded["key"].as_str().expect("a key");
        assert_eq!(trade(gateway, &json!({"code": code, "code_verifier": VERIFIER})).status, 403, "once");
        assert_eq!(gateway.chat(key, "good").status, 200);
        assert_eq!(gateway.chat(key, "other").status, 403, "no more than its giver");
        assert_eq!(gateway.as_key(key, "POST", "/key/generate", &json!({})).status, 403);
        let own = gateway.as_key(key, "GET", "/api/v1/key", &Value::Null).json();
        assert_eq!((&own["data"]["limit"], &own["data"]["limit_reset"]), (&json!(3.0), &json!("monthly")));
        for bad in [
            json!({"callback_url": "http://app.example"}),
            json!({"callback_url": "javascript:x"}),
            json!({}),
            json!({"callback_url": "https://a.b", "limit": -1}),
        ] {
            assert_eq!(gateway.as_key(&anns, "POST", "/api/v1/auth/keys/code", &bad).status, 400, "{bad}");
        }
        let nobodys = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&nobodys, "POST", "/api/v1/auth/keys/code", &body).status, 403);
    });
}

#[test]
fn a_key_that_is_traded_has_the_budgets_of_its_giver() {
    with("", |gateway| {
        gateway.post("/user/new", &json!({"user_id": "ann", "user_role": "internal_user", "auto_create_key": false}));
        let limits = json!([{"budget_duration": "1d", "max_budget": 1.0}]);
        let anns = gateway.key(&json!({"user_id": "ann", "budget_limits": limits, "model_max_budget": {"good": {"budget_limit": 1.0}}}));
        let made = gateway.as_key(&anns, "POST", "/api/v1/auth/keys/code", &json!({"callback_url": "https://app.example/cb"}));
        let traded = trade(gateway, &json!({"code": made.json()["data"]["id"]}));
        assert_eq!(traded.status, 200, "{} {}", made.text(), traded.text());
        let info = gateway.get(&format!("/key/info?key={}", traded.json()["key"].as_str().expect("a key")))["info"].clone();
        assert_eq!(
            (&info["budget_limits"][0]["max_budget"], &info["model_max_budget"]["good"]["budget_limit"]),
            (&json!(1.0), &json!(1.0))
        );
    });
}

#[test]
fn the_page_asks_for_a_key_and_leads_back_with_a_code() {
    with("", |gateway| {
        let page = gateway
            .app
            .get("/auth?callback_url=http%3A%2F%2Flocalhost%3A3000%2Fcb%3Fa%3D1&code_challenge=plain-text&code_challenge_method=plain");
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(
            page.text().contains("localhost wants to use models")
                && page.header("content-security-policy").contains("form-action 'self' http://localhost:3000")
        );
        assert_eq!(gateway.app.get("/auth").status, 400);
        assert_eq!(gateway.app.get("/auth?callback_url=http://evil.example").status, 400);
        let odd = gateway.app.get("/auth?callback_url=https://x.example/&key_label=%3Cscript%3E");
        assert!(!odd.text().contains("<script>"), "{}", odd.text());
        let send = |key: &str| {
            let form = format!(
                "callback_url=http%3A%2F%2Flocalhost%3A3000%2Fcb%3Fa%3D1&code_challenge=plain-text&code_challenge_method=plain&key={key}"
            );
            gateway.app.ask("POST", "/auth").header("content-type", "application/x-www-form-urlencoded").body(form).send()
        };
        assert_eq!(send("sk-wrong").status, 401);
        let back = send(MASTER);
        assert_eq!(back.status, 303, "{}", back.text());
        let place = back.header("location");
        let code = place.strip_prefix("http://localhost:3000/cb?a=1&code=").expect("the way back");
        let traded = trade(gateway, &json!({"code": code, "code_verifier": "plain-text", "code_challenge_method": "plain"})).json();
        let key = traded["key"].as_str().expect("a key");
        assert_eq!(traded["user_id"], Value::Null);
        assert_eq!(gateway.chat(key, "good").status, 200);
        assert_eq!(gateway.as_key(key, "GET", "/api/v1/keys", &Value::Null).status, 403, "what the master key gives is no administrator's");
    });
}

#[test]
fn a_workspaces_own_key_goes_first_and_costs_its_budget_nothing() {
    let upstream = Upstream::start();
    let params = format!(
        "{{model: openai/m, api_key: sk-gateways, api_base: {}/v1, input_cost_per_token: 0.01, output_cost_per_token: 0.01}}",
        upstream.url()
    );
    with(&format!("  - {{model_name: m, litellm_params: {params}}}\n"), |gateway| {
        let before = upstream.keys().len();
        let shown = || upstream.keys().split_off(before);
        let key = gateway.key(&json!({}));
        let brought = |body: Value, status: u16| {
            let reply = gateway.as_key(MASTER, "POST", "/api/v1/byok", &body);
            assert_eq!(reply.status, status, "{}", reply.text());
            reply.json()["data"].clone()
        };
        let own = brought(json!({"provider": "openai", "key": "sk-own-key-0123456789", "name": "Ours"}), 201);
        assert_eq!((&own["label"], &own["sort_order"], &own["key"]), (&json!("sk-...6789"), &json!(0), &Value::Null));
        let path = format!("/api/v1/byok/{}", own["id"].as_str().expect("an id"));
        assert_eq!(gateway.chat(&key, "m").status, 200);
        assert_eq!(shown(), ["Bearer sk-own-key-0123456789"]);
        let patience = Instant::now() + Duration::from_secs(20);
        let told = loop {
            let told = gateway.as_key(&key, "GET", "/api/v1/key", &Value::Null).json()["data"].clone();
            if told["byok_usage"].as_f64() > Some(0.0) {
                break told;
            }
            assert!(Instant::now() < patience, "{told}");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!((&told["usage"], &told["byok_usage"], &told["byok_usage_daily"]), (&json!(0.0), &json!(0.25), &json!(0.25)));
        // One that is refused is passed over, and the gateway's own is none the worse for it.
        gateway.as_key(MASTER, "PATCH", &path, &json!({"key": "sk-refused-0123456789"}));
        for _ in 0..4 {
            let reply = gateway.chat(&key, "m");
            assert_eq!(reply.status, 200, "{} {:?}", reply.text(), shown());
        }
        assert_eq!(shown().iter().filter(|key| *key == "Bearer sk-gateways").count(), 4, "{:?}", shown());
        // One that is only to be fallen back to comes last; one that is for others, not at all.
        let at = upstream.keys().len();
        gateway.as_key(MASTER, "PATCH", &path, &json!({"key": "sk-own-key-0123456789", "is_fallback": true}));
        assert_eq!(gateway.chat(&key, "m").status, 200);
        gateway.as_key(MASTER, "PATCH", &path, &json!({"is_fallback": false, "allowed_models": ["other"]}));
        assert_eq!(gateway.chat(&key, "m").status, 200);
        gateway.as_key(MASTER, "PATCH", &path, &json!({"allowed_models": null, "disabled": true}));
        assert_eq!(gateway.chat(&key, "m").status, 200);
        assert_eq!(upstream.keys().split_off(at), ["Bearer sk-gateways"; 3]);
        assert_eq!(gateway.as_key(MASTER, "DELETE", &path, &Value::Null).json(), json!({"deleted": true}));
        assert_eq!(gateway.as_key(MASTER, "GET", &path, &Value::Null).status, 404);
        assert_eq!(brought(json!({"provider": "no-such", "key": "x"}), 400), Value::Null);
    });
}

#[test]
fn what_is_asked_and_answered_is_kept_where_its_workspace_says_so() {
    with("", |gateway| {
        let key = gateway.key(&json!({}));
        let body = json!({"model": "good", "messages": [{"role": "user", "content": "hello"}]});
        let ask = |stream: bool| {
            let mut body = body.clone();
            body["stream"] = json!(stream);
            let reply = gateway.as_key(&key, "POST", "/api/v1/chat/completions", &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.header("x-litellm-call-id").to_owned()
        };
        let content = |key: &str, id: &str| gateway.as_key(key, "GET", &format!("/api/v1/generation/content?id={id}"), &Value::Null);
        let soon = |id: &str| {
            let patience = Instant::now() + Duration::from_secs(20);
            loop {
                let reply = content(&key, id);
                if reply.status == 200 {
                    return reply.json()["data"].clone();
                }
                assert!(Instant::now() < patience, "{}", reply.text());
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        let unkept = ask(false);
        let on = json!({"is_observability_io_logging_enabled": true});
        assert_eq!(gateway.as_key(MASTER, "PATCH", "/api/v1/workspaces/default", &on).status, 200);
        for stream in [false, true] {
            let id = ask(stream);
            let kept = soon(&id);
            assert_eq!(kept["input"]["messages"], body["messages"]);
            assert_eq!((&kept["output"]["completion"], &kept["error"]), (&json!("You said: hello"), &Value::Null));
            let stranger = gateway.key(&json!({}));
            assert_eq!(content(&stranger, &id).status, 404);
            let in_the_log = |key: &str| gateway.as_key(key, "GET", &format!("/spend/logs/ui/{id}"), &Value::Null);
            let told = in_the_log(&key).json();
            assert_eq!((&told["messages"], &told["proxy_server_request"]["messages"]), (&body["messages"], &body["messages"]));
            assert_eq!(told["response"]["choices"][0]["message"]["content"], "You said: hello");
            assert_eq!(in_the_log(&stranger).status, 403);
        }
        assert_eq!(content(&key, &unkept).status, 404);
        let told = gateway.as_key(&key, "GET", &format!("/spend/logs/ui/{unkept}"), &Value::Null).json();
        assert_eq!(told, json!({"messages": null, "response": null, "proxy_server_request": null}));
    });
}
