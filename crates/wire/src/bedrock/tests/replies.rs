use http::{HeaderMap, HeaderValue, StatusCode};

use crate::bedrock::Bedrock;
use crate::chat::{PartBody, ToolCall};
use crate::event::{Event, Frame};
use crate::framing::write_aws_message;
use crate::half::{Memo, Outbound};
use crate::problem::Kind;
use crate::recorded::{assemble, check_cuts, events, text_of, thoughts_of};
use crate::reply::Reason;
use crate::seal::{SealKind, Sealed};

pub(super) const REPLY: &str = r#"{"metrics":{"latencyMs":5},"output":{"message":{"role":"assistant","content":[
    {"reasoningContent":{"reasoningText":{"text":"Hm.","signature":"c2ln"}}},
    {"reasoningContent":{"redactedContent":"eHg="}},
    {"text":"Look: "},
    {"citationsContent":{"content":[{"text":"twenty days."}],"citations":[{"title":"policy","sourceContent":[{"text":"20 days"}],
        "location":{"documentChar":{"documentIndex":0,"start":0,"end":8}}}]}},
    {"toolUse":{"toolUseId":"t1","name":"get_weather","input":{"city":"Paris"}}},
    {"toolUse":{"toolUseId":"t2","name":"ping","input":{}}}]}},
    "stopReason":"tool_use","serviceTier":{"type":"flex"},"trace":{"guardrail":{"actionReason":"No action."}},
    "usage":{"inputTokens":10,"outputTokens":5,"totalTokens":120,"cacheReadInputTokens":100,"cacheWriteInputTokens":5,
        "cacheDetails":[{"ttl":"1h","inputTokens":3},{"ttl":"5m","inputTokens":2}]}}"#;

/// The same answer as a stream.
pub(super) const STREAM: [(&str, &str); 22] = [
    ("messageStart", r#"{"role":"assistant","p":"abc"}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm."}}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2ln"}}}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"eHg="}}}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"Lo"}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"ok: "},"p":"abcdef"}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"text":"twenty days."}}"#),
    (
        "contentBlockDelta",
        r#"{"contentBlockIndex":3,"delta":{"citation":{"title":"policy","sourceContent":[{"text":"20 days"}],"location":{"documentChar":{"documentIndex":0,"start":0,"end":8}}}}}"#,
    ),
    ("contentBlockStop", r#"{"contentBlockIndex":3}"#),
    ("contentBlockStart", r#"{"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"t1","name":"get_weather"}}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"toolUse":{"input":""}}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"toolUse":{"input":"{\"city\":"}}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"toolUse":{"input":"\"Paris\"}"}}}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":4}"#),
    ("contentBlockStart", r#"{"contentBlockIndex":5,"start":{"toolUse":{"toolUseId":"t2","name":"ping"}}}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":5}"#),
    ("messageStop", r#"{"stopReason":"tool_use"}"#),
    (
        "metadata",
        r#"{"metrics":{"latencyMs":5},"serviceTier":{"type":"flex"},"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":120,"cacheReadInputTokens":100,"cacheWriteInputTokens":5,"cacheDetails":[{"ttl":"1h","inputTokens":3},{"ttl":"5m","inputTokens":2}]}}"#,
    ),
    ("somethingNew", r#"{"x":1}"#),
];

pub(super) fn stream(frames: &[(&str, &str)]) -> Vec<u8> {
    let message = |(name, payload): &(&str, &str)| {
        let kind = if name.ends_with("Exception") { ":exception-type" } else { ":event-type" };
        write_aws_message(&[(kind, name), (":content-type", "application/json")], payload.as_bytes())
    };
    frames.iter().flat_map(message).collect()
}

fn claude() -> Memo {
    Memo { vendor: Some("anthropic".to_owned()), ..Memo::default() }
}

#[test]
fn an_answer_is_read_whole() {
    let reply = Bedrock.read_reply(&claude(), REPLY.as_bytes()).unwrap();
    assert_eq!(text_of(&reply), "Look: twenty days.");
    assert_eq!(thoughts_of(&reply), "Hm.");
    let PartBody::Reasoning(thought) = &reply.parts[0].body else { panic!("{reply:?}") };
    assert_eq!(thought.seal, Some(Sealed::signature("anthropic", "c2ln")));
    let PartBody::Reasoning(thought) = &reply.parts[1].body else { panic!("{reply:?}") };
    assert_eq!(thought.seal, Some(Sealed::encrypted("anthropic", "eHg=")));
    let PartBody::Text { citations, .. } = &reply.parts[3].body else { panic!("{reply:?}") };
    assert_eq!((citations[0].title.as_deref(), citations[0].cited_text.as_deref()), (Some("policy"), Some("20 days")));
    let PartBody::ToolCall(ToolCall { id, arguments, .. }) = &reply.parts[4].body else { panic!("{reply:?}") };
    assert_eq!((id.as_str(), arguments.as_str()), ("t1", r#"{"city":"Paris"}"#));
    assert_eq!(reply.finish.reason, Reason::ToolCalls);
    assert_eq!(reply.service_tier.as_deref(), Some("flex"));
    assert_eq!(reply.extra.fields().iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["trace"]);
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.total), (Some(115), Some(5), Some(120)));
    assert_eq!((usage.cache_write_5m, usage.cache_write_1h, usage.reasoning), (Some(2), Some(3), None));
}

#[test]
fn a_stream_means_what_the_whole_answer_means() {
    let whole = Bedrock.read_reply(&claude(), REPLY.as_bytes()).unwrap();
    let streamed = assemble(&Bedrock, &claude(), &stream(&STREAM)).unwrap();
    assert_eq!(streamed.parts, whole.parts);
    assert_eq!((streamed.finish, streamed.usage, streamed.service_tier), (whole.finish, whole.usage, whole.service_tier));
}

#[test]
fn a_stream_that_is_cut_ends_in_a_fault() {
    check_cuts(&Bedrock, &claude(), &stream(&STREAM), stream(&STREAM[..20]).len());
    // After the stop only the usage is missing.
    let reply = assemble(&Bedrock, &claude(), &stream(&STREAM[..20])).unwrap();
    assert_eq!((reply.finish.reason, reply.usage), (Reason::ToolCalls, None));
}

#[test]
fn a_seal_of_another_maker_is_not_anthropics() {
    let reply = Bedrock.read_reply(&Memo::default(), REPLY.as_bytes()).unwrap();
    let PartBody::Reasoning(thought) = &reply.parts[0].body else { panic!("{reply:?}") };
    let seal = thought.seal.as_ref().unwrap();
    assert_eq!((seal.vendor.as_ref(), seal.kind), ("bedrock", SealKind::Signature));
}

#[test]
fn what_bedrock_ran_itself_is_not_the_clients_to_run() {
    let body = r#"{"output":{"message":{"content":[
        {"toolUse":{"name":"nova_code_interpreter","toolUseId":"s1","type":"server_tool_use","input":{"snippet":"1+1"}}},
        {"toolResult":{"toolUseId":"s1","type":"nova_code_interpreter_result","content":[{"json":{"stdOut":"2"}}]}},
        {"text":"2"}]}},"stopReason":"end_turn"}"#;
    let whole = Bedrock.read_reply(&Memo::default(), body.as_bytes()).unwrap();
    let kinds: Vec<_> = whole
        .parts
        .iter()
        .map(|part| match &part.body {
            PartBody::Hosted(hosted) => (hosted.kind.as_str(), hosted.id.as_deref()),
            _ => ("", None),
        })
        .collect();
    assert_eq!(kinds, [("server_tool_use", Some("s1")), ("nova_code_interpreter_result", Some("s1")), ("", None)]);
    assert_eq!((whole.finish.reason, whole.usage.is_none()), (Reason::Stop, true));

    let frames = [
        ("messageStart", "{}"),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":0,"start":{"toolUse":{"name":"nova_code_interpreter","toolUseId":"s1","type":"server_tool_use"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"snippet\":\"1+1\"}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":1,"start":{"toolResult":{"toolUseId":"s1","type":"nova_code_interpreter_result"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolResult":[{"json":{"stdOut":"2"}}]}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"2"}}"#),
        ("messageStop", r#"{"stopReason":"end_turn"}"#),
    ];
    let streamed = assemble(&Bedrock, &Memo::default(), &stream(&frames)).unwrap();
    assert_eq!(streamed.parts, whole.parts);
}

#[test]
fn a_forced_call_is_the_json_answer() {
    let memo = Memo { json_tool: Some("json_answer".to_owned()), ..Memo::default() };
    let body = r#"{"output":{"message":{"content":[{"toolUse":{"name":"json_answer","toolUseId":"j","input":{"a":1}}}]}},"stopReason":"tool_use"}"#;
    let whole = Bedrock.read_reply(&memo, body.as_bytes()).unwrap();
    assert_eq!((text_of(&whole).as_str(), whole.finish.reason), (r#"{"a":1}"#, Reason::Stop));
    let frames = [
        ("contentBlockStart", r#"{"contentBlockIndex":0,"start":{"toolUse":{"name":"json_answer","toolUseId":"j"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"a\":1}"}}}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
    ];
    let streamed = assemble(&Bedrock, &memo, &stream(&frames)).unwrap();
    assert_eq!((streamed.parts, streamed.finish), (whole.parts, whole.finish));
}

#[test]
fn names_come_back_as_the_client_knows_them() {
    let memo = Memo { renamed: vec![("get_weather".to_owned(), "get.weather".to_owned())], ..Memo::default() };
    let reply = assemble(&Bedrock, &memo, &stream(&STREAM)).unwrap();
    assert!(reply.parts.iter().any(|part| matches!(&part.body, PartBody::ToolCall(call) if call.name == "get.weather")));
}

#[test]
fn the_one_stop_sequence_is_the_one_that_was_met() {
    let body = r#"{"output":{"message":{"content":[{"text":"a"}]}},"stopReason":"stop_sequence"}"#;
    let one = Memo { stop: vec!["END".to_owned()], ..Memo::default() };
    assert_eq!(Bedrock.read_reply(&one, body.as_bytes()).unwrap().finish.stop_sequence.as_deref(), Some("END"));
    let two = Memo { stop: vec!["END".to_owned(), "STOP".to_owned()], ..Memo::default() };
    assert_eq!(Bedrock.read_reply(&two, body.as_bytes()).unwrap().finish.stop_sequence, None);
}

#[test]
fn exceptions_in_a_stream_are_faults() {
    let cases = [
        ("throttlingException", Kind::RateLimited),
        ("modelStreamErrorException", Kind::Upstream),
        ("validationException", Kind::BadRequest),
        ("internalServerException", Kind::Upstream),
        ("serviceUnavailableException", Kind::Overloaded),
        ("modelTimeoutException", Kind::Timeout),
    ];
    for (name, kind) in cases {
        let frames = [STREAM[0], STREAM[6], (name, r#"{"message":"no"}"#)];
        let fault = assemble(&Bedrock, &Memo::default(), &stream(&frames)).unwrap_err();
        assert_eq!((fault.kind, fault.message.as_str(), fault.code.as_deref()), (kind, "no", Some(name)));
    }
    let mut reader = Bedrock.event_reader(Memo::default());
    let mut out = Vec::new();
    reader.read(Frame { name: "InternalFailure", payload: b"plain words" }, &mut out).unwrap();
    assert!(matches!(&out[..], [Event::Fault(fault)] if fault.message == "plain words"));
    assert!(events(&Bedrock, &Memo::default(), b"not an event stream at all", 100).1.is_some());
}

#[test]
fn errors_are_told_apart() {
    let fault = |status: u16, kind: &'static str, message: &str| {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
        }
        let body = format!(r#"{{"message":"{message}"}}"#);
        let fault = Bedrock.read_fault(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes());
        (fault.kind, fault.code)
    };
    let code = |text: &str| Some(text.to_owned());
    assert_eq!(
        fault(400, "ValidationException:http://internal", "Input is too long for requested model."),
        (Kind::BadRequest, code("context_length_exceeded"))
    );
    assert_eq!(fault(429, "ThrottlingException", "Too many tokens, wait"), (Kind::RateLimited, code("ThrottlingException")));
    assert_eq!(fault(403, "AccessDeniedException", "no access to the model"), (Kind::Forbidden, code("AccessDeniedException")));
    assert_eq!(fault(403, "", "The security token included in the request is invalid."), (Kind::Unauthenticated, None));
    assert_eq!(
        fault(400, "ValidationException", "The provided model identifier is invalid."),
        (Kind::NotFound, code("ValidationException"))
    );
    assert_eq!(fault(408, "ModelTimeoutException", "slow"), (Kind::Timeout, code("ModelTimeoutException")));
    assert_eq!(fault(500, "", "oops"), (Kind::Upstream, None));
}

#[test]
fn an_error_inside_a_success_is_a_fault() {
    let fault = Bedrock.read_reply(&Memo::default(), br#"{"message":"The model is gone"}"#).unwrap_err();
    assert_eq!(fault.message, "The model is gone");
    let fault = Bedrock.read_reply(&Memo::default(), b"{}").unwrap_err();
    assert_eq!(fault.code.as_deref(), Some("upstream_protocol"));
}
