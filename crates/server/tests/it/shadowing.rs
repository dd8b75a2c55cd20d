//! Copies of requests whose target does not answer: nobody waits for them, no more are kept than there is room for, and they are counted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::app::{TestApp, until};
use crate::upstream::Upstream;

#[test]
fn a_shadow_that_does_not_answer_holds_nobody_up() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let app = TestApp::of(&format!(
        "model_list:
  - {{model_name: live, litellm_params: {{model: demo/echo}}}}
  - {{model_name: quiet, litellm_params: {{model: openai/q, api_base: '{url}/held/v1', api_key: k}}}}
general_settings: {{master_key: sk-9f2c4e81b7d05a63}}
switchboard:
  experiments:
    - {{name: watch, model: watched, arms: [{{model: live}}], shadows: [{{model: quiet, max_concurrent: 3}}]}}
"
    ));
    let ask = |method, path| app.ask(method, path).key("sk-9f2c4e81b7d05a63");
    let body = serde_json::json!({"model": "watched", "messages": [{"role": "user", "content": "Say it"}]});
    for _ in 0..10 {
        let reply = ask("POST", "/v1/chat/completions").json(&body).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    until("as many as there are places for are under way", || upstream.asked().len() == 3);
    let page = ask("GET", "/metrics").send();
    for line in ["switchboard_shadow_copies_in_flight 3.0\n", "switchboard_shadow_copies_dropped_total 7.0\n"] {
        assert!(page.text().contains(line), "{line}: {}", page.text());
    }
    // A drain does not wait for them.
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let patience = scope.spawn(|| {
            let waits = (0..1_500).map(|_| std::thread::sleep(Duration::from_millis(20)));
            let in_time = waits.into_iter().any(|()| stopped.load(Ordering::Relaxed));
            upstream.let_go();
            in_time
        });
        app.stop();
        stopped.store(true, Ordering::Relaxed);
        assert!(patience.join().expect("looked"), "the gateway waited for copies");
    });
    assert_eq!(upstream.asked().len(), 3);
}
