//! What is under way when the gateway's time is up: every client is told, in its own words, and every call is in the log.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::upstream::Upstream;

/// Path, body and, of a stream that breaks off, what must be in it and what must not.
fn doors(model: &str, stream: bool) -> Vec<(&'static str, String, Value, &'static str, &'static str)> {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    vec![
        (
            "openai",
            "/v1/chat/completions".to_owned(),
            json!({"model": model, "messages": messages, "stream": stream}),
            "\"error\"",
            "[DONE]",
        ),
        (
            "anthropic",
            "/v1/messages".to_owned(),
            json!({"model": model, "messages": messages, "max_tokens": 9, "stream": stream}),
            "event: error",
            "message_stop",
        ),
        (
            "responses",
            "/v1/responses".to_owned(),
            json!({"model": model, "input": "hi", "stream": stream}),
            "event: response.failed",
            "response.completed",
        ),
        (
            "gemini",
            format!("/v1beta/models/{model}:{verb}"),
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
            "\"error\"",
            "finishReason",
        ),
    ]
}

fn gateway(upstream: &Upstream, more: &str) -> TestApp {
    let model = |name: &str| {
        format!(
            "  - {{model_name: {name}, litellm_params: {{model: deepseek/m, api_base: '{}/{name}/v1', api_key: sk-x}}}}\n",
            upstream.url()
        )
    };
    let models = model("pausing") + &model("held");
    TestApp::of(&format!("model_list:\n{models}switchboard: {{timeouts: {{drain_ms: 200}}{more}}}\n"))
}

/// Asks by every door, and ends the gateway while the answers are under way: each answer, and the log.
fn ended(app: TestApp, upstream: &Upstream, model: &str, stream: bool) -> (Vec<(u16, String)>, Vec<Value>) {
    let doors = doors(model, stream);
    let answers = std::thread::scope(|scope| {
        let ask = |path: &str, body: &Value| {
            let reply = app.ask("POST", path).json(body).send();
            (reply.status.as_u16(), reply.text().to_owned())
        };
        let asking: Vec<_> = doors.iter().map(|(_, path, body, ..)| scope.spawn(move || ask(path, body))).collect();
        while upstream.asked().len() < doors.len() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(200));
        app.gate().shutdown().drain();
        asking.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    let log = app.stop().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (answers, log)
}

#[test]
fn streams_end_in_an_error_and_not_in_silence() {
    // One whose text could go on elsewhere goes on nowhere: nobody is left to ask.
    for more in ["", ", recovery: {continue_streams: true}"] {
        let upstream = Upstream::start();
        let (answers, log) = ended(gateway(&upstream, more), &upstream, "pausing", true);
        for ((name, .., told, whole), (status, text)) in doors("pausing", true).iter().zip(&answers) {
            assert_eq!(*status, 200, "{name}: {text}");
            assert!(text.contains("It is") && text.contains(told) && text.contains("the gateway stopped"), "{name}: {text}");
            assert!(!text.contains(whole), "{name}: {text}");
        }
        assert_eq!(log.iter().filter(|line| line["error"].as_str().is_some_and(|error| error.contains("stopped"))).count(), 4, "{log:?}");
        assert_eq!(upstream.asked().len(), 4, "{more}");
    }
}

#[test]
fn calls_without_an_answer_are_told_to_ask_again() {
    let upstream = Upstream::start();
    let (answers, log) = ended(gateway(&upstream, ""), &upstream, "held", false);
    for ((name, ..), (status, text)) in doors("held", false).iter().zip(&answers) {
        assert!([503, 529].contains(status) && text.contains("the gateway stopped"), "{name}: {status} {text}");
        let told: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(told["type"] == "error", *name == "anthropic", "{text}");
    }
    assert_eq!(log.len(), 4, "{log:?}");
}
