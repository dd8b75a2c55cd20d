//! Our own: the least expected cost under a latency goal.
//!
//! 1. How long each candidate takes: its peak-sensitive moving latency over the share of requests it does not fail. One that was not
//!    measured is as good as the best, and so is tried.
//! 2. Candidates within the goal come first; without a goal, those within [`SLACK`] of the best. What is under way there says nothing
//!    of that: a busy one is not slow, and one that is too busy takes longer, which is measured.
//! 3. Of these, those whose expected cost is within [`EDGE`] of the least form the leading group; two of it are drawn and the one
//!    with the shorter wait goes first (the power of two choices: near the optimum, and no herd). A wait is what it takes, times the
//!    requests under way there and this one.
//! 4. The others follow by cost, then those beyond the goal by wait.

use fastrand::Rng;

use super::standing::{self, Standing};
use super::{Args, rank};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

/// Without a goal, what takes up to this multiple of the best is good enough.
const SLACK: f64 = 2.0;
/// A difference that no one notices, in seconds.
const UNNOTICED: f64 = 0.05;
/// Costs within this share of the least are alike: hundredths.
const EDGE: i64 = 5;
/// What is left of the share of successes of a deployment that fails every time.
const LEAST: f64 = 0.02;

/// The least expected cost under a latency goal.
pub(super) fn least_cost(candidates: &mut [Candidate], ask: &Ask<'_>, args: &Args, rng: &mut Rng) {
    let mut best = f64::INFINITY;
    for candidate in candidates.iter_mut() {
        let measured = candidate.latency(ask.call.stream);
        candidate.key = measured.map_or(f64::NAN, |seconds| taken(candidate, seconds));
        if candidate.key < best {
            best = candidate.key;
        }
        if candidate.cost.is_none() {
            candidate.cost = ask.cost(&candidate.deployment);
        }
    }
    let best = if best.is_finite() { best } else { UNNOTICED };
    for candidate in candidates.iter_mut().filter(|candidate| candidate.key.is_nan()) {
        candidate.key = taken(candidate, best);
    }
    let goal = args.latency_goal.map_or((best * SLACK).max(best + UNNOTICED), |goal| goal.as_secs_f64());
    // What ties comes by chance. Costs and waits are positive: below zero there is room for those within the goal.
    let standing = |(at, candidate): (usize, &Candidate)| {
        let rank = if candidate.key > goal { rank(wait(candidate)) } else { i64::MIN + cost(candidate) };
        Standing::new(rank, candidate.lot(rng), at)
    };
    let mut standings: Vec<Standing> = candidates.iter().enumerate().map(standing).collect();
    standing::sort(&mut standings);
    // Where none is within the goal, the shortest waits lead whatever they cost.
    let within = candidates.iter().filter(|candidate| candidate.key <= goal).count();
    if within > 0 {
        let least = cost(&candidates[standings[0].at()]);
        let bound = least.saturating_add(least / (100 / EDGE));
        let leading = standings[..within].iter().take_while(|standing| cost(&candidates[standing.at()]) <= bound).count();
        lead(&mut standings[..leading], candidates, rng);
    }
    standing::place(candidates, &standings);
}

/// How long it takes that answers in so many seconds where it does answer.
fn taken(candidate: &Candidate, seconds: f64) -> f64 {
    let successes = (1.0 - candidate.view.error_rate().unwrap_or(0.0)).max(LEAST);
    seconds / (successes * successes)
}

/// The same behind the requests that it has already.
fn wait(candidate: &Candidate) -> f64 {
    candidate.key * f64::from(candidate.view.in_flight.saturating_add(1))
}

/// Its cost in pico-dollars. An unknown price is the dearest.
fn cost(candidate: &Candidate) -> i64 {
    candidate.cost.map_or(i64::MAX, |cost| i64::try_from(cost.0.max(0)).unwrap_or(i64::MAX))
}

/// Draws two and puts the one with the shorter wait first; the others by wait.
fn lead(leading: &mut [Standing], candidates: &[Candidate], rng: &mut Rng) {
    let count = leading.len();
    if count < 2 {
        return;
    }
    let wait = |standing: &Standing| wait(&candidates[standing.at()]);
    if candidates.iter().all(|candidate| candidate.lot.is_some()) {
        // The least lot leads: what else is known here is not known alike at every gateway.
        let first = (0..count).min_by_key(|place| candidates[leading[*place].at()].lot).unwrap_or(0);
        return leading.swap(0, first);
    }
    let one = rng.usize(..count);
    let other = (one + 1 + rng.usize(..count - 1)) % count;
    // On a tie the first drawn wins, which is as likely to be either.
    let chosen = if wait(&leading[other]) < wait(&leading[one]) { other } else { one };
    leading.swap(0, chosen);
    for standing in &mut leading[1..] {
        *standing = Standing::new(rank(wait(standing)), rng.u32(..), standing.at());
    }
    standing::sort(&mut leading[1..]);
}
