//! The body of a request.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::{
    LastCall,
    pulse::{Peer, Pulse},
    reservoir::Draught,
    settings::BodyLimits,
};

/// Frames kept as they came before small ones are put together.
const FRAMES_KEPT: usize = 64;
/// A frame below this size is small.
const SMALL_FRAME: usize = 1024;
/// Small frames are gathered into pieces of this size.
const GATHERED: usize = 16 * 1024;

/// The most that is read of a body which nobody wants, so that its connection can go on.
const UNWANTED: u64 = 64 * 1024;
/// The longest that is waited for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A request's body, not yet read. What is dropped unread is read to its end if that is near; else the connection ends after the answer,
/// which says so.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Option<Incoming>,
    limits: BodyLimits,
    encoded: bool,
    pulse: Rc<Pulse>,
    rest: Rc<Rest>,
}

/// What nobody read of a body.
#[derive(Debug, Default)]
pub(super) struct Rest(RefCell<Option<Incoming>>);

/// Why a body could not be read. The connection ends after the answer.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed.
    #[error("the request body is larger than {limit} bytes")]
    TooLarge {
        /// The limit it broke.
        limit: u64,
    },
    /// All bodies together have more bytes than allowed.
    #[error("the gateway holds too many bytes of requests; try again soon")]
    TooMuch,
    /// Too few bytes per second, or too long altogether.
    #[error("the request body came too slowly")]
    TooSlow,
    /// A `Content-Encoding` other than `identity`.
    #[error("compressed request bodies are not accepted; send it without `content-encoding`")]
    Encoded,
    /// The body broke off or its framing is wrong.
    #[error("the request body could not be read: {0}")]
    Broken(#[source] hyper::Error),
}

impl BodyError {
    /// The status that says so.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMuch => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, headers: &HeaderMap, limits: BodyLimits, pulse: Rc<Pulse>) -> Self {
        Self { incoming: Some(incoming), limits, encoded: is_encoded(headers), pulse, rest: Rc::default() }
    }

    /// Where what nobody reads of it will be.
    pub(super) fn rest(&self) -> Rc<Rest> {
        Rc::clone(&self.rest)
    }

    /// Who sent the request.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.pulse.peer
    }

    /// When the request's time is up.
    #[must_use]
    pub fn last_call(&self) -> LastCall {
        LastCall::of(&self.pulse)
    }

    /// Reads the whole body within the edge's limits.
    ///
    /// # Errors
    ///
    /// When the body is compressed, too large, too slow or broken.
    pub async fn collect(self) -> Result<Frames, BodyError> {
        let limit = self.limits.max_bytes;
        self.collect_within(limit).await
    }

    /// Reads the whole body, which may have at most `limit` bytes (and not more than the edge's own limit).
    ///
    /// # Errors
    ///
    /// When the body is compressed, too large, too slow or broken.
    pub async fn collect_within(mut self, limit: u64) -> Result<Frames, BodyError> {
        if self.encoded {
            return Err(BodyError::Encoded);
        }
        let limit = limit.min(self.limits.max_bytes);
        let mut frames = Frames { draught: Some(self.limits.reservoir.draught()), ..Frames::default() };
        let mut pace = pin!(Pace { limits: self.limits.clone(), started: None, sleep: None });
        let Some(incoming) = &mut self.incoming else { return Ok(frames) };
        let announced = incoming.size_hint().lower();
        if announced > limit {
            return Err(BodyError::TooLarge { limit });
        }
        while !incoming.is_end_stream() {
            let frame = poll_fn(|cx| match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(Ok(frame)),
                Poll::Pending => pace.poll_overdue(cx, frames.len).map(|()| Err(BodyError::TooSlow)),
            })
            .await?;
            let Some(frame) = frame.transpose().map_err(BodyError::Broken)? else {
                break;
            };
            // trailers mean nothing to a model call
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            if (frames.len + bytes.len()) as u64 > limit {
                return Err(BodyError::TooLarge { limit });
            }
            if !frames.has_room(bytes.len()) {
                return Err(BodyError::TooMuch);
            }
            frames.push(bytes);
        }
        frames.finish();
        Ok(frames)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        *self.rest.0.borrow_mut() = self.incoming.take().filter(|incoming| !incoming.is_end_stream());
    }
}

impl Rest {
    /// Whether there is anything.
    pub(super) fn is_left(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Reads what there is, unless that is much or takes long; whether all of it was read.
    pub(super) async fn drained(&self) -> bool {
        let Some(mut incoming) = self.0.take() else { return true };
        if incoming.size_hint().lower() > UNWANTED {
            return false;
        }
        let read = async {
            let mut length = 0;
            while let Some(frame) = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
                length += frame.ok()?.data_ref().map_or(0, Bytes::len) as u64;
                if length > UNWANTED {
                    return None;
                }
            }
            Some(())
        };
        matches!(tokio::time::timeout(PATIENCE, read).await, Ok(Some(())))
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.is_empty() && !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Holds a body to its minimum rate. A body that never makes us wait costs no timer.
struct Pace {
    limits: BodyLimits,
    started: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// Ready once the client is too slow. Called whenever there is nothing to read.
    fn poll_overdue(&mut self, cx: &mut Context<'_>, received: usize) -> Poll<()> {
        let started = *self.started.get_or_insert_with(Instant::now);
        loop {
            let deadline = started + self.allowance(received as u64);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // the timer is as old as the last time it fired; what came since may have bought more time
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }

    /// How long this many bytes may take.
    fn allowance(&self, received: u64) -> Duration {
        let earned = Duration::from_secs(received / self.limits.min_rate.max(1));
        self.limits.grace.saturating_add(earned).min(self.limits.total)
    }
}

/// A whole body in the pieces it arrived in: they are never joined, save for floods of tiny ones.
#[derive(Debug, Default)]
pub struct Frames {
    frames: Vec<Bytes>,
    len: usize,
    gathering: BytesMut,
    draught: Option<Draught>,
}

impl Frames {
    /// Bytes altogether.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, in order, none of them empty.
    #[must_use]
    pub fn as_slice(&self) -> &[Bytes] {
        &self.frames
    }

    /// The pieces, in order, none of them empty, and what must be held as long as they are.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Bytes>, Option<Draught>) {
        (self.frames, self.draught)
    }

    /// The whole body as one piece: without a copy if it came as one, which small bodies do.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.frames.len() <= 1 {
            return self.frames.pop().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.len);
        for frame in &self.frames {
            whole.extend_from_slice(frame);
        }
        whole.freeze()
    }

    fn has_room(&mut self, more: usize) -> bool {
        let bytes = (self.len + more) as u64;
        self.draught.as_mut().is_none_or(|draught| draught.reach(bytes))
    }

    /// A piece costs about 32 bytes of bookkeeping, so one-byte chunks would cost 32 times the limit on bodies.
    fn push(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        if self.frames.len() >= FRAMES_KEPT && bytes.len() < SMALL_FRAME {
            self.gathering.extend_from_slice(&bytes);
            if self.gathering.len() >= GATHERED {
                self.finish();
            }
        } else if !bytes.is_empty() {
            self.finish();
            self.frames.push(bytes);
        }
    }

    fn finish(&mut self) {
        if !self.gathering.is_empty() {
            self.frames.push(self.gathering.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests;
