//! What a request's names stand for in OpenRouter's way, over HTTP: presets, searches, and the lists of names.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

fn models(url: &str) -> String {
    format!(
        "  - model_name: a/plain
    litellm_params: {{model: openai/p, api_base: '{url}/v1', api_key: k}}
  - model_name: a/searches
    litellm_params: {{model: openai/s-search-preview, api_base: '{url}/v1', api_key: k}}
    model_info: {{supports_web_search: true}}
switchboard:
  presets:
    - {{slug: shared, model: a/plain, temperature: 0.9, system_prompt: Be shared.}}
  virtual_models:
    - name: either
      routing_config: {{type: weight-based-routing, load_balance_targets: [{{target: a/plain, weight: 1}}]}}
  experiments:
    - {{name: trial, model: tried, arms: [{{model: a/plain, weight: 1}}, {{model: a/searches, weight: 1}}]}}
"
    )
}

fn said(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

/// What the provider was asked last.
fn asked(upstream: &Upstream) -> Value {
    let (_, body) = upstream.asked().pop().expect("a request");
    serde_json::from_str(&body).expect("JSON")
}

fn openrouter(gateway: &Managed, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let reply = gateway.as_key(key, method, &format!("/api/v1{path}"), body);
    (reply.status.as_u16(), reply.json())
}

#[test]
fn a_preset_is_kept_by_version_and_says_what_a_request_does_not() {
    let upstream = Upstream::start();
    with(&models(&upstream.url()), |gateway| {
        let ask = |method: &str, path: &str, body: &Value| openrouter(gateway, MASTER, method, path, body);
        let first =
            json!({"model": "a/plain", "temperature": 0.1, "messages": [{"role": "system", "content": "Be brief."}], "stream": true});
        let (status, made) = ask("POST", "/presets/writer/chat/completions", &first);
        assert_eq!((status, &made["data"]["designated_version"]["version"]), (200, &json!(1)), "{made}");
        assert_eq!(made["data"]["designated_version"]["config"], json!({"model": "a/plain", "temperature": 0.1}));
        let key = gateway.key(&json!({}));
        let chat = |body: &Value| openrouter(gateway, &key, "POST", "/chat/completions", body);
        let (status, answer) = chat(&json!({"model": "@preset/writer", "messages": said("hi")}));
        assert_eq!(status, 200, "{answer}");
        let sent = asked(&upstream);
        assert_eq!((&sent["temperature"], &sent["messages"][0]["content"]), (&json!(0.1), &json!("Be brief.")), "{sent}");
        assert!(sent.get("preset").is_none() && sent["model"] == "p", "{sent}");
        // A new version holds at once; what the request says wins.
        let (_, made) = ask(
            "POST",
            "/presets/writer/messages",
            &json!({"model": "a/plain", "system": "Be long.", "temperature": 0.5, "max_tokens": 9}),
        );
        assert_eq!(made["data"]["designated_version"]["version"], 2);
        assert_eq!(chat(&json!({"preset": "writer", "temperature": 1, "messages": said("hi")})).0, 200);
        let sent = asked(&upstream);
        assert_eq!(
            (&sent["temperature"], &sent["max_tokens"], &sent["messages"][0]["content"]),
            (&json!(1), &json!(9), &json!("Be long."))
        );
        let (_, versions) = ask("GET", "/presets/writer/versions", &Value::Null);
        assert_eq!((&versions["total_count"], &versions["data"][0]["version"]), (&json!(2), &json!(1)), "{versions}");
        assert_eq!(ask("GET", "/presets/writer/versions/1", &Value::Null).1["data"]["system_prompt"], "Be brief.");
        assert_eq!(ask("GET", "/presets/writer", &Value::Null).1["data"]["designated_version"]["version"], 2);
        assert_eq!(ask("GET", "/presets", &Value::Null).1["total_count"], 1);
        assert_eq!(ask("GET", "/presets/none", &Value::Null).0, 404);
        // Whoever may not manage anything may use them.
        assert_eq!(openrouter(gateway, &key, "POST", "/presets/writer/messages", &json!({"model": "m"})).0, 403);
        assert_eq!(chat(&json!({"model": "@preset/none", "messages": said("hi")})).0, 404);
        assert_eq!(chat(&json!({"model": "a/plain@preset/shared", "messages": said("hi")})).0, 200);
        assert_eq!(asked(&upstream)["messages"][0]["content"], "Be shared.");
        // A preset is no way round a list of models.
        let barred = gateway.key(&json!({"models": ["a/searches"]}));
        let (status, told) =
            openrouter(gateway, &barred, "POST", "/chat/completions", &json!({"model": "@preset/writer", "messages": said("hi")}));
        assert!(matches!(status, 401 | 403), "{status} {told}");
    });
}

#[test]
fn a_search_is_the_providers_own_or_refused() {
    let upstream = Upstream::start();
    with(&models(&upstream.url()), |gateway| {
        let key = gateway.key(&json!({}));
        let chat = |body: &Value| openrouter(gateway, &key, "POST", "/chat/completions", body);
        let (status, answer) = chat(&json!({"model": "a/searches:online", "messages": said("news?")}));
        assert_eq!((status, &asked(&upstream)["web_search_options"]), (200, &json!({})), "{answer}");
        let plugins = json!([{"id": "web", "search_context_size": "low"}]);
        assert_eq!(chat(&json!({"model": "a/searches", "plugins": plugins, "messages": said("news?")})).0, 200);
        let sent = asked(&upstream);
        assert_eq!((&sent["web_search_options"], sent.get("plugins")), (&json!({"search_context_size": "low"}), None), "{sent}");
        let (status, told) = chat(&json!({"model": "a/plain:online", "messages": said("news?")}));
        assert_eq!((status, &told["error"]["availability"]["excluded_by"]), (404, &json!(["web_search"])), "{told}");
        let (status, told) = chat(&json!({"model": "a/searches", "plugins": [{"id": "web", "engine": "exa"}], "messages": said("x")}));
        assert!(status == 400 && told.to_string().contains("exa"), "{status} {told}");
        // The tool says the same as the plugin.
        let tool = |kind: &str| json!([{"type": kind, "parameters": {"engine": "auto", "search_context_size": "low"}}]);
        let by_tool = |model: &str, kind: &str| chat(&json!({"model": model, "tools": tool(kind), "messages": said("news?")}));
        assert_eq!(by_tool("a/searches", "openrouter:web_search").0, 200);
        let sent = asked(&upstream);
        assert_eq!((&sent["web_search_options"], sent.get("tools")), (&json!({"search_context_size": "low"}), None), "{sent}");
        let (status, told) = by_tool("a/plain", "openrouter:web_search");
        assert_eq!((status, &told["error"]["availability"]["excluded_by"]), (404, &json!(["web_search"])), "{told}");
        let (status, told) = by_tool("a/searches", "openrouter:datetime");
        assert!(status == 400 && told.to_string().contains("openrouter:datetime"), "{status} {told}");
    });
}

#[test]
fn complaints_are_kept_with_what_else_is_thought_of_an_answer() {
    let upstream = Upstream::start();
    with(&models(&upstream.url()), |gateway| {
        let answer = gateway.as_key(MASTER, "POST", "/v1/chat/completions", &json!({"model": "a/plain", "messages": said("hi")}));
        let id = answer.header("x-litellm-call-id").to_owned();
        let say = |body: &Value| openrouter(gateway, MASTER, "POST", "/generation/feedback", body);
        let (status, told) = say(&json!({"generation_id": id, "category": "incorrect_response", "comment": "Twice the same."}));
        assert_eq!((status, &told), (200, &json!({"data": {"success": true}})));
        let kept = gateway.get(&format!("/v1/feedback?generation_id={id}"));
        assert_eq!(
            (&kept["data"][0]["comment"], &kept["data"][0]["thumbs"]),
            (&json!("incorrect_response: Twice the same."), &json!("down"))
        );
        assert_eq!(say(&json!({"generation_id": id, "category": "mood"})).0, 400);
        assert_eq!(say(&json!({"generation_id": "call-none", "category": "other"})).0, 404);
    });
}

#[test]
fn lists_show_every_name_that_may_be_asked_for() {
    let upstream = Upstream::start();
    with(&models(&upstream.url()), |gateway| {
        let listed = |path: &str| {
            let list = gateway.get(path);
            let ids = list["data"].as_array().expect("a list").iter().filter_map(|model| model["id"].as_str().map(str::to_owned));
            ids.collect::<Vec<_>>()
        };
        for path in ["/v1/models", "/api/v1/models"] {
            let ids = listed(path);
            for name in ["a/plain", "either", "tried"] {
                assert_eq!(ids.iter().filter(|id| *id == name).count(), 1, "{path}: {name} in {ids:?}");
            }
        }
    });
}
