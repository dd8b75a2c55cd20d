use http::{HeaderMap, StatusCode};

use crate::chat::{Citation, PartBody};
use crate::cohere::Cohere;
use crate::half::{Memo, Outbound};
use crate::problem::Kind;
use crate::recorded::{assemble, check_cuts, text_of};
use crate::reply::Reason;

pub(super) const REPLY: &str = r#"{"id":"a1","message":{"role":"assistant","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"Ruby is good."}],
    "citations":[{"start":0,"end":4,"text":"Ruby","content_index":1,"type":"TEXT_CONTENT",
        "sources":[{"type":"document","id":"doc-0","document":{"id":"doc-0","title":"facts","text":"Ruby!"}},{"type":"tool","id":"t:0"}]},
      {"start":0,"end":1,"text":"I","type":"PLAN","sources":[]}],
    "tool_plan":"I will look.",
    "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"null"}}]},
    "finish_reason":"TOOL_CALL","logprobs":[],
    "usage":{"billed_units":{"input_tokens":1,"output_tokens":2},"tokens":{"input_tokens":510,"output_tokens":99,"reasoning_tokens":29},"cached_tokens":144}}"#;

/// The same answer as a stream.
pub(super) const STREAM: [(&str, &str); 21] = [
    (
        "message-start",
        r#"{"id":"a1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
    ),
    ("content-start", r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}"#),
    ("content-delta", r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm."}}}}"#),
    ("content-end", r#"{"type":"content-end","index":0}"#),
    ("content-start", r#"{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}"#),
    ("content-delta", r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"Ruby "}}}}"#),
    ("content-delta", r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"is good."}}}}"#),
    ("content-end", r#"{"type":"content-end","index":1}"#),
    (
        "citation-start",
        r#"{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":4,"text":"Ruby","content_index":1,"type":"TEXT_CONTENT","sources":[{"type":"document","id":"doc-0","document":{"id":"doc-0","title":"facts","text":"Ruby!"}},{"type":"tool","id":"t:0"}]}}}}"#,
    ),
    ("citation-end", r#"{"type":"citation-end","index":0}"#),
    ("tool-plan-delta", r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will"}}}"#),
    ("tool-plan-delta", r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":" look."}}}"#),
    (
        "tool-call-start",
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"f","arguments":""}}}}}"#,
    ),
    ("tool-call-delta", r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\""}}}}}"#),
    ("tool-call-delta", r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":":1}"}}}}}"#),
    ("tool-call-end", r#"{"type":"tool-call-end","index":0}"#),
    (
        "tool-call-start",
        r#"{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"c2","type":"function","function":{"name":"g","arguments":""}}}}}"#,
    ),
    ("tool-call-delta", r#"{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"null"}}}}}"#),
    ("tool-call-end", r#"{"type":"tool-call-end","index":1}"#),
    (
        "message-end",
        r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":1,"output_tokens":2},"tokens":{"input_tokens":510,"output_tokens":99,"reasoning_tokens":29},"cached_tokens":144}}}"#,
    ),
    ("", "[DONE]"),
];

pub(super) fn stream(frames: &[(&str, &str)]) -> Vec<u8> {
    let event = |(name, payload): &(&str, &str)| match *name {
        "" => format!("data: {payload}\n\n"),
        name => format!("event: {name}\ndata: {payload}\n\n"),
    };
    frames.iter().map(event).collect::<String>().into_bytes()
}

#[test]
fn an_answer_is_read_whole() {
    let reply = Cohere.read_reply(&Memo::default(), REPLY.as_bytes()).unwrap();
    assert_eq!(reply.id.as_deref(), Some("a1"));
    let bodies: Vec<String> = reply
        .parts
        .iter()
        .map(|part| match &part.body {
            PartBody::Text { text, .. } => text.clone(),
            PartBody::Reasoning(thought) => format!("({})", thought.text),
            PartBody::ToolCall(call) => format!("{}:{}{}", call.id, call.name, call.arguments),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bodies, ["(Hm.)", "Ruby is good.", "(I will look.)", r#"c1:f{"a":1}"#, "c2:g{}"]);
    let PartBody::Text { citations, .. } = &reply.parts[1].body else { panic!("{reply:?}") };
    let text = |text: &str| Some(text.to_owned());
    let place = || Citation { start: Some(0), end: Some(4), ..Citation::default() };
    assert_eq!(
        *citations,
        [
            Citation { title: text("facts"), cited_text: text("Ruby!"), document: text("doc-0"), ..place() },
            Citation { document: text("t:0"), ..place() }
        ]
    );
    assert_eq!(reply.finish.reason, Reason::ToolCalls);
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.total), (Some(510), Some(99), None));
    assert_eq!((usage.reasoning, usage.cache_read, usage.cache_write), (Some(29), Some(144), None));
    assert_eq!(reply.extra.fields().iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["logprobs"]);
}

#[test]
fn a_stream_means_what_the_whole_answer_means() {
    let whole = Cohere.read_reply(&Memo::default(), REPLY.as_bytes()).unwrap();
    let streamed = assemble(&Cohere, &Memo::default(), &stream(&STREAM)).unwrap();
    assert_eq!(streamed.parts, whole.parts);
    assert_eq!((streamed.id, streamed.finish, streamed.usage), (whole.id, whole.finish, whole.usage));
}

#[test]
fn events_without_names_are_told_by_their_type() {
    let frames: Vec<(&str, &str)> = STREAM.iter().map(|(_, payload)| ("", *payload)).collect();
    let whole = Cohere.read_reply(&Memo::default(), REPLY.as_bytes()).unwrap();
    assert_eq!(assemble(&Cohere, &Memo::default(), &stream(&frames)).unwrap().parts, whole.parts);
}

#[test]
fn a_stream_that_is_cut_ends_in_a_fault() {
    let body = stream(&STREAM[..20]);
    check_cuts(&Cohere, &Memo::default(), &body, body.len() - 4);
    // Nothing but the marker is missing: the answer is whole.
    assert!(assemble(&Cohere, &Memo::default(), &body).is_ok());
}

#[test]
fn an_answer_that_ends_in_an_error_is_a_fault() {
    let end =
        r#"{"type":"message-end","delta":{"finish_reason":"ERROR","usage":{},"error":"bad tools","error_type":"INVALID_TOOL_GENERATION"}}"#;
    let fault = assemble(&Cohere, &Memo::default(), &stream(&[STREAM[0], ("message-end", end)])).unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::Upstream, "bad tools"));
    let body = r#"{"id":"a","message":{"role":"assistant"},"finish_reason":"ERROR"}"#;
    assert_eq!(Cohere.read_reply(&Memo::default(), body.as_bytes()).unwrap_err().kind, Kind::Upstream);
    let fault = Cohere.read_reply(&Memo::default(), br#"{"message":"no such thing"}"#).unwrap_err();
    assert_eq!(fault.message, "no such thing");
}

#[test]
fn ends_are_told_apart() {
    for (raw, reason) in [
        ("COMPLETE", Reason::Stop),
        ("STOP_SEQUENCE", Reason::StopSequence),
        ("MAX_TOKENS", Reason::Length),
        ("TIMEOUT", Reason::Error),
        ("SOMETHING", Reason::Other),
    ] {
        let body = format!(r#"{{"message":{{"content":[{{"type":"text","text":"a"}}]}},"finish_reason":"{raw}"}}"#);
        let reply = Cohere.read_reply(&Memo::default(), body.as_bytes()).unwrap();
        assert_eq!((reply.finish.reason, text_of(&reply).as_str(), reply.usage), (reason, "a", None));
    }
}

#[test]
fn the_one_stop_sequence_is_the_one_that_was_met() {
    let body = r#"{"message":{"content":[{"type":"text","text":"a"}]},"finish_reason":"STOP_SEQUENCE"}"#;
    let memo = Memo { stop: vec!["END".to_owned()], ..Memo::default() };
    assert_eq!(Cohere.read_reply(&memo, body.as_bytes()).unwrap().finish.stop_sequence.as_deref(), Some("END"));
    assert_eq!(Cohere.read_reply(&Memo::default(), body.as_bytes()).unwrap().finish.stop_sequence, None);
}

#[test]
fn errors_are_told_apart() {
    let fault = |status: u16, body: &str| {
        let fault = Cohere.read_fault(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
        (fault.kind, fault.message, fault.code)
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(fault(401, r#"{"message":"invalid api token"}"#), (Kind::Unauthenticated, text("invalid api token"), None));
    assert_eq!(fault(429, r#"{"message":"slow down"}"#), (Kind::RateLimited, text("slow down"), None));
    assert_eq!(fault(498, r#"{"message":"blocked"}"#), (Kind::Filtered, text("blocked"), None));
    assert_eq!(fault(422, r#"{"message":"no","error_type":"X"}"#), (Kind::BadRequest, text("no"), Some(text("X"))));
    assert_eq!(fault(502, "<html>"), (Kind::Upstream, text("the provider reported an error without a message"), None));
}
