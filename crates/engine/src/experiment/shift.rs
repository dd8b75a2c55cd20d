//! Shifting traffic to the arm that does best, bit by bit, and knowing when to stop.
//!
//! Thompson sampling by shares: an arm's share moves towards the probability that it is the best, which is found by drawing from
//! what its figures leave possible. No arm falls below its floor while the experiment goes on, and no step is larger than said.

use fastrand::Rng;

use super::posterior::Tally;

/// What *best* means: how much each counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// How good answers are found, and that there are any.
    pub quality: f64,
    /// How cheap they are, against the dearest arm.
    pub cost: f64,
    /// How quick they are, against the slowest arm.
    pub latency: f64,
}

impl Default for Goal {
    fn default() -> Self {
        Self { quality: 0.7, cost: 0.3, latency: 0.0 }
    }
}

/// How shares are shifted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// What is best.
    pub goal: Goal,
    /// Seconds between two steps.
    pub every_seconds: u64,
    /// The least share of an arm while the experiment goes on.
    pub floor: f64,
    /// The most that a share changes in one step.
    pub max_step: f64,
    /// What every arm must have of requests, and where quality counts of ratings, before anything is shifted.
    pub min_samples: u64,
    /// It ends when one arm is the best with that probability...
    pub confidence: f64,
    /// ...or when whatever else is chosen would lose less than that share of what is to be had.
    pub tolerance: f64,
    /// It ends after so many seconds whatever is known; `None`: never.
    pub max_seconds: Option<u64>,
    /// Whether the arm that wins then gets everything; else the shares stay.
    pub promote: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            goal: Goal::default(),
            every_seconds: 60,
            floor: 0.05,
            max_step: 0.1,
            min_samples: 100,
            confidence: 0.95,
            tolerance: 0.005,
            max_seconds: None,
            promote: true,
        }
    }
}

/// What a step comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The probability of each arm to be the best.
    pub best: Vec<f64>,
    /// The shares from now on.
    pub shares: Vec<f64>,
    /// The arm that has won, where one has.
    pub winner: Option<usize>,
}

/// Draws from which the probabilities come: their error is below a hundredth.
const DRAWS: u32 = 4_000;

impl Policy {
    /// One step, by what the arms have come to. `None`: too little is known.
    pub fn step(&self, tallies: &[Tally], shares: &[f64], rng: &mut Rng) -> Option<Verdict> {
        let least = i64::try_from(self.min_samples).unwrap_or(i64::MAX).max(1);
        let known =
            |tally: &Tally| tally.requests >= least && (self.goal.quality <= 0.0 || !self.is_rated(tallies) || tally.rated >= least);
        if tallies.len() < 2 || tallies.len() != shares.len() || !tallies.iter().all(known) {
            return None;
        }
        let (best, loss) = self.sample(tallies, rng);
        let leader = (0..best.len()).max_by(|one, other| best[*one].total_cmp(&best[*other]))?;
        let won = best[leader] >= self.confidence || loss[leader] <= self.tolerance;
        if won {
            let shares =
                if self.promote { (0..best.len()).map(|arm| f64::from(u8::from(arm == leader))).collect() } else { shares.to_vec() };
            return Some(Verdict { best, shares, winner: Some(leader) });
        }
        Some(Verdict { shares: self.towards(&best, shares), best, winner: None })
    }

    /// Whether anybody rates at all. Where nobody does, only failures tell of quality.
    fn is_rated(&self, tallies: &[Tally]) -> bool {
        tallies.iter().any(|tally| tally.rated > 0)
    }

    /// How often each arm is the best, and what choosing it is expected to lose.
    fn sample(&self, tallies: &[Tally], rng: &mut Rng) -> (Vec<f64>, Vec<f64>) {
        let mut wins = vec![0_u32; tallies.len()];
        let mut loss = vec![0.0; tallies.len()];
        for _ in 0..DRAWS {
            let drawn = self.utilities(tallies, rng);
            let most = drawn.iter().copied().fold(f64::MIN, f64::max);
            if let Some(at) = drawn.iter().position(|one| *one >= most) {
                wins[at] += 1;
            }
            loss.iter_mut().zip(&drawn).for_each(|(sum, one)| *sum += most - one);
        }
        let all = f64::from(DRAWS);
        (wins.into_iter().map(|count| f64::from(count) / all).collect(), loss.into_iter().map(|sum| sum / all).collect())
    }

    /// One draw of what each arm may be worth, between 0 and 1.
    fn utilities(&self, tallies: &[Tally], rng: &mut Rng) -> Vec<f64> {
        let Goal { quality, cost, latency } = self.goal;
        let whole = (quality + cost + latency).max(f64::MIN_POSITIVE);
        let good: Vec<f64> = tallies.iter().map(|tally| if quality > 0.0 { tally.draw_quality(rng) } else { 0.0 }).collect();
        let spared = |weight: f64, drawn: Vec<Option<f64>>| {
            let most = drawn.iter().flatten().copied().fold(0.0, f64::max);
            let spare = move |one: Option<f64>| one.filter(|_| weight > 0.0 && most > 0.0).map_or(0.0, |one| 1.0 - one / most);
            drawn.into_iter().map(spare).collect::<Vec<f64>>()
        };
        let cheap = spared(cost, tallies.iter().map(|tally| Tally::draw(tally.cost(), rng)).collect());
        let quick = spared(latency, tallies.iter().map(|tally| Tally::draw(tally.latency(), rng)).collect());
        (0..tallies.len()).map(|arm| (quality * good[arm] + cost * cheap[arm] + latency * quick[arm]) / whole).collect()
    }

    /// The shares one step nearer to those probabilities, none below the floor.
    fn towards(&self, best: &[f64], shares: &[f64]) -> Vec<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a handful of arms")]
        let arms = best.len() as f64;
        let floor = self.floor.clamp(0.0, 1.0 / arms);
        let goals: Vec<f64> = best.iter().map(|chance| floor + (1.0 - floor * arms) * chance).collect();
        let furthest = goals.iter().zip(shares).map(|(goal, share)| (goal - share).abs()).fold(0.0, f64::max);
        // All go the same part of their way, so that the sum stays one and nobody goes too far.
        let part = if furthest > self.max_step { self.max_step / furthest } else { 1.0 };
        goals.iter().zip(shares).map(|(goal, share)| share + (goal - share) * part).collect()
    }
}
