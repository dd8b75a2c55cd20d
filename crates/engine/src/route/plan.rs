//! What to try, in order, and what was left out and why.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};

use crate::catalog::PicoUsd;
use crate::deployment::Deployment;
use crate::guidance::Fallback;
use crate::own::OwnKey;
use crate::route::affinity::Bond;
use crate::route::hooks::Advice;
use crate::route::reason::Reason;

/// What to try for one call.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The group that the caller's name stands for.
    pub group: Arc<str>,
    /// The name of the strategy that ordered the targets.
    pub strategy: &'static str,
    /// Where the call may go, the first to try first.
    pub targets: Vec<Target>,
    /// Where it may not go, and why.
    pub excluded: Vec<Exclusion>,
    /// Where it may go when none of the targets can serve it. Planned only then: [`crate::route::Fleet::plan_fallback`].
    pub fallbacks: Arc<Fallbacks>,
    /// How its targets are tried.
    pub policy: Arc<TryPolicy>,
    /// What is to be remembered when it is answered.
    pub bonds: Vec<Bond>,
    /// What a classifier found.
    pub advice: Option<Box<Advice>>,
    /// Whether the number of its tokens, which nobody has counted, would have made a difference.
    pub uncounted: bool,
    /// Whether every target is asked once, however few repetitions there may be: in OpenRouter's manner, and as virtual models have it.
    pub exhaustive: bool,
    /// Whether the model was chosen here, and not by the caller.
    pub picked: bool,
    /// Whether its targets are of several models that the caller listed.
    pub mixed: bool,
}

/// One place to try.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where.
    pub deployment: Arc<Deployment>,
    /// What is different for this target.
    pub overrides: Option<Arc<Overrides>>,
    /// What the call may cost there; `None` where no price is known.
    pub expected_cost: Option<PicoUsd>,
    /// How long until the answer begins to come; `None` where nothing was measured, or nobody has asked ([`Plan::estimate`]).
    pub expected_latency: Option<Duration>,
    /// The caller's own key for it, which is used instead of the gateway's.
    pub own: Option<Arc<OwnKey>>,
}

impl Target {
    /// Whether it is reached at the same place and with the same credential as the other one.
    pub(crate) fn is_same_account(&self, other: &Self) -> bool {
        let (spec, of_other) = (&self.deployment.spec, &other.deployment.spec);
        let own = |target: &Self| target.own.as_ref().map(|own| own.id.clone());
        spec.provider == of_other.provider
            && self.deployment.origin() == other.deployment.origin()
            && self.deployment.secrets() == other.deployment.secrets()
            && own(self) == own(other)
    }
}

/// What a target of a virtual model, or a fallback with parameters, changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Body fields to set whatever the client sends: (name, JSON text).
    pub params: Vec<(String, String)>,
    /// Headers to set on the request to the provider.
    pub set_headers: HeaderMap,
    /// Headers to leave out of it.
    pub remove_headers: Vec<HeaderName>,
    /// How often, after which pause and upon which statuses this target is asked again.
    pub retry: Option<RetryRule>,
    /// Upon which statuses the next target is asked; `None`: upon those that another target may do better at.
    pub fallback_statuses: Option<Vec<u16>>,
    /// Whether this target may be tried when another one failed.
    pub fallback_candidate: bool,
    /// Not to be waited for longer.
    pub timeout: Option<Duration>,
}

/// The times a target must keep to, or it is a last choice for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sla {
    /// For each token of the answer.
    pub time_per_output_token: Option<Duration>,
    /// Until the first one.
    pub time_to_first_token: Option<Duration>,
}

/// How often the same target is asked again, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryRule {
    /// Requests beside the first.
    pub attempts: u32,
    /// The pause before each.
    pub delay: Duration,
    /// The statuses that are worth it; none named: those that are by themselves.
    pub statuses: Vec<u16>,
}

/// A deployment that may not serve the call.
#[derive(Clone, Debug)]
pub struct Exclusion {
    /// Which.
    pub deployment: Arc<Deployment>,
    /// Why; at least one.
    pub reasons: Vec<Reason>,
    /// When it may again, where that is known.
    pub until: Option<Instant>,
}

/// Where a call may go when all targets of its group have failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallbacks {
    /// Upon any failure.
    pub general: Vec<Fallback>,
    /// When the input is too long.
    pub context_window: Vec<Fallback>,
    /// When a content policy says no.
    pub content_policy: Vec<Fallback>,
    /// How deep the fallbacks of fallbacks may lie.
    pub max: usize,
}

/// How targets are tried. What is `None` is not configured, and the loop's own rule holds.
#[derive(Clone, Debug, PartialEq)]
pub struct TryPolicy {
    /// How often a failed request is repeated.
    pub num_retries: Option<u32>,
    /// How often by the class of the failure (LiteLLM's `retry_policy`), by the stem of its name: `RateLimitError`.
    pub retry_policy: Vec<(String, u32)>,
    /// The least pause before a retry.
    pub retry_after: Option<Duration>,
    /// Whether a second target may be tried at all.
    pub allow_fallbacks: bool,
}

impl Default for TryPolicy {
    fn default() -> Self {
        Self { num_retries: None, retry_policy: Vec::new(), retry_after: None, allow_fallbacks: true }
    }
}

impl Exclusion {
    /// Whether nothing but its health is against it, which mends by itself.
    pub(crate) fn only_rests(&self) -> bool {
        self.reasons.iter().all(|reason| matches!(reason, Reason::Health(_)))
    }
}

impl Overrides {
    /// Nothing changed, for a target that may be tried when another one failed.
    pub fn candidate() -> Self {
        Self { fallback_candidate: true, ..Self::default() }
    }
}

impl From<&str> for Fallback {
    fn from(model: &str) -> Self {
        Self::to(model)
    }
}

impl From<String> for Fallback {
    fn from(model: String) -> Self {
        Self::to(model)
    }
}

impl Overrides {
    /// Whether the headers stay as they would be without them.
    pub(crate) fn leave_headers(&self) -> bool {
        self.set_headers.is_empty() && self.remove_headers.is_empty()
    }

    /// Puts them in.
    pub(crate) fn change(&self, headers: &mut HeaderMap) {
        for name in &self.remove_headers {
            headers.remove(name);
        }
        headers.extend(self.set_headers.clone());
    }
}

impl Fallbacks {
    /// LiteLLM's bound on how deep fallbacks of fallbacks lie.
    pub const MOST: usize = 5;

    /// Whether there is nowhere else to go, whatever happens.
    pub fn is_empty(&self) -> bool {
        self.general.is_empty() && self.context_window.is_empty() && self.content_policy.is_empty()
    }
}

impl Target {
    /// That deployment as it is.
    pub fn plain(deployment: Arc<Deployment>) -> Self {
        Self { deployment, overrides: None, expected_cost: None, expected_latency: None, own: None }
    }
}

impl Plan {
    /// The strategy of a plan that names its only target.
    pub const ONLY: &str = "only";

    /// The same with those at its end that only our own guess keeps from serving, or, where nothing else is left, all that only their
    /// health does: what to do with them is for whoever tries. `None`: there are none.
    pub fn reconsidered(&self) -> Option<Self> {
        let nothing = self.targets.is_empty();
        let now = crate::clock::now();
        let resting = |exclusion: &&Exclusion| {
            exclusion.only_rests() && (nothing || exclusion.deployment.health.refusal(now).is_some_and(|refusal| refusal.soft))
        };
        let mut targets = self.excluded.iter().filter(resting).map(|exclusion| Target::plain(exclusion.deployment.clone())).peekable();
        targets.peek()?;
        let targets = self.targets.iter().cloned().chain(targets).collect();
        Some(Self { targets, ..self.clone() })
    }

    /// That deployment and no other.
    pub fn only(deployment: Arc<Deployment>) -> Self {
        let group = Arc::from(deployment.spec.group.as_str());
        let targets = vec![Target::plain(deployment)];
        Self {
            group,
            strategy: Self::ONLY,
            targets,
            excluded: Vec::new(),
            fallbacks: Arc::default(),
            policy: Arc::default(),
            bonds: Vec::new(),
            advice: None,
            uncounted: false,
            exhaustive: false,
            picked: false,
            mixed: false,
        }
    }
}
