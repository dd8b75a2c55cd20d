//! Deadlines.

use std::time::Duration;

use switchboard_engine::upstream::{DialFault, Phase, Timeouts};
use tokio::io::AsyncWriteExt;

use super::server::{Server, ok, read_request};
use super::{client, get, post, soon};

const SHORT: Duration = Duration::from_millis(50);

/// A server that sends `first` and then falls silent.
async fn stalling(first: &'static str) -> Server {
    Server::start(move |mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(first.as_bytes()).await.unwrap();
        // Until the client gives up.
        read_request(&mut stream).await;
    })
    .await
}

#[tokio::test]
async fn no_answer_is_a_timeout() {
    let server = stalling("").await;
    let mut request = post(server.address);
    request.timeouts.first_byte = SHORT;
    let error = soon(client().send(request)).await.err().unwrap();
    assert_eq!((error.phase(), error.fault()), (Phase::Headers, DialFault::Timeout));
    assert!(error.maybe_billed());
}

#[tokio::test]
async fn a_stall_is_a_timeout() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n";
    for timeouts in [Timeouts { idle: SHORT, ..Timeouts::default() }, Timeouts { total: Some(SHORT * 4), ..Timeouts::default() }] {
        let server = stalling(head).await;
        let mut request = get(server.address);
        request.timeouts = timeouts;
        let reply = soon(client().send(request)).await.unwrap();
        let error = soon(reply.body.collect()).await.err().unwrap();
        assert_eq!((error.phase(), error.fault()), (Phase::Body, DialFault::Timeout));
    }
}

/// Pieces that each come in time make a whole that takes longer than the idle limit.
#[tokio::test]
async fn a_slow_stream_is_not_a_stall() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            stream.write_all(b"x").await.unwrap();
        }
    })
    .await;
    let mut request = get(server.address);
    request.timeouts.idle = Duration::from_millis(400);
    let reply = soon(client().send(request)).await.unwrap();
    assert_eq!(soon(reply.body.collect()).await.unwrap(), "xxxxxxxxxx");
}

/// The time a slow reader takes is not the provider's.
#[tokio::test]
async fn a_slow_reader_is_not_a_stall() {
    let server = Server::answering(ok(&"x".repeat(100_000))).await;
    let mut request = get(server.address);
    request.timeouts.idle = SHORT;
    let reply = soon(client().send(request)).await.unwrap();
    tokio::time::sleep(SHORT * 3).await;
    assert_eq!(soon(reply.body.collect()).await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_total_deadline_covers_the_dial() {
    let server = stalling("").await;
    let mut request = get(server.address);
    request.timeouts.total = Some(SHORT);
    let error = soon(client().send(request)).await.err().unwrap();
    assert_eq!(error.fault(), DialFault::Timeout);
}
