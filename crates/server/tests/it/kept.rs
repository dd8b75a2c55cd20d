//! Many requests over one connection.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::runtime::Runtime;

use crate::app::{Reply, TestApp};

const PATIENCE: Duration = Duration::from_secs(120);

/// A connection that is used again for as long as the gateway lets it be.
pub(crate) struct Kept<'a> {
    app: &'a TestApp,
    key: &'a str,
    runtime: Runtime,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// So many were opened so far.
    pub(crate) opened: usize,
}

impl<'a> Kept<'a> {
    /// To that gateway, with that key.
    pub(crate) fn to(app: &'a TestApp, key: &'a str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { app, key, runtime, sender: None, opened: 0 }
    }

    /// Sends JSON, or what looks like it. Panics where the connection breaks without having been closed in order.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Reply {
        let request = Request::builder().method(method).uri(path).header("host", "h").header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {}", self.key)).body(Full::new(Bytes::copy_from_slice(body)));
        let kept = self.sender.take();
        self.opened += usize::from(kept.is_none());
        let address = self.app.address();
        let asking = async {
            let mut sender = match kept {
                Some(sender) => sender,
                None => {
                    let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
                    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a connection");
                    tokio::spawn(connection);
                    sender
                }
            };
            let (head, body) = sender.send_request(request.expect("a request")).await.expect("an answer").into_parts();
            let body = body.collect().await.expect("a whole answer").to_bytes();
            let closes = head.headers.get("connection").is_some_and(|value| value == "close");
            ((!closes).then_some(sender), Reply { status: head.status, headers: head.headers, body })
        };
        let (sender, reply) = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time") });
        self.sender = sender;
        reply
    }
}
