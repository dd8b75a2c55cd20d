use http::{HeaderMap, StatusCode};

use crate::chat::PartBody;
use crate::half::{Memo, Outbound};
use crate::ollama::Ollama;
use crate::problem::Kind;
use crate::recorded::{assemble, calls_of, check_cuts, text_of, thoughts_of};
use crate::reply::Reason;

pub(super) const REPLY: &str = r#"{"model":"qwen3","created_at":"2026-08-04T21:58:15.115854+02:00","message":{"role":"assistant","thinking":"Hm.","content":"Two calls.",
    "tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f","arguments":{"a":1}}},{"id":"x","function":{"name":"g"}}]},
    "done":true,"done_reason":"stop","total_duration":5,"prompt_eval_count":10,"eval_count":20}"#;

/// The same answer as a stream.
pub(super) const LINES: [&str; 7] = [
    "{\"model\":\"qwen3\",\"created_at\":\"2026-08-04T21:58:15.115854+02:00\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"Hm\"},\"done\":false}\n",
    "{\"model\":\"qwen3\",\"created_at\":\"2026-08-04T19:58:16Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\".\"},\"done\":false}\n",
    "{\"message\":{\"role\":\"assistant\",\"content\":\"Two \"},\"done\":false}\n",
    "{\"message\":{\"role\":\"assistant\",\"content\":\"calls.\"},\"done\":false}\n",
    "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"done\":false}\n",
    "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}},{\"id\":\"x\",\"function\":{\"name\":\"g\"}}]},\"done\":false}\n",
    "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":10,\"eval_count\":20}\n",
];

#[test]
fn an_answer_is_read_whole() {
    let reply = Ollama.read_reply(&Memo::default(), REPLY.as_bytes()).unwrap();
    assert_eq!((text_of(&reply).as_str(), thoughts_of(&reply).as_str()), ("Two calls.", "Hm."));
    assert_eq!(calls_of(&reply).len(), 3);
    let ids: Vec<&str> = reply
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            PartBody::ToolCall(call) => Some(call.id.as_str()),
            _ => None,
        })
        .collect();
    assert!(ids[0] != ids[1] && ids[0].starts_with("call_") && ids[2] == "x", "{ids:?}");
    assert_eq!((reply.model.as_deref(), reply.created), (Some("qwen3"), Some(1_785_873_495)));
    assert_eq!((reply.finish.reason, reply.finish.raw.as_deref()), (Reason::ToolCalls, Some("stop")));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.total), (Some(10), Some(20), None));
    assert_eq!(reply.extra.fields().iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["total_duration"]);
}

#[test]
fn a_stream_means_what_the_whole_answer_means() {
    let whole = Ollama.read_reply(&Memo::default(), REPLY.as_bytes()).unwrap();
    let streamed = assemble(&Ollama, &Memo::default(), LINES.concat().as_bytes()).unwrap();
    assert_eq!(streamed.parts, whole.parts);
    assert_eq!((streamed.finish, streamed.usage), (whole.finish, whole.usage));
    assert_eq!((streamed.model, streamed.created), (whole.model, whole.created));
}

#[test]
fn a_stream_that_is_cut_ends_in_a_fault() {
    let body = LINES.concat();
    // The last line is whole without its end.
    check_cuts(&Ollama, &Memo::default(), body.as_bytes(), body.len() - 1);
}

#[test]
fn an_error_in_the_midst_is_a_fault() {
    let body = LINES[2].to_owned() + "{\"error\":\"an error was encountered while running the model\"}\n";
    let fault = assemble(&Ollama, &Memo::default(), body.as_bytes()).unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::Upstream, "an error was encountered while running the model"));
    let fault = Ollama.read_reply(&Memo::default(), br#"{"error":"gone"}"#).unwrap_err();
    assert_eq!(fault.message, "gone");
}

#[test]
fn ends_are_told_apart() {
    for (done, reason) in [
        (r#","done_reason":"length""#, Reason::Length),
        (r#","done_reason":"stop""#, Reason::Stop),
        (r#","done_reason":"load""#, Reason::Other),
        ("", Reason::Stop),
    ] {
        let body = format!(r#"{{"message":{{"content":"a"}},"done":true{done}}}"#);
        let reply = Ollama.read_reply(&Memo::default(), body.as_bytes()).unwrap();
        assert_eq!((reply.finish.reason, reply.usage.is_none()), (reason, true));
    }
}

#[test]
fn errors_are_told_apart() {
    let fault = |status: u16, body: &str| {
        let fault = Ollama.read_fault(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
        (fault.kind, fault.message, fault.code)
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(fault(404, r#"{"error":"model 'x' not found"}"#), (Kind::NotFound, text("model 'x' not found"), None));
    assert_eq!(fault(401, r#"{"error":{"message":"unauthorized"}}"#), (Kind::Unauthenticated, text("unauthorized"), None));
    assert_eq!(
        fault(400, r#"{"error":"the input length exceeds the context length"}"#),
        (Kind::BadRequest, text("the input length exceeds the context length"), Some(text("context_length_exceeded")))
    );
    assert_eq!(fault(500, "oops").0, Kind::Upstream);
}
