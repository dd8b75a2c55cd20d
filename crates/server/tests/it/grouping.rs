//! Organizations, customers, budgets, tags, projects and groups of models, as LiteLLM's clients manage them.

use serde_json::{Value, json};

use crate::managed::{MASTER, each};

#[test]
fn an_organization_has_people_teams_and_a_budget() {
    each(|gateway| {
        let made = gateway.post(
            "/organization/new",
            &json!({"organization_alias": "Acme", "organization_id": "o", "max_budget": 10, "models": ["good"], "metadata": {"a": 1}}),
        );
        assert_eq!((&made["organization_id"], &made["models"], &made["spend"]), (&json!("o"), &json!(["good"]), &json!(0.0)));
        assert_eq!((&made["litellm_budget_table"]["max_budget"], &made["metadata"]), (&json!(10.0), &json!({"a": 1})));
        let twice = gateway.as_key(MASTER, "POST", "/organization/new", &json!({"organization_alias": "x", "organization_id": "o"}));
        assert_eq!(twice.status, 400);
        let boss = gateway.post("/user/new", &json!({"user_email": "boss@example.com", "user_role": "internal_user"}));
        let (id, key) = (boss["user_id"].as_str().expect("an id"), boss["key"].as_str().expect("a key"));
        let added = gateway.post(
            "/organization/member_add",
            &json!({"organization_id": "o", "member": {"role": "org_admin", "user_email": "boss@example.com"},
                    "max_budget_in_organization": 3}),
        );
        let member = &added["updated_organization_memberships"][0];
        assert_eq!((&member["user_id"], &member["user_role"]), (&json!(id), &json!("org_admin")));
        assert_eq!((&member["litellm_budget_table"]["max_budget"], &member["user_email"]), (&json!(3.0), &json!("boss@example.com")));
        let again = gateway.as_key(
            MASTER,
            "POST",
            "/organization/member_add",
            &json!({"organization_id": "o", "member": {"role": "internal_user", "user_id": id}}),
        );
        assert_eq!(again.status, 400);
        let as_boss = |method: &str, path: &str, body: Value| gateway.as_key(key, method, path, &body);
        let team = as_boss("POST", "/team/new", json!({"organization_id": "o", "team_id": "t", "models": ["good"]}));
        assert_eq!(team.status, 200, "{}", team.text());
        let renamed = as_boss("PATCH", "/organization/update", json!({"organization_id": "o", "organization_alias": "Acme Inc"}));
        assert_eq!(renamed.json()["organization_alias"], "Acme Inc", "{}", renamed.text());
        assert_eq!(as_boss("PATCH", "/organization/update", json!({"organization_id": "o", "max_budget": 99})).status, 403);
        let info = as_boss("GET", "/organization/info?organization_id=o", Value::Null).json();
        assert_eq!((info["members"].as_array().map(Vec::len), &info["teams"][0]["team_id"]), (Some(1), &json!("t")));
        assert_eq!(gateway.get("/organization/list?org_alias=ACME")[0]["organization_id"], "o");
        let made = gateway.as_key(MASTER, "PATCH", "/organization/update", &json!({"organization_id": "o", "max_budget": 20}));
        assert_eq!(made.json()["litellm_budget_table"]["max_budget"], 20.0);
        let stranger = gateway.key(&json!({}));
        let foreign = gateway.as_key(&stranger, "GET", "/organization/info?organization_id=o", &Value::Null);
        assert_eq!(foreign.status, 404);
        assert_eq!(gateway.as_key(&stranger, "GET", "/organization/list", &Value::Null).json(), json!([]));
        let shared = gateway.key(&json!({"team_id": "t"}));
        assert_eq!(gateway.chat(&shared, "good").status, 200);
        let changed = gateway.as_key(
            MASTER,
            "PATCH",
            "/organization/member_update",
            &json!({"organization_id": "o", "user_id": id, "role": "internal_user"}),
        );
        assert_eq!(changed.json()["user_role"], "internal_user", "{}", changed.text());
        assert_eq!(as_boss("PATCH", "/organization/update", json!({"organization_id": "o", "organization_alias": "mine"})).status, 403);
        let left = gateway.as_key(MASTER, "DELETE", "/organization/member_delete", &json!({"organization_id": "o", "user_id": id}));
        assert_eq!(left.status, 200, "{}", left.text());
        let gone = gateway.as_key(MASTER, "DELETE", "/organization/delete", &json!({"organization_ids": ["o"]}));
        assert_eq!(gone.json()[0]["organization_id"], "o");
        assert_eq!(gateway.chat(&shared, "good").status, 401);
        assert_eq!(gateway.as_key(MASTER, "GET", "/organization/info?organization_id=o", &Value::Null).status, 404);
    });
}

#[test]
fn who_administers_an_organization_makes_and_deletes_its_people() {
    each(|gateway| {
        for id in ["o", "p"] {
            gateway.post("/organization/new", &json!({"organization_alias": id, "organization_id": id}));
        }
        let boss = gateway.post("/user/new", &json!({"user_id": "boss", "user_role": "internal_user"}));
        let key = boss["key"].as_str().expect("a key");
        gateway.post("/organization/member_add", &json!({"organization_id": "o", "member": {"role": "org_admin", "user_id": "boss"}}));
        let ask = |path: &str, body: Value| {
            let reply = gateway.as_key(key, "POST", path, &body);
            (reply.status.as_u16(), reply.json())
        };
        assert_eq!(ask("/user/new", json!({"user_id": "a", "organization_id": "o"})).0, 200);
        assert_eq!(gateway.get("/organization/info?organization_id=o")["members"].as_array().map(Vec::len), Some(2));
        assert_eq!(ask("/user/new", json!({"user_id": "b", "organization_id": "p"})).0, 401);
        assert_eq!(ask("/user/delete", json!({"user_ids": ["a"], "organization_id": "o"})), (200, json!(1)));
        gateway.post("/user/new", &json!({"user_id": "both", "organizations": ["o", "p"]}));
        gateway.post("/user/new", &json!({"user_id": "nobodys"}));
        gateway.post("/user/new", &json!({"user_id": "admin", "organizations": ["o"], "user_role": "proxy_admin"}));
        for id in ["both", "nobodys", "admin", "absent"] {
            let message = format!(
                "User {id} is not within your admin scope. Only PROXY_ADMIN may delete users outside your administered organizations."
            );
            assert_eq!(ask("/user/delete", json!({"user_ids": [id]})), (403, json!({"detail": {"error": message}})));
        }
        let stranger = gateway.post("/user/new", &json!({"user_id": "stranger", "user_role": "internal_user"}));
        let stranger = stranger["key"].as_str().expect("a key");
        assert_eq!(gateway.as_key(stranger, "POST", "/user/delete", &json!({"user_ids": ["both"]})).status, 401);
    });
}

#[test]
fn customers_are_made_blocked_and_deleted_under_both_names() {
    each(|gateway| {
        for (at, path) in ["/customer", "/end_user"].into_iter().enumerate() {
            let id = format!("c{at}");
            let made = gateway.post(&format!("{path}/new"), &json!({"user_id": id, "alias": "one", "max_budget": 2}));
            assert_eq!((&made["blocked"], &made["litellm_budget_table"]["max_budget"]), (&json!(false), &json!(2.0)));
            let twice = gateway.as_key(MASTER, "POST", &format!("{path}/new"), &json!({"user_id": id}));
            assert_eq!(twice.status, 400);
            let updated = gateway.post(&format!("{path}/update"), &json!({"user_id": id, "alias": "two", "max_budget": 5}));
            assert_eq!((&updated["alias"], &updated["litellm_budget_table"]["max_budget"]), (&json!("two"), &json!(5.0)));
            assert_eq!(updated["budget_id"], made["budget_id"]);
            let blocked = gateway.post(&format!("{path}/block"), &json!({"user_ids": [id, "unknown"]}));
            assert_eq!(blocked["blocked_users"].as_array().map(Vec::len), Some(2));
            let unblocked = gateway.post(&format!("{path}/unblock"), &json!({"user_ids": [id]}));
            assert_eq!(unblocked["blocked_users"], json!(["unknown"]));
            let info = gateway.get(&format!("{path}/info?end_user_id={id}"));
            assert_eq!((&info["alias"], &info["blocked"]), (&json!("two"), &json!(false)));
            assert!(gateway.get(&format!("{path}/list")).as_array().is_some_and(|list| list.len() == 2));
            let gone = gateway.post(&format!("{path}/delete"), &json!({"user_ids": [id, "unknown"]}));
            assert_eq!(gone["deleted_customers"], 2);
            assert_eq!(gateway.as_key(MASTER, "GET", &format!("{path}/info?end_user_id={id}"), &Value::Null).status, 404);
        }
        let stranger = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&stranger, "GET", "/customer/list", &Value::Null).status, 403);
        assert_eq!(gateway.as_key(MASTER, "POST", "/customer/new", &json!({"alias": "x"})).status, 422);
    });
}

#[test]
fn null_leaves_what_customers_and_organizations_are_held_to() {
    each(|gateway| {
        let terms = json!({"user_id": "c", "alias": "one", "models": ["good"], "max_budget": 5, "allowed_model_region": "eu", "default_model": "good"});
        let made = gateway.post("/customer/new", &terms);
        let nulls = json!({
            "user_id": "c", "alias": null, "models": null, "max_budget": null, "budget_id": null, "allowed_model_region": null,
            "default_model": null, "object_permission": null,
        });
        assert_eq!(gateway.post("/customer/update", &nulls), made);
        assert_eq!(gateway.post("/end_user/update", &json!({"user_id": "c", "models": []}))["models"], json!([]), "said, it is so");
        let terms = json!({"organization_id": "o", "organization_alias": "one", "models": ["good"], "max_budget": 5, "metadata": {"a": 1}});
        gateway.post("/organization/new", &terms);
        let change = |body: Value| {
            let reply = gateway.as_key(MASTER, "PATCH", "/organization/update", &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.json()
        };
        let kept = change(json!({"organization_id": "o", "organization_alias": null, "models": null, "budget_id": null, "metadata": null}));
        for name in ["organization_alias", "models", "metadata"] {
            assert_eq!(kept[name], terms[name], "{name}");
        }
        assert_eq!(kept["litellm_budget_table"]["max_budget"], 5.0);
        let freed = change(json!({"organization_id": "o", "max_budget": null, "cleared": ["models"]}));
        assert_eq!((&freed["models"], &freed["litellm_budget_table"]["max_budget"]), (&json!([]), &Value::Null));
    });
}

#[test]
fn budgets_have_names_and_are_shared() {
    each(|gateway| {
        let made = gateway.post("/budget/new", &json!({"budget_id": "b", "max_budget": 0.5, "budget_duration": "30d", "rpm_limit": 7}));
        assert_eq!((&made["budget_id"], &made["max_budget"]), (&json!("b"), &json!(0.5)));
        assert!(made["budget_reset_at"].is_string());
        assert_eq!(gateway.as_key(MASTER, "POST", "/budget/new", &json!({"budget_id": "b"})).status, 400);
        let negative = gateway.as_key(MASTER, "POST", "/budget/new", &json!({"max_budget": -1}));
        assert_eq!(negative.status, 400);
        let updated = gateway.post("/budget/update", &json!({"budget_id": "b", "max_budget": 3}));
        assert_eq!((&updated["max_budget"], &updated["rpm_limit"]), (&json!(3.0), &json!(7)));
        assert_eq!(gateway.post("/budget/info", &json!({"budgets": ["b"]}))[0]["budget_id"], "b");
        assert_eq!(gateway.get("/budget/list").as_array().map(Vec::len), Some(1));
        let settings = gateway.get("/budget/settings?budget_id=b");
        let field = settings.as_array().and_then(|list| list.iter().find(|field| field["field_name"] == "max_budget"));
        assert_eq!(field.map(|field| &field["field_value"]), Some(&json!(3.0)));
        let customer = gateway.post("/customer/new", &json!({"user_id": "c", "budget_id": "b"}));
        assert_eq!(customer["litellm_budget_table"]["max_budget"], 3.0);
        let own = gateway.as_key(MASTER, "POST", "/customer/new", &json!({"user_id": "d", "budget_id": "b", "max_budget": 9}));
        assert_eq!(own.status, 400, "{}", own.text());
        gateway.post("/budget/delete", &json!({"id": "b"}));
        assert_eq!(gateway.as_key(MASTER, "POST", "/budget/delete", &json!({"id": "b"})).status, 404);
    });
}

#[test]
fn tags_have_budgets() {
    each(|gateway| {
        let made = gateway.post("/tag/new", &json!({"name": "red", "description": "first", "models": ["good"], "max_budget": 4}));
        assert_eq!((&made["message"], &made["tag"]["name"]), (&json!("Tag red created successfully"), &json!("red")));
        assert_eq!(gateway.as_key(MASTER, "POST", "/tag/new", &json!({"name": "red"})).status, 400);
        gateway.post("/tag/update", &json!({"name": "red", "description": "second"}));
        let info = gateway.post("/tag/info", &json!({"names": ["red", "blue"]}));
        assert_eq!((&info["red"]["description"], &info["red"]["litellm_budget_table"]["max_budget"]), (&json!("second"), &json!(4.0)));
        assert_eq!(gateway.get("/tag/list")[0]["name"], "red");
        assert_eq!(gateway.post("/tag/delete", &json!({"name": "red"}))["message"], "Tag red deleted successfully");
        assert_eq!(gateway.as_key(MASTER, "POST", "/tag/info", &json!({"names": ["red"]})).status, 404);
    });
}

#[test]
fn a_project_belongs_to_a_team_and_has_no_more() {
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["good"]}));
        let made = gateway
            .post("/project/new", &json!({"project_id": "p", "team_id": "t", "models": ["good"], "max_budget": 6, "metadata": {"k": "v"}}));
        assert_eq!((&made["team_id"], &made["litellm_budget_table"]["max_budget"]), (&json!("t"), &json!(6.0)));
        let more = gateway.as_key(MASTER, "POST", "/project/new", &json!({"team_id": "t", "models": ["other"]}));
        assert_eq!(more.status, 400, "{}", more.text());
        let key = gateway.key(&json!({"team_id": "t", "project_id": "p"}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        let blocked = gateway.post("/project/update", &json!({"project_id": "p", "blocked": true, "description": "d"}));
        assert_eq!((&blocked["blocked"], &blocked["models"], &blocked["metadata"]), (&json!(true), &json!(["good"]), &json!({"k": "v"})));
        assert_eq!(gateway.chat(&key, "good").status, 401);
        assert_eq!(gateway.get("/project/info?project_id=p")["description"], "d");
        assert_eq!(gateway.get("/project/list").as_array().map(Vec::len), Some(1));
        let stranger = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&stranger, "GET", "/project/info?project_id=p", &Value::Null).status, 404);
        assert_eq!(gateway.as_key(&stranger, "GET", "/project/list", &Value::Null).json(), json!([]));
        let used = gateway.as_key(MASTER, "DELETE", "/project/delete", &json!({"project_ids": ["p"]}));
        assert_eq!(used.status, 400);
        gateway.post("/key/delete", &json!({"keys": [key]}));
        let gone = gateway.as_key(MASTER, "DELETE", "/project/delete", &json!({"project_ids": ["p"]}));
        assert_eq!(gone.json()[0]["project_id"], "p", "{}", gone.text());
    });
}

#[test]
fn a_project_with_keys_stays_in_its_team() {
    each(|gateway| {
        ["one", "two"].iter().for_each(|id| drop(gateway.post("/team/new", &json!({"team_id": id}))));
        gateway.post("/project/new", &json!({"project_id": "p", "team_id": "one", "max_budget": 5}));
        let key = gateway.key(&json!({"team_id": "one", "project_id": "p"}));
        for team in [json!("two"), Value::Null] {
            let moved = json!({"project_id": "p", "team_id": team, "max_budget": 9});
            assert_eq!(gateway.as_key(MASTER, "POST", "/project/update", &moved).status, 400, "{team}");
        }
        let kept = gateway.get("/project/info?project_id=p");
        assert_eq!((&kept["team_id"], &kept["litellm_budget_table"]["max_budget"]), (&json!("one"), &json!(5.0)), "{kept}");
        gateway.post("/project/update", &json!({"project_id": "p", "team_id": "one", "max_budget": 6}));
        gateway.post("/key/delete", &json!({"keys": [key]}));
        assert_eq!(gateway.post("/project/update", &json!({"project_id": "p", "team_id": "two"}))["team_id"], "two");
    });
}

#[test]
fn a_group_of_models_opens_them_to_teams_and_keys() {
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["good"]}));
        let key = gateway.key(&json!({"team_id": "t"}));
        assert_eq!(gateway.chat(&key, "other").status, 403);
        let made = gateway.as_key(
            MASTER,
            "POST",
            "/v1/access_group",
            &json!({"access_group_name": "more", "access_model_names": ["other"], "assigned_team_ids": ["t"]}),
        );
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        let path = format!("/v1/access_group/{}", made["access_group_id"].as_str().expect("an id"));
        assert_eq!(made["assigned_teams"], json!([{"id": "t", "name": null}]));
        assert_eq!(
            (&made["created_by_user"], &made["updated_by_user"]["id"]),
            (&json!({"id": "default_user_id", "name": null}), &made["updated_by"])
        );
        // What a team says of its groups, the groups say of it.
        let assigned = || gateway.get(&path)["assigned_team_ids"].clone();
        gateway.post("/team/new", &json!({"team_id": "u", "access_group_ids": [made["access_group_id"]]}));
        assert_eq!(assigned(), json!(["t", "u"]));
        gateway.post("/team/update", &json!({"team_id": "t", "access_group_ids": []}));
        assert_eq!((assigned(), gateway.chat(&key, "other").status.as_u16()), (json!(["u"]), 403));
        gateway.post("/team/update", &json!({"team_id": "t", "access_group_ids": [made["access_group_id"]]}));
        gateway.post("/team/delete", &json!({"team_ids": ["u"]}));
        assert_eq!(assigned(), json!(["t"]));
        assert_eq!(gateway.chat(&key, "other").status, 200);
        let twice = gateway.as_key(MASTER, "POST", "/v1/access_group", &json!({"access_group_name": "more"}));
        assert_eq!(twice.status, 409);
        let updated = gateway.as_key(MASTER, "PUT", &path, &json!({"description": "d", "assigned_team_ids": []}));
        assert_eq!((&updated.json()["description"], &updated.json()["access_model_names"]), (&json!("d"), &json!(["other"])));
        assert_eq!(gateway.chat(&key, "other").status, 403);
        assert_eq!(gateway.get(&path)["access_group_name"], "more");
        assert_eq!(gateway.get("/v1/access_group").as_array().map(Vec::len), Some(1));
        assert_eq!(gateway.as_key(MASTER, "DELETE", &path, &Value::Null).status, 204);
        assert_eq!(gateway.as_key(MASTER, "GET", &path, &Value::Null).status, 404);
        let said = gateway.get("/access_group/list");
        assert_eq!(said["access_groups"][0]["access_group"], "friends");
        assert_eq!(gateway.get("/access_group/friends/info")["model_names"], json!(["good"]));
        assert_eq!(gateway.get("/team/available"), json!([]));
    });
}

#[test]
fn when_a_budget_begins_anew_goes_on_with_its_windows() {
    each(|gateway| {
        gateway.post("/budget/new", &json!({"budget_id": "short", "max_budget": 1, "budget_duration": "1s"}));
        let told = || gateway.post("/budget/info", &json!({"budgets": ["short"]}))[0]["budget_reset_at"].clone();
        let first = told();
        assert!(first.is_string(), "{first}");
        std::thread::sleep(std::time::Duration::from_millis(2100));
        assert!(told().as_str() > first.as_str(), "{first}");
    });
}
