//! The yardstick: the least a proxy on hyper can do. Each request goes to the one upstream as it is, body streamed,
//! over pooled connections; nothing is read, checked or counted.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http_body_util::Either;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;

type Sender = SendRequest<Incoming>;
type Refusal = http_body_util::Full<Bytes>;

/// Idle upstream connections of one thread.
struct Pool {
    upstream: SocketAddr,
    idle: RefCell<Vec<Sender>>,
}

/// Serves until the future is dropped. Must run inside a [`tokio::task::LocalSet`].
pub async fn serve(listener: TcpListener, upstream: SocketAddr) -> std::io::Result<()> {
    let pool = Rc::new(Pool { upstream, idle: RefCell::default() });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pool = Rc::clone(&pool);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer(Rc::clone(&pool), request));
            // A client that goes away is the ordinary end of a connection.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(pool: Rc<Pool>, request: Request<Incoming>) -> Result<Response<Either<Borrowed, Refusal>>, std::convert::Infallible> {
    match forward(&pool, request).await {
        Ok(response) => Ok(response.map(Either::Left)),
        Err(error) => {
            let mut response = Response::new(Either::Right(Refusal::from(error.to_string())));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    }
}

async fn forward(pool: &Rc<Pool>, request: Request<Incoming>) -> Outcome<Response<Borrowed>> {
    let mut sender = pool.take().await?;
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| Borrowed { body, sender: Some(sender), pool: Rc::clone(pool) }))
}

impl Pool {
    async fn take(&self) -> Outcome<Sender> {
        loop {
            let idle = self.idle.borrow_mut().pop();
            let Some(mut sender) = idle else { break };
            if sender.is_ready() || sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            // The request which runs on the connection gets the same error.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// A response body that gives its connection back when it has been read.
struct Borrowed {
    body: Incoming,
    sender: Option<Sender>,
    pool: Rc<Pool>,
}

impl Borrowed {
    fn give_back(&mut self) {
        if let Some(sender) = self.sender.take().filter(|sender| !sender.is_closed()) {
            self.pool.idle.borrow_mut().push(sender);
        }
    }
}

impl Body for Borrowed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || (polled.is_ready() && this.body.is_end_stream()) {
            this.give_back();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // Read to its end without being polled for it: a body of known length.
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}
