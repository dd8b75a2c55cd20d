//! Every fault the mock plays is seen by the load generator as what it is.

use crate::stage::{ask, body_of, on_stage, send, start_mock};

async fn flaws(model: &str, more: &str) -> Vec<String> {
    let mock = start_mock().await;
    let report = send(mock, &format!("--model {model} {more} --requests 2 --connections 1 --patience 1")).await;
    assert_eq!((report.requests, report.ok), (2, 0), "{model}");
    report.flaws.into_keys().collect()
}

#[test]
fn whole_answers() {
    on_stage(async {
        let cases = [
            ("429", "status_429"),
            ("500", "status_500"),
            ("529", "status_529"),
            ("quota", "status_429"),
            ("redirect", "status_307"),
            ("cut", "truncated"),
            ("abort", "broken"),
            ("resethead", "broken"),
            ("reset", "broken"),
            ("malformed", "json"),
            ("errorevent", "errorevent"),
            ("empty", "nonce"),
            ("html", "json"),
            ("null", "json"),
            ("nousage", "usage"),
        ];
        for (fault, expected) in cases {
            assert_eq!(flaws(&format!("mock-fault={fault}"), "").await, [expected], "{fault}");
        }
    });
}

#[test]
fn streams() {
    on_stage(async {
        let cases = [
            ("503", "status_503"),
            ("cut", "truncated"),
            ("malformed", "json"),
            ("errorevent", "errorevent"),
            ("empty", "nonce"),
            ("html", "contenttype"),
            ("noend", "noend"),
            ("nousage", "usage"),
        ];
        for (fault, expected) in cases {
            assert_eq!(flaws(&format!("mock-6x260-fault={fault}"), "--stream").await, [expected], "{fault}");
            if fault != "html" {
                let more = "--stream --format anthropic";
                assert_eq!(flaws(&format!("claude-6x260-fault={fault}"), more).await, [expected], "{fault}");
            }
        }
    });
}

#[test]
fn what_hangs_is_given_up() {
    on_stage(async {
        assert_eq!(flaws("mock-fault=hang", "").await, ["timeout"]);
        assert_eq!(flaws("mock-6x260-fault=stall", "--stream").await, ["timeout"]);
    });
}

#[test]
fn errors_have_the_dialect_of_their_door_and_their_hint() {
    on_stage(async {
        let mock = start_mock().await;
        let order = r#"{"model":"m"}"#;
        let answer = ask(mock, "POST", "/fault=429/retryafter=7/v1/chat/completions", order).await;
        assert!(answer.contains("\r\nretry-after: 7\r\n"), "{answer}");
        let body: serde_json::Value = serde_json::from_str(&body_of(&answer)).unwrap();
        assert_eq!(body["error"]["type"], "rate_limit_error");
        let answer = ask(mock, "POST", "/v1/messages?fault=529", order).await;
        let body: serde_json::Value = serde_json::from_str(&body_of(&answer)).unwrap();
        assert_eq!((body["type"].as_str(), body["error"]["type"].as_str()), (Some("error"), Some("overloaded_error")));
    });
}

#[test]
fn a_rate_hits_some_and_the_books_know_how_many() {
    on_stage(async {
        let mock = start_mock().await;
        let report = send(mock, "--model mock-fault=500-rate30 --requests 200 --connections 4").await;
        let failed = report.flaws.get("status_500").copied().unwrap_or(0);
        assert!((30..90).contains(&failed), "{failed}");
        let books: serde_json::Value = serde_json::from_str(&body_of(&ask(mock, "GET", "/__books", "").await)).unwrap();
        assert_eq!(books["by_fault"]["500"].as_u64(), Some(failed));
        assert_eq!(books["completed"].as_u64(), Some(200 - failed));
    });
}
