//! Comparing models on live traffic.
//!
//! An [`Experiment`] lets a name stand for several *arms*, each a model with parameters of its own. Who asks stays with its arm
//! ([`assign`]): an arm follows from a digest, so nothing is kept for it, restarts forget nothing, and gateways agree. What came of
//! each arm (quality, cost, latency) is counted in the ledger's transaction and read back as figures with intervals ([`posterior`]),
//! from which shares may be shifted to the arm that does best ([`shift`]). *Shadows* ([`shadow`]) get copies of requests; their
//! answers reach nobody.
//!
//! Nothing here reads a clock or a database: shares and figures are handed in.

mod assign;
pub mod posterior;
pub mod shadow;
pub mod shift;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::deployment::Shadow;
pub use assign::{Draw, Sticky};
pub use posterior::{Estimate, Tally};
pub use shadow::{Job, Mirror, Spoken};
pub use shift::{Goal, Policy, Verdict};

/// A name that stands for several models, to find out which does best.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// What it is called.
    pub name: String,
    /// The name that callers use.
    pub model: String,
    /// The models compared; the first is the one there was before.
    pub arms: Vec<Arm>,
    /// What keeps a caller with its arm: the first of these that a request has.
    pub sticky: Vec<Sticky>,
    /// The share of callers that take part; the others get the first arm and are not counted.
    pub traffic: f64,
    /// Where copies go.
    pub shadows: Vec<Arc<Shadow>>,
    /// How shares are shifted; `None`: not at all.
    pub policy: Option<Policy>,
}

/// One of the models compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// What it is called; the model's name unless said.
    pub name: Arc<str>,
    /// The model.
    pub model: String,
    /// Its share to begin with, in proportion to those of the others.
    pub weight: f64,
    /// Body fields to set on requests that go there: (name, JSON text).
    pub params: Vec<(String, String)>,
}

/// An experiment as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// What is compared.
    pub experiment: Arc<Experiment>,
    /// The share of each arm now.
    pub shares: Vec<f64>,
    /// Whether requests are counted; else the name stands for what has won, or for the first arm.
    pub counts: bool,
}

impl Running {
    /// As it begins.
    pub fn begin(experiment: Arc<Experiment>) -> Self {
        let shares = experiment.weights();
        Self { experiment, shares, counts: true }
    }
}

impl Experiment {
    /// The shares to begin with.
    pub fn weights(&self) -> Vec<f64> {
        let sum: f64 = self.arms.iter().map(|arm| arm.weight).sum();
        self.arms.iter().map(|arm| if sum > 0.0 { arm.weight / sum } else { 0.0 }).collect()
    }

    /// The place of the arm of that name.
    pub fn place(&self, arm: &str) -> Option<usize> {
        self.arms.iter().position(|own| *own.name == *arm)
    }
}

/// What part a call plays in an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Its answer goes to the caller.
    #[default]
    Live,
    /// Its answer goes to nobody.
    Shadow,
    /// It judges answers.
    Judge,
}

impl Role {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Shadow => "shadow",
            Self::Judge => "judge",
        }
    }
}

/// A call's part in an experiment, for its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The experiment.
    pub experiment: Arc<str>,
    /// The arm.
    pub arm: Arc<str>,
    /// What it does there.
    pub role: Role,
    /// The call that it is a copy of, or whose answer it judges.
    pub of: Option<String>,
}
