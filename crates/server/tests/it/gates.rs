//! What `general_settings` lets callers do, whoever they are: routes, proxies, places, keys and what they bring along.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::line::Line;
use crate::managed::{MASTER, Managed, together, with};
use crate::upstream::Upstream;

fn chat_body(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn chat(gateway: &Managed, key: &str, model: &str, more: &Value) -> Reply {
    gateway.as_key(key, "POST", "/v1/chat/completions", &chat_body(model, more))
}

fn message(reply: &Reply) -> String {
    let told = reply.json();
    let text = told["error"]["message"].as_str().or_else(|| told["detail"].as_str());
    text.unwrap_or_else(|| panic!("no message: {told}")).to_owned()
}

#[test]
fn only_listed_routes_are_served() {
    with("general_settings: {allowed_routes: [/chat/completions, /key/generate, '/health/*']}", |gateway| {
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.chat(&key, "good").status, 200, "with its prefix too");
        for caller in [MASTER, &key] {
            let refused = gateway.as_key(caller, "POST", "/v1/embeddings", &json!({"model": "good", "input": "x"}));
            assert_eq!((refused.status.as_u16(), message(&refused).as_str()), (403, "Access forbidden: Route /v1/embeddings not allowed"));
        }
        assert_eq!(gateway.as_key(MASTER, "GET", "/team/list", &Value::Null).status, 403);
        assert_eq!(gateway.app.get("/health/liveliness").status, 200, "what needs no key is served");
    });
    with("general_settings: {allowed_routes: [llm_api_routes]}", |gateway| {
        assert_eq!(gateway.chat(MASTER, "good").status, 200);
        assert_eq!(gateway.as_key(MASTER, "POST", "/key/generate", &json!({})).status, 403);
    });
}

#[test]
fn public_routes_need_no_key_and_open_nothing_of_an_administrators() {
    with("general_settings: {public_routes: [LiteLLMRoutes.public_routes, /v1/models, /chat/completions, '/key/*']}", |gateway| {
        assert_eq!(gateway.app.get("/v1/models").status, 200);
        let ask = |path: &str, body: &Value| gateway.app.ask("POST", path).json(body).send();
        assert_eq!(ask("/v1/chat/completions", &chat_body("good", &json!({}))).status, 200);
        assert_eq!(ask("/v1/embeddings", &json!({"model": "good", "input": "x"})).status, 401, "what is not listed");
        assert_ne!(ask("/key/generate", &json!({})).status, 200);
        let stranger = gateway.app.ask("GET", "/v1/models").key("sk-0123456789abcdef0123456789abcdef").send();
        assert_eq!(stranger.status, 200, "a wrong key is as good as none");
        let key = gateway.key(&json!({"models": ["other"]}));
        assert_eq!(gateway.chat(&key, "good").status, 403, "whoever says who they are is held to it");
    });
}

#[test]
fn some_routes_are_for_administrators_only() {
    with("general_settings: {admin_only_routes: [/v1/embeddings, spend_tracking_routes]}", |gateway| {
        gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
        let key = gateway.key(&json!({"user_id": "u"}));
        let refused = gateway.as_key(&key, "POST", "/v1/embeddings", &json!({"model": "good", "input": "x"}));
        let words = "user not allowed to access this route. Route=/v1/embeddings is an admin only route";
        assert_eq!((refused.status.as_u16(), message(&refused).as_str()), (403, words));
        assert_eq!(gateway.as_key(&key, "GET", "/spend/logs", &Value::Null).status, 403);
        assert_eq!(gateway.chat(&key, "good").status, 200);
        assert_eq!(gateway.as_key(MASTER, "GET", "/spend/logs", &Value::Null).status, 200);
        assert_ne!(gateway.as_key(MASTER, "POST", "/v1/embeddings", &json!({"model": "good", "input": "x"})).status, 403);
    });
}

#[test]
fn a_proxy_that_is_trusted_says_who_called() {
    let status = |general: &str, forwarded: &str| {
        let yaml = format!("general_settings: {{master_key: sk-of-the-proxy-tests, allowed_ips: [203.0.113.7]{general}}}\n");
        let app = TestApp::of(&yaml);
        let ask = app.ask("GET", "/v1/models").key("sk-of-the-proxy-tests");
        let ask = if forwarded.is_empty() { ask } else { ask.header("x-forwarded-for", forwarded) };
        ask.send().status.as_u16()
    };
    let trusted = ", use_x_forwarded_for: true, trusted_proxy_ranges: [127.0.0.0/8, '10.0.0.0/8']";
    assert_eq!(status(trusted, "203.0.113.7"), 200);
    assert_eq!(status(trusted, "203.0.113.7, 10.1.2.3"), 200, "through two proxies");
    assert_eq!(status(trusted, "203.0.113.7, 198.51.100.1"), 403, "the caller wrote the first one");
    assert_eq!(status(trusted, ""), 403);
    for untrusted in ["", ", use_x_forwarded_for: true", ", use_x_forwarded_for: true, trusted_proxy_ranges: [10.0.0.0/8]"] {
        assert_eq!(status(untrusted, "203.0.113.7"), 403, "{untrusted}");
    }
}

#[test]
fn no_request_sets_what_lets_strangers_in() {
    with("", |gateway| {
        for (name, value) in
            [("public_routes", json!(["/v1/models"])), ("allow_client_side_credentials", json!(true)), ("allowed_routes", json!(["/x"]))]
        {
            let body = json!({"field_name": name, "field_value": value, "config_type": "general_settings"});
            let refused = gateway.as_key(MASTER, "POST", "/config/field/update", &body);
            assert!(refused.status.is_client_error(), "{name}: {} {}", refused.status, refused.text());
        }
        assert_eq!(gateway.app.get("/v1/models").status, 401);
        let body = json!({"field_name": "max_parallel_requests", "field_value": 3, "config_type": "general_settings"});
        assert_eq!(gateway.as_key(MASTER, "POST", "/config/field/update", &body).status, 200);
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.chat(&key, "good").header("x-ratelimit-api_key-limit-max_parallel_requests"), "3", "at once");
    });
}

#[test]
fn guesses_are_counted_against_whom_a_trusted_proxy_names() {
    with("general_settings: {use_x_forwarded_for: true, trusted_proxy_ranges: [127.0.0.1]}", |gateway| {
        let guess = |who: &str, count: usize| {
            let key = format!("sk-guess-{count}-0123456789abcdef0123456789");
            gateway.app.ask("GET", "/v1/models").key(&key).header("x-forwarded-for", who).send().status.as_u16()
        };
        let statuses: Vec<u16> = (0..25).map(|count| guess("203.0.113.1", count)).collect();
        assert_eq!((statuses[0], statuses[24]), (401, 429), "{statuses:?}");
        assert_eq!(guess("203.0.113.2", 99), 401, "nobody else waits for that");
    });
}

/// How many of those calls at one time are answered.
fn at_once(gateway: &Managed, upstream: &Upstream, keys: &[&str]) -> (usize, Vec<String>) {
    std::thread::scope(|scope| {
        let (sender, answers) = std::sync::mpsc::channel();
        for key in keys {
            let (sender, key) = (sender.clone(), (*key).to_owned());
            scope.spawn(move || sender.send(gateway.chat(&key, "held")).expect("heard"));
        }
        // Those that are refused are so at once; the others wait to be let go.
        let refused: Vec<Reply> = (0..keys.len() - 1).map(|_| answers.recv().expect("an answer")).collect();
        assert!(refused.iter().all(|reply| reply.status == 429), "{refused:?}");
        upstream.let_go();
        let last = answers.recv().expect("an answer");
        (usize::from(last.status == 200), refused.iter().map(message).collect())
    })
}

fn held(upstream: &Upstream) -> String {
    format!("\n  - {{model_name: held, litellm_params: {{model: openai/m, api_base: '{}/held', api_key: none}}}}\n", upstream.url())
}

#[test]
fn a_key_has_so_many_requests_at_a_time_unless_it_says_otherwise() {
    let upstream = Upstream::start();
    with(&format!("general_settings: {{max_parallel_requests: 1}}{}", held(&upstream)), |gateway| {
        let (key, own) = (gateway.key(&json!({})), gateway.key(&json!({"max_parallel_requests": 7})));
        let first = gateway.chat(&key, "good");
        assert_eq!(first.header("x-ratelimit-api_key-limit-max_parallel_requests"), "1");
        assert_eq!(gateway.chat(&own, "good").header("x-ratelimit-api_key-limit-max_parallel_requests"), "7");
    });
    let gateway = Managed::with_models("  max_parallel_requests: 1\n", &held(&upstream), &[]);
    let key = gateway.key(&json!({}));
    let (served, refused) = at_once(&gateway, &upstream, &[&key, &key, &key]);
    assert_eq!(served, 1);
    assert!(refused.iter().all(|words| words.contains("Limit type: max_parallel_requests. Current limit: 1")), "{refused:?}");
}

#[test]
fn the_whole_gateway_has_so_many_requests_at_a_time() {
    let upstream = Upstream::start();
    let gateway = Managed::with_models("  global_max_parallel_requests: 1\n", &held(&upstream), &[]);
    let (key, other) = (gateway.key(&json!({})), gateway.key(&json!({})));
    let (served, refused) = at_once(&gateway, &upstream, &[&key, &other, MASTER]);
    assert_eq!(served, 1);
    assert!(refused.iter().all(|words| words.contains("Limit type: max_parallel_requests")), "{refused:?}");
    assert_eq!(gateway.chat(&key, "good").status, 200, "the place is free again");
}

#[test]
fn limits_of_tokens_count_what_is_said() {
    for (kind, refused) in [("total", true), ("input", false), ("output", true), ("nonsense", true)] {
        with(&format!("general_settings: {{token_rate_limit_type: {kind}}}"), |gateway| {
            let key = gateway.key(&json!({"tpm_limit": 50}));
            let reply = chat(gateway, &key, "good", &json!({"max_tokens": 500}));
            assert_eq!(reply.status == 429, refused, "{kind}: {}", reply.text());
        });
    }
    with("general_settings: {token_rate_limit_type: output}", |gateway| {
        let key = gateway.key(&json!({"tpm_limit": 2}));
        let long = json!({"max_tokens": 1, "messages": [{"role": "user", "content": "word ".repeat(100)}]});
        assert_eq!(chat(gateway, &key, "good", &long).status, 200, "of the prompt nothing is counted");
    });
}

#[test]
fn a_users_budget_can_be_kept_from_keys_of_teams() {
    let cent = "\n  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}\n";
    for (said, second) in
        [("apply_user_budget_to_team_keys: true", 422), ("apply_user_budget_to_team_keys: true, skip_user_budget_on_team_key: true", 200)]
    {
        with(&format!("general_settings: {{{said}}}{cent}"), |gateway| {
            gateway.post("/user/new", &json!({"user_id": "u", "max_budget": 0.01, "auto_create_key": false}));
            gateway.post("/team/new", &json!({"team_id": "t", "members_with_roles": [{"role": "user", "user_id": "u"}]}));
            let key = gateway.key(&json!({"team_id": "t", "user_id": "u"}));
            assert_eq!(gateway.chat(&key, "cent").status, 200);
            assert_eq!(gateway.chat(&key, "cent").status.as_u16(), second, "{said}");
        });
    }
}

#[test]
fn the_configurations_fallbacks_are_for_those_who_may_use_them() {
    let fallbacks = "
  - {model_name: broken, litellm_params: {model: openai/none, api_base: 'http://127.0.0.1:9', api_key: none}}
router_settings: {fallbacks: [{broken: [good]}], num_retries: 0}
";
    for (said, within) in [("", 200), ("enforce_fallback_model_access: true", 503)] {
        with(&format!("general_settings: {{{said}}}{fallbacks}"), |gateway| {
            let narrow = gateway.key(&json!({"models": ["broken"]}));
            assert_eq!(gateway.chat(&narrow, "broken").status.as_u16() == 200, within == 200, "{said}");
            let wide = gateway.key(&json!({"models": ["broken", "good"]}));
            assert_eq!(gateway.chat(&wide, "broken").status, 200, "{said}");
            gateway.post("/team/new", &json!({"team_id": "t", "models": ["broken"]}));
            let of_team = gateway.key(&json!({"team_id": "t", "models": []}));
            assert_eq!(gateway.chat(&of_team, "broken").status.as_u16() == 200, within == 200, "{said}");
        });
    }
}

#[test]
fn service_accounts_must_say_what_the_operator_wants_said() {
    with("general_settings: {service_account_settings: {enforced_params: [user, metadata.generation_name]}}", |gateway| {
        gateway.post("/team/new", &json!({"team_id": "t"}));
        let made = gateway.post("/key/service-account/generate", &json!({"team_id": "t", "key_alias": "robot"}));
        let (robot, person) = (made["key"].as_str().expect("a key").to_owned(), gateway.key(&json!({"team_id": "t"})));
        let refused = chat(gateway, &robot, "good", &json!({"user": "u"}));
        assert_eq!(refused.status, 400);
        assert!(message(&refused).contains("BadRequest please pass param=metadata.generation_name in request body"), "{}", refused.text());
        let whole = json!({"user": "u", "metadata": {"generation_name": "g"}});
        assert_eq!(chat(gateway, &robot, "good", &whole).status, 200);
        assert_eq!(gateway.chat(&person, "good").status, 200, "people need not");
    });
    with("general_settings: {enforced_params: [user]}", |gateway| {
        let key = gateway.key(&json!({}));
        assert_eq!(
            [chat(gateway, &key, "good", &json!({})), chat(gateway, &key, "good", &json!({"user": "u"}))]
                .map(|reply| reply.status.as_u16()),
            [400, 200]
        );
    });
}

#[test]
fn a_key_is_believed_for_so_long() {
    // A year's belief and a second's differ in nothing but when the database is asked again.
    let away = |ttl: &str| {
        let database = crate::managed::database()?;
        let server = database.split("://").nth(1)?.rsplit('@').next()?.split('/').next()?.to_owned();
        let line = Line::to(&server);
        let through = |address: &str| address.replacen(&server, &format!("127.0.0.1:{}", line.port()), 1);
        let gateway = together(&format!("general_settings: {{{ttl}}}"), 1, through).pop()?;
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        line.cut();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let mut status = gateway.chat(&key, "good").status.as_u16();
        while ttl.contains(": 1") && status == 200 && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(50));
            status = gateway.chat(&key, "good").status.as_u16();
        }
        line.mend();
        Some(status)
    };
    assert!(matches!(away("user_api_key_cache_ttl: 1"), Some(503) | None), "it is looked up again");
    assert!(matches!(away(""), Some(200) | None), "it is known until it changes");
}

#[test]
fn an_operator_may_rather_serve_than_know_whom() {
    let Some(database) = crate::managed::database() else { return };
    let server = database.split("://").nth(1).and_then(|rest| rest.rsplit('@').next()).and_then(|rest| rest.split('/').next());
    let server = server.expect("a host").to_owned();
    let line = Line::to(&server);
    let through = |address: &str| address.replacen(&server, &format!("127.0.0.1:{}", line.port()), 1);
    let gateways = together("general_settings: {allow_requests_on_db_unavailable: true}", 2, through);
    let [gateway, other] = &gateways[..] else { return };
    let (known, narrow) = (gateway.key(&json!({})), gateway.key(&json!({"models": ["other"]})));
    assert_eq!([gateway.chat(&known, "good").status, gateway.chat(&narrow, "good").status].map(|status| status.as_u16()), [200, 403]);
    let (unknown, blocked) = (other.key(&json!({"models": ["other"]})), gateway.key(&json!({})));
    assert_eq!(gateway.chat(&blocked, "good").status, 200);
    gateway.post("/key/block", &json!({"key": blocked}));
    line.cut();
    assert_eq!(gateway.chat(&known, "good").status, 200);
    assert_eq!(gateway.chat(&narrow, "good").status, 403, "who is known is held to what is known");
    assert_eq!(gateway.chat(&unknown, "good").status, 503, "and who is not is told to come again");
    assert_eq!(gateway.chat("sk-made-up-by-somebody-0123456789", "good").status, 503);
    assert_eq!(gateway.chat(&blocked, "good").status, 503, "what was blocked stays so");
    assert_eq!(gateway.chat("no-key-at-all", "good").status, 401);
    line.mend();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while gateway.chat(&unknown, "good").status != 403 {
        assert!(std::time::Instant::now() < end, "who was not known is, when the database is back");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn no_answer_has_the_master_key() {
    with("general_settings: {disable_master_key_return: true}", |gateway| {
        gateway.key(&json!({}));
        for path in
            ["/user/info", "/key/list?return_full_object=true", "/get/config/callbacks", "/config/list?config_type=general_settings"]
        {
            let told = gateway.as_key(MASTER, "GET", path, &Value::Null);
            assert_eq!(told.status, 200, "{path}: {}", told.text());
            assert!(!told.text().contains(MASTER), "{path}");
        }
    });
}

/// A gateway whose models are at an upstream, and another upstream that callers may name.
fn brought(general: &str, params: &str) -> (Managed, Upstream, Upstream) {
    let (own, theirs) = (Upstream::start(), Upstream::start());
    let model = format!(
        "  - {{model_name: mine, litellm_params: {{model: openai/m, api_base: '{}/good/v1', api_key: sk-the-gateways{params}}}}}\n",
        own.url()
    );
    (Managed::with_models(general, &model.replace("THEIRS", &theirs.url()), &[]), own, theirs)
}

#[test]
fn an_address_in_a_request_is_refused_unless_it_is_allowed() {
    let (gateway, own, theirs) = brought("", "");
    for name in ["api_base", "base_url"] {
        let refused = chat(&gateway, MASTER, "mine", &json!({name: format!("{}/good/v1", theirs.url()), "api_key": "sk-mine"}));
        assert_eq!(refused.status, 401);
        let begin = format!("Authentication Error, Rejected Request: {name} is not allowed in request body.");
        assert!(message(&refused).starts_with(&begin), "{}", refused.text());
    }
    assert_eq!(chat(&gateway, MASTER, "mine", &json!({"api_key": "sk-mine"})).status, 200);
    assert_eq!((own.keys(), theirs.asked().len()), (vec!["Bearer sk-the-gateways".to_owned()], 0), "a key alone means nothing");
}

#[test]
fn a_caller_brings_its_own_key_and_address_where_the_model_lets_it() {
    let (gateway, own, theirs) = brought("", ", configurable_clientside_auth_params: [api_key, {api_base: 'THEIRS/good.*'}]");
    let there = format!("{}/good/v1", theirs.url());
    let key = gateway.key(&json!({}));
    assert_eq!(chat(&gateway, &key, "mine", &json!({"api_base": there, "api_key": "sk-mine"})).status, 200);
    assert_eq!(chat(&gateway, &key, "mine", &json!({"api_base": there})).status, 200);
    assert_eq!(theirs.keys(), ["Bearer sk-mine"], "the gateway's key stays at home");
    assert_eq!((theirs.asked().len(), own.asked().len()), (2, 0));
    assert!(theirs.asked().iter().all(|(_, body)| !body.contains("api_base") && !body.contains("sk-mine")), "{:?}", theirs.asked());
    assert_eq!(chat(&gateway, &key, "mine", &json!({"api_key": "sk-mine"})).status, 200);
    assert_eq!(own.keys(), ["Bearer sk-mine"]);
    let elsewhere = chat(&gateway, &key, "mine", &json!({"api_base": format!("{}/bad/v1", theirs.url()), "api_key": "sk-mine"}));
    assert_eq!(elsewhere.status, 401, "{}", elsewhere.text());
    assert_eq!(gateway.chat(&key, "mine").status, 200);
    assert_eq!(own.keys().last().map(String::as_str), Some("Bearer sk-the-gateways"));
}

#[test]
fn an_address_of_a_callers_choice_is_a_public_one() {
    let everything = ("  allow_client_side_credentials: true\n", "");
    for (general, params) in [everything, ("", ", configurable_clientside_auth_params: [api_base, api_key]")] {
        let (gateway, own, theirs) = brought(general, params);
        for base in [
            theirs.url().as_str(),
            "https://127.0.0.1/v1",
            "https://[::1]/v1",
            "https://localhost/v1",
            "https://127.1/v1",
            "https://169.254.169.254/",
            "http://example.org",
            "nonsense",
        ] {
            let refused = chat(&gateway, MASTER, "mine", &json!({"api_base": base, "api_key": "sk-mine"}));
            assert_eq!(refused.status, 400, "{base}: {}", refused.text());
            assert!(message(&refused).contains("must be a public address"), "{}", refused.text());
        }
        assert_eq!((own.asked().len(), theirs.asked().len()), (0, 0));
    }
}
