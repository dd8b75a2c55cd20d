//! When a client is told to come back: when somebody will be there, and in the client's own words.

use serde_json::json;

use crate::app::TestApp;
use crate::upstream::Upstream;

const KEY: &str = "sk-9f2c4e81b7d05a63";

#[test]
fn every_client_is_told_when_the_soonest_deployment_is_free() {
    let upstream = Upstream::start();
    let model = |id: &str, more: &str| {
        let url = format!("{}/limited/{id}/v1", upstream.url());
        format!(
            "  - {{model_name: m, litellm_params: {{model: openai/x, api_key: {id}, api_base: '{url}'{more}}}, model_info: {{id: {id}}}}}\n"
        )
    };
    let models = model("late", "") + &model("soon", ", cooldown_time: 40");
    let messages = json!([{"role": "user", "content": "hi"}]);
    for (path, body) in [
        ("/v1/chat/completions", json!({"model": "m", "messages": messages})),
        ("/v1/messages", json!({"model": "m", "max_tokens": 9, "messages": messages})),
        ("/v1/responses", json!({"model": "m", "input": "hi"})),
        ("/v1beta/models/m:generateContent", json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})),
        ("/api/v1/chat/completions", json!({"model": "m", "messages": messages})),
    ] {
        let app = TestApp::of(&format!("model_list:\n{models}general_settings: {{master_key: {KEY}}}\n"));
        for asked in ["at once", "while they rest"] {
            let reply = app.ask("POST", path).key(KEY).json(&body).send();
            let wait = reply.header("retry-after").parse::<u64>().unwrap_or(0);
            assert!(reply.status == 429 && (9..=40).contains(&wait), "{path} {asked}: {wait} {}", reply.text());
            if path.starts_with("/v1beta") {
                assert!(reply.text().contains(&format!("\"retryDelay\":\"{wait}s\"")), "{asked}: {}", reply.text());
            }
        }
    }
    assert_eq!(upstream.asked().len(), 10, "each was asked once by each");
}
