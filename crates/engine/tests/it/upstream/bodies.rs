//! Response bodies: cut, inflated, too long, elsewhere.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use switchboard_engine::upstream::{Caps, DialFault, Phase};

use super::server::{Server, ok};
use super::{client, get, soon};

/// What becomes of the body of this answer.
async fn body_of(reply: impl Into<Vec<u8>>, caps: Caps) -> Result<Vec<u8>, DialFault> {
    let server = Server::answering(reply).await;
    let mut request = get(server.address);
    request.caps = caps;
    let reply = soon(client().send(request)).await.map_err(|error| error.fault())?;
    let body = soon(reply.body.collect()).await.map_err(|error| {
        assert_eq!(error.phase(), Phase::Body);
        assert!(error.maybe_billed());
        error.fault()
    })?;
    Ok(body.to_vec())
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_an_error() {
    let reply = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort";
    assert_eq!(body_of(reply, Caps::WHOLE).await, Err(DialFault::Closed));
}

#[tokio::test]
async fn chunks_that_stop_are_an_error() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (rest, fault) in
        [("5\r\nshort\r\n", DialFault::Closed), ("5\r\nsho", DialFault::Closed), ("5", DialFault::Closed), ("zz\r\n", DialFault::Protocol)]
    {
        let reply = format!("{head}{rest}");
        assert_eq!(body_of(reply, Caps::WHOLE).await, Err(fault), "{rest:?}");
    }
    let reply = format!("{head}5\r\nshort\r\n0\r\n\r\n");
    assert_eq!(body_of(reply, Caps::WHOLE).await, Ok(b"short".to_vec()));
}

#[tokio::test]
async fn a_broken_head_is_an_error() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70 << 10));
    for reply in ["nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", &long] {
        assert_eq!(body_of(reply, Caps::WHOLE).await, Err(DialFault::Protocol), "{:.40}", reply);
    }
}

#[tokio::test]
async fn codings_are_undone() {
    let text = b"hello".repeat(3);
    let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0][..], b"hello"].concat();
    let brotli = b"\x0b\x02\x80hello\x03";
    for (reply, want) in [
        (coded("gzip", &gzip(&text)), &text[..]),
        (coded("br", brotli), b"hello"),
        (coded("zstd", &zstd), b"hello"),
        (coded("identity", b"hello"), b"hello"),
        (coded("deflate", b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15"), b"hello"),
        // without zlib's head, as many servers write it
        (coded("deflate", b"\xcb\x48\xcd\xc9\xc9\x07\x00"), b"hello"),
        (coded("deflate", b"\x01\x05\x00\xfa\xffhello"), b"hello"),
    ] {
        assert_eq!(body_of(reply, Caps::WHOLE).await.as_deref(), Ok(want));
    }
}

#[tokio::test]
async fn of_an_endless_body_the_beginning_is_read() {
    for reply in [ok(&"x".repeat(3 << 20)).into_bytes(), ok("short").into_bytes()] {
        let server = Server::answering(reply).await;
        let reply = soon(client().send(get(server.address))).await.unwrap();
        let read = soon(reply.body.beginning(1000)).await.unwrap();
        assert!(read == "x".repeat(1000) || read == "short", "{}", read.len());
    }
}

#[tokio::test]
async fn an_undone_coding_leaves_no_header() {
    let server = Server::answering(coded("gzip", &gzip(b"hello"))).await;
    let reply = soon(client().send(get(server.address))).await.unwrap();
    assert!(!reply.headers.contains_key(CONTENT_ENCODING));
    assert!(!reply.headers.contains_key("content-length"));
}

#[tokio::test]
async fn a_broken_or_unknown_coding_is_an_error() {
    let whole = gzip(&b"hello".repeat(1000));
    let cut = &whole[..whole.len() - 9];
    let zstd_cut = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0, b'h'];
    for reply in [
        coded("gzip", cut),
        coded("gzip", b"plain"),
        coded("br", b"\x0b\x02\x80hel"),
        coded("zstd", &zstd_cut),
        coded("lzma", b"hello"),
        coded("gzip, gzip", &gzip(&whole)),
    ] {
        assert_eq!(body_of(reply, Caps::WHOLE).await, Err(DialFault::Encoding));
    }
}

#[tokio::test]
async fn bombs_are_defused() {
    let zeros = gzip(&vec![0; 32 << 20]);
    // Blocks of one byte, repeated 128 Ki times.
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
    for _ in 0..400 {
        let header: u32 = (131_072 << 3) | (1 << 1);
        zstd.extend_from_slice(&header.to_le_bytes()[..3]);
        zstd.push(0);
    }
    for reply in [coded("gzip", &zeros), coded("zstd", &zstd)] {
        assert_eq!(body_of(reply, Caps::STREAM).await, Err(DialFault::TooLarge));
    }
}

#[tokio::test]
async fn a_body_over_its_cap_is_cut() {
    let caps = Caps { body: 1000, ..Caps::WHOLE };
    assert!(body_of(ok(&"x".repeat(1000)), caps).await.is_ok());
    let long = "x".repeat(1001);
    for reply in [ok(&long).into_bytes(), coded("gzip", &gzip(long.as_bytes()))] {
        assert_eq!(body_of(reply, caps).await, Err(DialFault::TooLarge));
    }
}

#[tokio::test]
async fn a_redirect_is_handed_on() {
    let reply = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::answering(reply).await;
    let reply = soon(client().send(get(server.address))).await.unwrap();
    assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(server.connections(), 1);
}
