//! One request on one connection.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, sleep_until};

use super::body::{Carrier, Limits, UpstreamBody};
use super::decode::Decoder;
use super::error::{DialError, DialFault, Phase, fault_of, find, is_lost, told};
use super::h1::Link;
use super::h2::Place;
use super::pool::{Lane, Pool, Ready};
use super::preset::Headers;
use super::segments::Segments;
use super::settings::{Caps, Timeouts};
use super::{UpstreamReply, io::Traffic};

/// A request put right for the wire; can be sent more than once.
pub(crate) struct Outbound {
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    pub(crate) headers: Headers,
    pub(crate) body: Segments,
    pub(crate) timeouts: Timeouts,
    pub(crate) caps: Caps,
    pub(crate) total: Option<Instant>,
}

/// Why there is no answer.
pub(crate) enum Lost {
    /// The provider has not handled the request: sending it again is free.
    Unseen(DialError),
    /// The same, and it wants to be asked over HTTP/1.1.
    Outdated(DialError),
    /// Anything else.
    Failed(DialError),
}

type Sent = Result<Response<Incoming>, TrySendError<Request<Segments>>>;

/// Sends the request and waits for the answer's headers.
pub(crate) async fn run(ready: Ready, outbound: &Outbound, pool: &Arc<Pool>, lane: &Lane) -> Result<UpstreamReply, Lost> {
    match ready {
        Ready::Link(link) => on_link(link, outbound, pool, lane).await,
        Ready::Place(place) => Box::pin(on_place(place, outbound, lane)).await,
    }
}

async fn on_link(mut link: Box<Link>, outbound: &Outbound, pool: &Arc<Pool>, lane: &Lane) -> Result<UpstreamReply, Lost> {
    let before = Count::of(link.traffic());
    let request = outbound.for_http1(lane).map_err(Lost::Failed)?;
    let mut answer = pin!(link.sender().try_send_request(request));
    let due = outbound.headers_due();
    let sent = std::future::poll_fn(|cx| link.poll_until(cx, due, |cx| answer.as_mut().poll(cx))).await;
    let response = before.judge(sent, None, link.traffic())?;
    let carrier = Carrier::Link(link, Arc::clone(pool), lane.clone());
    outbound.reply(response, carrier, before.reused)
}

async fn on_place(place: Place, outbound: &Outbound, lane: &Lane) -> Result<UpstreamReply, Lost> {
    let mut before = Count::of(place.traffic());
    // The handshake is traffic too, so a shared connection says itself whether it has served.
    before.reused = place.serve();
    let request = outbound.for_http2(lane).map_err(Lost::Failed)?;
    let mut sender = place.sender();
    let mut answer = pin!(sender.try_send_request(request));
    let mut timer = pin!(sleep_until(outbound.headers_due()));
    let sent = std::future::poll_fn(|cx| {
        if let Poll::Ready(sent) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(sent));
        }
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await;
    let said = match &sent {
        Some(Err(failure)) => told(failure.error()).or(place.farewell().await),
        Some(Ok(_)) | None => None,
    };
    let response = before.judge(sent, said, place.traffic()).inspect_err(|lost| {
        if matches!(lost, Lost::Unseen(_) | Lost::Outdated(_)) {
            place.retire();
        }
    })?;
    outbound.reply(response, Carrier::Place(place), before.reused)
}

// === impl Outbound ===

impl Outbound {
    fn headers_due(&self) -> Instant {
        let due = Instant::now() + self.timeouts.first_byte;
        self.total.map_or(due, |total| total.min(due))
    }

    fn for_http1(&self, lane: &Lane) -> Result<Request<Segments>, DialError> {
        let mut request = self.request();
        if lane.origin.is_secure() {
            *request.uri_mut() = Uri::from(self.path.clone());
        } else if let Some(proxy) = lane.transport.proxy_for(&lane.origin) {
            *request.uri_mut() = self.absolute(lane)?;
            if let Some(authorization) = &proxy.authorization {
                request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
            }
        } else {
            *request.uri_mut() = Uri::from(self.path.clone());
        }
        Ok(request)
    }

    fn for_http2(&self, lane: &Lane) -> Result<Request<Segments>, DialError> {
        let mut request = self.request();
        request.headers_mut().remove(HOST);
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.absolute(lane)?;
        Ok(request)
    }

    fn request(&self) -> Request<Segments> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.all(self.body.len());
        request
    }

    fn absolute(&self, lane: &Lane) -> Result<Uri, DialError> {
        Uri::builder()
            .scheme(lane.origin.scheme())
            .authority(lane.origin.authority().clone())
            .path_and_query(self.path.clone())
            .build()
            .map_err(|error| DialError::new(Phase::Send, DialFault::Protocol).with(error))
    }

    fn reply(&self, response: Response<Incoming>, carrier: Carrier, reused: bool) -> Result<UpstreamReply, Lost> {
        let (parts, incoming) = response.into_parts();
        let mut headers = parts.headers;
        let lost = |fault| Lost::Failed(DialError::new(Phase::Headers, fault).on(reused, true));
        // Where the answer ends is told twice, and who reads it otherwise than the provider takes one answer for another.
        if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
            return Err(lost(DialFault::Protocol));
        }
        let decoder = Decoder::of(&headers, self.caps).map_err(lost)?;
        if decoder.is_some() {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        let limits = Limits { body: self.caps.body, unannounced: self.caps.unannounced, idle: self.timeouts.idle, total: self.total };
        Ok(UpstreamReply { status: parts.status, headers, body: UpstreamBody::new(incoming, carrier, decoder, &limits, reused) })
    }
}

/// A connection's counts before the exchange.
struct Count {
    read: u64,
    written: u64,
    reused: bool,
}

impl Count {
    fn of(traffic: &Traffic) -> Self {
        Self { read: traffic.read(), written: traffic.written(), reused: traffic.read() > 0 }
    }

    /// Turns what hyper says into what it means for the request. `None` is the timer; `said`: why the peer ended the stream.
    fn judge(&self, sent: Option<Sent>, said: Option<h2::Reason>, traffic: &Traffic) -> Result<Response<Incoming>, Lost> {
        let written = traffic.written() > self.written;
        let silent = traffic.read() == self.read;
        let phase = if written { Phase::Headers } else { Phase::Send };
        let Some(sent) = sent else {
            let error = DialError::new(phase, DialFault::Timeout);
            return Err(Lost::Failed(error.on(self.reused, written)));
        };
        let mut failure = match sent {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        let unsent = failure.take_message().is_some();
        let error = failure.into_error();
        let (refused, outdated) = (is_refused(&error), said == Some(h2::Reason::HTTP_1_1_REQUIRED));
        let lost = is_lost(&error);
        let fault = match fault_of(&error, said) {
            DialFault::Protocol if unsent || refused => DialFault::Closed,
            fault => fault,
        };
        let stale = self.reused && silent && lost;
        let billed = written && !unsent && !refused && !outdated;
        let error = DialError::new(phase, fault).with(error).on(self.reused, billed);
        Err(match fault {
            _ if outdated => Lost::Outdated(error),
            // To come again at once is what it does not want.
            DialFault::Crowded => Lost::Failed(error),
            _ if (unsent && self.reused) || refused || stale => Lost::Unseen(error),
            _ => Lost::Failed(error),
        })
    }
}

/// Whether the provider said that it has not handled this stream: refused, or above a GOAWAY's last one.
fn is_refused(error: &hyper::Error) -> bool {
    let Some(cause) = find::<h2::Error>(error) else {
        return false;
    };
    cause.is_remote() && (cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM))
}
