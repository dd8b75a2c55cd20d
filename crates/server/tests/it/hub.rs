//! What everyone may see, and looking into the gateway.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each, with};
use crate::upstream::Upstream;

fn anyone(gateway: &Managed, path: &str) -> Value {
    let reply = gateway.app.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

fn names(rows: &Value) -> Vec<String> {
    rows.as_array().expect("a list").iter().map(|row| row["model_group"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn everyone_sees_the_models_that_an_administrator_shows_and_no_other() {
    each(|gateway| {
        assert_eq!(anyone(gateway, "/public/model_hub"), json!([]));
        let shown = gateway.post("/model_group/make_public", &json!({"model_groups": ["good", "none-such"]}));
        assert_eq!(shown["public_model_groups"], json!(["good", "none-such"]));
        let rows = anyone(gateway, "/public/model_hub");
        assert_eq!((names(&rows), &rows[0]["is_public_model_group"]), (vec!["good".to_owned()], &json!(true)));
        let told = gateway.get("/model_group/info");
        let public = |name: &str| {
            told["data"].as_array().expect("a list").iter().find(|row| row["model_group"] == name).expect("listed")["is_public_model_group"]
                .clone()
        };
        assert_eq!((public("good"), public("other")), (json!(true), json!(false)));
        gateway.post("/model_hub/update_useful_links", &json!({"useful_links": {"Docs": "https://docs.example"}}));
        assert_eq!(anyone(gateway, "/public/model_hub/info")["useful_links"]["Docs"], "https://docs.example");
        let key = gateway.key(&json!({}));
        let refused = gateway.as_key(&key, "POST", "/model_group/make_public", &json!({"model_groups": []}));
        assert!(matches!(refused.status.as_u16(), 401 | 403), "{}", refused.text());
        let providers = anyone(gateway, "/public/providers");
        assert!(providers.as_array().expect("a list").contains(&json!("openai")));
        assert_eq!(anyone(gateway, "/public/providers/fields")[0]["credential_fields"][1]["key"], "api_key");
    });
}

#[test]
fn lists_for_everyone_are_filtered_sorted_and_cut_into_pages() {
    each(|gateway| {
        gateway.post("/model_group/make_public", &json!({"model_groups": ["good", "other"]}));
        for (path, name) in [("/one", "First"), ("/two", "Second")] {
            let route =
                json!({"path": path, "target": "http://127.0.0.1:1", "show_in_model_hub": true, "display_name": name, "methods": ["GET"]});
            gateway.post("/config/pass_through_endpoint", &route);
        }
        gateway
            .post("/config/pass_through_endpoint", &json!({"path": "/hidden", "target": "http://127.0.0.1:1", "display_name": "Hidden"}));
        let all = anyone(gateway, "/public/v1/model_hub?sort=-model_group");
        assert_eq!(names(&all["data"]), ["other", "good", "Second", "First"]);
        let page = anyone(gateway, "/public/v1/model_hub?filter[mode]=passthrough&page_size=1");
        assert_eq!(page["meta"], json!({"total_count": 2, "page": 1, "page_size": 1, "total_pages": 2}));
        let row = &page["data"][0];
        assert_eq!(
            (&row["pass_through_path"], &row["pass_through_methods"], &row["providers"]),
            (&json!("/one"), &json!(["GET"]), &json!([]))
        );
        let next = page["links"]["next"].as_str().expect("a link").to_owned();
        let last = anyone(gateway, &next);
        assert_eq!((names(&last["data"]), &last["links"]["next"]), (vec!["Second".to_owned()], &Value::Null));
        assert_eq!(names(&anyone(gateway, "/public/v1/model_hub?filter[mode][in]=chat,embedding")["data"]), ["good", "other"]);
        assert_eq!(anyone(gateway, "/public/v1/model_hub/modes")["data"], json!(["chat", "passthrough"]));
        assert_eq!(gateway.app.get("/public/v1/model_hub?sort=none").status, 400);
        assert_eq!(gateway.app.get("/public/v1/model_hub?filter[price]=1").status, 400);
    });
}

#[test]
fn a_connection_is_tried_before_it_is_kept() {
    let upstream = Upstream::start();
    each(|gateway| {
        let url = |order: &str| format!("{}/{order}/v1", upstream.url());
        let test = |params: Value| gateway.post("/health/test_connection", &json!({"litellm_params": params, "mode": "chat"}));
        let good = test(json!({"model": "openai/m", "api_base": url("good"), "api_key": "sk-tried-0123456789"}));
        assert_eq!((&good["status"], good["result"].get("api_key")), (&json!("success"), None));
        assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer sk-tried-0123456789"));
        let bad = test(json!({"model": "openai/m", "api_base": url("bad"), "api_key": "k"}));
        assert_eq!(bad["status"], "error");
        assert!(bad["result"]["error"].as_str().is_some_and(|error| !error.is_empty()), "{bad}");
        let known = json!({"model": "openai/known", "api_base": url("good"), "api_key": "sk-known-0123456789"});
        gateway.post("/model/new", &json!({"model_name": "known", "litellm_params": known}));
        assert_eq!(test(json!({"model": "known"}))["status"], "success", "one that is configured is tried as it is");
        assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer sk-known-0123456789"));
        assert_eq!(test(json!({"model": "nobody/m"}))["status"], "error");
        let refers = json!({"litellm_params": {"model": "openai/m", "api_key": "os.environ/HOME"}});
        assert_eq!(gateway.as_key(MASTER, "POST", "/health/test_connection", &refers).status, 400);
        let key = gateway.key(&json!({}));
        let stranger = json!({"litellm_params": {"model": "openai/m", "api_base": url("good"), "api_key": "k"}});
        assert_eq!(gateway.as_key(&key, "POST", "/health/test_connection", &stranger).status, 403);
    });
}

#[test]
fn a_kept_key_does_not_go_where_a_trial_is_sent() {
    let upstream = Upstream::start();
    each(|gateway| {
        let params = json!({"model": "openai/m", "api_base": format!("{}/good", upstream.url()), "api_key": "sk-kept-0123456789"});
        gateway.post("/model/new", &json!({"model_name": "kept", "litellm_params": params, "model_info": {"id": "kept-1"}}));
        let trial = |more: Value| {
            let mut params = json!({"model": "kept"});
            params.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            gateway.post("/health/test_connection", &json!({"litellm_params": params, "model_info": {"id": "kept-1"}, "mode": "chat"}))
        };
        assert_eq!(trial(json!({}))["status"], "success");
        assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer sk-kept-0123456789"));
        let elsewhere = Upstream::start();
        trial(json!({"api_base": format!("{}/good", elsewhere.url())}));
        assert!(!elsewhere.keys().iter().any(|key| key.contains("sk-kept")), "{:?}", elsewhere.keys());
    });
}

#[test]
fn what_providers_may_be_paid_is_told() {
    with("router_settings: {provider_budget_config: {openai: {budget_limit: 5, time_period: 1d}}}\n", |gateway| {
        let row = gateway.get("/provider/budgets")["providers"]["openai"].clone();
        assert_eq!((&row["budget_limit"], &row["time_period"], &row["spend"]), (&json!(5.0), &json!("1d"), &json!(0.0)));
        assert!(row["budget_reset_at"].is_string(), "{row}");
    });
    each(|gateway| assert_eq!(gateway.as_key(MASTER, "GET", "/provider/budgets", &Value::Null).status, 400));
}

#[test]
fn a_record_is_held_against_regulations() {
    each(|gateway| {
        let ran = |mode: Value, status: &str| json!([{"guardrail_mode": mode, "guardrail_status": status}]);
        let record = |guardrails: Value| json!({"request_id": "r", "user_id": "u", "model": "m", "timestamp": "t", "guardrail_information": guardrails});
        let told = |path: &str, guardrails: Value| {
            let told = gateway.post(path, &record(guardrails));
            let passed: Vec<bool> = told["checks"].as_array().expect("checks").iter().map(|check| check["passed"] == true).collect();
            (told["compliant"] == true, passed)
        };
        assert_eq!(told("/compliance/gdpr", Value::Null), (false, vec![false, false, false]));
        assert_eq!(told("/compliance/gdpr", ran(json!("pre_call"), "success")), (true, vec![true, true, true]));
        assert_eq!(told("/compliance/gdpr", ran(json!(["pre_call", "post_call"]), "success")), (false, vec![false, false, true]));
        assert_eq!(told("/compliance/eu-ai-act", ran(json!("post_call"), "success")), (false, vec![true, false, true]));
        assert_eq!(told("/compliance/eu-ai-act", ran(json!("pre_call"), "not_run")), (false, vec![false, false, false]));
    });
}
