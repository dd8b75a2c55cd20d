//! Where requests go: preferences, errors of availability, and the explanation of both, over HTTP.

use serde_json::{Value, json};

use crate::app::{Ask, TestApp};
use crate::managed::with;
use crate::upstream::Upstream;

const KEY: &str = "sk-9f2c4e81b7d05a63";

/// Two deployments of one name that answer, one that is elsewhere, and a virtual model over them.
const CONFIG: &str = "\
model_list:
  - model_name: m
    litellm_params: {model: demo/echo, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
    model_info: {id: cheap, region: eu-west-1, trains: false, retains: false, quantization: fp8}
  - model_name: m
    litellm_params: {model: demo/echo, input_cost_per_token: 0.000004, output_cost_per_token: 0.000004}
    model_info: {id: dear, region: us-east-1, trains: true, retains: true, endpoint_tag: turbo}
  - model_name: other/model-2
    litellm_params: {model: demo/echo}
    model_info: {id: other, access_groups: [beta]}
general_settings: {master_key: sk-9f2c4e81b7d05a63}
switchboard:
  virtual_models:
    - name: best
      alias: [gpt-4o]
      routing_config:
        type: priority-based-routing
        load_balance_targets:
          - {target: other/model-2, priority: 1}
          - {target: m, priority: 0, override_params: {temperature: 0.2}}
";

fn post<'a>(app: &'a TestApp, path: &str, body: &Value) -> Ask<'a> {
    app.ask("POST", path).header("authorization", &format!("Bearer {KEY}")).json(body)
}

fn chat(model: &str, fields: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hello there"}]});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

fn served_by(app: &TestApp, path: &str, body: &Value) -> String {
    let reply = post(app, path, body).send();
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.headers["x-litellm-model-id"].to_str().expect("an id").to_owned()
}

#[test]
fn preferences_choose_the_deployment() {
    let app = TestApp::of(CONFIG);
    for (fields, id) in [
        (json!({"provider": {"data_collection": "deny"}}), "cheap"),
        (json!({"provider": {"zdr": true}}), "cheap"),
        (json!({"provider": {"only": ["demo/turbo"]}}), "dear"),
        (json!({"provider": {"order": ["demo/turbo"]}}), "dear"),
        (json!({"provider": {"ignore": ["demo/eu-west-1"]}}), "dear"),
        (json!({"provider": {"max_price": {"prompt": "1", "completion": 2}}}), "cheap"),
        (json!({"provider": {"quantizations": ["fp8"]}}), "cheap"),
        (json!({"provider": {"sort": "price"}}), "cheap"),
        (json!({"allowed_model_region": "us"}), "dear"),
    ] {
        assert_eq!(served_by(&app, "/api/v1/chat/completions", &chat("m", fields.clone())), id, "{fields}");
        assert_eq!(served_by(&app, "/v1/chat/completions", &chat("m", fields.clone())), id, "{fields}");
    }
    for (model, id) in [("m:floor", "cheap"), ("~other/model-latest", "other"), ("beta", "other"), ("other/model-2-20250101", "other")] {
        assert_eq!(served_by(&app, "/api/v1/chat/completions", &chat(model, json!({}))), id, "{model}");
    }
    let list = json!({"models": ["nothing", "other/model-2"], "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(served_by(&app, "/api/v1/chat/completions", &list), "other", "without `model`");
    let id = served_by(&app, "/v1/chat/completions", &chat("gpt-4o", json!({})));
    assert!(["cheap", "dear"].contains(&id.as_str()), "the virtual model's first target: {id}");
}

#[test]
fn preferences_are_heard_in_geminis_form_and_kept_from_the_provider() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let model = |id: &str, model: &str, path: &str| {
        format!(
            "  - {{model_name: m, litellm_params: {{model: {model}, api_key: k, api_base: {url}/good{path}}}, model_info: {{id: {id}}}}}\n"
        )
    };
    let models = model("google", "gemini/gemini-2.5-flash", "") + &model("openai", "openai/gpt-4o-mini", "/v1");
    let app = TestApp::of(&format!("model_list:\n{models}general_settings: {{master_key: {KEY}}}\n"));
    let body = |provider: Value| json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "provider": provider});
    for (only, id) in [("gemini", "google"), ("openai", "openai")] {
        for method in ["generateContent", "streamGenerateContent?alt=sse"] {
            if method.starts_with("stream") && id == "google" {
                continue;
            }
            let reply = post(&app, &format!("/v1beta/models/m:{method}"), &body(json!({"only": [only]}))).send();
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(reply.header("x-litellm-model-id"), id);
            assert_eq!(reply.header("x-switchboard-dropped"), "", "what steers is not lost");
        }
    }
    assert!(upstream.asked().iter().all(|(_, body)| !body.contains("provider")), "{:?}", upstream.asked());
    let nobody = post(&app, "/v1beta/models/m:generateContent", &body(json!({"only": ["nobody"]}))).send();
    assert_eq!((nobody.status.as_u16(), &nobody.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    let wrong = post(&app, "/v1beta/models/m:generateContent", &body(json!({"sort": "fastest"}))).send();
    assert_eq!(wrong.status, 400);
}

#[test]
fn every_client_is_told_why_there_is_nowhere_to_go() {
    let app = TestApp::of(CONFIG);
    let preference = json!({"provider": {"only": ["nobody"]}});
    let anthropic = chat("m", json!({"max_tokens": 9, "provider": {"only": ["nobody"]}}));
    let responses = json!({"model": "m", "input": "hi", "provider": {"only": ["nobody"]}});
    let cases = [
        ("/api/v1/chat/completions", chat("m", preference.clone())),
        ("/v1/chat/completions", chat("m", preference)),
        ("/v1/messages", anthropic),
        ("/v1/responses", responses),
    ];
    for (path, body) in cases {
        let reply = post(&app, path, &body).send();
        let error = &reply.json()["error"];
        let availability = &error["availability"];
        assert_eq!((reply.status.as_u16(), &availability["code"]), (404, &json!("constraint_filtered")), "{path} {error}");
        assert_eq!(availability["excluded_by"], json!(["allowed_providers"]), "{path}");
        assert_eq!(availability["requested_models"], json!(["m"]));
        assert_eq!(availability["retryable"], json!(false));
        assert_eq!(availability["constraint"]["field"], json!("provider.only"));
        assert!(!availability["affected_providers"].as_array().expect("a list").is_empty());
    }
    // Gemini's form has no place for preferences; an unknown model is told with a reason all the same.
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let reply = post(&app, "/v1beta/models/nothing:generateContent", &gemini).send();
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["availability"]["code"]), (404, &json!("model_not_found")));
    let reply = post(&app, "/api/v1/chat/completions", &chat("nothing", json!({}))).send();
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["availability"]["code"]), (400, &json!("model_not_found")));
    let wrong = post(&app, "/v1/chat/completions", &chat("m", json!({"provider": {"sort": "fastest"}}))).send();
    assert_eq!((wrong.status.as_u16(), &wrong.json()["error"]["param"]), (400, &json!("provider")));
}

#[test]
fn a_route_is_explained_in_every_form_without_being_taken() {
    let app = TestApp::of(CONFIG);
    let limit = json!({"provider": {"max_price": {"prompt": 1}}});
    let reply = post(&app, "/v1/route/explain", &chat("m", limit)).send();
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let told = reply.json();
    let mut keys: Vec<&String> = told.as_object().expect("an object").keys().collect();
    keys.sort();
    let fields = ["classes", "classify_us", "excluded", "features", "model", "order", "score", "strategy", "tier"];
    assert_eq!(keys, fields);
    assert_eq!(
        (&told["model"], &told["tier"], &told["classes"], told["classify_us"].is_u64()),
        (&json!("m"), &json!("simple"), &json!([]), true)
    );
    assert_eq!(told["excluded"], json!([{"deployment": "dear", "reasons": ["max_price"]}]));
    let first = &told["order"][0];
    assert_eq!((&first["deployment"], &first["model"], &first["provider"]), (&json!("cheap"), &json!("echo"), &json!("demo")));
    assert!(first["expected_cost_usd"].as_f64().is_some_and(|cost| cost > 0.0 && cost < 0.01), "{first}");
    assert_eq!(first.as_object().expect("an object").len(), 5);
    for (path, body) in [
        ("/api/v1/route/explain", chat("m:floor", json!({}))),
        ("/route/explain", json!({"model": "m", "input": "hi"})),
        ("/v1/route/explain", chat("m", json!({"system": "be brief", "max_tokens": 9}))),
        ("/v1/route/explain?model=m", json!({"contents": [{"parts": [{"text": "hi"}]}]})),
        ("/v1/route/explain?format=anthropic", chat("m", json!({}))),
    ] {
        let reply = post(&app, path, &body).send();
        assert_eq!((reply.status.as_u16(), reply.json()["order"].as_array().map(Vec::len)), (200, Some(2)), "{path} {:?}", reply.body);
    }
    let floor = post(&app, "/api/v1/route/explain", &chat("m:floor", json!({}))).send().json();
    assert_eq!((&floor["strategy"], &floor["order"][0]["deployment"]), (&json!("sort:price"), &json!("cheap")));
    let virtual_model = post(&app, "/v1/route/explain", &chat("gpt-4o", json!({}))).send().json();
    assert_eq!((&virtual_model["model"], &virtual_model["strategy"]), (&json!("best"), &json!("priority-based-routing")));
    assert_eq!(virtual_model["order"][2]["deployment"], json!("other"));
    let none = post(&app, "/v1/route/explain", &chat("m", json!({"provider": {"only": ["x"]}}))).send();
    assert_eq!((none.status.as_u16(), &none.json()["order"]), (200, &json!([])));
    assert_eq!(post(&app, "/v1/route/explain", &chat("nothing", json!({}))).send().status, 400);
    assert_eq!(post(&app, "/v1/route/explain?format=yaml", &chat("m", json!({}))).send().status, 400);
    assert_eq!(app.ask("POST", "/v1/route/explain").json(&chat("m", json!({}))).send().status, 401);
    assert!(!app.stop().contains("\"outcome\""), "nothing was asked of a provider");
}

#[test]
fn tags_and_strategies_come_from_the_file() {
    let config = "\
model_list:
  - {model_name: m, litellm_params: {model: demo/echo, tags: [free]}, model_info: {id: free}}
  - {model_name: m, litellm_params: {model: demo/echo, tags: [paid]}, model_info: {id: paid}}
  - {model_name: c, litellm_params: {model: demo/echo, input_cost_per_token: 2.0e-6, output_cost_per_token: 2.0e-6}, model_info: {id: dear}}
  - {model_name: c, litellm_params: {model: demo/echo, input_cost_per_token: 1.0e-6, output_cost_per_token: 1.0e-6}, model_info: {id: cheap}}
  - {model_name: b, litellm_params: {model: demo/echo}, model_info: {id: shut, blocked: true}}
router_settings:
  enable_tag_filtering: true
  routing_strategy: least-busy
  routing_groups: [{group_name: g, models: [c], routing_strategy: cost-based-routing}]
  fallbacks: [{b: [{model: c, temperature: 0}]}]
general_settings: {master_key: sk-9f2c4e81b7d05a63}
";
    let app = TestApp::of(config);
    let path = "/v1/chat/completions";
    assert_eq!(served_by(&app, path, &chat("m", json!({"metadata": {"tags": ["paid"]}}))), "paid");
    assert_eq!(served_by(&app, path, &chat("m", json!({"tags": ["free"]}))), "free");
    let refused = post(&app, path, &chat("m", json!({"tags": ["gold"]}))).send();
    assert_eq!(refused.status, 401, "{:?}", refused.body);
    assert_eq!(served_by(&app, path, &chat("c", json!({}))), "cheap");
    assert_eq!(served_by(&app, path, &chat("b", json!({}))), "cheap", "a blocked deployment's fallback serves");
    let told = post(&app, "/v1/route/explain", &chat("m", json!({"tags": ["free"]}))).send().json();
    assert_eq!((&told["strategy"], &told["excluded"][0]["reasons"]), (&json!("least-busy"), &json!(["tags"])));
}

#[test]
fn keys_and_teams_have_settings_of_the_router_of_their_own() {
    const MODELS: &str = "
  - {model_name: c, litellm_params: {model: demo/echo, tags: [paid], input_cost_per_token: 2.0e-6, output_cost_per_token: 2.0e-6}, model_info: {id: dear}}
  - {model_name: c, litellm_params: {model: demo/echo, tags: [free], input_cost_per_token: 1.0e-6, output_cost_per_token: 1.0e-6}, model_info: {id: cheap}}
  - {model_name: broken, litellm_params: {model: openai/gone, api_base: 'http://127.0.0.1:9', api_key: none, mock_response: 'litellm.RateLimitError'}}
";
    with(MODELS, |gateway| {
        let ask = |key: &str, more: serde_json::Value| {
            let mut body = chat("c", json!({}));
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            gateway.app.ask("POST", "/v1/chat/completions").key(key).json(&body).send()
        };
        let served = |key: &str, more: serde_json::Value| {
            let reply = ask(key, more);
            (reply.status.as_u16(), reply.header("x-litellm-model-id").to_owned())
        };
        let own = |settings: serde_json::Value| gateway.key(&json!({"router_settings": settings}));
        let ten =
            |key: &str, more: serde_json::Value| (0..10).map(|_| served(key, more.clone()).1).collect::<std::collections::BTreeSet<_>>();
        let thrifty = own(json!({"routing_strategy": "cost-based-routing"}));
        assert_eq!(ten(&thrifty, json!({})), ["cheap".to_owned()].into());
        let heavy = own(json!({"weights": {"c": {"dear": 1, "cheap": 0}}}));
        assert_eq!(ten(&heavy, json!({})), ["dear".to_owned()].into());
        let tagged = own(json!({"enable_tag_filtering": true}));
        assert_eq!(ten(&tagged, json!({"metadata": {"tags": ["paid"]}})), ["dear".to_owned()].into());
        let plain = gateway.key(&json!({}));
        assert_eq!(ten(&plain, json!({"metadata": {"tags": ["paid"]}})).len(), 2, "without it tags choose nothing");
        assert_eq!(
            ten(&plain, json!({"router_settings_override": {"routing_strategy": "cost-based-routing"}})),
            ["cheap".to_owned()].into()
        );

        let rescued = own(json!({"fallbacks": [{"broken": ["c"]}], "num_retries": 0, "routing_strategy": "cost-based-routing"}));
        assert_eq!(ask(&plain, json!({"model": "broken"})).status, 429);
        assert_eq!(served(&rescued, json!({"model": "broken"})), (200, "cheap".to_owned()));
        let renamed = own(json!({"model_group_alias": {"nick": "c"}}));
        assert_eq!(ask(&renamed, json!({"model": "nick"})).status, 200);
        assert_eq!(ask(&plain, json!({"model": "nick"})).status, 400);

        gateway.post("/team/new", &json!({"team_id": "t", "router_settings": {"routing_strategy": "cost-based-routing"}}));
        let of_team = gateway.key(&json!({"team_id": "t"}));
        assert_eq!(ten(&of_team, json!({})), ["cheap".to_owned()].into());
        let against = gateway.key(&json!({"team_id": "t", "router_settings": {"weights": {"dear": 1, "cheap": 0}}}));
        assert_eq!(ten(&against, json!({})), ["dear".to_owned()].into(), "the key's own go before its team's");
        let wrong = ask(&plain, json!({"router_settings_override": {"num_retries": "many"}}));
        assert_eq!((wrong.status.as_u16(), wrong.text().contains("num_retries")), (400, true), "{}", wrong.text());
    });
}

#[test]
fn a_deeper_order_is_asked_however_often_is_repeated() {
    let upstream = Upstream::start();
    let url = upstream.url();
    for (first, key) in [("bad", "k"), ("limited", "k"), ("good", "refused")] {
        for settings in ["num_retries: 0", "num_retries: 0, disable_cooldowns: true", "num_retries: 5, retry_policy: {DefaultRetries: 0}"] {
            let place = |path: &str, key: &str, order: u32, id: &str| {
                format!(
                    "  - {{model_name: m, litellm_params: {{model: openai/x, api_key: {key}, api_base: {url}/{path}/v1, order: {order}}}, \
                     model_info: {{id: {id}}}}}\n"
                )
            };
            let models = [place(first, key, 1, "o1"), place("bad", "k", 2, "o2"), place("good", "k", 3, "o3")].concat();
            let app = TestApp::of(&format!("model_list:\n{models}router_settings: {{{settings}}}\n"));
            let before = upstream.asked().len();
            let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            let reply = app.ask("POST", "/v1/chat/completions").json(&body).send();
            assert_eq!((reply.status.as_u16(), reply.header("x-litellm-model-id")), (200, "o3"), "{first} {settings}: {}", reply.text());
            assert_eq!(reply.header("x-litellm-attempted-retries"), "0", "no repetitions");
            assert_eq!(upstream.asked().len() - before, 3, "{first} {settings}");
        }
    }
    let twins = format!(
        "model_list:\n  - {{model_name: m, litellm_params: {{model: openai/x, api_key: k, api_base: {url}/bad/v1}}}}\n  \
         - {{model_name: m, litellm_params: {{model: openai/x, api_key: k, api_base: {url}/bad/v1}}}}\nrouter_settings: {{num_retries: 0}}\n"
    );
    let (app, before) = (TestApp::of(&twins), upstream.asked().len());
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(app.ask("POST", "/v1/chat/completions").json(&body).send().status, 502);
    assert_eq!(upstream.asked().len() - before, 1, "siblings of the same order are repetitions");
}

#[test]
fn a_number_for_all_failures_holds_where_a_class_has_none() {
    let upstream = Upstream::start();
    for (policy, asked) in [("{DefaultRetries: 2}", 3), ("{DefaultRetries: 2, InternalServerErrorRetries: 0}", 1)] {
        let app = TestApp::of(&format!(
            "model_list:\n  - {{model_name: pol, litellm_params: {{model: openai/x, api_key: k, api_base: {}/bad/v1}}}}\n\
             router_settings: {{num_retries: 0, disable_cooldowns: true, model_group_retry_policy: {{pol: {policy}}}}}\n",
            upstream.url()
        ));
        let before = upstream.asked().len();
        let body = json!({"model": "pol", "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(app.ask("POST", "/v1/chat/completions").json(&body).send().status, 502);
        assert_eq!(upstream.asked().len() - before, asked, "{policy}");
    }
}

#[test]
fn what_says_no_amount_bounds_nothing_and_keeps_no_gateway_from_starting() {
    let app = TestApp::of(
        "model_list:\n  - {model_name: m, litellm_params: {model: demo/echo, timeout: \"\"}}\n\
         litellm_settings: {tag_budget_config: {t: {budget_duration: 1d}}}\n\
         router_settings: {provider_budget_config: {demo: {time_period: 1d}}}\n",
    );
    let body = json!({"model": "m", "metadata": {"tags": ["t"]}, "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(app.ask("POST", "/v1/chat/completions").json(&body).send().status, 200);
}

#[test]
fn who_wants_to_know_hears_why_a_fallback_answered() {
    let upstream = Upstream::start();
    for (exposed, said, told) in
        [(true, json!(true), true), (true, json!("x"), true), (true, json!([]), false), (false, json!(true), false)]
    {
        let app = TestApp::of(&format!(
            "model_list:\n  - {{model_name: broken, litellm_params: {{model: openai/x, api_key: k, api_base: {url}/bad/v1}}}}\n  \
             - {{model_name: fine, litellm_params: {{model: openai/x, api_key: k, api_base: {url}/good/v1}}}}\n\
             general_settings: {{expose_fallback_errors_to_caller: {exposed}}}\n\
             router_settings: {{num_retries: 0, fallbacks: [{{broken: [fine]}}]}}\n",
            url = upstream.url()
        ));
        let body = json!({"model": "broken", "include_fallback_errors": said, "messages": [{"role": "user", "content": "hi"}]});
        let reply = app.ask("POST", "/v1/chat/completions").json(&body).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(!upstream.asked().last().expect("a request").1.contains("include_fallback_errors"));
        let header = reply.header("x-litellm-fallback-errors");
        assert_eq!(!header.is_empty(), told, "{exposed} {said}");
        if told {
            let errors: Value = serde_json::from_str(header).expect("JSON");
            assert_eq!((&errors[0]["message"], &errors[0]["code"], &errors[1]), (&json!("scripted failure"), &json!("500"), &Value::Null));
        }
    }
}

#[test]
fn what_nobody_knows_goes_where_all_others_fall_back_to() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let entry = |name: &str| {
        format!(
            "  - {{model_name: '{name}', litellm_params: {{model: 'openai/{}', api_base: '{at}/good', api_key: k}}}}\n",
            name.trim_start_matches("openai/")
        )
    };
    for (setting, names, expected) in [
        ("router_settings: {fallbacks: [{'*': [safe]}]}\n", &["safe", "openai/*"][..], 200),
        ("litellm_settings: {default_fallbacks: [safe]}\n", &["safe", "openai/*"], 200),
        // Where every name is known beforehand, another one is a mistake.
        ("router_settings: {fallbacks: [{'*': [safe]}]}\n", &["safe"], 400),
        ("", &["safe", "openai/*"], 400),
    ] {
        let models: String = names.iter().map(|name| entry(name)).collect();
        with(&format!("{models}{setting}"), |gateway| {
            let unnamed = json!({"messages": [{"role": "user", "content": "hi"}]});
            let open = gateway.key(&json!({}));
            for body in [chat("nobody/knows", json!({})), unnamed.clone()] {
                let reply = gateway.as_key(&open, "POST", "/v1/chat/completions", &body);
                assert_eq!(reply.status.as_u16(), expected, "{setting} {body}: {}", reply.text());
                if expected == 200 {
                    assert!(upstream.asked().last().expect("a request").1.contains("\"model\":\"safe\""), "{body}");
                }
            }
            // A list of models is no way to others.
            let bound = gateway.key(&json!({"models": ["openai/*"]}));
            for body in [chat("nobody/knows", json!({})), unnamed] {
                let refused = gateway.as_key(&bound, "POST", "/v1/chat/completions", &body);
                assert!((400..404).contains(&refused.status.as_u16()), "{setting} {body}: {}", refused.text());
            }
        });
    }
}
