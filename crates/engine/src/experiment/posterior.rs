//! What is known of an arm: sums, and estimates with intervals that follow from them.
//!
//! Costs are summed as whole nano-dollars; an interval is a statistic of them and no amount of money.

use fastrand::Rng;

/// What an arm has come to: sums that can be added to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests.
    pub requests: i64,
    /// Those that failed.
    pub failed: i64,
    /// What they cost together, in nano-dollars.
    pub spend: i64,
    /// The squares of what each cost, in square micro-dollars.
    pub spend_squares: i64,
    /// Answers that were timed.
    pub timed: i64,
    /// Their times together, in milliseconds.
    pub latency: i64,
    /// The squares of their times.
    pub latency_squares: i64,
    /// Answers that somebody rated.
    pub rated: i64,
    /// Their ratings together, in ten-thousandths.
    pub rewards: i64,
    /// The squares of the ratings.
    pub reward_squares: i64,
}

/// A best guess and an interval that holds the truth 95 times in 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The guess.
    pub mean: f64,
    /// From.
    pub low: f64,
    /// To.
    pub high: f64,
}

/// Standard deviations of the interval.
const Z: f64 = 1.959_964;
/// The whole of a rating.
const WHOLE: f64 = 10_000.0;

#[expect(clippy::cast_precision_loss, reason = "statistics of sums that are exact")]
fn float(number: i64) -> f64 {
    number as f64
}

impl Tally {
    /// How good its answers were found, between 0 and 1.
    pub fn quality(&self) -> Option<Estimate> {
        share(float(self.rewards) / WHOLE, self.rated)
    }

    /// The share of requests that did not fail.
    pub fn success(&self) -> Option<Estimate> {
        share(float(self.requests - self.failed), self.requests)
    }

    /// The cost of a request, in micro-dollars.
    pub fn cost(&self) -> Option<Estimate> {
        mean(float(self.spend) / 1000.0, float(self.spend_squares), self.requests)
    }

    /// The time of an answer, in milliseconds.
    pub fn latency(&self) -> Option<Estimate> {
        mean(float(self.latency), float(self.latency_squares), self.timed)
    }

    /// A draw of the quality it may have: how often it answers, times how good the answers are found. Both begin as if one of two
    /// had been good.
    pub(super) fn draw_quality(&self, rng: &mut Rng) -> f64 {
        let rewards = float(self.rewards) / WHOLE;
        let good = beta(1.0 + rewards, 1.0 + (float(self.rated) - rewards).max(0.0), rng);
        let answered = beta(1.0 + float(self.requests - self.failed), 1.0 + float(self.failed), rng);
        good * answered
    }

    /// A draw of a mean that may be true.
    pub(super) fn draw(estimate: Option<Estimate>, rng: &mut Rng) -> Option<f64> {
        let Estimate { mean, high, .. } = estimate?;
        Some((mean + normal(rng) * (high - mean) / Z).max(0.0))
    }
}

/// Wilson's interval for a share.
fn share(good: f64, all: i64) -> Option<Estimate> {
    if all <= 0 {
        return None;
    }
    let all = float(all);
    let mean = (good / all).clamp(0.0, 1.0);
    let (weight, square) = (1.0 + Z * Z / all, Z * Z / (4.0 * all * all));
    let centre = (mean + Z * Z / (2.0 * all)) / weight;
    let half = Z * (mean * (1.0 - mean) / all + square).sqrt() / weight;
    Some(Estimate { mean, low: (centre - half).max(0.0).min(mean), high: (centre + half).min(1.0).max(mean) })
}

/// The interval of a mean.
fn mean(sum: f64, squares: f64, all: i64) -> Option<Estimate> {
    if all <= 0 {
        return None;
    }
    let count = float(all);
    let mean = sum / count;
    let variance = if all > 1 { ((squares - sum * sum / count) / (count - 1.0)).max(0.0) } else { mean * mean };
    let half = Z * (variance / count).sqrt();
    Some(Estimate { mean, low: (mean - half).max(0.0), high: mean + half })
}

/// A draw from the normal distribution.
fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// A draw from a beta distribution.
fn beta(one: f64, other: f64, rng: &mut Rng) -> f64 {
    let (one, other) = (gamma(one, rng), gamma(other, rng));
    one / (one + other)
}

/// A draw from a gamma distribution of a shape of at least one (Marsaglia and Tsang).
fn gamma(shape: f64, rng: &mut Rng) -> f64 {
    let depth = shape - 1.0 / 3.0;
    let scale = 1.0 / (9.0 * depth).sqrt();
    loop {
        let drawn = normal(rng);
        let cubed = (1.0 + scale * drawn).powi(3);
        if cubed > 0.0 && (1.0 - rng.f64()).ln() < 0.5 * drawn * drawn + depth - depth * cubed + depth * cubed.ln() {
            return depth * cubed;
        }
    }
}
