//! What a call ends in when it goes well: a whole body, or a stream under way.

mod copied;
mod kept_alive;
mod left;
mod silence;
mod specified;
mod waiting;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use switchboard_wire::event::{Event, EventReader};
use switchboard_wire::framing::Framing;
use switchboard_wire::problem::Fault;
use switchboard_wire::relay::Relay;
use switchboard_wire::reply::Reason;
use switchboard_wire::resume::Said;
use tokio::time::{Instant, Sleep};

pub use copied::{Copied, Then};
pub(crate) use kept_alive::KeptAlive;

use crate::call::Door;
use crate::error::Error;
use crate::experiment::shadow::Tap;
use crate::judge::{is_empty, reported};
use crate::meter::Meter;
use crate::openrouter::Telling;
use crate::route::Target;
use crate::upstream::{Late, UpstreamBody};
use silence::Silence;
use waiting::Waiting;

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
    /// Made of others: begun early, continued elsewhere, shared or repeated.
    Made(Box<dyn Source>),
}

/// Where the bytes of an answer come from.
pub trait Source: Send {
    /// The next bytes, if there are any; `None`: the answer is over.
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>>;

    /// Whether it has ended in a failure, which the bytes may have told the client.
    fn has_failed(&self) -> bool;

    /// The gateway stops: it breaks off, and the next bytes say so where there is a way to say it.
    fn stop(&mut self);
}

impl AnswerBody {
    /// The next bytes, if there are any; `None`: the answer is over.
    pub(crate) fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        match self {
            AnswerBody::Whole(body) => Poll::Ready(body.take().map(Ok)),
            AnswerBody::Stream(stream) => stream.poll(ctx),
            AnswerBody::Made(source) => source.poll_next(ctx),
        }
    }

    /// The gateway stops: what is under way breaks off, and says so where there is a way to say it.
    pub fn stop(&mut self) {
        match self {
            AnswerBody::Whole(_) => {}
            AnswerBody::Stream(stream) => stream.stop(),
            AnswerBody::Made(source) => source.stop(),
        }
    }

    /// Whether it has ended in a failure.
    pub(crate) fn has_failed(&self) -> bool {
        match self {
            AnswerBody::Whole(_) => false,
            AnswerBody::Stream(stream) => stream.has_failed(),
            AnswerBody::Made(source) => source.has_failed(),
        }
    }
}

impl std::fmt::Debug for dyn Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Source")
    }
}

impl Answer {
    /// The same, heard by that tap too.
    #[must_use]
    pub(crate) fn tapped(mut self, mut tap: Box<Tap>) -> Self {
        match &mut self.body {
            AnswerBody::Whole(Some(body)) => {
                tap.pass(body);
                tap.end();
            }
            AnswerBody::Whole(None) => {}
            AnswerBody::Stream(stream) => stream.tap = Some(tap),
            // What is made of others is not compared.
            AnswerBody::Made(_) => {}
        }
        self
    }
}

/// An answer broke off that has no way to say so: its connection must.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the provider's answer broke off")]
pub struct BrokenOff;

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.get_mut().poll_next(ctx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            AnswerBody::Whole(body) => http_body::SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            AnswerBody::Stream(_) | AnswerBody::Made(_) => http_body::SizeHint::default(),
        }
    }
}

/// Reading ahead of the client stops here: the upstream feels the client's pace. What is read ahead of a thousand clients who do not
/// read is a thousand times this.
const AHEAD: usize = 8 * 1024;

/// Tells who reads the stream that another provider goes on with it.
const RESUMED: &[u8] = b": continued by another provider\n\n";

/// More than this without any content is no answer.
const HELD_BACK: usize = 4 * 1024 * 1024;

/// An event of a stream is a line and an empty one.
const LINES_OF_PIECE: u64 = 2;

/// A stream on its way from a provider to a client. Dropping it cancels the provider and settles the call.
pub struct StreamBody {
    upstream: Option<UpstreamBody>,
    relay: Option<Relay>,
    meter: Meter,
    door: Door,
    waiting: Waiting,
    scratch: Vec<Bytes>,
    ended: bool,
    broken: Option<Box<Error>>,
    tap: Option<Box<Tap>>,
    pub(crate) telling: Option<Box<Telling>>,
    /// The client has been told that it broke off.
    failed: bool,
    silence: Silence,
    kept_alive: Option<Box<KeptAlive>>,
    /// What the client has been told, where the stream may go on elsewhere.
    said: Option<Box<Said>>,
    /// Who reads on where the client leaves.
    late: Option<Late>,
}

/// What a stream has for its client.
pub(crate) enum Part {
    /// Bytes.
    Bytes(Bytes),
    /// It broke off, and the client has not been told.
    Broken,
    /// It is over.
    End,
}

impl StreamBody {
    /// A stream at its beginning. Without a relay the bytes pass unread (audio).
    pub fn new(upstream: UpstreamBody, relay: Option<Relay>, meter: Meter, door: Door) -> Self {
        Self {
            upstream: Some(upstream.in_pieces()),
            relay,
            meter,
            door,
            waiting: Waiting::default(),
            scratch: Vec::new(),
            ended: false,
            broken: None,
            failed: false,
            silence: Silence::new(Silence::LONGEST),
            kept_alive: None,
            said: None,
            late: None,
            tap: None,
            telling: None,
        }
    }

    /// The same with another bound on how long it may only show that it is still open.
    pub(crate) fn silent_for(mut self, longest: Option<Duration>) -> Self {
        self.silence = Silence::new(longest.unwrap_or(Silence::LONGEST));
        self
    }

    /// The same, breaking its silence.
    pub(crate) fn kept_alive(mut self, kept_alive: Option<KeptAlive>) -> Self {
        self.kept_alive = kept_alive.map(Box::new);
        self
    }

    /// The same, keeping what it says, so that it may go on elsewhere. Its relay must write what it shows.
    pub(crate) fn resumable(mut self) -> Self {
        self.said = Some(Box::default());
        self
    }

    /// Whether it keeps what it says.
    pub(crate) fn is_resumable(&self) -> bool {
        self.said.is_some()
    }

    /// What broke it, and the text it may go on from; `None`: it cannot.
    pub(crate) fn loose_end(&self) -> Option<(&Error, &str)> {
        Some((self.broken.as_deref()?, self.said.as_deref()?.text()?))
    }

    /// The attempt that broke off is over; whether another one follows is not known yet.
    pub(crate) fn settle_broken(&mut self) {
        if let Some(error) = &self.broken {
            self.meter.end(error);
            self.meter.go_on();
        }
    }

    /// Goes on with another provider's stream.
    pub(crate) fn resume(&mut self, upstream: UpstreamBody, framing: Framing, reader: Box<dyn EventReader>) {
        let (Some(relay), Some(said)) = (&mut self.relay, &self.said) else { return };
        relay.resume(framing, reader, said.splice());
        self.upstream = Some(upstream.in_pieces());
        (self.ended, self.broken) = (false, None);
        if !self.door.array {
            self.waiting.push(Bytes::from_static(RESUMED));
        }
    }

    /// That target is giving the rest.
    pub(crate) fn goes_on(&mut self, target: &Target) {
        if let Some(account) = self.telling.as_mut().and_then(|telling| telling.account.as_mut()) {
            account.goes_on(&target.deployment, target.own.is_some());
        }
    }

    /// Reads until the first content is there: up to here nothing has been shown to the client, and a failure can still become
    /// another provider's answer. Gives the body back, or what broke it.
    pub async fn until_content(mut self: Box<Self>, due: Instant) -> Result<Box<Self>, (Error, Meter)> {
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        loop {
            // An end without content is waited out: what the answer took may come after it.
            if self.ended || self.relay.as_ref().is_none_or(Relay::has_content) {
                return match self.broken.take() {
                    None => Ok(self),
                    Some(error) if relay_had_content(&self) => {
                        self.broken = Some(error);
                        Ok(self)
                    }
                    Some(error) => Err((*error, self.meter.hand_over())),
                };
            }
            let in_time = std::future::poll_fn(|ctx| {
                if self.poll_upstream(ctx).is_ready() {
                    return Poll::Ready(true);
                }
                let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                timer.as_mut().poll(ctx).map(|()| false)
            });
            if !in_time.await {
                return Err((Error::late(), self.meter.hand_over()));
            }
            if self.waiting.len() > HELD_BACK && !relay_had_content(&self) {
                let fault = Fault::protocol("much was sent and no content among it");
                return Err((self.judged(fault), self.meter.hand_over()));
            }
        }
    }

    /// Whether the answer has ended without any content, though nothing cut it short.
    pub fn is_empty(&self) -> bool {
        self.reason_unsaid().is_some_and(|reason| is_empty(reason, self.meter.finish().1))
    }

    /// Why it has ended, where it has without any content.
    pub(crate) fn reason_unsaid(&self) -> Option<Reason> {
        let unsaid = self.ended && !relay_had_content(self) && self.relay.is_some();
        self.meter.finish().0.filter(|_| unsaid)
    }

    /// What the meter knows, and nothing else of it.
    pub fn into_meter(mut self: Box<Self>) -> Meter {
        self.meter.hand_over()
    }

    /// What the meter knows so far.
    pub fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    /// Reads one chunk of the provider's, if there is one.
    fn poll_upstream(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let frame = match self.upstream.as_mut().map(|upstream| Pin::new(upstream).poll_frame(ctx)) {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(frame)) => frame,
            None => None,
        };
        let result = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(chunk) => self.take_chunk(chunk),
                Err(_) => Ok(()),
            },
            Some(Err(error)) if !self.relay.as_ref().is_some_and(Relay::has_finished) => {
                self.ended = true;
                Err(Box::new(Error::dial(error)))
            }
            // Of an answer that is complete, whatever becomes of its connection loses nothing.
            Some(Err(_)) | None => {
                self.ended = true;
                // Settled before the client has the last word: whoever saw the end of an answer finds it in the ledger.
                self.finish().map(|()| self.meter.conclude()).map_err(|fault| Box::new(self.judged(*fault)))
            }
        };
        for chunk in self.scratch.drain(..) {
            self.waiting.push(chunk);
        }
        if let Err(error) = result {
            self.ended = true;
            self.broken = Some(error);
        }
        Poll::Ready(())
    }

    fn take_chunk(&mut self, chunk: Bytes) -> Result<(), Box<Error>> {
        match &mut self.relay {
            Some(relay) => {
                crate::failpoint::hit("relaying");
                let pieces = memchr::memchr_iter(b'\n', &chunk).count() as u64 / LINES_OF_PIECE;
                let pushed = relay.push(chunk, &mut tap(&mut self.meter, &mut self.said), &mut self.scratch);
                if let Err(fault) = pushed {
                    return Err(Box::new(self.judged(fault)));
                }
                if relay.has_content() {
                    self.meter.pass(pieces.max(1));
                    if self.silence.goes_on(relay.alive()) && !relay.has_ended() {
                        return Err(Box::new(Error::stalled()));
                    }
                }
                Ok(())
            }
            None => {
                self.meter.pass_unread(chunk.len());
                self.scratch.push(chunk);
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> Result<(), Box<Fault>> {
        match &mut self.relay {
            Some(relay) => relay.finish(&mut tap(&mut self.meter, &mut self.said), &mut self.scratch).map_err(Box::new),
            None => {
                self.meter.complete(None, None);
                Ok(())
            }
        }
    }

    fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        self.poll_part(ctx).map(|part| match part {
            Part::Bytes(bytes) => Some(Ok(bytes)),
            Part::Broken => self.last_words(),
            Part::End => None,
        })
    }

    /// What it has for the client. What broke it is kept until its last words are asked for.
    pub(crate) fn poll_part(&mut self, ctx: &mut Context<'_>) -> Poll<Part> {
        loop {
            while !self.ended && self.waiting.len() < AHEAD {
                if self.poll_upstream(ctx).is_pending() {
                    break;
                }
            }
            let Some(chunk) = self.waiting.pop() else { break };
            if let Some(tap) = &mut self.tap {
                tap.pass(&chunk);
            }
            // The beginning of an event may wait for its end.
            let chunk = match &mut self.telling {
                Some(telling) => telling.pass(chunk, Some(&self.meter)),
                None => chunk,
            };
            if !chunk.is_empty() {
                if let Some(kept_alive) = &mut self.kept_alive {
                    kept_alive.passed(&chunk);
                }
                return Poll::Ready(Part::Bytes(chunk));
            }
        }
        if self.ended
            && let Some(rest) = self.telling.as_mut().and_then(|telling| telling.rest(Some(&self.meter)))
        {
            return Poll::Ready(Part::Bytes(rest));
        }
        match (self.ended, &self.broken) {
            (false, _) => match &mut self.kept_alive {
                Some(kept_alive) => kept_alive.poll(ctx).map(Part::Bytes),
                None => Poll::Pending,
            },
            (true, Some(_)) => Poll::Ready(Part::Broken),
            (true, None) => {
                if let Some(tap) = self.tap.take() {
                    tap.end();
                }
                Poll::Ready(Part::End)
            }
        }
    }

    /// What a fault of the stream is to the caller.
    fn judged(&self, fault: Fault) -> Error {
        match self.meter.deployment() {
            Some(target) => reported(fault, target),
            None => Error::internal("a stream of nobody"),
        }
    }

    /// The error event that ends a broken stream: never a clean end.
    pub(crate) fn last_words(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        let error = self.broken.take()?;
        self.failed = true;
        self.meter.break_off(&error);
        Some(match (&mut self.relay, self.door.dialect.inbound()) {
            (Some(relay), Some(inbound)) => Ok(relay.break_off(&error.problem, inbound, self.door.flavor)),
            _ => Err(BrokenOff),
        })
    }

    /// Whether the client has been told that it broke off.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The gateway stops. What was read is still passed on.
    pub(crate) fn stop(&mut self) {
        if !self.ended {
            self.ended = true;
            self.broken = Some(Box::new(Error::stopping()));
        }
    }
}

/// Shows events to the meter, and to what keeps the text.
fn tap<'a>(meter: &'a mut Meter, said: &'a mut Option<Box<Said>>) -> impl FnMut(&Event) + 'a {
    move |event| {
        meter.see(event);
        if let Some(said) = said {
            said.see(event);
        }
    }
}

fn relay_had_content(stream: &StreamBody) -> bool {
    stream.relay.as_ref().is_some_and(Relay::has_content)
}

impl std::fmt::Debug for StreamBody {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("StreamBody").field("relay", &self.relay).field("ended", &self.ended).finish_non_exhaustive()
    }
}
