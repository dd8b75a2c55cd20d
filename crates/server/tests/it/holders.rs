//! What holders of keys, members of teams and administrators may do to keys that are there.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each};

/// A user `u` with a key that an administrator made and one that the user made.
fn holder(gateway: &Managed) -> [String; 2] {
    gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
    let given = gateway.key(&json!({"user_id": "u"}));
    let made = made(gateway, &given, &json!({}));
    [given, made]
}

/// A key that the holder of another makes.
fn made(gateway: &Managed, holder: &str, fields: &Value) -> String {
    let answer = gateway.as_key(holder, "POST", "/key/generate", fields);
    answer.json()["key"].as_str().unwrap_or_else(|| panic!("{fields}: {}", answer.text())).to_owned()
}

/// A team `t` that lets its members do that, with the members `one` and `two`: a key of each and one of the team alone.
fn team(gateway: &Managed, permissions: &[&str]) -> [String; 3] {
    for user in ["one", "two"] {
        gateway.post("/user/new", &json!({"user_id": user, "user_role": "internal_user", "auto_create_key": false}));
    }
    let members = json!([{"user_id": "one", "role": "user"}, {"user_id": "two", "role": "user"}]);
    gateway.post("/team/new", &json!({"team_id": "t", "members_with_roles": members, "team_member_permissions": permissions}));
    let [one, two] = ["one", "two"].map(|user| gateway.key(&json!({"user_id": user, "team_id": "t"})));
    let service = gateway.post("/key/service-account/generate", &json!({"team_id": "t", "key_alias": "service"}));
    [one, two, service["key"].as_str().expect("a key").to_owned()]
}

/// Asks with a key, one request after the other, and gives what was answered otherwise than it should be.
fn asked(gateway: &Managed, with: &str, key: &str, cases: &[(&str, Value, u16)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, fields, status) in cases {
        let mut body = fields.clone();
        match *path {
            "/key/delete" => body["keys"] = json!([key]),
            "/key/generate" => {}
            _ => body["key"] = json!(key),
        }
        let answer = gateway.as_key(with, "POST", path, &body);
        if answer.status != *status {
            wrong.push(format!("{path} {fields}: {} for {status}: {}", answer.status, answer.text()));
        }
    }
    wrong
}

#[test]
fn what_bounds_a_key_is_for_its_administrators_to_say() {
    each(|gateway| {
        let [given, own] = holder(gateway);
        gateway.post("/budget/new", &json!({"budget_id": "large", "max_budget": 100}));
        let bounds = [
            json!({"max_budget": 100}),
            json!({"max_budget": null}),
            json!({"soft_budget": 1}),
            json!({"spend": 0}),
            json!({"budget_limits": []}),
            json!({"budget_limits": [{"budget_duration": "1d", "max_budget": 5}]}),
            json!({"budget_id": null}),
            json!({"budget_id": "large"}),
            json!({"budget_duration": "1h"}),
            json!({"model_max_budget": {}}),
        ];
        let limits = json!([{"budget_duration": "1d", "max_budget": 1}]);
        let budgets = json!({"good": {"budget_limit": 1, "time_period": "1d"}});
        gateway.post("/budget/new", &json!({"budget_id": "small", "max_budget": 1}));
        for key in [&given, &own] {
            let set = json!({"key": key, "max_budget": 1, "budget_id": "small", "budget_limits": limits, "model_max_budget": budgets});
            gateway.post("/key/update", &set);
            for with in [&given, &own] {
                for path in ["/key/update", "/key/regenerate"] {
                    let cases: Vec<(&str, Value, u16)> = bounds.iter().map(|fields| (path, fields.clone(), 403)).collect();
                    assert_eq!(asked(gateway, with, key, &cases), [""; 0]);
                }
            }
        }
        // What is said again is no change.
        let same = json!({"key_alias": "mine", "max_budget": 1, "budget_id": "small", "model_max_budget": budgets});
        assert_eq!(asked(gateway, &own, &own, &[("/key/update", same, 200)]), [""; 0]);
    });
}

#[test]
fn a_key_of_no_team_is_changed_by_who_made_it_for_themselves() {
    each(|gateway| {
        let [given, own] = holder(gateway);
        let spare = made(gateway, &given, &json!({}));
        for (fields, by_maker) in [
            (json!({"models": ["good"]}), 200),
            (json!({"rpm_limit": null}), 200),
            (json!({"metadata": {"x": 1}}), 200),
            (json!({"duration": "1h"}), 200),
            (json!({"duration": "-1"}), 200),
            (json!({"blocked": true}), 403),
        ] {
            let cases = |status| [("/key/update", fields.clone(), status)];
            assert_eq!(asked(gateway, &spare, &own, &cases(by_maker)), [""; 0]);
            assert_eq!(asked(gateway, &spare, &given, &cases(403)), [""; 0]);
        }
        // Regenerating is for the owner, but changes nothing that could not be changed without it.
        let with_change =
            [("/key/regenerate", json!({"models": ["good", "other"]}), 403), ("/key/regenerate", json!({"duration": "9h"}), 403)];
        assert_eq!(asked(gateway, &spare, &given, &with_change), [""; 0]);
        assert_eq!(asked(gateway, &spare, &given, &[("/key/regenerate", json!({}), 200)]), [""; 0]);
        // Nobody makes a key theirs by a header, and who administers the gateway changes all.
        let ask = gateway.app.ask("POST", "/key/generate").key(MASTER).header("litellm-changed-by", "u");
        let named = ask.json(&json!({"user_id": "u"})).send().json()["key"].as_str().expect("a key").to_owned();
        assert_eq!(asked(gateway, &spare, &named, &[("/key/update", json!({"key_alias": "x"}), 403)]), [""; 0]);
        assert_eq!(asked(gateway, &spare, &named, &[("/key/delete", json!({}), 200)]), [""; 0]);
    });
}

#[test]
fn a_block_is_lifted_by_administrators_alone() {
    each(|gateway| {
        let [_, own] = holder(gateway);
        let key = made(gateway, &own, &json!({}));
        assert_eq!(asked(gateway, &own, &key, &[("/key/block", json!({}), 403)]), [""; 0]);
        gateway.post("/key/block", &json!({"key": key}));
        let tried = [
            ("/key/unblock", json!({}), 403),
            ("/key/update", json!({"blocked": false}), 403),
            ("/key/update", json!({"blocked": null}), 403),
            ("/key/regenerate", json!({"blocked": false}), 403),
        ];
        assert_eq!(asked(gateway, &own, &key, &tried), [""; 0]);
        assert_eq!(gateway.chat(&key, "good").status, 401);
        gateway.post("/key/unblock", &json!({"key": key}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        // Nor does a key that ended come to life again by one who did not make it.
        let ended = gateway.key(&json!({"user_id": "u", "duration": "0s"}));
        let tried = [("/key/update", json!({"duration": null}), 403), ("/key/regenerate", json!({"duration": "1d"}), 403)];
        assert_eq!(asked(gateway, &own, &ended, &tried), [""; 0]);
    });
}

#[test]
fn members_of_a_team_reach_what_is_theirs_or_nobodys() {
    each(|gateway| {
        let [one, two, service] = team(gateway, &["/key/update", "/key/delete", "/key/regenerate"]);
        let others = [
            ("/key/update", json!({"metadata": {"x": 1}}), 403),
            ("/key/delete", json!({}), 403),
            ("/key/regenerate", json!({}), 403),
            ("/key/block", json!({}), 403),
        ];
        assert_eq!(asked(gateway, &one, &two, &others), [""; 0]);
        let of_nobody = [
            ("/key/update", json!({"metadata": {"x": 1}}), 200),
            ("/key/update", json!({"max_budget": 100}), 403),
            ("/key/update", json!({"budget_limits": []}), 200),
            ("/key/delete", json!({}), 403),
            ("/key/regenerate", json!({}), 403),
            ("/key/unblock", json!({}), 403),
        ];
        assert_eq!(asked(gateway, &one, &service, &of_nobody), [""; 0]);
        gateway
            .post("/key/update", &json!({"key": service, "duration": "1h", "budget_limits": [{"budget_duration": "1d", "max_budget": 1}]}));
        let bound = [
            ("/key/update", json!({"budget_limits": []}), 403),
            ("/key/update", json!({"duration": null}), 403),
            ("/key/update", json!({"duration": "1m"}), 200),
        ];
        assert_eq!(asked(gateway, &one, &service, &bound), [""; 0]);
        let own = [
            ("/key/update", json!({"key_alias": "mine"}), 200),
            ("/key/update", json!({"max_budget": 100}), 403),
            ("/key/regenerate", json!({"max_budget": 100}), 403),
        ];
        assert_eq!(asked(gateway, &one, &one, &own), [""; 0]);
        // The secret goes to whose key it is.
        assert_eq!(asked(gateway, &two, &two, &[("/key/regenerate", json!({}), 200)]), [""; 0]);
        gateway.post("/team/permissions_update", &json!({"team_id": "t", "team_member_permissions": []}));
        let without = [("/key/update", json!({"key_alias": "x"}), 401), ("/key/regenerate", json!({}), 401)];
        assert_eq!(asked(gateway, &one, &service, &without), [""; 0]);
        assert_eq!(asked(gateway, &one, &one, &without), [""; 0]);
        assert_eq!(asked(gateway, &one, &one, &[("/key/delete", json!({}), 200)]), [""; 0]);
    });
}

#[test]
fn access_groups_are_for_administrators_and_for_teams_that_let_their_members() {
    each(|gateway| {
        let [given, own] = holder(gateway);
        let [one, _, service] = team(gateway, &["/key/update", "/key/generate"]);
        let group = json!({"access_group_name": "secret", "access_model_names": ["other"]});
        let group = gateway.as_key(MASTER, "POST", "/v1/access_group", &group).json()["access_group_id"].clone();
        let groups = json!({"models": ["good"], "access_group_ids": [group]});
        for with in [&given, &own] {
            let personal = [("/key/generate", 403), ("/key/update", 403), ("/key/regenerate", 403)];
            for (path, status) in personal {
                let mut body = groups.clone();
                if path != "/key/generate" {
                    body["key"] = json!(own);
                }
                let answer = gateway.as_key(with, "POST", path, &body);
                assert_eq!(answer.status, status, "{path}: {}", answer.text());
            }
        }
        let mut of_team = groups.clone();
        of_team["team_id"] = json!("t");
        for status in [403, 200] {
            assert_eq!(gateway.as_key(&one, "POST", "/key/generate", &of_team).status, status);
            assert_eq!(asked(gateway, &one, &service, &[("/key/update", groups.clone(), status)]), [""; 0]);
            let permissions = ["/key/update", "/key/generate", "/key/access_group_assignment"];
            gateway.post("/team/permissions_update", &json!({"team_id": "t", "team_member_permissions": permissions}));
        }
        // Who has a list of models in hand does not leave it by way of groups.
        gateway.post("/key/update", &json!({"key": one, "models": ["good"]}));
        assert_eq!(gateway.as_key(&one, "POST", "/key/generate", &of_team).status, 403);
        // What an administrator gave stays.
        gateway.post("/key/update", &json!({"key": own, "access_group_ids": groups["access_group_ids"]}));
        assert_eq!(asked(gateway, &own, &own, &[("/key/update", json!({"key_alias": "mine"}), 200)]), [""; 0]);
    });
}

#[test]
fn regenerating_changes_a_key_as_updating_does() {
    each(|gateway| {
        let [given, own] = holder(gateway);
        team(gateway, &[]);
        gateway.post("/project/new", &json!({"project_id": "p", "team_id": "t"}));
        gateway.key(&json!({"key_alias": "taken"}));
        for (with, key) in [(MASTER, &given), (&*own, &own)] {
            let mut statuses =
                vec![("project_id", json!("p")), ("key_alias", json!("taken")), ("budget_id", json!("none")), ("team_id", json!("none"))];
            statuses.push(("project_id", json!("none")));
            for (name, value) in statuses {
                let path = format!("/key/{key}/regenerate");
                let answer = gateway.as_key(with, "POST", &path, &json!({name: value}));
                assert!(matches!(answer.status.as_u16(), 400 | 404), "{name}: {} {}", answer.status, answer.text());
                let update = gateway.as_key(with, "POST", "/key/update", &json!({"key": key, name: value}));
                assert_eq!((update.status, update.text()), (answer.status, answer.text()), "{name}");
            }
            assert_eq!(gateway.chat(key, "good").status, 200);
        }
        let renewed = gateway.post("/key/regenerate", &json!({"key": given, "spend": 3, "max_budget": 9}));
        let info = gateway.get(&format!("/key/info?key={}", renewed["token"].as_str().expect("a hash")))["info"].clone();
        assert_eq!((&info["spend"], &info["max_budget"], &info["rotation_count"]), (&json!(3.0), &json!(9.0), &json!(1)));
    });
}

#[test]
fn a_key_is_given_on_with_its_budgets() {
    each(|gateway| {
        gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
        gateway.post("/budget/new", &json!({"budget_id": "small", "max_budget": 1}));
        let limits = json!([{"budget_duration": "1d", "max_budget": 1}]);
        let of_model = json!({"good": {"budget_limit": 1, "time_period": "1d"}});
        let lower = json!([{"budget_duration": "1d", "max_budget": 0.5}, {"budget_duration": "7d", "max_budget": 9}]);
        for (own, child, status) in [
            (json!({"budget_id": "small"}), json!({}), 403),
            (json!({"budget_id": "small"}), json!({"budget_id": "small"}), 200),
            (json!({"budget_limits": limits}), json!({}), 403),
            (json!({"budget_limits": limits}), json!({"budget_limits": lower}), 200),
            (json!({"budget_limits": limits}), json!({"budget_limits": [{"budget_duration": "1d", "max_budget": 2}]}), 403),
            (json!({"budget_limits": limits}), json!({"budget_limits": [{"budget_duration": "1h", "max_budget": 1}]}), 403),
            (json!({"model_max_budget": of_model}), json!({}), 403),
            (json!({"model_max_budget": of_model}), json!({"model_max_budget": of_model}), 200),
            (json!({"max_budget": 5, "budget_duration": "1d"}), json!({"max_budget": 5}), 200),
            (json!({"max_budget": 5}), json!({"max_budget": 5, "budget_duration": "1d"}), 403),
            (json!({"soft_budget": 5}), json!({}), 200),
        ] {
            let mut fields = own.clone();
            fields["user_id"] = json!("u");
            let answer = gateway.as_key(&gateway.key(&fields), "POST", "/key/generate", &child);
            assert_eq!(answer.status, status, "{own} {child}: {}", answer.text());
        }
    });
}

#[test]
fn what_only_administrators_of_the_gateway_set() {
    each(|gateway| {
        let [_, own] = holder(gateway);
        gateway.post("/budget/new", &json!({"budget_id": "small", "max_budget": 1}));
        for fields in [
            json!({"permissions": {"x": true}}),
            json!({"end_user_budget_id": "small"}),
            json!({"metadata": {"end_user_budget_id": "small"}}),
            json!({"throttle_on_budget_exceeded": true}),
            json!({"disable_global_guardrails": true}),
            json!({"default_estimated_output_tokens": 1}),
            json!({"default_estimated_output_tokens_per_model": {"good": 1}}),
            json!({"metadata": {"batch_enqueued_token_limit": 1}}),
        ] {
            let cases = ["/key/generate", "/key/update", "/key/regenerate"].map(|path| (path, fields.clone(), 403));
            assert_eq!(asked(gateway, &own, &own, &cases), [""; 0]);
        }
        gateway.post("/key/update", &json!({"key": own, "end_user_budget_id": "small", "throttle_on_budget_exceeded": true}));
        let cases = [
            ("/key/update", json!({"end_user_budget_id": "small", "throttle_on_budget_exceeded": true}), 200),
            ("/key/update", json!({"throttle_on_budget_exceeded": false}), 200),
            ("/key/update", json!({"end_user_budget_id": null}), 403),
            ("/key/update", json!({"metadata": {}}), 403),
        ];
        assert_eq!(asked(gateway, &own, &own, &cases), [""; 0]);
    });
}

#[test]
fn who_administers_an_organization_is_shown_no_secret_of_its_teams() {
    each(|gateway| {
        gateway.post("/organization/new", &json!({"organization_id": "o", "organization_alias": "o"}));
        let [one, _, service] = team(gateway, &[]);
        gateway.post("/team/update", &json!({"team_id": "t", "organization_id": "o"}));
        let chief = gateway.post("/user/new", &json!({"user_id": "chief", "user_role": "internal_user"}));
        let chief = chief["key"].as_str().expect("a key");
        let member = json!({"organization_id": "o", "member": {"role": "org_admin", "user_id": "chief"}});
        gateway.post("/organization/member_add", &member);
        for key in [&one, &service] {
            let cases = [
                ("/key/regenerate", json!({}), 401),
                ("/key/block", json!({}), 200),
                ("/key/unblock", json!({}), 200),
                ("/key/update", json!({"max_budget": 5}), 200),
                ("/key/delete", json!({}), 200),
            ];
            assert_eq!(asked(gateway, chief, key, &cases), [""; 0]);
        }
    });
}
