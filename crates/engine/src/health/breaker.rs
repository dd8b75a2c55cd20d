//! Whether requests may go to a deployment, and the one that finds out whether they may again.
//!
//! Closed, until [`CONSECUTIVE`] attempts in a row fail, or half of at least [`ENOUGH`] within [`SPAN`]. Where some fail all the time, a
//! run of failures may be chance, which is the likelier the more there are: it counts once it is longer than chance would have it.
//! Then open for a penalty that doubles with each failed trial. Then exactly one request goes through: if it succeeds, traffic comes
//! back over [`RAMP`].

use std::time::Instant;

use super::instant;

/// Failures in a row that open it.
const CONSECUTIVE: u32 = 5;
/// Attempts within [`SPAN`] before their share of failures counts.
const ENOUGH: u32 = 20;
/// A run of failures that is less likely than this is no chance.
const CHANCE: f64 = 1.0e-6;
/// Milliseconds over which the share of failures is taken.
const SPAN: u64 = 10_000;
/// The first penalty, in milliseconds.
const SHORTEST: u64 = 1_000;
/// The longest penalty, in milliseconds.
const LONGEST: u64 = 60_000;
/// Up to this share of the penalty is added by chance, so that gateways do not come back together.
const JITTER: f64 = 0.5;
/// Milliseconds over which traffic comes back.
const RAMP: u64 = 10_000;
/// Buckets of [`SPAN`].
const BUCKETS: usize = 10;

/// Why no request may go to a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It failed too often.
    Open,
    /// A request that finds out is under way.
    Probing,
    /// It comes back by and by, and this request was not among the first.
    Ramping,
    /// It rests: a rule of the operator's, or a provider's hint.
    Resting,
    /// The credential's rate for this model is used up.
    RateLimited,
    /// The credential is refused or its money gone.
    Quarantined,
    /// The region it is in is failing.
    Region,
    /// A check of the gateway's own failed.
    Unwell,
}

impl Why {
    /// Its name in explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Open => "breaker_open",
            Why::Probing => "breaker_probing",
            Why::Ramping => "breaker_ramping",
            Why::Resting => "cooldown",
            Why::RateLimited => "rate_limited",
            Why::Quarantined => "credential_quarantined",
            Why::Region => "region_outage",
            Why::Unwell => "health_check",
        }
    }
}

/// No request may go there before a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Milliseconds of [`super::millis`].
    pub(crate) until: u64,
    /// Why.
    pub why: Why,
    /// Whether that is our own guess, which yields where there is nothing else.
    pub soft: bool,
}

impl Refusal {
    pub(crate) fn firm(until: u64, why: Why) -> Self {
        Self { until, why, soft: false }
    }

    pub(crate) fn soft(until: u64, why: Why) -> Self {
        Self { until, why, soft: true }
    }

    /// When it is worth asking again.
    pub fn until(&self) -> Instant {
        instant(self.until)
    }
}

/// The state of one breaker.
#[derive(Debug, Default)]
pub struct Breaker {
    phase: Phase,
    in_a_row: u32,
    buckets: [Bucket; BUCKETS],
    /// The next penalty; 0: the shortest.
    penalty: u64,
    /// It lets everything through, whatever fails.
    off: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Closed,
    Open {
        until: u64,
    },
    Probing {
        /// When the trial began; one that is never heard of again does not lock the deployment out.
        since: u64,
    },
    Ramping {
        since: u64,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    number: u64,
    all: u32,
    failed: u32,
}

/// A trial that has not been heard of for so long is given up, in milliseconds.
const TRIAL: u64 = 600_000;

impl Breaker {
    /// Why no request may go there, without changing anything. A deployment whose penalty is over is not refused.
    pub(crate) fn refusal(&self, at: u64) -> Option<Refusal> {
        match self.phase {
            Phase::Closed | Phase::Ramping { .. } => None,
            Phase::Open { until } => (until > at).then_some(Refusal::firm(until, Why::Open)),
            Phase::Probing { since } => (since + TRIAL > at).then_some(Refusal::firm(at + SHORTEST, Why::Probing)),
        }
    }

    /// Whether it lets everything through.
    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether it is to be one at all: what it held against the deployment is forgotten where not.
    pub(crate) fn turn_off(&mut self, off: bool) {
        if off && !self.off {
            (self.phase, self.penalty, self.in_a_row) = (Phase::Closed, 0, 0);
        }
        self.off = off;
    }

    /// Lets a request through, or says why not. `true`: it is the one that finds out.
    pub(crate) fn enter(&mut self, at: u64) -> Result<bool, Refusal> {
        match self.phase {
            Phase::Closed => Ok(false),
            Phase::Open { .. } | Phase::Probing { .. } => match self.refusal(at) {
                Some(refusal) => Err(refusal),
                None => {
                    self.phase = Phase::Probing { since: at };
                    Ok(true)
                }
            },
            Phase::Ramping { since } => {
                let come = at.saturating_sub(since);
                if come >= RAMP {
                    self.phase = Phase::Closed;
                    return Ok(false);
                }
                // At least a tenth at once, or an idle deployment would hardly come back.
                let share = (come.max(RAMP / 10)) as f64 / RAMP as f64;
                if fastrand::f64() < share { Ok(false) } else { Err(Refusal::soft(at, Why::Ramping)) }
            }
        }
    }

    /// Ends the penalty now: all others are open too, and the next request finds out. `false`: one is finding out already.
    pub(crate) fn open_early(&mut self, at: u64) -> bool {
        if let Phase::Open { until } = &mut self.phase {
            *until = (*until).min(at);
        }
        self.refusal(at).is_none()
    }

    /// An attempt went well.
    pub(crate) fn succeeded(&mut self, at: u64, probing: bool) {
        self.in_a_row = 0;
        if probing && matches!(self.phase, Phase::Probing { .. } | Phase::Open { .. }) {
            self.phase = Phase::Ramping { since: at };
            self.penalty = 0;
            self.buckets = Default::default();
        }
        self.bucket(at).all += 1;
    }

    /// An attempt failed in a way that counts. `true`: it has opened by that.
    pub(crate) fn failed(&mut self, at: u64, probing: bool) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let bucket = self.bucket(at);
        bucket.all += 1;
        bucket.failed += 1;
        let opens = match self.phase {
            _ if self.off => false,
            Phase::Probing { .. } => probing,
            // What was sent before it opened tells nothing new.
            Phase::Open { .. } => false,
            Phase::Closed | Phase::Ramping { .. } => self.fails(at),
        };
        if opens {
            self.open(at);
        }
        opens
    }

    /// The request that was to find out ended without telling anything.
    pub(crate) fn undecided(&mut self, at: u64) {
        if let Phase::Probing { .. } = self.phase {
            self.phase = Phase::Open { until: at };
        }
    }

    fn open(&mut self, at: u64) {
        let penalty = if self.penalty == 0 { SHORTEST } else { self.penalty };
        let until = at + penalty + (penalty as f64 * JITTER * fastrand::f64()) as u64;
        self.penalty = (penalty * 2).min(LONGEST);
        self.phase = Phase::Open { until };
        self.in_a_row = 0;
    }

    fn fails(&self, at: u64) -> bool {
        let first = (at / (SPAN / BUCKETS as u64)).saturating_sub(BUCKETS as u64 - 1);
        let live = self.buckets.iter().filter(|bucket| bucket.number >= first);
        let (all, failed) = live.fold((0, 0), |(all, failed), bucket| (all + bucket.all, failed + bucket.failed));
        if all >= ENOUGH && failed * 2 >= all {
            return true;
        }
        let run = self.in_a_row;
        let (all, failed) = (all.saturating_sub(run), failed.saturating_sub(run));
        run >= CONSECUTIVE && (all < ENOUGH || (f64::from(failed) / f64::from(all)).powi(run.cast_signed()) < CHANCE)
    }

    fn bucket(&mut self, at: u64) -> &mut Bucket {
        let number = at / (SPAN / BUCKETS as u64);
        let bucket = &mut self.buckets[(number % BUCKETS as u64) as usize];
        if bucket.number != number {
            *bucket = Bucket { number, ..Bucket::default() };
        }
        bucket
    }
}

#[cfg(test)]
mod tests;
