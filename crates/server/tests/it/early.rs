//! Answers that come before the request has: the connection goes on, or is told to be over.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::managed::Managed;

/// The next answer: its head in small letters, and its body.
fn answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut head, mut one) = (Vec::new(), [0; 1]);
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut one).expect("an answer"), 1, "the connection ended: {}", String::from_utf8_lossy(&head));
        head.push(one[0]);
    }
    let head = String::from_utf8(head).expect("text").to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|length| length.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).expect("a body");
    (head, body)
}

#[test]
fn a_refusal_that_comes_before_the_body_leaves_the_connection_open() {
    let gateway = Managed::with_models("", "", &[]);
    let mut stream = TcpStream::connect(gateway.app.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    for (path, status) in [("/v1/chat/completions", "401"), ("/nowhere", "404"), ("/team/new", "401"), ("/v1/chat/completions", "401")] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-wrong\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("a head");
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(b"{}").expect("a body");
        let (head, _) = answer(&mut stream);
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{path}: {head}");
        assert!(!head.contains("connection: close"), "{path}: {head}");
    }
    // What is not read to its end ends the connection, and the answer says so.
    for more in ["content-length: 1000000\r\n\r\n", "content-length: 2\r\nexpect: 100-continue\r\n\r\n", "content-length: 2\r\n\r\n"] {
        let mut stream = TcpStream::connect(gateway.app.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-wrong\r\n{more}");
        stream.write_all(head.as_bytes()).expect("a head");
        let (head, _) = answer(&mut stream);
        assert!(head.starts_with("http/1.1 401") && head.contains("connection: close"), "{more}: {head}");
    }
}
