//! Streams that grow without end, and pieces of them that mean nothing: neither is kept, and neither passes for whole.

use bytes::Bytes;
use switchboard_wire::Dialect;
use switchboard_wire::framing::Framing;
use switchboard_wire::relay::Output;

use crate::answers::{clients, stamp};
use crate::verbatim::{Passed, relayed};

/// What every client gets of such a stream in OpenAI's format.
fn for_every_client(events: &[String]) -> Vec<(Dialect, Passed)> {
    let chunks: Vec<Bytes> = events.iter().map(|event| Bytes::from(event.clone())).collect();
    let passed = |(client, inbound, _): (Dialect, &dyn switchboard_wire::half::Inbound, _)| {
        (client, relayed(Framing::Sse, Dialect::OpenAiChat, Output::Written(inbound.event_writer(stamp())), &chunks))
    };
    let mut all: Vec<_> = clients().map(passed).collect();
    all.push((Dialect::OpenAiChat, as_it_comes(Dialect::OpenAiChat, &chunks)));
    all
}

fn as_it_comes(dialect: Dialect, chunks: &[Bytes]) -> Passed {
    relayed(Framing::Sse, dialect, Output::Verbatim { hide_usage: false, epilogue: b"", rename: None }, chunks)
}

fn chunk(delta: &str) -> String {
    format!("data: {{\"id\":\"a\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n")
}

fn call(index: usize) -> String {
    format!(r#"{{"index":{index},"id":"c{index}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}"#)
}

fn ended(mut events: Vec<String>) -> Vec<String> {
    events.push(
        "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n".to_owned(),
    );
    events
}

fn is_protocol(passed: &Passed) -> bool {
    passed.result.as_ref().is_err_and(|fault| fault.code.as_deref() == Some("upstream_protocol"))
}

/// What is kept of a call until it is whole has an end, however long it goes on.
#[test]
fn arguments_are_not_kept_without_end() {
    let more = chunk(&format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":"{}"}}}}]}}"#, "x".repeat(60_000)));
    let mut events = vec![chunk(&format!(r#"{{"tool_calls":[{}]}}"#, call(0)))];
    events.extend(std::iter::repeat_n(more, 200));
    for (client, passed) in for_every_client(&ended(events)) {
        let kept = matches!(client, Dialect::Gemini | Dialect::OpenAiResponses);
        assert_eq!(is_protocol(&passed), kept, "{client}: {:?}", passed.result);
        assert_eq!(passed.result.is_ok(), !kept, "{client}: {:?}", passed.result);
    }
}

/// What waits for its turn, too.
#[test]
fn what_waits_for_its_turn_has_an_end() {
    let more = chunk(&format!(r#"{{"tool_calls":[{{"index":1,"function":{{"arguments":"{}"}}}}]}}"#, "x".repeat(60_000)));
    let mut events = vec![chunk(&format!(r#"{{"tool_calls":[{},{}]}}"#, call(0), call(1)))];
    events.extend(std::iter::repeat_n(more, 200));
    let all = for_every_client(&ended(events));
    let (_, messages) = all.iter().find(|(client, _)| *client == Dialect::Anthropic).unwrap();
    assert!(is_protocol(messages), "{:?}", messages.result);
}

/// Text is passed on and not kept.
#[test]
fn long_texts_pass() {
    let mut events = vec![chunk(&format!(r#"{{"content":"{}"}}"#, "x".repeat(60_000))); 200];
    events.push("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".to_owned());
    // The last event of that API holds all of the answer.
    for (client, passed) in for_every_client(&events).iter().filter(|(client, _)| *client != Dialect::OpenAiResponses) {
        assert!(passed.result.is_ok(), "{client}: {:?}", passed.result);
    }
}

#[test]
fn an_answer_has_so_many_blocks_and_no_more() {
    for (count, fits) in [(1_024, true), (1_025, false), (20_000, false)] {
        let events = (0..count).map(|index| chunk(&format!(r#"{{"tool_calls":[{}]}}"#, call(index)))).collect();
        let together = chunk(&format!(r#"{{"tool_calls":[{}]}}"#, (0..count).map(call).collect::<Vec<_>>().join(",")));
        for events in [ended(events), ended(vec![together])] {
            for (client, passed) in for_every_client(&events) {
                assert_eq!((passed.result.is_ok(), is_protocol(&passed)), (fits, !fits), "{client}, {count}: {:?}", passed.result);
            }
        }
    }
}

#[test]
fn a_piece_of_a_call_that_never_began_is_no_piece_of_another() {
    let piece = |index: usize| chunk(&format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":"{{\"a\":1}}"}}}}]}}"#));
    let begins = chunk(r#"{"tool_calls":[{"index":5,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}"#);
    for (client, passed) in for_every_client(&ended(vec![begins.clone(), piece(2)])) {
        assert!(is_protocol(&passed), "{client}: {:?}", passed.result);
    }
    for (client, passed) in for_every_client(&ended(vec![begins, piece(5)])) {
        assert!(passed.result.is_ok(), "{client}: {:?}", passed.result);
    }
}

/// Streams: their beginning, up to an event of text, and their end.
const STREAMS: [(Dialect, &str, &str); 4] = [
    (
        Dialect::OpenAiChat,
        "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n",
        "data: [DONE]\n\n",
    ),
    (
        Dialect::Anthropic,
        concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"model\":\"m\"}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n",
        ),
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ),
    (
        Dialect::Gemini,
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"index\":0}]}\r\n\r\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"index\":0,\"finishReason\":\"STOP\"}]}\r\n\r\n",
    ),
    (
        Dialect::OpenAiResponses,
        "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":\"x\"}\n\n",
        "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\"}}\n\n",
    ),
];

/// Amid the content, where most frames pass unread.
#[test]
fn what_is_no_json_does_not_pass_for_it() {
    for (dialect, said, end) in STREAMS {
        let (_, text) = said.trim_end().rsplit_once("data: ").unwrap();
        let again = format!("data: {text}\n\n");
        let whole = as_it_comes(dialect, &[said, &again, end].map(|piece| Bytes::from(piece.to_owned())));
        assert!(whole.result.is_ok(), "{dialect}: {:?}", whole.result);
        let broken = [
            format!("{{bad {}", &text[1..]),
            text.replacen(':', " ", 1),
            text.replacen(",\"", ",,\"", 1),
            format!("{text}}}"),
            text[..text.len() - 1].to_owned(),
            text.replacen("\"x\"", "\"x", 1),
            text.replacen("\"x\"", "x\"", 1),
            format!("{text},{text}"),
        ];
        for bad in broken {
            let passed = as_it_comes(dialect, &[Bytes::from(said), Bytes::from(format!("data: {bad}\n\n")), Bytes::from(end)]);
            assert!(is_protocol(&passed), "{dialect}: {bad}: {:?}", passed.result);
            assert_eq!(passed.bytes, said.as_bytes(), "{dialect}: {bad} was passed on");
        }
    }
    let [(dialect, said, end), ..] = STREAMS;
    let passed = as_it_comes(dialect, &[Bytes::from(said), Bytes::from("data: [1,2]\n\n"), Bytes::from(end)]);
    assert!(is_protocol(&passed), "{:?}", passed.result);
}

/// Events with a name that is none of this API's are a gateway's on the way.
#[test]
fn unknown_events_pass() {
    let [(dialect, said, end), ..] = STREAMS;
    let sign = "event: heartbeat\ndata: heartbeat\n\n";
    let events = [sign, said, sign, end];
    let passed = as_it_comes(dialect, &events.map(Bytes::from));
    assert!(passed.result.is_ok(), "{:?}", passed.result);
    assert_eq!(passed.bytes, events.concat().into_bytes());
    for (client, passed) in for_every_client(&events.map(str::to_owned)) {
        assert!(passed.result.is_ok(), "{client}: {:?}", passed.result);
    }
}

#[test]
fn an_event_that_is_named_an_error_is_one_in_any_form() {
    for (dialect, said, end) in &STREAMS[..2] {
        for (data, message) in [
            (r#"{"message":"boom2"}"#, "boom2"),
            ("boom plain", "boom plain"),
            (r#"{"error":{"message":"inner"}}"#, "inner"),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#, "busy"),
        ] {
            let events = [*said, &format!("event: error\ndata: {data}\n\n"), *end].map(|event| Bytes::from(event.to_owned()));
            let passed = as_it_comes(*dialect, &events);
            assert_eq!(passed.result.unwrap_err().message, message, "{dialect}: {data}");
        }
    }
}
