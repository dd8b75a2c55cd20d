//! Guardrails and workspaces, as OpenRouter's clients manage them, and what they do to calls.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, with};

const MODELS: &str = "
  - {model_name: lab/paid, litellm_params: {model: demo/echo, input_cost_per_token: 0.01, output_cost_per_token: 0.01}}
  - {model_name: lab/other, litellm_params: {model: demo/echo}}
";

fn send(gateway: &Managed, method: &str, path: &str, body: &Value, status: u16) -> Value {
    let reply = gateway.as_key(MASTER, method, &format!("/api/v1{path}"), body);
    assert_eq!(reply.status, status, "{method} {path} {body}: {}", reply.text());
    reply.json()
}

fn ask(gateway: &Managed, key: &str, model: &str, text: &str) -> (u16, Value) {
    let body = json!({"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": text}]});
    let reply = gateway.as_key(key, "POST", "/api/v1/chat/completions", &body);
    (reply.status.as_u16(), reply.json())
}

fn hash_of(key: &str) -> String {
    hex::encode(switchboard_server::auth::digest(key.as_bytes()))
}

#[test]
fn a_guardrail_holds_for_the_keys_and_members_it_is_assigned_to() {
    with(MODELS, |gateway| {
        let (key, free) = (gateway.key(&json!({})), gateway.key(&json!({})));
        let hash = hash_of(&key);
        let made = send(
            gateway,
            "POST",
            "/guardrails",
            &json!({"name": "Lab", "allowed_models": ["lab/*"], "ignored_models": ["lab/other"]}),
            201,
        );
        let id = made["data"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(ask(gateway, &key, "good", "hello").0, 200, "it holds for nobody yet");
        let path = format!("/guardrails/{id}/assignments/keys");
        assert_eq!(send(gateway, "POST", &path, &json!({"key_hashes": [hash]}), 200), json!({"assigned_count": 1}));
        assert_eq!(ask(gateway, &key, "good", "hello").0, 404);
        assert_eq!(ask(gateway, &key, "lab/other", "hello").0, 404);
        assert_eq!(ask(gateway, &key, "lab/paid", "hello").0, 200);
        assert_eq!(ask(gateway, &free, "good", "hello").0, 200);
        let listed = send(gateway, "GET", "/guardrails/assignments/keys", &Value::Null, 200);
        assert_eq!((&listed["total_count"], &listed["data"][0]["key_hash"]), (&json!(1), &json!(hash)));
        let second = send(gateway, "POST", "/guardrails", &json!({"name": "Other", "ignored_providers": ["demo"]}), 201);
        let other = second["data"]["id"].as_str().expect("an id").to_owned();
        send(gateway, "POST", &format!("/guardrails/{other}/assignments/keys"), &json!({"key_hashes": [hash]}), 200);
        assert_eq!(send(gateway, "GET", &path, &Value::Null, 200)["total_count"], 0, "a key holds one guardrail");
        assert_eq!(ask(gateway, &key, "good", "hello").0, 404);
        assert_eq!(send(gateway, "DELETE", &format!("/guardrails/{other}"), &Value::Null, 200), json!({"deleted": true}));
        assert_eq!(ask(gateway, &key, "good", "hello").0, 200);
        gateway.post("/user/new", &json!({"user_id": "ann", "auto_create_key": false}));
        let anns = gateway.key(&json!({"user_id": "ann"}));
        send(gateway, "POST", &format!("/guardrails/{id}/assignments/members"), &json!({"member_user_ids": ["ann"]}), 200);
        assert_eq!(ask(gateway, &anns, "good", "hello").0, 404);
        let removed =
            send(gateway, "POST", &format!("/guardrails/{id}/assignments/members/remove"), &json!({"member_user_ids": ["ann"]}), 200);
        assert_eq!(removed, json!({"unassigned_count": 1}));
        assert_eq!(ask(gateway, &anns, "good", "hello").0, 200);
    });
}

#[test]
fn a_guardrails_budget_is_each_keys_own_and_the_refusal_says_so() {
    with(MODELS, |gateway| {
        let keys = [gateway.key(&json!({})), gateway.key(&json!({}))];
        let hashes: Vec<String> = keys.iter().map(|key| hash_of(key)).collect();
        let body = json!({"name": "Little", "limit_usd": 3, "reset_interval": "monthly"});
        let id = send(gateway, "POST", "/guardrails", &body, 201)["data"]["id"].as_str().expect("an id").to_owned();
        send(gateway, "POST", &format!("/guardrails/{id}/assignments/keys"), &json!({"key_hashes": hashes}), 200);
        let mut last = (200, Value::Null);
        for _ in 0..60 {
            last = ask(gateway, &keys[0], "lab/paid", "one two three four five");
            if last.0 != 200 {
                break;
            }
        }
        assert_eq!((last.0, &last.1["error"]["metadata"]["limit_source"]), (403, &json!("openrouter_guardrail_budget")), "{}", last.1);
        assert_eq!(ask(gateway, &keys[1], "lab/paid", "one two").0, 200);
        let changed = send(gateway, "PATCH", &format!("/guardrails/{id}"), &json!({"limit_usd": null, "reset_interval": null}), 200);
        assert_eq!(changed["data"]["limit_usd"], Value::Null);
        assert_eq!(ask(gateway, &keys[0], "lab/paid", "one two").0, 200);
    });
}

#[test]
fn filters_refuse_and_hide_what_requests_hold() {
    with(MODELS, |gateway| {
        let key = gateway.key(&json!({}));
        let filters = json!([{"pattern": "project-[a-z]+", "action": "redact", "label": "[PROJECT]"}]);
        let builtins = json!([{"slug": "email", "action": "block"}]);
        let body = json!({"name": "Quiet", "content_filters": filters, "content_filter_builtins": builtins});
        let id = send(gateway, "POST", "/guardrails", &body, 201)["data"]["id"].as_str().expect("an id").to_owned();
        send(gateway, "POST", &format!("/guardrails/{id}/assignments/keys"), &json!({"key_hashes": [hash_of(&key)]}), 200);
        let (status, answer) = ask(gateway, &key, "good", "about project-thunder");
        assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("You said: about [PROJECT]")));
        let (status, refused) = ask(gateway, &key, "good", "write to ann@example.com");
        assert_eq!((status, &refused["error"]["code"]), (403, &json!(403)), "{refused}");
        for bad in [
            json!({"name": "x", "content_filters": [{"pattern": "(", "action": "block"}]}),
            json!({"name": "x", "content_filters": [{"pattern": "(?=a)", "action": "block"}]}),
            json!({"name": "x", "content_filter_builtins": [{"slug": "person-name", "action": "block"}]}),
            json!({"name": "x", "allowed_models": []}),
            json!({"name": "x", "limit_usd": -1}),
            json!({}),
        ] {
            assert_eq!(send(gateway, "POST", "/guardrails", &bad, 400)["error"]["code"], 400);
        }
    });
}

#[test]
fn a_workspace_has_members_budgets_and_a_guardrail_of_its_own() {
    with(MODELS, |gateway| {
        let made = send(gateway, "POST", "/workspaces", &json!({"name": "Production", "slug": "production"}), 201)["data"].clone();
        let id = made["id"].as_str().expect("an id").to_owned();
        assert_eq!(send(gateway, "GET", "/workspaces/production", &Value::Null, 200)["data"]["id"], made["id"]);
        assert_eq!(gateway.get(&format!("/team/info?team_id={id}"))["team_info"]["team_alias"], "Production");
        send(gateway, "POST", "/workspaces", &json!({"name": "Again", "slug": "production"}), 400);
        let key = send(gateway, "POST", "/keys", &json!({"name": "k", "workspace_id": id}), 201);
        assert_eq!(key["data"]["workspace_id"], made["id"]);
        let (secret, hash) = (key["key"].as_str().expect("a key"), key["data"]["hash"].as_str().expect("a hash"));
        // The guardrail of the workspace comes into being when something is said of it.
        let guardrail = format!("/guardrails/{}", made["default_guardrail_id"].as_str().expect("an id"));
        send(gateway, "GET", &guardrail, &Value::Null, 404);
        send(gateway, "PATCH", &guardrail, &json!({"name": "Mine"}), 400);
        assert_eq!(send(gateway, "PATCH", &guardrail, &json!({"allowed_models": ["lab/paid"]}), 200)["data"]["workspace_id"], made["id"]);
        assert_eq!((ask(gateway, secret, "good", "hello").0, ask(gateway, secret, "lab/paid", "hello").0), (404, 200));
        // Budgets grow with their intervals, and the workspace's keys keep to them.
        let budgets = format!("/workspaces/{id}/budgets");
        send(gateway, "PUT", &format!("{budgets}/monthly"), &json!({"limit_usd": 10}), 200);
        send(gateway, "PUT", &format!("{budgets}/daily"), &json!({"limit_usd": 10}), 400);
        send(gateway, "PUT", &format!("{budgets}/hourly"), &json!({"limit_usd": 1}), 400);
        send(gateway, "PUT", &format!("{budgets}/weekly"), &json!({"limit_usd": 0}), 400);
        send(gateway, "PUT", &format!("{budgets}/daily"), &json!({"limit_usd": 0.01, "include_byok_in_budgets": true}), 200);
        let listed = send(gateway, "GET", &budgets, &Value::Null, 200);
        assert_eq!((listed["data"].as_array().map(Vec::len), &listed["include_byok_in_budgets"]), (Some(2), &json!(true)));
        let (status, refused) = ask(gateway, secret, "lab/paid", "hello");
        assert_eq!((status, &refused["error"]["metadata"]["limit_source"]), (403, &json!("openrouter_workspace_budget")), "{refused}");
        send(gateway, "DELETE", &format!("{budgets}/daily"), &Value::Null, 200);
        send(gateway, "DELETE", &format!("{budgets}/daily"), &Value::Null, 404);
        assert_eq!(ask(gateway, secret, "lab/paid", "hello").0, 200);
        // Members.
        gateway.post("/user/new", &json!({"user_id": "ann", "user_email": "ann@example.com", "auto_create_key": false}));
        let added = send(gateway, "POST", &format!("/workspaces/{id}/members/add"), &json!({"user_ids": ["ann"]}), 200);
        assert_eq!((&added["added_count"], &added["data"][0]["role"]), (&json!(1), &json!("member")));
        send(gateway, "POST", &format!("/workspaces/{id}/members/add"), &json!({"user_ids": ["nobody"]}), 400);
        let everybody = send(gateway, "GET", "/organization/members", &Value::Null, 200);
        assert!(everybody["data"].as_array().is_some_and(|all| all.iter().any(|one| one["email"] == "ann@example.com")), "{everybody}");
        let removed = send(gateway, "POST", &format!("/workspaces/{id}/members/remove"), &json!({"user_ids": ["ann"]}), 200);
        assert_eq!(removed, json!({"removed_count": 1}));
        // It stays for as long as it has keys.
        send(gateway, "DELETE", &format!("/workspaces/{id}"), &Value::Null, 400);
        send(gateway, "DELETE", &format!("/keys/{hash}"), &Value::Null, 200);
        send(gateway, "DELETE", &format!("/workspaces/{id}"), &Value::Null, 200);
        send(gateway, "GET", &format!("/workspaces/{id}"), &Value::Null, 404);
        send(gateway, "GET", &guardrail, &Value::Null, 404);
        send(gateway, "DELETE", "/workspaces/default", &Value::Null, 403);
    });
}

#[test]
fn those_who_do_not_manage_see_none_of_it() {
    with("", |gateway| {
        gateway.post("/user/new", &json!({"user_id": "ann", "auto_create_key": false}));
        let key = gateway.key(&json!({"user_id": "ann"}));
        for (method, path) in [
            ("GET", "/guardrails"),
            ("POST", "/guardrails"),
            ("GET", "/byok"),
            ("POST", "/byok"),
            ("GET", "/workspaces"),
            ("DELETE", "/workspaces/x"),
            ("GET", "/organization/members"),
            ("GET", "/guardrails/assignments/keys"),
        ] {
            let body = if method == "POST" { json!({"name": "x"}) } else { Value::Null };
            let refused = gateway.as_key(&key, method, &format!("/api/v1{path}"), &body);
            let told = refused.json();
            assert_eq!((refused.status.as_u16(), &told["error"]["code"]), (403, &json!(403)), "{method} {path}: {told}");
            assert_eq!(told["error"]["message"], "Only management keys can perform this operation");
        }
    });
}
