//! Keys and spend, as OpenRouter's clients manage them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::managed::{MASTER, with};

const PAID: &str = "  - {model_name: paid, litellm_params: {model: demo/echo, input_cost_per_token: 0.01, output_cost_per_token: 0.01}}\n";

#[test]
fn a_key_is_made_seen_changed_and_deleted_by_its_hash() {
    with(PAID, |gateway| {
        let body = json!({"name": "Mine", "limit": 50, "limit_reset": "monthly", "expires_at": "2099-12-31T23:59:59Z"});
        let made = gateway.as_key(MASTER, "POST", "/api/v1/keys", &body);
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        let (secret, hash) = (made["key"].as_str().expect("a key"), made["data"]["hash"].as_str().expect("a hash"));
        assert_eq!((&made["data"]["name"], &made["data"]["limit_remaining"]), (&json!("Mine"), &json!(50.0)));
        assert_eq!(gateway.get(&format!("/key/info?key={secret}"))["info"]["max_budget"], 50.0);
        let again = gateway.as_key(MASTER, "POST", "/api/v1/keys", &json!({"name": "Mine"}));
        assert_eq!(again.status, 201, "{}", again.text());
        for bad in [
            json!({}),
            json!({"name": "x", "limit": -1}),
            json!({"name": "x", "limit_reset": "hourly"}),
            json!({"name": "x", "expires_at": "2099-01-01T00:00:00+01:00"}),
        ] {
            let refused = gateway.as_key(MASTER, "POST", "/api/v1/keys", &bad);
            assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (400, &json!(400)), "{bad}");
        }
        let reply = gateway.chat(secret, "paid");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let id = reply.header("x-litellm-call-id").to_owned();
        let patience = Instant::now() + Duration::from_secs(20);
        let one = loop {
            let one = gateway.get(&format!("/api/v1/keys/{hash}"))["data"].clone();
            if one["usage"].as_f64() > Some(0.0) {
                break one;
            }
            assert!(Instant::now() < patience, "{one}");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!((&one["usage"], &one["usage"]), (&one["usage_monthly"], &one["usage_daily"]));
        let left = one["limit_remaining"].as_f64().expect("a number") + one["usage"].as_f64().expect("a number");
        assert!((left - 50.0).abs() < 1e-9, "{one}");
        let own = gateway.as_key(secret, "GET", "/api/v1/key", &Value::Null).json()["data"].clone();
        assert_eq!((&own["usage"], &own["limit"], &own["is_management_key"]), (&one["usage"], &json!(50.0), &json!(false)));
        assert_eq!(own["rate_limit"]["requests"], -1);
        assert_eq!(gateway.as_key(secret, "GET", "/api/v1/keys", &Value::Null).status, 403);
        let generation = gateway.as_key(secret, "GET", &format!("/api/v1/generation?id={id}"), &Value::Null).json()["data"].clone();
        assert_eq!((&generation["id"], &generation["total_cost"]), (&json!(id), &one["usage"]));
        let stranger = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&stranger, "GET", &format!("/api/v1/generation?id={id}"), &Value::Null).status, 404);
        assert_eq!(gateway.get("/api/v1/credits")["data"]["total_usage"], one["usage"]);
        assert_eq!(gateway.get("/api/v1/activity")["data"], json!([]), "today is not over");
        assert_eq!(gateway.as_key(MASTER, "GET", "/api/v1/activity?date=2020-01-01", &Value::Null).status, 400);
        let path = format!("/api/v1/keys/{hash}");
        let patched = gateway.as_key(MASTER, "PATCH", &path, &json!({"name": "Yours", "disabled": true, "limit": null}));
        let patched = patched.json()["data"].clone();
        assert_eq!((&patched["name"], &patched["disabled"], &patched["limit"]), (&json!("Yours"), &json!(true), &Value::Null));
        assert_eq!(gateway.chat(secret, "paid").status, 401);
        let listed = |query: &str| gateway.get(&format!("/api/v1/keys{query}"))["data"].as_array().map(Vec::len);
        assert_eq!((listed(""), listed("?include_disabled=true"), listed("?include_disabled=true&offset=2")), (Some(2), Some(3), Some(1)));
        assert_eq!(gateway.as_key(MASTER, "DELETE", &path, &Value::Null).json(), json!({"deleted": true}));
        assert_eq!(gateway.as_key(MASTER, "GET", &path, &Value::Null).status, 404);
    });
}
