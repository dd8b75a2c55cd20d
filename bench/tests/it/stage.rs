//! What the tests stand on: servers on free ports, in the same thread as the test.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Parser;
use switchboard_bench::{bare, mockup, storm};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

/// Runs a test on one thread, as the tools run.
pub(crate) fn on_stage(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) async fn start_mock() -> SocketAddr {
    let (listener, address) = listen().await;
    spawn_local(mockup::serve(listener));
    address
}

pub(crate) async fn start_bare(upstream: SocketAddr) -> SocketAddr {
    let (listener, address) = listen().await;
    spawn_local(bare::serve(listener, upstream));
    address
}

/// Answers every request with the same bytes and closes.
pub(crate) async fn start_liar(answer: String) -> SocketAddr {
    let (listener, address) = listen().await;
    spawn_local(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 16 << 10];
            // One small request comes in one piece on loopback.
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    plan: storm::Plan,
}

/// Sends a storm as its command line would.
pub(crate) async fn send(target: SocketAddr, arguments: &str) -> storm::Report {
    let target = target.to_string();
    let arguments = ["storm", "--target", &target].into_iter().chain(arguments.split_ascii_whitespace());
    storm::run(&Cli::parse_from(arguments).plan).await.unwrap()
}

/// One request, the whole answer as text.
pub(crate) async fn ask(target: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(target).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The body of an answer, without the chunks it came in.
pub(crate) fn body_of(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    if !head.contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&after[..length]);
        rest = after[length..].strip_prefix("\r\n").unwrap();
    }
    whole
}
