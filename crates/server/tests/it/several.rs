//! Many keys, members and users at a time: each for itself.

use serde_json::{Value, json};

use crate::managed::{self, MASTER, Managed};

/// What each row says, by whether it was done and why not.
fn told(reply: &Value, error: &str) -> Vec<(bool, String)> {
    let rows = reply["data"].as_array().expect("rows").iter();
    rows.map(|row| (row["success"] == true, row[error].as_str().unwrap_or_default().to_owned())).collect()
}

fn well(rows: &[(bool, String)]) -> Vec<bool> {
    rows.iter().map(|(done, _)| *done).collect()
}

#[test]
fn members_are_changed_and_taken_out_together() {
    managed::each(|gateway| {
        for user in ["a", "b", "c"] {
            gateway.post("/user/new", &json!({"user_id": user, "user_email": format!("{user}@example.com"), "auto_create_key": false}));
        }
        let members = ["a", "b", "c"].map(|user| json!({"user_id": user, "user_email": format!("{user}@example.com"), "role": "user"}));
        gateway.post("/team/new", &json!({"team_id": "t", "team_member_budget": 5.0, "members_with_roles": members}));
        let path = "/management/v1/teams/t/members/bulk_update";
        let changes = json!({"members": [
            {"user_id": "a", "max_budget_in_team": 10, "budget_duration": "10d"},
            {"user_email": "B@example.com", "rpm_limit": 7},
            {"user_id": "nobody", "rpm_limit": 7},
            {"user_email": "a@example.com", "max_budget_in_team": 1000},
        ]});
        let reply = gateway.post(path, &changes);
        assert_eq!(well(&told(&reply, "error")), [true, true, false, false], "{reply}");
        assert_eq!((&reply["data"][0]["max_budget"], &reply["data"][0]["max_budget_source"]), (&json!(10.0), &json!("member")));
        assert_eq!((&reply["data"][1]["max_budget"], &reply["data"][1]["rpm_limit"]), (&json!(5.0), &json!(7)));
        // What one has is nobody else's: the third still has what all share.
        let reply = gateway.post(path, &json!({"members": [{"user_id": "c"}]}));
        assert_eq!((&reply["data"][0]["max_budget"], &reply["data"][0]["max_budget_source"]), (&json!(5.0), &json!("team_default")));
        let nothing = json!({"members": [{"user_id": "a", "max_budget_in_team": null, "budget_duration": null}]});
        let reply = gateway.post(path, &nothing);
        assert_eq!((&reply["data"][0]["max_budget"], &reply["data"][0]["max_budget_source"]), (&json!(5.0), &json!("team_default")));
        for wrong in [
            json!({"members": []}),
            json!({"members": [{"user_id": "a", "user_email": "a@example.com"}]}),
            json!({"members": [{"user_id": "a", "max_bugdet_in_team": 1}]}),
        ] {
            let reply = gateway.as_key(MASTER, "POST", path, &wrong);
            assert_eq!((reply.status.as_u16(), &reply.json()["title"]), (422, &json!("Invalid request body")), "{wrong}");
            assert_eq!(reply.headers["content-type"], "application/problem+json");
        }
        let gone = json!({"members": [{"user_id": "a"}, {"user_email": "b@example.com"}, {"user_id": "a"}, {"user_id": "nobody"}]});
        let reply = gateway.post("/management/v1/teams/t/members/bulk_delete", &gone);
        let told = told(&reply, "error");
        assert_eq!(well(&told), [true, true, false, false]);
        assert_eq!((told[2].1.as_str(), told[3].1.as_str()), ("Duplicate member in request", "User not found in team"));
        let left = gateway.get("/team/info?team_id=t")["team_info"]["members_with_roles"].clone();
        assert_eq!(
            left.as_array().map(|left| left.iter().map(|one| one["user_id"].clone()).collect()),
            Some(vec![json!("c"), json!("default_user_id")])
        );
        let missing = gateway.as_key(MASTER, "POST", "/management/v1/teams/none/members/bulk_delete", &gone);
        assert_eq!((missing.status.as_u16(), &missing.json()["type"]), (404, &json!("urn:litellm:error:team-not-found")));
        // To whoever leads neither, a team is as one that is not there.
        let stranger = gateway.key(&json!({"user_id": "c"}));
        let refused = ["t", "none"].map(|team| {
            let reply = gateway.as_key(&stranger, "POST", &format!("/management/v1/teams/{team}/members/bulk_delete"), &gone);
            (reply.status.as_u16(), reply.json())
        });
        assert_eq!((refused[0].0, &refused[0].1), (403, &refused[1].1));
    });
}

#[test]
fn users_are_made_and_deleted_together() {
    managed::each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t"}));
        let users = json!({"users": [
            {"user_id": "a", "user_email": "a@example.com", "teams": ["t"], "auto_create_key": true},
            {"user_id": "b"},
            {"user_id": "a"},
            {"user_id": "d", "teams": ["none"]},
        ]});
        let reply = gateway.post("/management/v1/users/bulk", &users);
        assert_eq!(well(&told(&reply, "error")), [true, true, false, false], "{reply}");
        assert_eq!(reply["meta"], json!({"total_requested": 4, "created": 2, "failed": 2}));
        assert_eq!((&reply["data"][0]["teams"], &reply["data"][1]["key"]), (&json!(["t"]), &Value::Null));
        let key = reply["data"][0]["key"].as_str().expect("a key").to_owned();
        assert_eq!(gateway.chat(&key, "good").status, 200);
        let refused = gateway.as_key(&key, "POST", "/management/v1/users/bulk_delete", &json!({"user_ids": ["b"]}));
        assert_eq!(refused.status, 403, "{}", refused.text());
        let reply = gateway.post("/management/v1/users/bulk_delete", &json!({"user_ids": ["a", "a", "none", "b"]}));
        assert_eq!(well(&told(&reply, "error")), [true, false, false, true], "{reply}");
        assert_eq!(reply["data"][0]["teams_removed"], json!(["t"]));
        assert_eq!(gateway.chat(&key, "good").status, 401);
    });
}

#[test]
fn keys_of_a_team_are_changed_alike() {
    managed::each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t"}));
        let (one, two) = (gateway.key(&json!({"team_id": "t"})), gateway.key(&json!({"team_id": "t"})));
        let (blocked, foreign) = (gateway.key(&json!({"team_id": "t", "blocked": true})), gateway.key(&json!({})));
        let limit = |key: &str| gateway.get(&format!("/key/info?key={key}"))["info"]["rpm_limit"].clone();
        let ask = |body: Value| gateway.post("/team/key/bulk_update", &body);
        let told = ask(json!({"team_id": "t", "key_ids": [one, one, foreign], "update_fields": {"rpm_limit": 7}}));
        assert_eq!((&told["total_requested"], told["successful_updates"].as_array().map(Vec::len)), (&json!(2), Some(1)), "{told}");
        assert_eq!((&told["failed_updates"][0]["key"], limit(&foreign)), (&json!(foreign), Value::Null));
        assert_eq!((limit(&one), limit(&two)), (json!(7), Value::Null));
        let told = ask(json!({"team_id": "t", "all_keys_in_team": true, "update_fields": {"rpm_limit": 8, "max_budget": 1}}));
        assert_eq!(told["total_requested"], 2, "what is blocked stays as it is");
        assert_eq!([&one, &two, &blocked].map(|key| limit(key)), [json!(8), json!(8), Value::Null]);
        let of_none = json!({"team_id": "t", "update_fields": {"rpm_limit": 1}});
        assert_eq!(gateway.as_key(MASTER, "POST", "/team/key/bulk_update", &of_none).status, 400);
        // Who is of another team learns nothing of its keys.
        gateway.post("/user/new", &json!({"user_id": "somebody", "auto_create_key": false}));
        let stranger = gateway.key(&json!({"user_id": "somebody"}));
        let all = json!({"team_id": "t", "all_keys_in_team": true, "update_fields": {"rpm_limit": 1}});
        let reply = gateway.as_key(&stranger, "POST", "/team/key/bulk_update", &all);
        assert_eq!((reply.status.as_u16(), limit(&one)), (403, json!(8)), "{}", reply.text());
    });
}

#[test]
fn some_of_an_organization_is_changed() {
    let gateway = Managed::with_models("", "", &[]);
    gateway.post("/organization/new", &json!({"organization_id": "o", "organization_alias": "ours", "models": ["good"], "max_budget": 5}));
    let patch = |body: Value| {
        let reply = gateway.as_key(MASTER, "PATCH", "/v2/organization/o", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    };
    let told = patch(json!({"metadata": {"a": 1}, "max_budget": null}));
    assert_eq!(
        (&told["models"], &told["metadata"], &told["litellm_budget_table"]["max_budget"]),
        (&json!(["good"]), &json!({"a": 1}), &Value::Null)
    );
    let told = patch(json!({"models": [], "metadata": null, "max_budget": 7}));
    assert_eq!((&told["models"], &told["metadata"], &told["litellm_budget_table"]["max_budget"]), (&json!([]), &json!({}), &json!(7.0)));
    assert_eq!(told["organization_alias"], "ours");
}
