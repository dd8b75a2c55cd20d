//! How deployments are, asked for or looked after in the background.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::upstream::Upstream;

const KEY: &str = "sk-9f2c4e81b7d05a63";

fn config(upstream: &Upstream, general: &str, router: &str) -> String {
    let url = upstream.url();
    format!(
        "\
model_list:
  - {{model_name: pair, litellm_params: {{model: openai/gpt-4o, api_base: {url}/good/v1, api_key: sk-x}}, model_info: {{id: good}}}}
  - {{model_name: pair, litellm_params: {{model: openai/gpt-4o, api_base: {url}/bad/v1, api_key: sk-x}}, model_info: {{id: bad}}}}
  - {{model_name: voice, litellm_params: {{model: openai/tts-1, api_base: {url}/good/v1, api_key: sk-x}}, model_info: {{id: voice, mode: audio_speech}}}}
  - {{model_name: ear, litellm_params: {{model: openai/whisper-1, api_base: {url}/good/v1, api_key: sk-x}}, model_info: {{id: ear, mode: audio_transcription}}}}
  - {{model_name: paint, litellm_params: {{model: openai/gpt-image-1, api_base: {url}/good/v1, api_key: sk-x}}, model_info: {{id: paint}}}}
  - {{model_name: any/*, litellm_params: {{model: openai/*, api_base: {url}/good/v1, api_key: sk-x}}, model_info: {{id: any, health_check_model: openai/gpt-4o-mini}}}}
  - {{model_name: 'off', litellm_params: {{model: openai/gpt-4o, api_base: {url}/good/v1, api_key: sk-x}}, model_info: {{id: 'off', disable_background_health_check: true}}}}
general_settings: {{master_key: {KEY}{general}}}
router_settings: {{num_retries: 0{router}}}
"
    )
}

fn get(app: &TestApp, path: &str) -> Value {
    app.ask("GET", path).key(KEY).send().json()
}

fn ids(list: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = list.as_array().expect("a list").iter().map(|one| one["model_id"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn every_kind_of_model_is_asked_for_a_word_where_that_is_cheap() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream, "", ""));
    let told = get(&app, "/health");
    assert_eq!(ids(&told["healthy_endpoints"]), ["any", "ear", "good", "off", "voice"], "{told}");
    assert_eq!((ids(&told["unhealthy_endpoints"]), ids(&told["unchecked_endpoints"])), (vec!["bad"], vec!["paint"]));
    assert!(told["unhealthy_endpoints"][0]["error"].as_str().expect("a reason").contains("scripted"), "{told}");
    assert_eq!(told["unhealthy_endpoints"][0]["api_base"], format!("{}/bad/v1", upstream.url()));
    assert_eq!((&told["healthy_count"], &told["unhealthy_count"]), (&json!(5), &json!(1)));
    let asked = upstream.asked();
    let of = |path: &str| asked.iter().find(|(known, _)| known.ends_with(path)).map(|(_, body)| body.clone()).expect(path);
    assert!(of("/audio/speech").contains("alloy") && of("/audio/transcriptions").contains("RIFF"));
    assert!(!asked.iter().any(|(path, _)| path.ends_with("/images/generations")));
    assert!(asked.iter().any(|(_, body)| body.contains("gpt-4o-mini")));

    let image = app.ask("GET", "/health?model=paint").key(KEY).send();
    assert_eq!((image.status.as_u16(), ids(&image.json()["healthy_endpoints"])), (200, vec!["paint"]));
    let bad = app.ask("GET", "/health?model_id=bad").key(KEY).send();
    assert_eq!((bad.status.as_u16(), ids(&bad.json()["unhealthy_endpoints"])), (503, vec!["bad"]));
}

#[test]
fn what_was_found_is_told_later() {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream, "", ""));
    assert_eq!(get(&app, "/health/latest"), json!({"latest_health_checks": {}, "total_models": 0}));
    get(&app, "/health?model=pair");
    get(&app, "/health?model_id=good");
    let latest = get(&app, "/health/latest");
    assert_eq!((&latest["total_models"], &latest["latest_health_checks"]["bad"]["status"]), (&json!(2), &json!("unhealthy")));
    let history = get(&app, "/health/history?limit=2");
    assert_eq!((&history["total_records"], &history["health_checks"][0]["model_id"]), (&json!(2), &json!("good")));
    let bad = get(&app, "/health/history?status_filter=unhealthy");
    assert_eq!((&bad["total_records"], &bad["health_checks"][0]["model_name"]), (&json!(1), &json!("pair")));
    assert_eq!(app.ask("GET", "/health/history?status_filter=ill").key(KEY).send().status, 400);
    assert_eq!(app.get("/health/latest").status, 401);
    assert_eq!(get(&app, "/health/shared-status")["shared_health_check_enabled"], false);
}

/// LiteLLM says it in the general settings, and our first versions with the router's.
#[test]
fn checks_in_the_background_steer_requests_where_they_may() {
    let background = ", background_health_checks: true, health_check_interval: 60";
    let steering = ", enable_health_check_routing: true";
    checks_steer(background, &format!("{steering}, routing_strategy: simple-shuffle"));
    checks_steer(&format!("{background}{steering}"), ", routing_strategy: simple-shuffle");
}

fn checks_steer(general: &str, router: &str) {
    let upstream = Upstream::start();
    let app = TestApp::of(&config(&upstream, general, router));
    let until = Instant::now() + Duration::from_secs(20);
    let found = loop {
        let latest = get(&app, "/health/latest");
        if latest["total_models"].as_u64() >= Some(5) {
            break latest;
        }
        assert!(Instant::now() < until, "{latest}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let checks = found["latest_health_checks"].as_object().expect("checks");
    assert!(!checks.contains_key("off") && !checks.contains_key("paint"), "{found}");
    let before = upstream.asked().iter().filter(|(path, _)| path.starts_with("/bad")).count();
    for _ in 0..20 {
        let reply = app
            .ask("POST", "/v1/chat/completions")
            .key(KEY)
            .json(&json!({"model": "pair", "messages": [{"role": "user", "content": "hi"}]}))
            .send();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(upstream.asked().iter().filter(|(path, _)| path.starts_with("/bad")).count(), before);
    let told = get(&app, "/health");
    assert_eq!(ids(&told["unhealthy_endpoints"]), ["bad"]);
}

#[test]
fn checks_in_the_background_keep_to_the_models_that_are_named() {
    let upstream = Upstream::start();
    let settings = ", background_health_checks: true, health_check_interval: 60, background_health_check_model_groups: [pair]";
    let app = TestApp::of(&config(&upstream, settings, ""));
    let until = Instant::now() + Duration::from_secs(20);
    while get(&app, "/health/latest")["total_models"] != 2 {
        assert!(Instant::now() < until, "{}", get(&app, "/health/latest"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!upstream.asked().iter().any(|(path, _)| path.contains("/audio/")));
}

#[test]
fn moderation_needs_no_model() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let one = |name: &str| {
        format!(
            "  - {{model_name: {name}, litellm_params: {{model: openai/{name}, api_base: {url}/good/v1, api_key: sk-x}}, model_info: {{mode: moderation}}}}\n"
        )
    };
    let asked_for = |models: &[&str], settings: &str| {
        let list: String = models.iter().map(|name| one(name)).collect();
        let app = TestApp::of(&format!("model_list:\n{list}{settings}"));
        let reply = app.ask("POST", "/v1/moderations").json(&json!({"input": "hello"})).send();
        let body: Value = serde_json::from_str(&upstream.asked().last().expect("asked").1).expect("JSON");
        (reply.status.as_u16(), body["model"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(asked_for(&["guard"], ""), (200, "guard".to_owned()));
    assert_eq!(asked_for(&["guard", "strict"], "general_settings: {moderation_model: strict}\n"), (200, "strict".to_owned()));
    assert_eq!(asked_for(&["guard", "omni-moderation-latest"], ""), (200, "omni-moderation-latest".to_owned()));
    assert_eq!(asked_for(&["guard", "strict"], "").0, 400);
}
