//! The request log: one line each, and nothing in it that is not the operator's to see.

use serde_json::{Value, json};

use crate::app::TestApp;

const CONFIG: &str = "\
model_list:
  - {model_name: echo, litellm_params: {model: demo/echo}}
  - {model_name: broken, litellm_params: {model: openai/gpt-4o, api_base: \"http://127.0.0.1:9/v1\", api_key: sk-provider-key-77}}
general_settings: {master_key: sk-9f2c4e81b7d05a63}
";

#[test]
fn every_request_is_one_line_without_prompts_answers_and_keys() {
    let app = TestApp::of(CONFIG);
    let said = |model: &str, stream: bool| json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "PROMPT-is-private"}], "user": "USER-is-private"});
    let ask = |body: Value| app.ask("POST", "/v1/chat/completions").key("sk-9f2c4e81b7d05a63").json(&body).send();
    assert_eq!(ask(said("echo", false)).status, 200);
    let streamed = ask(said("echo", true));
    assert!(streamed.text().contains("data: [DONE]"), "{}", streamed.text());
    assert_ne!(ask(said("broken", false)).status, 200);
    assert_eq!(ask(said("unknown-model", false)).status, 400);
    let log = app.stop();
    for private in ["private", "sk-9f2c4e81b7d05a63", "sk-provider-key-77", "You said"] {
        assert!(!log.contains(private), "{private} in {log}");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let facts: Vec<String> = lines.iter().map(|line| format!("{} {} {}", line["model"], line["status"], line["outcome"])).collect();
    assert_eq!(facts.len(), 4, "{log}");
    assert_eq!(facts[0], "\"echo\" 200 \"complete\"");
    assert_eq!(facts[1], "\"echo\" 200 \"complete\"");
    assert!(facts[2].starts_with("\"broken\" 5"), "{}", facts[2]);
    assert_eq!(facts[3], "\"unknown-model\" 400 \"not_found\"");
    for line in &lines {
        assert_eq!((&line["event"], &line["key"]), (&json!("request"), &json!("master")), "{line}");
        assert!(line["duration_us"].is_number() && line["id"].is_string(), "{line}");
    }
}
