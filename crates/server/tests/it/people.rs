//! Users and teams, as LiteLLM's clients manage them.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each, with};

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().filter_map(|one| one["user_id"].as_str()).collect()
}

fn team_ids(gateway: &Managed, user: &str) -> Vec<String> {
    let info = gateway.get(&format!("/user/info?user_id={user}"));
    info["teams"].as_array().expect("teams").iter().map(|team| team["team_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_user_is_made_with_a_key_seen_changed_and_deleted() {
    each(|gateway| {
        let made = gateway
            .post("/user/new", &json!({"user_email": "A@example.com", "user_role": "internal_user", "max_budget": 5, "models": ["good"]}));
        let (id, key) = (made["user_id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
        assert_eq!((&made["user_role"], &made["max_budget"]), (&json!("internal_user"), &json!(5.0)));
        assert_eq!(gateway.chat(key, "good").status, 200);
        let denied = gateway.chat(key, "other");
        assert_eq!((denied.status.as_u16(), &denied.json()["error"]["type"]), (403, &json!("key_model_access_denied")));
        let info = gateway.as_key(key, "GET", &format!("/user/info?user_id={id}"), &Value::Null).json();
        assert_eq!((&info["user_info"]["user_email"], info["keys"].as_array().map(Vec::len)), (&json!("A@example.com"), Some(1)));
        assert_eq!(gateway.as_key(key, "GET", "/user/info?user_id=somebody", &Value::Null).status, 403);
        assert_eq!(gateway.as_key(key, "GET", "/v2/user/info", &Value::Null).json()["user_id"], id);
        let taken = gateway.as_key(MASTER, "POST", "/user/new", &json!({"user_email": "a@EXAMPLE.com"}));
        assert_eq!(taken.status, 409);
        let updated = gateway.post("/user/update", &json!({"user_email": "a@example.com", "max_budget": 7, "user_alias": "Ann"}));
        assert_eq!((&updated["user_id"], &updated["data"]["max_budget"]), (&json!(id), &json!(7.0)));
        let page = gateway.get("/user/list?search=EXAMPLE");
        assert_eq!((&page["total"], &page["users"][0]["key_count"]), (&json!(1), &json!(1)));
        assert_eq!(gateway.get("/user/list?role=proxy_admin")["total"], 0);
        assert_eq!(gateway.post("/user/delete", &json!({"user_ids": [id]})), json!(1));
        assert_eq!(gateway.chat(key, "good").status, 401);
        let gone = gateway.as_key(MASTER, "GET", &format!("/user/info?user_id={id}"), &Value::Null);
        assert_eq!((gone.status.as_u16(), &gone.json()["error"]["message"]), (404, &json!(format!("User {id} not found"))));
        assert!(gateway.get("/user/info?user_id=litellm-proxy-budget")["user_info"]["spend"].is_number());
    });
}

#[test]
fn null_leaves_what_a_user_is_and_lifts_limits() {
    each(|gateway| {
        let made = gateway.post(
            "/user/new",
            &json!({
                "user_id": "u", "user_email": "u@example.com", "user_alias": "U", "user_role": "internal_user_viewer", "models": ["good"],
                "max_budget": 5, "rpm_limit": 9, "metadata": {"a": 1}, "guardrails": ["strict"],
            }),
        );
        let key = made["key"].as_str().expect("a key");
        let nulls = json!({
            "user_id": "u", "user_email": null, "user_alias": null, "user_role": null, "models": null, "metadata": null,
            "guardrails": null, "password": null, "budget_limits": null,
        });
        let before = gateway.get("/user/info?user_id=u")["user_info"].clone();
        let same = |after: &Value| {
            for name in ["user_email", "user_alias", "user_role", "models", "metadata", "max_budget", "rpm_limit"] {
                assert_eq!(after[name], before[name], "{name}");
            }
        };
        same(&gateway.post("/user/update", &nulls)["data"]);
        same(&gateway.post("/user/update", &json!({"user_id": "u", "models": []}))["data"]);
        same(&gateway.post("/user/bulk_update", &json!({"users": [nulls]}))["results"][0]["updated_user"]);
        assert_eq!(gateway.as_key(key, "POST", "/key/generate", &json!({})).status, 403, "a viewer still");
        let limits = gateway.post("/user/update", &json!({"user_id": "u", "max_budget": null, "rpm_limit": null}))["data"].clone();
        assert_eq!((&limits["max_budget"], &limits["rpm_limit"]), (&Value::Null, &Value::Null));
        let cleared = gateway.post("/user/update", &json!({"user_id": "u", "cleared": ["models", "user_alias"]}))["data"].clone();
        assert_eq!((&cleared["models"], &cleared["user_alias"]), (&json!([]), &Value::Null));
    });
}

#[test]
fn an_internal_user_makes_keys_for_itself_alone() {
    each(|gateway| {
        let user = |role: &str| gateway.post("/user/new", &json!({"user_role": role}));
        let (own, other, viewer) = (user("internal_user"), user("internal_user"), user("internal_user_viewer"));
        let key = own["key"].as_str().expect("a key");
        let made = gateway.as_key(key, "POST", "/key/generate", &json!({}));
        assert_eq!((made.status.as_u16(), &made.json()["user_id"]), (200, &own["user_id"]));
        let theirs = gateway.as_key(key, "POST", "/key/generate", &json!({"user_id": other["user_id"]}));
        assert_eq!(theirs.status, 403);
        let given = gateway.as_key(key, "POST", "/key/update", &json!({"key": key, "user_id": other["user_id"]}));
        assert_eq!(given.status, 403);
        for (path, body) in [
            ("/key/update", json!({"key": other["key"], "blocked": true})),
            ("/key/delete", json!({"keys": [other["key"]]})),
            ("/key/regenerate", json!({"key": other["key"]})),
        ] {
            assert_eq!(gateway.as_key(key, "POST", path, &body).status, 403, "{path}");
        }
        assert_eq!(gateway.chat(other["key"].as_str().expect("a key"), "good").status, 200);
        let refused = gateway.as_key(viewer["key"].as_str().expect("a key"), "POST", "/key/generate", &json!({}));
        assert_eq!(refused.status, 403);
        for path in ["/team/new", "/user/new"] {
            let refused = gateway.as_key(key, "POST", path, &json!({}));
            assert!(matches!(refused.status.as_u16(), 401 | 403), "{path}: {}", refused.text());
        }
        let listed = gateway.as_key(key, "GET", "/key/list?return_full_object=true", &Value::Null).json();
        assert_eq!(listed["total_count"], 2);
        assert!(listed["keys"].as_array().expect("keys").iter().all(|key| key["user_id"] == own["user_id"]));
    });
}

#[test]
fn people_come_into_a_team_and_leave_it_with_their_keys() {
    each(|gateway| {
        let user = gateway.post("/user/new", &json!({"user_email": "m@example.com", "auto_create_key": false}));
        assert_eq!(user["key"], "");
        let team = gateway.post(
            "/team/new",
            &json!({"team_alias": "one", "models": ["good"], "members_with_roles": [{"role": "admin", "user_id": "boss"}]}),
        );
        let id = team["team_id"].as_str().expect("an id");
        assert_eq!(ids(&team["members_with_roles"]), ["boss", "default_user_id"]);
        let added = gateway.post(
            "/team/member_add",
            &json!({"team_id": id, "member": {"role": "user", "user_email": "M@example.com"}, "max_budget_in_team": 3}),
        );
        let member = user["user_id"].as_str().expect("an id");
        assert_eq!(ids(&added["updated_users"]), [member]);
        assert_eq!(added["updated_team_memberships"][0]["litellm_budget_table"]["max_budget"], 3.0);
        assert_eq!(team_ids(gateway, member), [id]);
        let again =
            gateway.as_key(MASTER, "POST", "/team/member_add", &json!({"team_id": id, "member": {"role": "user", "user_id": member}}));
        assert_eq!((again.status.as_u16(), &again.json()["error"]["type"]), (400, &json!("team_member_already_in_team")));
        let (key, shared) = (gateway.key(&json!({"team_id": id, "user_id": member})), gateway.key(&json!({"team_id": id})));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        let denied = gateway.chat(&key, "other");
        assert_eq!((denied.status.as_u16(), &denied.json()["error"]["type"]), (403, &json!("team_model_access_denied")));
        let forbidden =
            gateway.as_key(&key, "POST", "/team/member_add", &json!({"team_id": id, "member": {"role": "user", "user_id": "x"}}));
        let message = format!("Call not allowed. User not proxy admin OR team admin. route=/team/member_add, team_id={id}");
        assert_eq!((forbidden.status.as_u16(), forbidden.json()), (403, json!({"detail": {"error": message}})));
        let everybody = gateway.as_key(&key, "POST", "/team/bulk_member_add", &json!({"team_id": id, "all_users": true}));
        let message = "`all_users=true` is restricted to PROXY_ADMIN. Org/team admins must specify explicit member lists.";
        assert_eq!((everybody.status.as_u16(), everybody.json()), (403, json!({"detail": {"error": message}})));
        gateway.post("/user/new", &json!({"user_id": "n", "user_email": "n@example.com", "user_alias": "N", "auto_create_key": false}));
        let bulk =
            json!({"team_id": id, "members": [{"role": "user", "user_email": "n@example.com"}, {"role": "user", "user_id": member}]});
        let results = gateway.post("/team/bulk_member_add", &bulk)["results"].clone();
        assert_eq!((&results[0]["user_id"], &results[1]["success"]), (&json!("n"), &json!(false)));
        assert!(results[1]["error"].as_str().is_some_and(|error| error.contains("already in team")), "{results}");
        let changed =
            gateway.post("/team/member_update", &json!({"team_id": id, "user_id": member, "role": "admin", "max_budget_in_team": 4242}));
        assert_eq!(changed["max_budget_in_team"], 4242.0);
        let info = gateway.get(&format!("/team/info?team_id={id}"));
        assert_eq!((info["keys"].as_array().map(Vec::len), &info["team_info"]["models"]), (Some(2), &json!(["good"])));
        let shown = json!({"user_id": "n", "user_email": "n@example.com", "user_alias": "N", "role": "user"});
        assert!(info["team_info"]["members_with_roles"].as_array().is_some_and(|members| members.contains(&shown)), "{info}");
        gateway.post("/team/member_delete", &json!({"team_id": id, "user_email": "m@example.com"}));
        assert_eq!(team_ids(gateway, member), Vec::<String>::new());
        assert_eq!(gateway.chat(&key, "good").json()["error"]["type"], "token_not_found_in_db");
        assert_eq!(gateway.chat(&shared, "good").status, 200);
        let nobody = gateway.as_key(MASTER, "POST", "/team/member_delete", &json!({"team_id": id, "user_id": member}));
        assert_eq!((nobody.status.as_u16(), nobody.json()), (400, json!({"detail": {"error": "User not found in team"}})));
        let absent = gateway.as_key(MASTER, "POST", "/team/delete", &json!({"team_ids": [id, "none"]}));
        assert_eq!((absent.status.as_u16(), absent.json()), (404, json!({"detail": {"error": "Team not found, passed team_id=none"}})));
        assert_eq!(gateway.post("/team/delete", &json!({"team_ids": [id, id]})), json!({"deleted_teams": [id]}));
        assert_eq!(gateway.chat(&shared, "good").status, 401);
        assert_eq!(gateway.as_key(MASTER, "GET", &format!("/team/info?team_id={id}"), &Value::Null).status, 404);
    });
}

#[test]
fn a_team_is_changed_blocked_and_listed() {
    each(|gateway| {
        let made = gateway.post(
            "/team/new",
            &json!({"team_id": "t1", "team_alias": "a", "metadata": {"x": 1}, "tags": ["red"], "model_aliases": {"cheap": "good"}}),
        );
        assert_eq!(made["metadata"], json!({"x": 1, "tags": ["red"]}));
        let twice = gateway.as_key(MASTER, "POST", "/team/new", &json!({"team_id": "t1"}));
        assert_eq!(twice.status, 400);
        let updated = gateway.post("/team/update", &json!({"team_id": "t1", "team_alias": "b", "max_budget": 9}));
        assert_eq!((&updated["team_id"], &updated["data"]["team_alias"]), (&json!("t1"), &json!("b")));
        for (field, value) in made.as_object().expect("fields") {
            if !matches!(field.as_str(), "team_alias" | "max_budget" | "updated_at") {
                assert_eq!(updated["data"][field], *value, "{field}");
            }
        }
        let patch = |body: Value| gateway.as_key(MASTER, "PATCH", "/team/t1", &body);
        let merged = patch(json!({"metadata": {"y": {"a": 1, "b": null}, "z": null}})).json();
        assert_eq!(merged["metadata"], json!({"x": 1, "tags": ["red"], "y": {"a": 1}}));
        let merged = patch(json!({"team_id": "t1", "metadata": {"y": {"c": 2}, "x": null}})).json();
        assert_eq!(merged["metadata"], json!({"tags": ["red"], "y": {"a": 1, "c": 2}}));
        assert_eq!(patch(json!({"team_id": "t2"})).status, 400);
        let key = gateway.key(&json!({"team_id": "t1"}));
        assert_eq!(gateway.chat(&key, "cheap").status, 200);
        gateway.post("/team/block", &json!({"team_id": "t1"}));
        assert_eq!(gateway.chat(&key, "good").status, 401);
        assert_eq!(gateway.get("/team/info?team_id=t1")["team_info"]["blocked"], true);
        gateway.post("/team/unblock", &json!({"team_id": "t1"}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        gateway.post("/team/model/add", &json!({"team_id": "t1", "models": ["other"]}));
        assert_eq!((gateway.chat(&key, "good").status.as_u16(), gateway.chat(&key, "other").status.as_u16()), (403, 200));
        gateway.post("/team/model/delete", &json!({"team_id": "t1", "models": ["other"]}));
        assert_eq!(gateway.chat(&key, "other").status, 403);
        assert_eq!(gateway.get("/team/list")[0]["team_id"], "t1");
        let page = gateway.get("/v2/team/list?search=B");
        assert_eq!((&page["total"], &page["teams"][0]["keys_count"]), (&json!(1), &json!(1)));
        let own = gateway.as_key(&key, "GET", "/team/info", &Value::Null);
        assert_eq!(own.json()["team_id"], "t1");
        let (stranger, known) = (gateway.key(&json!({})), "/team/info?team_id=t1");
        let (foreign, absent) = (
            gateway.as_key(&stranger, "GET", known, &Value::Null),
            gateway.as_key(&stranger, "GET", "/team/info?team_id=t2", &Value::Null),
        );
        assert_eq!((foreign.status, foreign.text()), (absent.status, absent.text()));
    });
}

#[test]
fn members_make_keys_in_a_team_when_it_lets_them() {
    each(|gateway| {
        let user = gateway.post("/user/new", &json!({"user_role": "internal_user"}));
        let (id, key) = (user["user_id"].as_str().expect("an id"), user["key"].as_str().expect("a key"));
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["good"]}));
        gateway.post("/team/member_add", &json!({"team_id": "t", "member": {"role": "user", "user_id": id}}));
        let make = |body: Value| gateway.as_key(key, "POST", "/key/generate", &body);
        assert_eq!(make(json!({"team_id": "t"})).status, 401);
        gateway.post("/team/permissions_update", &json!({"team_id": "t", "team_member_permissions": ["/key/generate"]}));
        assert_eq!(gateway.get("/team/permissions_list?team_id=t")["team_member_permissions"], json!(["/key/generate"]));
        assert_eq!(make(json!({"team_id": "t"})).status, 200);
        assert_eq!(make(json!({"team_id": "t", "models": ["other"]})).status, 403);
        gateway.post("/team/member_update", &json!({"team_id": "t", "user_id": id, "role": "admin"}));
        let add = gateway.as_key(key, "POST", "/team/member_add", &json!({"team_id": "t", "member": {"role": "user", "user_id": "new"}}));
        assert_eq!(add.status, 200, "{}", add.text());
        let more = gateway.as_key(key, "POST", "/team/update", &json!({"team_id": "t", "models": ["good", "other"]}));
        assert_eq!(more.status, 403, "{}", more.text());
        let named = gateway.as_key(key, "POST", "/team/update", &json!({"team_id": "t", "team_alias": "ours"}));
        assert_eq!(named.status, 200, "{}", named.text());
    });
}

#[test]
fn who_administers_a_team_invites_its_people_as_long_as_they_cannot_sign_in() {
    each(|gateway| {
        let user = |id: &str, more: &Value| {
            let mut body = json!({"user_id": id, "user_role": "internal_user", "auto_create_key": false});
            body.as_object_mut().expect("fields").extend(more.as_object().cloned().unwrap_or_default());
            gateway.post("/user/new", &body);
        };
        ["boss", "member", "stranger", "chief"].iter().for_each(|id| user(id, &json!({})));
        user("known", &json!({"password": "secret"}));
        user("root", &json!({"user_role": "proxy_admin"}));
        gateway.post("/organization/new", &json!({"organization_id": "o", "organization_alias": "O"}));
        gateway.post("/organization/member_add", &json!({"organization_id": "o", "member": {"role": "org_admin", "user_id": "chief"}}));
        gateway
            .post("/organization/member_add", &json!({"organization_id": "o", "member": {"role": "internal_user", "user_id": "stranger"}}));
        let members: Vec<Value> = ["member", "known", "root"].iter().map(|id| json!({"role": "user", "user_id": id})).collect();
        gateway.post("/team/new", &json!({"team_id": "t", "members_with_roles": [{"role": "admin", "user_id": "boss"}]}));
        gateway.post("/team/member_add", &json!({"team_id": "t", "member": members}));
        let (boss, chief) = (gateway.key(&json!({"user_id": "boss"})), gateway.key(&json!({"user_id": "chief"})));
        let plain = gateway.key(&json!({"user_id": "member"}));
        let invite = |key: &str, id: &str| gateway.as_key(key, "POST", "/invitation/new", &json!({"user_id": id}));
        let made = invite(&boss, "member");
        assert_eq!((made.status.as_u16(), &made.json()["created_by"]), (200, &json!("boss")), "{}", made.text());
        assert_eq!(invite(&chief, "stranger").status, 200);
        for (key, id) in [(&boss, "stranger"), (&boss, "nobody"), (&boss, "known"), (&boss, "root"), (&chief, "member"), (&plain, "boss")] {
            assert_eq!(invite(key, id).status, 400, "{id}");
        }
        let delete = |key: &str| gateway.as_key(key, "POST", "/invitation/delete", &json!({"invitation_id": made.json()["id"]}));
        assert_eq!((delete(&chief).status.as_u16(), delete(&plain).status.as_u16()), (403, 403));
        assert_eq!(delete(&boss).status, 200);
    });
}

/// A model whose every token costs a tenth of a cent.
const DEAR: &str =
    "  - {model_name: dear, litellm_params: {model: demo/echo, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}\n";

/// The keys of a team's administrator, of a member with a budget in it, and of a stranger. The first two have asked for something.
fn spenders(gateway: &Managed) -> [String; 3] {
    ["boss", "member", "other"].iter().for_each(|id| {
        gateway.post("/user/new", &json!({"user_id": id, "user_role": "internal_user", "auto_create_key": false}));
    });
    let team = json!({"team_id": "t", "team_alias": "T", "members_with_roles": [{"role": "admin", "user_id": "boss"}]});
    gateway.post("/team/new", &team);
    gateway.post("/team/member_add", &json!({"team_id": "t", "member": {"role": "user", "user_id": "member"}, "max_budget_in_team": 1}));
    let key = |user: &str, team: Value| gateway.key(&json!({"user_id": user, "team_id": team}));
    let keys = [key("boss", json!("t")), key("member", json!("t")), key("other", Value::Null)];
    keys[..2].iter().for_each(|key| assert_eq!(gateway.chat(key, "dear").status, 200));
    keys
}

#[test]
fn what_each_user_spent_in_a_team_is_told_to_who_leads_it_and_to_themselves() {
    with(DEAR, |gateway| {
        let [boss, member, stranger] = spenders(gateway);
        let shares = |key: &str| {
            gateway.as_key(key, "GET", "/team/spend/by_user?team_ids=t&start_date=2020-01-01&end_date=2020-01-02", &Value::Null)
        };
        assert_eq!(shares(&boss).json()["results"], json!([]));
        let boss_row = gateway.get("/user/info?user_id=boss");
        let today = &boss_row["user_info"]["created_at"].as_str().expect("a time")[..10];
        let path = format!("/team/spend/by_user?team_ids=t&start_date={today}&end_date={today}");
        crate::spending::until(gateway, &path, |told| told["results"].as_array().is_some_and(|rows| rows.len() == 2));
        let told = |key: &str| gateway.as_key(key, "GET", &path, &Value::Null).json()["results"].clone();
        let row = told(&member);
        assert_eq!(
            (row.as_array().map(Vec::len), &row[0]["user_id"], &row[0]["team_alias"]),
            (Some(1), &json!("member"), &json!("T")),
            "{row}"
        );
        assert_eq!((&row[0]["api_requests"], &row[0]["failed_requests"]), (&json!(1), &json!(0)));
        assert!(row[0]["spend"].as_f64().is_some_and(|spend| spend > 0.0) && told(&boss).as_array().is_some_and(|rows| rows.len() == 2));
        assert_eq!(gateway.as_key(&stranger, "GET", &path, &Value::Null).status, 404);
        for query in
            ["", "?team_ids=t", "?start_date=2020-01-01&end_date=2020-01-02", "?team_ids=t&start_date=2020-01-01&end_date=2024-01-02"]
        {
            assert_eq!(gateway.as_key(MASTER, "GET", &format!("/team/spend/by_user{query}"), &Value::Null).status, 400, "{query}");
        }
    });
}

#[test]
fn a_member_is_set_back_by_who_administers_the_team() {
    with(DEAR, |gateway| {
        let [boss, member, stranger] = spenders(gateway);
        let reset = |key: &str, user: &str, to: f64| {
            gateway.as_key(key, "POST", &format!("/team/t/member/{user}/reset_spend"), &json!({"reset_to": to}))
        };
        for (key, user, to, status) in [
            (&member, "member", 0.0, 403),
            (&stranger, "member", 0.0, 403),
            (&boss, "boss", 0.0, 403),
            (&boss, "other", 0.0, 404),
            (&boss, "member", 99.0, 400),
        ] {
            assert_eq!(reset(key, user, to).status, status, "{user}");
        }
        let done = reset(&boss, "member", 0.0);
        assert_eq!((done.status.as_u16(), &done.json()["max_budget"]), (200, &json!(1.0)), "{}", done.text());
        assert!(done.json()["previous_spend"].as_f64().is_some_and(|spent| spent > 0.0), "{}", done.text());
        let own = gateway.as_key(&member, "GET", "/team/t/members/me", &Value::Null).json();
        assert_eq!(own["spend"].as_f64(), Some(0.0), "{own}");
        assert_eq!(reset(MASTER, "boss", 0.0).status, 200);
        let default = |key: &str, user: &str| gateway.as_key(key, "POST", &format!("/team/t/member/{user}/reset_budget"), &Value::Null);
        assert_eq!((default(&member, "member").status.as_u16(), default(&boss, "boss").status.as_u16()), (403, 403));
        let bare = default(&boss, "member").json();
        assert_eq!(
            (&bare["budget_id"], &bare["budget_source"], bare["previous_budget_id"].is_string()),
            (&Value::Null, &json!("none"), true)
        );
        gateway.post("/team/update", &json!({"team_id": "t", "team_member_budget": 3}));
        let shared = default(&boss, "member").json();
        assert_eq!((&shared["budget_source"], shared["budget_id"].is_string()), (&json!("team_default"), true), "{shared}");
    });
}
