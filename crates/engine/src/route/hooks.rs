//! What other rooms tell planning: who asks, what a classifier found, what money is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::catalog::PicoUsd;
use crate::deployment::{Deployment, Shadow};
use crate::error::Error;
use crate::experiment::Trial;
use crate::guidance::Fallback;

/// What a classifier found and decided, before candidates are gathered.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    /// The models to use instead of the one asked for, the first choice first, each with what is set on requests that go there.
    pub choices: Vec<Fallback>,
    /// How hard the request is: `simple`, `standard`, `complex`, `reasoning`.
    pub tier: Option<&'static str>,
    /// The kinds of sensitive content in it.
    pub classes: Option<Vec<&'static str>>,
    /// Microseconds that finding out took.
    pub classify_us: Option<u64>,
    /// Words of which a deployment must have one among its labels; empty: no demand.
    pub labels: Vec<String>,
    /// The name of the strategy that chose the model.
    pub strategy: Option<&'static str>,
    /// The tier that a virtual model's targets are chosen by; the one above unless said.
    pub target_tier: Option<&'static str>,
    /// What told the tier or the model: `local`, `model`, `embedding`.
    pub told_by: Option<&'static str>,
    /// Where the request would have gone if nothing had chosen.
    pub reference: Option<Arc<Deployment>>,
    /// What it would cost there, where that was asked for.
    pub reference_cost: Option<PicoUsd>,
    /// Its part in an experiment.
    pub trial: Option<Trial>,
    /// Where copies of it may go.
    pub shadows: Vec<Arc<Shadow>>,
}

/// What must be asked of a model before a call can be planned well.
pub struct Question {
    /// What is asked.
    pub errand: Call,
    /// How long the call waits for an answer.
    pub patience: Duration,
    /// Takes the answer's body; none where there was none in time.
    pub answer: Box<dyn FnOnce(Option<bytes::Bytes>) + Send>,
}

/// Looks at requests before they are planned.
pub trait Advisor: Send + Sync {
    /// What it finds for that call; `None` where it has nothing to say, which must cost next to nothing.
    fn advise(&self, call: &Call, model: &str, now: Instant) -> Result<Option<Advice>, Error>;

    /// What it would like to know of a model before it is asked; `None` where it can tell by itself, which must cost next to nothing.
    fn question(&self, _call: &Call) -> Option<Question> {
        None
    }
}

/// Knows what money is left for providers and deployments.
pub trait Budgets: Send + Sync {
    /// Whether what was set aside for that deployment or its provider is spent.
    fn is_spent(&self, deployment: &Deployment, now: Instant) -> bool;
}

/// What other rooms tell planning.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Looks at requests before they are planned.
    pub advisor: Option<std::sync::Arc<dyn Advisor>>,
    /// Knows what money is left.
    pub budgets: Option<std::sync::Arc<dyn Budgets>>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Hooks").field("advisor", &self.advisor.is_some()).field("budgets", &self.budgets.is_some()).finish()
    }
}
