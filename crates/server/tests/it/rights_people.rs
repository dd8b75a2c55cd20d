//! Whom somebody who administers a team or an organization invites, deletes and makes keys for.

use serde_json::{Value, json};

use crate::managed::{Managed, each};

/// Two organizations, each with an administrator, a team and the team's administrator; of the first one the keys of both.
fn two(gateway: &Managed) -> [String; 2] {
    let mut keys = Vec::new();
    for own in ["a", "b"] {
        gateway.post("/organization/new", &json!({"organization_alias": own, "organization_id": own}));
        for user in ["org", "team", "user"] {
            let user = gateway.post("/user/new", &json!({"user_id": format!("{user}-{own}"), "user_role": "internal_user"}));
            keys.push(user["key"].as_str().expect("a key").to_owned());
        }
        let member = |user: &str, role: &str| json!({"organization_id": own, "member": {"user_id": format!("{user}-{own}"), "role": role}});
        gateway.post("/organization/member_add", &member("org", "org_admin"));
        let members = json!([{"user_id": format!("team-{own}"), "role": "admin"}, {"user_id": format!("user-{own}"), "role": "user"}]);
        let team = json!({"team_id": format!("team-{own}"), "organization_id": own, "members_with_roles": members});
        gateway.post("/team/new", &team);
    }
    [keys[0].clone(), keys[1].clone()]
}

#[test]
fn who_is_brought_in_from_elsewhere_is_nobodys_to_invite_or_delete() {
    each(|gateway| {
        let [org, team] = two(gateway);
        gateway.post("/user/new", &json!({"user_id": "loner", "user_role": "internal_user", "auto_create_key": false}));
        gateway.post("/user/new", &json!({"user_id": "root", "user_role": "proxy_admin", "auto_create_key": false}));
        let ask = |key: &str, path: &str, body: Value| gateway.as_key(key, "POST", path, &body);
        // Who is its own it invites.
        assert_eq!(ask(&team, "/invitation/new", json!({"user_id": "user-a"})).status, 200);
        assert_eq!(ask(&org, "/invitation/new", json!({"user_id": "user-a"})).status, 200);
        assert_eq!(
            ask(&team, "/team/member_add", json!({"team_id": "team-a", "member": {"user_id": "fresh", "role": "user"}})).status,
            200
        );
        assert_eq!(ask(&team, "/invitation/new", json!({"user_id": "fresh"})).status, 200);
        for other in ["org-b", "user-b", "loner", "root"] {
            let member = json!({"user_id": other, "role": "user"});
            let added = ask(&team, "/team/member_add", json!({"team_id": "team-a", "member": member}));
            assert_eq!(added.status, 200, "{other}: {}", added.text());
            let invited = ask(&team, "/invitation/new", json!({"user_id": other}));
            assert_eq!(invited.status, 400, "{other}: {}", invited.text());
            let member = json!({"user_id": other, "role": "internal_user"});
            let added = ask(&org, "/organization/member_add", json!({"organization_id": "a", "member": member}));
            assert_eq!(added.status, 200, "{other}: {}", added.text());
            assert_eq!(ask(&org, "/invitation/new", json!({"user_id": other})).status, 400, "{other}");
            let deleted = ask(&org, "/user/delete", json!({"user_ids": [other]}));
            assert_eq!(deleted.status, 403, "{other}: {}", deleted.text());
        }
        // Nor by a team made for it.
        gateway.post("/user/new", &json!({"user_id": "second", "user_role": "internal_user", "auto_create_key": false}));
        let members = json!([{"user_id": "second", "role": "user"}]);
        let made = ask(&org, "/team/new", json!({"team_id": "more-a", "organization_id": "a", "members_with_roles": members}));
        assert_eq!(made.status, 200, "{}", made.text());
        assert_eq!(ask(&org, "/invitation/new", json!({"user_id": "second"})).status, 400);
        // Whom it made, and whom it was given, it deletes.
        let made = ask(&org, "/user/new", json!({"user_id": "third", "organizations": ["a"], "auto_create_key": false}));
        assert_eq!(made.status, 200, "{}", made.text());
        gateway
            .post("/organization/member_add", &json!({"organization_id": "a", "member": {"user_id": "user-a", "role": "internal_user"}}));
        assert_eq!(ask(&org, "/user/delete", json!({"user_ids": ["third", "user-a"]})).status, 200);
        let role = json!({"user_id": "fourth", "role": "proxy_admin"});
        assert_eq!(ask(&org, "/organization/member_add", json!({"organization_id": "a", "member": role})).status, 422);
    });
}

#[test]
fn a_key_for_somebody_who_sees_more_than_its_maker_is_for_calls_alone() {
    each(|gateway| {
        let [_, team] = two(gateway);
        gateway.post("/user/new", &json!({"user_id": "root", "user_role": "proxy_admin", "auto_create_key": false}));
        let ask = |key: &str, path: &str, body: Value| gateway.as_key(key, "POST", path, &body);
        for (other, places) in [
            ("root", ["/user/list", "/organization/info?organization_id=b"]),
            ("org-b", ["/organization/info?organization_id=b", "/team/info?team_id=team-b"]),
        ] {
            ask(&team, "/team/member_add", json!({"team_id": "team-a", "member": {"user_id": other, "role": "user"}}));
            let made = ask(&team, "/key/generate", json!({"team_id": "team-a", "user_id": other}));
            assert_eq!(made.status, 200, "{other}: {}", made.text());
            let made = made.json();
            assert_eq!((&made["key_type"], &made["allowed_routes"]), (&json!("llm_api"), &json!(["llm_api_routes"])));
            let key = made["key"].as_str().expect("a key");
            assert_eq!(gateway.chat(key, "good").status, 200);
            for place in places {
                assert_eq!(gateway.as_key(key, "GET", place, &Value::Null).status, 403, "{other} {place}");
            }
            for more in [
                json!({"key_type": "management"}),
                json!({"allowed_routes": ["management_routes"]}),
                json!({"allowed_routes": ["llm_api_routes", "info_routes"]}),
            ] {
                let mut body = json!({"team_id": "team-a", "user_id": other});
                body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
                assert_eq!(ask(&team, "/key/generate", body).status, 403, "{other} {more}");
            }
            for more in [json!([]), json!(["management_routes"])] {
                let widened = ask(&team, "/key/update", json!({"key": key, "allowed_routes": more}));
                assert_ne!(gateway.as_key(key, "GET", places[0], &Value::Null).status, 200, "{other} {more}: {}", widened.text());
            }
            assert_eq!(ask(&team, "/key/regenerate", json!({"key": key})).status, 200);
            // A key of the user's own there is shown to nobody else.
            let own = gateway.key(&json!({"team_id": "team-a", "user_id": other}));
            assert_eq!(ask(&team, "/key/regenerate", json!({"key": own})).status, 403, "{other}");
        }
        let made = ask(&team, "/key/generate", json!({"team_id": "team-a", "user_id": "user-a"})).json();
        assert_eq!((&made["key_type"], &made["allowed_routes"]), (&json!("default"), &json!([])));
    });
}
