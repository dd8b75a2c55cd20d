//! Errors both ways, the edits for metering, and bytes that mean nothing.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::control;
use crate::dialect::Flavor;
use crate::event::Frame;
use crate::frames::Frames;
use crate::half::{Begun, Head, Inbound, Memo, Outbound};
use crate::openai_chat::OpenAiChat;
use crate::outline::Outline;
use crate::problem::{Kind, Problem};

fn fault(status: u16, body: &str) -> (Kind, String, String) {
    let fault = OpenAiChat.read_fault(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
    assert_eq!(fault.raw, body.as_bytes());
    (fault.kind, fault.code.unwrap_or_default(), fault.message)
}

#[test]
fn every_shape_of_error_is_read() {
    let all: Vec<(u16, String, String, String, String)> = serde_json::from_str(include_str!("fixtures/errors.json")).unwrap();
    for (status, body, kind, code, message) in all {
        let (found, found_code, found_message) = fault(status, &body);
        assert_eq!((format!("{found:?}"), found_code, found_message), (kind, code, message), "{body}");
    }
}

#[test]
fn every_kind_has_the_status_that_raises_the_right_class() {
    for (kind, status, openrouter) in [
        (Kind::BadRequest, 400, 400),
        (Kind::Unauthenticated, 401, 401),
        (Kind::Forbidden, 403, 403),
        (Kind::NotFound, 404, 404),
        (Kind::TooLarge, 413, 413),
        (Kind::Unsupported, 400, 422),
        (Kind::RateLimited, 429, 429),
        (Kind::BudgetSpent, 422, 402),
        (Kind::Filtered, 400, 403),
        (Kind::Overloaded, 503, 503),
        (Kind::Timeout, 504, 408),
        (Kind::Upstream, 502, 502),
        (Kind::Internal, 500, 500),
    ] {
        let problem = Problem { raw: Some("raw".to_owned()), provider: Some("P".to_owned()), ..Problem::new(kind, "what") };
        let (found, body) = OpenAiChat.write_problem(&problem, Flavor::OpenAi);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(found.as_u16(), status, "{kind:?}");
        let message = if kind == Kind::Filtered { "litellm.ContentPolicyViolationError: what" } else { "what" };
        assert_eq!((&body["error"]["message"], &body["error"]["code"]), (&json!(message), &json!(status.to_string())));
        assert!(body["error"]["type"].is_string() && body["error"]["param"].is_null());
        let (found, body) = OpenAiChat.write_problem(&problem, Flavor::OpenRouter);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((found.as_u16(), &body["error"]["code"]), (openrouter, &json!(openrouter)), "{kind:?}");
        assert_eq!(body["error"]["metadata"]["provider_name"], "P");
        assert_eq!(body["error"]["metadata"]["raw"], "raw");
        // What we write, we read as the same kind, but where a status stands for two.
        let back = fault(status, std::str::from_utf8(&OpenAiChat.write_problem(&problem, Flavor::OpenAi).1).unwrap()).0;
        assert!(
            back == kind || matches!(kind, Kind::Unsupported | Kind::BudgetSpent | Kind::Filtered | Kind::Internal),
            "{kind:?} {back:?}"
        );
    }
}

#[test]
fn a_stream_breaks_off_with_an_error_and_no_end() {
    let problem = Problem::new(Kind::Upstream, "cut").with_code("upstream_truncated");
    let plain = String::from_utf8(OpenAiChat.write_stream_problem(&problem, Flavor::OpenAi, &Begun::default())).unwrap();
    assert_eq!(plain, "data: {\"error\":{\"message\":\"cut\",\"type\":\"api_error\",\"param\":null,\"code\":\"upstream_truncated\"}}\n\n");
    let routed = String::from_utf8(OpenAiChat.write_stream_problem(&problem, Flavor::OpenRouter, &Begun::default())).unwrap();
    let chunk: Value = serde_json::from_str(routed.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&chunk["error"]["code"], &chunk["choices"][0]["finish_reason"]), (&json!(502), &json!("error")));
}

fn metered(body: &Value) -> Value {
    let frames = Frames::from(Bytes::from(body.to_string()));
    let outline = Outline::scan(&frames).unwrap();
    let edits = OpenAiChat.metering_edits(&outline, &frames);
    serde_json::from_slice(&outline.apply(&frames, &edits).join()).unwrap()
}

#[test]
fn streams_are_metered_and_their_other_options_stay() {
    let with = |options: Value| json!({"model": "m", "stream": true, "stream_options": options});
    let wanted = with(json!({"include_usage": true}));
    assert_eq!(metered(&json!({"model": "m", "stream": true})), wanted);
    assert_eq!(metered(&with(json!(null))), wanted);
    assert_eq!(metered(&with(json!({"include_usage": false}))), wanted);
    let other = with(json!({"include_usage": true, "include_obfuscation": false}));
    assert_eq!(metered(&with(json!({"include_obfuscation": false}))), other);
    assert_eq!(metered(&other), other);
    for unstreamed in [json!({"model": "m"}), json!({"model": "m", "stream": false})] {
        assert_eq!(metered(&unstreamed), unstreamed);
    }
}

#[test]
fn steering_fields_are_told_apart_from_those_of_the_model() {
    let all = [control::STEERING, control::WITHHELD].concat();
    for field in ["messages", "model", "tools", "metadata", "user", "reasoning", "top_k", "stream_options", "cache_control"] {
        assert!(!all.contains(&field), "{field}");
    }
    let mut unique = all.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), all.len());
    for field in ["cache", "caching", "ttl", "s-maxage", "no-cache"] {
        assert!(control::is_withheld(crate::Dialect::OpenAiChat, field), "{field}");
    }
    for field in ["silent_model", "include_fallback_errors"] {
        assert!(control::is_steering(crate::Dialect::OpenAiChat, field), "{field}");
    }
}

const SEEDS: [&str; 4] = [
    include_str!("fixtures/request.json"),
    r#"{"id":"a","created":1,"choices":[{"index":0,"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"x"}]}],"tool_calls":[{"id":"c","function":{"name":"f","arguments":{}}}],"reasoning_details":[{"type":"reasoning.encrypted","data":"x","id":"c","index":0}],"annotations":[{"url_citation":{"url":"u"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"cost":0.1}}"#,
    r#"{"id":"a","choices":[{"index":0,"delta":{"content":"x","reasoning":"y","tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}],"audio":{"id":"x","data":"y"},"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},"finish_reason":"stop"}],"usage":{"total_tokens":1}}"#,
    r#"{"error":{"message":"x","code":429,"innererror":{},"metadata":{"raw":"y"}},"detail":[{"loc":[1],"msg":"z"}]}"#,
];

proptest! {
    #[test]
    fn no_bytes_break_a_reader(seed in 0..SEEDS.len(), cut in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..8), skip in 0..40_usize) {
        let seed = SEEDS[seed].as_bytes();
        let at = cut.index(seed.len());
        let body = [&seed[..at], &bytes, seed.get(at + skip..).unwrap_or_default()].concat();
        let _ = OpenAiChat.read_request(&Head::default(), &body);
        let _ = OpenAiChat.read_reply(&Memo::default(), &body);
        let _ = OpenAiChat.read_fault(StatusCode::BAD_REQUEST, &HeaderMap::new(), &body);
        let mut reader = OpenAiChat.event_reader(Memo::default());
        let mut out = Vec::new();
        for payload in [SEEDS[2].as_bytes(), &body, b"[DONE]", &body] {
            reader.skim(Frame::new(payload));
            let _ = reader.read(Frame::new(payload), &mut out);
        }
        reader.eof(&mut out);
        let mut grammar = crate::grammar::Grammar::new();
        for event in &out {
            prop_assert_eq!(grammar.check(event), Ok(()));
        }
    }
}
