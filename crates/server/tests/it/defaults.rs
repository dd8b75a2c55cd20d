//! What requests that make something are given unasked, the most they may ask for, and what clients ask beside managing.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each, with};

const DEFAULTS: &str = "
litellm_settings:
  default_key_generate_params: {max_budget: 3, models: [good], duration: 2h}
  upperbound_key_generate_params: {max_budget: 100, duration: 30d, tpm_limit: 1000}
  default_internal_user_params: {user_role: internal_user, max_budget: 7, models: [other]}
  internal_user_budget_duration: 30d
  default_team_params: {max_budget: 11, models: [good]}
";

fn refused(gateway: &Managed, path: &str, body: &Value) -> (u16, String) {
    let reply = gateway.as_key(MASTER, "POST", path, body);
    (reply.status.as_u16(), reply.text().to_owned())
}

#[test]
fn what_a_key_is_given_and_may_be_given_at_most() {
    with(DEFAULTS, |gateway| {
        let made = gateway.post("/key/generate", &json!({}));
        assert_eq!((&made["max_budget"], &made["models"]), (&json!(3.0), &json!(["good"])));
        assert!(made["expires"].is_string(), "{made}");
        // What nobody said is what is allowed at most.
        assert_eq!(made["tpm_limit"], 1000);
        let asked = gateway.post("/key/generate", &json!({"max_budget": 50, "models": ["other"], "tpm_limit": 5}));
        assert_eq!((&asked["max_budget"], &asked["models"], &asked["tpm_limit"]), (&json!(50.0), &json!(["other"]), &json!(5)));
        let key = asked["key"].clone();
        for (path, body) in [
            ("/key/generate", json!({"max_budget": 101})),
            ("/key/generate", json!({"duration": "31d"})),
            ("/key/update", json!({"key": key, "tpm_limit": 1001})),
            ("/key/regenerate", json!({"key": key, "max_budget": 1000})),
        ] {
            let (status, text) = refused(gateway, path, &body);
            assert!(status == 400 && text.contains("over max limit set in config"), "{path} {body}: {status} {text}");
        }
        let bulk = gateway.post("/key/bulk_update", &json!({"keys": [{"key": key, "max_budget": 500}]}));
        assert_eq!(bulk["failed_updates"].as_array().expect("a list").len(), 1, "{bulk}");
        assert_eq!(gateway.post("/key/update", &json!({"key": key, "max_budget": 99}))["max_budget"], 99.0);
    });
}

#[test]
fn what_users_and_teams_are_given() {
    with(DEFAULTS, |gateway| {
        let user = gateway.post("/user/new", &json!({"user_id": "ann", "auto_create_key": false}));
        assert_eq!((&user["user_role"], &user["max_budget"], &user["models"]), (&json!("internal_user"), &json!(7.0), &json!(["other"])));
        assert_eq!(gateway.get("/user/info?user_id=ann")["user_info"]["budget_duration"], "30d");
        let asked = gateway.post("/user/new", &json!({"user_id": "bob", "max_budget": 8, "auto_create_key": false}));
        assert_eq!(asked["max_budget"], 8.0);
        let chief = gateway.post("/user/new", &json!({"user_id": "eve", "user_role": "proxy_admin", "auto_create_key": false}));
        assert_eq!(chief["max_budget"], Value::Null);
        let team = gateway.post("/team/new", &json!({"team_id": "crew"}));
        assert_eq!((&team["max_budget"], &team["models"]), (&json!(11.0), &json!([])));
    });
}

#[test]
fn what_they_are_given_is_set_over_the_api() {
    each(|gateway| {
        let patch = |path: &str, body: Value| {
            let reply = gateway.as_key(MASTER, "PATCH", path, &body);
            (reply.status.as_u16(), reply.json())
        };
        assert_eq!(gateway.get("/get/internal_user_settings")["values"]["user_role"], "internal_user_viewer");
        let (status, told) = patch("/update/internal_user_settings", json!({"user_role": "internal_user", "max_budget": 7}));
        assert_eq!((status, &told["settings"]), (200, &json!({"user_role": "internal_user", "max_budget": 7})));
        let user = gateway.post("/user/new", &json!({"user_id": "ann"}));
        assert_eq!((&user["user_role"], &user["max_budget"]), (&json!("internal_user"), &json!(7.0)));
        let shown = gateway.get("/get/internal_user_settings");
        assert_eq!(
            (&shown["values"]["max_budget"], &shown["field_schema"]["properties"]["max_budget"]["type"]),
            (&json!(7), &json!("number"))
        );
        for bad in [json!({"teams": ["none"]}), json!({"teams": ["a", "a"]}), json!({"budget_duration": "soon"})] {
            assert_eq!(patch("/update/internal_user_settings", bad.clone()).0, 400, "{bad}");
        }
        assert_eq!(patch("/update/default_team_settings", json!({"organization_id": "none"})).0, 400);
        assert_eq!(patch("/update/default_team_settings", json!({"max_budget": 5, "budget_duration": "7d"})).0, 200);
        let team = gateway.post("/team/new", &json!({"team_id": "a"}));
        assert_eq!((&team["max_budget"], &team["budget_duration"]), (&json!(5.0), &json!("7d")));
        let lasting = gateway.post("/team/new", &json!({"team_id": "b", "budget_duration": null}));
        assert_eq!((&lasting["max_budget"], &lasting["budget_duration"]), (&json!(5.0), &Value::Null));
        let discount = patch("/config/cost_discount_config", json!({"openai": 0.25}));
        assert_eq!((discount.0, &discount.1["values"]), (200, &json!({"openai": 0.25})));
        assert_eq!(gateway.get("/config/cost_discount_config"), json!({"values": {"openai": 0.25}}));
        let unpriced = "/config/block_requests_for_models_without_pricing";
        assert_eq!(gateway.get(unpriced), json!({"enabled": false}));
        assert_eq!(patch(unpriced, json!({"enabled": true})), (200, json!({"enabled": true})));
        assert_eq!(gateway.get(unpriced), json!({"enabled": true}));
        assert_eq!(patch(unpriced, json!({"enabled": false})).0, 200);
        let margin = json!({"global": 0.5, "anthropic": {"fixed_amount": 0.001}});
        assert_eq!(patch("/config/cost_margin_config", margin.clone()).0, 200);
        assert_eq!(gateway.get("/config/cost_margin_config"), json!({"values": margin}));
        for (path, bad) in [
            ("/config/cost_discount_config", json!({"openai": 1.5})),
            ("/config/cost_discount_config", json!({"nobody-we-know": 0.1})),
            ("/config/cost_discount_config", json!({"openai": "much"})),
            ("/config/cost_margin_config", json!({"openai": {}})),
            ("/config/cost_margin_config", json!({"openai": -1})),
        ] {
            assert_eq!(patch(path, bad.clone()).0, 400, "{path} {bad}");
        }
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&key, "PATCH", "/config/cost_margin_config", &json!({"global": 0})).status, 401);
    });
    with("general_settings: {disable_auto_add_proxy_admin_to_teams: true}\n", |gateway| {
        assert_eq!(gateway.post("/team/new", &json!({"team_id": "a"}))["members_with_roles"], json!([]));
    });
    let older = "litellm_settings: {default_team_settings: [{team_id: x, max_budget: 3}], default_internal_user_params: {max_budget: 1}}\n";
    with(older, |gateway| {
        assert_eq!(gateway.post("/team/new", &json!({"team_id": "a"}))["max_budget"], 3.0);
        let refused = gateway.as_key(MASTER, "PATCH", "/update/internal_user_settings", &json!({"max_budget": 9}));
        assert_eq!(refused.status, 400, "what the file says is for the file to change");
    });
}

#[test]
fn a_line_is_found_by_the_answers_id() {
    each(|gateway| {
        let key = gateway.key(&json!({"key_alias": "named"}));
        let answer = gateway.chat(&key, "good").json();
        let id = answer["id"].as_str().expect("an id");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let lines = loop {
            let lines = gateway.get(&format!("/spend/logs?request_id={id}"));
            if lines.as_array().is_some_and(|lines| !lines.is_empty()) {
                break lines;
            }
            assert!(std::time::Instant::now() < deadline, "no line of {id}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        assert_eq!((&lines[0]["request_id"], &lines[0]["model_group"]), (&json!(id), &json!("good")));
        let metadata = &lines[0]["metadata"];
        assert_eq!(
            (&metadata["user_api_key_alias"], &metadata["usage_object"]["total_tokens"]),
            (&json!("named"), &lines[0]["total_tokens"])
        );
        assert!(metadata.get("cold_storage_object_key").is_some_and(Value::is_null), "{metadata}");
        assert_eq!(metadata["model_map_information"]["model_map_key"], lines[0]["model"]);
    });
}

#[test]
fn a_member_does_what_its_team_lets_members_do() {
    each(|gateway| {
        gateway.post("/user/new", &json!({"user_id": "ann", "auto_create_key": false}));
        gateway.post("/team/new", &json!({"team_id": "crew", "members_with_roles": [{"role": "user", "user_id": "ann"}]}));
        let key = gateway.key(&json!({"user_id": "ann", "team_id": "crew"}));
        let of_ann = gateway.key(&json!({"user_id": "ann"}));
        let ask = |key: &str| gateway.as_key(key, "POST", "/key/generate", &json!({"team_id": "crew"}));
        let denied = ask(&of_ann);
        assert_eq!(
            (denied.status.as_u16(), &denied.json()["error"]["type"]),
            (401, &json!("team_member_permission_error")),
            "{}",
            denied.text()
        );
        gateway.post("/team/permissions_update", &json!({"team_id": "crew", "team_member_permissions": ["/key/generate", "/key/info"]}));
        assert_eq!(ask(&of_ann).status, 200);
        assert_eq!(gateway.chat(&key, "good").status, 200);
    });
}

#[test]
fn what_clients_ask_beside_managing() {
    each(|gateway| {
        let key = gateway.key(&json!({"models": ["good"]}));
        let get = |key: &str, path: &str| gateway.as_key(key, "GET", path, &Value::Null);
        assert!(get(&key, "/utils/supported_openai_params?model=good").json()["supported_openai_params"].is_array());
        assert_eq!(get(&key, "/utils/supported_openai_params?model=other").status, 400);
        assert_eq!(get(&key, "/utils/supported_openai_params").status, 422);
        let hello = json!({"model": "good", "messages": [{"role": "user", "content": "hello there"}]});
        let counted = gateway.as_key(&key, "POST", "/utils/token_counter", &hello).json();
        assert!(counted["total_tokens"].as_u64().expect("a number") > 1, "{counted}");
        let schema = json!({"type": "object", "properties": {"place": {"type": "string"}}});
        let tools = json!([{"name": "weather", "description": "tells the weather", "input_schema": schema}]);
        let more =
            json!({"model": "good", "system": [{"type": "text", "text": "Be brief."}], "tools": tools, "messages": hello["messages"]});
        let with_tools = gateway.as_key(&key, "POST", "/utils/token_counter", &more).json();
        assert!(with_tools["total_tokens"].as_u64() > counted["total_tokens"].as_u64(), "{with_tools}");
        assert_eq!(refused(gateway, "/utils/token_counter", &json!({"model": "good"})).0, 400);
        let estimate = json!({"model": "gpt-4o-mini", "input_tokens": 1000, "output_tokens": 500, "num_requests_per_day": 10});
        let cost = gateway.post("/cost/estimate", &estimate);
        assert!(cost["input_cost_per_request"].as_f64().expect("a number") > 0.0, "{cost}");
        assert!(cost["daily_cost"].as_f64() > cost["cost_per_request"].as_f64());
        assert_eq!(refused(gateway, "/cost/estimate", &json!({"model": "nobody", "input_tokens": 1, "output_tokens": 1})).0, 404);
        assert!(gateway.get("/get/litellm_model_cost_map")["gpt-4o-mini"]["litellm_provider"].is_string());
        assert!(gateway.get("/callbacks/list")["success"].is_array());
        assert!(gateway.get("/health/backlog")["in_flight_requests"].is_u64());
        assert_eq!(get(MASTER, "/cache/ping").status, 503);
        assert_eq!(get(&key, "/cache/ping").status, 403);
        let health = |key: &str| gateway.as_key(key, "POST", "/key/health", &json!({})).json();
        assert_eq!(health(&key), json!({"key": "healthy", "logging_callbacks": null}));
        let logged = gateway
            .key(&json!({"metadata": {"logging": [{"callback_name": "langfuse", "callback_type": "success", "callback_vars": {}}]}}));
        assert_eq!(
            (&health(&logged)["key"], &health(&logged)["logging_callbacks"]["callbacks"]),
            (&json!("unhealthy"), &json!(["langfuse"]))
        );
        gateway.post("/user/new", &json!({"user_id": "ann", "user_email": "Ann@example.com", "auto_create_key": false}));
        for team in ["crew", "crowd", "other"] {
            gateway.post("/team/new", &json!({"team_id": team, "team_alias": format!("the {team}")}));
        }
        let teams = |query: &str| -> Vec<String> {
            let rows = gateway.get(&format!("/team/filter/ui?{query}"));
            rows.as_array().into_iter().flatten().filter_map(|row| row["team_id"].as_str().map(str::to_owned)).collect()
        };
        assert_eq!(
            (teams("team_id=CR"), teams("team_alias=the&page_size=2&page=2")),
            (vec!["crowd".to_owned(), "crew".to_owned()], vec!["crew".to_owned()])
        );
        let found = |part: &str| gateway.get(&format!("/user/filter/ui?user_email={part}")).as_array().expect("a list").len();
        assert_eq!((found("ann@"), found("nobody@")), (1, 0));
    });
}
