//! When providers fail before an answer has begun: what the client is told, and whom the gateway asks next.

use std::time::Duration;

use switchboard_engine::deployment::Spec;
use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_engine::upstream::Timeouts;
use switchboard_wire::Dialect;
use switchboard_wire::problem::Kind;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::rig::{KEY, PATIENT, Rig, ask, at_address, call, spec};
use super::upstream::{Act, Scripted, json, reply, stream};
use crate::upstream::server::Server;

use super::words::{ALL, error, opening, pairs, stream_error, streamed, whole};

/// A second choice for the group.
fn second(dialect: Dialect, at: &Scripted) -> Spec {
    Spec { id: "second".to_owned(), order: 1, ..spec(dialect, at) }
}

#[tokio::test]
async fn a_bad_request_is_told_in_the_providers_words() {
    for (client, provider) in pairs() {
        let kind = if provider == Dialect::Gemini { "INVALID_ARGUMENT" } else { "invalid_request_error" };
        let body = error(provider, kind, "temperature is too high");
        let upstream = Scripted::start(vec![json("400 Bad Request", &body)]).await;
        let spare = Scripted::start(vec![json("200 OK", whole(provider))]).await;
        // A deeper `order` would be asked all the same.
        let first = Spec { weight: Some(1.0), ..spec(provider, &upstream) };
        let beside = Spec { order: 0, weight: Some(0.0), ..second(provider, &spare) };
        let rig = Rig::new(vec![first, beside]);
        for stream in [false, true] {
            let told = rig.ask(&ask(client, stream)).await;
            assert_eq!(told.status, 400, "{client} of {provider}: {told:?}");
            told.says(&["temperature is too high"]);
            assert_eq!(told.body == body, client == provider, "verbatim only in the same dialect: {told:?}");
            match client {
                Dialect::Anthropic => assert_eq!(told.json()["error"]["type"], "invalid_request_error"),
                Dialect::Gemini => assert_eq!(told.json()["error"]["status"], "INVALID_ARGUMENT"),
                _ => assert_eq!(told.json()["error"]["type"], "invalid_request_error"),
            }
        }
        assert!(spare.requests().is_empty(), "every provider would say the same");
        assert_eq!(upstream.requests().len(), 2);
    }
}

#[tokio::test]
async fn an_error_in_a_clouds_form_is_told_in_the_clients() {
    let google = r#"{"error":{"code":400,"message":"temperature is too high","status":"INVALID_ARGUMENT"}}"#;
    let upstream = Scripted::start(vec![json("400 Bad Request", google)]).await;
    let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
    let told = rig.ask(&ask(Dialect::Anthropic, false)).await.json();
    assert_eq!((&told["type"], &told["error"]["type"]), (&"error".into(), &"invalid_request_error".into()), "{told}");
    assert_eq!(told["error"]["message"], "temperature is too high");
}

/// (what the provider says, the status the client sees, the code, how often the provider is asked)
struct Case {
    said: Act,
    status: u16,
    code: Option<&'static str>,
    asked: usize,
}

fn case(said: Act, status: u16, code: Option<&'static str>, asked: usize) -> Case {
    Case { said, status, code, asked }
}

fn openai(status: &str, kind: &str, code: &str) -> Act {
    json(status, &format!(r#"{{"error":{{"message":"it says so, {KEY}","type":"{kind}","param":null,"code":"{code}"}}}}"#))
}

fn cases() -> Vec<Case> {
    let auth = "upstream_auth";
    vec![
        case(openai("401 Unauthorized", "invalid_request_error", "invalid_api_key"), 503, Some(auth), 1),
        case(openai("403 Forbidden", "permission_error", "x"), 503, Some(auth), 1),
        case(openai("402 Payment Required", "billing", "x"), 503, Some("upstream_quota"), 1),
        case(openai("429 Too Many Requests", "insufficient_quota", "insufficient_quota"), 503, Some("upstream_quota"), 1),
        case(openai("404 Not Found", "invalid_request_error", "model_not_found"), 502, Some("upstream_model_not_found"), 1),
        case(openai("429 Too Many Requests", "rate_limit_error", "rate_limit_exceeded"), 429, None, 1),
        case(openai("500 Internal Server Error", "server_error", "x"), 502, None, 2),
        case(openai("502 Bad Gateway", "server_error", "x"), 502, None, 2),
        case(openai("409 Conflict", "conflict", "x"), 409, None, 2),
        case(openai("408 Request Timeout", "timeout", "x"), 408, None, 2),
        case(openai("503 Service Unavailable", "server_error", "x"), 503, None, 1),
        case(openai("529 Overloaded", "overloaded_error", "x"), 503, None, 1),
        case(reply("302 Found", "location: http://127.0.0.1:1/elsewhere\r\n", "moved"), 502, Some("upstream_redirect"), 1),
        case(reply("500 Internal Server Error", "content-type: text/html\r\n", "<html>oops</html>"), 502, None, 2),
        case(reply("200 OK", "content-type: text/html\r\n", "<html>oops</html>"), 502, None, 1),
        case(json("200 OK", "null"), 502, None, 1),
        case(json("200 OK", ""), 502, None, 1),
        case(json("200 OK", r#"{"id":"x","choices":"#), 502, None, 1),
        case(openai("200 OK", "server_error", "x"), 502, None, 1),
        case(openai("200 OK", "rate_limit_error", "rate_limit_exceeded"), 429, None, 1),
        case(Act::Say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"id\":".to_vec()), 502, None, 1),
        case(Act::Say(b"nonsense\r\n\r\n".to_vec()), 502, Some("upstream_protocol"), 1),
        case(Act::HangUp, 502, Some("upstream_closed"), 1),
    ]
}

#[tokio::test]
async fn failures_are_told_as_what_they_are() {
    for (at, Case { said, status, code, asked }) in cases().into_iter().enumerate() {
        for stream in [false, true] {
            let shown = format!("case {at}, stream {stream}: {said:?}");
            let upstream = Scripted::start(vec![said.clone()]).await;
            // A second deployment that is no better, so that what is counted are the first one's requests.
            let dead = Spec { order: 1, ..at_address(Dialect::OpenAiChat, &refusing().await) };
            let rig = Rig::new(vec![spec(Dialect::OpenAiChat, &upstream)]);
            let told = rig.ask(&ask(Dialect::OpenAiChat, stream)).await;
            assert_eq!(told.status, status, "{shown}: {told:?}");
            let body = told.says(&[]).json();
            if let Some(code) = code {
                assert_eq!(body["error"]["code"], code, "{shown}: {told:?}");
            }
            assert!(!told.body.contains("<html"), "{shown}: {told:?}");
            let record = rig.record();
            assert_eq!(record.status, status, "{shown}");
            assert!(matches!(record.outcome, Outcome::Failed(_)), "{shown}");

            let rig = Rig::new(vec![spec(Dialect::OpenAiChat, &upstream), dead]);
            let before = upstream.requests().len();
            let _ = rig.ask(&ask(Dialect::OpenAiChat, stream)).await;
            assert_eq!(upstream.requests().len() - before, asked, "{shown}");
        }
    }
}

#[tokio::test]
async fn another_deployment_answers_where_it_can() {
    for (at, Case { said, status, .. }) in cases().into_iter().enumerate() {
        for streaming in [false, true] {
            let upstream = Scripted::start(vec![said.clone()]).await;
            let good = if streaming { stream(&streamed(Dialect::Anthropic)) } else { json("200 OK", whole(Dialect::Anthropic)) };
            let spare = Scripted::start(vec![good]).await;
            let rig = Rig::new(vec![spec(Dialect::OpenAiChat, &upstream), second(Dialect::Anthropic, &spare)]);
            let told = rig.ask(&ask(Dialect::OpenAiChat, streaming)).await;
            assert_eq!(told.status, 200, "case {at} ({status}), stream {streaming}: {told:?}");
            told.says(&["Hello"]);
            let record = rig.record();
            assert_eq!((record.outcome, record.status), (Outcome::Complete, 200), "case {at}");
            assert_eq!(record.deployment.unwrap().spec.id, "second");
            assert_eq!(record.attempts as usize, upstream.requests().len() + 1, "case {at}");
            assert_eq!(record.error, None, "case {at}: what was overcome is no error");
        }
    }
}

/// An address where nobody listens.
async fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn those_who_cannot_be_reached_are_passed_over() {
    let spare = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let plain = at_address(Dialect::OpenAiChat, &refusing().await);
    // What speaks plain text agrees on no TLS.
    let talker = Server::start(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let secure = Spec { base: Some(format!("https://{}/v1", talker.address)), ..plain.clone() };
    for (unreachable, code) in [(plain, "upstream_unreachable"), (secure, "upstream_tls")] {
        let rig = Rig::new(vec![unreachable.clone()]);
        let told = rig.ask(&ask(Dialect::OpenAiChat, false)).await;
        assert_eq!((told.status, told.json()["error"]["code"].as_str()), (502, Some(code)), "{told:?}");
        assert_eq!(rig.record().status, 502);

        let rig = Rig::new(vec![unreachable, second(Dialect::OpenAiChat, &spare)]);
        assert_eq!(rig.ask(&ask(Dialect::OpenAiChat, false)).await.status, 200);
        assert_eq!(rig.record().attempts, 2);
    }
}

#[tokio::test]
async fn a_wait_that_a_provider_asks_for_is_handed_on() {
    let said = reply(
        "429 Too Many Requests",
        "content-type: application/json\r\nretry-after: 17\r\n",
        r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#,
    );
    let upstream = Scripted::start(vec![said]).await;
    for client in ALL {
        let rig = Rig::new(vec![spec(Dialect::OpenAiChat, &upstream)]);
        let told = rig.ask(&ask(client, false)).await;
        let wait = told.retry_after.map(|wait| wait.as_secs());
        assert!(told.status == 429 && wait.is_some_and(|wait| (9..=17).contains(&wait)), "{client}: {told:?}");
        told.says(&["slow down"]);
    }
}

#[tokio::test]
async fn a_name_of_the_callers_own_is_the_callers_mistake() {
    let body =
        r#"{"error":{"message":"The model `m` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
    let upstream = Scripted::start(vec![json("404 Not Found", body)]).await;
    let rig = Rig::new(vec![Spec { guessed: true, ..spec(Dialect::OpenAiChat, &upstream) }]);
    let told = rig.ask(&ask(Dialect::OpenAiChat, false)).await;
    assert_eq!((told.status, told.body.as_str()), (404, body));
    assert_eq!(rig.record().outcome, Outcome::Failed(Kind::NotFound));
}

#[tokio::test]
async fn slow_beginnings_end_at_the_deadline() {
    let short = Timeouts { first_byte: Duration::from_millis(80), ..PATIENT };
    let provider = Dialect::OpenAiChat;
    let headers_only = Act::SayAndHold(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec());
    let no_content = super::upstream::stalled(opening(provider));
    for (streaming, act) in [(false, Act::Hold), (true, Act::Hold), (true, headers_only), (true, no_content)] {
        let upstream = Scripted::start(vec![act.clone()]).await;
        let limited =
            |spec: Spec| Spec { timeout: (!streaming).then_some(short.first_byte), stream_timeout: Some(short.first_byte), ..spec };
        let rig = Rig::new(vec![limited(spec(provider, &upstream))]);
        let told = rig.ask(&ask(provider, streaming)).await;
        assert_eq!((told.status, told.json()["error"]["code"].as_str()), (504, Some("upstream_timeout")), "{act:?}: {told:?}");
        upstream.left().await;
        assert_eq!(rig.record().outcome, Outcome::Failed(Kind::Timeout));

        let good = if streaming { stream(&streamed(provider)) } else { json("200 OK", whole(provider)) };
        let spare = Scripted::start(vec![good]).await;
        let rig = Rig::new(vec![limited(spec(provider, &upstream)), second(provider, &spare)]);
        assert_eq!(rig.ask(&ask(provider, streaming)).await.status, 200, "{act:?}");
    }
}

#[tokio::test]
async fn failures_are_told_in_every_clients_words() {
    for client in ALL {
        for (status, kind, expected) in [
            ("401 Unauthorized", "authentication_error", 503),
            ("500 Internal Server Error", "api_error", 502),
            ("529 Overloaded", "overloaded_error", if client == Dialect::Anthropic { 529 } else { 503 }),
        ] {
            let upstream = Scripted::start(vec![json(status, &error(Dialect::Anthropic, kind, "it failed"))]).await;
            let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
            let told = rig.ask(&ask(client, false)).await;
            assert_eq!(told.status, expected, "{client}: {told:?}");
            assert!(told.json()["error"]["message"].is_string(), "{client}: {told:?}");
            assert_eq!(rig.record().status, expected, "{client}: the record holds what the client saw");
        }
    }
}

#[tokio::test]
async fn secrets_that_a_provider_repeats_are_taken_out() {
    let said = format!("bad key {KEY}, also sk-proj-0123456789abcdef0123");
    for (client, provider) in pairs() {
        for act in [json("400 Bad Request", &error(provider, "x", &said)), stream(&stream_error(provider, &said))] {
            let upstream = Scripted::start(vec![act]).await;
            let rig = Rig::new(vec![spec(provider, &upstream)]);
            let told = rig.ask(&ask(client, true)).await;
            assert!(told.status >= 400, "{told:?}");
            told.says(&["bad key [redacted], also [redacted]"]);
            rig.record();
        }
    }
}

#[tokio::test]
async fn no_more_than_four_requests_are_made() {
    let upstream = Scripted::start(vec![json("500 Internal Server Error", "{}")]).await;
    let group: Vec<Spec> = (0..4).map(|order| Spec { order, ..spec(Dialect::OpenAiChat, &upstream) }).collect();
    let rig = Rig::new(group);
    assert_eq!(rig.ask(&ask(Dialect::OpenAiChat, false)).await.status, 502);
    assert_eq!(upstream.requests().len(), 4);
    assert_eq!(rig.record().attempts, 4);
}

#[tokio::test]
async fn fallbacks_to_other_groups_are_counted() {
    let upstream = Scripted::start(vec![json("503 Service Unavailable", "{}")]).await;
    let spare = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let other = Spec { group: "other".to_owned(), ..spec(Dialect::OpenAiChat, &spare) };
    let names = Names { fallbacks: vec![("m".to_owned(), vec!["other".into()])], ..Names::default() };
    let rig = Rig::with(vec![spec(Dialect::OpenAiChat, &upstream), other], names, PATIENT);
    let told = rig.ask(&ask(Dialect::OpenAiChat, false)).await;
    assert_eq!(told.header("x-litellm-attempted-fallbacks"), Some("1"));
    assert_eq!(told.header("x-litellm-attempted-retries"), Some("0"));
    assert_eq!(told.header("x-litellm-model-group"), Some("other"));
}

#[tokio::test]
async fn an_unknown_model_is_recorded_too() {
    let rig = Rig::new(Vec::new());
    for client in ALL {
        let told = Rig::new(Vec::new()).ask(&ask(client, false)).await;
        let status = if matches!(client, Dialect::Anthropic | Dialect::Gemini) { 404 } else { 400 };
        assert_eq!(told.status, status, "{told:?}");
    }
    rig.ask(&ask(Dialect::OpenAiChat, false)).await.says(&["model=m", "model_not_found"]);
    let record = rig.record();
    assert_eq!((record.status, record.attempts), (400, 0));
}

#[tokio::test]
async fn thoughts_that_cannot_be_opened_are_left_out_once() {
    use serde_json::json as value;
    const WRONG: &str = "messages.1.content.0.thinking.signature.str: Input should be a valid string";
    let refusal = error(Dialect::Anthropic, "invalid_request_error", WRONG);
    let history = |binding: &str| {
        value!({"model": "m", "max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1024, "block_binding": {"prefix_mismatch_behavior": binding}},
            "messages": [{"role": "user", "content": "hi"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "r", "signature": null}, {"type": "text", "text": "yes"}]},
                {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}, {"role": "user", "content": "on"}]})
    };
    let ok = || json("200 OK", whole(Dialect::Anthropic));
    let upstream = Scripted::start(vec![json("400 Bad Request", &refusal), ok()]).await;
    let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
    let told = rig.ask(&call(Dialect::Anthropic, false, &history("drop").to_string())).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.header("x-switchboard-dropped").is_some_and(|lost| lost.contains("messages.thinking")), "{told:?}");
    let sent: Vec<serde_json::Value> = upstream.requests().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
    assert_eq!((sent.len(), sent[1].get("thinking")), (2, None));
    let turns = value!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "on"}]);
    assert_eq!(sent[1]["messages"], turns);
    // A second refusal stands, and whoever wants to be told is.
    let bound = error(
        Dialect::Anthropic,
        "invalid_request_error",
        "Invalid `signature` in `thinking` block. The block is bound to a different conversation.",
    );
    for (refusal, binding, asked) in [(&refusal, "drop", 2), (&bound, "error", 1), (&bound, "drop", 2)] {
        let upstream = Scripted::start(vec![json("400 Bad Request", refusal)]).await;
        let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
        assert_eq!(rig.ask(&call(Dialect::Anthropic, false, &history(binding).to_string())).await.status, 400);
        assert_eq!(upstream.requests().len(), asked, "{binding}");
    }
}
