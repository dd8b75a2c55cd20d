//! A gateway whose disk is full: what a budget pays for waits, the rest goes on, and nothing is lost when there is room again.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp, until};
use crate::disk::Disk;
use crate::managed::MASTER;

const MODELS: &str = "
model_list:
  - {model_name: free, litellm_params: {model: demo/echo}}
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
";

/// A gateway that keeps all it has on that disk.
struct Gateway(TestApp);

impl Gateway {
    fn on(disk: &Disk) -> Self {
        let place = disk.path().display().to_string();
        Self(TestApp::with(MODELS, &[("SWITCHBOARD_MASTER_KEY", MASTER), ("SWITCHBOARD_DATA_DIR", &place)]))
    }

    fn make(&self, fields: &Value) -> Reply {
        self.0.ask("POST", "/key/generate").key(MASTER).json(fields).send()
    }

    fn key(&self, fields: &Value) -> String {
        self.make(fields).json()["key"].as_str().expect("a key").to_owned()
    }

    fn chat(&self, key: &str, model: &str) -> Reply {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
        self.0.ask("POST", "/v1/chat/completions").key(key).json(&body).send()
    }

    fn cents(&self, key: &str) -> i64 {
        let info = self.0.ask("GET", &format!("/key/info?key={key}")).key(MASTER).send().json();
        (info["info"]["spend"].as_f64().unwrap_or_default() * 100.0).round() as i64
    }
}

#[test]
fn m16_a_full_disk_closes_budgets_and_nothing_else_until_there_is_room() {
    let Some(disk) = Disk::of(24) else { return };
    let gateway = Gateway::on(&disk);
    let (paid, open) = (gateway.key(&json!({"max_budget": 100})), gateway.key(&json!({})));
    let (mut spent, mut refused) = (0, None);
    until("the disk is full", || {
        disk.fill();
        let reply = gateway.chat(&paid, "cent");
        spent += i64::from(reply.status == 200);
        refused = Some(reply).filter(|reply| reply.status != 200);
        refused.is_some()
    });
    let refused = refused.expect("refused");
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "journal_unavailable", "{}", refused.text());

    for (key, model) in [(&paid, "free"), (&open, "free"), (&open, "cent")] {
        let reply = gateway.chat(key, model);
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
    }
    let ready = gateway.0.get("/health/readiness");
    assert_eq!((ready.status.as_u16(), ready.json()["journal"].clone()), (200, json!("late")), "{}", ready.text());
    let made = gateway.make(&json!({}));
    assert!(matches!(made.status.as_u16(), 200 | 503), "{}", made.text());

    disk.clear();
    until("budgets are open again", || {
        let reply = gateway.chat(&paid, "cent");
        assert!(matches!(reply.status.as_u16(), 200 | 503), "{}", reply.text());
        spent += i64::from(reply.status == 200);
        reply.status == 200
    });
    assert_eq!(gateway.0.get("/health/readiness").json()["journal"], Value::Null);
    until("all is in the books", || (gateway.cents(&paid), gateway.cents(&open)) == (spent, 1));
}
