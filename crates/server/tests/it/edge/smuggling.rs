//! Requests two parsers might read differently.
//!
//! The law: whatever the input, the request hidden in it is never answered, and the connection closes.

use super::{House, settings, start, statuses};

/// What follows the tricky request on the same connection. Only a server that misjudged where that ends sees it.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

fn refused(house: &House, request: &str) {
    let before = house.counts.called();
    let text = house.raw(format!("{request}{HIDDEN}").as_bytes());
    assert_eq!(statuses(&text), ["400"], "{request:?} got {text:?}");
    assert!(!text.contains("/hidden"), "desync: {request:?} got {text:?}");
    assert_eq!(house.counts.called(), before, "the handler saw {request:?}");
}

/// Heads that are refused, after `POST / HTTP/1.1` and the host.
const FIELDS: &[&str] = &[
    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    "Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0\r\n",
    "Content-Length: 4\r\nContent-Length: 4\r\n",
    "Content-Length: 4\r\nContent-Length: 0\r\n",
    "Content-Length: 0\r\ncontent-length: 4\r\n",
    "Content-Length: 4, 4\r\n",
    "Content-Length: 4,0\r\n",
    "Content-Length: +4\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 0x4\r\n",
    "Content-Length: 4 0\r\n",
    "Content-Length: 4.0\r\n",
    "Content-Length: 1e1\r\n",
    "Content-Length: four\r\n",
    "Content-Length:\r\n",
    "Content-Length: \"4\"\r\n",
    "Content-Length: 18446744073709551617\r\n",
    "Content-Length : 4\r\n",
    "Content-Length\t: 4\r\n",
    " Content-Length: 4\r\n",
    "Content-Length: 4\n",
    "Content-Length:\r\n 4\r\n",
    "Content-Length: 4\r\n\t5\r\n",
    "Content-Length: \x0b4\r\n",
    "Content-Length: 4\0\r\n",
    "Content\0-Length: 4\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: chunkedx\r\n",
    "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: \x0bchunked\r\n",
    "Transfer-Encoding: chunked;q=1\r\n",
    "Transfer-Encoding:\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer\rEncoding: chunked\r\n",
    "X: a\rContent-Length: 4\r\n",
    "X: a\nContent-Length: 4\r\n",
    "X: a\r\r\n",
    ": nameless\r\n",
    "no colon\r\n",
    "X Y: space\r\n",
    "X: bell\x07\r\n",
    "Host: other\r\n",
];

#[test]
fn ambiguous_heads() {
    let house = start(settings());
    let mut tried = 0;
    for fields in FIELDS {
        // Before the host and behind it, with other fields around it, by methods that have bodies and by some that have none.
        for (line, before, after) in [
            ("POST / HTTP/1.1", "Host: h\r\n", ""),
            ("POST / HTTP/1.1", "", "Host: h\r\n"),
            ("GET / HTTP/1.1", "Host: h\r\nAccept: */*\r\n", "X: y\r\n"),
            ("DELETE / HTTP/1.1", "Host: h\r\nX: y\r\n", "Content-Type: text/plain\r\n"),
            ("OPTIONS / HTTP/1.1", "Connection: close\r\nHost: h\r\n", "Expect: 100-continue\r\n"),
        ] {
            refused(&house, &format!("{line}\r\n{before}{fields}{after}\r\n"));
            tried += 1;
        }
    }
    assert!(tried >= 250, "{tried}");
}

#[test]
fn ambiguous_request_lines() {
    let house = start(settings());
    for line in [
        "GET / HTTP/1.1\n",
        "GET  / HTTP/1.1\r\n",
        "GET /\tHTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET / HTTP/1.2\r\n",
        "GET / HTTP/2.0\r\n",
        "GET / http/1.1\r\n",
        "GET /\r\n",
        "G@T / HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "GET /\0 HTTP/1.1\r\n",
        "GET /%00 HTTP/1.1\r\n",
        "GET /a/../b HTTP/1.1\r\n",
        "GET /%2e%2e/b HTTP/1.1\r\n",
        "GET http://other/ HTTP/1.1\r\n",
        "CONNECT h:443 HTTP/1.1\r\n",
    ] {
        refused(&house, &format!("{line}Host: h\r\n\r\n"));
    }
    refused(&house, "GET / HTTP/1.1\r\n\r\n");
    refused(&house, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

#[test]
fn ambiguous_chunks_are_refused_by_the_handler_and_close() {
    let house = start(settings());
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "0;a\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\n\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}{HIDDEN}");
        let text = house.raw(request.as_bytes());
        assert_eq!(statuses(&text), ["400"], "{body:?} got {text:?}");
        assert!(!text.contains("/hidden"), "desync: {body:?} got {text:?}");
    }
}

#[test]
fn a_refused_second_request_leaves_the_first_answer_whole() {
    let house = start(settings());
    let text = house.raw(
        format!(
            "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabPOST /2 HTTP/1.1\r\nHost: h\r\n\
             Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n{HIDDEN}"
        )
        .as_bytes(),
    );
    assert_eq!(statuses(&text), ["200", "400"], "{text}");
    assert!(text.contains("[POST /1 2 ab]"), "{text}");
}

#[test]
fn an_unread_body_is_never_taken_for_a_request() {
    let house = start(settings());
    let body = format!("{}{HIDDEN}", "x".repeat(100_000));
    let head = format!("POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
    let text = house.raw(format!("{head}{body}").as_bytes());
    assert_eq!(statuses(&text), ["200"], "{text}");
    assert!(!text.contains("/hidden"), "{text}");
}

#[test]
fn upgrades_are_ignored() {
    let house = start(settings());
    let text = house.raw(
        b"GET /1 HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n\
          GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(statuses(&text), ["200", "200"], "{text}");
}
