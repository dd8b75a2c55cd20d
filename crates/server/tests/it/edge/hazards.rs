//! Slow, greedy, vanishing and hostile clients.

use std::{
    io::{Read, Write},
    time::Duration,
};

use switchboard_server::edge::{
    Settings,
    reservoir::Reservoir,
    settings::{BodyLimits, Http2Limits},
};

use super::{eventually, read_to_close, read_until, settings, start, statuses};

const SHORT: Duration = Duration::from_millis(100);

#[test]
fn silent_connections_are_closed() {
    let house = start(Settings { header_timeout: SHORT, ..settings() });
    assert_eq!(read_to_close(&mut house.connect()), "");
}

#[test]
fn unfinished_heads_are_closed() {
    let house = start(Settings { header_timeout: SHORT, ..settings() });
    for begun in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: h\r\n", "PRI * HTTP/2.0\r\n"] {
        house.raw(begun.as_bytes());
    }
    // on a used connection the head has a limit too, although the connection may idle long
    let mut stream = house.connect();
    stream.write_all(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut stream, "\r\n0\r\n\r\n");
    stream.write_all(b"GET /2 HTTP/1.1\r\n").expect("sent");
    assert_eq!(read_to_close(&mut stream), "");
    assert_eq!(house.counts.called(), 1);
}

#[test]
fn idle_connections_are_closed_and_busy_ones_are_not() {
    let house = start(Settings { idle_timeout: SHORT, header_timeout: SHORT, ..settings() });
    let mut busy = house.connect();
    busy.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut busy, "begin");
    let mut idle = house.connect();
    idle.write_all(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    assert!(read_to_close(&mut idle).contains("[GET /1 0 ]"));
    house.counts.feed("still here");
    read_until(&mut busy, "still here");
}

#[tokio::test]
async fn idle_http2_connections_are_closed() {
    let house = start(Settings { idle_timeout: SHORT, http2: Http2Limits::default(), ..settings() });
    let stream = tokio::net::TcpStream::connect(house.running.tcp().expect("address")).await.expect("connected");
    let (_sender, connection) = hyper::client::conn::http2::handshake::<_, _, http_body_util::Empty<bytes::Bytes>>(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .expect("handshake");
    // a GOAWAY without error ends the client's side well
    connection.await.expect("closed in good order");
}

fn small_bodies() -> Settings {
    Settings { body: BodyLimits { max_bytes: 1000, ..BodyLimits::default() }, ..settings() }
}

#[test]
fn all_bodies_together_have_a_bound() {
    let body = BodyLimits { reservoir: Reservoir::new(100_000), ..BodyLimits::default() };
    let house = start(Settings { body, ..settings() });
    let ask = |bytes: usize| {
        let mut stream = house.connect();
        write!(stream, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n").expect("sent");
        // whoever is refused early may not take it all
        let _ = stream.write_all(&vec![b' '; bytes]);
        let answer = read_to_close(&mut stream);
        statuses(&answer).concat()
    };
    assert_eq!(ask(150_000), "503");
    assert_eq!(ask(90_000), "200");
    assert_eq!(ask(90_000), "200", "what the first took is given back");
}

#[test]
fn announced_large_bodies_are_refused_before_they_are_read() {
    let house = start(small_bodies());
    // the body never comes; with `Expect` the client must not even be asked for it
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut stream = house.connect();
        write!(stream, "POST / HTTP/1.1\r\nHost: h\r\n{expect}Content-Length: 1001\r\n\r\n").expect("sent");
        let text = read_until(&mut stream, "larger than 1000 bytes");
        assert_eq!(statuses(&text), ["413"], "{text}");
        stream.shutdown(std::net::Shutdown::Write).expect("shut");
        read_to_close(&mut stream);
    }
}

#[test]
fn unannounced_large_bodies_are_refused_and_the_client_gets_to_read_why() {
    let house = start(small_bodies());
    let chunk = format!("40\r\n{}\r\n", "x".repeat(64));
    let mut bytes = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    bytes.extend_from_slice(chunk.repeat(1000).as_bytes());
    assert_eq!(statuses(&house.raw(&bytes)), ["413"]);
    let mut exact = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    exact.extend_from_slice(format!("3e8\r\n{}\r\n0\r\n\r\n", "y".repeat(1000)).as_bytes());
    assert!(house.raw(&exact).contains("[POST / 1000 yyy"));
}

#[test]
fn slow_bodies_are_cut() {
    let body = BodyLimits { grace: SHORT, ..BodyLimits::default() };
    let house = start(Settings { body, ..settings() });
    let text = house.raw(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx");
    assert_eq!(statuses(&text), ["408"], "{text}");
}

#[test]
fn compressed_bodies_are_refused() {
    let house = start(settings());
    let text = house.raw(b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(statuses(&text), ["415"], "{text}");
}

#[test]
fn too_many_or_too_large_headers_are_refused() {
    let house = start(settings());
    let many = "X: y\r\n".repeat(1000);
    let large = format!("X: {}\r\n", "y".repeat(1 << 20));
    for fields in [many, large] {
        let text = house.raw(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes());
        assert_eq!(statuses(&text), ["431"], "{text}");
    }
    assert_eq!(house.counts.called(), 0);
}

#[test]
fn clients_that_stop_reading_are_cut() {
    let house = start(Settings { stall_timeout: SHORT, ..settings() });
    let mut stream = house.connect();
    stream.write_all(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    eventually("the answer's body is dropped", || house.counts.gone() == 1);
}

#[test]
fn a_client_that_leaves_drops_the_waiting_handler() {
    let house = start(settings());
    let mut stream = house.connect();
    stream.write_all(b"POST /never HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx").expect("sent");
    eventually("the handler runs", || house.counts.called() == 1);
    assert_eq!(house.counts.gone(), 0);
    drop(stream);
    eventually("the handler's future is dropped", || house.counts.gone() == 1);
}

#[test]
fn a_client_that_leaves_drops_the_streaming_answer() {
    let house = start(settings());
    let mut stream = house.connect();
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut stream, "begin");
    assert_eq!(house.counts.gone(), 0);
    drop(stream);
    eventually("the answer's body is dropped", || house.counts.gone() == 1);
}

#[test]
fn a_panic_ends_its_connection_only() {
    let house = start(settings());
    let mut other = house.connect();
    other.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut other, "begin");
    assert_eq!(house.raw(b"GET /panic HTTP/1.1\r\nHost: h\r\n\r\n"), "");
    house.counts.feed("alive");
    read_until(&mut other, "alive");
    assert!(house.raw(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").contains("[GET /x 0 ]"));
}

#[test]
fn connections_beyond_the_limit_are_closed_and_make_room_again() {
    let house = start(Settings { max_connections: 1, ..settings() });
    let mut first = house.connect();
    first.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut first, "begin");
    assert_eq!(read_to_close(&mut house.connect()), "");
    drop(first);
    eventually("there is room", || {
        let mut stream = house.connect();
        let mut answer = [0; 12];
        stream.write_all(b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    });
}

#[test]
fn connections_that_ask_for_nothing_give_way_to_others() {
    let house = start(Settings { max_connections: 8, ..settings() });
    let mut idle: Vec<_> = (0..8).map(|_| house.connect()).collect();
    for stream in &mut idle {
        stream.write_all(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
        read_until(stream, "\r\n0\r\n\r\n");
    }
    let mut busy = house.connect();
    busy.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut busy, "begin");
    for _ in 0..20 {
        assert!(house.raw(b"GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").contains("[GET /2 0 ]"));
    }
    // Whoever is being answered never gives way.
    house.counts.feed("still here");
    read_until(&mut busy, "still here");
}

#[tokio::test]
async fn http2_streams_that_are_not_read_are_cut_alone() {
    let house = start(Settings { stall_timeout: SHORT, ..settings() });
    let stream = tokio::net::TcpStream::connect(house.running.tcp().expect("address")).await.expect("connected");
    let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, http_body_util::Empty<bytes::Bytes>>(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .expect("handshake");
    let driver = tokio::spawn(connection);
    let get = |path: &str| http::Request::get(format!("http://h{path}")).body(http_body_util::Empty::new()).expect("request");
    let unread = sender.send_request(get("/flood")).await.expect("response");
    for _ in 0..4000 {
        if house.counts.gone() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.counts.gone(), 1, "the unread answer's body is dropped");
    let response = sender.send_request(get("/x")).await.expect("the connection lives");
    assert_eq!(response.status(), 200);
    drop((unread, response, sender));
    driver.await.expect("joined").expect("ended well");
}
