//! Connections that rest between requests, and answers that wait for their reader.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use switchboard_server::edge::Settings;

use super::{House, read_to_close, read_until, settings, start, statuses};

/// A sweep comes every tenth of a second: an idle connection rests after two.
const HEADER: Duration = Duration::from_millis(400);
/// Long enough for that.
const RESTS: Duration = Duration::from_millis(300);

/// A connection that has had an answer and rests.
fn rested(house: &House) -> TcpStream {
    let mut stream = house.connect();
    stream.write_all(b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut stream, "[GET /first 0 ]\r\n0\r\n\r\n");
    std::thread::sleep(RESTS);
    stream
}

#[test]
fn a_connection_that_rested_goes_on() {
    let house = start(Settings { header_timeout: HEADER, ..settings() });
    let mut stream = rested(&house);
    stream.write_all(b"POST /second HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none").expect("sent");
    read_until(&mut stream, "[POST /second 3 one]\r\n0\r\n\r\n");
    std::thread::sleep(RESTS);
    // Less than a head, then the rest of it and two more requests.
    stream.write_all(b"GE").expect("sent");
    std::thread::sleep(Duration::from_millis(20));
    stream
        .write_all(
            b"T /3 HTTP/1.1\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\nGET /5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )
        .expect("sent");
    let text = read_to_close(&mut stream);
    assert_eq!(statuses(&text), ["200", "200", "200"]);
    assert!(text.contains("[GET /3 0 ]") && text.contains("[GET /4 0 ]") && text.contains("[GET /5 0 ]"), "{text}");
}

#[test]
fn the_first_bytes_after_a_rest_are_looked_at_like_all_others() {
    let house = start(Settings { header_timeout: HEADER, ..settings() });
    let mut bare = rested(&house);
    bare.write_all(b"GET / HTTP/1.1\nHost: h\r\n\r\n").expect("sent");
    assert_eq!(statuses(&read_to_close(&mut bare)), ["400"]);
    let mut slow = rested(&house);
    slow.write_all(b"G").expect("sent");
    assert_eq!(read_to_close(&mut slow), "", "a head that does not go on is cut");
}

#[test]
fn a_connection_that_rests_ends_when_it_is_to() {
    let house = start(Settings { header_timeout: HEADER, idle_timeout: HEADER * 2, ..settings() });
    assert_eq!(read_to_close(&mut rested(&house)), "", "it may not rest for ever");
    let mut stream = rested(&house);
    house.running.shutdown().drain();
    assert_eq!(read_to_close(&mut stream), "");
    house.running.wait().expect("ended");
}

#[test]
fn what_is_held_back_for_a_reader_comes_whole() {
    let house = start(settings());
    let mut stream = house.connect();
    stream.write_all(b"GET /flood HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("sent");
    let (mut space, mut body) = (vec![0; 40_000], 0);
    loop {
        let read = stream.read(&mut space).expect("readable");
        if read == 0 {
            break;
        }
        body += space[..read].iter().filter(|byte| **byte == b'x').count();
        // Slow at first: the edge has to stop and go on more than once.
        if body < 2 << 20 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert_eq!(body, 256 * 64 * 1024);
}
