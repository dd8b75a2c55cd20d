//! What RFC 9113 and RFC 7541 have a server refuse, and how; a table, section by section.
//!
//! In two places the library behind this is laxer than the letter: whatever it cannot decode is a protocol error to it, without the
//! more specific code; and a pseudo field in trailers is passed over, which reaches nobody, for trailers go nowhere.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, get, head, open,
};
use super::{House, settings, start};

const PROTOCOL: u32 = 1;
/// Undecodable.
const SIZE: &[u32] = &[FRAME_SIZE, PROTOCOL];
const BLOCK: &[u32] = &[COMPRESSION, PROTOCOL];
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const REFUSED: u32 = 7;
const COMPRESSION: u32 = 9;
const CALM: u32 = 11;

/// What a server does about it. A stream's error may always be treated as the connection's.
enum Then {
    /// The connection ends with one of those codes.
    Ends(&'static [u32]),
    /// The stream does.
    Resets(&'static [u32]),
    /// Nothing: the request in it is answered.
    Answers,
}
use Then::{Answers, Ends, Resets};

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    GoAway(u32),
    Reset(u32),
    Closed,
    Answered,
    Nothing,
}

/// Reads frames until the server has said something to the point. Two pings mark the end: what was sent before has been seen then.
fn hear(stream: &mut TcpStream) -> Heard {
    let (mut bytes, mut pings, mut answered) = (Vec::new(), 0, false);
    let mut space = [0; 65536];
    let ping = frame(PING, 0, 0, b"are-we--");
    let _sent = stream.write_all(&ping);
    loop {
        while let Some(start) = bytes.get(..9).map(|start: &[u8]| <[u8; 9]>::try_from(start).expect("nine")) {
            let length = u32::from_be_bytes([0, start[0], start[1], start[2]]) as usize;
            if bytes.len() < 9 + length {
                break;
            }
            let payload: Vec<u8> = bytes.drain(..9 + length).skip(9).collect();
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four"));
            match start[3] {
                GO_AWAY if code(4) != 0 => return Heard::GoAway(code(4)),
                RST_STREAM => return Heard::Reset(code(0)),
                HEADERS if payload.first() == Some(&0x88) => answered = true,
                PING if start[4] == 1 && payload == b"are-we--" => {
                    pings += 1;
                    if pings == 3 {
                        return if answered { Heard::Answered } else { Heard::Nothing };
                    }
                    let _sent = stream.write_all(&ping);
                }
                _ => {}
            }
        }
        match stream.read(&mut space) {
            Ok(0) => return Heard::Closed,
            Ok(read) => bytes.extend_from_slice(&space[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Heard::Closed,
            Err(error) => panic!("nothing is said: {error}"),
        }
    }
}

fn check(house: &House, rows: &[(&str, Vec<Vec<u8>>, Then)]) {
    let mut wrong = Vec::new();
    for (what, frames, then) in rows {
        let mut stream = open(house);
        let before = house.counts.called();
        let _sent = stream.write_all(&frames.concat());
        let heard = hear(&mut stream);
        let right = match (then, &heard) {
            (Ends(codes) | Resets(codes), Heard::GoAway(code)) | (Resets(codes), Heard::Reset(code)) => codes.contains(code),
            (Ends(_) | Resets(_), Heard::Closed) => true,
            (Answers, Heard::Answered) => house.counts.called() > before,
            _ => false,
        };
        if !right {
            wrong.push(format!("{what}: {heard:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn setting(id: u8, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, id][..], &value.to_be_bytes()].concat())
}

/// A field that is written out.
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).expect("short");
    [&[0, length(name)][..], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// A request whose head is that.
fn request(block: &[&[u8]]) -> Vec<Vec<u8>> {
    vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &block.concat())]
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head(true))
}

#[test]
fn frames_and_settings() {
    let house = start(settings());
    let window = |stream: u32, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    check(
        &house,
        &[
            ("4.1 unknown types are ignored", vec![frame(0xfe, 0xff, 0, b"what"), get(1)], Answers),
            ("4.1 unknown flags are ignored", vec![frame(PING, 0x16, 0, &[0; 8]), get(1)], Answers),
            ("4.1 the reserved bit is ignored", vec![get(0x8000_0001)], Answers),
            ("4.2 data above the frame size", vec![post(1), frame(DATA, 0, 1, &[0; 16385])], Resets(SIZE)),
            ("4.2 a head above the frame size", vec![frame(HEADERS, END_HEADERS, 1, &[0; 16385])], Ends(SIZE)),
            ("4.3 a block that is none", vec![frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0xff])], Ends(BLOCK)),
            ("4.3 a priority amid a block", vec![frame(HEADERS, 0, 1, &head(false)), frame(PRIORITY, 0, 3, &[0; 5])], Ends(&[PROTOCOL])),
            ("4.3 another stream amid a block", vec![frame(HEADERS, 0, 1, &head(false)), get(3)], Ends(&[PROTOCOL])),
            ("6.1 data without a stream", vec![frame(DATA, 0, 0, b"x")], Ends(&[PROTOCOL])),
            ("6.1 more padding than data", vec![post(1), frame(DATA, PADDED, 1, &[9, b'x'])], Ends(&[PROTOCOL])),
            ("6.2 a head without a stream", vec![frame(HEADERS, END_HEADERS | END_STREAM, 0, &head(false))], Ends(&[PROTOCOL])),
            (
                "6.2 more padding than head",
                vec![frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[&[200][..], &head(false)].concat())],
                Ends(&[PROTOCOL]),
            ),
            ("6.3 a priority without a stream", vec![frame(PRIORITY, 0, 0, &[0; 5])], Ends(&[PROTOCOL])),
            ("6.3 a priority of another length", vec![frame(PRIORITY, 0, 1, &[0; 4])], Resets(SIZE)),
            ("6.4 a reset without a stream", vec![frame(RST_STREAM, 0, 0, &[0; 4])], Ends(&[PROTOCOL])),
            ("6.4 a reset of another length", vec![post(1), frame(RST_STREAM, 0, 1, &[0; 3])], Ends(SIZE)),
            ("6.5 an acknowledgement that says something", vec![frame(SETTINGS, 1, 0, &[0; 6])], Ends(SIZE)),
            ("6.5 settings of a stream", vec![frame(SETTINGS, 0, 1, &[])], Ends(&[PROTOCOL])),
            ("6.5 settings of another length", vec![frame(SETTINGS, 0, 0, &[0; 5])], Ends(SIZE)),
            ("6.5.2 push neither on nor off", vec![setting(2, 2)], Ends(&[PROTOCOL])),
            ("6.5.2 a window above the bound", vec![setting(4, 0x8000_0000)], Ends(&[FLOW_CONTROL, PROTOCOL])),
            ("6.5.2 a frame size below the bound", vec![setting(5, 16383)], Ends(&[PROTOCOL])),
            ("6.5.2 a frame size above the bound", vec![setting(5, 1 << 24)], Ends(&[PROTOCOL])),
            ("6.5.2 unknown settings are ignored", vec![setting(0xff, 1), get(1)], Answers),
            ("6.7 a ping of a stream", vec![frame(PING, 0, 1, &[0; 8])], Ends(&[PROTOCOL])),
            ("6.7 a ping of another length", vec![frame(PING, 0, 0, &[0; 6])], Ends(SIZE)),
            ("6.8 a farewell of a stream", vec![frame(GO_AWAY, 0, 1, &[0; 8])], Ends(&[PROTOCOL])),
            ("6.9 a window that grows by nothing", vec![window(0, 0)], Ends(&[PROTOCOL])),
            ("6.9 a stream's window that grows by nothing", vec![post(1), window(1, 0)], Resets(&[PROTOCOL])),
            ("6.9 a window update of another length", vec![frame(WINDOW_UPDATE, 0, 0, &[0; 3])], Ends(SIZE)),
            ("6.9.1 a window above the bound", vec![window(0, 0x7fff_ffff), window(0, 0x7fff_ffff)], Ends(&[FLOW_CONTROL])),
            (
                "6.9.1 a stream's window above the bound",
                vec![post(1), window(1, 0x7fff_ffff), window(1, 0x7fff_ffff)],
                Resets(&[FLOW_CONTROL]),
            ),
            ("8.4 a client that pushes", vec![post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])], Ends(&[PROTOCOL])),
        ],
    );
}

#[test]
fn states_of_streams() {
    let house = start(settings());
    let reset = |stream: u32| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let ended: &[u32] = &[STREAM_CLOSED, PROTOCOL];
    check(
        &house,
        &[
            ("5.1 data before a head", vec![frame(DATA, END_STREAM, 1, b"x")], Ends(&[PROTOCOL, STREAM_CLOSED])),
            ("5.1 a reset before a head", vec![reset(1)], Ends(&[PROTOCOL])),
            ("5.1 a window before a head", vec![frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9])], Ends(&[PROTOCOL])),
            ("5.1 a continuation before a head", vec![frame(CONTINUATION, END_HEADERS, 1, &head(false))], Ends(&[PROTOCOL])),
            ("5.1 data after the end", vec![get(1), frame(DATA, END_STREAM, 1, b"x")], Resets(ended)),
            ("5.1 a head after the end", vec![get(1), get(1)], Resets(ended)),
            ("5.1 a head after a reset", vec![post(1), reset(1), get(1)], Resets(ended)),
            ("5.1.1 a stream of an even number", vec![get(2)], Ends(&[PROTOCOL])),
            ("5.1.1 a stream of a lower number", vec![get(5), get(3)], Ends(ended)),
            ("5.1.2 more streams than allowed", (0..=100).map(|at| post(at * 2 + 1)).collect(), Resets(&[REFUSED, PROTOCOL, CALM])),
            ("6.10 a continuation after the end of a head", vec![post(1), frame(CONTINUATION, END_HEADERS, 1, &[])], Ends(&[PROTOCOL])),
            (
                "6.10 a continuation without a stream",
                vec![frame(HEADERS, 0, 1, &head(false)), frame(CONTINUATION, 4, 0, &[])],
                Ends(&[PROTOCOL]),
            ),
            ("8.1 a second head that is no end", vec![post(1), frame(HEADERS, END_HEADERS, 1, &field("a", "b"))], Resets(&[PROTOCOL])),
        ],
    );
}

#[test]
fn heads_of_requests() {
    let house = start(settings());
    let (method, scheme, path): (&[u8], &[u8], &[u8]) = (&[0x82], &[0x86], &[0x84]);
    let host = [&[0x41, 1][..], b"h"].concat();
    let with = |name: &str, value: &str| request(&[method, scheme, path, &host, &field(name, value)]);
    let refused: &[u32] = &[PROTOCOL];
    check(
        &house,
        &[
            ("8.2 as it should be", request(&[method, scheme, path, &host]), Answers),
            ("8.2.1 a name with capitals", with("X-Test", "a"), Resets(refused)),
            ("8.2.1 a value with a line's end", with("x", "a\nb"), Resets(refused)),
            ("8.2.2 a field of the connection", with("connection", "keep-alive"), Resets(refused)),
            ("8.2.2 another coding", with("transfer-encoding", "chunked"), Resets(refused)),
            ("8.2.2 trailers that are none", with("te", "gzip"), Resets(refused)),
            ("8.3 an unknown pseudo field", with(":test", "a"), Resets(refused)),
            ("8.3 a pseudo field of answers", with(":status", "200"), Resets(refused)),
            ("8.3 a pseudo field behind others", request(&[method, scheme, &host, &field("a", "b"), path]), Resets(refused)),
            ("8.3 a pseudo field in trailers", vec![post(1), frame(HEADERS, 5, 1, &field(":path", "/"))], Answers),
            ("8.3.1 no path", request(&[method, scheme, &host]), Resets(refused)),
            ("8.3.1 an empty path", request(&[method, scheme, &host, &field(":path", "")]), Resets(refused)),
            ("8.3.1 no method", request(&[scheme, path, &host]), Resets(refused)),
            ("8.3.1 no scheme", request(&[method, path, &host]), Resets(refused)),
            ("8.3.1 two methods", request(&[method, method, scheme, path, &host]), Resets(refused)),
            ("8.3.1 two schemes", request(&[method, scheme, scheme, path, &host]), Resets(refused)),
            ("8.3.1 two paths", request(&[method, scheme, path, path, &host]), Resets(refused)),
            (
                "8.1.1 less than was announced",
                vec![
                    frame(HEADERS, END_HEADERS, 1, &[&head(true)[..], &field("content-length", "9")].concat()),
                    frame(DATA, END_STREAM, 1, b"four"),
                ],
                Resets(refused),
            ),
            (
                "8.1.1 more than was announced",
                vec![
                    frame(HEADERS, END_HEADERS, 1, &[&head(true)[..], &field("content-length", "1")].concat()),
                    frame(DATA, END_STREAM, 1, b"four"),
                ],
                Resets(refused),
            ),
            ("7541 6.1 an index of nothing", request(&[method, scheme, path, &host, &[0x80]]), Ends(BLOCK)),
            ("7541 2.3.3 an index beyond the table", request(&[method, scheme, path, &host, &[0xff, 0x00]]), Ends(BLOCK)),
            ("7541 6.3 a table above the bound", request(&[&[0x3f, 0xe1, 0xff, 0x03], method, scheme, path, &host]), Ends(BLOCK)),
            ("7541 4.2 a table's size amid a block", request(&[method, scheme, path, &host, &[0x20]]), Ends(BLOCK)),
            (
                "7541 5.2 an end amid a string",
                request(&[method, scheme, path, &host, &[0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff]]),
                Ends(BLOCK),
            ),
        ],
    );
}

#[test]
fn pings_and_settings_are_answered() {
    let house = start(settings());
    let mut stream = house.connect();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(PING, 0, 0, b"as-it-is")].concat()).expect("sent");
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
    let wanted = [frame(SETTINGS, 1, 0, &[]), frame(PING, 1, 0, b"as-it-is")];
    while !wanted.iter().all(|wanted| bytes.windows(wanted.len()).any(|seen| seen == wanted)) {
        let read = stream.read(&mut space).expect("readable");
        assert_ne!(read, 0, "closed: {bytes:?}");
        bytes.extend_from_slice(&space[..read]);
    }
}
