//! A response body: bounded, decoded, timed, and at its end the way home for its connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::decode::Decoder;
use super::error::{DialError, DialFault, Phase, fault_of, told};
use super::h1::Link;
use super::h2::Place;
use super::pool::{Lane, Pool};
use super::settings::Caps;

/// The body of an [`UpstreamReply`](super::UpstreamReply).
///
/// Read to its end, it gives its connection back; dropped before, it closes the connection (HTTP/1.1) or resets the
/// stream (HTTP/2), which tells the provider to stop.
pub struct UpstreamBody {
    incoming: Incoming,
    carrier: Carrier,
    decoder: Option<Decoder>,
    left: u64,
    unannounced: u64,
    idle: Duration,
    total: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
    reused: bool,
    ended: bool,
}

/// What the body arrives on.
pub(crate) enum Carrier {
    Link(Box<Link>, Arc<Pool>, Lane),
    /// Held, not read: the place counts as taken until the body is done.
    Place(#[expect(dead_code, reason = "held for its drop")] Place),
    /// The body has ended, and the connection is elsewhere.
    Gone,
}

/// A body that is held as a whole, until it is one. A buffer that grew with it would be held twice whenever it moves.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Bytes>,
    /// Small ones, put together: each would cost more than it holds, and keep what it was read into.
    gathering: BytesMut,
    len: usize,
}

/// A piece below this size is small.
const SMALL: usize = 16 * 1024;
/// Small pieces are gathered into pieces of this size.
const GATHERED: usize = 64 * 1024;

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        let first = self.len == 0;
        self.len += piece.len();
        // Most bodies are one piece, whatever its size.
        if !first && piece.len() < SMALL {
            self.gathering.extend_from_slice(&piece);
            if self.gathering.len() >= GATHERED {
                self.finish();
            }
        } else if !piece.is_empty() {
            self.finish();
            self.pieces.push(piece);
        }
    }

    fn finish(&mut self) {
        if !self.gathering.is_empty() {
            self.pieces.push(self.gathering.split().freeze());
        }
    }

    fn join(mut self) -> Bytes {
        self.finish();
        if self.pieces.len() <= 1 {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut whole = Vec::with_capacity(self.len);
        for piece in self.pieces {
            whole.extend_from_slice(&piece);
        }
        whole.into()
    }
}

/// The limits a body is read under.
pub(crate) struct Limits {
    pub(crate) body: u64,
    pub(crate) unannounced: u64,
    pub(crate) idle: Duration,
    pub(crate) total: Option<Instant>,
}

impl UpstreamBody {
    pub(crate) fn new(incoming: Incoming, carrier: Carrier, decoder: Option<Decoder>, limits: &Limits, reused: bool) -> Self {
        let mut body = Self {
            incoming,
            carrier,
            decoder,
            left: limits.body,
            unannounced: limits.unannounced,
            idle: limits.idle,
            total: limits.total,
            timer: None,
            waiting_since: None,
            reused,
            ended: false,
        };
        body.give_back_if_read();
        body
    }

    /// The same for whoever takes it piece by piece: no more is read ahead than fits a piece.
    #[must_use]
    pub fn in_pieces(mut self) -> Self {
        if let Carrier::Link(link, ..) = &mut self.carrier {
            link.traffic().in_pieces(true);
        }
        self
    }

    /// Reads the whole body. Bytes that are held are bounded as such, also where a stream was asked for.
    pub async fn collect(mut self) -> Result<Bytes, DialError> {
        let announced = self.size_hint();
        let most = if announced.exact().is_some() { Caps::WHOLE.body } else { self.unannounced };
        self.left = self.left.min(most);
        if announced.lower() > self.left {
            return Err(self.fail(DialError::new(Phase::Body, DialFault::TooLarge)));
        }
        let mut pieces = Pieces::default();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                pieces.push(data);
            }
        }
        Ok(pieces.join())
    }

    /// Reads what it begins with, which is the whole of what is no longer than that.
    pub async fn beginning(mut self, most: usize) -> Result<Bytes, DialError> {
        let (mut pieces, mut left) = (Pieces::default(), most);
        while left > 0
            && let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await
        {
            if let Ok(mut data) = frame?.into_data() {
                data.truncate(left);
                left -= data.len();
                pieces.push(data);
            }
        }
        Ok(pieces.join())
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let incoming = &mut self.incoming;
        match &mut self.carrier {
            Carrier::Link(link, ..) => link.poll(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx)),
            Carrier::Place(_) | Carrier::Gone => Pin::new(incoming).poll_frame(cx),
        }
    }

    fn accept(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, DialFault> {
        self.waiting_since = None;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return Ok(trailers),
        };
        let data = match &mut self.decoder {
            Some(decoder) => decoder.push(&data)?,
            None => data,
        };
        self.left = self.left.checked_sub(data.len() as u64).ok_or(DialFault::TooLarge)?;
        Ok(Frame::data(data))
    }

    /// The last bytes a decoder held back, if any.
    fn finish(&mut self) -> Option<Result<Frame<Bytes>, DialFault>> {
        self.ended = true;
        self.give_back();
        let rest = self.decoder.take()?.finish();
        match rest {
            Ok(rest) if rest.is_empty() => None,
            Ok(rest) => match self.left.checked_sub(rest.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Some(Ok(Frame::data(rest)))
                }
                None => Some(Err(DialFault::TooLarge)),
            },
            Err(fault) => Some(Err(fault)),
        }
    }

    fn fail(&mut self, error: DialError) -> DialError {
        self.ended = true;
        self.carrier = Carrier::Gone;
        error.on(self.reused, true)
    }

    fn give_back_if_read(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        self.timer = None;
        if let Carrier::Link(mut link, pool, lane) = std::mem::replace(&mut self.carrier, Carrier::Gone)
            && link.is_reusable()
        {
            link.traffic().in_pieces(false);
            pool.keep(lane, link);
        }
    }

    /// Whether the idle or the total deadline has passed; arms the timer for the nearer one.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let idle = since + self.idle;
        let due = self.total.map_or(idle, |total| total.min(idle));
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        // The timer is left armed while frames come; when it fires early it is set again.
        while timer.as_mut().poll(cx).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        if timer.deadline() > due {
            timer.as_mut().reset(due);
            return timer.as_mut().poll(cx);
        }
        Poll::Pending
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = DialError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, DialError>>> {
        let this = &mut *self;
        let broken = |fault| DialError::new(Phase::Body, fault);
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            match this.poll_incoming(cx) {
                Poll::Ready(Some(Ok(frame))) => match this.accept(frame) {
                    // A decoder may need more before it gives anything.
                    Ok(frame) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                    Ok(frame) => {
                        this.give_back_if_read();
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Err(fault) => return Poll::Ready(Some(Err(this.fail(broken(fault))))),
                },
                Poll::Ready(Some(Err(error))) => {
                    let error = broken(fault_of(&error, told(&error))).with(error);
                    return Poll::Ready(Some(Err(this.fail(error))));
                }
                Poll::Ready(None) => {
                    return Poll::Ready(match this.finish() {
                        Some(Ok(frame)) => Some(Ok(frame)),
                        Some(Err(fault)) => Some(Err(this.fail(broken(fault)))),
                        None => None,
                    });
                }
                Poll::Pending => {
                    return this.poll_deadline(cx).map(|()| Some(Err(this.fail(broken(DialFault::Timeout)))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.decoder.is_none() && self.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.decoder {
            Some(_) => SizeHint::default(),
            None => self.incoming.size_hint(),
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        // The end may have arrived without having been asked for.
        if !self.ended
            && let Carrier::Link(link, ..) = &mut self.carrier
        {
            let mut cx = Context::from_waker(Waker::noop());
            let incoming = &mut self.incoming;
            let end = link.poll(&mut cx, |cx| Pin::new(&mut *incoming).poll_frame(cx));
            if matches!(end, Poll::Ready(None)) {
                self.give_back();
            }
        }
    }
}
