//! What LiteLLM's own tests of its proxy expect, where this gateway once answered otherwise.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each, with};
use crate::spending::until;
use crate::upstream::Upstream;

/// Patterns of two providers, both at that upstream.
pub(crate) fn patterns(upstream: &Upstream) -> String {
    let url = upstream.url();
    let entry =
        |name: &str| format!("  - {{model_name: {name}, litellm_params: {{model: {name}, api_base: {url}/good/v1, api_key: k}}}}\n");
    entry("openai/*") + &entry("groq/*")
}

fn listed(gateway: &Managed, key: &str, query: &str) -> Vec<String> {
    let list = gateway.as_key(key, "GET", &format!("/v1/models{query}"), &Value::Null).json();
    list["data"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_bare_name_is_completed_with_the_provider_whose_it_is() {
    let upstream = Upstream::start();
    with(&patterns(&upstream), |gateway| {
        let of_openai = gateway.key(&json!({"models": ["openai/*"]}));
        let of_groq = gateway.key(&json!({"models": ["groq/*"]}));
        assert_eq!(gateway.chat(&of_openai, "gpt-4o-mini").status, 200);
        assert_eq!(gateway.chat(&of_groq, "gpt-4o-mini").status, 403);
        assert_eq!(gateway.chat(&of_openai, "no-model-of-anybody").status, 403);
        assert_eq!(gateway.chat(MASTER, "no-model-of-anybody").status, 400);
    });
}

#[test]
fn a_team_calls_what_its_pattern_stands_for_and_nobody_else_does() {
    let upstream = Upstream::start();
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "ours", "models": ["good"]}));
        gateway.post("/team/new", &json!({"team_id": "theirs"}));
        let params = json!({"model": "openai/gpt-4o*", "api_base": format!("{}/good", upstream.url()), "api_key": "k"});
        let model = json!({"model_name": "openai/gpt-4o*", "litellm_params": params, "model_info": {"team_id": "ours", "id": "p-1"}});
        gateway.post("/model/new", &model);
        let (ours, theirs) = (gateway.key(&json!({"team_id": "ours"})), gateway.key(&json!({"team_id": "theirs"})));
        let before = upstream.asked().len();
        assert_eq!(gateway.chat(&ours, "openai/gpt-4o-mini").status, 200);
        assert!(upstream.asked()[before].1.contains("\"gpt-4o-mini\""), "{:?}", upstream.asked()[before]);
        assert_eq!(gateway.chat(&ours, "openai/gpt-5").status, 403);
        assert!(gateway.chat(&theirs, "openai/gpt-4o-mini").status.is_client_error());
        let names = listed(gateway, &ours, "");
        assert!(names.contains(&"openai/gpt-4o-mini".to_owned()) && names.contains(&"good".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("model_name_")), "{names:?}");
        assert!(!listed(gateway, &theirs, "").iter().any(|name| name.contains("gpt-4o")));
        gateway.post("/model/delete", &json!({"id": "p-1"}));
        assert!(gateway.chat(&ours, "openai/gpt-4o-mini").status.is_client_error());
    });
}

#[test]
fn access_groups_alone_are_those_that_the_list_names() {
    each(|gateway| {
        let (all, friends, one) = (json!({}), json!({"models": ["friends"]}), json!({"models": ["good"]}));
        let groups = |fields: &Value| listed(gateway, &gateway.key(fields), "?only_model_access_groups=True");
        assert_eq!((groups(&all), groups(&friends), groups(&one)), (vec![], vec!["friends".to_owned()], vec![]));
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["friends"]}));
        assert_eq!(groups(&json!({"team_id": "t"})), ["friends"]);
    });
}

#[test]
fn patterns_are_listed_where_the_setting_says_so_and_the_request_does_not_say_otherwise() {
    let upstream = Upstream::start();
    with(&patterns(&upstream), |gateway| {
        let has = |query: &str| listed(gateway, MASTER, query).contains(&"groq/*".to_owned());
        assert!(!has(""));
        let field = json!({"field_name": "model_list_return_wildcard_routes", "field_value": true, "config_type": "general_settings"});
        gateway.post("/config/field/update", &field);
        assert!(has("") && !has("?return_wildcard_routes=false"));
        gateway.post("/config/field/delete", &field);
        assert!(!has(""));
    });
}

#[test]
fn a_whole_key_that_is_unknown_is_missing_and_a_hash_is_nobodys() {
    each(|gateway| {
        let key = gateway.key(&json!({}));
        let status = |named: &str| gateway.as_key(&key, "GET", &format!("/key/info?key={named}"), &Value::Null).status.as_u16();
        let foreign = gateway.post("/key/generate", &json!({}));
        assert_eq!(status("sk-nobody-has-this-key"), 404);
        assert_eq!(status(foreign["token"].as_str().expect("a hash")), 403);
        assert_eq!(status(&"0".repeat(64)), 403);
    });
}

#[test]
fn refusals_of_models_have_litellms_words() {
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["other"]}));
        let words = "The requested model 'good' is not available for this API key, or the model name is invalid. Check the models \
                     available to you and try again.";
        for (fields, kind) in
            [(json!({"models": ["other"]}), "key_model_access_denied"), (json!({"team_id": "t"}), "team_model_access_denied")]
        {
            let key = gateway.key(&fields);
            let error = gateway.chat(&key, "good").json()["error"].clone();
            let told = [("type", kind), ("param", "model"), ("code", "403"), ("message", words)];
            assert!(told.iter().all(|(name, value)| error[*name] == *value), "{error}");
            let body = json!({"model": "good", "max_tokens": 5, "messages": [{"role": "user", "content": "?"}]});
            let error = gateway.as_key(&key, "POST", "/v1/messages", &body).json()["error"].clone();
            let told = [("type", "permission_error"), ("param", "model"), ("code", "403"), ("message", words)];
            assert!(told.iter().all(|(name, value)| error[*name] == *value), "{error}");
        }
    });
}

#[test]
fn a_key_leaves_its_project_before_it_goes_elsewhere() {
    each(|gateway| {
        for team in ["t", "other"] {
            gateway.post("/team/new", &json!({"team_id": team}));
        }
        for project in ["p", "q"] {
            gateway.post("/project/new", &json!({"project_id": project, "team_id": "t"}));
        }
        let made = |fields: Value| gateway.as_key(MASTER, "POST", "/key/generate", &fields).status.as_u16();
        assert_eq!((made(json!({"project_id": "p"})), made(json!({"project_id": "p", "team_id": "other"}))), (400, 400));
        let key = gateway.key(&json!({"project_id": "p", "team_id": "t"}));
        let changed = |fields: Value| {
            let mut body = json!({"key": key});
            body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
            gateway.as_key(MASTER, "POST", "/key/update", &body).status.as_u16()
        };
        for refused in [json!({"project_id": "q"}), json!({"project_id": ""}), json!({"team_id": "other"})] {
            assert_eq!(changed(refused.clone()), 400, "{refused}");
        }
        assert_eq!(gateway.get(&format!("/key/info?key={key}"))["info"]["project_id"], "p");
        assert_eq!(changed(json!({"project_id": null, "team_id": "other"})), 200);
    });
}

#[test]
fn an_organization_that_is_gone_is_said_to_be_gone() {
    each(|gateway| {
        let reply = gateway.as_key(MASTER, "GET", "/organization/info?organization_id=none", &Value::Null);
        assert_eq!((reply.status.as_u16(), reply.json()), (404, json!({"detail": {"error": "Organization not found"}})));
    });
}

#[test]
fn a_small_limit_of_tokens_lets_short_calls_through() {
    each(|gateway| {
        let call = |key: &str, cap: Option<u64>| {
            let mut body = json!({"model": "good", "messages": [{"role": "user", "content": "reply with one word"}]});
            if let Some(cap) = cap {
                body["max_tokens"] = cap.into();
            }
            gateway.as_key(key, "POST", "/v1/chat/completions", &body)
        };
        let bounded = gateway.key(&json!({"tpm_limit": 60}));
        assert_eq!(call(&bounded, Some(16)).status, 200, "the prompt is counted as it is, not as money is held for it");
        let over = call(&bounded, Some(100));
        assert_eq!(over.status, 429);
        assert!(over.text().contains("Limit type: tokens"), "{}", over.text());
        let unbounded = gateway.key(&json!({"tpm_limit": 200}));
        assert_eq!(call(&unbounded, None).status, 200, "an answer of which nothing is said takes no more than there is");
    });
}

#[test]
fn each_reads_the_reports_of_its_own_scope() {
    let paid = "  - {model_name: paid, litellm_params: {model: demo/echo, input_cost_per_token: 0.01, output_cost_per_token: 0.01}}\n";
    with(paid, |gateway| {
        let days = "start_date=2020-01-01&end_date=2099-01-01";
        gateway.post("/organization/new", &json!({"organization_id": "o", "organization_alias": "o"}));
        let mut keys = Vec::new();
        for name in ["a", "b"] {
            gateway.post("/team/new", &json!({"team_id": name, "organization_id": "o"}));
            gateway.post("/user/new", &json!({"user_id": name, "user_role": "internal_user", "auto_create_key": false}));
            gateway.post("/team/member_add", &json!({"team_id": name, "member": {"role": "user", "user_id": name}}));
            keys.push(gateway.post("/key/generate", &json!({"team_id": name, "user_id": name})));
            assert_eq!(gateway.chat(keys.last().expect("a key")["key"].as_str().expect("a key"), "paid").status, 200);
        }
        let (mine, hash) = (keys[0]["key"].as_str().expect("a key"), keys[0]["token"].as_str().expect("a hash"));
        let path = |scope: &str, more: &str| format!("/{scope}/spend/report?{days}{more}");
        until(gateway, &path("organization", "&organization_id=o"), |rows| rows.as_array().is_some_and(|rows| rows.len() == 2));
        let rows = gateway.get(&path("organization", "&organization_id=o"));
        let teams: Vec<&Value> = rows.as_array().expect("rows").iter().map(|row| &row["model_details"][0]["team_id"]).collect();
        assert!(teams.contains(&&json!("a")) && teams.contains(&&json!("b")), "{rows}");
        for scope in ["key", "user", "team"] {
            let own = gateway.as_key(mine, "GET", &path(scope, ""), &Value::Null).json();
            assert_eq!((own.as_array().map(Vec::len), &own[0]["api_key"]), (Some(1), &json!(hash)), "{scope}: {own}");
            assert!(
                own[0]["total_cost"].as_f64().is_some_and(|cost| cost > 0.0) && own[0]["model_details"][0]["model"].is_string(),
                "{own}"
            );
        }
        let theirs = keys[1]["token"].as_str().expect("a hash");
        for (scope, more) in
            [("key", format!("&api_key={theirs}")), ("user", "&internal_user_id=b".to_owned()), ("team", "&team_id=b".to_owned())]
        {
            assert_eq!(gateway.as_key(mine, "GET", &path(scope, &more), &Value::Null).status, 403, "{scope}");
        }
        let organization = gateway.as_key(mine, "GET", &path("organization", ""), &Value::Null);
        assert_eq!(
            (organization.status.as_u16(), organization.json()),
            (403, json!({"detail": "You do not have access to this organization"}))
        );
        assert_eq!(gateway.as_key(MASTER, "GET", "/key/spend/report", &Value::Null).status, 400);
        let whole = gateway.get(&format!("/user/daily/activity/aggregated?{days}"));
        assert_eq!((&whole["metadata"]["total_api_requests"], &whole["metadata"]["has_more"]), (&json!(2), &json!(false)));
    });
}

#[test]
fn what_a_limit_refused_is_counted_by_day() {
    each(|gateway| {
        let key = gateway.key(&json!({"rpm_limit": 1}));
        assert_eq!((gateway.chat(&key, "good").status.as_u16(), gateway.chat(&key, "good").status.as_u16()), (200, 429));
        let days = "start_date=2020-01-01&end_date=2099-01-01&model_group=good";
        let told = until(gateway, &format!("/global/activity/exceptions?{days}"), |told| told["sum_num_rate_limit_exceptions"] == 1);
        assert_eq!(told["daily_data"][0]["num_rate_limit_exceptions"], 1);
        assert_eq!(gateway.get(&format!("/global/activity/exceptions/deployment?{days}"))[0]["sum_num_rate_limit_exceptions"], 1);
        let lines = gateway.get(&format!("/spend/logs?api_key={key}"));
        let failed = lines.as_array().expect("lines").iter().find(|line| line["status"] == "failure").expect("the refusal");
        let error = &failed["metadata"]["error_information"];
        assert_eq!((&error["error_code"], &error["error_class"]), (&json!("429"), &json!("RateLimitError")));
    });
}

#[test]
fn customers_and_tags_that_spent_are_named() {
    let paid = "  - {model_name: paid, litellm_params: {model: demo/echo, input_cost_per_token: 0.01, output_cost_per_token: 0.01}}\n";
    with(paid, |gateway| {
        let body = json!({"model": "paid", "user": "acme", "metadata": {"tags": ["red"]}, "messages": [{"role": "user", "content": "x"}]});
        assert_eq!(gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body).status, 200);
        until(gateway, "/global/all_end_users", |told| told["end_users"] == json!(["acme"]));
        assert_eq!(gateway.get("/global/spend/all_tag_names")["tag_names"], json!(["red"]));
        let top = gateway.post("/global/spend/end_users", &json!({}));
        assert_eq!((&top[0]["end_user"], &top[0]["total_count"]), (&json!("acme"), &json!(1)));
        assert_eq!(gateway.post("/global/spend/refresh", &Value::Null)["status"], "success");
    });
}

#[test]
fn a_key_that_names_callbacks_is_told_what_they_lack() {
    each(|gateway| {
        let logging = json!([{"callback_name": "gcs_bucket", "callback_type": "success", "callback_vars": {}}]);
        let key = gateway.key(&json!({"metadata": {"logging": logging}}));
        let told = gateway.as_key(&key, "POST", "/key/health", &json!({})).json();
        assert_eq!((&told["key"], &told["logging_callbacks"]["callbacks"]), (&json!("unhealthy"), &json!(["gcs_bucket"])));
        let details = told["logging_callbacks"]["details"].as_str().expect("details");
        assert!(details.contains("GCS_BUCKET_NAME is not set in the environment"), "{details}");
    });
}

#[test]
fn a_group_stands_for_the_patterns_in_it_by_bare_names_too() {
    let upstream = Upstream::start();
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["ours"]}));
        let params = json!({"model": "openai/gpt-4o*", "api_base": format!("{}/good", upstream.url()), "api_key": "k"});
        for (info, id) in [(json!({"access_groups": ["all"]}), "a"), (json!({"access_groups": ["ours"], "team_id": "t"}), "b")] {
            let mut info = info;
            info["id"] = id.into();
            gateway.post("/model/new", &json!({"model_name": "openai/gpt-4o*", "litellm_params": params, "model_info": info}));
        }
        gateway.post("/team/update", &json!({"team_id": "t", "models": ["ours"]}));
        for key in [gateway.key(&json!({"models": ["all"]})), gateway.key(&json!({"team_id": "t"}))] {
            for (model, status) in [("gpt-4o-mini", 200), ("openai/gpt-4o-mini", 200), ("gpt-4.1", 403), ("good", 403)] {
                assert_eq!(gateway.chat(&key, model).status, status, "{model}");
            }
            assert!(listed(gateway, &key, "").contains(&"openai/gpt-4o-mini".to_owned()));
        }
    });
}

#[test]
fn a_list_that_names_the_teams_models_leaves_the_word_to_the_team() {
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t"}));
        gateway.post("/project/new", &json!({"project_id": "p", "team_id": "t", "models": ["all-team-models"]}));
        let key = gateway.key(&json!({"team_id": "t", "project_id": "p", "models": ["all-team-models"]}));
        assert_eq!((gateway.chat(&key, "good").status.as_u16(), gateway.chat(&key, "other").status.as_u16()), (200, 200));
        gateway.post("/team/update", &json!({"team_id": "t", "models": ["good"]}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        let refused = gateway.chat(&key, "other");
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]["type"]), (403, &json!("team_model_access_denied")));
    });
}

#[test]
fn a_customer_sees_and_uses_the_models_of_its_list() {
    each(|gateway| {
        gateway.post("/customer/new", &json!({"user_id": "narrow", "models": ["friends"]}));
        gateway.post("/customer/new", &json!({"user_id": "wide"}));
        let names = |customer: &str| {
            let list = gateway.app.ask("GET", "/v1/models").key(MASTER).header("x-litellm-end-user-id", customer).send().json();
            list["data"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("narrow"), ["good"]);
        assert!(names("wide").len() > 1 && names("unheard-of").len() > 1);
        let call = |customer: &str, model: &str| {
            let body = json!({"model": model, "user": customer, "messages": [{"role": "user", "content": "x"}]});
            gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body)
        };
        assert_eq!((call("narrow", "good").status.as_u16(), call("wide", "other").status.as_u16()), (200, 200));
        let refused = call("narrow", "other");
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]["type"]), (403, &json!("customer_model_access_denied")));
        gateway.post("/customer/update", &json!({"user_id": "narrow", "models": []}));
        assert_eq!(call("narrow", "other").status, 200);
    });
}

#[test]
fn a_teams_model_is_on_its_list_and_ends_no_freedom() {
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "free", "models": []}));
        let params = json!({"model": "demo/echo"});
        gateway.post("/model/new", &json!({"model_name": "its-own", "litellm_params": params, "model_info": {"team_id": "free"}}));
        let models = gateway.get("/team/info?team_id=free")["team_info"]["models"].clone();
        assert_eq!(models, json!(["all-proxy-models", "its-own"]));
        let key = gateway.key(&json!({"team_id": "free"}));
        assert_eq!(["its-own", "good", "other"].map(|model| gateway.chat(&key, model).status.as_u16()), [200, 200, 200]);
    });
}

#[test]
fn headers_say_who_served() {
    let upstream = Upstream::start();
    with(&patterns(&upstream), |gateway| {
        let base = format!("{}/good/v1", upstream.url());
        let answered = gateway.chat(MASTER, "openai/gpt-4o-mini");
        assert_eq!(answered.status, 200, "{}", answered.text());
        let told = |name: &str| answered.header(name).to_owned();
        assert_eq!(told("x-litellm-model-name"), "openai/gpt-4o-mini");
        assert_eq!(told("x-litellm-model-api-base"), base, "without what an address may hold beside that");
        assert_eq!(told("x-litellm-version"), "1.106.2");
        let refused = gateway.chat(MASTER, "no-model-of-anybody");
        assert_eq!((refused.status.as_u16(), refused.header("x-litellm-version")), (400, "1.106.2"));
    });
}

#[test]
fn pages_call_models_and_manage_nothing() {
    let upstream = Upstream::start();
    let ask = |gateway: &Managed, method: &str, path: &str, origin: &str| {
        let ask = gateway.app.ask(method, path).key(MASTER).header("origin", origin);
        let ask =
            ask.header("access-control-request-method", "POST").header("access-control-request-headers", "authorization,x-stainless-os");
        if method == "POST" { ask.json(&json!({"model": "nobody", "messages": []})).send() } else { ask.send() }
    };
    let told = |reply: &crate::app::Reply| reply.header("access-control-allow-origin").to_owned();
    with(&patterns(&upstream), |gateway| {
        let asked = ask(gateway, "OPTIONS", "/v1/chat/completions", "https://a.example");
        assert_eq!((asked.status.as_u16(), told(&asked).as_str()), (204, "*"));
        assert_eq!(asked.header("access-control-allow-headers"), "authorization,x-stainless-os");
        let refused = ask(gateway, "POST", "/v1/chat/completions", "https://a.example");
        assert_eq!((refused.status.as_u16(), told(&refused).as_str()), (400, "*"), "a page reads why, too");
        let models = ask(gateway, "GET", "/api/v1/models", "https://a.example");
        assert_eq!((models.header("access-control-expose-headers"), told(&models).as_str()), ("*", "*"));
        assert_eq!(told(&ask(gateway, "OPTIONS", "/api/v1/auth/keys", "https://a.example")), "*", "a code is traded for a key there");
        for (method, path) in [("OPTIONS", "/key/generate"), ("POST", "/key/generate"), ("GET", "/key/list"), ("GET", "/session")] {
            assert_eq!(told(&ask(gateway, method, path, "https://a.example")), "", "{method} {path}");
        }
        let plain = gateway.as_key(MASTER, "GET", "/key/list", &Value::Null);
        assert_eq!((plain.header("x-frame-options"), plain.header("x-content-type-options")), ("DENY", "nosniff"));
    });
    let some = "\nswitchboard:\n  cors_origins: ['https://a.example', 'https://b.example']\n";
    with(&format!("{}{some}", patterns(&upstream)), |gateway| {
        let origin = |origin: &str| told(&ask(gateway, "GET", "/v1/models", origin));
        assert_eq!(origin("https://b.example"), "https://b.example");
        assert_eq!(origin("https://c.example"), "");
        assert_eq!(ask(gateway, "GET", "/v1/models", "https://b.example").header("vary"), "Origin");
    });
}

#[test]
fn how_the_gateway_is_may_be_told_to_everybody() {
    let details = |gateway: &Managed| gateway.app.ask("GET", "/health/readiness").send().json()["litellm_version"].clone();
    assert_eq!(details(&Managed::with_models("", "", &[])), Value::Null);
    assert_eq!(details(&Managed::with_models("  allow_public_health_readiness_details: true\n", "", &[])), "1.106.2");
}

#[test]
fn where_no_key_is_asked_for_pages_of_this_machine_alone_may_ask() {
    let app = crate::app::TestApp::of("");
    let told = |method: &str, origin: &str| {
        let ask = app.ask(method, "/v1/models").header("origin", origin).header("access-control-request-method", "GET");
        ask.send().header("access-control-allow-origin").to_owned()
    };
    for origin in ["http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]"] {
        assert_eq!(told("OPTIONS", origin), origin);
        assert_eq!(told("GET", origin), origin);
    }
    for origin in ["https://a.example", "http://localhost.a.example", "https://127.0.0.1.a.example", "null"] {
        assert_eq!(told("OPTIONS", origin), "");
        assert_eq!(told("GET", origin), "");
    }
}
