//! What those may spend who have no budget of their own, what refusals and tags look like, and who may make keys.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::managed::{MASTER, Managed, with};
use crate::spending::until;

const CENT: &str = "
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
  - {model_name: priceless, litellm_params: {model: openai/nobody-knows-it, api_base: 'http://127.0.0.1:9', api_key: none}}
";

/// Runs a test with those lines of `litellm_settings`.
fn set(litellm: &str, test: impl Fn(&Managed)) {
    with(&format!("{CENT}litellm_settings:\n  num_retries: 0\n{litellm}"), test);
}

fn call(gateway: &Managed, key: &str, headers: &[(&str, &str)], more: &Value) -> Reply {
    let mut body = json!({"model": "cent", "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let ask = gateway.app.ask("POST", "/v1/chat/completions").key(key).json(&body);
    headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send()
}

fn statuses(count: usize, ask: impl Fn() -> Reply) -> Vec<u16> {
    (0..count).map(|_| ask().status.as_u16()).collect()
}

fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap_or_else(|| panic!("no message: {}", reply.text())).to_owned()
}

#[test]
fn customers_without_a_budget_have_the_configurations() {
    set("  max_end_user_budget: 0.02\n", |gateway| {
        let as_user = |user: &str| call(gateway, MASTER, &[], &json!({"user": user}));
        assert_eq!(statuses(3, || as_user("nobody")), [200, 200, 422]);
        assert!(message(&as_user("nobody")).contains("End User=nobody"), "{}", as_user("nobody").text());
        assert_eq!(as_user("else").status, 200, "each has its own");
        gateway.post("/customer/new", &json!({"user_id": "known"}));
        assert_eq!(statuses(3, || as_user("known")), [200, 200, 422], "a row without a budget is none");
        gateway.post("/customer/new", &json!({"user_id": "rich", "max_budget": 1}));
        assert_eq!(statuses(3, || as_user("rich")), [200, 200, 200]);
        assert_eq!(statuses(3, || call(gateway, MASTER, &[], &json!({}))), [200, 200, 200], "who names nobody");
    });
    set("  max_end_user_budget_id: small\n  max_end_user_budget: 5\n", |gateway| {
        gateway.post("/budget/new", &json!({"budget_id": "small", "max_budget": 0.01, "rpm_limit": 30}));
        let as_user = |user: &str| call(gateway, MASTER, &[], &json!({"user": user}));
        assert_eq!(statuses(2, || as_user("nobody")), [200, 422]);
        assert_eq!(as_user("else").header("x-ratelimit-end_user-limit-requests"), "30");
    });
}

/// What key, team and project say of a call stands in its line, and their tags' budgets hold.
#[test]
fn a_call_bears_what_its_key_team_and_project_say() {
    set("", |gateway| {
        gateway.post("/tag/new", &json!({"name": "built", "max_budget": 0.01}));
        let said = |name: &str| json!({name: 1, "who": name});
        gateway.post("/team/new", &json!({"team_id": "t", "metadata": {"tags": ["team"], "spend_logs_metadata": said("team")}}));
        let project = gateway.post("/project/new", &json!({"team_id": "t", "metadata": {"tags": ["built"]}}));
        let of_key = json!({"tags": ["key"], "spend_logs_metadata": said("key")});
        let key = gateway.key(&json!({"team_id": "t", "project_id": project["project_id"], "metadata": of_key}));
        let more = json!({"metadata": {"spend_logs_metadata": {"who": "call"}}});
        assert_eq!(statuses(2, || call(gateway, &key, &[], &more)), [200, 422]);
        let lines = until(gateway, &format!("/spend/logs?api_key={key}"), |lines| lines[0].is_object());
        assert_eq!(lines[0]["metadata"]["spend_logs_metadata"], json!({"team": 1, "key": 1, "who": "call"}));
        let tags: Vec<&str> = lines[0]["request_tags"].as_array().expect("tags").iter().filter_map(Value::as_str).collect();
        assert!(["key", "team", "built"].iter().all(|tag| tags.contains(tag)), "{tags:?}");
    });
}

/// Nothing is used by counting.
#[test]
fn counting_tokens_is_not_held_against_money_or_tokens() {
    with(
        "  - {model_name: dear, litellm_params: {model: demo/echo, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}\n",
        |gateway| {
            let words = "word ".repeat(200);
            let body = json!({"model": "dear", "max_tokens": 5, "messages": [{"role": "user", "content": words}]});
            for fields in [json!({"max_budget": 0.01}), json!({"tpm_limit": 20})] {
                let key = gateway.key(&fields);
                let counted = gateway.as_key(&key, "POST", "/v1/messages/count_tokens", &body);
                assert_eq!(counted.status, 200, "{fields}: {}", counted.text());
                assert_ne!(gateway.as_key(&key, "POST", "/v1/messages", &body).status, 200, "{fields}");
            }
        },
    );
}

#[test]
fn a_key_names_the_budget_of_its_customers_who_have_none() {
    set("  max_end_user_budget_id: everybodys\n", |gateway| {
        gateway.post("/budget/new", &json!({"budget_id": "everybodys", "max_budget": 0.01}));
        gateway.post("/budget/new", &json!({"budget_id": "small", "max_budget": 0.02, "rpm_limit": 30}));
        gateway.post("/budget/new", &json!({"budget_id": "large", "max_budget": 0.03}));
        for (id, more) in [("known", json!({})), ("rich", json!({"max_budget": 1}))] {
            let mut customer = json!({"user_id": id});
            customer.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            gateway.post("/customer/new", &customer);
        }
        let [small, large, gone] = ["small", "large", "large"].map(|budget| gateway.key(&json!({"end_user_budget_id": budget})));
        let ask = |key: &str, user: &str| call(gateway, key, &[], &json!({"user": user}));
        assert_eq!(ask(&small, "nobody").header("x-ratelimit-end_user-limit-requests"), "30");
        assert_eq!(statuses(2, || ask(&small, "nobody")), [200, 422]);
        assert!(message(&ask(&small, "nobody")).contains("End User=nobody"), "{}", ask(&small, "nobody").text());
        assert_eq!(statuses(3, || ask(&small, "known")), [200, 200, 422], "a row without a budget is none");
        assert_eq!(statuses(4, || ask(&small, "rich")), [200; 4], "its own goes before");
        assert_eq!(statuses(4, || ask(&large, "nobody")), [200, 200, 200, 422], "each budget is one of its own");
        assert_eq!(ask(&small, "budget/large/else").status, 200);
        assert_eq!(statuses(3, || ask(&large, "else")), [200; 3], "nobody reaches another's by a name");
        assert_eq!(statuses(2, || ask(MASTER, "elsewhere")), [200, 422], "without it everybody's holds");
        // What there is not is not named, and a budget that is gone leaves everybody's.
        let refused = gateway.as_key(MASTER, "POST", "/key/generate", &json!({"end_user_budget_id": "none"}));
        assert_eq!(refused.status, 400, "{}", refused.text());
        gateway.post("/budget/delete", &json!({"id": "large"}));
        assert_eq!(statuses(2, || ask(&gone, "third")), [200, 422]);
        let told = gateway.get("/customer/info?end_user_id=known");
        assert_eq!(told["spend"], 0.02, "what a customer spends is counted wherever it spends it: {told}");
    });
}

#[test]
fn tags_have_budgets_in_the_configuration() {
    set("  tag_budget_config: {red: {max_budget: 0.02, budget_duration: 1d}, blue: {budget_limit: 0.01, time_period: 1d}}\n", |gateway| {
        let tagged = |tag: &str| call(gateway, MASTER, &[], &json!({"metadata": {"tags": [tag]}}));
        assert_eq!(statuses(3, || tagged("red")), [200, 200, 422]);
        assert!(message(&tagged("red")).contains("Tag=red"), "{}", tagged("red").text());
        assert_eq!(statuses(2, || tagged("blue")), [200, 422]);
        assert_eq!(statuses(3, || tagged("green")), [200, 200, 200]);
    });
    // The same where nothing is kept.
    let yaml = format!("model_list:{CENT}litellm_settings: {{tag_budget_config: {{red: {{max_budget: 0.01}}}}}}\n");
    let app = TestApp::of(&yaml);
    let body = json!({"model": "cent", "messages": [{"role": "user", "content": "hello"}], "metadata": {"tags": ["red"]}});
    let ask = || app.ask("POST", "/v1/chat/completions").json(&body).send();
    assert_eq!(statuses(2, ask), [200, 422]);
}

#[test]
fn a_spent_budget_has_the_status_that_is_wanted() {
    set("  budget_exceeded_status_code: 429\n", |gateway| {
        let key = gateway.key(&json!({"max_budget": 0.01}));
        let ask = || call(gateway, &key, &[], &json!({}));
        assert_eq!(statuses(2, ask), [200, 429]);
        let told = ask().json();
        assert_eq!((&told["error"]["type"], &told["error"]["code"]), (&json!("budget_exceeded"), &json!("429")), "{told}");
    });
    set("  budget_exceeded_status_code: 200\n", |gateway| {
        let key = gateway.key(&json!({"max_budget": 0}));
        assert_eq!(call(gateway, &key, &[], &json!({})).status, 422, "a refusal does not look like an answer");
    });
}

#[test]
fn models_without_a_price_are_refused_where_that_is_wanted() {
    for (litellm, refused) in [("", false), ("  block_requests_for_models_without_pricing: true\n", true)] {
        set(litellm, |gateway| {
            let reply = call(gateway, MASTER, &[], &json!({"model": "priceless"}));
            assert_eq!(reply.status == 403, refused, "{}", reply.text());
            if refused {
                let told = reply.json();
                assert_eq!((&told["error"]["type"], &told["error"]["param"]), (&json!("model_cost_map_missing"), &json!("model")));
                assert!(message(&reply).starts_with("Model 'priceless' has no pricing in the cost map"), "{told}");
            }
            assert_eq!(call(gateway, MASTER, &[], &json!({})).status, 200);
        });
    }
}

/// The lines of the log, when there are so many.
fn lines(gateway: &Managed, count: usize) -> Vec<Value> {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let told = gateway.get("/spend/logs?summarize=false");
        let lines = told.as_array().expect("a list").clone();
        if lines.len() >= count {
            return lines;
        }
        assert!(std::time::Instant::now() < end, "{told}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn headers_become_tags() {
    let agent = ("user-agent", "curl/8.1");
    set("  extra_spend_tag_headers: [X-Custom-App]\n", |gateway| {
        gateway.post("/tag/new", &json!({"name": "x-custom-app: shop", "max_budget": 0.01}));
        let ask = || call(gateway, MASTER, &[("x-custom-app", "shop"), agent], &json!({}));
        assert_eq!(statuses(2, ask), [200, 422], "they have budgets like others");
        let line = lines(gateway, 1).pop().expect("a line");
        assert_eq!(line["request_tags"], json!(["x-custom-app: shop", "User-Agent: curl", "User-Agent: curl/8.1"]), "{line}");
    });
    set("  disable_add_user_agent_to_request_tags: true\n", |gateway| {
        assert_eq!(call(gateway, MASTER, &[agent], &json!({"tags": ["red"]})).status, 200);
        assert_eq!(lines(gateway, 1)[0]["request_tags"], json!(["red"]));
    });
}

#[test]
fn nobody_counts_customers_where_that_is_not_wanted() {
    set("  disable_end_user_cost_tracking: true\n  enable_end_user_cost_tracking_prometheus_only: true\n", |gateway| {
        gateway.post("/customer/new", &json!({"user_id": "c", "max_budget": 0.01}));
        gateway.post("/customer/new", &json!({"user_id": "b"}));
        gateway.post("/customer/block", &json!({"user_ids": ["b"]}));
        let as_user = |user: &str| call(gateway, MASTER, &[], &json!({"user": user}));
        assert_eq!(statuses(3, || as_user("c")), [200, 200, 200]);
        assert_eq!(as_user("b").status, 400, "who is blocked stays so");
        assert!(lines(gateway, 3).iter().all(|line| line["end_user"].is_null() || line["end_user"] == ""));
        let page = gateway.as_key(MASTER, "GET", "/metrics", &Value::Null);
        assert!(!page.text().contains("end_user=\"c\""));
    });
}

#[test]
fn customers_of_the_list_are_refused_until_they_are_unblocked() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("blocked");
    std::fs::write(&file, "eu\n\nother\n").expect("a file");
    for list in ["[eu, other]".to_owned(), file.display().to_string()] {
        set(&format!("  callbacks: [blocked_user_check]\n  blocked_user_list: {list}\n"), |gateway| {
            gateway.post("/customer/new", &json!({"user_id": "other", "max_budget": 5}));
            let as_user = |user: &str| call(gateway, MASTER, &[], &json!({"user": user}));
            for user in ["eu", "other"] {
                let (refused, message) = (as_user(user), format!("User blocked from making LLM API Calls. User={user}"));
                let error = json!({
                    "message": message, "type": "invalid_request_error", "param": null, "code": "400",
                    "provider_specific_fields": {"error": message},
                });
                assert_eq!((refused.status.as_u16(), refused.json()), (400, json!({"error": error})));
                assert_eq!(gateway.post("/customer/unblock", &json!({"user_ids": [user]})), json!({"blocked_users": []}));
                assert_eq!(as_user(user).status, 200);
            }
            gateway.post("/customer/block", &json!({"user_ids": ["eu"]}));
            assert_eq!((as_user("eu").status.as_u16(), as_user("anybody").status.as_u16()), (400, 200));
        });
    }
}

#[test]
fn tags_become_labels_of_metrics() {
    set("  custom_prometheus_tags: [prod, 'team-*']\n", |gateway| {
        assert_eq!(call(gateway, MASTER, &[], &json!({"tags": ["prod", "secret"]})).status, 200);
        assert_eq!(call(gateway, MASTER, &[], &json!({"tags": ["team-a"]})).status, 200);
        let page = gateway.as_key(MASTER, "GET", "/metrics", &Value::Null);
        for labels in ["tag_prod=\"true\",tag_team__=\"false\"", "tag_prod=\"false\",tag_team__=\"true\""] {
            assert!(page.text().contains(labels), "{labels}: {}", page.text());
        }
        assert!(!page.text().contains("secret"));
    });
}

#[test]
fn the_log_says_nothing_of_keys_where_that_is_not_wanted() {
    let written = |litellm: &str| {
        let gateway = Managed::with_models("", &format!("{CENT}litellm_settings: {{{litellm}}}\n"), &[]);
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.chat(&key, "cent").status, 200);
        let tail = key[key.len() - 4..].to_owned();
        (gateway.stop().1, tail)
    };
    let (log, tail) = written("");
    assert!(log.contains(&format!("\"key\":\"sk-...{tail}\"")), "{log}");
    let (log, tail) = written("redact_user_api_key_info: true");
    assert!(log.contains("\"key\":\"redacted\"") && !log.contains(&tail), "{log}");
}

/// A user who makes keys, by a key of its own.
fn person(gateway: &Managed, user: &str, role: &str) -> String {
    gateway.post("/user/new", &json!({"user_id": user, "user_role": role, "auto_create_key": false}));
    gateway.key(&json!({"user_id": user}))
}

fn refusal(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), message(reply))
}

#[test]
fn personal_keys_are_made_by_whom_the_configuration_names() {
    let making = "  key_generation_settings: {personal_key_generation: {allowed_user_roles: [proxy_admin], required_params: [tags]}}\n";
    set(making, |gateway| {
        let make = |key: &str, body: &Value| gateway.as_key(key, "POST", "/key/generate", body);
        let user = json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false});
        gateway.post("/user/new", &user);
        let key = gateway.key(&json!({"user_id": "u", "tags": ["a"]}));
        let words = "Personal key creation has been restricted by admin. Allowed roles=['proxy_admin']. Your role=internal_user";
        assert_eq!(refusal(&make(&key, &json!({"tags": ["a"]}))), (400, words.to_owned()));
        assert_eq!(refusal(&make(MASTER, &json!({}))), (400, "Required param tags not in data".to_owned()));
        gateway.post("/team/new", &json!({"team_id": "t"}));
        assert_eq!(make(MASTER, &json!({"team_id": "t"})).status, 200, "a team's key is another matter");
    });
    with("general_settings: {default_team_disabled: true}", |gateway| {
        let key = person(gateway, "u", "internal_user");
        let make = |body: &Value| gateway.as_key(&key, "POST", "/key/generate", body);
        let words = "Personal key creation has been restricted by admin. Allowed roles=['proxy_admin']. Your role=internal_user";
        assert_eq!(refusal(&make(&json!({}))), (400, words.to_owned()));
        let members = json!([{"role": "admin", "user_id": "u"}]);
        gateway.post("/team/new", &json!({"team_id": "t", "members_with_roles": members}));
        assert_eq!(make(&json!({"team_id": "t"})).status, 200);
    });
}

#[test]
fn keys_of_teams_are_made_by_roles_of_the_team() {
    let making = "  key_generation_settings: {team_key_generation: {allowed_team_member_roles: [admin], required_params: [key_alias]}}\n";
    set(making, |gateway| {
        let (boss, member) = (person(gateway, "boss", "internal_user"), person(gateway, "member", "internal_user"));
        let members = json!([{"role": "admin", "user_id": "boss"}, {"role": "user", "user_id": "member"}]);
        gateway.post(
            "/team/new",
            &json!({"team_id": "t", "members_with_roles": members, "team_member_permissions": ["/key/generate", "/key/info"]}),
        );
        let make = |key: &str, body: &Value| gateway.as_key(key, "POST", "/key/generate", body);
        let words = "Team member role user not in allowed_team_member_roles=['admin']";
        assert_eq!(refusal(&make(&member, &json!({"team_id": "t", "key_alias": "m"}))), (400, words.to_owned()));
        assert_eq!(refusal(&make(&boss, &json!({"team_id": "t"}))), (400, "Required param key_alias not in data".to_owned()));
        assert_eq!(make(&boss, &json!({"team_id": "t", "key_alias": "b"})).status, 200);
        assert_eq!(make(MASTER, &json!({"team_id": "t"})).status, 200);
    });
}

#[test]
fn aliases_have_a_form_where_that_is_wanted() {
    for (litellm, status) in [("", 200), ("  enable_key_alias_format_validation: true\n", 400)] {
        set(litellm, |gateway| {
            let make = |alias: &str| gateway.as_key(MASTER, "POST", "/key/generate", &json!({"key_alias": alias}));
            for alias in ["with space", "-begins", "x", "umlaut-ä"] {
                let reply = make(alias);
                assert_eq!(reply.status.as_u16(), status, "{alias}: {}", reply.text());
                if status == 400 {
                    assert_eq!(
                        (&reply.json()["error"]["param"], &reply.json()["error"]["type"]),
                        (&json!("key_alias"), &json!("bad_request_error"))
                    );
                    assert!(message(&reply).starts_with("Invalid key_alias format. Must be 2-255 characters"), "{}", reply.text());
                }
            }
            let good = make("prod/team-a_1@b.c");
            assert_eq!(good.status, 200);
            let key = good.json()["key"].clone();
            let changed = gateway.as_key(MASTER, "POST", "/key/update", &json!({"key": key, "key_alias": "not so!"}));
            assert_eq!(changed.status.as_u16(), status, "{}", changed.text());
        });
    }
}

#[test]
fn users_have_the_budget_of_its_older_name_too() {
    set("  default_max_internal_user_budget: 3\n", |gateway| {
        let made = gateway.post("/user/new", &json!({"user_role": "internal_user"}));
        assert_eq!(made["max_budget"], 3.0, "{made}");
    });
    set("  default_max_internal_user_budget: 3\n  max_internal_user_budget: 2\n", |gateway| {
        let made = gateway.post("/user/new", &json!({"user_role": "internal_user"}));
        assert_eq!(made["max_budget"], 2.0, "{made}");
    });
}

#[test]
fn a_session_may_spend_so_much() {
    set("  max_ui_session_budget: 0.02\n", |gateway| {
        let entered = gateway.app.ask("POST", "/v2/login").json(&json!({"username": "admin", "password": MASTER})).send();
        let set =
            entered.headers.get_all("set-cookie").iter().find_map(|value| value.to_str().ok().filter(|text| text.starts_with("token=")));
        let cookie = set.unwrap_or_else(|| panic!("{} {}", entered.status, entered.text())).split(';').next().expect("a cookie").to_owned();
        let word =
            gateway.app.ask("GET", "/session").header("cookie", &cookie).send().json()["csrf_token"].as_str().expect("a word").to_owned();
        let body = json!({"model": "cent", "messages": [{"role": "user", "content": "hello"}]});
        let ask = || {
            let ask = gateway.app.ask("POST", "/v1/chat/completions").header("cookie", &cookie).header("x-csrf-token", &word);
            ask.json(&body).send()
        };
        assert_eq!(statuses(3, ask), [200, 200, 422]);
        assert!(message(&ask()).contains("litellm-dashboard"), "{}", ask().text());
    });
}

#[test]
fn what_is_said_of_a_model_holds_whatever_it_is_called() {
    let by_name = |text: &str| format!("{CENT}router_settings:\n  model_group_alias: {{other: cent}}\n{text}");
    with(&by_name(""), |gateway| {
        let few = gateway.key(&json!({"model_rpm_limit": {"cent": 1}}));
        let poor = gateway.key(&json!({"model_max_budget": {"cent": {"budget_limit": 0.01, "time_period": "1d"}}}));
        gateway.post("/team/new", &json!({"team_id": "t", "model_max_budget": {"cent": {"budget_limit": 0.01, "time_period": "1d"}}}));
        let info = gateway.get("/team/info?team_id=t");
        assert_eq!(info["team_info"]["model_max_budget"]["cent"]["budget_limit"], 0.01, "{info}");
        let of_team = gateway.key(&json!({"team_id": "t"}));
        for key in [few, poor, of_team] {
            let ask = |model: &str| call(gateway, &key, &[], &json!({"model": model})).status.as_u16();
            assert_eq!(ask("cent"), 200);
            let refused = [ask("cent"), ask("other")];
            assert!(refused.iter().all(|status| [422, 429].contains(status)), "{refused:?}");
        }
    });
}

#[test]
fn a_limit_for_all_keys_leaves_a_keys_budget_alone() {
    let limited =
        "  - {model_name: both, litellm_params: {model: demo/echo, input_cost_per_request: 0.01, default_api_key_rpm_limit: 3}}\n";
    with(&format!("{CENT}{limited}"), |gateway| {
        let key = gateway.key(&json!({"model_max_budget": {"both": {"budget_limit": 0.01, "time_period": "1d"}}}));
        let ask = |key: &str| call(gateway, key, &[], &json!({"model": "both"})).status.as_u16();
        assert_eq!([ask(&key), ask(&key)], [200, 422]);
        let other = gateway.key(&json!({}));
        assert_eq!(statuses(4, || call(gateway, &other, &[], &json!({"model": "both"}))), [200, 200, 200, 429]);
    });
}

#[test]
fn sessions_are_shown_as_one() {
    with("", |gateway| {
        let (one, other) = (gateway.key(&json!({})), gateway.key(&json!({})));
        let ask = |key: &str, session: Option<&str>, model: &str| {
            let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
            if let Some(session) = session {
                body["metadata"] = json!({"session_id": session});
            }
            gateway.as_key(key, "POST", "/v1/chat/completions", &body);
        };
        for (key, session, model) in [
            (&one, Some("s"), "good"),
            (&one, Some("s"), "other"),
            (&other, Some("s"), "good"),
            (&one, None, "good"),
            (&one, Some("f"), "none"),
        ] {
            ask(key, session, model);
        }
        let page = |more: &str| gateway.get(&format!("/spend/logs/ui?page_size=2&{more}"));
        until(gateway, "/spend/logs/ui", |told| told["total"] == 5);
        let grouped = page("group_by_session=true");
        assert_eq!((&grouped["total"], &grouped["total_pages"], &grouped["has_more"]), (&json!(4), &json!(2), &json!(true)), "{grouped}");
        let rows: Vec<_> =
            (1..=2).flat_map(|at| page(&format!("group_by_session=true&page={at}"))["data"].as_array().cloned().expect("rows")).collect();
        let counts: Vec<_> = rows.iter().map(|row| (row["session_id"].clone(), row["session_total_count"].clone())).collect();
        let expected = [("f", 1), ("", 1), ("s", 1), ("s", 2)]
            .map(|(name, count)| (if name.is_empty() { Value::Null } else { json!(name) }, json!(count)));
        assert_eq!(counts, expected, "the latest first; two keys have a session each");
        assert_eq!(rows[3]["session_models"].as_array().map(Vec::len), Some(1), "{}", rows[3]);
        assert_eq!(rows[0]["metadata"]["error_information"]["normalized_error"], "400_INVALID_REQUEST", "{}", rows[0]);
        let failed = page("group_by_session=true&status_filter=failure");
        assert_eq!((&failed["total"], &failed["data"][0]["session_id"]), (&json!(1), &json!("f")));
        // Without groups every line tells of its session.
        assert_eq!(page("sort_order=asc")["data"][0]["session_total_count"], 2);
        // Who sees what is its own sees no session of others.
        let own = gateway.as_key(&other, "GET", "/spend/logs/ui?group_by_session=true", &Value::Null).json();
        assert_eq!((&own["total"], &own["data"][0]["session_total_count"]), (&json!(1), &json!(1)), "{own}");
    });
}
