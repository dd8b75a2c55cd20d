//! One connection, from the first byte to the last.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

use http::{Request, Response, StatusCode};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

use super::{
    RequestBody, Service,
    answer::Answer,
    gate::Gate,
    guarded::{Guarded, Socket},
    pulse::{Exchange, Order, Pulse},
    screen,
    settings::{BodyLimits, Settings},
    tasks::Tasks,
};

/// What an HTTP/2 client says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a worker's connections have in common.
pub(super) struct Protocols<S> {
    service: Rc<S>,
    tls: Option<TlsAcceptor>,
    http1: http1::Builder,
    http2: http2::Builder<Spawner>,
    tasks: Rc<Tasks>,
    body: BodyLimits,
    max_header_bytes: usize,
}

/// Runs HTTP/2 streams as tasks of the worker.
#[derive(Clone, Debug)]
struct Spawner(Rc<Tasks>);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, stream: F) {
        self.0.spawn_stream(stream);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

impl<S: Service> Protocols<S> {
    pub(super) fn new(service: S, tls: Option<TlsAcceptor>, settings: &Settings, tasks: Rc<Tasks>) -> Self {
        // `pipeline_flush` stays off: it would hold back a stream while the client's next request is already there;
        // the parser's own head timeout stays off: it costs a timer per request and counts idle time as head time
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(settings.max_header_bytes.max(8192)).max_header_size(settings.max_header_bytes);
        if settings.max_headers != 100 {
            // the parser's default, and the only number for which it does not allocate
            http1.max_headers(settings.max_headers);
        }
        let limits = &settings.http2;
        let mut http2 = http2::Builder::new(Spawner(Rc::clone(&tasks)));
        http2
            .max_concurrent_streams(limits.max_streams)
            .max_header_list_size(limits.max_header_list_bytes)
            .max_pending_accept_reset_streams(limits.max_pending_resets)
            .max_local_error_reset_streams(limits.max_error_resets)
            .initial_stream_window_size(limits.stream_window_bytes)
            .initial_connection_window_size(limits.connection_window_bytes)
            .max_send_buf_size(limits.send_buffer_bytes);
        let (body, max_header_bytes) = (settings.body.clone(), settings.max_header_bytes);
        Self { service: Rc::new(service), tls, http1, http2, tasks, body, max_header_bytes }
    }

    /// Serves a connection until it ends, is drained or is cut.
    pub(super) async fn serve(self: Rc<Self>, socket: Socket, pulse: Rc<Pulse>) {
        let Some((socket, version, prefix)) = until_ordered(&pulse, self.open(socket)).await.flatten() else {
            return;
        };
        let this = Rc::clone(&self);
        let exchanges = Rc::clone(&pulse);
        let service = service_fn(move |request| this.exchange(request, &exchanges, version));
        let ended = match version {
            Version::Http1 => {
                // the first head shares its deadline with the handshake, so that no connection stays longer by dripping
                let gate = Gate::new(self.max_header_bytes);
                let io = TokioIo::new(Guarded::new(socket, gate, Rc::clone(&pulse), prefix));
                drive(self.http1.serve_connection(io, service), &pulse).await
            }
            Version::Http2 => {
                pulse.idle();
                let io = TokioIo::new(Guarded::new(socket, Gate::open(), Rc::clone(&pulse), prefix).over_http2());
                // few connections are, and those that are not need no room for it
                Box::pin(drive(self.http2.serve_connection(io, service), &pulse)).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = ?pulse.peer, %error, "connection ended");
        }
    }

    /// Shakes hands and finds out which protocol is spoken. `None` if the client went away or talks nonsense.
    async fn open(&self, socket: Socket) -> Option<(Socket, Version, Vec<u8>)> {
        let mut socket = match (socket, &self.tls) {
            (Socket::Tcp(stream), Some(tls)) => match tls.accept(stream).await {
                Ok(stream) => Socket::Tls(Box::new(stream)),
                Err(error) => {
                    tracing::debug!(%error, "TLS handshake failed");
                    return None;
                }
            },
            (socket, _) => socket,
        };
        if let Socket::Tls(stream) = &socket {
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => return Some((socket, Version::Http2, Vec::new())),
                Some(_) => return Some((socket, Version::Http1, Vec::new())),
                None => {}
            }
        }
        let mut first = [0; PREFACE.len()];
        let mut read = 0;
        while read < first.len() && PREFACE.starts_with(&first[..read]) {
            match socket.read(&mut first[read..]).await {
                Ok(0) | Err(_) => return None,
                Ok(more) => read += more,
            }
        }
        let version = if first == *PREFACE { Version::Http2 } else { Version::Http1 };
        Some((socket, version, first[..read].to_vec()))
    }

    /// One request and its answer.
    fn exchange(
        &self,
        request: Request<Incoming>,
        pulse: &Rc<Pulse>,
        version: Version,
    ) -> impl Future<Output = Result<Response<Answer<S::Body>>, Infallible>> + use<S> {
        let mut exchange = Exchange::begin(Rc::clone(pulse));
        let refusal = screen::reject(&request);
        let (head, incoming) = request.into_parts();
        let body = RequestBody::new(incoming, &head.headers, self.body.clone(), Rc::clone(pulse));
        let service = Rc::clone(&self.service);
        let tasks = (version == Version::Http2).then(|| Rc::clone(&self.tasks));
        // the connection keeps room for what it is given, also while it idles and while an answer streams
        Box::pin(async move {
            // an HTTP/2 stream's future is first polled by its own task
            exchange.runs_on(tasks.and_then(|tasks| tasks.take_current()));
            if let Some(reason) = refusal {
                return Ok(Answer::refusal(StatusCode::BAD_REQUEST, reason));
            }
            let response = service.call(Request::from_parts(head, body)).await;
            Ok(response.map(|body| Answer::Served { body, exchange }))
        })
    }
}

/// Runs the opening steps; `None` once the connection is to end.
async fn until_ordered<F: Future>(pulse: &Pulse, opening: F) -> Option<F::Output> {
    let mut opening = pin!(opening);
    poll_fn(|cx| {
        pulse.listen(cx.waker());
        if pulse.order() != Order::Serve {
            return Poll::Ready(None);
        }
        opening.as_mut().poll(cx).map(Some)
    })
    .await
}

/// A connection that can be told to finish what runs and end.
trait Drain: Future<Output = hyper::Result<()>> {
    fn drain(self: Pin<&mut Self>);
}

impl<I, B, S> Drain for http1::Connection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<super::BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body<Error: Into<super::BoxError>> + 'static,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S, E> Drain for http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<super::BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body<Error: Into<super::BoxError>> + 'static,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Polls the connection and carries out orders. Being cut drops it, and with it the handler's futures and the answers.
async fn drive<C: Drain>(connection: C, pulse: &Pulse) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    let mut draining = false;
    poll_fn(|cx| {
        pulse.listen(cx.waker());
        loop {
            match pulse.order() {
                Order::Cut => return Poll::Ready(Ok(())),
                Order::Drain if !draining => {
                    draining = true;
                    connection.as_mut().drain();
                }
                Order::Drain | Order::Serve => {}
            }
            let polled = connection.as_mut().poll(cx);
            // the first request, if it just came, was what the drain waited for
            if polled.is_ready() || draining || pulse.order() != Order::Drain {
                return polled;
            }
        }
    })
    .await
}
