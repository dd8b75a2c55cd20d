//! What is nobody's to have for the asking: credentials of the gateway's account, answers of providers, models that could not run,
//! credits of nobody.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

#[test]
fn credentials_of_the_gateways_account_are_not_handed_out() {
    let upstream = Upstream::start();
    let yaml = format!("environment_variables: {{OPENAI_API_BASE: {}/good/v1, OPENAI_API_KEY: of-openai}}\n", upstream.url());
    with(&yaml, |gateway| {
        let key = gateway.key(&json!({}));
        let before = upstream.asked().len();
        let session = json!({"session": {"type": "realtime", "model": "gpt-realtime"}});
        for path in ["client_secrets", "sessions", "transcription_sessions", "calls", "%63lient_secrets/"] {
            for key in [&key, MASTER] {
                let reply = gateway.as_key(key, "POST", &format!("/openai/v1/realtime/{path}"), &session);
                assert_eq!(reply.status, 403, "{path}: {}", reply.text());
                assert!(reply.text().contains("a key of your own"), "{}", reply.text());
            }
        }
        assert_eq!(upstream.asked().len(), before);
        // Who brings a key gets what is theirs.
        let own = gateway.app.ask("POST", "/openai/v1/realtime/client_secrets").header("x-litellm-api-key", &key);
        let own = own.header("authorization", "Bearer sk-my-own-at-openai").json(&session).send();
        assert_ne!(own.status, 403, "{}", own.text());
        assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer sk-my-own-at-openai"));
    });
}

#[test]
fn providers_are_asked_how_they_are_at_an_administrators_word() {
    let upstream = Upstream::start();
    let yaml =
        format!("  - {{model_name: real, litellm_params: {{model: openai/gpt-4o, api_base: '{}/good/v1', api_key: k}}}}\n", upstream.url());
    with(&yaml, |gateway| {
        gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
        let key = gateway.key(&json!({"user_id": "u"}));
        let before = upstream.asked().len();
        let told = gateway.as_key(&key, "GET", "/health?model=real", &Value::Null).json();
        assert_eq!((&told["healthy_count"], &told["unchecked_endpoints"][0]["model"]), (&json!(0), &json!("openai/gpt-4o")), "{told}");
        assert_eq!(upstream.asked().len(), before);
        assert_eq!(gateway.get("/health?model=real")["healthy_count"], 1);
        assert_eq!(upstream.asked().len(), before + 1);
        for _ in 0..3 {
            assert_eq!(gateway.as_key(&key, "GET", "/health?model=real", &Value::Null).json()["healthy_count"], 1);
        }
        assert_eq!(upstream.asked().len(), before + 1);
    });
}

/// A team with an administrator, in an organization that has a list of models.
fn team(gateway: &Managed) -> (String, String) {
    gateway.post("/user/new", &json!({"user_id": "chief", "user_role": "internal_user", "auto_create_key": false}));
    let organization = gateway.post("/organization/new", &json!({"organization_alias": "acme", "models": ["good"]}));
    let members = json!([{"role": "admin", "user_id": "chief"}]);
    let team = json!({"organization_id": organization["organization_id"], "models": ["good"], "members_with_roles": members});
    let team = gateway.post("/team/new", &team)["team_id"].as_str().expect("a team").to_owned();
    let key = gateway.key(&json!({"team_id": team, "user_id": "chief"}));
    (team, key)
}

#[test]
fn a_team_calls_its_own_model_whatever_its_organization_was_given() {
    with("general_settings: {store_model_in_db: true}", |gateway| {
        let (team, key) = team(gateway);
        let own = |name: &str, params: Value| {
            let model = json!({"model_name": name, "litellm_params": params, "model_info": {"team_id": team}});
            gateway.as_key(MASTER, "POST", "/model/new", &model)
        };
        let made = own("mine", json!({"model": "demo/echo"}));
        assert_eq!(made.status, 200, "{}", made.text());
        assert_eq!(gateway.chat(&key, "mine").status, 200, "{}", gateway.chat(&key, "mine").text());
        assert_eq!(gateway.chat(&key, "other").status, 403, "what the organization was not given");
        // Whose list lacks it is told its name.
        let narrow = gateway.key(&json!({"team_id": team, "models": ["good"]}));
        let refused = gateway.chat(&narrow, "mine");
        assert_eq!((refused.status.as_u16(), refused.text().contains("'mine'")), (403, true), "{}", refused.text());
        assert!(!refused.text().contains("model_name_"), "{}", refused.text());
    });
}

#[test]
fn a_model_that_could_not_run_is_refused_with_the_reason() {
    with("general_settings: {store_model_in_db: true}", |gateway| {
        for params in [
            json!({"model": "snowflake/x", "api_key": "k"}),
            json!({"model": "litellm_proxy/x", "api_key": "k"}),
            json!({"model": "openai/x", "api_key": "k", "api_base": "no address"}),
            json!({"model": "watsonx/x", "api_key": "k", "watsonx_region_name": "x@127.0.0.1/", "project_id": "p"}),
            json!({"model": "openai/x", "api_key": "k", "api_base": "https://example.invalid/v1", "ssl_certificate": "/nonexistent"}),
            json!({"model": "no-such-provider/x", "api_key": "k"}),
        ] {
            let reply = gateway.as_key(MASTER, "POST", "/model/new", &json!({"model_name": "m", "litellm_params": params}));
            assert_eq!(reply.status, 400, "{params}: {}", reply.text());
        }
    });
}

#[test]
fn credits_of_nobody_are_not_there_and_a_field_that_nobody_knows_is_refused() {
    with("", |gateway| {
        let put = |body: Value| {
            let reply = gateway.as_key(MASTER, "POST", "/credits/topup", &body);
            (reply.status.as_u16(), reply.json()["error"]["type"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(put(json!({"key": "sk-of-nobody-0123456789", "amount": 1})), (404, "not_found_error".to_owned()));
        assert_eq!(put(json!({"amount": 1, "idempotency_key": "once"})), (400, "bad_request_error".to_owned()));
        assert_eq!(put(json!({"amount": -1})), (400, "bad_request_error".to_owned()));
    });
}
