//! In what order candidates are tried: small strategies with names, behind one signature.
//!
//! A strategy orders the candidates of one level. It sees what is known of them ([`Candidate`]), the request ([`Ask`]), its settings
//! ([`Args`]) and dice, and nothing else, so that a test can hold all four in hand. What a strategy does not measure it draws.

mod balance;
mod latency;
mod load;
mod price;
mod shuffle;
mod sort;
mod standing;
mod switchboard;

use std::time::Duration;

use fastrand::Rng;

use crate::guidance::Strategy;
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;

pub(crate) use latency::{fastest_alike, within_sla};
use standing::{by_key, by_rank, by_rank_or_chance, rank};

/// What a strategy looks like.
pub type Order = fn(&mut [Candidate], &Ask<'_>, &Args, &mut Rng);

/// Settings of strategies.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// How long a latency counts.
    pub ttl: Duration,
    /// Share of the lowest latency above it that still counts as low.
    pub lowest_latency_buffer: f64,
    /// The wait that is good enough; `None`: what is not much worse than the best.
    pub latency_goal: Option<Duration>,
}

impl Default for Args {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(3600), lowest_latency_buffer: 0.0, latency_goal: None }
    }
}

impl Strategy {
    /// What puts candidates in order.
    pub fn order(self) -> Order {
        match self {
            Self::SimpleShuffle => shuffle::simple,
            Self::LeastBusy => load::least_busy,
            Self::Latency => latency::lowest,
            Self::Usage | Self::UsageV2 => load::least_used,
            Self::Cost => price::cheapest,
            Self::InverseSquare => balance::inverse_square,
            Self::Switchboard => switchboard::least_cost,
            Self::SortPrice => price::cheapest,
            Self::SortThroughput => sort::throughput,
            Self::SortLatency => sort::latency,
            Self::SortExacto => sort::exacto,
        }
    }
}

/// Puts the candidates in the order of that strategy: level by level, and within a level those last that miss a softer wish.
pub fn arrange(candidates: &mut [Candidate], strategy: Strategy, ask: &Ask<'_>, args: &Args, rng: &mut Rng) {
    arrange_by(candidates, strategy.order(), ask, args, rng);
}

pub(super) fn arrange_by(candidates: &mut [Candidate], order: Order, ask: &Ask<'_>, args: &Args, rng: &mut Rng) {
    if candidates.len() < 2 {
        return;
    }
    let rank = |candidate: &Candidate| (candidate.level, candidate.demerits);
    let first = rank(&candidates[0]);
    if candidates.iter().all(|candidate| rank(candidate) == first) {
        return order(candidates, ask, args, rng);
    }
    if !candidates.is_sorted_by_key(rank) {
        candidates.sort_by_key(rank);
    }
    for level in candidates.chunk_by_mut(|a, b| rank(a) == rank(b)) {
        if level.len() > 1 {
            order(level, ask, args, rng);
        }
    }
}

/// One lot of a race in which the least wins with a chance in proportion to the weight; without weight it comes last.
fn lot(weight: f64, candidate: &Candidate, rng: &mut Rng) -> f64 {
    // The logarithm of 1 - u, which is never that of zero.
    let time = -(1.0 - candidate.share(rng)).ln();
    if weight > 0.0 { time / weight } else { f64::MAX / 2.0 * (1.0 + time.min(1.0)) }
}
