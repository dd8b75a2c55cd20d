//! Which requests have lines in the log, for how long, and what is kept of what they ask.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, each, with};
use crate::spending::until;

const BAD: &str = "  - {model_name: bad, litellm_params: {model: openai/m, api_key: k, api_base: \"http://127.0.0.1:9\"}}\n";

fn lines(gateway: &Managed) -> Value {
    gateway.get("/spend/logs?start_date=2020-01-01&end_date=2099-01-01&summarize=false")
}

/// Waits until the day's counters have so many requests; what is counted is what the log would have.
fn counted(gateway: &Managed, requests: u64) {
    let path = "/user/daily/activity?start_date=2020-01-01&end_date=2099-01-01";
    until(gateway, path, |found| found["metadata"]["total_api_requests"] == requests);
}

fn chat(gateway: &Managed, fields: &Value) -> Reply {
    let mut body = json!({"model": "good", "messages": [{"role": "user", "content": "the secret word"}]});
    body.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body)
}

#[test]
fn a_log_that_is_not_wanted_is_not_kept() {
    with(&format!("{BAD}general_settings: {{disable_spend_logs: true}}\n"), |gateway| {
        assert_eq!(chat(gateway, &json!({})).status, 200);
        counted(gateway, 1);
        assert_eq!(lines(gateway), json!([]));
    });
    with(&format!("{BAD}general_settings: {{disable_error_logs: true}}\n"), |gateway| {
        assert!(chat(gateway, &json!({"model": "bad", "num_retries": 0})).status.is_server_error());
        assert_eq!(chat(gateway, &json!({})).status, 200);
        counted(gateway, 2);
        let left = lines(gateway);
        assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
        assert_eq!(left[0]["status"], "success");
    });
}

#[test]
fn old_lines_are_deleted_and_counters_stay() {
    let settings = "maximum_spend_logs_retention_period: 2s, maximum_spend_logs_retention_interval: 1s";
    with(&format!("general_settings: {{{settings}}}\n"), |gateway| {
        assert_eq!(chat(gateway, &json!({})).status, 200);
        counted(gateway, 1);
        until(gateway, "/spend/logs?start_date=2020-01-01&end_date=2099-01-01&summarize=false", |left| *left == json!([]));
        counted(gateway, 1);
    });
    with("general_settings: {maximum_spend_logs_retention_period: 1s, maximum_spend_logs_cleanup_cron: \"* * 31 2 *\"}\n", |gateway| {
        assert_eq!(chat(gateway, &json!({})).status, 200);
        counted(gateway, 1);
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert_eq!(lines(gateway).as_array().map(Vec::len), Some(1), "there is no such day");
    });
}

#[test]
fn what_is_no_time_is_refused() {
    for bad in
        ["maximum_spend_logs_retention_period: soon", "maximum_spend_logs_retention_period: 1d, maximum_spend_logs_cleanup_cron: \"* *\""]
    {
        let loaded = crate::app::load(&format!("general_settings: {{{bad}}}"));
        assert!(loaded.config.is_none(), "{bad}");
    }
    let days = crate::app::load("general_settings: {maximum_spend_logs_retention_period: 3}").config.expect("a configuration");
    let retention = days.general.logs.retention.clone().expect("a period");
    assert_eq!(retention.age, std::time::Duration::from_secs(3 * 86_400));
}

/// Whether what was asked was kept.
fn is_kept(gateway: &Managed, reply: &Reply) -> bool {
    let id = reply.header("x-litellm-call-id");
    let path = format!("/api/v1/generation/content?id={id}");
    // It is written a moment after the answer: what comes later is there when this is.
    let other = chat(gateway, &json!({"messages": [{"role": "user", "content": "another word"}]}));
    let later = format!("/api/v1/generation/content?id={}", other.header("x-litellm-call-id"));
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while gateway.as_key(MASTER, "GET", &later, &Value::Null).status != 200 {
        assert!(std::time::Instant::now() < patience, "nothing is kept");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    gateway.as_key(MASTER, "GET", &path, &Value::Null).text().contains("the secret word")
}

#[test]
fn callers_may_keep_what_they_ask_to_themselves() {
    with("general_settings: {store_prompts_in_spend_logs: true}\n", |gateway| {
        assert!(is_kept(gateway, &chat(gateway, &json!({}))));
        assert!(!is_kept(gateway, &chat(gateway, &json!({"no-log": true}))));
        assert!(!is_kept(gateway, &chat(gateway, &json!({"turn_off_message_logging": true}))));
    });
    with("general_settings: {store_prompts_in_spend_logs: true}\nlitellm_settings: {global_disable_no_log_param: true}\n", |gateway| {
        assert!(is_kept(gateway, &chat(gateway, &json!({"no-log": true}))), "the operator wants all of it");
    });
}

#[test]
fn messages_are_not_kept_where_the_operator_says_so() {
    with("general_settings: {store_prompts_in_spend_logs: true}\nlitellm_settings: {turn_off_message_logging: true}\n", |gateway| {
        let reply = chat(gateway, &json!({}));
        assert_eq!(reply.status, 200);
        counted(gateway, 1);
        std::thread::sleep(std::time::Duration::from_millis(300));
        let path = format!("/api/v1/generation/content?id={}", reply.header("x-litellm-call-id"));
        assert_eq!(gateway.as_key(MASTER, "GET", &path, &Value::Null).status, 404);
    });
}

#[test]
fn errors_do_not_repeat_what_was_asked() {
    each(|gateway| {
        let reply = chat(gateway, &json!({"model": "nobody"}));
        assert!(reply.status.is_client_error() && !reply.text().contains("the secret word"), "{}", reply.text());
    });
}
