//! Floods over HTTP/2, frame by frame, and connections that drip.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use switchboard_server::edge::{Settings, settings::BodyLimits};

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get, head,
    open,
};
use super::{House, eventually, settings, start};

const SHORT: Duration = Duration::from_millis(100);
/// What the server said before it closed: kind, flags and payload of each frame. Panics if it does not close.
fn frames(stream: &mut TcpStream) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut space = [0; 65536];
    loop {
        match stream.read(&mut space) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&space[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("not closed: {error}"),
        }
    }
    let (mut found, mut rest) = (Vec::new(), &bytes[..]);
    while let Some(start) = rest.get(..9) {
        let length = u32::from_be_bytes([0, start[0], start[1], start[2]]) as usize;
        let id = u32::from_be_bytes([start[5], start[6], start[7], start[8]]);
        let Some(payload) = rest.get(9..9 + length) else { break };
        found.push((start[3], start[4], id, payload.to_vec()));
        rest = &rest[9 + length..];
    }
    found
}

/// Writes the same bytes until the server has had enough; says how often that was. Panics if it never has.
fn flood(stream: &mut TcpStream, bytes: &[u8], most: usize) -> usize {
    stream.set_write_timeout(Some(Duration::from_secs(20))).expect("timeout");
    for count in 0..most {
        match stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("neither read nor closed"),
            Err(_) => return count,
        }
    }
    panic!("{most} times were not enough");
}

/// Another client is served as ever.
fn others_are_served(house: &House) {
    assert!(house.raw(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").contains("[GET /x 0 ]"));
}

#[test]
fn rapid_resets_end_the_connection() {
    let house = start(settings());
    let mut stream = open(&house);
    let mut burst = Vec::new();
    for id in (1..200_001).step_by(2) {
        burst.extend(get(id));
        burst.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    // The server closes amid it.
    let _sent = stream.write_all(&burst);
    drop(frames(&mut stream));
    let called = house.counts.called();
    assert!(called < 10_000, "{called} of 100,000 requests were begun");
    eventually("what was begun is dropped", || house.counts.gone() == house.counts.called());
    others_are_served(&house);
}

#[test]
fn a_head_without_an_end_ends_the_connection() {
    let house = start(settings());
    let mut stream = open(&house);
    stream.write_all(&frame(HEADERS, 0, 1, &head(false))).expect("sent");
    let field = [&[0x00, 1][..], b"a", &[0x7f, 0x80, 0x01], &[b'x'; 255]].concat();
    let count = flood(&mut stream, &frame(CONTINUATION, 0, 1, &field), 1_000_000);
    assert!(count < 100_000, "{count} frames of 260 bytes were taken");
    assert_eq!(house.counts.called(), 0);
    others_are_served(&house);
}

#[test]
fn empty_continuations_end_the_connection() {
    let house = start(settings());
    let mut stream = open(&house);
    stream.write_all(&frame(HEADERS, 0, 1, &head(false))).expect("sent");
    flood(&mut stream, &frame(CONTINUATION, 0, 1, &[]).repeat(100), 100_000);
    others_are_served(&house);
}

#[test]
fn a_small_head_that_unpacks_large_is_refused() {
    let house = start(settings());
    let mut stream = open(&house);
    // One field of 4,000 bytes goes into the table; then it is named by one byte, again and again.
    let value = vec![b'x'; 3900];
    let rest = value.len() - 127;
    let length = [0x7f, u8::try_from(rest % 128).expect("small") | 0x80, u8::try_from(rest / 128).expect("small")];
    let mut block = head(false);
    block.extend([0x40, 1, b'a']);
    block.extend(length);
    block.extend(&value);
    block.extend([0xbe; 8000]);
    let (first, second) = block.split_at(8000);
    stream.write_all(&frame(HEADERS, END_STREAM, 1, first)).expect("sent");
    stream.write_all(&frame(CONTINUATION, END_HEADERS, 1, second)).expect("sent");
    stream.write_all(&frame(GO_AWAY, 0, 0, &[0; 8])).expect("sent");
    let told = frames(&mut stream);
    let refused = told.iter().any(|(kind, _, id, payload)| {
        // 431, or the stream or the connection is ended.
        *kind == RST_STREAM && *id == 1 || *kind == GO_AWAY && payload[4..8] != [0; 4] || *kind == HEADERS && *id == 1
    });
    assert!(refused, "{told:?}");
    assert_eq!(house.counts.called(), 0);
    others_are_served(&house);
}

#[test]
fn frames_that_ask_for_nothing_end_the_connection() {
    let house = start(settings());
    let noise = [
        ("ping", frame(PING, 0, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
        ("priority", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 7])),
        ("window", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0xbe, 0, 0, &[])),
    ];
    for (name, bytes) in noise {
        let mut stream = open(&house);
        let mut reader = stream.try_clone().expect("another handle");
        // Whoever reads the answers is cut too.
        let reading = std::thread::spawn(move || {
            let mut space = [0; 65536];
            while reader.read(&mut space).is_ok_and(|read| read > 0) {}
        });
        println!("{name}");
        // The system's buffers take some more.
        flood(&mut stream, &bytes.repeat(100), 20_000);
        reading.join().expect("joined");
    }
    others_are_served(&house);
}

#[test]
fn answers_to_noise_that_nobody_reads_are_not_kept() {
    let house = start(Settings { stall_timeout: SHORT, ..settings() });
    let mut stream = open(&house);
    flood(&mut stream, &frame(PING, 0, 0, &[7; 8]).repeat(100), 20_000);
    others_are_served(&house);
}

#[test]
fn empty_data_does_not_keep_a_body_alive() {
    let body = BodyLimits { grace: SHORT, total: Duration::from_millis(400), ..BodyLimits::default() };
    let house = start(Settings { body, ..settings() });
    let mut stream = open(&house);
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, &head(true))).expect("sent");
    let mut reader = stream.try_clone().expect("another handle");
    let reading = std::thread::spawn(move || {
        let mut space = [0; 65536];
        while reader.read(&mut space).is_ok_and(|read| read > 0) {}
    });
    flood(&mut stream, &frame(DATA, 0, 1, &[]).repeat(50), 1_000_000);
    reading.join().expect("joined");
    eventually("the handler has ended", || house.counts.gone() == 1);
    others_are_served(&house);
}

#[test]
fn heads_that_drip_over_http2_are_cut() {
    let house = start(Settings { header_timeout: SHORT, idle_timeout: Duration::from_millis(300), ..settings() });
    // Silent after the preface, amid a head, and dripping a head.
    for begun in [Vec::new(), frame(HEADERS, 0, 1, &head(false))] {
        let mut stream = open(&house);
        stream.write_all(&begun).expect("sent");
        drop(frames(&mut stream));
    }
    let mut stream = open(&house);
    stream.write_all(&frame(HEADERS, 0, 1, &head(false))).expect("sent");
    let drop_of = frame(CONTINUATION, 0, 1, &[0x00, 1, b'a', 1, b'b']);
    for _ in 0..2000 {
        if stream.write_all(&drop_of).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.write_all(&drop_of).expect_err("cut");
    assert_eq!(house.counts.called(), 0);
}

#[test]
fn hundreds_that_drip_do_not_keep_others_out() {
    let house = start(Settings { header_timeout: Duration::from_secs(1), ..settings() });
    let mut slow: Vec<TcpStream> = (0..400).map(|_| house.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nX: ").expect("sent");
    }
    for _ in 0..20 {
        others_are_served(&house);
        for stream in &mut slow {
            // Some are cut already.
            let _sent = stream.write_all(b"x");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for mut stream in slow {
        super::read_to_close(&mut stream);
    }
    assert_eq!(house.counts.called(), 20);
}
