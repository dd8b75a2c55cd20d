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

proptest! {
    #[test]
    fn no_bytes_can_make_a_framer_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in 1_usize..40) {
        for framing in [Framing::Sse, Framing::JsonLines, Framing::AwsEventStream, Framing::JsonArray] {
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
