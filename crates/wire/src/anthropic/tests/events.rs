//! Streams.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fixtures::{REPLY, STREAM};
use super::*;
use crate::event::{BlockKind, Delta, Frame};
use crate::framing::write_aws_message;
use crate::problem::Kind;
use crate::reply::{Finish, Reason, Usage};
use crate::seal::{OPENAI, Sealed};

#[test]
fn a_stream_means_what_the_whole_answer_means() {
    let (events, ended) = events_in(Framing::Sse, STREAM.as_bytes(), usize::MAX);
    assert_eq!(ended, Ok(()));
    let whole = Anthropic.read_reply(&Memo::default(), REPLY.as_bytes()).unwrap();
    same_meaning(assembled(&events).unwrap(), whole, "stream");
}

#[test]
fn how_it_arrives_does_not_matter() {
    let whole = format!("{:?}", events_in(Framing::Sse, STREAM.as_bytes(), usize::MAX).0);
    for size in 1..120 {
        assert_eq!(format!("{:?}", events_in(Framing::Sse, STREAM.as_bytes(), size).0), whole);
    }
}

#[test]
fn a_cut_stream_is_a_fault() {
    for end in (0..STREAM.len() - 40).step_by(13) {
        let (events, ended) = events_in(Framing::Sse, &STREAM.as_bytes()[..end], usize::MAX);
        assert!(ended.is_err(), "{end}");
        assert!(!events.iter().any(|event| matches!(event, Event::End { .. })), "{end}");
    }
}

#[test]
fn what_is_written_reads_the_same() {
    let (events, _) = events_in(Framing::Sse, STREAM.as_bytes(), usize::MAX);
    let (again, ended) = events_in(Framing::Sse, &written(&events, stamp()), usize::MAX);
    assert_eq!(ended, Ok(()));
    same_meaning(assembled(&again).unwrap(), assembled(&events).unwrap(), "again");
}

#[test]
fn amazons_envelope_is_opened() {
    let mut stream = Vec::new();
    for line in STREAM.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let payload = json!({"bytes": STANDARD.encode(line), "p": "abc"}).to_string();
        stream.extend(write_aws_message(&[(":event-type", "chunk")], payload.as_bytes()));
    }
    let (events, ended) = events_in(Framing::AwsEventStream, &stream, 11);
    assert_eq!(ended, Ok(()));
    assert_eq!(format!("{events:?}"), format!("{:?}", events_in(Framing::Sse, STREAM.as_bytes(), usize::MAX).0));
    let broken = write_aws_message(&[(":exception-type", "throttlingException")], br#"{"message":"slow down"}"#);
    let fault = events_in(Framing::AwsEventStream, &broken, 64).1.unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::RateLimited, "slow down"));
}

#[test]
fn an_error_amid_the_stream_is_a_fault() {
    let start = STREAM.split_inclusive("\n\n").take(4).collect::<String>();
    let stream =
        start + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let fault = events_in(Framing::Sse, stream.as_bytes(), 5).1.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Overloaded, Some("overloaded_error")));
}

fn read_frames(frames: &[Value]) -> Vec<Event> {
    let mut reader = Anthropic.event_reader(Memo::default());
    let mut events = Vec::new();
    for frame in frames {
        reader.read(Frame::new(frame.to_string().as_bytes()), &mut events).unwrap();
    }
    events
}

#[test]
fn unknown_things_are_kept() {
    let start = json!({"type": "message_start", "message": {"id": "m", "model": "c"}});
    let stop = json!({"type": "content_block_stop", "index": 0});
    let events = read_frames(&[
        start,
        json!({"type": "some_future_event", "x": 1}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": null, "more": 1}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "a"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "b", "list": [1]}}),
        stop,
    ]);
    assert!(events.iter().any(|event| matches!(event, Event::Unknown(_))));
    let hosted = events.iter().find_map(|event| match event {
        Event::BlockStart { kind: BlockKind::Hosted(hosted), .. } => Some(serde_json::from_str::<Value>(hosted.raw.get()).unwrap()),
        _ => None,
    });
    // A `null` that texts go on from is as good as empty.
    assert_eq!(hosted, Some(json!({"type": "compaction", "content": "ab", "more": 1, "list": [1]})));
}

#[test]
fn an_input_that_comes_at_once_is_not_lost() {
    let start = |input: Value| json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": input}});
    let stop = json!({"type": "content_block_stop", "index": 0});
    let piece = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"b\":2}"}});
    let arguments = |frames: &[Value]| {
        read_frames(frames)
            .iter()
            .filter_map(|event| match event {
                Event::BlockDelta { delta: Delta::Arguments(json), .. } => Some(json.clone()),
                _ => None,
            })
            .collect::<String>()
    };
    assert_eq!(arguments(&[start(json!({"a": 1})), stop.clone()]), r#"{"a":1}"#);
    assert_eq!(arguments(&[start(json!({})), stop.clone()]), "{}");
    assert_eq!(arguments(&[start(json!({"a": 1})), piece, stop]), r#"{"b":2}"#);
}

#[test]
fn content_is_skimmed_and_nothing_else() {
    let reader = Anthropic.event_reader(Memo::default());
    for frame in STREAM.lines().filter_map(|line| line.strip_prefix("data: ")) {
        assert_eq!(reader.skim(Frame::new(frame.as_bytes())), frame.contains("\"type\":\"content_block_delta\""), "{frame}");
    }
    let trick = json!({"type": "message_delta", "delta": {"stop_sequence": "\"content_block_delta\""}}).to_string();
    assert!(!reader.skim(Frame::new(trick.as_bytes())));
}

#[test]
fn overlapping_blocks_wait_for_their_turn() {
    let call = |block: u32, id: &str| Event::BlockStart {
        block,
        kind: BlockKind::ToolCall { id: id.to_owned(), name: "f".to_owned(), custom: false, namespace: None },
    };
    let piece = |block: u32, json: &str| Event::BlockDelta { block, delta: Delta::Arguments(json.to_owned()) };
    let usage = |input| Event::Usage(Box::new(Usage { input, output: Some(3), ..Usage::default() }));
    let events = [
        Event::Start { id: None, model: None, created: None },
        call(0, "a"),
        piece(0, "{\"x\""),
        call(1, "b"),
        piece(1, "{\"y\":2}"),
        piece(0, ":1}"),
        Event::BlockEnd { block: 1 },
        Event::BlockEnd { block: 0 },
        usage(Some(9)),
        Event::End { finish: Finish::new(Reason::ToolCalls, "tool_calls"), service_tier: None },
    ];
    let bytes = written(&events, stamp());
    let (again, ended) = events_in(Framing::Sse, &bytes, usize::MAX);
    assert_eq!(ended, Ok(()));
    let reply = assembled(&again).unwrap();
    let inputs: Vec<&str> =
        reply.parts.iter().map(|part| if let PartBody::ToolCall(call) = &part.body { call.arguments.as_str() } else { "" }).collect();
    assert_eq!(inputs, ["{\"x\":1}", "{\"y\":2}"]);
    assert_eq!((reply.id.as_deref(), reply.usage.unwrap().input), (Some("msg_stamp"), Some(9)));
    let text = String::from_utf8(bytes).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let block = |deltas: usize| [vec!["content_block_start"], vec!["content_block_delta"; deltas], vec!["content_block_stop"]].concat();
    assert_eq!(names, [vec!["message_start"], block(2), block(1), vec!["message_delta", "message_stop"]].concat());
    assert!(text.contains(r#""usage":{"input_tokens":0,"output_tokens":0}"#));
}

#[test]
fn a_foreign_encrypted_thought_is_a_redacted_one() {
    let reasoning = BlockKind::Reasoning { id: Some("rs".to_owned()), summary: true };
    let events = [
        Event::Start { id: None, model: None, created: None },
        Event::BlockStart { block: 0, kind: reasoning },
        Event::BlockDelta { block: 0, delta: Delta::Seal(Sealed::encrypted(OPENAI, "e")) },
        Event::BlockEnd { block: 0 },
        Event::End { finish: Finish::new(Reason::Stop, "stop"), service_tier: None },
    ];
    let text = String::from_utf8(written(&events, stamp())).unwrap();
    assert!(text.contains(r#"{"type":"redacted_thinking","data":"swb1.openai.e."#));
    let (again, _) = events_in(Framing::Sse, text.as_bytes(), usize::MAX);
    let reply = assembled(&again).unwrap();
    assert!(
        matches!(&reply.parts[0].body, PartBody::Reasoning(thought) if thought.seal == Some(Sealed::encrypted(OPENAI, "e")) && thought.id.as_deref() == Some("rs"))
    );
    let hidden = written(&events, Stamp { hide_reasoning: true, ..stamp() });
    assert!(!String::from_utf8(hidden).unwrap().contains("content_block"));
}

#[test]
fn a_seal_that_comes_before_the_text_stands_after_it() {
    let seal = |bytes: &str| Event::BlockDelta { block: 0, delta: Delta::Seal(Sealed::encrypted(OPENAI, bytes)) };
    let events = [
        Event::Start { id: None, model: None, created: None },
        Event::BlockStart { block: 0, kind: BlockKind::Reasoning { id: None, summary: true } },
        seal("early"),
        Event::BlockDelta { block: 0, delta: Delta::Text("so".to_owned()) },
        seal("late"),
        Event::BlockEnd { block: 0 },
        Event::End { finish: Finish::new(Reason::Stop, "stop"), service_tier: None },
    ];
    let (again, _) = events_in(Framing::Sse, &written(&events, stamp()), usize::MAX);
    let reply = assembled(&again).unwrap();
    let PartBody::Reasoning(thought) = &reply.parts[0].body else { panic!("a thought") };
    assert_eq!((thought.text.as_str(), &thought.seal), ("so", &Some(Sealed::encrypted(OPENAI, "late"))));
}

#[test]
fn a_failed_answer_is_an_error_event() {
    let start = Event::Start { id: None, model: None, created: None };
    let fault = Fault::truncated();
    let text = String::from_utf8(written(&[start.clone(), Event::Fault(Box::new(fault))], stamp())).unwrap();
    assert!(text.starts_with("event: error\n") && text.contains("api_error"));
    let end = Event::End { finish: Finish::new(Reason::Error, "error"), service_tier: None };
    let text = String::from_utf8(written(&[start, end], stamp())).unwrap();
    assert!(text.contains("event: error\n") && !text.contains("message_stop"));
}
