//! What administrators and members of teams may do, and what their keys may not.

use serde_json::{Value, json};

use crate::managed::{MASTER, each, with};
use crate::spending::until;

/// A team `t` with an administrator and a member, and a key of each.
fn team(gateway: &crate::managed::Managed) -> [String; 2] {
    for user in ["boss", "member"] {
        gateway.post("/user/new", &json!({"user_id": user, "user_role": "internal_user", "auto_create_key": false}));
    }
    let members = json!([{"user_id": "boss", "role": "admin"}, {"user_id": "member", "role": "user"}]);
    gateway.post("/team/new", &json!({"team_id": "t", "max_budget": 5, "members_with_roles": members}));
    ["boss", "member"].map(|user| gateway.key(&json!({"team_id": "t", "user_id": user})))
}

#[test]
fn what_a_teams_administrator_changes_is_for_the_configuration_to_say() {
    let asked = |member: &str| {
        [
            ("/team/update", json!({"team_id": "t", "team_alias": "ours"})),
            ("/team/update", json!({"team_id": "t", "max_budget": 9})),
            ("/team/update", json!({"team_id": "t", "tpm_limit": 9})),
            ("/team/update", json!({"team_id": "t", "metadata": {"tags": ["x"]}})),
            ("/team/update", json!({"team_id": "t", "team_member_budget": 1})),
            ("/key/update", json!({"key": member, "max_budget": 3})),
            ("/key/update", json!({"key": member, "models": ["good"]})),
            ("/key/update", json!({"key": member, "duration": "1h"})),
            ("/key/update", json!({"key": member, "metadata": {"x": 1}})),
            ("/project/new", json!({"team_id": "t"})),
            ("/team/t/disable_logging", json!({})),
            ("/team/delete", json!({"team_ids": ["t"]})),
        ]
    };
    let some = "general_settings: {team_admin_editable_team_fields: [max_budget, projects, member_key_budgets]}\n";
    for (yaml, statuses) in [
        ("", [200, 403, 403, 403, 403, 403, 403, 403, 403, 403, 401, 401]),
        (some, [200, 200, 403, 403, 403, 200, 403, 403, 403, 200, 401, 401]),
    ] {
        with(yaml, |gateway| {
            let [boss, member] = team(gateway);
            for ((path, body), status) in asked(&member).into_iter().zip(statuses) {
                let answer = gateway.as_key(&boss, "POST", path, &body);
                assert_eq!(answer.status, status, "{yaml} {path} {body}: {}", answer.text());
            }
            // What is said again and what is the administrator's own is no change of others'.
            for (path, body) in [
                ("/team/update", json!({"team_id": "t", "models": [], "tpm_limit": null})),
                ("/key/update", json!({"key": boss, "key_alias": "mine"})),
                ("/key/block", json!({"key": member})),
            ] {
                let answer = gateway.as_key(&boss, "POST", path, &body);
                assert_eq!(answer.status, 200, "{yaml} {path} {body}: {}", answer.text());
            }
            let renewed = gateway.as_key(&boss, "POST", "/key/regenerate", &json!({"key": member, "max_budget": 4, "models": ["good"]}));
            assert_eq!(renewed.status, 403, "{}", renewed.text());
            assert_eq!(gateway.as_key(&boss, "POST", "/key/regenerate", &json!({"key": member})).status, 200);
        });
    }
}

#[test]
fn which_routes_are_passed_on_is_for_administrators_to_say() {
    each(|gateway| {
        gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
        let first = gateway.key(&json!({"user_id": "u"}));
        let own = gateway.as_key(&first, "POST", "/key/generate", &json!({})).json()["key"].as_str().expect("a key").to_owned();
        gateway.post("/key/update", &json!({"key": own, "denied_passthrough_routes": ["/x"]}));
        for (path, body, status) in [
            ("/key/generate", json!({"denied_passthrough_routes": ["/x"]}), 403),
            ("/key/generate", json!({"metadata": {"denied_passthrough_routes": ["/x"]}}), 403),
            ("/key/update", json!({"key": own, "denied_passthrough_routes": []}), 403),
            ("/key/update", json!({"key": own, "metadata": {}}), 403),
            ("/key/update", json!({"key": own, "metadata": {"denied_passthrough_routes": ["/x"], "a": 1}}), 200),
            ("/key/regenerate", json!({"key": own, "metadata": {}}), 403),
        ] {
            let answer = gateway.as_key(&own, "POST", path, &body);
            assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
            assert!(status == 200 || answer.text().contains("denied_passthrough_routes"), "{}", answer.text());
        }
    });
}

#[test]
fn a_key_searches_the_stores_that_it_and_its_team_list() {
    each(|gateway| {
        let permission = json!({"vector_stores": ["vs_ours"]});
        gateway.post("/team/new", &json!({"team_id": "t", "object_permission": permission}));
        for (fields, whose) in [(json!({"object_permission": permission}), "key"), (json!({"team_id": "t"}), "team")] {
            let key = gateway.key(&fields);
            let call = |stores: Value| {
                let mut body = json!({"model": "good", "messages": [{"role": "user", "content": "x"}]});
                body.as_object_mut().expect("an object").extend(stores.as_object().expect("an object").clone());
                gateway.as_key(&key, "POST", "/v1/chat/completions", &body)
            };
            for stores in [
                json!({"vector_store_ids": ["vs_ours", "vs_theirs"]}),
                json!({"tools": [{"type": "file_search", "vector_store_ids": ["vs_theirs"]}]}),
            ] {
                let refused = call(stores);
                let kind = format!("{whose}_vector_store_access_denied");
                assert_eq!((refused.status.as_u16(), &refused.json()["error"]["type"]), (401, &json!(kind)), "{}", refused.text());
            }
            assert_eq!((call(json!({"vector_store_ids": ["vs_ours"]})).status.as_u16(), call(json!({})).status.as_u16()), (200, 200));
            let theirs = gateway.as_key(&key, "GET", "/v1/vector_stores/vs_theirs", &Value::Null);
            assert_eq!(theirs.status, 401, "{}", theirs.text());
        }
        let any = gateway.key(&json!({"object_permission": {"vector_stores": []}}));
        let body = json!({"model": "good", "vector_store_ids": ["vs_any"], "messages": [{"role": "user", "content": "x"}]});
        assert_eq!(gateway.as_key(&any, "POST", "/v1/chat/completions", &body).status, 200);
    });
}

#[test]
fn members_list_the_keys_of_teams_that_let_them() {
    each(|gateway| {
        let [boss, member] = team(gateway);
        gateway.post("/user/update", &json!({"user_id": "boss", "user_email": "Boss@example.com"}));
        gateway.post("/user/update", &json!({"user_id": "member", "user_email": "member@example.com"}));
        gateway.post("/key/service-account/generate", &json!({"team_id": "t", "key_alias": "service"}));
        let list = |key: &str, query: &str| {
            let answer = gateway.as_key(key, "GET", &format!("/key/list?{query}"), &Value::Null);
            (answer.status.as_u16(), answer.json()["keys"].as_array().map_or(0, Vec::len))
        };
        // Of the keys of others in a team its members see those that are no user's.
        let of_team = ["include_team_keys=true", "include_created_by_keys=true", ""].map(|query| list(&member, query));
        assert_eq!((of_team, list(&boss, "include_team_keys=true")), ([(200, 2), (200, 1), (200, 1)], (200, 3)));
        gateway.post("/team/permissions_update", &json!({"team_id": "t", "team_member_permissions": ["/key/list"]}));
        assert_eq!(
            (list(&member, "include_team_keys=true"), list(&member, "team_id=t"), list(&member, "")),
            ((200, 3), (200, 3), (200, 1))
        );
        for (key, query, expected) in [
            (MASTER, "user_email=boss@EXAMPLE.com", (200, 1)),
            (MASTER, "user_email=nobody@example.com", (200, 0)),
            (MASTER, "user_email=boss@example.com&user_id=boss", (400, 0)),
            (&member, "user_email=member@example.com", (200, 1)),
            (&member, "user_email=boss@example.com", (403, 0)),
            (&member, "user_email=nobody@example.com", (403, 0)),
        ] {
            assert_eq!(list(key, query), expected, "{query}");
        }
    });
}

#[test]
fn names_of_a_keys_own_are_listed_and_hidden_ones_stay_hidden() {
    with("router_settings: {model_group_alias: {quick: good, secret: {model: good, hidden: true}}}\n", |gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["good"], "model_aliases": {"ours": "good", "theirs": "other"}}));
        let key = gateway.key(&json!({"team_id": "t", "aliases": {"mine": "good"}}));
        let list = gateway.as_key(&key, "GET", "/v1/models", &Value::Null).json();
        let names: Vec<&Value> = list["data"].as_array().expect("a list").iter().map(|model| &model["id"]).collect();
        assert_eq!(names, ["good", "mine", "ours", "quick"]);
        let settings = gateway.get("/router/settings");
        let aliases = &settings["current_values"]["model_group_alias"];
        assert_eq!(*aliases, json!({"quick": "good", "secret": {"model": "good", "hidden": true}}), "{settings}");
    });
}

#[test]
fn members_see_and_change_what_is_their_own() {
    each(|gateway| {
        let [boss, member] = team(gateway);
        gateway.post("/team/new", &json!({"team_id": "other"}));
        assert_eq!(gateway.chat(&boss, "good").status, 200);
        assert_eq!(gateway.chat(&member, "good").status, 200);
        let range = "start_date=2020-01-01&end_date=2099-01-01";
        let all = format!("/team/daily/activity?{range}&team_ids=t");
        until(gateway, &all, |found| found["metadata"]["total_api_requests"] == 2);
        for (key, path, status) in [
            (&member, "/spend/logs/ui?team_id=t", 200),
            (&member, "/spend/logs/ui?team_id=other", 403),
            (&member, "/spend/logs/ui?team_id=none", 403),
            (&member, "/spend/logs/ui/none", 403),
            (&boss, "/v2/user/info?user_id=member", 200),
            (&member, "/v2/user/info?user_id=boss", 404),
            (&member, "/v2/user/info?user_id=none", 404),
            (&member, &format!("/team/daily/activity?{range}&team_ids=other"), 404),
            (&member, &format!("/team/daily/activity?{range}&team_ids=none"), 404),
        ] {
            let answer = gateway.as_key(key, "GET", path, &Value::Null);
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
        }
        let seen = |key: &str| gateway.as_key(key, "GET", &all, &Value::Null).json()["metadata"]["total_api_requests"].clone();
        assert_eq!((seen(&member), seen(&boss)), (json!(1), json!(2)));
        for (path, body) in [
            ("/key/update", json!({"key": boss, "key_alias": "x"})),
            ("/key/block", json!({"key": boss})),
            ("/key/delete", json!({"keys": [boss]})),
        ] {
            assert_eq!(gateway.as_key(&member, "POST", path, &body).status, 403, "{path}");
        }
    });
}

#[test]
fn an_organizations_administrator_deletes_its_teams() {
    each(|gateway| {
        let boss = gateway.post("/user/new", &json!({"user_id": "chief", "user_role": "internal_user"}));
        let key = boss["key"].as_str().expect("a key");
        gateway.post("/organization/new", &json!({"organization_id": "o", "organization_alias": "o"}));
        let member = json!({"organization_id": "o", "member": {"role": "org_admin", "user_id": "chief"}});
        gateway.post("/organization/member_add", &member);
        for (team, organization, status) in [("within", json!("o"), 200), ("without", Value::Null, 401), ("none", Value::Null, 401)] {
            if team != "none" {
                gateway.post("/team/new", &json!({"team_id": team, "organization_id": organization}));
            }
            let gone = gateway.as_key(key, "POST", "/team/delete", &json!({"team_ids": [team]}));
            assert_eq!(gone.status, status, "{team}: {}", gone.text());
        }
    });
}

#[test]
fn a_tag_of_a_team_comes_from_its_keys_alone() {
    each(|gateway| {
        for team in ["t", "other"] {
            gateway.post("/team/new", &json!({"team_id": team}));
        }
        gateway.post("/tag/new", &json!({"name": "theirs", "team_id": "t"}));
        let owner = || gateway.post("/tag/info", &json!({"names": ["theirs"]}))["theirs"]["team_id"].clone();
        assert_eq!(owner(), "t");
        let [theirs, others, nobodys] =
            [json!({"team_id": "t"}), json!({"team_id": "other"}), json!({})].map(|fields| gateway.key(&fields));
        let call = |key: &str, tag: &str| {
            let body = json!({"model": "good", "metadata": {"tags": [tag]}, "messages": [{"role": "user", "content": "x"}]});
            gateway.as_key(key, "POST", "/v1/chat/completions", &body)
        };
        assert_eq!(call(&theirs, "theirs").status, 200);
        for key in [&others, &nobodys] {
            let refused = call(key, "theirs");
            assert_eq!(refused.status, 403);
            assert!(
                refused.text().contains("Tag 'theirs' is owned by team 't' and can only be sent by keys of that team"),
                "{}",
                refused.text()
            );
            assert_eq!(call(key, "anybodys").status, 200);
        }
        // Nor by way of what a key or a team has in its metadata.
        let inherited = gateway.key(&json!({"team_id": "other", "metadata": {"tags": ["theirs"]}}));
        gateway.post("/team/new", &json!({"team_id": "tagged", "metadata": {"tags": ["theirs"]}}));
        for key in [inherited, gateway.key(&json!({"team_id": "tagged"}))] {
            let refused = gateway.chat(&key, "good");
            assert_eq!((refused.status.as_u16(), &refused.json()["error"]["type"]), (403, &json!("tag_ownership_denied")));
        }
        let claimed = gateway.as_key(&others, "POST", "/tag/update", &json!({"name": "theirs", "team_id": "other"}));
        assert!(matches!(claimed.status.as_u16(), 401 | 403), "{}", claimed.text());
        gateway.post("/tag/update", &json!({"name": "theirs", "team_id": null}));
        assert_eq!((owner(), call(&nobodys, "theirs").status.as_u16()), (Value::Null, 200));
        assert_eq!(gateway.as_key(MASTER, "POST", "/tag/update", &json!({"name": "theirs", "team_id": "none"})).status, 404);
        // What others bear already is not made a team's; and with a team its tags are free again.
        let made = |name: &str, team: &str| gateway.as_key(MASTER, "POST", "/tag/new", &json!({"name": name, "team_id": team})).status;
        until(gateway, "/tag/daily/activity?start_date=2020-01-01&end_date=2099-01-01&tags=anybodys", |found| {
            found["results"] != json!([])
        });
        assert_eq!(made("anybodys", "t"), 409);
        assert_eq!(made("dead", "tagged"), 200);
        gateway.post("/team/delete", &json!({"team_ids": ["tagged"]}));
        assert_eq!(gateway.post("/tag/info", &json!({"names": ["dead"]}))["dead"]["team_id"], Value::Null);
    });
}

#[test]
fn a_teams_administrator_has_charge_of_its_tags_and_its_members_see_them() {
    each(|gateway| {
        let [boss, member] = team(gateway);
        gateway.post("/team/new", &json!({"team_id": "other"}));
        for (name, team) in [("unowned", Value::Null), ("foreign", json!("other"))] {
            gateway.post("/tag/new", &json!({"name": name, "team_id": team}));
        }
        let cases = [
            (&member, "/tag/new", json!({"name": "own", "team_id": "t"}), 403),
            (&boss, "/tag/new", json!({"name": "own", "team_id": "other"}), 403),
            (&boss, "/tag/new", json!({"name": "own", "team_id": "none"}), 403),
            (&boss, "/tag/new", json!({"name": "own"}), 403),
            (&boss, "/tag/new", json!({"name": "own", "team_id": "t", "max_budget": 1}), 403),
            (&boss, "/tag/new", json!({"name": "own", "team_id": "t", "models": []}), 200),
            (&boss, "/tag/update", json!({"name": "own", "description": "ours"}), 200),
            (&boss, "/tag/update", json!({"name": "own", "max_budget": 1}), 403),
            (&boss, "/tag/update", json!({"name": "own", "team_id": "other"}), 403),
            (&boss, "/tag/update", json!({"name": "own", "team_id": null}), 403),
            (&boss, "/tag/update", json!({"name": "unowned", "team_id": "t"}), 403),
            (&boss, "/tag/update", json!({"name": "foreign", "description": "x"}), 403),
            (&boss, "/tag/delete", json!({"name": "foreign"}), 403),
            (&boss, "/tag/delete", json!({"name": "none"}), 403),
            (&member, "/tag/update", json!({"name": "own", "description": "x"}), 403),
            (&member, "/tag/delete", json!({"name": "own"}), 403),
        ];
        for (key, path, body, status) in cases {
            let answer = gateway.as_key(key, "POST", path, &body);
            assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
        }
        let list = gateway.as_key(&member, "GET", "/tag/list", &Value::Null).json();
        let names: Vec<&Value> = list.as_array().expect("a list").iter().map(|tag| &tag["name"]).collect();
        assert_eq!(names, ["own"]);
        assert_eq!(gateway.as_key(&boss, "POST", "/tag/delete", &json!({"name": "own"})).status, 200);
    });
}
