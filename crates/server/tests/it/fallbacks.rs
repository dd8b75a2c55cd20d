//! Where calls go that their first choice does not serve: tags, deeper orders, fallbacks and theirs, over HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::managed::with;
use crate::upstream::Upstream;

fn ask(app: &TestApp, model: &str, fields: &Value) -> Reply {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    if let (Some(body), Some(fields)) = (body.as_object_mut(), fields.as_object()) {
        body.extend(fields.clone());
    }
    app.ask("POST", "/v1/chat/completions").json(&body).send()
}

/// Who answered; else the status.
fn answered(reply: &Reply) -> String {
    match reply.status.as_u16() {
        200 => reply.header("x-litellm-model-id").to_owned(),
        status => status.to_string(),
    }
}

/// A deployment of that group, known by that id, at that place of the upstream.
fn entry(upstream: &Upstream, (group, id, place): (&str, &str, &str), more: &str) -> String {
    let url = upstream.url();
    format!(
        "  - {{model_name: {group}, litellm_params: {{model: openai/{id}, api_key: k, api_base: '{url}/{place}/v1'{more}}}, model_info: {{id: {id}}}}}\n"
    )
}

fn entries(upstream: &Upstream, all: &[(&str, &str, &str)]) -> String {
    all.iter().map(|one| entry(upstream, *one, "")).collect()
}

/// The models that were asked since, in order.
fn asked_since(upstream: &Upstream, before: usize) -> Vec<String> {
    let bodies = upstream.asked().into_iter().skip(before).map(|(_, body)| serde_json::from_str::<Value>(&body).expect("JSON"));
    bodies.map(|body| body["model"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn tags_of_a_key_are_not_escaped_by_tags_of_a_request() {
    const MODELS: &str = "
  - {model_name: m, litellm_params: {model: demo/echo, tags: [eu]}, model_info: {id: eu}}
  - {model_name: m, litellm_params: {model: demo/echo, tags: [default]}, model_info: {id: us}}
router_settings: {enable_tag_filtering: true}
";
    with(MODELS, |gateway| {
        let key = gateway.key(&json!({"metadata": {"tags": ["eu"]}}));
        let asked = |tags: &[&str]| {
            let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "metadata": {"tags": tags}});
            answered(&gateway.as_key(&key, "POST", "/v1/chat/completions", &body))
        };
        for (tags, expected) in
            [(&[][..], "eu"), (&["!eu"], "401"), (&["!eu", "unknown"], "401"), (&["&unknown"], "401"), (&["unknown"], "eu")]
        {
            assert_eq!(asked(tags), expected, "{tags:?}");
        }
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        let with_header = gateway.app.ask("POST", "/v1/chat/completions").key(&key).header("x-litellm-tags", "!eu").json(&body).send();
        assert_eq!(with_header.status, 401, "{}", with_header.text());
    });
}

#[test]
fn a_marked_tag_and_a_clients_name_choose_as_written() {
    let app = TestApp::of(
        "model_list:
  - {model_name: g, litellm_params: {model: demo/echo, tags: [free, eu]}, model_info: {id: free}}
  - {model_name: g, litellm_params: {model: demo/echo, tags: [default]}, model_info: {id: def}}
  - {model_name: g, litellm_params: {model: demo/echo, tag_regex: ['^User-Agent: claude-code\\/']}, model_info: {id: code}}
router_settings: {enable_tag_filtering: true, tag_routing_prefix: 'route:'}
",
    );
    for (tags, expected) in [("route:free", "free"), ("free", "free"), ("route:&eu", "free"), ("!free", "def"), ("route:gold", "401")] {
        assert_eq!(answered(&ask(&app, "g", &json!({"metadata": {"tags": [tags]}}))), expected, "{tags}");
    }
    let body = json!({"model": "g", "messages": [{"role": "user", "content": "hi"}]});
    let as_agent = |agent: &str| answered(&app.ask("POST", "/v1/chat/completions").header("user-agent", agent).json(&body).send());
    assert_eq!((as_agent("claude-code/1.0").as_str(), as_agent("curl/8").as_str()), ("code", "def"));
}

#[test]
fn fallbacks_of_fallbacks_are_tried_and_none_twice() {
    let upstream = Upstream::start();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let models: String = names.iter().map(|name| entry(&upstream, (name, name, if *name == "h" { "good" } else { "bad" }), "")).collect();
    let long = entry(&upstream, ("long", "long", "long"), "");
    for (settings, model, fields, expected, answer) in [
        ("fallbacks: [{a: [b]}, {b: [c, a]}, {c: [h]}]", "a", json!({}), "abch", "h"),
        ("fallbacks: [{a: [b, h]}, {b: [c]}]", "a", json!({}), "abch", "h"),
        ("fallbacks: [{a: [b, c, d, e, f, g, h]}]", "a", json!({}), "abcdefgh", "h"),
        ("fallbacks: [{a: [b]}, {b: [h]}], max_fallbacks: 1", "a", json!({}), "ab", "502"),
        ("fallbacks: [{a: [b]}, {b: [a]}]", "a", json!({}), "ab", "502"),
        // Where the client says where to go, that is all.
        ("fallbacks: [{b: [h]}]", "a", json!({"fallbacks": ["b"]}), "ab", "502"),
        ("fallbacks: [{a: [long]}], context_window_fallbacks: [{long: [h]}]", "a", json!({}), "a-h", "h"),
    ] {
        let app = TestApp::of(&format!("model_list:\n{models}{long}router_settings: {{num_retries: 0, {settings}}}\n"));
        for stream in [false, true] {
            let before = upstream.asked().len();
            let mut fields = fields.clone();
            fields["stream"] = json!(stream);
            let reply = ask(&app, model, &fields);
            let asked = asked_since(&upstream, before).concat().replace("long", "-");
            assert_eq!((asked.as_str(), answered(&reply).as_str()), (expected, answer), "{settings}: {}", reply.text());
        }
    }
}

#[test]
fn a_prompt_known_to_be_too_long_goes_to_what_is_meant_for_such() {
    let upstream = Upstream::start();
    let small = "  - {model_name: cw, litellm_params: {model: openai/small, api_key: k, api_base: 'URL/good/v1'}, model_info: {id: small, max_input_tokens: 50}}\n";
    let models = small.replace("URL", &upstream.url()) + &entries(&upstream, &[("big", "big", "good"), ("other", "other", "good")]);
    let long = "word ".repeat(200);
    for (more, expected) in [("", "big"), (", fallbacks: [{cw: [other]}]", "big"), (", default_fallbacks: [other]", "big")] {
        let settings = format!("{{enable_pre_call_checks: true, context_window_fallbacks: [{{cw: [big]}}]{more}}}");
        let app = TestApp::of(&format!("model_list:\n{models}router_settings: {settings}\n"));
        let messages = json!({"messages": [{"role": "user", "content": long}]});
        let reply = ask(&app, "cw", &messages);
        assert_eq!(answered(&reply), expected, "{more}: {}", reply.text());
        let body = json!({"model": "cw", "max_tokens": 9, "messages": [{"role": "user", "content": long}]});
        assert_eq!(answered(&app.ask("POST", "/v1/messages").json(&body).send()), expected);
        let told = app.ask("POST", "/v1/route/explain").json(&json!({"model": "cw", "messages": messages["messages"]})).send().json();
        assert_eq!((&told["order"], &told["excluded"][0]["reasons"]), (&json!([]), &json!(["context_length"])));
        let first = &told["fallbacks"][0];
        assert_eq!((&first["model"], &first["kind"]), (&json!("big"), &json!("context_window")), "{told}");
        assert_eq!(first["order"][0]["deployment"], json!("big"));
    }
}

#[test]
fn fallbacks_of_an_alias_go_before_those_of_its_group() {
    let upstream = Upstream::start();
    let models = entries(&upstream, &[("a", "a", "bad"), ("b", "b", "good"), ("c", "c", "good"), ("fine", "fine", "good")]);
    for (fallbacks, model, expected) in [
        ("[{nick: [c]}, {a: [b]}]", "nick", "c"),
        ("[{nick: [c]}, {a: [b]}]", "a", "b"),
        ("[{nick: [c]}]", "nick", "c"),
        ("[{a: [b]}]", "nick", "b"),
    ] {
        let app = TestApp::of(&format!(
            "model_list:\n{models}router_settings: {{num_retries: 0, model_group_alias: {{nick: a, well: {{model: fine, hidden: true}}}}, fallbacks: {fallbacks}}}\n"
        ));
        let reply = ask(&app, model, &json!({}));
        assert_eq!((answered(&reply).as_str(), reply.header("x-litellm-model-group")), (expected, expected), "{fallbacks}");
        let reply = ask(&app, "well", &json!({}));
        assert_eq!(reply.header("x-litellm-model-group"), "well", "what is behind an alias is not told");
    }
}

#[test]
fn a_deployment_is_known_by_its_id() {
    let upstream = Upstream::start();
    let models = entries(&upstream, &[("two", "two1", "good"), ("two", "two2", "good"), ("d", "d1", "bad")]);
    with(&format!("{models}router_settings: {{num_retries: 0, fallbacks: [{{d: [two1]}}], default_fallbacks: [d]}}\n"), |gateway| {
        let open = gateway.key(&json!({}));
        let bound = gateway.key(&json!({"models": ["two"]}));
        let other = gateway.key(&json!({"models": ["d"]}));
        let asked = |key: &str, model: &str| {
            let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
            answered(&gateway.as_key(key, "POST", "/v1/chat/completions", &body))
        };
        for id in ["two1", "two2"] {
            for key in [&open, &bound] {
                assert!((0..4).all(|_| asked(key, id) == id), "{id}");
            }
            assert!(["401", "403"].contains(&asked(&other, id).as_str()), "a list of models is no way to others");
        }
        assert_eq!(asked(&open, "d"), "two1");
    });
    let tagged = "model_list:
  - {model_name: m, litellm_params: {model: demo/echo, tags: [eu]}, model_info: {id: eu}}
  - {model_name: m, litellm_params: {model: demo/echo, tags: [default]}, model_info: {id: us}}
router_settings: {enable_tag_filtering: true}
";
    let app = TestApp::of(tagged);
    for (id, tags, expected) in [("eu", json!(["eu"]), "eu"), ("us", json!(["eu"]), "401"), ("us", json!([]), "us")] {
        assert_eq!(answered(&ask(&app, id, &json!({"tags": tags}))), expected, "{id} {tags}");
    }
}

#[test]
fn no_repetitions_are_no_bound_on_the_endpoints_of_a_model() {
    let upstream = Upstream::start();
    let models = entries(
        &upstream,
        &[("m", "one", "bad"), ("m", "two", "bad"), ("m", "three", "good"), ("n", "n", "good"), ("solo", "solo", "bad")],
    );
    let app = TestApp::of(&format!(
        "model_list:\n{models}router_settings: {{num_retries: 0, disable_cooldowns: true}}
switchboard:
  virtual_models:
    - name: best
      routing_config:
        type: priority-based-routing
        load_balance_targets:
          - {{target: solo, priority: 0, retry_config: {{attempts: 2, delay: 1}}, fallback_status_codes: [429, 500]}}
          - {{target: n, priority: 1}}
"
    ));
    for fields in [json!({}), json!({"models": ["m", "n"]}), json!({"provider": {"order": ["openai"]}})] {
        for _ in 0..6 {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
            let reply = app.ask("POST", "/api/v1/chat/completions").json(&body).send();
            assert_eq!(answered(&reply), "three", "{fields}: {}", reply.text());
        }
    }
    let before = upstream.asked().len();
    assert_eq!(ask(&app, "m", &json!({"fallbacks": []})).status.as_u16() / 100, if answered_by_three(&upstream, before) { 2 } else { 5 });
    let before = upstream.asked().len();
    assert_eq!(answered(&ask(&app, "best", &json!({}))), "n");
    assert_eq!(asked_since(&upstream, before), ["solo", "solo", "solo", "n"]);
}

/// Whether the only attempt since met the one that answers: elsewhere siblings are repetitions.
fn answered_by_three(upstream: &Upstream, before: usize) -> bool {
    let asked = asked_since(upstream, before);
    assert_eq!(asked.len(), 1);
    asked == ["three"]
}

#[test]
fn a_prompt_too_long_for_one_order_may_fit_a_deeper_one() {
    let upstream = Upstream::start();
    let models = entry(&upstream, ("m", "o1", "long"), ", order: 1")
        + &entry(&upstream, ("m", "o1b", "long"), ", order: 1")
        + &entry(&upstream, ("m", "o2", "good"), ", order: 2");
    for settings in ["", "num_retries: 0", "num_retries: 3"] {
        let app = TestApp::of(&format!("model_list:\n{models}router_settings: {{{settings}}}\n"));
        let before = upstream.asked().len();
        assert_eq!(answered(&ask(&app, "m", &json!({}))), "o2", "{settings}");
        assert_eq!(asked_since(&upstream, before).len(), 2, "{settings}: what one of an order refuses its siblings are not asked");
    }
}

#[test]
fn a_deeper_order_is_asked_however_many_have_failed_before() {
    let upstream = Upstream::start();
    let first: String = ["a", "b", "c", "d", "e", "f"].map(|id| entry(&upstream, ("m", id, "bad"), ", order: 1")).concat();
    let models = first + &entry(&upstream, ("m", "deep", "bad"), ", order: 2") + &entry(&upstream, ("m", "last", "good"), ", order: 3");
    let app = TestApp::of(&format!("model_list:\n{models}"));
    assert_eq!(answered(&ask(&app, "m", &json!({}))), "last");
}

#[test]
fn a_refusal_is_repeated_where_a_policy_says_so() {
    let upstream = Upstream::start();
    let models = entries(&upstream, &[("m", "m", "refusing"), ("long", "long", "long")])
        + &entry(&upstream, ("deep", "o1", "refusing"), ", order: 1")
        + &entry(&upstream, ("deep", "o2", "good"), ", order: 2");
    for (policy, alone) in [("BadRequestErrorRetries: 2", 3), ("BadRequestErrorRetries: 0", 1), ("TimeoutErrorRetries: 2", 1)] {
        let app = TestApp::of(&format!("model_list:\n{models}router_settings: {{retry_policy: {{{policy}}}}}\n"));
        for (model, status, expected) in [("m", "400", alone), ("deep", "o2", 2), ("long", "400", 1)] {
            let before = upstream.asked().len();
            assert_eq!(answered(&ask(&app, model, &json!({}))), status, "{policy} {model}");
            assert_eq!(upstream.asked().len() - before, expected, "{policy} {model}");
        }
    }
}

#[test]
fn whoever_wants_nothing_repeated_has_nothing_repeated() {
    let upstream = Upstream::start();
    let models = entries(&upstream, &[("m", "m", "bad")]);
    let app = TestApp::of(&format!(
        "model_list:\n{models}router_settings: {{disable_cooldowns: true, retry_policy: {{InternalServerErrorRetries: 2}}}}\n"
    ));
    for (fields, expected) in [(json!({}), 3), (json!({"num_retries": 0}), 1)] {
        let before = upstream.asked().len();
        assert_eq!(ask(&app, "m", &fields).status, 502);
        assert_eq!(upstream.asked().len() - before, expected, "{fields}");
    }
}

#[test]
fn where_the_operator_says_what_is_borne_there_is_no_breaker() {
    let upstream = Upstream::start();
    for settings in
        ["disable_cooldowns: true", "allowed_fails: 50", "cooldown_time: 0", "allowed_fails_policy: {InternalServerErrorAllowedFails: 50}"]
    {
        let alone = entries(&upstream, &[("m", "m", "bad")]);
        let two = entry(&upstream, ("two", "o1", "bad"), ", order: 1") + &entry(&upstream, ("two", "o2", "good"), ", order: 2");
        let app = TestApp::of(&format!("model_list:\n{alone}{two}router_settings: {{num_retries: 0, {settings}}}\n"));
        for model in ["m", "two"] {
            let before = upstream.asked().len();
            for _ in 0..9 {
                ask(&app, model, &json!({}));
            }
            let asked = asked_since(&upstream, before);
            assert_eq!(asked.iter().filter(|asked| *asked != "o2").count(), 9, "{settings} {model}");
        }
    }
}

#[test]
fn a_pause_that_a_provider_asks_for_is_kept_without_cooldowns_too() {
    let upstream = Upstream::start();
    let models = entries(&upstream, &[("m", "m", "limited")]);
    let app = TestApp::of(&format!("model_list:\n{models}router_settings: {{num_retries: 2, disable_cooldowns: true}}\n"));
    assert_eq!(ask(&app, "m", &json!({})).status, 429);
    assert_eq!(upstream.asked().len(), 1, "a minute is longer than anybody waits");
}

#[test]
fn gateways_agree_where_a_session_has_its_seat() {
    let models: String =
        (1..=4).map(|at| format!("  - {{model_name: m, litellm_params: {{model: demo/echo}}, model_info: {{id: l{at}}}}}\n")).collect();
    let config = format!("model_list:\n{models}router_settings: {{optional_pre_call_checks: [session_affinity]}}\n");
    let gateways = [TestApp::of(&config), TestApp::of(&config)];
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let seat = |app: &TestApp, session: &str| {
        answered(&app.ask("POST", "/v1/chat/completions").header("x-litellm-session-id", session).json(&body).send())
    };
    let mut seats = BTreeSet::new();
    for session in 0..12 {
        let session = format!("session {session}");
        let here = seat(&gateways[0], &session);
        assert_eq!((seat(&gateways[1], &session), seat(&gateways[0], &session)), (here.clone(), here.clone()), "{session}");
        seats.insert(here);
    }
    assert!(seats.len() > 1, "sessions do not all sit in one place: {seats:?}");
}

#[test]
fn a_list_of_models_tells_where_calls_go_when_one_fails() {
    let models: String = ["a", "b", "c"].map(|name| format!("  - {{model_name: {name}, litellm_params: {{model: demo/echo}}}}\n")).concat();
    let app = TestApp::of(&format!(
        "model_list:\n{models}router_settings: {{fallbacks: [{{a: [b, c]}}], context_window_fallbacks: [{{b: [c]}}]}}\n"
    ));
    let told = |query: &str| {
        let list = app.get(&format!("/v1/models?{query}")).json();
        let data = list["data"].as_array().expect("a list").clone();
        data.iter().map(|model| model["metadata"]["fallbacks"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(told("include_metadata=true"), [json!(["b", "c"]), json!([]), json!([])]);
    assert_eq!(told("include_metadata=true&fallback_type=context_window"), [json!([]), json!(["c"]), json!([])]);
    assert_eq!(told("fallback_type=general"), [Value::Null, Value::Null, Value::Null]);
    assert_eq!(app.get("/v1/models?include_metadata=true&fallback_type=x").status, 400);
}

#[test]
fn an_answer_that_a_filter_cut_goes_to_what_is_meant_for_such() {
    let upstream = Upstream::start();
    let models = entries(&upstream, &[("cp", "cp", "told"), ("alone", "alone", "told"), ("c", "c", "good")]);
    let app = TestApp::of(&format!(
        "model_list:\n{models}router_settings: {{num_retries: 0, disable_cooldowns: true, content_policy_fallbacks: [{{cp: [c]}}]}}\n"
    ));
    let asked = |model: &str, path: &str, answer: &str, stream: bool| {
        let body = json!({"model": model, "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": answer}]});
        answered(&app.ask("POST", path).json(&body).send())
    };
    for (reason, text, cut) in [("content_filter", "I", true), ("content_filter", "", true), ("stop", "I", false)] {
        let answer = json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}});
        let chunk = |delta: Value, finish: Value| {
            let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
            format!("data: {}\n\n", json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}))
        };
        let begun = chunk(json!({"role": "assistant", "content": text}), Value::Null);
        let stream = begun + &chunk(json!({}), json!(reason)) + "data: [DONE]\n\n";
        for path in ["/v1/chat/completions", "/v1/messages"] {
            assert_eq!(asked("cp", path, &answer.to_string(), false), if cut { "c" } else { "cp" }, "{reason} {path}");
            // What has begun to come is passed on.
            let streamed = asked("cp", path, &stream, true);
            assert_eq!(streamed, if cut && text.is_empty() { "c" } else { "cp" }, "{reason} {text} {path}");
            for (answer, streams) in [(answer.to_string(), false), (stream.clone(), true)] {
                assert_eq!(asked("alone", path, &answer, streams), "alone", "{reason} {path}: nobody else is to be asked");
            }
        }
    }
}

#[test]
fn plugins_that_are_none_here_are_named() {
    let app = TestApp::of("model_list: [{model_name: m, litellm_params: {model: demo/echo}}]\n");
    for (fields, told) in [
        (json!({"plugins": [{"id": "response-healing"}]}), "plugins.response-healing"),
        (json!({"plugins": [{"id": "context-compression"}, {"id": "mine\n"}]}), "plugins.context-compression, plugins"),
        (json!({"transforms": ["middle-out"]}), "transforms"),
        (json!({"transforms": [], "plugins": [{"id": "moderation", "enabled": false}]}), ""),
        (json!({"debug": {"echo_upstream_body": true}}), "debug.echo_upstream_body"),
    ] {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let reply = app.ask("POST", "/api/v1/chat/completions").json(&body).send();
        assert_eq!((reply.status.as_u16(), reply.header("x-switchboard-dropped")), (200, told), "{fields}");
    }
}

#[test]
fn what_is_said_of_a_model_holds_for_the_ids_of_its_deployments() {
    const MODELS: &str = "
  - {model_name: two, litellm_params: {model: demo/echo}, model_info: {id: two1}}
  - {model_name: two, litellm_params: {model: demo/echo}, model_info: {id: two2}}
switchboard:
  limit_rules:
    - {name: platform, type: gateway-rate-limiting-config, rules: [{id: all, when: {models: [two]}, limit_to: 2, unit: requests_per_hour}]}
";
    with(MODELS, |gateway| {
        let key = gateway.key(&json!({}));
        let statuses = ["two1", "two2", "two1", "two"].map(|model| gateway.chat(&key, model).status.as_u16());
        assert_eq!(statuses, [200, 200, 429, 429]);
        let bounded = gateway.key(&json!({"model_rpm_limit": {"two": 0}}));
        assert_eq!(gateway.chat(&bounded, "two1").status, 429);
    });
}
