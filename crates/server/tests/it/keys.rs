//! Keys: made, used, changed, deleted, as LiteLLM's clients do it.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::managed::{MASTER, each};

fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_key_is_made_used_seen_and_deleted() {
    each(|gateway| {
        let made = gateway.post("/key/generate", &json!({"key_alias": "k1", "models": ["good"], "max_budget": 10, "metadata": {"a": 1}}));
        let key = made["key"].as_str().expect("a key");
        assert!(key.starts_with("sk-"));
        assert_eq!(made["token"], sha256(key).as_str());
        assert_eq!(made["token_id"], made["token"]);
        assert_eq!(made["key_name"], format!("sk-...{}", &key[key.len() - 4..]));
        assert_eq!((&made["max_budget"], &made["spend"], &made["created_by"]), (&json!(10.0), &json!(0.0), &json!("default_user_id")));
        assert_eq!(gateway.chat(key, "good").status, 200);
        let info = gateway.get(&format!("/key/info?key={key}"));
        assert_eq!(info["key"], key);
        assert_eq!((&info["info"]["key_alias"], &info["info"]["status"]), (&json!("k1"), &json!("active")));
        assert_eq!(info["info"]["token"], Value::Null);
        assert_eq!(info["info"]["verifier"], Value::Null);
        let deleted = gateway.post("/key/delete", &json!({"keys": [key]}));
        assert_eq!(deleted, json!({"deleted_keys": [key]}));
        let refused = gateway.chat(key, "good");
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]["type"]), (401, &json!("token_not_found_in_db")));
        let again = gateway.as_key(MASTER, "POST", "/key/delete", &json!({"keys": [key]}));
        assert_eq!(again.status, 404);
        assert_eq!(again.json()["error"]["message"], "{'error': 'No keys found'}");
    });
}

#[test]
fn a_key_sees_itself_and_no_other() {
    each(|gateway| {
        let (key, other) = (gateway.key(&json!({})), gateway.key(&json!({})));
        let ask = |path: &str| gateway.as_key(&key, "GET", path, &Value::Null);
        let own = ask("/key/info");
        assert_eq!((own.status.as_u16(), &own.json()["key"]), (200, &json!(sha256(&key))));
        assert_eq!(ask(&format!("/key/info?key={key}")).json()["key"], key);
        assert_eq!(ask(&format!("/key/info?key={other}")).status, 403);
        assert_eq!(ask("/key/info?key=sk-0000-0000-0000-0000").status, 404, "who knows a whole key learns as much by using it");
        let hash = sha256("sk-0000-0000-0000-0000");
        assert_eq!(ask(&format!("/key/info?key={hash}")).status, 403, "whether there is one is nobody else's business");
        for (path, body) in
            [("/key/generate", json!({})), ("/key/delete", json!({"keys": [other]})), ("/key/update", json!({"key": other}))]
        {
            let refused = gateway.as_key(&key, "POST", path, &body);
            assert_eq!(refused.status, 401, "{path}");
            assert!(refused.json()["error"]["message"].as_str().expect("text").contains("Only proxy admin"), "{path}");
        }
    });
}

#[test]
fn changes_hold_from_the_next_request_on() {
    each(|gateway| {
        let key = gateway.key(&json!({"models": ["good"]}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        let denied = gateway.chat(&key, "other");
        assert_eq!((denied.status.as_u16(), &denied.json()["error"]["type"]), (403, &json!("key_model_access_denied")));
        let updated = gateway.post("/key/update", &json!({"key": key, "models": ["other"], "rpm_limit": 7}));
        assert_eq!((&updated["key"], &updated["models"], &updated["rpm_limit"]), (&json!(key), &json!(["other"]), &json!(7)));
        assert_eq!(gateway.chat(&key, "other").status, 200);
        assert_eq!(gateway.chat(&key, "good").status, 403);
        assert_eq!(gateway.post("/key/update", &json!({"key": key, "rpm_limit": null}))["rpm_limit"], Value::Null);
        assert_eq!(gateway.post("/key/block", &json!({"key": key}))["blocked"], true);
        let blocked = gateway.chat(&key, "other");
        assert_eq!((blocked.status.as_u16(), &blocked.json()["error"]["type"]), (401, &json!("auth_error")));
        assert_eq!(gateway.post("/key/unblock", &json!({"key": sha256(&key)}))["blocked"], false);
        assert_eq!(gateway.chat(&key, "other").status, 200);
        gateway.post("/key/update", &json!({"key": key, "duration": "0s"}));
        let expired = gateway.chat(&key, "other");
        assert_eq!((expired.status.as_u16(), &expired.json()["error"]["type"]), (401, &json!("expired_key")));
        gateway.post("/key/update", &json!({"key": key, "duration": "-1"}));
        assert_eq!(gateway.chat(&key, "other").status, 200);
    });
}

#[test]
fn a_regenerated_key_opens_for_its_grace_alone() {
    each(|gateway| {
        let old = gateway.key(&json!({"key_alias": "turns"}));
        let new = gateway.post("/key/regenerate", &json!({"key": old, "grace_period": "60s"}))["key"].as_str().expect("a key").to_owned();
        assert_eq!((gateway.chat(&old, "good").status.as_u16(), gateway.chat(&new, "good").status.as_u16()), (200, 200));
        let path = format!("/key/{}/regenerate", sha256(&new));
        let newest = gateway.post(&path, &json!({"new_key": "sk-brought-by-myself"}));
        assert_eq!((&newest["key"], &newest["key_alias"]), (&json!("sk-brought-by-myself"), &json!("turns")));
        assert_eq!(gateway.chat(&new, "good").status, 401);
        assert_eq!(gateway.chat(&old, "good").status, 200);
        gateway.post("/key/delete", &json!({"key_aliases": ["turns"]}));
        assert_eq!(gateway.chat(&old, "good").status, 401);
        assert_eq!(gateway.chat("sk-brought-by-myself", "good").status, 401);
    });
}

#[test]
fn what_makes_no_key_is_refused_in_litellms_words() {
    each(|gateway| {
        let ask = |body: Value| gateway.as_key(MASTER, "POST", "/key/generate", &body);
        let message = |body: Value| ask(body).json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message(json!({"key": "no-key"})).contains("must start with 'sk-'"));
        assert!(message(json!({"max_budget": -1.0})).contains("max_budget must be a non-negative finite number. Received: -1.0"));
        gateway.key(&json!({"key_alias": "taken"}));
        let taken = ask(json!({"key_alias": "taken"}));
        assert_eq!((taken.status.as_u16(), &taken.json()["error"]["param"]), (400, &json!("key_alias")));
        let invalid = ask(json!({"models": "good", "max_budget": "much", "rpm_limit": 1.5}));
        assert_eq!(invalid.status, 422);
        let told: Vec<Value> =
            invalid.json()["detail"].as_array().expect("a list").iter().map(|one| json!([one["type"], one["loc"]])).collect();
        for expected in [
            json!(["list_type", ["body", "models"]]),
            json!(["float_parsing", ["body", "max_budget"]]),
            json!(["int_from_float", ["body", "rpm_limit"]]),
        ] {
            assert!(told.contains(&expected), "{told:?}");
        }
        assert_eq!(gateway.as_key(MASTER, "POST", "/key/delete", &json!({})).status, 422);
        assert_eq!(gateway.as_key(MASTER, "GET", "/key/list?size=1000", &Value::Null).status, 422);
    });
}

#[test]
fn an_administrator_names_teams_that_are_nowhere_else() {
    each(|gateway| {
        let made = gateway.post("/key/generate", &json!({"team_id": "outside", "models": ["good"], "max_budget": 1}));
        let key = made["key"].as_str().expect("a key");
        assert_eq!(made["team_id"], "outside");
        assert_eq!(gateway.chat(key, "good").status, 200);
        let told = gateway.get(&format!("/key/info?key={key}"));
        assert_eq!(told["info"]["team_id"], "outside");
        let changed = gateway.post("/key/update", &json!({"key": key, "max_budget": 2}));
        assert_eq!(changed["max_budget"], 2.0, "what names such a team can be changed");
        let moved = gateway.as_key(MASTER, "POST", "/key/update", &json!({"key": gateway.key(&json!({})), "team_id": "elsewhere"}));
        assert_eq!(moved.status, 400, "and nothing goes into one afterwards: {}", moved.text());
        let service = gateway.as_key(MASTER, "POST", "/key/service-account/generate", &json!({"team_id": "outside"}));
        assert_eq!(service.status, 400, "{}", service.text());

        gateway.post("/organization/new", &json!({"organization_alias": "Acme", "organization_id": "o"}));
        let boss = gateway.post("/user/new", &json!({"user_email": "boss@example.com", "user_role": "internal_user"}));
        gateway.post(
            "/organization/member_add",
            &json!({"organization_id": "o", "member": {"role": "org_admin", "user_id": boss["user_id"]}}),
        );
        let as_boss = |path: &str, body: Value| gateway.as_key(boss["key"].as_str().expect("a key"), "POST", path, &body);
        let taken = as_boss("/team/new", json!({"organization_id": "o", "team_id": "outside"}));
        assert_eq!(taken.status, 400, "whoever makes the team would have its keys: {}", taken.text());
        assert_eq!(as_boss("/key/generate", json!({"team_id": "outside"})).status, 400);
        assert_eq!(as_boss("/team/new", json!({"organization_id": "o", "team_id": "inside"})).status, 200);
    });
}

#[test]
fn keys_are_listed_page_by_page() {
    each(|gateway| {
        let keys: Vec<String> = (0..5).map(|at| gateway.key(&json!({"key_alias": format!("alias-{at}")}))).collect();
        let page = gateway.get("/key/list?size=2&page=3");
        assert_eq!((&page["total_count"], &page["total_pages"], &page["current_page"]), (&json!(5), &json!(3), &json!(3)));
        assert_eq!(page["keys"], json!([sha256(&keys[0])]));
        let whole = gateway.get("/key/list?return_full_object=true&key_alias=alias-3");
        assert_eq!((&whole["keys"][0]["key_alias"], &whole["total_count"]), (&json!("alias-3"), &json!(1)));
        assert_eq!(gateway.get("/key/aliases?search=alias-4")["aliases"], json!(["alias-4"]));
        let bulk =
            gateway.post("/key/bulk_update", &json!({"keys": [{"key": keys[0], "max_budget": 42.0}, {"key": "sk-none-none-none-none"}]}));
        assert_eq!((&bulk["total_requested"], &bulk["successful_updates"][0]["key"]), (&json!(2), &json!(keys[0])));
        assert_eq!(bulk["failed_updates"][0]["failed_reason"], "Key not found.");
        assert_eq!(gateway.get(&format!("/key/info?key={}", keys[0]))["info"]["max_budget"], 42.0);
    });
}

#[test]
fn the_type_of_a_key_says_which_routes_it_may_use() {
    each(|gateway| {
        let llm = gateway.key(&json!({"key_type": "llm_api"}));
        assert_eq!(gateway.chat(&llm, "good").status, 200);
        let refused = gateway.as_key(&llm, "GET", "/key/info", &Value::Null);
        assert_eq!(refused.status, 403);
        assert!(refused.json()["detail"].as_str().expect("text").contains("Only allowed to call routes: ['llm_api_routes']"));
        let reader = gateway.key(&json!({"key_type": "read_only"}));
        assert_eq!(gateway.chat(&reader, "good").status, 403);
        assert_eq!(gateway.as_key(&reader, "GET", "/key/info", &Value::Null).status, 200);
    });
}

#[test]
fn without_a_place_to_keep_them_there_are_no_keys() {
    let app = crate::app::TestApp::with("", &[("SWITCHBOARD_MASTER_KEY", MASTER)]);
    let reply = app.ask("POST", "/key/generate").key(MASTER).json(&json!({})).send();
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["type"]), (500, &json!("no_db_connection")));
    let reply = app.ask("GET", "/v1/models").key("sk-somebody-elses-key").send();
    assert_eq!(reply.status, 401);
}

#[test]
fn nobody_opens_by_a_list_of_routes_what_is_closed_to_them() {
    each(|gateway| {
        let made = gateway.post("/user/new", &json!({"user_email": "u@example.com", "user_role": "internal_user"}));
        let (user, own) = (made["user_id"].clone(), made["key"].as_str().expect("a key").to_owned());
        gateway.post("/team/new", &json!({"team_id": "t", "members_with_roles": [{"role": "admin", "user_id": user}], "max_budget": 5}));
        let of_team = gateway.post("/key/generate", &json!({"team_id": "t", "user_id": user}))["key"].clone();
        let plain = gateway.as_key(&own, "POST", "/key/generate", &json!({})).json()["key"].clone();
        for routes in [json!(["/metrics"]), json!(["/scim/*"]), json!(["/*"]), json!(["llm_api_routes", "/metrics*"])] {
            for (path, key) in [
                ("/key/generate", None),
                ("/key/update", Some(&plain)),
                ("/key/update", Some(&of_team)),
                ("/key/regenerate", Some(&plain)),
                ("/key/regenerate", Some(&of_team)),
            ] {
                let body = json!({"key": key, "allowed_routes": routes});
                let refused = gateway.as_key(&own, "POST", path, &body);
                assert_eq!(refused.status, 403, "{path} {body}: {}", refused.text());
            }
        }
        let richer = gateway.as_key(&own, "POST", "/key/regenerate", &json!({"key": of_team, "max_budget": 50, "models": ["dear"]}));
        assert!(richer.status == 200 || richer.status == 403, "{}", richer.text());
        let narrowed = gateway.as_key(&own, "POST", "/key/generate", &json!({"key_type": "llm_api"}));
        assert_eq!(narrowed.status, 200, "{}", narrowed.text());
        gateway.post("/key/update", &json!({"key": plain, "allowed_routes": ["/v1/chat/completions", "/metrics"]}));
        let renamed = gateway.as_key(&own, "POST", "/key/update", &json!({"key": plain, "key_alias": "mine"}));
        assert_eq!(renamed.status, 200, "what an administrator gave stays: {}", renamed.text());
    });
}

#[test]
fn a_key_made_for_provisioning_provisions_and_nothing_else() {
    each(|gateway| {
        let key = gateway.key(&json!({"models": [], "allowed_routes": ["/scim/*"]}));
        let person = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "new@example.com",
                            "emails": [{"value": "new@example.com", "primary": true}]});
        let made = gateway.as_key(&key, "POST", "/scim/v2/Users", &person);
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!(gateway.as_key(&key, "GET", "/scim/v2/Users", &Value::Null).status, 200);
        for (method, path) in [("POST", "/key/generate"), ("GET", "/user/list"), ("POST", "/user/new"), ("GET", "/metrics")] {
            assert_eq!(gateway.as_key(&key, method, path, &json!({})).status, 403, "{path}");
        }
        let other = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&other, "POST", "/scim/v2/Users", &person).status, 401);
    });
}

#[test]
fn each_of_several_budgets_says_when_it_begins_anew() {
    each(|gateway| {
        let limits = json!([{"budget_duration": "1d", "max_budget": 1}, {"budget_duration": "30d", "max_budget": 9}]);
        let key = gateway.key(&json!({"budget_limits": limits}));
        gateway.post("/team/new", &json!({"team_id": "t", "budget_limits": limits}));
        for told in [gateway.get(&format!("/key/info?key={key}"))["info"].clone(), gateway.get("/team/info?team_id=t")["team_info"].clone()]
        {
            let resets: Vec<&str> =
                told["budget_limits"].as_array().into_iter().flatten().filter_map(|one| one["reset_at"].as_str()).collect();
            assert!(resets.len() == 2 && resets[0] < resets[1], "{told}");
        }
    });
}

#[test]
fn secrets_of_callbacks_are_kept_nowhere() {
    each(|gateway| {
        let variables = json!({"langfuse_host": "https://here.example", "langfuse_secret_key": "not-to-be-kept"});
        let logging = json!({"logging": [{"callback_name": "langfuse", "callback_type": "success", "callback_vars": variables}]});
        let key = gateway.key(&json!({"metadata": logging}));
        gateway.post("/team/new", &json!({"team_id": "t", "metadata": logging}));
        gateway.post(
            "/key/update",
            &json!({"key": key, "metadata": {"callback_settings": {"callback_vars": variables}, "logging": logging["logging"]}}),
        );
        for told in [gateway.get(&format!("/key/info?key={key}")), gateway.get("/team/info?team_id=t")] {
            let text = told.to_string();
            assert!(text.contains("https://here.example") && !text.contains("not-to-be-kept"), "{text}");
        }
    });
}
