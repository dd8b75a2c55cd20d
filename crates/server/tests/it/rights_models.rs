//! What somebody who administers no more than a team says of models, and what such models never get.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each};
use crate::upstream::Upstream;

const CANARY: &str = "sk-the-gateways-own-0123456789";

/// The key of a user who administers the team `t` and nothing else.
fn boss(gateway: &Managed) -> String {
    let user = gateway.post("/user/new", &json!({"user_id": "boss", "user_role": "internal_user"}));
    gateway.post("/team/new", &json!({"team_id": "t", "members_with_roles": [{"role": "admin", "user_id": "boss"}]}));
    user["key"].as_str().expect("a key").to_owned()
}

fn new(gateway: &Managed, key: &str, params: &Value, info: &Value) -> crate::app::Reply {
    let mut info = info.clone();
    info["team_id"] = "t".into();
    gateway.as_key(key, "POST", "/model/new", &json!({"model_name": "x", "litellm_params": params, "model_info": info}))
}

#[test]
fn a_team_brings_a_credential_and_a_place_in_the_public_network() {
    each(|gateway| {
        let boss = boss(gateway);
        let status = |params: Value| new(gateway, &boss, &params, &json!({})).status.as_u16();
        assert_eq!(status(json!({"model": "openai/m", "api_key": "mine", "input_cost_per_token": 0, "rpm": 5})), 200);
        for params in [
            json!({"model": "openai/m", "mock_response": "x"}),
            json!({"model": "openai/m", "mock_response": "x", "api_base": "https://evil.example.com/v1"}),
            json!({"model": "openai/m", "api_key": "k", "use_in_pass_through": true}),
            json!({"model": "openai/m", "api_key": "k", "silent_model": "good"}),
            json!({"model": "auto_router/complexity_router", "api_key": "k"}),
            json!({"model": "openai/m", "api_key": "k", "complexity_router_default_model": "good"}),
            json!({"model": "openai/m", "api_key": "k", "ssl_certificate": "/etc/passwd"}),
            json!({"model": "openai/m", "api_key": "k", "ssl_verify": false}),
            json!({"model": "oci/m", "oci_key": "k", "oci_key_file": "/etc/passwd"}),
            json!({"model": "openai/m", "api_key": "k", "api_base": "https://127.1:24850/v1"}),
            json!({"model": "openai/m", "api_key": "k", "api_base": "https://0x7f.1:24850/"}),
            json!({"model": "openai/m", "api_key": "k", "base_url": "https://2130706433/"}),
            json!({"model": "openai/m", "api_key": "k", "api_base": "http://api.example.com/v1"}),
            json!({"model": "openai/m", "api_key": "k", "api_base": "https://user:pass@api.example.com/v1"}),
        ] {
            assert_eq!(status(params.clone()), 403, "{params}");
        }
        // Machines of the gateway's own are no place of a team's.
        for provider in ["ollama", "vllm", "hosted_vllm", "lm_studio", "llamafile", "xinference", "docker_model_runner"] {
            let refused = new(gateway, &boss, &json!({"model": format!("{provider}/m"), "api_key": "k"}), &json!({}));
            assert_eq!(refused.status, 400, "{provider}: {}", refused.text());
        }
        // Nor are the accounts of the machine it runs on.
        for params in
            [json!({"model": "vertex_ai/gemini-2.5-pro", "client_secret": "k"}), json!({"model": "bedrock/m", "client_secret": "k"})]
        {
            let refused = new(gateway, &boss, &params, &json!({}));
            assert_eq!(refused.status, 400, "{params}: {}", refused.text());
        }
        for info in [
            json!({"labels": ["local"]}),
            json!({"local": true}),
            json!({"compliance": ["hipaa"]}),
            json!({"access_groups": ["friends"]}),
            json!({"retains": false}),
            json!({"access_windows": [{"start": "09:00", "end": "17:00", "timezone": "UTC", "team_ids": ["other"]}]}),
        ] {
            let refused = new(gateway, &boss, &json!({"model": "openai/m", "api_key": "k"}), &info);
            assert_eq!(refused.status, 403, "{info}: {}", refused.text());
        }
    });
}

#[test]
fn of_the_operators_model_a_team_says_how_it_is_asked() {
    let upstream = Upstream::start();
    each(|gateway| {
        let boss = boss(gateway);
        let params = json!({"model": "openai/m", "api_base": format!("{}/good", upstream.url()), "api_key": CANARY, "rpm": 5});
        let made = new(gateway, MASTER, &params, &json!({"input_cost_per_token": 0.1}));
        assert_eq!(made.status, 200, "{}", made.text());
        let at = format!("/model/{}/update", made.json()["model_id"].as_str().expect("an id"));
        let change = |body: Value| gateway.as_key(&boss, "PATCH", &at, &body).status.as_u16();
        for (params, status) in [
            (json!({"temperature": 0.5}), 200),
            (json!({"max_tokens": 5, "timeout": 9}), 200),
            (json!({"rpm": 5}), 200),
            (json!({"rpm": 500}), 403),
            (json!({"tpm": 500}), 403),
            (json!({"max_budget": 500}), 403),
            (json!({"input_cost_per_token": 0}), 403),
            (json!({"input_cost_per_token": null}), 403),
            (json!({"base_model": "gpt-5-nano"}), 403),
            (json!({"extra_body": {"model": "dear"}}), 403),
            (json!({"extra_headers": {"x": "y"}}), 403),
            (json!({"service_tier": "priority"}), 403),
            (json!({"databricks_host": "evil.example.com"}), 403),
            (json!({"use_in_pass_through": true}), 403),
            (json!({"silent_model": "good"}), 403),
            (json!({"mock_response": "x"}), 403),
            (json!({"api_base": "https://evil.example.com"}), 403),
        ] {
            assert_eq!(change(json!({"litellm_params": params.clone()})), status, "{params}");
        }
        for (info, status) in [
            (json!({"description": "ours"}), 200),
            (json!({"input_cost_per_token": 0.1}), 200),
            (json!({"input_cost_per_token": 0}), 403),
            (json!({"base_model": "gpt-5-nano"}), 403),
            (json!({"health_check_model": "dear"}), 403),
            (json!({"labels": ["local"]}), 403),
        ] {
            assert_eq!(change(json!({"model_info": info.clone()})), status, "{info}");
        }
        // It goes where the operator said, with the operator's key.
        let key = gateway.key(&json!({"team_id": "t"}));
        assert_eq!(gateway.chat(&key, "x").status, 200);
        assert_eq!(upstream.keys().last().cloned().unwrap_or_default(), format!("Bearer {CANARY}"));
        // Whoever sends the secrets anew brings a model of the team's.
        let own = json!({"api_base": "https://127.0.0.1.nip.invalid/v1", "api_key": "mine", "input_cost_per_token": 0, "rpm": 50});
        assert_eq!(change(json!({"litellm_params": own})), 200);
        assert_eq!(change(json!({"litellm_params": {"input_cost_per_token": 0.003}})), 200);
        assert_eq!(change(json!({"litellm_params": {"api_base": "https://other.example.com"}})), 403);
        assert_ne!(gateway.chat(&key, "x").status, 200);
    });
}

#[test]
fn what_a_team_brings_knows_nothing_of_the_environment() {
    let upstream = Upstream::start();
    let gateway = Managed::with_models("", "", &[("AZURE_API_KEY", CANARY), ("AZURE_API_BASE", &upstream.url())]);
    let boss = boss(&gateway);
    let params = json!({"model": "azure/m", "api_key": "mine", "api_version": "2024-10-21"});
    let made = new(&gateway, MASTER, &params, &json!({}));
    assert_eq!(made.status, 200, "{}", made.text());
    // The place that the environment names is not for it, nor is the key.
    for params in [params, json!({"model": "azure/m", "mock_response": "x", "client_secret": "mine", "api_base": "https://a.example.com"})]
    {
        let refused = new(&gateway, &boss, &params, &json!({}));
        assert_eq!(refused.status, 400, "{params}: {}", refused.text());
    }
    let own = json!({"model": "azure/m", "mock_response": "made up", "api_key": "mine", "api_base": "https://a.invalid"});
    assert_eq!(new(&gateway, &boss, &own, &json!({})).status, 200);
    // Nor does a team try with it.
    let tried = json!({"litellm_params": {"model": "azure/m", "api_base": "https://a.invalid"}, "model_info": {"team_id": "t"}});
    let refused = gateway.as_key(&boss, "POST", "/health/test_connection", &tried);
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(upstream.keys().is_empty());
}

#[test]
fn a_teams_model_serves_pass_through_routes_for_its_keys_alone() {
    let upstream = Upstream::start();
    each(|gateway| {
        let params = json!({
            "model": "openai/m", "api_base": format!("{}/good", upstream.url()), "api_key": CANARY, "use_in_pass_through": true,
        });
        gateway.post("/team/new", &json!({"team_id": "t"}));
        assert_eq!(new(gateway, MASTER, &params, &json!({})).status, 200);
        let (ours, theirs) = (gateway.key(&json!({"team_id": "t"})), gateway.key(&json!({})));
        let ask = |key: &str| gateway.as_key(key, "POST", "/openai/v1/threads", &json!({"metadata": {}}));
        let before = upstream.keys().len();
        let refused = ask(&theirs);
        assert_ne!(refused.status, 200, "{}", refused.text());
        assert_eq!(upstream.keys().len(), before);
        ask(&ours);
        assert_eq!(upstream.keys()[before..], [format!("Bearer {CANARY}")]);
    });
}

#[test]
fn what_content_may_not_leave_leaves_by_no_door() {
    let upstream = Upstream::start();
    let base = format!("{}/good", upstream.url());
    let rules = "switchboard: {content_rules: [{classes: [\"*\"], labels: [local]}]}\n";
    let pass = format!("  pass_through_endpoints: [{{path: /pt, target: \"{base}\", include_subpath: true, auth: true}}]\n");
    let gateway = Managed::with_models(&pass, rules, &[("OPENAI_API_KEY", CANARY), ("OPENAI_BASE_URL", &base)]);
    let key = gateway.key(&json!({}));
    let told = |path: &str, body: Value| gateway.as_key(&key, "POST", path, &body);
    let mail = "john.doe.marker@example.com";
    let before = upstream.keys().len();
    for (path, body) in [
        ("/openai/v1/chat/completions", json!({"model": "gpt-9-unknown", "messages": [{"role": "user", "content": mail}]})),
        ("/openai/v1/threads", json!({"messages": [{"role": "user", "content": mail}]})),
        ("/v1/threads", json!({"metadata": {mail: "x"}})),
        ("/pt/x", json!({"text": mail})),
        ("/v1/chat/completions", json!({"model": "good", "metadata": {mail: "x"}, "messages": [{"role": "user", "content": "hi"}]})),
        ("/v1/chat/completions", json!({"model": "good", "messages": [{"role": "user", "content": "٤١١١ ١١١١ ١١١١ ١١١١"}]})),
        ("/v1/chat/completions", json!({"model": "good", "messages": [{"role": "user", "content": "4111_1111_1111_1111"}]})),
        (
            "/v1/chat/completions",
            json!({"model": "good", "metadata": {"card": 4_111_111_111_111_111_u64}, "messages": [{"role": "user", "content": "hi"}]}),
        ),
    ] {
        let refused = told(path, body.clone());
        assert!((400..500).contains(&refused.status.as_u16()), "{path} {body}: {} {}", refused.status, refused.text());
        assert_eq!(upstream.keys().len(), before, "{path} {body}");
    }
    // What holds nothing of the kind goes on.
    let plain = told(
        "/v1/chat/completions",
        json!({"model": "good", "seed": 1_700_000_000_123_u64, "messages": [{"role": "user", "content": "hi"}]}),
    );
    assert_eq!(plain.status, 200, "{}", plain.text());
    assert_ne!(told("/pt/x", json!({"text": "hello"})).status, 403);
    let before = upstream.keys().len();
    // The prompt of a form is part of what is sent.
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngood\r\n--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n{mail}\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nx\r\n--b--\r\n"
    );
    let asked = gateway
        .app
        .ask("POST", "/openai/v1/files")
        .key(&key)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(form.as_bytes().to_vec())
        .send();
    assert_eq!(asked.status, 403, "{}", asked.text());
    assert_eq!(upstream.keys().len(), before);
}

#[test]
fn a_key_for_calls_is_told_which_models_there_are() {
    each(|gateway| {
        let key = gateway.key(&json!({"key_type": "llm_api"}));
        for path in ["/v1/models", "/model/info", "/v1/model/info", "/model_group/info", "/api/v1/models", "/api/v1/key", "/v1beta/models"]
        {
            let told = gateway.as_key(&key, "GET", path, &Value::Null);
            assert_eq!(told.status, 200, "{path}: {}", told.text());
        }
        assert_eq!(gateway.as_key(&key, "GET", "/key/info", &Value::Null).status, 403);
    });
}

#[test]
fn the_database_is_a_file_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let gateway = Managed::with_models("", "", &[]);
    gateway.key(&json!({}));
    let files = std::fs::read_dir(gateway.place()).expect("a folder").flatten();
    let databases: Vec<_> = files.filter(|file| file.file_name().to_string_lossy().contains(".db")).collect();
    assert!(!databases.is_empty());
    for file in databases {
        assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o077, 0, "{}", file.path().display());
    }
}
