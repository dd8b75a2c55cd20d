//! A provider on loopback that fails as it is told, and keeps its own books.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use switchboard_wire::Dialect;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::fault::{Act, Fault, act, good};
use crate::upstream::server::Server;

/// What the provider shows to the request of that number, from 0; `None`: a good answer.
pub(crate) type Choose = dyn Fn(usize) -> Option<Fault> + Send + Sync;

/// What the provider saw and did.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) requests: usize,
    pub(crate) faults: HashMap<Fault, usize>,
}

/// The provider.
pub(crate) struct Chaos {
    server: Server,
    books: Arc<Mutex<Books>>,
}

impl Chaos {
    /// A provider of that dialect. Its good answers repeat the word after `nonce-` in the request, or say "Hello there".
    pub(crate) async fn start(dialect: Dialect, choose: Arc<Choose>) -> Self {
        let books: Arc<Mutex<Books>> = Arc::default();
        let shared = books.clone();
        let server = Server::start(move |stream, _| serve(stream, dialect, shared.clone(), choose.clone())).await;
        Self { server, books }
    }

    /// One that shows that fault to every request.
    pub(crate) async fn always(dialect: Dialect, fault: Option<Fault>) -> Self {
        Self::start(dialect, Arc::new(move |_| fault)).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(crate) fn requests(&self) -> usize {
        self.books.lock().unwrap().requests
    }

    pub(crate) fn faults(&self) -> HashMap<Fault, usize> {
        self.books.lock().unwrap().faults.clone()
    }
}

async fn serve(stream: TcpStream, dialect: Dialect, books: Arc<Mutex<Books>>, choose: Arc<Choose>) {
    let mut stream = BufReader::new(stream);
    while let Some((path, body)) = request(&mut stream).await {
        let fault = {
            let mut books = books.lock().unwrap();
            let fault = choose(books.requests);
            books.requests += 1;
            if let Some(fault) = fault {
                *books.faults.entry(fault).or_default() += 1;
            }
            fault
        };
        let streamed = body.contains("\"stream\":true") || path.contains("stream");
        let act = match fault {
            Some(fault) => act(fault, dialect, streamed),
            None => good(dialect, streamed, nonce(&body)),
        };
        let (Act::Say(bytes) | Act::SayAndClose(bytes) | Act::SayAndHold(bytes) | Act::Flood(bytes, _)) = &act;
        if stream.get_mut().write_all(bytes).await.is_err() {
            return;
        }
        match act {
            Act::Say(_) => {}
            Act::SayAndClose(_) => return,
            Act::Flood(_, more) => {
                while stream.get_mut().write_all(&more).await.is_ok() {}
                return;
            }
            Act::SayAndHold(_) => {
                // Until the client goes.
                let mut rest = [0; 64];
                while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
                return;
            }
        }
    }
}

fn nonce(body: &str) -> &str {
    let Some(at) = body.find("nonce-") else { return "Hello there" };
    let end = body[at..].find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(body.len() - at);
    &body[at..at + end]
}

/// Reads one request: its path and its body. `None` at the end of the connection.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut path = String::new();
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        match text.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some(_) => {}
            None if path.is_empty() => text.clone_into(&mut path),
            None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((path, String::from_utf8(body).ok()?))
}
