//! What a call ends in when it goes well: a whole body, or a stream under way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use switchboard_wire::problem::{Fault, Kind, Problem};
use switchboard_wire::relay::Relay;

use crate::call::Door;
use crate::error::Error;
use crate::meter::{Meter, Outcome};
use crate::upstream::UpstreamBody;

/// The answer to one call.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: AnswerBody,
}

/// The body of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// Known as a whole.
    Whole(Option<Bytes>),
    /// Under way.
    Stream(Box<StreamBody>),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            AnswerBody::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            AnswerBody::Stream(stream) => stream.poll(ctx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            AnswerBody::Whole(body) => http_body::SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            AnswerBody::Stream(_) => http_body::SizeHint::default(),
        }
    }
}

/// Frames up to this size are written together.
const TOGETHER: usize = 16 * 1024;
/// Reading ahead of the client stops here: the upstream feels the client's pace.
const AHEAD: usize = 64 * 1024;

/// A stream on its way from a provider to a client. Dropping it cancels the provider and settles the call.
pub struct StreamBody {
    upstream: UpstreamBody,
    relay: Option<Relay>,
    meter: Meter,
    door: Door,
    queue: VecDeque<Bytes>,
    queued: usize,
    scratch: Vec<Bytes>,
    ended: bool,
    broken: Option<Fault>,
}

impl StreamBody {
    /// A stream at its beginning. Without a relay the bytes pass unread (audio).
    pub fn new(upstream: UpstreamBody, relay: Option<Relay>, meter: Meter, door: Door) -> Self {
        Self { upstream, relay, meter, door, queue: VecDeque::new(), queued: 0, scratch: Vec::new(), ended: false, broken: None }
    }

    /// Reads until the first content is there: up to here nothing has been shown to the client, and a failure can still become
    /// another provider's answer. Gives the body back, or what broke it.
    pub async fn until_content(mut self: Box<Self>) -> Result<Box<Self>, (Error, Meter)> {
        loop {
            let relay = self.relay.as_ref();
            if self.ended || relay.is_none_or(|relay| relay.has_content() || relay.has_ended()) {
                return match self.broken.take() {
                    None => Ok(self),
                    Some(fault) if relay_had_content(&self) => {
                        self.broken = Some(fault);
                        Ok(self)
                    }
                    Some(fault) => Err((Error::stream(fault), self.meter)),
                };
            }
            std::future::poll_fn(|ctx| self.poll_upstream(ctx)).await;
        }
    }

    /// What the meter knows so far.
    pub fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    /// Reads one chunk of the provider's, if there is one.
    fn poll_upstream(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let frame = match Pin::new(&mut self.upstream).poll_frame(ctx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(frame) => frame,
        };
        let result = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(chunk) => self.take_chunk(chunk),
                Err(_) => Ok(()),
            },
            Some(Err(error)) => {
                self.ended = true;
                Err(Box::new(fault_of(Error::dial(error))))
            }
            None => {
                self.ended = true;
                self.finish()
            }
        };
        for chunk in self.scratch.drain(..) {
            self.queued += chunk.len();
            self.queue.push_back(chunk);
        }
        if let Err(fault) = result {
            self.ended = true;
            self.broken = Some(*fault);
        }
        Poll::Ready(())
    }

    fn take_chunk(&mut self, chunk: Bytes) -> Result<(), Box<Fault>> {
        match &mut self.relay {
            Some(relay) => relay.push(chunk, &mut |event| self.meter.see(event), &mut self.scratch).map_err(Box::new),
            None => {
                self.scratch.push(chunk);
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> Result<(), Box<Fault>> {
        match &mut self.relay {
            Some(relay) => relay.finish(&mut |event| self.meter.see(event), &mut self.scratch).map_err(Box::new),
            None => {
                self.meter.complete(None, None);
                Ok(())
            }
        }
    }

    fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.ended && self.queued < AHEAD {
            if self.poll_upstream(ctx).is_pending() {
                break;
            }
        }
        if let Some(chunk) = self.next_chunk() {
            return Poll::Ready(Some(chunk));
        }
        if !self.ended {
            return Poll::Pending;
        }
        Poll::Ready(self.broken.take().and_then(|fault| self.last_words(fault)))
    }

    /// What is ready, small pieces as one.
    fn next_chunk(&mut self) -> Option<Bytes> {
        let first = self.queue.pop_front()?;
        self.queued -= first.len();
        if self.queue.is_empty() || first.len() >= TOGETHER {
            return Some(first);
        }
        let mut together = BytesMut::with_capacity(TOGETHER.min(first.len() + self.queued));
        together.extend_from_slice(&first);
        while let Some(next) = self.queue.front().filter(|next| together.len() + next.len() <= TOGETHER) {
            together.extend_from_slice(next);
            self.queued -= next.len();
            self.queue.pop_front();
        }
        Some(together.freeze())
    }

    /// The error event that ends a broken stream: never a clean end.
    fn last_words(&mut self, fault: Fault) -> Option<Bytes> {
        let problem = Error::stream(fault).problem;
        self.meter.note(|record| {
            record.outcome = Outcome::Failed(problem.kind);
            record.error = Some(problem.message.clone());
        });
        let inbound = self.door.dialect.inbound()?;
        Some(Bytes::from(inbound.write_stream_problem(&problem, self.door.flavor)))
    }
}

fn relay_had_content(stream: &StreamBody) -> bool {
    stream.relay.as_ref().is_some_and(Relay::has_content)
}

fn fault_of(error: Error) -> Fault {
    let problem = *error.problem;
    Fault { code: problem.code, ..Fault::seen(problem.kind, "upstream_closed", problem.message) }
}

impl std::fmt::Debug for StreamBody {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("StreamBody").field("relay", &self.relay).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Error {
    /// A stream broke, or carried an error.
    pub fn stream(fault: Fault) -> Self {
        use crate::error::{Origin, Retry};
        let kind = match fault.kind {
            // Inside a stream a provider's complaint about our credential is its trouble, not the caller's.
            Kind::Unauthenticated | Kind::Forbidden | Kind::Internal => Kind::Upstream,
            kind => kind,
        };
        let retry = match kind {
            Kind::BadRequest | Kind::TooLarge | Kind::Unsupported | Kind::Filtered => Retry::Never,
            _ => Retry::Next,
        };
        let problem = Problem { kind, ..fault.into() };
        Self::new(problem, Origin::Provider, retry)
    }
}
