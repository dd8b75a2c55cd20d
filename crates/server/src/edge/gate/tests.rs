use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Whether the bytes pass, cut into pieces of this size, and the gate after them.
fn pass(bytes: &str, piece: usize) -> (bool, Gate) {
    let mut gate = Gate::new(1024);
    let passed = bytes.as_bytes().chunks(piece).all(|piece| gate.read(piece).is_ok());
    (passed, gate)
}

/// Cutting the input anywhere must not change the verdict.
fn check(bytes: &str, expected: bool) {
    for piece in [bytes.len(), 1, 2, 3, 7, 16] {
        assert_eq!(pass(bytes, piece).0, expected, "in pieces of {piece}: {bytes:?}");
    }
}

fn head(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn plain_messages_pass_and_end_between_messages() {
    let bodies = [
        GET.to_owned(),
        format!("\r\n{GET}\r\n{GET}"),
        format!("{}hello{GET}", head("Content-Length: 5\r\n")),
        format!("{}{GET}", head("content-length:0\r\n")),
        format!("{}5;a=b\r\nhello\r\n0A\r\n0123456789\r\n0\r\nT: x\r\n\r\n{GET}", head("Transfer-Encoding: Chunked\r\n")),
        format!("{}0\r\n\r\n{GET}", head("transfer-encoding:\tchunked \r\n")),
    ];
    for bytes in bodies {
        check(&bytes, true);
        let gate = pass(&bytes, 5).1;
        assert!(!gate.is_mid_head() && !gate.is_mid_message(), "{bytes:?}");
    }
}

#[test]
fn ambiguous_framing_is_refused() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nCONTENT-LENGTH: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "X: a\r\n folded\r\n",
        "X: a\n",
        "X: a\rb\r\n",
        "X: a\0b\r\n",
    ] {
        check(&head(fields), false);
    }
    check("GET / HTTP/1.1\nHost: a\r\n\r\n", false);
    check("\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n", false);
}

#[test]
fn broken_chunks_are_refused() {
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "\r\nhello\r\n",
        "g\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n",
        "11111111111111111\r\n",
        "0\r\nX: a\n\r\n",
        "0\r\n folded\r\n\r\n",
    ] {
        check(&format!("{}{body}", head("Transfer-Encoding: chunked\r\n")), false);
    }
}

#[test]
fn the_second_message_is_judged_too() {
    let bad = head("Content-Length: 1\r\nContent-Length: 1\r\n");
    for first in [GET.to_owned(), head("Content-Length: 5\r\n") + "hello"] {
        let bytes = format!("{first}{bad}");
        check(&bytes, false);
        let refused = Gate::new(1024).read(bytes.as_bytes()).expect_err("refused");
        assert!(refused.at > first.len(), "the first message must reach the parser whole");
    }
}

#[test]
fn endless_lines_are_left_to_the_parser_or_refused() {
    let mut gate = Gate::new(64);
    assert_eq!(gate.read(&[b'a'; 65]), Ok(()));
    assert!(gate.line.is_empty(), "nothing is kept beyond the limit");
    let endless = format!("{}5;{}", head("Transfer-Encoding: chunked\r\n"), "a".repeat(MAX_CHUNK_LINE));
    check(&endless, false);
}
