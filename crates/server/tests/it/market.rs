//! OpenRouter's catalogue, of what this gateway serves.

use serde_json::{Value, json};

use crate::app::TestApp;

const CONFIG: &str = "\
model_list:
  - {model_name: openai/gpt-4o-mini, litellm_params: {model: openai/gpt-4o-mini, api_key: sk-x1}}
  - {model_name: team/claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: sk-x2}, model_info: {created: 1758000000, description: 'Long & careful', categories: [legal], supported_voices: [alloy, ash], distillable: false}}
  - model_name: team/claude
    litellm_params: {model: bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0, aws_region_name: eu-central-1, aws_access_key_id: AKIAX, aws_secret_access_key: x3}
  - {model_name: embed, litellm_params: {model: openai/text-embedding-3-small, api_key: sk-x1}}
  - {model_name: paint, litellm_params: {model: openai/gpt-image-1, api_key: sk-x1}}
  - {model_name: own/model, litellm_params: {model: openai_like/never-heard-of, api_base: 'http://127.0.0.1:9', api_key: sk-x4}}
  - {model_name: demo/echo, litellm_params: {model: demo/echo}}
";

fn ids(reply: &Value) -> Vec<String> {
    reply["data"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

fn listed(app: &TestApp, query: &str) -> Vec<String> {
    let reply = app.get(&format!("/api/v1/models?{query}"));
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    ids(&reply.json())
}

#[test]
fn what_gives_text_is_listed_where_nothing_is_asked_for() {
    let app = TestApp::of(CONFIG);
    assert_eq!(listed(&app, ""), ["demo/echo", "openai/gpt-4o-mini", "own/model", "team/claude"]);
    assert_eq!(listed(&app, "output_modalities=all").len(), 6);
    assert_eq!(listed(&app, "output_modalities=embeddings"), ["embed"]);
    assert_eq!(app.get("/api/v1/models/count").json(), json!({"data": {"count": 4}}));
    assert_eq!(app.get("/v1/models/count?output_modalities=all").json(), json!({"data": {"count": 6}}));
    assert_eq!(ids(&app.get("/api/v1/embeddings/models").json()), ["embed"]);
    assert_eq!(ids(&app.get("/api/v1/models/user").json()).len(), 6);
    assert_eq!(ids(&app.get("/images/models").json()), ["paint"]);
}

#[test]
fn filters_leave_what_is_known_to_fit() {
    let app = TestApp::of(CONFIG);
    for (query, expected) in [
        ("q=CLAUDE", vec!["team/claude"]),
        ("q=gpt%20mini", vec!["openai/gpt-4o-mini"]),
        ("supported_parameters=tools,response_format", vec!["openai/gpt-4o-mini", "team/claude"]),
        ("input_modalities=image", vec!["openai/gpt-4o-mini", "team/claude"]),
        ("context=150000", vec!["team/claude"]),
        ("max_price=0.15", vec!["openai/gpt-4o-mini"]),
        ("min_price=0.16&max_output_price=15", vec!["team/claude"]),
        ("arch=gpt", vec!["openai/gpt-4o-mini"]),
        ("model_authors=anthropic", vec!["team/claude"]),
        ("providers=Amazon%20Bedrock", vec!["team/claude"]),
        ("providers=amazon-bedrock,openai", vec!["openai/gpt-4o-mini", "team/claude"]),
        ("zdr=true", vec!["demo/echo", "team/claude"]),
        ("region=eu", vec!["team/claude"]),
        ("region=us", vec![]),
        ("category=legal", vec!["team/claude"]),
        ("distillable=false", vec!["team/claude"]),
        ("distillable=true", vec![]),
        ("min_age_days=1", vec!["team/claude"]),
        ("max_age_days=1", vec![]),
        ("min_intelligence_index=1", vec![]),
    ] {
        assert_eq!(listed(&app, query), expected, "{query}");
    }
}

#[test]
fn what_is_not_known_is_last_in_every_order() {
    let app = TestApp::of(CONFIG);
    let unknown = ["demo/echo", "own/model"];
    for (sort, first) in [
        ("pricing-low-to-high", ["openai/gpt-4o-mini", "team/claude"]),
        ("pricing-high-to-low", ["team/claude", "openai/gpt-4o-mini"]),
        ("context-high-to-low", ["team/claude", "openai/gpt-4o-mini"]),
    ] {
        assert_eq!(listed(&app, &format!("sort={sort}")), [first, unknown].concat(), "{sort}");
    }
    assert_eq!(listed(&app, "sort=newest")[0], "team/claude");
    assert_eq!(listed(&app, "sort=coding-high-to-low"), listed(&app, ""));
}

#[test]
fn pages_follow_each_other_and_keep_the_filter() {
    let app = TestApp::of(CONFIG);
    let (mut seen, mut path) = (Vec::new(), "/api/v1/models?limit=4&output_modalities=all".to_owned());
    loop {
        let reply = app.get(&path).json();
        assert_eq!(reply["total_count"], 6);
        seen.extend(ids(&reply));
        match reply["links"]["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, listed(&app, "output_modalities=all"));
    assert_eq!(listed(&app, "offset=3"), ["team/claude"]);
    assert_eq!(listed(&app, "offset=30"), Vec::<String>::new());
}

#[test]
fn what_makes_no_sense_is_refused_in_openrouters_words() {
    let app = TestApp::of(CONFIG);
    for path in
        ["/api/v1/models?sort=best", "/api/v1/models?limit=0", "/api/v1/models/count?output_modalities=smell", "/models/user?offset=x"]
    {
        let reply = app.get(path);
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (400, &json!(400)), "{path}: {}", reply.text());
    }
    for path in ["/api/v1/model/no/such", "/api/v1/models/no/such/endpoints", "/v1/parameters/no/such", "/images/models/embed/endpoints"] {
        let reply = app.get(path);
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (404, &json!(404)), "{path}: {}", reply.text());
    }
}

#[test]
fn a_model_is_told_with_all_that_is_known() {
    let app = TestApp::of(CONFIG);
    let model = &app.get("/api/v1/model/openai/gpt-4o-mini").json()["data"];
    assert_eq!(model["pricing"]["prompt"], "0.00000015");
    assert_eq!(model["architecture"]["tokenizer"], "GPT");
    assert_eq!((&model["context_length"], &model["top_provider"]["max_completion_tokens"]), (&json!(128_000), &json!(16_384)));
    assert_eq!(model["links"]["details"], "/api/v1/models/openai/gpt-4o-mini/endpoints");
    let claude = &app.get("/api/v1/model/team%2Fclaude").json()["data"];
    assert_eq!((&claude["created"], &claude["description"]), (&json!(1_758_000_000), &json!("Long & careful")));
    assert_eq!(claude["supported_voices"], json!(["alloy", "ash"]));
    let embed = &app.get("/v1/model/embed").json()["data"];
    assert_eq!((&embed["canonical_slug"], &embed["pricing"]["completion"]), (&json!("openai/text-embedding-3-small"), &json!("0")));
    let unknown = &app.get("/v1/model/own/model").json()["data"];
    assert_eq!((&unknown["pricing"], &unknown["context_length"]), (&json!({"prompt": "-1", "completion": "-1"}), &Value::Null));
    let endpoints = app.get("/api/v1/models/own/model/endpoints").json();
    assert_eq!(endpoints["data"]["endpoints"][0]["context_length"], 128_000, "nobody has room for nothing: {endpoints}");
    let parameters = app.get("/parameters/own/model").json()["data"]["supported_parameters"].clone();
    let has = |name: &str| parameters.as_array().expect("a list").iter().any(|one| one == name);
    assert!(has("temperature") && has("tools") && !has("web_search_options") && !has("min_p"), "{parameters}");
    let paint = app.get("/api/v1/images/models/paint/endpoints").json();
    assert_eq!((&paint["id"], &paint["endpoints"][0]["provider_slug"]), (&json!("paint"), &json!("openai")));
}

#[test]
fn endpoints_tell_who_serves_and_where() {
    let app = TestApp::of(CONFIG);
    let told = app.get("/api/v1/models/team/claude/endpoints").json();
    let endpoints = told["data"]["endpoints"].as_array().expect("endpoints");
    let mut tags: Vec<&str> = endpoints.iter().map(|one| one["tag"].as_str().expect("a tag")).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["amazon-bedrock/eu-central-1", "anthropic"]);
    for endpoint in endpoints {
        for figure in ["uptime_last_5m", "uptime_last_1d", "latency_last_30m", "throughput_last_30m", "quantization"] {
            assert_eq!(endpoint[figure], Value::Null, "{figure}");
        }
        assert_eq!((&endpoint["status"], &endpoint["model_id"]), (&json!(0), &json!("team/claude")));
    }
    let zdr = app.get("/api/v1/endpoints/zdr").json();
    let tags: Vec<&str> = zdr["data"].as_array().expect("a list").iter().map(|one| one["tag"].as_str().expect("a tag")).collect();
    assert_eq!(tags, ["demo", "amazon-bedrock/eu-central-1"]);
    let providers = app.get("/v1/providers").json();
    let bedrock = providers["data"].as_array().expect("a list").iter().find(|one| one["slug"] == "amazon-bedrock").expect("listed");
    assert_eq!(
        (&bedrock["name"], &bedrock["headquarters"], &bedrock["datacenters"]),
        (&json!("Amazon Bedrock"), &json!("US"), &Value::Null)
    );
}

#[test]
fn a_feed_is_well_formed_enough_to_read() {
    let app = TestApp::of(CONFIG);
    let reply = app.get("/api/v1/models?use_rss=true");
    assert!(reply.header("content-type").starts_with("application/rss+xml"));
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert!(reply.text().contains("<description>Long &amp; careful</description><pubDate>Tue, 16 Sep 2025"), "{}", reply.text());
    assert_eq!(reply.text().matches("<item>").count(), 4);
}

#[test]
fn names_that_hold_what_paths_hold_are_still_found() {
    let app = TestApp::of(
        "model_list:\n  - {model_name: a/endpoints, litellm_params: {model: demo/echo}}\n  - {model_name: count, litellm_params: {model: demo/echo}}\n",
    );
    assert_eq!(app.get("/api/v1/model/a/endpoints").json()["data"]["id"], "a/endpoints");
    assert_eq!(app.get("/api/v1/models/a/endpoints/endpoints").json()["data"]["id"], "a/endpoints");
    assert_eq!(app.get("/v1/models/user/endpoints").status, 404);
    assert_eq!(app.ask("POST", "/v1/models/a/endpoints").send().header("allow"), "GET");
}

#[test]
fn what_was_measured_is_told_in_openrouters_units() {
    let upstream = crate::upstream::Upstream::start();
    let url = upstream.url();
    let list = |name: &str, order: &str| {
        format!("  - {{model_name: {name}, litellm_params: {{model: openai/gpt-4o, api_base: {url}/{order}/v1, api_key: sk-x}}}}\n")
    };
    let app = TestApp::of(&format!("model_list:\n{}{}router_settings: {{num_retries: 0}}\n", list("a/slow", "slow"), list("a/bad", "bad")));
    let chat = |model: &str| {
        let body = json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
        app.ask("POST", "/api/v1/chat/completions").json(&body).send().status.as_u16()
    };
    for _ in 0..5 {
        assert_eq!(chat("a/slow"), 200);
    }
    assert!(chat("a/bad") >= 500);
    let endpoint = |model: &str| app.get(&format!("/api/v1/models/{model}/endpoints")).json()["data"]["endpoints"][0].clone();
    let slow = endpoint("a/slow");
    assert_eq!((&slow["uptime_last_5m"], &slow["uptime_last_30m"], &slow["uptime_last_1d"]), (&json!(100.0), &json!(100.0), &json!(100.0)));
    // The upstream takes 60 ms: a figure in seconds would be far below, one in microseconds far above.
    let first = slow["latency_last_30m"]["p50"].as_f64().expect("a latency");
    assert!((55.0..20_000.0).contains(&first), "{slow}");
    assert!(slow["latency_last_30m"]["p99"].as_f64() >= Some(first));
    let bad = endpoint("a/bad");
    assert_eq!((&bad["uptime_last_5m"], &bad["latency_last_30m"]), (&json!(0.0), &Value::Null), "{bad}");
    for sort in ["latency-low-to-high", "most-popular", "top-weekly"] {
        assert_eq!(listed(&app, &format!("sort={sort}")), ["a/slow", "a/bad"], "{sort}");
    }
}
