//! Draining.

use std::{io::Write, net::TcpStream, time::Duration};

use switchboard_server::edge::Settings;

use super::frames::{END_HEADERS, END_STREAM, HEADERS, frame, open};
use super::{eventually, read_to_close, read_until, settings, start};

#[test]
fn a_drain_lets_a_stream_finish_and_refuses_new_connections() {
    let house = start(settings());
    let address = house.running.tcp().expect("address");
    let mut stream = house.connect();
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut stream, "begin");
    let mut idle = house.connect();
    idle.write_all(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut idle, "\r\n0\r\n\r\n");

    let shutdown = house.running.shutdown();
    assert!(!shutdown.has_begun() && shutdown.deadline().is_none());
    shutdown.drain();
    assert!(shutdown.has_begun() && shutdown.deadline().is_some());
    eventually("connections are refused", || TcpStream::connect(address).is_err());
    assert_eq!(read_to_close(&mut idle), "", "idle connections end at once");
    house.counts.feed("the rest");
    read_until(&mut stream, "the rest");
    house.counts.end();
    assert!(read_to_close(&mut stream).ends_with("0\r\n\r\n"), "the stream ends whole");
    house.running.wait().expect("ended");
}

#[test]
fn the_drain_ends_at_its_deadline() {
    let house = start(Settings { drain_timeout: Duration::from_millis(50), ..settings() });
    let mut stream = house.connect();
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut stream, "begin");
    house.running.shutdown().drain();
    read_to_close(&mut stream);
    house.running.wait().expect("ended");
    assert_eq!(house.counts.gone.load(std::sync::atomic::Ordering::SeqCst), 1, "the answer's body is dropped");
}

#[test]
fn what_runs_at_the_deadline_has_a_last_word() {
    let house = start(Settings { drain_timeout: Duration::from_millis(50), ..settings() });
    let mut stream = house.connect();
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut stream, "begin");
    // It could go on for as long as anybody has time.
    let _endless = house.counts.feed.lock().expect("lock").take();
    let mut waiting = house.connect();
    waiting.write_all(b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    // Over HTTP/2, both on one connection.
    let mut several = open(&house);
    let get = |path: &str, stream| {
        let block = [&[0x82, 0x86, 0x44, u8::try_from(path.len()).expect("short")][..], path.as_bytes(), &[0x41, 1], b"h"].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
    };
    several.write_all(&[get("/stream", 1), get("/never", 3)].concat()).expect("sent");
    eventually("all are asked", || house.counts.called() == 4);
    house.running.shutdown().drain();
    let text = read_to_close(&mut stream);
    assert!(text.contains("cut short") && text.ends_with("0\r\n\r\n"), "{text}");
    let text = read_to_close(&mut waiting);
    assert!(text.starts_with("HTTP/1.1 503") && text.contains("the gateway stopped"), "{text}");
    let text = read_to_close(&mut several);
    assert!(text.contains("cut short") && text.contains("the gateway stopped"), "{text}");
    house.running.wait().expect("ended");
}

#[test]
fn haste_moves_the_deadline_closer() {
    let house = start(Settings { hasty_drain_timeout: Duration::from_millis(50), ..settings() });
    let mut stream = house.connect();
    stream.write_all(b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    eventually("the handler runs", || house.counts.called() == 1);
    house.running.shutdown().drain();
    house.running.shutdown().hasten();
    house.running.wait().expect("ended");
    assert_eq!(house.counts.gone(), 1);
}

#[test]
fn a_drain_answers_the_first_request_of_a_new_connection() {
    let house = start(settings());
    let address = house.running.tcp().expect("address");
    let mut new = house.connect();
    let mut begun = house.connect();
    begun.write_all(b"GET /begun HTTP/1.1\r\n").expect("sent");
    house.running.shutdown().drain();
    eventually("connections are refused", || TcpStream::connect(address).is_err());
    new.write_all(b"GET /new HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    assert!(read_to_close(&mut new).contains("[GET /new 0 ]"));
    begun.write_all(b"Host: h\r\n\r\n").expect("sent");
    assert!(read_to_close(&mut begun).contains("[GET /begun 0 ]"));
    house.running.wait().expect("ended");
}

#[test]
fn many_workers_share_one_port() {
    let house = start(Settings { workers: 3, ..settings() });
    for _ in 0..24 {
        let text = house.raw(b"GET /w HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert!(text.contains("[GET /w 0 ]"), "{text}");
    }
    house.running.shutdown().drain();
    house.running.wait().expect("every worker ended");
}
