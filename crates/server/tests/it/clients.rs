//! What popular clients send as a matter of course, at providers that take less.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

fn config(upstream: &Upstream) -> String {
    let model = |name: &str, more: &str| {
        let group = name.rsplit('/').next().unwrap_or(name);
        format!("  - {{model_name: {group}, litellm_params: {{model: {name}, api_base: {}/good/v1, api_key: k{more}}}}}\n", upstream.url())
    };
    let models =
        ["groq/llama-3.3-70b-versatile", "deepseek/deepseek-reasoner", "openai/gpt-4o", "openai/gpt-5"].map(|name| model(name, ""));
    format!("model_list:\n{}{}", models.concat(), model("openai/gpt-4.1", ", drop_params: true"))
}

/// What the provider got of that, and what the answer's headers say of it.
fn sent(app: &TestApp, upstream: &Upstream, path: &str, body: &Value) -> (Value, String) {
    let before = upstream.asked().len();
    let reply = app.ask("POST", path).json(body).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (_, got) = upstream.asked()[before].clone();
    let dropped = reply.headers.get("x-switchboard-dropped").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if path.starts_with("/api/v1") {
        assert_eq!(reply.header("x-generation-id"), reply.header("x-litellm-call-id"));
    }
    (serde_json::from_str(&got).expect("JSON"), dropped.to_owned())
}

#[test]
fn openrouters_clients_are_understood_by_plain_providers() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream));
    let mark = json!({"type": "ephemeral"});
    let body = json!({
        "model": "llama-3.3-70b-versatile", "provider": {"only": [], "data_collection": "allow"}, "plugins": [], "usage": {"include": true},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": mark}]}],
        "reasoning": {"exclude": false, "effort": "low"}, "top_k": 40, "min_p": 0, "temperature": 0.5
    });
    let (got, dropped) = sent(&app, &upstream, "/api/v1/chat/completions", &body);
    let wanted = json!({"model": "llama-3.3-70b-versatile", "temperature": 0.5, "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!((got, dropped.as_str()), (wanted, "top_k, messages.cache_control, reasoning"));
    let talk = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A", "reasoning": "hm"}, {"role": "user", "content": "So"}]);
    let body = json!({"model": "deepseek-reasoner", "messages": talk, "reasoning": {"effort": "high"}});
    let (got, _) = sent(&app, &upstream, "/api/v1/chat/completions", &body);
    assert_eq!((&got["reasoning_effort"], got.get("reasoning")), (&json!("high"), None));
    assert_eq!(got["messages"][1], json!({"role": "assistant", "content": "A", "reasoning_content": "hm"}));
    let body = json!({"model": "gpt-5:thinking", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(sent(&app, &upstream, "/api/v1/chat/completions", &body).0["reasoning_effort"], "medium");
}

#[test]
fn what_a_model_does_not_take_is_left_out_where_that_is_said() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream));
    let body = |model: &str, fields: Value| {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        body
    };
    let thinks = json!({"reasoning_effort": "high", "thinking": {"type": "enabled"}, "temperature": 0});
    let has = |body: &Value| ["reasoning_effort", "thinking", "temperature"].map(|key| body.get(key).is_some());
    for (model, drops, kept) in [
        ("gpt-4o", None, [true, true, true]),
        ("gpt-4o", Some(true), [false, false, true]),
        ("gpt-4.1", None, [false, false, true]),
        ("gpt-5", None, [true, true, true]),
        ("gpt-5", Some(true), [true, true, false]),
        ("llama-3.3-70b-versatile", Some(true), [false, false, true]),
    ] {
        let mut body = body(model, thinks.clone());
        if let Some(drops) = drops {
            body["drop_params"] = json!(drops);
        }
        let (got, dropped) = sent(&app, &upstream, "/v1/chat/completions", &body);
        assert_eq!(has(&got), kept, "{model} {drops:?} {got}");
        assert_eq!(dropped.is_empty(), kept == [true; 3], "{model} {dropped}");
    }
    let usual = body("gpt-5", json!({"drop_params": true, "temperature": 1}));
    assert_eq!(sent(&app, &upstream, "/v1/chat/completions", &usual).0["temperature"], 1);
    // Claude Code always asks for thoughts.
    let claude = json!({
        "model": "llama-3.3-70b-versatile", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}],
        "thinking": {"type": "enabled", "budget_tokens": 31999},
        "system": [{"type": "text", "text": "You are.", "cache_control": {"type": "ephemeral"}}]
    });
    let (got, dropped) = sent(&app, &upstream, "/v1/messages", &claude);
    assert_eq!((got.get("reasoning_effort"), &got["messages"][0]["content"]), (None, &json!("You are.")));
    assert_eq!(dropped, "messages.cache_control, reasoning");
}

#[test]
fn a_turn_that_is_only_named_is_refused_and_not_forgotten() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream));
    let input =
        json!([{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "msg_swb1.x_1"}, {"role": "user", "content": "So?"}]);
    let reply = app.ask("POST", "/v1/responses").json(&json!({"model": "deepseek-reasoner", "input": input})).send();
    let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(reply.status, 400, "{message}");
    assert!(message.contains("msg_swb1.x_1") && message.contains("`store: false`"), "{message}");
    assert!(upstream.asked().is_empty());
}

#[test]
fn what_would_be_left_out_is_shown_so() {
    const LIST: &str = "  - {model_name: five, litellm_params: {model: openai/gpt-5, api_key: k}}
  - {model_name: four, litellm_params: {model: openai/gpt-4o, api_key: k}}
  - {model_name: seek, litellm_params: {model: deepseek/deepseek-reasoner, api_key: k}}
";
    let shown = |gateway: &Managed, model: &str| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "high",
            "thinking": {"type": "enabled"}, "temperature": 0});
        let told = gateway.post("/utils/transform_request", &json!({"call_type": "completion", "request_body": body}));
        let told = told["raw_request_body"].as_object().unwrap_or_else(|| panic!("{told}")).clone();
        ["reasoning_effort", "thinking", "temperature"].map(|key| told.contains_key(key))
    };
    let gateway = Managed::with_models("", LIST, &[]);
    assert_eq!(["five", "four", "seek"].map(|model| shown(&gateway, model)), [[true; 3]; 3]);
    let gateway = Managed::with_models("litellm_settings: {drop_params: true}\n", LIST, &[]);
    // OpenAI's own have no `thinking`.
    assert_eq!(["five", "four"].map(|model| shown(&gateway, model)), [[true, false, false], [false, false, true]]);
    assert_eq!(shown(&gateway, "seek")[..2], [true, true]);
}

const KEY: &str = "sk-of-the-clients-tests";

#[test]
fn the_catalogue_is_told_without_a_key_only_where_that_is_said() {
    let upstream = Upstream::start();
    let gateway = |more: &str| {
        let owned = "  - {model_name: model_name_t_1, litellm_params: {model: demo/echo}, model_info: {team_id: t, team_public_model_name: ours}}\n";
        TestApp::of(&format!("{}{owned}general_settings: {{master_key: {KEY}}}\n{more}", config(&upstream)))
    };
    let lists = [
        "/api/v1/models",
        "/api/v1/models?supported_parameters=tools",
        "/api/v1/models/count",
        "/api/v1/model/gpt-4o",
        "/api/v1/models/gpt-4o/endpoints",
        "/api/v1/providers",
        "/api/v1/embeddings/models",
        "/api/v1/endpoints/zdr",
    ];
    let closed = ["/api/v1/models/user", "/api/v1/key", "/api/v1/credits", "/v1/models", "/v1/model/info", "/v1beta/models"];
    let app = gateway("");
    for path in lists.into_iter().chain(closed) {
        assert_eq!(app.get(path).status, 401, "{path}");
    }
    let app = gateway("switchboard: {public_catalog: true}\n");
    let asked = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(app.ask("POST", "/api/v1/chat/completions").key(KEY).json(&asked).send().status, 200);
    for path in lists {
        assert_eq!(app.get(path).status, 200, "{path}");
        assert_eq!(app.ask("GET", path).key("sk-nobodys-00000000000000000000").send().status, 200, "{path} with a key of another place");
    }
    for path in closed {
        assert_eq!(app.get(path).status, 401, "{path}");
    }
    assert_eq!(app.ask("POST", "/api/v1/chat/completions").json(&asked).send().status, 401);
    let ids = |list: &Value| list["data"].as_array().expect("a list").iter().map(|model| model["id"].clone()).collect::<Vec<_>>();
    let told = app.get("/api/v1/models").json();
    assert_eq!(ids(&told).len(), 5, "no team's own: {told}");
    assert_eq!(ids(&app.ask("GET", "/api/v1/models").key(KEY).send().json()).len(), 6);
    assert_eq!(app.get("/api/v1/models/model_name_t_1/endpoints").status, 404);
    // Names, limits and prices; what was measured is for those who have a key.
    let endpoint = |reply: Value| reply["data"]["endpoints"][0].clone();
    let own = endpoint(app.ask("GET", "/api/v1/models/gpt-4o/endpoints").key(KEY).send().json());
    let public = endpoint(app.get("/api/v1/models/gpt-4o/endpoints").json());
    assert!(own["uptime_last_1d"].is_number(), "{own}");
    assert!(public["pricing"]["prompt"].is_string() && public["context_length"].is_number(), "{public}");
    for figure in ["uptime_last_5m", "uptime_last_30m", "uptime_last_1d", "latency_last_30m", "throughput_last_30m"] {
        assert_eq!(public[figure], Value::Null, "{figure}");
    }
}

#[test]
fn a_public_catalogue_keeps_to_the_routes_that_are_served() {
    with("general_settings: {admin_only_routes: [/api/v1/models]}\nswitchboard: {public_catalog: true}", |gateway| {
        assert_eq!(gateway.app.get("/api/v1/models").status, 403);
        assert_eq!(gateway.app.get("/api/v1/models/count").status, 200);
        assert_eq!(gateway.as_key(MASTER, "GET", "/api/v1/models", &Value::Null).status, 200);
    });
}

#[test]
fn a_model_without_a_card_is_offered_what_is_passed_on() {
    let app = TestApp::of(
        "model_list: [{model_name: own, litellm_params: {model: hosted_vllm/mine, api_base: 'http://127.0.0.1:9', api_key: k}}]\n",
    );
    let told = app.get("/api/v1/models").json()["data"][0].clone();
    let takes = |name: &str| told["supported_parameters"].as_array().expect("a list").iter().any(|known| known == name);
    for name in ["tools", "tool_choice", "response_format", "reasoning", "temperature", "max_tokens"] {
        assert!(takes(name), "{name}: {told}");
    }
    assert!(!takes("web_search_options"), "{told}");
    assert!(told["created"].as_u64().is_some_and(|created| created > 1_000_000_000), "{told}");
    assert_eq!(app.get("/api/v1/models?supported_parameters=tools").json()["data"], json!([]), "what is not known passes no filter");
}

#[test]
fn every_version_of_googles_api_is_the_same_here() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream));
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    for place in ["/v1", "/v1beta", "/v1alpha", "/v2", "/models", "/v1beta1/publishers/google", "/v1/publishers/google"] {
        let path =
            if place == "/models" { "/models/gpt-4o:generateContent".to_owned() } else { format!("{place}/models/gpt-4o:generateContent") };
        let reply = app.ask("POST", &path).json(&body).send();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert!(reply.json()["candidates"][0]["content"]["parts"][0]["text"].is_string(), "{path}: {}", reply.text());
    }
    for path in ["/v1alpha/models", "/v1beta1/publishers/google/models"] {
        assert_eq!(app.get(path).json()["models"].as_array().map(Vec::len), Some(5), "{path}");
        assert_eq!(app.get(&format!("{path}/gpt-5")).json()["name"], "models/gpt-5", "{path}");
    }
    assert_eq!(app.get("/v1/models/gpt-5").json()["object"], "model", "OpenAI's own stay OpenAI's");
    let googles = |path: &str| app.ask("GET", path).header("x-goog-api-client", "google-genai-sdk/3.4.0").send().json();
    assert_eq!(googles("/v1/models")["models"].as_array().map(Vec::len), Some(5));
    assert_eq!(googles("/v1/models/gpt-5")["name"], "models/gpt-5");
    assert_eq!(app.ask("POST", "/vnext/models/gpt-4o:generateContent").json(&body).send().status, 404);
    let unknown = app.ask("POST", "/v1alpha/models/gpt-4o:paint").json(&body).send();
    assert_eq!((unknown.status.as_u16(), unknown.json()["error"]["status"].clone()), (404, json!("NOT_FOUND")));
}

#[test]
fn a_slash_too_many_leads_to_the_route() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream));
    let body = json!({"model": "gpt-4o", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]});
    for (method, path) in [
        ("POST", "/v1/chat/completions/"),
        ("POST", "//v1/chat/completions"),
        ("POST", "/v1//chat/completions"),
        ("POST", "/openai/deployments/gpt-4o/chat/completions/"),
        ("POST", "/v1/messages/?beta=true"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/gpt-4o/"),
    ] {
        assert_eq!(app.ask(method, path).json(&body).send().status, 200, "{path}");
    }
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    for path in ["/v1beta/models/gpt-4o:generateContent/", "//v1beta//models/gpt-4o:generateContent"] {
        assert_eq!(app.ask("POST", path).json(&body).send().status, 200, "{path}");
    }
    assert_eq!(app.ask("POST", "/v1/nothing/").json(&body).send().status, 404);
    assert_eq!(app.ask("POST", "//elsewhere.example/").json(&body).send().status, 404);
}
