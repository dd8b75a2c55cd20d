//! One attempt under way: counts as in flight until it is dropped, and tells what became of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::latency::Took;
use super::{Failure, Health, LastError, millis};

/// One attempt under way. Dropped without [`Self::finish`], it was broken off by the caller.
#[derive(Debug)]
pub struct Ticket {
    health: Arc<Health>,
    began: Instant,
    probing: bool,
    finished: bool,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample<'a> {
    /// What went wrong, and what may be told of it.
    pub failure: Option<(Failure, &'a str)>,
    /// Whether it was streamed.
    pub streamed: bool,
    /// From its beginning to the first content.
    pub first_content: Option<Duration>,
    /// Tokens of the answer.
    pub output_tokens: Option<u64>,
    /// Tokens of prompt and answer together.
    pub tokens: u64,
    /// Whether a tool call of the answer was at fault; `None`: it has none, or nobody looked.
    pub tools_at_fault: Option<bool>,
}

impl Ticket {
    pub(super) fn new(health: Arc<Health>, began: Instant, probing: bool) -> Self {
        health.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { health, began, probing, finished: false }
    }

    /// When the attempt began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Whose it is.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Whether it is the one that finds out whether a deployment is back.
    pub fn is_probe(&self) -> bool {
        self.probing
    }

    /// The first content came: whoever waits for a sign of life has it, however long the answer takes.
    pub fn content(&mut self, now: Instant) {
        if self.probing {
            self.probing = false;
            let at = millis(now);
            self.health.changing(at).breaker.succeeded(at, true);
            self.health.shared.region.succeeded();
        }
    }

    /// Nothing was sent: it is as if it had not begun.
    pub fn unsent(mut self) {
        self.finished = true;
        let at = millis(self.began);
        let now = at.max(millis(crate::clock::now()));
        let mut state = self.health.changing(now);
        let minute = state.minute.turn(now);
        // In the next minute, its request is no longer counted.
        if minute.number == at / 60_000 {
            minute.requests = minute.requests.saturating_sub(1);
        }
        if self.probing {
            state.breaker.undecided(at);
        }
    }

    /// It was given up because another one was quicker: that it took at least so long is known, and that is all.
    pub fn outrun(self, streamed: bool, now: Instant) {
        let at = millis(now);
        let waited = now.saturating_duration_since(self.began).as_secs_f64();
        self.health.changing(at).moving.outrun(streamed, waited, at);
    }

    /// Says what became of it. `true`: the deployment has been shut out by it.
    pub fn finish(mut self, sample: &Sample<'_>, now: Instant) -> bool {
        self.finished = true;
        match sample.failure {
            None => {
                self.succeeded(sample, now);
                false
            }
            Some((failure, message)) => self.failed(failure, message, sample, now),
        }
    }

    fn succeeded(&self, sample: &Sample<'_>, now: Instant) {
        let at = millis(now);
        let took = self.took(sample, now);
        let shared = &self.health.shared;
        shared.credential.accepted();
        shared.limit.accepted();
        shared.region.succeeded();
        let mut state = self.health.changing(at);
        state.breaker.succeeded(at, self.probing);
        state.windows.succeeded(took, sample.tokens, at);
        if let Some(at_fault) = sample.tools_at_fault {
            state.windows.called_tools(at_fault, at);
        }
        state.outages.add(None, at);
        state.moving.add(took, at);
        let minute = state.minute.turn(at);
        minute.tokens = minute.tokens.saturating_add(sample.tokens);
        minute.answered += 1;
    }

    fn failed(&self, failure: Failure, message: &str, sample: &Sample<'_>, now: Instant) -> bool {
        let at = millis(now);
        let mut opened = false;
        {
            let mut state = self.health.changing(at);
            state.windows.failed(failure, sample.tokens, at);
            if failure.counts() {
                opened = state.breaker.failed(at, self.probing);
            } else if self.probing {
                // The deployment answered, if not with what was wanted.
                match failure {
                    Failure::Own | Failure::Unsupported | Failure::Hurried => state.breaker.undecided(at),
                    _ => state.breaker.succeeded(at, true),
                }
            }
            if !failure.is_callers() {
                state.outages.add(Some(failure), at);
            }
            if failure == Failure::Timeout {
                let waited = now.saturating_duration_since(self.began).as_secs_f64();
                state.moving.timed_out(sample.streamed, waited, at);
            }
            let minute = state.minute.turn(at);
            minute.tokens = minute.tokens.saturating_add(sample.tokens);
            minute.answered += 1;
            minute.failed += 1;
            state.last_error = Some(LastError { failure, message: message.to_owned(), at: now });
        }
        let shared = &self.health.shared;
        match failure {
            Failure::Credential => shared.credential.refused(at),
            Failure::Quota => shared.credential.spent(at),
            Failure::Denied => shared.limit.denied(at),
            _ => {}
        }
        if opened {
            shared.region.opened();
        }
        opened
    }

    /// The time per token is what it took after the first content of a stream, or the whole answer, by its tokens.
    fn took(&self, sample: &Sample<'_>, now: Instant) -> Took {
        let whole = now.saturating_duration_since(self.began).as_secs_f64();
        let tokens = sample.output_tokens.filter(|tokens| *tokens > 0).map(|tokens| tokens as f64);
        if !sample.streamed {
            return Took { first_content: None, whole: Some(whole), per_token: tokens.map(|tokens| whole / tokens) };
        }
        let first = sample.first_content.map(|first| first.as_secs_f64());
        // The first token is not among those that came after it.
        let spoken = tokens.filter(|tokens| *tokens > 1.0).zip(first).map(|(tokens, first)| (whole - first).max(0.0) / (tokens - 1.0));
        Took { first_content: first, whole: None, per_token: spoken.filter(|seconds| *seconds > 0.0) }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.health.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.finished {
            return;
        }
        // Nobody says what time it is when a future is dropped; that the caller left matters to no deadline but a trial's.
        let at = millis(Instant::now().max(self.began));
        let mut state = self.health.changing(at);
        state.windows.cancelled(0, at);
        if self.probing {
            state.breaker.undecided(at);
        }
    }
}
