//! A provider that does as it is told: one script for each request, the last one for all that follow.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::upstream::server::{Server, read_request};

/// What the provider does with one request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends these bytes and closes.
    Say(Vec<u8>),
    /// Sends these bytes and says no more.
    SayAndHold(Vec<u8>),
    /// Reads the request and closes.
    HangUp,
    /// Says nothing.
    Hold,
    /// Waits, then does that.
    After(Duration, Box<Act>),
    /// Sends the head, then the piece again and again.
    Flood(Vec<u8>, Vec<u8>),
}

impl std::fmt::Debug for Act {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, bytes): (_, &[u8]) = match self {
            Act::Say(bytes) => ("says", bytes),
            Act::SayAndHold(bytes) => ("holds after", bytes),
            Act::HangUp => ("hangs up", b""),
            Act::Hold => ("holds", b""),
            Act::Flood(head, _) => ("floods after", head),
            Act::After(..) => ("waits", b""),
        };
        write!(out, "{what} {:?}", String::from_utf8_lossy(bytes))
    }
}

/// What was seen of the client.
#[derive(Default)]
pub(crate) struct Seen {
    requests: Mutex<Vec<(String, Vec<u8>)>>,
    written: AtomicUsize,
    left: Notify,
    asked: Notify,
}

/// The provider.
pub(crate) struct Scripted {
    server: Server,
    seen: Arc<Seen>,
}

impl Scripted {
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let seen: Arc<Seen> = Arc::default();
        let acts = Arc::new(Mutex::new(VecDeque::from(acts)));
        let shared = seen.clone();
        let server = Server::start(move |stream, _| {
            let (seen, acts) = (shared.clone(), acts.clone());
            async move { serve(stream, &seen, &acts).await }
        })
        .await;
        Self { server, seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The requests so far: head and body.
    pub(crate) fn requests(&self) -> Vec<(String, Vec<u8>)> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// The only request's body.
    pub(crate) fn body(&self) -> serde_json::Value {
        let requests = self.requests();
        assert_eq!(requests.len(), 1);
        serde_json::from_slice(&requests[0].1).unwrap()
    }

    /// How many bytes the client's side took in a flood.
    pub(crate) fn written(&self) -> usize {
        self.seen.written.load(Ordering::SeqCst)
    }

    /// Waits until a held connection is closed by the client.
    pub(crate) async fn left(&self) {
        self.seen.left.notified().await;
    }

    /// Waits until a request has arrived.
    pub(crate) async fn asked(&self) {
        self.seen.asked.notified().await;
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, acts: &Mutex<VecDeque<Act>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    seen.requests.lock().unwrap().push(request);
    seen.asked.notify_one();
    let act = {
        let mut acts = acts.lock().unwrap();
        if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() }
    };
    perform(act, &mut stream, seen).await;
}

async fn perform(act: Act, stream: &mut TcpStream, seen: &Seen) {
    match act {
        Act::After(pause, act) => {
            let mut first = [0; 1];
            tokio::select! {
                () = tokio::time::sleep(pause) => Box::pin(perform(*act, stream, seen)).await,
                // Nothing more is sent by a client: it has left.
                _ = stream.read(&mut first) => seen.left.notify_one(),
            }
        }
        // The client may have gone: what it saw is what the tests look at.
        Act::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Act::HangUp => {}
        Act::SayAndHold(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            until_closed(stream).await;
            seen.left.notify_one();
        }
        Act::Hold => {
            until_closed(stream).await;
            seen.left.notify_one();
        }
        Act::Flood(head, piece) => {
            let _ = stream.write_all(&head).await;
            while stream.write_all(&piece).await.is_ok() {
                seen.written.fetch_add(piece.len(), Ordering::SeqCst);
            }
            seen.left.notify_one();
        }
    }
}

async fn until_closed(stream: &mut TcpStream) {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

/// An answer with that status line, those header lines and that body.
pub(crate) fn reply(status: &str, headers: &str, body: &str) -> Act {
    Act::Say(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes())
}

/// A JSON answer.
pub(crate) fn json(status: &str, body: &str) -> Act {
    reply(status, "content-type: application/json\r\n", body)
}

const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// A stream that ends.
pub(crate) fn stream(events: &str) -> Act {
    Act::Say(format!("{SSE}{events}").into_bytes())
}

/// A stream that stops without an end.
pub(crate) fn stalled(events: &str) -> Act {
    Act::SayAndHold(format!("{SSE}{events}").into_bytes())
}

/// A stream that breaks off: the chunked body is not completed.
pub(crate) fn cut(events: &str) -> Act {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    Act::Say(format!("{head}{:x}\r\n{events}\r\n", events.len()).into_bytes())
}

/// A stream that goes on for ever.
pub(crate) fn flood(first: &str, piece: &str) -> Act {
    Act::Flood(format!("{SSE}{first}").into_bytes(), piece.as_bytes().to_vec())
}
