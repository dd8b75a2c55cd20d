//! Errors.

use http::{HeaderMap, StatusCode};

use super::*;
use crate::dialect::Flavor;
use crate::half::Begun;
use crate::problem::{Kind, Problem};

fn fault(status: u16, body: &str) -> Fault {
    Anthropic.read_fault(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
}

#[test]
fn every_kind_has_a_word_and_a_status_and_is_read_back() {
    for kind in Kind::ALL {
        let (status, body) = Anthropic.write_problem(&Problem::new(kind, "because"), Flavor::default());
        let said: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&said["type"], &said["error"]["message"]), (&json!("error"), &json!("because")));
        let read = Anthropic.read_fault(status, &HeaderMap::new(), &body).kind;
        let expected = match kind {
            Kind::Unsupported | Kind::Filtered => Kind::BadRequest,
            Kind::Internal => Kind::Upstream,
            kind => kind,
        };
        assert_eq!(read, expected, "{kind:?}");
    }
    let (status, _) = Anthropic.write_problem(&Problem::new(Kind::Overloaded, ""), Flavor::default());
    assert_eq!(status.as_u16(), 529);
}

#[test]
fn openrouters_clients_are_told_the_kind_in_their_words() {
    let said = |problem: &Problem, flavor| serde_json::from_slice::<Value>(&Anthropic.write_problem(problem, flavor).1).unwrap();
    let limited = Problem::new(Kind::RateLimited, "slow");
    assert_eq!(said(&limited, Flavor::OpenRouter)["error"]["error_type"], "rate_limit_exceeded");
    assert_eq!(said(&limited, Flavor::OpenAi)["error"].get("error_type"), None);
    let long = Problem::new(Kind::BadRequest, "long").with_code("context_length_exceeded");
    assert_eq!(said(&long, Flavor::OpenRouter)["error"]["error_type"], "context_length_exceeded");
    let event = Anthropic.write_stream_problem(&limited, Flavor::OpenRouter, &Begun::default());
    assert!(String::from_utf8(event).unwrap().contains("\"error_type\":\"rate_limit_exceeded\""));
}

#[test]
fn the_message_tells_what_the_type_does_not() {
    let of = |word: &str, message: &str| json!({"type": "error", "error": {"type": word, "message": message}}).to_string();
    let long = fault(400, &of("invalid_request_error", "prompt is too long: 3333404 tokens > 200000 maximum"));
    assert_eq!((long.kind, long.code.as_deref()), (Kind::BadRequest, Some("context_length_exceeded")));
    assert_eq!(fault(400, &of("invalid_request_error", "Your credit balance is too low to access the API.")).kind, Kind::BudgetSpent);
    assert_eq!(fault(400, &of("invalid_request_error", "Output blocked by content filtering policy")).kind, Kind::Filtered);
    assert_eq!(fault(429, &of("rate_limit_error", "slow")).kind, Kind::RateLimited);
    let spent = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "no", "details": {"error_code": "enforced_spend_limit_reached"}}});
    let spent = fault(429, &spent.to_string());
    assert_eq!((spent.kind, spent.code.as_deref()), (Kind::BudgetSpent, Some("enforced_spend_limit_reached")));
    assert_eq!(fault(529, &of("overloaded_error", "Overloaded")).kind, Kind::Overloaded);
}

#[test]
fn other_envelopes_are_read() {
    let vertex = fault(429, r#"[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]"#);
    assert_eq!((vertex.kind, vertex.message.as_str()), (Kind::RateLimited, "Quota exceeded"));
    let mut headers = HeaderMap::new();
    headers.insert("x-amzn-errortype", "ValidationException:http://x".parse().unwrap());
    let bedrock = Anthropic.read_fault(StatusCode::BAD_REQUEST, &headers, br#"{"message":"Malformed input request"}"#);
    assert_eq!((bedrock.kind, bedrock.message.as_str()), (Kind::BadRequest, "Malformed input request"));
    let page = fault(502, "<html>Bad gateway</html>");
    assert_eq!((page.kind, page.message.as_str()), (Kind::Upstream, "the provider answered with status 502"));
    assert_eq!(fault(503, "").kind, Kind::Overloaded);
    assert_eq!(fault(500, r#"{"error":"flat"}"#).message, "flat");
}

#[test]
fn a_prompt_that_is_too_long_is_told_in_the_vendors_words() {
    let told = |message: &str, code: &str| {
        let problem = Problem::new(Kind::BadRequest, message).with_code(code);
        let (_, body) = Anthropic.write_problem(&problem, Flavor::default());
        serde_json::from_slice::<Value>(&body).unwrap()["error"]["message"].as_str().unwrap().to_owned()
    };
    let code = "context_length_exceeded";
    assert_eq!(told("Your input exceeds the context window", code), "prompt is too long: Your input exceeds the context window");
    for own in ["prompt is too long: 2 tokens > 1 maximum", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"] {
        assert_eq!(told(own, code), own);
    }
    assert_eq!(told("because", "other"), "because");
}
