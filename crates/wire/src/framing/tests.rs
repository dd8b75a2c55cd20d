use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn cut(framing: Framing, chunks: &[&[u8]]) -> Vec<(String, String)> {
    let mut framer = Framer::new(framing);
    let mut found = Vec::new();
    let mut drain = |framer: &mut Framer| {
        while let Some(piece) = framer.next_piece() {
            let piece = piece.expect("well formed");
            if !piece.payload.is_empty() {
                let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("text");
                found.push((text(&piece.name), text(&piece.payload)));
            }
        }
    };
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        drain(&mut framer);
    }
    framer.end();
    drain(&mut framer);
    found
}

const STREAM: &str =
    ": hello\n\nevent: a\ndata: {\"x\":\ndata: 1}\n\ndata:no space\r\n\r\ndata: ü\r\rid: 7\ndata: last\n\ndata: [DONE]\n\n";

#[test]
fn sse_events_are_the_same_however_they_are_cut() {
    let whole = cut(Framing::Sse, &[STREAM.as_bytes()]);
    let payloads: Vec<_> = whole.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!(payloads, ["{\"x\":\n1}", "no space", "ü", "last", "[DONE]"]);
    assert_eq!(whole[0].0, "a");
    for at in 0..STREAM.len() {
        let (left, right) = STREAM.as_bytes().split_at(at);
        assert_eq!(cut(Framing::Sse, &[left, right]), whole, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
    assert_eq!(cut(Framing::Sse, &bytes), whole);
}

#[test]
fn the_raw_bytes_of_all_pieces_are_the_stream() {
    let mut framer = Framer::new(Framing::Sse);
    let mut raw = Vec::new();
    for chunk in STREAM.as_bytes().chunks(7) {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(piece) = framer.next_piece() {
            raw.extend_from_slice(&piece.expect("well formed").raw);
        }
    }
    assert_eq!(String::from_utf8(raw).expect("text"), STREAM);
    assert!(framer.is_empty());
}

#[test]
fn json_lines_need_no_last_line_feed() {
    assert_eq!(cut(Framing::JsonLines, &[b"{\"a\":1}\n\n {\"b\"", b":2}"]).len(), 2);
}

#[test]
fn the_items_of_an_array_are_frames_however_they_are_cut() {
    let stream = "[{\"a\":\"}]\\\"{\"}\r\n,\r\n{\"b\":[{},[1]]} , {\"c\":2}\n]\n";
    let whole = cut(Framing::JsonArray, &[stream.as_bytes()]);
    let payloads: Vec<_> = whole.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!(payloads, ["{\"a\":\"}]\\\"{\"}", "{\"b\":[{},[1]]}", "{\"c\":2}"]);
    for at in 0..stream.len() {
        let (left, right) = stream.as_bytes().split_at(at);
        assert_eq!(cut(Framing::JsonArray, &[left, right]), whole, "cut at {at}");
    }
    assert_eq!(cut(Framing::JsonArray, &[b"{\"error\":{}}\n"]).len(), 1);
    assert_eq!(cut(Framing::JsonArray, &[b"[{\"a\":1},{\"b\""]).len(), 2);
    assert!(cut(Framing::JsonArray, &[b"[]"]).is_empty());
}

#[test]
fn aws_messages_are_checked_and_named() {
    let mut stream = write_aws_message(&[(":event-type", "contentBlockDelta"), (":message-type", "event")], b"{}");
    stream.extend(write_aws_message(&[(":exception-type", "throttlingException")], b"{\"message\":\"slow\"}"));
    let bytes: Vec<&[u8]> = stream.chunks(5).collect();
    let found = cut(Framing::AwsEventStream, &bytes);
    assert_eq!(found[0], ("contentBlockDelta".to_owned(), "{}".to_owned()));
    assert_eq!(found[1].0, "throttlingException");
    let last = stream.len() - 6;
    stream[last] ^= 1;
    let mut framer = Framer::new(Framing::AwsEventStream);
    framer.push(Bytes::from(stream));
    assert!(framer.next_piece().expect("first").is_ok());
    assert!(framer.next_piece().expect("second").is_err());
}

/// SageMaker's stream of those bytes, in parts of that size.
fn in_parts(inner: &[u8], size: usize) -> Vec<u8> {
    let part = |chunk| write_aws_message(&[(":message-type", "event"), (":event-type", "PayloadPart")], chunk);
    inner.chunks(size).flat_map(part).collect()
}

#[test]
fn events_in_aws_messages_are_the_same_however_they_are_cut() {
    let whole = cut(Framing::Sse, &[STREAM.as_bytes()]);
    for size in [1, 3, 7, STREAM.len()] {
        let outer = in_parts(STREAM.as_bytes(), size);
        assert_eq!(cut(Framing::AwsEventStreamOfSse, &[&outer]), whole, "in parts of {size}");
        let bytes: Vec<&[u8]> = outer.chunks(1).collect();
        assert_eq!(cut(Framing::AwsEventStreamOfSse, &bytes), whole, "in parts of {size}, byte by byte");
    }
    let outer = in_parts(STREAM.as_bytes(), 11);
    for at in 0..outer.len() {
        let (left, right) = outer.split_at(at);
        assert_eq!(cut(Framing::AwsEventStreamOfSse, &[left, right]), whole, "cut at {at}");
    }
}

#[test]
fn a_failure_of_the_outer_stream_is_an_event() {
    let mut outer = write_aws_message(&[(":message-type", "event"), (":event-type", "initial-response")], b"{}");
    outer.extend(in_parts(b"data: {\"a\":1}\n\n", 4));
    let headers = [(":message-type", "exception"), (":exception-type", "ModelStreamError")];
    outer.extend(write_aws_message(&headers, br#"{"Message":"the container died","ErrorCode":"ModelInvocationTimeExceeded"}"#));
    let found = cut(Framing::AwsEventStreamOfSse, &[&outer]);
    let failure = r#"{"error":{"message":"the container died","type":"ModelStreamError"}}"#;
    assert_eq!(found, [(String::new(), r#"{"a":1}"#.to_owned()), ("ModelStreamError".to_owned(), failure.to_owned())]);
}

/// The text of a relayed chat stream that SageMaker wraps, or how it failed.
fn chat(outer: &[u8], size: usize) -> (String, Option<crate::problem::Fault>) {
    use crate::event::{Delta, Event};
    let outbound = crate::Dialect::OpenAiChat.outbound().expect("providers speak it");
    let framing = outbound.framing_of("application/vnd.amazon.eventstream").expect("a stream");
    let output = crate::relay::Output::Verbatim { hide_usage: false, epilogue: b"", rename: None };
    let mut relay = crate::relay::Relay::new(framing, outbound.event_reader(crate::half::Memo::default()), output);
    let (mut text, mut out) = (String::new(), Vec::new());
    let mut seen = |event: &Event| {
        if let Event::BlockDelta { delta: Delta::Text(more), .. } = event {
            text.push_str(more);
        }
    };
    for chunk in outer.chunks(size) {
        if let Err(fault) = relay.push(Bytes::copy_from_slice(chunk), &mut seen, &mut out) {
            return (text, Some(fault));
        }
    }
    let fault = relay.finish(&mut seen, &mut out).err();
    (text, fault)
}

#[test]
fn a_wrapped_chat_stream_is_read_and_its_failure_told() {
    let chunk = |content: &str| format!("data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n");
    let end = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (begun, whole) = (chunk("Hä") + &chunk("nde"), chunk("Hä") + &chunk("nde") + end);
    for size in [1, 13, 4096] {
        assert_eq!(chat(&in_parts(whole.as_bytes(), 5), size).1, None);
        let (_, fault) = chat(&in_parts(begun.as_bytes(), 5), size);
        assert_eq!(fault.expect("cut").code.as_deref(), Some("upstream_truncated"));
        let mut failed = in_parts(begun.as_bytes(), 5);
        failed.extend(write_aws_message(&[(":exception-type", "InternalStreamFailure")], br#"{"message":"sorry"}"#));
        assert_eq!(chat(&failed, size).1.map(|fault| fault.message).as_deref(), Some("sorry"));
    }
    assert!(chat(&in_parts(whole.as_bytes(), 5), 1).0.starts_with('H'));
}

proptest! {
    #[test]
    fn no_bytes_can_make_a_framer_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in 1_usize..40) {
        for framing in [Framing::Sse, Framing::JsonLines, Framing::AwsEventStream, Framing::AwsEventStreamOfSse, Framing::JsonArray] {
            let mut framer = Framer::new(framing);
            'stream: for chunk in bytes.chunks(size) {
                framer.push(Bytes::copy_from_slice(chunk));
                while let Some(piece) = framer.next_piece() {
                    if piece.is_err() {
                        break 'stream;
                    }
                }
            }
            framer.end();
            for _ in 0..bytes.len() + 1 {
                if !matches!(framer.next_piece(), Some(Ok(_))) {
                    break;
                }
            }
        }
    }
}
