//! Counts and percentiles over five minutes, half an hour and a day, in bounded memory.
//!
//! What is seen goes into the tally of the current minute alone. When the minute is over, that tally is added to rings of coarser
//! slots; a question adds up the slots of its window. A percentile comes from a sketch whose relative error is bounded.

use std::time::Duration;

use sketches_ddsketch::{Config, DDSketch};

use super::Failure;
use super::latency::Took;

/// Relative error of a percentile.
const ERROR: f64 = 0.03;
/// Bins of a sketch: enough for a tenth of a millisecond to hours.
const BINS: u32 = 384;
/// Shorter times than this are this.
const SMALLEST: f64 = 1.0e-4;
/// Milliseconds for which the slow end of answers is not worked out anew.
const FRESH: u64 = 5_000;
/// The same while nothing is known.
const UNKNOWN: u64 = 200;

/// How far to look back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Five minutes.
    FiveMinutes,
    /// Half an hour.
    HalfHour,
    /// A day.
    Day,
}

/// What became of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Complete answers.
    pub succeeded: u64,
    /// Failures of each kind, in the order of [`Failure::ALL`].
    pub failed: [u32; Failure::ALL.len()],
    /// Attempts that the caller broke off.
    pub cancelled: u64,
    /// Tokens of prompts and answers together.
    pub tokens: u64,
    /// Answers whose tool calls were looked at.
    pub called_tools: u64,
    /// Of these, how many had one that was at fault.
    pub tools_at_fault: u64,
}

impl Counts {
    /// Failures of that kind.
    pub fn of(&self, failure: Failure) -> u32 {
        self.failed[failure.index()]
    }

    /// Share of attempts that did not meet an outage; rate limits and callers' own faults are neither. `None` where there was none.
    pub fn uptime(&self) -> Option<f64> {
        let down: u64 = Failure::ALL.iter().filter(|failure| failure.is_outage()).map(|failure| u64::from(self.of(*failure))).sum();
        let all = self.succeeded + down;
        (all > 0).then(|| self.succeeded as f64 / all as f64)
    }

    fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.cancelled += other.cancelled;
        self.tokens += other.tokens;
        self.called_tools += other.called_tools;
        self.tools_at_fault += other.tools_at_fault;
        for (mine, theirs) in self.failed.iter_mut().zip(other.failed) {
            *mine += theirs;
        }
    }
}

/// What was seen in a window.
#[derive(Clone)]
pub struct Figures {
    /// What became of the attempts.
    pub counts: Counts,
    first_content: DDSketch,
    whole: DDSketch,
    throughput: DDSketch,
}

impl Figures {
    /// Seconds to the first content of streams at that quantile (0 to 1).
    pub fn first_content(&self, quantile: f64) -> Option<f64> {
        at(&self.first_content, quantile)
    }

    /// Seconds of whole answers at that quantile.
    pub fn whole(&self, quantile: f64) -> Option<f64> {
        at(&self.whole, quantile)
    }

    /// Tokens a second at that quantile.
    pub fn throughput(&self, quantile: f64) -> Option<f64> {
        at(&self.throughput, quantile)
    }
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Figures").field("counts", &self.counts).finish_non_exhaustive()
    }
}

fn at(sketch: &DDSketch, quantile: f64) -> Option<f64> {
    sketch.quantile(quantile).ok().flatten()
}

#[derive(Clone, Debug)]
struct Tally(Figures);

impl Default for Tally {
    fn default() -> Self {
        let sketch = || DDSketch::new(Config::new(ERROR, BINS, SMALLEST));
        Self(Figures { counts: Counts::default(), first_content: sketch(), whole: sketch(), throughput: sketch() })
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.0.counts.add(&other.0.counts);
        let pairs = [
            (&mut self.0.first_content, &other.0.first_content),
            (&mut self.0.whole, &other.0.whole),
            (&mut self.0.throughput, &other.0.throughput),
        ];
        for (mine, theirs) in pairs {
            if theirs.count() > 0 && mine.merge(theirs).is_err() {
                // Sketches of one configuration always merge.
                tracing::error!("a latency sketch could not be merged");
            }
        }
    }
}

/// Slots of some minutes each, the newest over the oldest.
#[derive(Debug)]
struct Ring {
    minutes: u64,
    slots: Vec<Option<Box<(u64, Tally)>>>,
}

impl Ring {
    fn new(minutes: u64, slots: usize) -> Self {
        Self { minutes, slots: vec![None; slots] }
    }

    fn add(&mut self, minute: u64, tally: &Tally) {
        let number = minute / self.minutes;
        let length = self.slots.len() as u64;
        let slot = &mut self.slots[(number % length) as usize];
        match slot {
            Some(slot) if slot.0 == number => slot.1.add(tally),
            _ => *slot = Some(Box::new((number, tally.clone()))),
        }
    }

    /// The tallies that are not too old at that minute.
    fn within(&self, minute: u64) -> impl Iterator<Item = &Tally> {
        let newest = minute / self.minutes;
        let oldest = (newest + 1).saturating_sub(self.slots.len() as u64);
        self.slots.iter().flatten().filter(move |slot| (oldest..=newest).contains(&slot.0)).map(|slot| &slot.1)
    }
}

/// The windows of one deployment.
#[derive(Debug)]
pub(crate) struct Windows {
    minute: u64,
    current: Tally,
    fives: Ring,
    halves: Ring,
    day: Ring,
    slow: Option<(u64, Slow)>,
}

/// What 95 of 100 answers are quicker than.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slow {
    /// To the first content of a stream.
    pub(crate) first_content: Option<Duration>,
    /// As a whole.
    pub(crate) whole: Option<Duration>,
}

impl Default for Windows {
    fn default() -> Self {
        Self { minute: 0, current: Tally::default(), fives: Ring::new(1, 5), halves: Ring::new(5, 6), day: Ring::new(60, 24), slow: None }
    }
}

impl Windows {
    pub(crate) fn succeeded(&mut self, took: Took, tokens: u64, at: u64) {
        let figures = self.turn(at);
        figures.counts.succeeded += 1;
        figures.counts.tokens += tokens;
        if let Some(seconds) = took.first_content {
            figures.first_content.add(seconds);
        }
        if let Some(seconds) = took.whole {
            figures.whole.add(seconds);
        }
        if let Some(seconds) = took.per_token.filter(|seconds| *seconds > 0.0) {
            figures.throughput.add(1.0 / seconds);
        }
    }

    pub(crate) fn failed(&mut self, failure: Failure, tokens: u64, at: u64) {
        let counts = &mut self.turn(at).counts;
        counts.failed[failure.index()] += 1;
        counts.tokens += tokens;
    }

    pub(crate) fn cancelled(&mut self, tokens: u64, at: u64) {
        let counts = &mut self.turn(at).counts;
        counts.cancelled += 1;
        counts.tokens += tokens;
    }

    /// An answer called tools, and what they were like.
    pub(crate) fn called_tools(&mut self, at_fault: bool, at: u64) {
        let counts = &mut self.turn(at).counts;
        counts.called_tools += 1;
        counts.tools_at_fault += u64::from(at_fault);
    }

    /// The counts of a window, without its percentiles.
    pub(crate) fn counts(&self, window: Window, at: u64) -> Counts {
        let ring = self.ring(window);
        let mut sum = Counts::default();
        for tally in ring.within(at / 60_000) {
            sum.add(&tally.0.counts);
        }
        if self.is_within(ring, at / 60_000) {
            sum.add(&self.current.0.counts);
        }
        sum
    }

    fn ring(&self, window: Window) -> &Ring {
        match window {
            Window::FiveMinutes => &self.fives,
            Window::HalfHour => &self.halves,
            Window::Day => &self.day,
        }
    }

    /// Whether the current tally is young enough for that ring.
    fn is_within(&self, ring: &Ring, minute: u64) -> bool {
        self.minute + ring.minutes * ring.slots.len() as u64 > minute
    }

    pub(crate) fn figures(&self, window: Window, at: u64) -> Figures {
        let minute = at / 60_000;
        let ring = self.ring(window);
        let mut sum = Tally::default();
        ring.within(minute).for_each(|tally| sum.add(tally));
        if self.is_within(ring, minute) {
            sum.add(&self.current);
        }
        sum.0
    }

    pub(crate) fn slow(&mut self, at: u64) -> Slow {
        if let Some((known_at, slow)) = self.slow {
            let fresh = if slow.first_content.is_some() || slow.whole.is_some() { FRESH } else { UNKNOWN };
            if known_at + fresh > at {
                return slow;
            }
        }
        let figures = self.figures(Window::FiveMinutes, at);
        let time = |seconds: Option<f64>| Duration::try_from_secs_f64(seconds?).ok();
        let slow = Slow { first_content: time(figures.first_content(0.95)), whole: time(figures.whole(0.95)) };
        self.slow = Some((at, slow));
        slow
    }

    /// The tally of this minute; the last one's goes into the rings.
    fn turn(&mut self, at: u64) -> &mut Figures {
        let minute = at / 60_000;
        if minute != self.minute {
            let past = std::mem::take(&mut self.current);
            let any = past.0.counts != Counts::default();
            for ring in [&mut self.fives, &mut self.halves, &mut self.day] {
                if any {
                    ring.add(self.minute, &past);
                }
            }
            self.minute = minute;
        }
        &mut self.current.0
    }
}

/// What became of the attempts of the last half minute, in slots of five seconds.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    slots: [(u64, Seen); 6],
}

/// What became of some attempts; what a caller brought about alone is not among them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) attempts: u32,
    /// Those that met an outage.
    pub(crate) failures: u32,
    /// Those that brought no answer: outages, rate limits, passing states.
    pub(crate) unanswered: u32,
}

impl Outages {
    const SLOT: u64 = 5_000;

    /// The number of the slot of that time.
    pub(crate) fn slot(at: u64) -> u64 {
        at / Self::SLOT
    }

    pub(crate) fn add(&mut self, failure: Option<Failure>, at: u64) {
        let number = Self::slot(at);
        let slot = &mut self.slots[(number % 6) as usize];
        if slot.0 != number {
            *slot = (number, Seen::default());
        }
        slot.1.attempts += 1;
        slot.1.unanswered += u32::from(failure.is_some());
        slot.1.failures += u32::from(failure.is_some_and(Failure::is_outage));
    }

    pub(crate) fn of_last_half_minute(&self, at: u64) -> Seen {
        let newest = Self::slot(at);
        let mut sum = Seen::default();
        for (_, seen) in self.slots.iter().filter(|(number, _)| number + 6 > newest) {
            sum.attempts += seen.attempts;
            sum.failures += seen.failures;
            sum.unanswered += seen.unanswered;
        }
        sum
    }
}
