//! Calls under way that identical ones may join.
//!
//! None of them owns the call ([`Joint`]): whoever has nothing left to read drives it on,
//! so that it ends neither with the first client nor with a slow one. What was read is kept for those who have not, up to a bound;
//! who falls further behind than that is told that its stream broke off, and the others do not wait. With the last member the call is
//! cancelled.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderMap;
use switchboard_wire::half::Begun;
use switchboard_wire::problem::{Kind, Problem};

use crate::answer::{Answer, AnswerBody, BrokenOff, Source};
use crate::call::Door;
use crate::call::digest::Digest;
use crate::error::Error;

/// What is kept for members that have not read it yet.
const KEPT: usize = 1 << 20;
/// Entries of the board before those of calls that are over are looked for.
const MANY: usize = 1024;

/// A call under way, owned.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

/// The calls that may be joined.
#[derive(Default)]
pub(crate) struct Board(Mutex<HashMap<Digest, Weak<Joint>>>);

/// One call of several.
struct Joint {
    state: Mutex<State>,
    crowd: Arc<Crowd>,
}

struct State {
    stage: Stage,
    head: Option<Head>,
    /// What was read, without what everybody has.
    log: VecDeque<Bytes>,
    /// How much of it was let go.
    gone: u64,
    bytes: usize,
    /// Nobody may join any more.
    closed: bool,
    /// It was known as a whole.
    whole: bool,
    end: Option<End>,
    /// Who reads it, and how far they are.
    members: Vec<(u64, u64)>,
    next_member: u64,
}

enum Stage {
    Asking(Pending),
    Answering(AnswerBody),
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Failed,
    BrokenOff,
}

/// What the call came to.
#[derive(Clone)]
pub(crate) enum Head {
    Answer(StatusCode, HeaderMap),
    Failure(Arc<Error>),
}

/// One of those who read it.
pub(crate) struct Member {
    joint: Arc<Joint>,
    number: u64,
    at: u64,
    door: Door,
    told: bool,
}

/// Whom to wake when there is more.
#[derive(Default)]
struct Crowd(Mutex<HashMap<u64, Waker>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wake for Crowd {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        locked(&self.0).values().for_each(Waker::wake_by_ref);
    }
}

impl Board {
    /// Joins the call of that digest, or begins it. `true`: it was begun.
    pub(crate) fn join(&self, digest: Digest, door: Door, begin: impl FnOnce() -> Pending) -> (Member, bool) {
        let mut board = locked(&self.0);
        if let Some(member) = board.get(&digest).and_then(Weak::upgrade).and_then(|joint| Joint::enter(&joint, door)) {
            return (member, false);
        }
        if board.len() >= MANY {
            board.retain(|_, joint| joint.strong_count() > 0);
        }
        let joint = Arc::new(Joint::new(begin()));
        board.insert(digest, Arc::downgrade(&joint));
        (Member { joint, number: 0, at: 0, door, told: false }, true)
    }
}

impl Joint {
    /// A call with its first member.
    fn new(pending: Pending) -> Self {
        let state = State {
            stage: Stage::Asking(pending),
            head: None,
            log: VecDeque::new(),
            gone: 0,
            bytes: 0,
            closed: false,
            whole: false,
            end: None,
            members: vec![(0, 0)],
            next_member: 1,
        };
        Self { state: Mutex::new(state), crowd: Arc::default() }
    }

    fn enter(joint: &Arc<Self>, door: Door) -> Option<Member> {
        let mut state = locked(&joint.state);
        if state.closed || state.members.is_empty() {
            return None;
        }
        let number = state.next_member;
        state.next_member += 1;
        state.members.push((number, 0));
        Some(Member { joint: joint.clone(), number, at: 0, door, told: false })
    }
}

impl State {
    /// Drives the call on. Whether there is anything new.
    fn advance(&mut self, crowd: &Arc<Crowd>) -> bool {
        let waker = Waker::from(crowd.clone());
        let mut ctx = Context::from_waker(&waker);
        match &mut self.stage {
            Stage::Over => false,
            Stage::Asking(pending) => match pending.as_mut().poll(&mut ctx) {
                Poll::Pending => false,
                Poll::Ready(Ok(answer)) => {
                    self.head = Some(Head::Answer(answer.status, answer.headers));
                    self.stage = Stage::Answering(answer.body);
                    self.whole = matches!(&self.stage, Stage::Answering(AnswerBody::Whole(_)));
                    true
                }
                Poll::Ready(Err(error)) => {
                    self.head = Some(Head::Failure(Arc::new(error)));
                    self.ends(End::Failed)
                }
            },
            Stage::Answering(body) => match body.poll_next(&mut ctx) {
                Poll::Pending => false,
                Poll::Ready(Some(Ok(bytes))) => {
                    self.keep(bytes);
                    true
                }
                Poll::Ready(Some(Err(BrokenOff))) => self.ends(End::BrokenOff),
                Poll::Ready(None) => {
                    let end = if body.has_failed() { End::Failed } else { End::Complete };
                    self.ends(end)
                }
            },
        }
    }

    fn ends(&mut self, end: End) -> bool {
        (self.stage, self.end, self.closed) = (Stage::Over, Some(end), true);
        true
    }

    fn keep(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.log.push_back(bytes);
        self.closed |= self.bytes > KEPT && !self.whole;
        self.let_go();
    }

    /// Lets go of what everybody has, where nobody may join from the beginning, and of what nobody waits for.
    fn let_go(&mut self) {
        if !self.closed || self.whole {
            return;
        }
        let slowest = self.members.iter().map(|(_, at)| *at).min().unwrap_or(u64::MAX);
        while self.log.len() > 1 && (self.gone < slowest || self.bytes > KEPT) {
            self.bytes -= self.log.pop_front().map_or(0, |bytes| bytes.len());
            self.gone += 1;
        }
    }
}

impl Member {
    /// What the call came to, once that is known.
    pub(crate) async fn head(&mut self) -> Head {
        poll_fn(|ctx| {
            let mut state = locked(&self.joint.state);
            loop {
                if let Some(head) = &state.head {
                    return Poll::Ready(head.clone());
                }
                locked(&self.joint.crowd.0).insert(self.number, ctx.waker().clone());
                if !state.advance(&self.joint.crowd) {
                    return Poll::Pending;
                }
                self.joint.crowd.wake_by_ref();
            }
        })
        .await
    }

    /// The answer, where it is known as a whole.
    pub(crate) async fn whole(&mut self) -> Option<Bytes> {
        if !locked(&self.joint.state).whole {
            return None;
        }
        poll_fn(|ctx| self.poll_next(ctx)).await.and_then(Result::ok)
    }

    /// How the client hears that it is too far behind.
    fn behind(&self) -> Result<Bytes, BrokenOff> {
        let message = "this client reads too slowly for an answer that it shares with others";
        let problem = Problem::new(Kind::Timeout, message).with_code("reader_too_slow");
        let begun = Begun { events: self.at, ..Begun::default() };
        match self.door.dialect.inbound() {
            Some(inbound) if !self.door.array => Ok(inbound.write_stream_problem(&problem, self.door.flavor, &begun).into()),
            _ => Err(BrokenOff),
        }
    }
}

impl Source for Member {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let joint = self.joint.clone();
        let mut state = locked(&joint.state);
        loop {
            if self.told {
                return Poll::Ready(None);
            }
            if self.at < state.gone {
                self.told = true;
                return Poll::Ready(Some(self.behind()));
            }
            let ahead = usize::try_from(self.at - state.gone).unwrap_or(usize::MAX);
            if let Some(bytes) = state.log.get(ahead).cloned() {
                self.at += 1;
                let (number, at) = (self.number, self.at);
                if let Some(member) = state.members.iter_mut().find(|(member, _)| *member == number) {
                    member.1 = at;
                }
                state.let_go();
                return Poll::Ready(Some(Ok(bytes)));
            }
            if let Some(end) = state.end {
                self.told = true;
                return Poll::Ready((end == End::BrokenOff).then_some(Err(BrokenOff)));
            }
            locked(&joint.crowd.0).insert(self.number, ctx.waker().clone());
            if !state.advance(&joint.crowd) {
                return Poll::Pending;
            }
            joint.crowd.wake_by_ref();
        }
    }

    fn has_failed(&self) -> bool {
        let state = locked(&self.joint.state);
        self.at < state.gone || state.end.is_some_and(|end| end != End::Complete)
    }

    /// It stops for all of them: each is told where it reads.
    fn stop(&mut self) {
        if let Stage::Answering(body) = &mut locked(&self.joint.state).stage {
            body.stop();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = locked(&self.joint.state);
        state.members.retain(|(number, _)| *number != self.number);
        if state.members.is_empty() {
            state.closed = true;
        }
        drop(state);
        locked(&self.joint.crowd.0).remove(&self.number);
        // Whoever drove it may be the one who leaves.
        self.joint.crowd.wake_by_ref();
    }
}
