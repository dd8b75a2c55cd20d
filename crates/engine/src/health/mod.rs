//! How each deployment is doing, from what was seen of it: the ground for choosing, resting and explaining.
//!
//! One [`Health`] belongs to one deployment and outlives reloads of the configuration ([`Registry`]). It is read through a
//! [`View`], mostly without a lock, and written twice a request: when it is sent ([`Health::begin`]) and when it has ended
//! ([`Ticket::finish`]). No lock is held across an await, and time is an argument.
//!
//! | file | what |
//! |---|---|
//! | [`breaker`] | whether requests may go there, and the one that finds out |
//! | [`failure`] | what went wrong, and what of it counts against a deployment |
//! | [`latency`] | how long answers take: moving figures for choosing |
//! | [`window`] | the same over minutes, half hours and days: figures for telling |
//! | [`credential`] | what deployments that share a credential, a limit or a region share |
//! | [`peers`] | what gateways tell each other |
//! | [`registry`] | the health of every deployment, by its id |
//! | [`slate`] | what choosing reads, without a lock |

pub mod breaker;
mod by_class;
pub mod credential;
pub mod failure;
pub mod latency;
pub mod peers;
pub mod registry;
mod slate;
mod stated;
mod ticket;
pub mod window;

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use breaker::{Refusal, Why};
pub use by_class::ByClass;
pub use credential::Shared;
pub use failure::Failure;
pub use latency::{Latencies, Means, Peak, Recent};
pub use peers::{Peers, Report};
pub use registry::{Place, Registry};
pub use ticket::{Sample, Ticket};
pub use window::{Counts, Figures, Window};

use breaker::Breaker;
use latency::Moving;
use peers::{Abroad, Joined, Rests};
use slate::{Plain, Slate};
use stated::Stated;
use window::{Outages, Windows};

/// How a deployment is doing.
#[derive(Debug)]
pub struct Health {
    shared: Shared,
    in_flight: AtomicU32,
    /// Until when no request goes there by a rule of the operator's or a provider's hint; 0: none.
    resting: AtomicU64,
    /// Until when it is only asked where there is nothing else.
    avoided: AtomicU64,
    /// Until when a check of its own says that it is not well; 0: none does.
    unwell: AtomicU64,
    /// When it last let a request through early, for all of its group.
    probed: AtomicU64,
    /// Rests that other gateways told of.
    rests: Rests,
    slate: Slate,
    /// What its answers cost, where the provider says it.
    pub(crate) stated: Stated,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    windows: Windows,
    outages: Outages,
    moving: Moving,
    minute: Minute,
    abroad: Abroad,
    last_error: Option<LastError>,
}

/// What a deployment was asked for in the current minute.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    number: u64,
    requests: u32,
    tokens: u64,
    failed: u32,
    answered: u32,
}

/// The latest failure.
#[derive(Clone, Debug)]
pub struct LastError {
    /// What kind it was.
    pub failure: Failure,
    /// What may be told of it.
    pub message: String,
    /// When.
    pub at: Instant,
}

/// What choosing needs to know, at one time.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Requests under way.
    pub in_flight: u32,
    /// Why no request may go there now, where none may.
    pub refusal: Option<Refusal>,
    first_content: Peak,
    whole: Peak,
    /// Seconds for one token of the answer: moving average.
    pub per_token: Option<f64>,
    /// Attempts of the last half minute that had an outcome.
    pub recent_attempts: u32,
    /// Of these, how many failed.
    pub recent_failures: u32,
    /// Of these, how many brought the caller no answer for a reason that is not the caller's, rate limits included.
    pub recent_unanswered: u32,
    /// Requests sent in the current minute.
    pub requests_this_minute: u32,
    /// Tokens counted in the current minute.
    pub tokens_this_minute: u64,
    at: u64,
}

impl View {
    /// Seconds to the first content of a stream: peak-sensitive moving average.
    pub fn first_content(&self) -> Option<f64> {
        self.first_content.get(self.at)
    }

    /// Seconds a whole answer takes: peak-sensitive moving average.
    pub fn whole(&self) -> Option<f64> {
        self.whole.get(self.at)
    }

    /// Share of attempts of the last half minute that failed, rate limits not counted; `None` where there was none.
    pub fn error_rate(&self) -> Option<f64> {
        let answered = self.recent_attempts.saturating_sub(self.recent_unanswered);
        let counted = answered.saturating_add(self.recent_failures);
        (counted > 0).then(|| f64::from(self.recent_failures) / f64::from(counted))
    }

    /// Whether the deployment is answering right now.
    pub fn is_proven(&self) -> bool {
        self.recent_attempts > 0 && self.recent_unanswered * 2 <= self.recent_attempts
    }
}

impl Health {
    /// A deployment of which nothing has been seen.
    pub fn new(shared: Shared) -> Self {
        let state = State {
            breaker: Breaker::default(),
            windows: Windows::default(),
            outages: Outages::default(),
            moving: Moving::default(),
            minute: Minute::default(),
            abroad: Abroad::default(),
            last_error: None,
        };
        Self {
            shared,
            in_flight: AtomicU32::new(0),
            resting: AtomicU64::new(0),
            avoided: AtomicU64::new(0),
            unwell: AtomicU64::new(0),
            probed: AtomicU64::new(0),
            rests: Rests::default(),
            slate: Slate::default(),
            stated: Stated::default(),
            state: Mutex::new(state),
        }
    }

    /// What it shares with others.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What choosing needs to know.
    pub fn view(&self, now: Instant) -> View {
        self.view_at(millis(now))
    }

    /// The same at that time of [`millis`], which is worked out once for all deployments of a group.
    pub(crate) fn view_at(&self, at: u64) -> View {
        let (refusal, in_flight) = (self.rest(at), self.in_flight());
        match self.slate.read(at) {
            Some(plain) => plain.view(at, refusal, in_flight),
            None => {
                // The next reader shall not need the lock.
                let state = self.changing(at);
                state.view(at, refusal, in_flight)
            }
        }
    }

    /// Why no request may go there now, where none may. Changes nothing: whether a request may be the one that finds out is for
    /// [`Self::begin`] to say.
    pub fn refusal(&self, now: Instant) -> Option<Refusal> {
        let at = millis(now);
        self.rest(at).or_else(|| self.state().breaker.refusal(at))
    }

    /// Sends a request there, or says why not.
    pub fn begin(self: &Arc<Self>, now: Instant) -> Result<Ticket, Refusal> {
        let at = millis(now);
        if let Some(refusal) = self.rest(at) {
            return Err(refusal);
        }
        let probing = {
            let mut state = self.changing(at);
            let probing = state.breaker.enter(at)?;
            state.minute.turn(at).requests += 1;
            probing
        };
        let regional = self.shared.region.enter(at, probing)?;
        Ok(Ticket::new(self.clone(), now, probing || regional))
    }

    /// Sends a request there whatever is known against it (the only deployment, or a call that names it).
    pub fn begin_anyway(self: &Arc<Self>, now: Instant) -> Ticket {
        let at = millis(now);
        self.changing(at).minute.turn(at).requests += 1;
        Ticket::new(self.clone(), now, false)
    }

    /// Lets it rest. A rest is never made shorter.
    pub fn rest_until(&self, until: Instant) {
        self.resting.fetch_max(millis(until), Ordering::Relaxed);
    }

    /// Lets it be asked only where there is nothing else. Never made shorter.
    pub fn avoid_until(&self, until: Instant) {
        self.avoided.fetch_max(millis(until), Ordering::Relaxed);
    }

    /// Says what a check found: not well, which is believed until then, or well.
    pub fn unwell_until(&self, until: Option<Instant>) {
        self.unwell.store(until.map_or(0, millis), Ordering::Relaxed);
    }

    /// The credential's rate for this model is used up until then; `told` by the provider, or guessed.
    pub fn limit_until(&self, until: Instant, told: bool) {
        self.shared.limit.used_up(millis(until), told);
    }

    /// Ends the breaker's penalty now, so that the next request finds out. `false`: one is doing so already.
    pub fn open_early(&self, now: Instant) -> bool {
        let at = millis(now);
        self.changing(at).breaker.open_early(at)
    }

    /// Whether its breaker is to be none, because a rule of the operator's says when it rests.
    pub fn break_never(&self, never: bool) {
        self.changing(millis(crate::clock::now())).breaker.turn_off(never);
    }

    /// Whether a second has passed since this was last true: the clock of a group all of whose deployments are shut out.
    pub fn claim_probe(&self, now: Instant) -> bool {
        let at = millis(now);
        let last = self.probed.load(Ordering::Relaxed);
        last + 1_000 <= at && self.probed.compare_exchange(last, at, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Adds tokens to those of this minute.
    pub fn add_tokens(&self, tokens: u64, now: Instant) {
        let at = millis(now);
        let mut state = self.changing(at);
        let minute = state.minute.turn(at);
        minute.tokens = minute.tokens.saturating_add(tokens);
    }

    /// Attempts of the current minute that failed, and all that had an outcome.
    pub fn failures_this_minute(&self, now: Instant) -> (u32, u32) {
        let minute = self.state().minute.at(millis(now));
        (minute.failed, minute.answered)
    }

    /// The means over the latest latencies that are no older than that, and than an hour.
    pub fn means(&self, now: Instant, age: Duration) -> Means {
        self.means_since((now, age), Self::since(now, age))
    }

    /// From when on latencies count that are no older than that: worked out once for all deployments of a group.
    pub(crate) fn since(now: Instant, age: Duration) -> u64 {
        let longest = u64::try_from(age.as_millis()).unwrap_or(u64::MAX).min(latency::LIFE);
        millis(now).saturating_sub(longest)
    }

    /// The same means, where it is known from when on latencies count.
    pub(crate) fn means_since(&self, (now, age): (Instant, Duration), since: u64) -> Means {
        match self.slate.latest() {
            Some((oldest, means)) if oldest >= since => means,
            _ => self.state().moving.latencies().means(now, age),
        }
    }

    /// The latest latencies, for strategies that work on a list of them.
    pub fn recent(&self, visit: &mut dyn FnMut(&Latencies)) {
        visit(self.state().moving.latencies());
    }

    /// What was seen in a window: counts, and percentiles of latency and throughput.
    pub fn figures(&self, window: Window, now: Instant) -> Figures {
        self.state().windows.figures(window, millis(now))
    }

    /// The share of answers of the last day with a tool call at fault, of those with tool calls; of few, as if they were more, since one
    /// fault of one call says little.
    pub fn tool_faults(&self, now: Instant) -> Option<f64> {
        const FEW: u64 = 10;
        let counts = self.state().windows.counts(Window::Day, millis(now));
        (counts.called_tools > 0).then(|| counts.tools_at_fault as f64 / counts.called_tools.max(FEW) as f64)
    }

    /// The 95th percentile over five minutes of the time to the first content of a stream, or of a whole answer; worked out anew every
    /// few seconds at most.
    pub fn slow(&self, streamed: bool, now: Instant) -> Option<Duration> {
        let at = millis(now);
        let slow = self.changing(at).windows.slow(at);
        if streamed { slow.first_content } else { slow.whole }
    }

    /// The latest failure.
    pub fn last_error(&self) -> Option<LastError> {
        self.state().last_error.clone()
    }

    fn rest(&self, at: u64) -> Option<Refusal> {
        let (until, avoided) = (self.resting.load(Ordering::Relaxed), self.avoided.load(Ordering::Relaxed));
        let unwell = self.unwell.load(Ordering::Relaxed);
        // Nearly always nothing is in the way, and nobody need ask what.
        if until.max(avoided).max(unwell).max(self.shared.until()).max(self.rests.until()) <= at {
            return None;
        }
        if until > at {
            return Some(Refusal::firm(until, Why::Resting));
        }
        self.shared.refusal(at).or_else(|| self.rests.refusal(at)).or_else(|| {
            let soft = [(avoided, Why::Resting), (unwell, Why::Unwell)];
            soft.into_iter().find_map(|(until, why)| (until > at).then_some(Refusal::soft(until, why)))
        })
    }

    /// The state, for reading.
    fn state(&self) -> impl Deref<Target = State> {
        self.lock()
    }

    /// The state, for changing: what choosing reads of it is written anew afterwards.
    fn changing(&self, at: u64) -> Changing<'_> {
        Changing { state: self.lock(), slate: &self.slate, at }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A state that is being changed.
struct Changing<'a> {
    state: MutexGuard<'a, State>,
    slate: &'a Slate,
    at: u64,
}

impl Deref for Changing<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.slate.write(&self.state, self.at);
    }
}

impl State {
    /// What choosing needs to know of it.
    fn view(&self, at: u64, refusal: Option<Refusal>, in_flight: u32) -> View {
        let seen = self.outages.of_last_half_minute(at);
        let abroad = self.abroad.fresh(at);
        let minute = self.minute.at(at);
        let (first_content, whole) = self.moving.peaks();
        let own = Joined { first_content: first_content.get(at), whole: whole.get(at), per_token: self.moving.per_token() };
        let (first_content, whole, per_token) = match abroad.join(own, seen.attempts) {
            None => (first_content, whole, self.moving.per_token()),
            Some(joined) => (Peak::now(joined.first_content, at), Peak::now(joined.whole, at), joined.per_token),
        };
        View {
            in_flight,
            refusal: refusal.or_else(|| self.breaker.refusal(at)),
            first_content,
            whole,
            per_token,
            recent_attempts: seen.attempts.saturating_add(abroad.attempts),
            recent_failures: seen.failures.saturating_add(abroad.failures),
            recent_unanswered: seen.unanswered.saturating_add(abroad.unanswered),
            requests_this_minute: minute.requests.saturating_add(abroad.requests),
            tokens_this_minute: minute.tokens.saturating_add(abroad.tokens),
            at,
        }
    }
}

impl Plain {
    /// What choosing needs to know, of a deployment that is open to all.
    fn view(self, at: u64, refusal: Option<Refusal>, in_flight: u32) -> View {
        let minute = self.minute.at(at);
        View {
            in_flight,
            refusal,
            first_content: self.first_content,
            whole: self.whole,
            per_token: self.per_token,
            recent_attempts: self.seen.attempts,
            recent_failures: self.seen.failures,
            recent_unanswered: self.seen.unanswered,
            requests_this_minute: minute.requests,
            tokens_this_minute: minute.tokens,
            at,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new(Shared::default())
    }
}

impl Minute {
    fn turn(&mut self, at: u64) -> &mut Self {
        *self = self.at(at);
        self
    }

    fn at(self, at: u64) -> Self {
        let number = at / 60_000;
        if self.number == number { self } else { Self { number, ..Self::default() } }
    }
}

/// Milliseconds since a while before the process began. A paused clock of a test may lag behind the real one, so the beginning lies
/// well in the past.
pub(crate) fn millis(now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(*EPOCH).as_millis()).unwrap_or(u64::MAX)
}

/// The inverse of [`millis`].
pub(crate) fn instant(at: u64) -> Instant {
    *EPOCH + Duration::from_millis(at)
}

static EPOCH: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3630)).unwrap_or(now)
});

#[cfg(test)]
mod tests;
