//! What keys are and stay: which of them lists show, accounts of services, who sees what everybody spent.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each, with};

fn listed(gateway: &Managed, query: &str) -> Vec<String> {
    let page = gateway.get(&format!("/key/list?return_full_object=true&sort_by=key_alias&sort_order=asc&{query}"));
    let names = page["keys"].as_array().expect("keys").iter().map(|key| key["key_alias"].as_str().unwrap_or_default().to_owned());
    let names: Vec<String> = names.collect();
    assert_eq!(page["total_count"], names.len(), "{page}");
    names
}

#[test]
fn keys_are_listed_by_what_has_become_of_them() {
    each(|gateway| {
        gateway.post("/user/new", &json!({"user_id": "u", "auto_create_key": false}));
        let key = |fields: Value| gateway.key(&fields);
        key(json!({"key_alias": "plain", "user_id": "u", "duration": "1h", "agent_id": "a1"}));
        key(json!({"key_alias": "over", "duration": "0s"}));
        let blocked = key(json!({"key_alias": "shut", "metadata": {"blocked": false}}));
        gateway.post("/key/block", &json!({"key": blocked}));
        let gone = key(json!({"key_alias": "gone", "user_id": "u"}));
        gateway.post("/key/delete", &json!({"keys": [gone]}));
        for (query, expected) in [
            ("", &["over", "plain", "shut"][..]),
            ("status=active", &["plain"]),
            ("status=expired", &["over"]),
            ("status=revoked", &["shut"]),
            ("status=deleted", &["gone"]),
            ("status=deleted&user_id=nobody", &[]),
            ("status=deleted&user_id=u&key_alias=gone", &["gone"]),
            ("expires=expired", &["over"]),
            ("expires=active", &["plain", "shut"]),
            ("agent_id=a1", &["plain"]),
            ("access_group_id=none", &[]),
        ] {
            assert_eq!(listed(gateway, query), expected, "{query}");
        }
        for query in ["status=active2", "status=", "expires=soon"] {
            let refused = gateway.as_key(MASTER, "GET", &format!("/key/list?{query}"), &Value::Null);
            assert_eq!(refused.status, 400, "{query}: {}", refused.text());
        }
        let whole = gateway.get("/key/list?expand=user&user_id=u");
        assert_eq!((&whole["keys"][0]["user"]["user_id"], &whole["keys"][0]["key_alias"]), (&json!("u"), &json!("plain")));
        // Whoever sees their own keys alone sees of the deleted their own.
        let own = key(json!({"user_id": "u", "key_alias": "own"}));
        let page = gateway.as_key(&own, "GET", "/key/list?status=deleted", &Value::Null).json();
        assert_eq!(page["total_count"], 1, "{page}");
    });
}

#[test]
fn the_account_of_a_service_stays_what_it_is() {
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t"}));
        let made = |more: &[(&str, &str)]| {
            let mut body = json!({"team_id": "t"});
            more.iter().for_each(|(name, value)| body[*name] = json!(value));
            gateway.post("/key/service-account/generate", &body)
        };
        assert_eq!(made(&[("key_alias", "robot")])["metadata"]["service_account_id"], "robot");
        let unnamed = made(&[]);
        assert!(unnamed["metadata"]["service_account_id"].as_str().is_some_and(|id| id.len() > 8), "{unnamed}");
        let (key, id) = (&unnamed["key"], &unnamed["metadata"]["service_account_id"]);
        for metadata in [json!({"service_account_id": "other"}), json!({"service_account_id": null}), Value::Null] {
            for path in ["/key/update", "/key/regenerate"] {
                let refused = gateway.as_key(MASTER, "POST", path, &json!({"key": key, "metadata": metadata}));
                assert_eq!(refused.status, 400, "{path} {metadata}: {}", refused.text());
            }
        }
        for metadata in [json!({"note": 1}), json!({"note": 2, "service_account_id": id})] {
            let changed = gateway.post("/key/update", &json!({"key": key, "metadata": metadata}));
            assert_eq!((&changed["metadata"]["service_account_id"], &changed["metadata"]["note"]), (id, &metadata["note"]));
        }
    });
}

#[test]
fn what_is_not_kept_to_is_refused() {
    each(|gateway| {
        let key = gateway.key(&json!({"rotation_interval": "30d", "auto_rotate": false}));
        for (path, body) in [
            ("/key/generate", json!({"auto_rotate": true, "rotation_interval": "30d"})),
            ("/key/update", json!({"key": key, "auto_rotate": true})),
            ("/key/generate", json!({"model_max_budget": {"family": {"models": ["a", "b"], "budget_limit": 1, "time_period": "1d"}}})),
            ("/user/new", json!({"model_max_budget": {"family": {"models": ["a"], "budget_limit": 1}}})),
        ] {
            let refused = gateway.as_key(MASTER, "POST", path, &body);
            assert_eq!(refused.status, 400, "{path} {body}: {}", refused.text());
        }
        let twice = json!({"model": "good", "fallback_models": ["other", "other"]});
        let refused = gateway.as_key(MASTER, "POST", "/fallback", &twice);
        assert_eq!(refused.status, 422, "{}", refused.text());
    });
}

#[test]
fn keys_that_administrators_say_so_of_see_what_was_spent() {
    each(|gateway| {
        let permissions = json!({"permissions": {"get_spend_routes": true}});
        let (plain, sees) = (gateway.key(&json!({})), gateway.key(&permissions));
        for (path, expected) in
            [("/global/spend/report?start_date=2026-01-01&end_date=2026-01-02", 200), ("/global/spend", 200), ("/spend/users", 403)]
        {
            assert_eq!(gateway.as_key(&sees, "GET", path, &Value::Null).status, expected, "{path}");
            assert_eq!(gateway.as_key(&plain, "GET", path, &Value::Null).status, 403, "{path}");
        }
        let off = gateway.key(&json!({"permissions": {"get_spend_routes": false}}));
        assert_eq!(gateway.as_key(&off, "GET", "/global/spend", &Value::Null).status, 403);
        // It is an administrator's to give.
        gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
        let own = gateway.key(&json!({"user_id": "u"}));
        assert_eq!(gateway.as_key(&own, "POST", "/key/generate", &permissions).status, 403);
        let update = json!({"key": own, "permissions": permissions["permissions"]});
        assert_eq!(gateway.as_key(&own, "POST", "/key/update", &update).status, 403);
    });
}

#[test]
fn users_and_teams_are_told_how_far_budgets_of_one_model_are_spent() {
    with(
        "  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01, input_cost_per_token: 0, output_cost_per_token: 0}}\n",
        |gateway| {
            let budget = json!({"cent": {"budget_limit": 5.0, "time_period": "30d"}});
            gateway.post("/user/new", &json!({"user_id": "u", "model_max_budget": budget, "auto_create_key": false}));
            gateway.post("/team/new", &json!({"team_id": "t", "model_max_budget": budget}));
            for who in [json!({"user_id": "u"}), json!({"team_id": "t"})] {
                assert_eq!(gateway.chat(&gateway.key(&who), "cent").status, 200);
            }
            let spent = json!({"cent": {"current_spend": 0.01, "budget_limit": 5.0, "time_period": "30d"}});
            assert_eq!(gateway.get("/user/info?user_id=u")["user_info"]["model_max_budget_usage"], spent);
            assert_eq!(gateway.get("/team/info?team_id=t")["team_info"]["model_max_budget_usage"], spent);
        },
    );
}
