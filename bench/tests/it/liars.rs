//! Servers which answer wrongly in ways a careless generator would count as success.

use crate::stage::{on_stage, send, start_liar};

/// The first nonce of the first connection.
const NONCE: &str = "nonce:0000000000000001";

fn whole(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn chat(text: &str, usage: &str) -> String {
    whole(&format!("{{\"choices\":[{{\"message\":{{\"content\":\"{text}\"}}}}]{usage}}}"))
}

const USAGE: &str = ",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}";

/// One request to a liar; the only flaw it must find.
async fn flaw(answer: String, arguments: &str) -> String {
    let liar = start_liar(answer).await;
    let report = send(liar, &format!("{arguments} --requests 1 --connections 1 --patience 5")).await;
    assert_eq!(report.requests, 1);
    if report.ok == 1 {
        return "none".to_owned();
    }
    report.flaws.into_keys().collect()
}

#[test]
fn whole_answers() {
    on_stage(async {
        let model = "--model mock-size6";
        let right = format!("{NONCE} abcdef");
        let cases = [
            (chat(&right, USAGE), "none"),
            (chat(&format!("{NONCE} abcdeX"), USAGE), "text"),
            (chat(&format!("{NONCE} abcde"), USAGE), "text"),
            (chat("nonce:0000000000000002 abcdef", USAGE), "nonce"),
            (chat(&right, ""), "usage"),
            (chat(&right, &USAGE.replace('7', "8")), "usage"),
            (chat(&right, &USAGE.replace(":2", ":3")), "usage"),
            (whole("{\"choices\":["), "json"),
            (whole("{\"error\":{\"message\":\"no\"}}"), "errorevent"),
            (chat(&right, USAGE).replace("200 OK", "429 Slow down"), "status_429"),
        ];
        for (answer, expected) in cases {
            assert_eq!(flaw(answer.clone(), model).await, expected, "{answer}");
        }
    });
}

fn stream(events: &[&str]) -> String {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn streams() {
    on_stage(async {
        let model = "--model mock-2x226 --stream";
        let first = format!("{{\"choices\":[{{\"delta\":{{\"content\":\"{NONCE} 00000 \"}}}}]}}");
        let second = "{\"choices\":[{\"delta\":{\"content\":\"00001 \"}}]}";
        let usage = "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}";
        let end = "[DONE]";
        let cases: Vec<(Vec<&str>, &str)> = vec![
            (vec![&first, second, usage, end], "none"),
            (vec![&first, second, usage], "noend"),
            (vec![&first, usage, end], "text"),
            (vec![&first, second, second, usage, end], "text"),
            (vec![second, &first, usage, end], "nonce"),
            (vec![&first, second, end], "usage"),
            (vec![&first, second, usage, end, second], "afterend"),
            (vec![&first, "{\"choices\":[{\"del", usage, end], "json"),
            (vec![&first, "{\"error\":{\"message\":\"no\"}}", end], "errorevent"),
        ];
        for (events, expected) in cases {
            assert_eq!(flaw(stream(&events), model).await, expected, "{events:?}");
        }
        let plain = stream(&[&first, second, usage, end]).replace("text/event-stream", "application/json");
        assert_eq!(flaw(plain, model).await, "contenttype");
    });
}

#[test]
fn broken_framing() {
    on_stage(async {
        let longer = whole("{}").replace("content-length: 2", "content-length: 20");
        // The liar closes after its answer, in the middle of the promised body.
        assert_eq!(flaw(longer, "").await, "truncated");
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(flaw(format!("{head}5\r\ndata:\r\n"), "--stream").await, "truncated");
        assert_eq!(flaw(format!("{head}5\r\ndata:XX0\r\n\r\n"), "--stream").await, "framing");
        assert_eq!(flaw(format!("{head}zz\r\ndata:\r\n"), "--stream").await, "framing");
        assert_eq!(flaw(String::new(), "").await, "truncated");
    });
}
