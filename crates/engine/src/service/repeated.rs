//! A call that was answered before gets that answer again: `Idempotency-Key`.
//!
//! The key is the caller's own name for one request. Who sends it again while the request is under way waits for it; who sends it with
//! another request is refused. Only whole, good answers are kept, a stream as it was sent; what failed, broke off or was left by its
//! client is forgotten, so that the next one is taken to a provider. [`shelf`](crate::shelf) is where they lie.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::problem::{Kind, Problem};
use tokio::sync::watch;

use super::Ground;
use crate::answer::{Answer, AnswerBody, BrokenOff, Source};
use crate::board::Pending;
use crate::call::{Call, digest};
use crate::clock;
use crate::error::{Error, Origin, Retry};
use crate::shelf::{Claim, Found, Packed, Slot};

/// Longer keys are refused.
const LONGEST_KEY: usize = 255;
/// One answer is at most this part of all that is kept.
const SHARE: u64 = 4;
/// How long another gateway may take for a request before its claim is nobody's.
const CLAIM: Duration = Duration::from_secs(900);
/// How often a request that another gateway has under way is looked for, and how long at all.
const LOOK: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(120);

/// The header.
pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");

/// The slot that the call names; an error where its name is none.
fn slot(call: &Call) -> Result<Option<Slot>, Error> {
    let Some(key) = call.headers.get(&KEY).map(HeaderValue::as_bytes).map(<[u8]>::trim_ascii) else { return Ok(None) };
    if key.is_empty() || key.len() > LONGEST_KEY {
        let message = format!("`Idempotency-Key` must have between 1 and {LONGEST_KEY} characters");
        return Err(Problem::new(Kind::BadRequest, message).with_code("invalid_idempotency_key").into());
    }
    Ok(Some(Slot { name: digest::named(&call.principal, key), request: digest::request(call) }))
}

/// Answers from what is kept, or takes the call where `begin` takes it and keeps what comes of it.
pub(super) async fn serve(ground: Arc<dyn Ground>, begin: impl FnOnce() -> Pending) -> Result<Answer, Error> {
    let gateway = ground.gateway();
    let call = ground.call();
    let Some(slot) = slot(call)? else { return begin().await };
    let end = loop {
        match gateway.shelf().find(slot, clock::now()) {
            Found::First(end) => break end,
            Found::Other => return Err(other()),
            Found::Answer(packed) => return Ok(replay(ground.as_ref(), &packed)),
            Found::Running(mut ends) => {
                // That the one under way is gone says the same as its word.
                let waited = tokio::time::timeout(PATIENCE, ends.changed()).await;
                waited.map_err(|_| running())?.unwrap_or(());
            }
        }
    };
    let mut holding = Holding { ground: ground.clone(), slot, archived: false, _end: end };
    if let Some(packed) = holding.claim().await? {
        return Ok(replay(ground.as_ref(), &packed));
    }
    let Answer { status, headers, body } = begin().await?;
    if !status.is_success() {
        return Ok(Answer { status, headers, body });
    }
    let body = match body {
        AnswerBody::Whole(Some(body)) => {
            holding.keep(Packed { status, headers: headers.clone(), body: body.clone() });
            AnswerBody::Whole(Some(body))
        }
        body => {
            let most = ground.gateway().settings().service.idempotency_bytes / SHARE;
            let tape = Tape { parts: BytesMut::new(), most, head: (status, headers.clone()), holding };
            AnswerBody::Made(Box::new(Taped { body, tape: Some(tape) }))
        }
    };
    Ok(Answer { status, headers, body })
}

/// A slot that is this call's until there is an answer. Dropped without one, it is nobody's.
struct Holding {
    ground: Arc<dyn Ground>,
    slot: Slot,
    archived: bool,
    /// Dropped last: whoever waits looks anew.
    _end: watch::Sender<()>,
}

impl Holding {
    /// Takes the slot from the archive, or the answer that is there. An archive that is away is as good as none.
    async fn claim(&mut self) -> Result<Option<Arc<Packed>>, Error> {
        let ground = self.ground.clone();
        let Some(archive) = ground.gateway().archive() else { return Ok(None) };
        let began = clock::now();
        loop {
            match archive.claim(self.slot, CLAIM).await {
                Ok(Claim::Taken) => {
                    self.archived = true;
                    return Ok(None);
                }
                Ok(Claim::Other) => return Err(other()),
                Ok(Claim::Kept(bytes)) => match Packed::read(&bytes) {
                    Some(packed) => return Ok(Some(self.shelve(packed))),
                    None => {
                        tracing::warn!("a kept answer cannot be read; the request is made once more");
                        return Ok(None);
                    }
                },
                Ok(Claim::Running) if clock::now().saturating_duration_since(began) > PATIENCE => return Err(running()),
                Ok(Claim::Running) => tokio::time::sleep(LOOK).await,
                Err(error) => {
                    tracing::warn!(%error, "the archive of answers cannot be reached; this gateway goes by its own memory");
                    return Ok(None);
                }
            }
        }
    }

    fn shelve(&self, packed: Packed) -> Arc<Packed> {
        let gateway = self.ground.gateway();
        let settings = &gateway.settings().service;
        let packed = Arc::new(packed);
        let until = clock::now() + settings.idempotency_ttl;
        gateway.shelf().keep(self.slot, packed.clone(), (until, settings.idempotency_bytes));
        packed
    }

    /// Keeps the answer.
    fn keep(mut self, packed: Packed) {
        let packed = self.shelve(packed);
        let gateway = self.ground.gateway();
        if let Some(archive) = gateway.archive().filter(|_| self.archived) {
            self.archived = false;
            archive.keep(self.slot, packed.write(), gateway.settings().service.idempotency_ttl);
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let gateway = self.ground.gateway();
        gateway.shelf().release(self.slot);
        if let Some(archive) = gateway.archive().filter(|_| self.archived) {
            archive.release(self.slot);
        }
    }
}

/// An answer under way that is kept once it has ended well.
struct Taped {
    body: AnswerBody,
    tape: Option<Tape>,
}

struct Tape {
    parts: BytesMut,
    most: u64,
    head: (StatusCode, HeaderMap),
    holding: Holding,
}

impl Source for Taped {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let next = self.body.poll_next(ctx);
        match &next {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(bytes))) => {
                self.tape.take_if(|tape| (tape.parts.len() + bytes.len()) as u64 > tape.most);
                if let Some(tape) = &mut self.tape {
                    tape.parts.extend_from_slice(bytes);
                }
            }
            Poll::Ready(Some(Err(BrokenOff))) => self.tape = None,
            Poll::Ready(None) => {
                let complete = !self.body.has_failed();
                if let Some(Tape { parts, head: (status, headers), holding, .. }) = self.tape.take().filter(|_| complete) {
                    holding.keep(Packed { status, headers, body: parts.freeze() });
                }
            }
        }
        next
    }

    fn has_failed(&self) -> bool {
        self.body.has_failed()
    }

    fn stop(&mut self) {
        self.body.stop();
    }
}

/// The answer once more. It costs nothing, and says that it is one.
fn replay(ground: &dyn Ground, packed: &Packed) -> Answer {
    let mut meter = ground.gateway().repeated(ground.call());
    meter.note(|record| record.status = packed.status.as_u16());
    meter.content();
    meter.complete(None, None);
    let mut headers = packed.headers.clone();
    super::strip(&mut headers);
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    headers.insert(COST, HeaderValue::from_static("0.0"));
    Answer { status: packed.status, headers, body: AnswerBody::Whole(Some(packed.body.clone())) }
}

fn other() -> Error {
    let message = "this `Idempotency-Key` was sent with another request before; a new request needs a key of its own";
    let problem = Problem::new(Kind::BadRequest, message).with_code("idempotency_key_reused");
    Problem { status: Some(StatusCode::UNPROCESSABLE_ENTITY), ..problem }.into()
}

fn running() -> Error {
    let message = "the request of this `Idempotency-Key` is still under way; ask again later";
    let problem = Problem::new(Kind::BadRequest, message).with_code("idempotency_request_in_progress");
    let problem = Problem { status: Some(StatusCode::CONFLICT), retry_after: Some(Duration::from_secs(1)), ..problem };
    Error::new(problem, Origin::Caller, Retry::Never)
}
