//! The mock over HTTP/2 and TLS: each stream is a connection of its own to the mock, within the process.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONNECTION, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{SharedBooks, converse};
use crate::Outcome;
use crate::http1::Connection;

/// What of an answer may be on its way within the process.
const PIPE: usize = 4 << 10;
/// Streams of one connection.
const STREAMS: u32 = 1_000;

/// Serves until the future is dropped, with a certificate for loopback that is written there. Must run inside a
/// [`tokio::task::LocalSet`].
pub async fn serve(listener: TcpListener, certificate: &Path) -> Outcome<()> {
    let acceptor = TlsAcceptor::from(Arc::new(certified(certificate)?));
    let books = SharedBooks::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, books) = (acceptor.clone(), Rc::clone(&books));
        tokio::task::spawn_local(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request| through(request, Rc::clone(&books)));
            let mut server = hyper::server::conn::http2::Builder::new(Here);
            server.max_concurrent_streams(STREAMS);
            // A client that goes away is the ordinary end of a connection.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn certified(path: &Path) -> Outcome<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    std::fs::write(path, made.cert.pem())?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// One stream. A connection that ends amid its answer resets it.
async fn through(request: Request<Incoming>, books: SharedBooks) -> Result<Response<Answered>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (near, far) = tokio::io::duplex(PIPE);
    tokio::task::spawn_local(async move {
        let _ = converse(Connection::piped(far), &books).await;
    });
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await?;
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    let mut asked = Request::new(Whole(Some(body)));
    *asked.method_mut() = parts.method;
    *asked.uri_mut() = parts.uri.path_and_query().map_or_else(|| "/".parse().unwrap_or_default(), |path| path.clone().into());
    asked.headers_mut().extend(parts.headers.get("x-mock").map(|words| (hyper::header::HeaderName::from_static("x-mock"), words.clone())));
    let mut answer = sender.send_request(asked).await?;
    answer.headers_mut().remove(TRANSFER_ENCODING);
    answer.headers_mut().remove(CONNECTION);
    Ok(answer.map(|body| Answered { body, _sender: sender }))
}

/// An answer, and what keeps its connection.
struct Answered {
    body: Incoming,
    _sender: hyper::client::conn::http1::SendRequest<Whole>,
}

impl Body for Answered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// A body that is known as a whole.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Runs what a connection needs on this thread.
#[derive(Clone)]
struct Here;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
