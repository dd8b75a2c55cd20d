//! What LiteLLM's tests of its proxy expect of calls beside their answers: headers, lines of the log, and what is made up for tests.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, each, with};
use crate::spending::until;
use crate::upstream::Upstream;

fn chat(gateway: &Managed, key: &str, more: &Value) -> Reply {
    let mut body = json!({"model": "good", "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().expect("fields").extend(more.as_object().cloned().unwrap_or_default());
    gateway.as_key(key, "POST", "/chat/completions", &body)
}

fn with_models(models: &str, test: impl Fn(&Managed)) {
    test(&Managed::with_models("  dangerously_allow_mock_testing_request_params: true\n", models, &[]));
}

#[test]
fn failures_are_made_up_where_the_operator_lets_them_alone() {
    with("", |gateway| {
        for field in ["mock_testing_rate_limit_error", "mock_testing_fallbacks", "mock_timeout"] {
            let reply = chat(gateway, MASTER, &json!({field: true}));
            assert_eq!(reply.status, 400, "{field}: {}", reply.text());
            assert!(reply.text().contains("dangerously_allow_mock_testing_request_params") && reply.text().contains(field));
            assert_eq!(chat(gateway, MASTER, &json!({field: false})).status, 200, "{field}");
        }
        let setting = json!({"general_settings": {"dangerously_allow_mock_testing_request_params": true}});
        assert_eq!(gateway.as_key(MASTER, "POST", "/config/update", &setting).status, 400);
        assert_eq!(chat(gateway, MASTER, &json!({"mock_response": "made up"})).json()["choices"][0]["message"]["content"], "made up");
    });
}

#[test]
fn a_rate_limit_that_is_made_up_is_tried_again() {
    with_models("  - {model_name: patient, litellm_params: {model: demo/echo, num_retries: 50}}\n", |gateway| {
        let reply = chat(gateway, MASTER, &json!({"model": "patient", "mock_testing_rate_limit_error": true}));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!((reply.header("x-litellm-attempted-retries"), reply.header("x-litellm-max-retries")), ("1", "50"));
        let once = chat(gateway, MASTER, &json!({"model": "patient", "mock_testing_rate_limit_error": true, "num_retries": 0}));
        assert_eq!(once.status, 429);
        let plain = chat(gateway, MASTER, &json!({"model": "patient"}));
        assert_eq!((plain.header("x-litellm-attempted-retries"), plain.headers.contains_key("x-litellm-max-retries")), ("0", false));
    });
}

#[test]
fn a_timeout_that_is_made_up_says_how_long_it_took() {
    with_models("  - {model_name: quick, litellm_params: {model: demo/echo, timeout: 1}}\n", |gateway| {
        let reply = chat(gateway, MASTER, &json!({"model": "quick", "mock_timeout": true, "num_retries": 0}));
        assert_eq!((reply.status.as_u16(), reply.header("x-litellm-timeout")), (504, "1.0"), "{}", reply.text());
        let ask = gateway.app.ask("POST", "/chat/completions").key(MASTER).header("x-litellm-timeout", "0.001");
        let body = json!({"model": "quick", "mock_timeout": true, "num_retries": 0, "messages": [{"role": "user", "content": "hello"}]});
        assert_eq!(ask.json(&body).send().header("x-litellm-timeout"), "0.001");
    });
}

#[test]
fn a_customers_region_decides_where_its_calls_go() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let model = |place: &str, region: &str| {
        format!(
            "  - {{model_name: both, litellm_params: {{model: openai/{place}, api_key: k, api_base: {url}/good/{place}, region_name: {region}}}}}\n"
        )
    };
    with_models(&(model("here", "eu") + &model("there", "us")), |gateway| {
        gateway.post("/end_user/new", &json!({"user_id": "european", "allowed_model_region": "eu"}));
        for _ in 0..6 {
            let reply = chat(gateway, MASTER, &json!({"model": "both", "user": "european"}));
            assert_eq!((reply.status.as_u16(), reply.header("x-litellm-model-region")), (200, "eu"), "{}", reply.text());
        }
    });
}

#[test]
fn a_model_that_nobody_has_leaves_a_line_in_the_log() {
    each(|gateway| {
        let key = gateway.key(&json!({"models": ["good", "non-existent-model"]}));
        let reply = chat(gateway, &key, &json!({"model": "non-existent-model"}));
        let id = reply.header("x-litellm-call-id").to_owned();
        assert_eq!(reply.status, 400);
        let line = until(gateway, &format!("/spend/logs?request_id={id}"), |lines| lines[0].is_object())[0].clone();
        let expected = json!({
            "request_id": id, "model": "unknown-model", "model_group": "non-existent-model", "spend": 0.0, "total_tokens": 0,
            "prompt_tokens": 0, "completion_tokens": 0, "cache_hit": "False", "response": {},
        });
        for (name, value) in expected.as_object().expect("fields") {
            assert_eq!(&line[name], value, "{name}");
        }
        let error = &line["metadata"]["error_information"];
        assert_eq!((&line["metadata"]["status"], &error["error_code"]), (&json!("failure"), &json!("400")));
        assert!(error["traceback"].is_string() && line["metadata"]["user_api_key"].is_string(), "{line}");
        assert!(error["error_message"].as_str().is_some_and(|message| message.contains("non-existent-model")), "{error}");
        assert_eq!(error["error_class"], "ProxyModelNotFoundError");
    });
}

#[test]
fn what_a_caller_wants_kept_with_its_line_is_kept() {
    each(|gateway| {
        let kept = json!({"spend_id": "s-1"});
        let ask = gateway.app.ask("POST", "/v1/chat/completions").key(MASTER).header("x-litellm-spend-logs-metadata", &kept.to_string());
        let reply = ask.json(&json!({"model": "good", "messages": [{"role": "user", "content": "hello"}]})).send();
        let path = |reply: &Reply| format!("/spend/logs?request_id={}", reply.header("x-litellm-call-id"));
        let lines = until(gateway, &path(&reply), |lines| lines[0].is_object());
        assert_eq!(lines[0]["metadata"]["spend_logs_metadata"], kept);
        let said = json!({"metadata": {"spend_logs_metadata": {"owner": "us"}}});
        let lines = until(gateway, &path(&chat(gateway, MASTER, &said)), |lines| lines[0].is_object());
        assert_eq!(lines[0]["metadata"]["spend_logs_metadata"], json!({"owner": "us"}));
    });
}

#[test]
fn something_is_always_told_of_requests() {
    each(|gateway| {
        let told = gateway.get("/active/callbacks");
        let all = told["all_litellm_callbacks"].as_array().expect("a list").len();
        assert!(all > 0 && told["num_callbacks"] == json!(all), "{told}");
        let strategy = gateway.get("/get/config/callbacks")["router_settings"]["routing_strategy"].clone();
        for strategy in [json!("latency-based-routing"), strategy] {
            gateway.post(
                "/config/update",
                &json!({
                    "router_settings": {"routing_strategy": strategy},
                    "general_settings": {"alert_to_webhook_url": {"llm_exceptions": "a-webhook"}, "alert_types": ["llm_exceptions", "db_exceptions"]},
                }),
            );
        }
        assert_eq!(gateway.get("/active/callbacks")["num_callbacks"], json!(all));
    });
}

#[test]
fn a_callback_comes_and_goes_over_the_api() {
    each(|gateway| {
        gateway.post(
            "/config/update",
            &json!({
                "litellm_settings": {"success_callback": ["langfuse"]},
                "environment_variables": {"LANGFUSE_PUBLIC_KEY": "p", "LANGFUSE_SECRET_KEY": "s", "LANGFUSE_HOST": "https://langfuse.test"},
            }),
        );
        let gone = gateway.post("/config/callback/delete", &json!({"callback_name": "langfuse"}));
        assert!(gone["message"].is_string() && gone["removed_callback"] == "langfuse", "{gone}");
        let names = gateway.get("/get/config/callbacks")["callbacks"].clone();
        assert!(names.as_array().is_some_and(|names| names.iter().all(|one| one["name"] != "langfuse")), "{names}");
    });
}

#[test]
fn a_team_says_whom_it_wants_told_and_no_secret_is_kept() {
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "ours"}));
        let vars =
            json!({"langfuse_public_key": "pk-lf-1", "langfuse_secret_key": "sk-lf-secret", "langfuse_host": "https://langfuse.test"});
        let wanted = json!({"callback_name": "langfuse", "callback_type": "success", "callback_vars": vars});
        let made = gateway.post("/team/ours/callback", &wanted);
        assert_eq!((&made["status"], &made["data"]["team_id"]), (&json!("success"), &json!("ours")));
        assert_eq!(gateway.as_key(MASTER, "POST", "/team/ours/callback", &wanted).status, 400, "it is there already");
        gateway.post("/team/ours/callback", &json!({"callback_name": "gcs", "callback_vars": {"gcs_bucket_name": "b"}}));
        let told = gateway.get("/team/ours/callback");
        assert_eq!(
            (&told["data"]["success_callbacks"], &told["data"]["failure_callbacks"]),
            (&json!(["langfuse", "gcs"]), &json!(["gcs"]))
        );
        assert_eq!(told["data"]["callback_vars"]["langfuse_secret_key"], "***REDACTED***");
        assert_eq!(told["data"]["callback_vars"]["langfuse_host"], "https://langfuse.test");
        let everywhere = format!("{}{}", gateway.get("/team/info?team_id=ours"), gateway.get("/audit?page_size=100"));
        assert!(!everywhere.contains("sk-lf-secret"), "{everywhere}");
        let gone = gateway.as_key(MASTER, "DELETE", "/team/ours/callback/langfuse", &Value::Null);
        assert_eq!((gone.status.as_u16(), gone.json()["data"]["success_callbacks"].clone()), (200, json!(["gcs"])));
        assert_eq!(gateway.as_key(MASTER, "DELETE", "/team/ours/callback/langfuse", &Value::Null).status, 404);
        let off = gateway.post("/team/ours/disable_logging", &Value::Null);
        assert_eq!(off["data"], json!({"team_id": "ours", "success_callbacks": [], "failure_callbacks": []}));
        assert_eq!(gateway.get("/team/ours/callback")["data"]["success_callbacks"], json!([]));
        for (method, path) in [("POST", "/team/none/callback"), ("GET", "/team/none/callback"), ("POST", "/team/none/disable_logging")] {
            let reply = gateway.as_key(
                MASTER,
                method,
                path,
                &if path.ends_with("callback") && method == "POST" { wanted.clone() } else { Value::Null },
            );
            assert!(matches!(reply.status.as_u16(), 400 | 404), "{path}: {}", reply.text());
        }
        let stranger = gateway.key(&json!({"user_id": "stranger"}));
        assert!(matches!(gateway.as_key(&stranger, "GET", "/team/ours/callback", &Value::Null).status.as_u16(), 401 | 403));
    });
}

#[test]
fn the_members_of_several_teams_may_do_more_at_once() {
    each(|gateway| {
        for team in ["a", "b", "c"] {
            gateway.post("/team/new", &json!({"team_id": team, "team_member_permissions": ["/key/info"]}));
        }
        let told = gateway.post("/team/permissions_bulk_update", &json!({"permissions": ["/key/generate"], "team_ids": ["a", "b"]}));
        assert_eq!((&told["teams_updated"], &told["permissions_appended"]), (&json!(2), &json!(["/key/generate"])));
        let of = |team: &str| gateway.get(&format!("/team/permissions_list?team_id={team}"))["team_member_permissions"].clone();
        assert_eq!((of("a"), of("c")), (json!(["/key/info", "/key/generate"]), json!(["/key/info"])));
        let all = gateway.post("/team/permissions_bulk_update", &json!({"permissions": ["/key/generate"], "apply_to_all_teams": true}));
        assert_eq!((&all["teams_updated"], of("c")), (&json!(1), json!(["/key/info", "/key/generate"])));
        for wrong in [
            json!({"permissions": ["/key/generate"]}),
            json!({"permissions": ["/team/new"], "team_ids": ["a"]}),
            json!({"permissions": ["/key/info"], "team_ids": ["no"]}),
        ] {
            let status = gateway.as_key(MASTER, "POST", "/team/permissions_bulk_update", &wrong).status.as_u16();
            assert!(matches!(status, 400 | 404 | 422), "{wrong}: {status}");
        }
    });
}

#[test]
fn of_a_cache_that_is_not_there_nothing_is_made_up() {
    each(|gateway| {
        for (method, path, body, status) in [
            ("GET", "/cache/ping", Value::Null, 503),
            ("GET", "/cache/redis/info", Value::Null, 503),
            ("POST", "/cache/flushall", Value::Null, 503),
            ("POST", "/cache/delete", json!({"keys": ["k"]}), 503),
            ("POST", "/cache/settings", json!({"cache_settings": {"type": "redis"}}), 400),
        ] {
            let reply = gateway.as_key(MASTER, method, path, &body);
            assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.text());
            assert!(reply.text().contains("Cache not initialized"), "{path}: {}", reply.text());
        }
        assert_eq!(gateway.get("/cache/settings"), json!({"fields": [], "current_values": {}, "redis_type_descriptions": {}}));
        assert_eq!(gateway.post("/cache/settings/test", &json!({"cache_settings": {}}))["status"], "failed");
    });
}

#[test]
fn what_was_done_each_day_is_a_table_too() {
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "ours", "team_alias": "=ours, all"}));
        let key = gateway.key(&json!({"team_id": "ours", "key_alias": "one"}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        let days = "start_date=2020-01-01&end_date=2100-01-01";
        let path = format!("/team/daily/activity/export?{days}&team_ids=ours&export_type=daily_with_keys");
        let rows = until(gateway, &format!("{path}&format=json"), |rows| rows[0].is_object());
        assert_eq!((&rows[0]["entity_id"], &rows[0]["key_alias"], &rows[0]["api_requests"]), (&json!("ours"), &json!("one"), &json!(1)));
        let table = gateway.as_key(MASTER, "GET", &path, &Value::Null);
        assert!(table.header("content-type").starts_with("text/csv") && table.header("content-disposition").contains("attachment"));
        let text = table.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("date,entity_type,entity_id,entity_alias,api_key,") && lines.len() == 2, "{text}");
        assert!(lines[1].contains("ours,\"'=ours, all\","), "no program takes it for a formula: {text}");
        for wrong in ["export_type=weekly", "format=xml"] {
            assert_eq!(gateway.as_key(MASTER, "GET", &format!("/team/daily/activity/export?{days}&{wrong}"), &Value::Null).status, 422);
        }
        assert_eq!(gateway.as_key(&key, "GET", &path, &Value::Null).status, 404);
        let hits = gateway.get(&format!("/global/activity/cache_hits?{days}"));
        assert_eq!((&hits[0]["api_key"], &hits[0]["total_rows"], &hits[0]["cache_hit_true_rows"]), (&json!("one"), &json!(1), &json!(0)));
        assert_eq!(gateway.as_key(MASTER, "GET", "/global/activity/cache_hits", &Value::Null).status, 400);
    });
}

#[test]
fn a_key_may_want_its_prompts_cached() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let model = |name: &str, model: &str| {
        format!("  - {{model_name: {name}, litellm_params: {{model: {model}, api_key: k, api_base: {url}/good}}}}\n")
    };
    with_models(&(model("claude", "anthropic/claude-haiku-4-5") + &model("gpt", "openai/gpt-4o")), |gateway| {
        let (wants, other) = (gateway.key(&json!({"enable_prompt_caching": true})), gateway.key(&json!({})));
        let marks = |key: &str, path: &str, body: Value| {
            let mut body = body;
            body["max_tokens"] = json!(9);
            let reply = gateway.as_key(key, "POST", path, &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
            upstream.asked().last().expect("a request").1.matches("cache_control").count()
        };
        let turns = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "on"}]);
        let messages = |system: Value| json!({"model": "claude", "system": system, "messages": turns});
        assert_eq!(marks(&wants, "/v1/messages", messages(json!("be brief"))), 2);
        assert_eq!(marks(&other, "/v1/messages", messages(json!("be brief"))), 0);
        let marked = json!([{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]);
        assert_eq!(marks(&wants, "/v1/messages", messages(marked)), 1, "the client knows better");
        let errand = json!({"model": "claude", "system": "cc_is_subagent=true", "messages": [turns[0]]});
        assert_eq!(marks(&wants, "/v1/messages", errand), 0);
        assert_eq!(marks(&wants, "/v1/chat/completions", json!({"model": "claude", "messages": turns})), 1);
        assert_eq!(marks(&wants, "/v1/chat/completions", json!({"model": "gpt", "messages": turns})), 0);
    });
}

#[test]
fn the_log_says_what_a_provider_said_of_a_failure() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let models = format!(
        "  - {{model_name: bad, litellm_params: {{model: openai/m, api_key: k, api_base: {url}/bad/v1}}}}\n\
         \x20 - {{model_name: limited, litellm_params: {{model: openai/m, api_key: k, api_base: {url}/limited/v1}}}}\n\
         \x20 - {{model_name: refused, litellm_params: {{model: openai/m, api_key: refused, api_base: {url}/good/v1}}}}\n"
    );
    let kept = "general_settings: {store_prompts_in_spend_logs: true}\n";
    let off = format!("{kept}litellm_settings: {{turn_off_message_logging: true}}\n");
    for (settings, shown) in [(kept, true), ("", false), (&off, false)] {
        with(&format!("{models}{settings}"), |gateway| {
            for (model, code, class, message) in [
                ("bad", "500", "InternalServerError", "scripted failure"),
                ("limited", "429", "RateLimitError", "scripted limit"),
                ("refused", "401", "AuthenticationError", "refused the gateway's credential"),
            ] {
                let reply = chat(gateway, MASTER, &json!({"model": model, "num_retries": 0}));
                let path = format!("/spend/logs?request_id={}", reply.header("x-litellm-call-id"));
                let line = until(gateway, &path, |lines| lines[0].is_object())[0].clone();
                let error = &line["metadata"]["error_information"];
                assert_eq!((&error["error_code"], &error["error_class"]), (&json!(code), &json!(class)), "{line}");
                let told = error["error_message"].as_str().expect("a text");
                assert_eq!(told.contains(message), shown, "{told}");
                if model == "limited" {
                    assert_eq!(error["error_provider_request_id"], "up-1");
                    let headers = [reply.header("llm_provider-x-request-id"), reply.header("llm_provider-retry-after")];
                    assert_eq!(headers, ["up-1", "60"]);
                }
            }
        });
    }
}

#[test]
fn a_key_that_wants_prompts_cached_has_them_marked_unless_its_caller_marks_some() {
    let upstream = Upstream::start();
    let model = format!(
        "  - {{model_name: claude, litellm_params: {{model: anthropic/claude-sonnet-4-5, api_key: k, api_base: {}/good}}}}\n",
        upstream.url()
    );
    with_models(&model, |gateway| {
        let wants = gateway.key(&json!({"enable_prompt_caching": true}));
        let does_not = gateway.key(&json!({}));
        let mark = json!({"type": "ephemeral"});
        let body = |system: Value, more: Value| {
            let mut messages = vec![json!({"role": "user", "content": "one"})];
            messages.extend(more.as_array().cloned().unwrap_or_default());
            json!({"model": "claude", "max_tokens": 5, "system": system, "messages": messages})
        };
        let turns = json!([{"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]);
        let own = json!([{"type": "text", "text": "Be brief.", "cache_control": mark}]);
        for (key, body, marks) in [
            (&wants, body("Be brief.".into(), turns.clone()), 2),
            (&does_not, body("Be brief.".into(), turns.clone()), 0),
            (&wants, body(own, turns), 1),
            (&wants, body("x: cc_is_subagent=true;".into(), Value::Null), 0),
        ] {
            let reply = gateway.as_key(key, "POST", "/v1/messages", &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
            let sent = upstream.asked().last().expect("a request").1.clone();
            assert_eq!(sent.matches("cache_control").count(), marks, "{sent}");
            if marks == 2 {
                let sent: Value = serde_json::from_str(&sent).expect("JSON");
                assert_eq!((&sent["system"][0]["cache_control"], &sent["messages"][2]["content"][0]["cache_control"]), (&mark, &mark));
            }
        }
    });
}

#[test]
fn the_tokens_of_a_request_of_the_responses_api_are_counted() {
    let upstream = Upstream::start();
    let models = format!(
        "  - {{model_name: gpt, litellm_params: {{model: openai/m, api_key: k, api_base: {url}/good/v1}}}}\n\
         \x20 - {{model_name: claude, litellm_params: {{model: anthropic/m, api_key: k, api_base: {url}/good}}}}\n",
        url = upstream.url()
    );
    with_models(&models, |gateway| {
        for (model, asked) in [("gpt", "/good/v1/responses/input_tokens"), ("claude", "/good/v1/messages/count_tokens")] {
            let body = json!({"model": model, "instructions": "Be brief.", "input": "hi"});
            let reply = gateway.as_key(MASTER, "POST", "/v1/responses/input_tokens", &body);
            assert_eq!(
                (reply.status.as_u16(), reply.json()),
                (200, json!({"object": "response.input_tokens", "input_tokens": 7})),
                "{model}"
            );
            assert_eq!(upstream.asked().last().expect("a request").0, asked);
        }
        let reply = gateway.as_key(MASTER, "POST", "/v1/responses/input_tokens", &json!({"model": "good", "input": "hi"}));
        assert_eq!((reply.status.as_u16(), reply.header("x-switchboard-estimated")), (200, "1"), "{}", reply.text());
        let nothing = gateway.as_key(MASTER, "POST", "/v1/responses/input_tokens", &json!({"model": "gpt"}));
        let message = "/responses/input_tokens: Missing required parameter: 'input'.";
        assert_eq!((nothing.status.as_u16(), &nothing.json()["error"]["message"]), (400, &json!(message)));
    });
}
