//! One connection, from the first byte to the last.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
        // most connections idle most of the time: what is large is boxed, and exists for as long as it is needed
        let Some((socket, version, prefix)) = until_ordered(&pulse, Box::pin(self.open(socket))).await.flatten() else {
            return;
        };
        let ended = match version {
            Version::Http1 => self.serve_http1(socket, prefix, &pulse).await,
            Version::Http2 => Box::pin(self.serve_http2(socket, prefix, &pulse)).await,
        };
        if let Err(error) = ended {
            tracing::debug!(peer = ?pulse.peer, %error, "connection ended");
        }
    }

    /// Speaks HTTP/1. A connection that rests keeps its socket and nothing else: parser and buffers, which are twice eight
    /// kilobytes, are made anew for its next request.
    async fn serve_http1(&self, mut socket: Socket, mut prefix: Vec<u8>, pulse: &Rc<Pulse>) -> hyper::Result<()> {
        loop {
            // the first head shares its deadline with the handshake, so that no connection stays longer by dripping
            let guarded = Guarded::new(socket, Gate::new(self.max_header_bytes), Rc::clone(pulse), prefix);
            let service = service_fn(|request| self.exchange(request, pulse, Version::Http1));
            let connection = Box::new(self.http1.serve_connection(TokioIo::new(guarded), service));
            let Some((guarded, rest)) = until_rest(connection, pulse).await? else { return Ok(()) };
            socket = guarded.into_socket();
            prefix = rest;
            if prefix.is_empty() {
                let Some(next) = until_ordered(pulse, first_bytes(&mut socket)).await.flatten() else {
                    // TLS says goodbye; nobody may be there to hear it
                    let _gone = socket.shutdown().await;
                    return Ok(());
                };
                prefix = next;
            }
        }
    }

    async fn serve_http2(&self, socket: Socket, prefix: Vec<u8>, pulse: &Rc<Pulse>) -> hyper::Result<()> {
        pulse.idle();
        let io = TokioIo::new(Guarded::new(socket, Gate::open(), Rc::clone(pulse), prefix).over_http2());
        let service = service_fn(|request| self.exchange(request, pulse, Version::Http2));
        let connection = pin!(self.http2.serve_connection(io, service));
        drive(connection, pulse, || false).await.map(|_| ())
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
        let waits = head.headers.contains_key(header::EXPECT);
        let body = RequestBody::new(incoming, &head.headers, self.body.clone(), Rc::clone(pulse));
        let service = Rc::clone(&self.service);
        let tasks = (version == Version::Http2).then(|| Rc::clone(&self.tasks));
        // the connection keeps room for what it is given, also while it idles and while an answer streams
        let answering = async move {
            // an HTTP/2 stream's future is first polled by its own task
            exchange.runs_on(tasks.and_then(|tasks| tasks.take_current()));
            if let Some(reason) = refusal {
                return Ok(Answer::refusal(StatusCode::BAD_REQUEST, reason));
            }
            let (last_call, rest) = (body.last_call(), body.rest());
            let Some(mut response) = last_call.before(pin!(service.call(Request::from_parts(head, body)))).await else {
                return Ok(Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "the gateway stopped before there was an answer"));
            };
            // Who waits for a word before it sends its body has none to read.
            if version == Version::Http1 && (waits && rest.is_left() || !rest.drained().await) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Answer::Served { body, exchange }))
        };
        Pin::from(Box::write(Box::new_uninit(), answering))
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

/// Runs an HTTP/1 connection until it ends, or rests: then gives back what it reads from, and what it has read of the next request.
async fn until_rest<S, B>(
    mut connection: Box<http1::Connection<TokioIo<Guarded>, S>>,
    pulse: &Pulse,
) -> hyper::Result<Option<(Guarded, Vec<u8>)>>
where
    S: hyper::service::HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<super::BoxError>,
    B: http_body::Body<Error: Into<super::BoxError>> + 'static,
{
    if drive(Pin::new(&mut *connection), pulse, || pulse.is_at_rest()).await? == Ended::Over {
        return Ok(None);
    }
    let parts = connection.into_parts();
    Ok(Some((parts.io.into_inner(), parts.read_buf.to_vec())))
}

/// The first bytes of the next request; `None`: there is none.
async fn first_bytes(socket: &mut Socket) -> Option<Vec<u8>> {
    let mut first = [0; PREFACE.len()];
    match socket.read(&mut first).await {
        Ok(0) | Err(_) => None,
        Ok(read) => Some(first[..read].to_vec()),
    }
}

/// How driving a connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Over,
    AtRest,
}

/// Polls the connection and carries out orders. Being cut drops it, and with it the handler's futures and the answers.
async fn drive<C: Drain>(mut connection: Pin<&mut C>, pulse: &Pulse, is_at_rest: impl Fn() -> bool) -> hyper::Result<Ended> {
    let mut draining = false;
    poll_fn(|cx| {
        pulse.listen(cx.waker());
        loop {
            match pulse.order() {
                Order::Cut => return Poll::Ready(Ok(Ended::Over)),
                Order::Drain | Order::LastCall if !draining => {
                    draining = true;
                    connection.as_mut().drain();
                }
                Order::Drain | Order::LastCall | Order::Serve => {}
            }
            let polled = connection.as_mut().poll(cx);
            if polled.is_pending() && is_at_rest() {
                return Poll::Ready(Ok(Ended::AtRest));
            }
            // the first request, if it just came, was what the drain waited for
            if polled.is_ready() || draining || pulse.order() == Order::Serve {
                return polled.map_ok(|()| Ended::Over);
            }
        }
    })
    .await
}
