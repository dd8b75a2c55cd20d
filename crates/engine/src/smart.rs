//! Routing by what a request says: how hard it is, and what it must not be shown to.
//!
//! Nothing here looks at a request unless a name or a rule asks for it. Two things do:
//!
//! - an *automatic model* ([`AutoModel`]: `auto`, `switchboard/auto`, `openrouter/auto`, LiteLLM's complexity router) stands for the
//!   models of four tiers; [`crate::classify`] tells the tier;
//! - a *rule on content* ([`ContentRule`]) sends requests that hold certain classes ([`crate::recognize`]) only to deployments that
//!   carry one of its labels.
//!
//! What is found is advice to planning ([`crate::route::hooks`]), which chooses among deployments as for any other request.
//!
//! Two more things may come first. A name may stand for the arms of an experiment ([`crate::experiment`]). And an automatic model may
//! want to ask a cheap model, or an embedding, what a request is ([`oracle`]): the answer is kept under a digest of the request, and
//! where there is none in time, what is told here in microseconds holds.

mod auto;
mod content;
mod history;
pub mod oracle;
mod pool;
mod reading;
mod seats;
mod strings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

pub use auto::{AutoModel, Choice};
pub use content::ContentRule;
pub use pool::Ceiling;
pub use reading::Reading;

use crate::call::Call;
use crate::classify::{Tier, Toward};
use crate::deployment::Deployment;
use crate::error::Error;
use crate::experiment::{Role, Running, Trial};
use crate::guidance::Fallback;
use crate::route::Fleet;
use crate::route::hooks::{Advice, Advisor, Question};
use crate::route::virtual_model::VirtualModel;
use auto::Chosen;
use oracle::Answers;
use pool::Pool;
use reading::Reader;
use seats::Seats;

/// What is configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Names that stand for the models of four tiers.
    pub auto: Vec<AutoModel>,
    /// Which content may go where.
    pub content: Vec<ContentRule>,
}

/// Reads requests where a name or a rule asks for it.
#[derive(Debug, Default)]
pub struct Smart {
    state: ArcSwap<State>,
    seats: Seats,
    experiments: ArcSwap<Vec<Running>>,
    answers: Arc<Answers>,
}

/// A virtual model that chooses by tier.
#[derive(Debug)]
struct Tiered {
    name: String,
    model: Arc<VirtualModel>,
    reference: Option<Arc<Deployment>>,
}

/// The settings, and what follows from them and the fleet.
#[derive(Debug, Default)]
struct State {
    settings: Settings,
    pool: Pool,
    /// Virtual models that choose by tier, and where their hardest requests go.
    tiered: Vec<Tiered>,
    /// Where the requests of each automatic model would go without it.
    references: Vec<Option<Arc<Deployment>>>,
    /// Whether any automatic model asks another.
    asks: bool,
}

impl Smart {
    /// With those settings, over that fleet.
    pub fn new(settings: Settings, fleet: &Fleet) -> Self {
        let smart = Self::default();
        smart.replace(settings, fleet);
        smart
    }

    /// Takes over other settings and another fleet; what conversations were given before stays known.
    pub fn replace(&self, settings: Settings, fleet: &Fleet) {
        if settings.auto.iter().any(AutoModel::is_wanted) || !fleet.tiered().is_empty() {
            crate::classify::prepare();
        }
        if !settings.content.is_empty() {
            crate::recognize::prepare();
        }
        let pool = Pool::of(fleet);
        let references = settings.auto.iter().map(|auto| fleet.find(&auto.reference(&pool)?)?.1.first().cloned()).collect();
        let tiered: Vec<Tiered> = fleet.tiered().into_iter().map(|(name, model)| Tiered::of(name, model, fleet)).collect();
        let asks = settings.auto.iter().any(|auto| auto.oracle.is_some()) || tiered.iter().any(|one| one.model.classification.is_some());
        self.state.store(Arc::new(State { tiered, references, asks, pool, settings }));
    }

    /// The experiments there are from now on, with their present shares.
    pub fn compare(&self, experiments: Vec<Running>) {
        self.experiments.store(Arc::new(experiments));
    }

    /// The experiments there are.
    pub fn experiments(&self) -> Arc<Vec<Running>> {
        self.experiments.load_full()
    }

    /// What a request says of itself, whether or not anything asks for it; `None` where it cannot be read.
    pub fn read(call: &Call) -> Option<Reading> {
        Reader::new(call).all()
    }
}

impl Smart {
    /// Labels of which the place must have one that a call goes to, for what it contains; `None`: it may go anywhere.
    pub fn demanded(&self, call: &Call) -> Option<Vec<String>> {
        let state = self.state.load();
        let rules = Some(&state.settings.content).filter(|rules| !rules.is_empty())?;
        content::demanded(rules, &Reader::new(call).classes())
    }

    /// What the user of a call said last; empty where that cannot be read.
    pub fn asked(call: &Call) -> String {
        Reader::new(call).asked()
    }
}

impl State {
    /// The automatic model of that name, and its place.
    fn auto(&self, name: &str) -> Option<(usize, &AutoModel)> {
        let mut autos = self.settings.auto.iter().enumerate();
        autos.find(|(_, auto)| auto.is_named(name) && (auto.explicit || !self.pool.knows(name)))
    }
}

impl Advisor for Smart {
    fn advise(&self, call: &Call, model: &str, now: Instant) -> Result<Option<Advice>, Error> {
        let state = self.state.load();
        let experiments = self.experiments.load();
        let meant = call.principal.meant(model);
        let drawn = experiments.iter().find(|running| running.experiment.model == meant).map(|running| compared(running, call));
        let arm = drawn.as_ref().and_then(|advice| advice.choices.first().cloned());
        let meant = arm.as_ref().map_or(meant, |arm| &arm.model);
        let auto = state.auto(meant);
        let tiered = state.tiered.iter().find(|tiered| tiered.name == meant);
        if auto.is_none() && tiered.is_none() && drawn.is_none() && state.settings.content.is_empty() {
            return Ok(None);
        }
        let begun = Instant::now();
        let reader = Reader::new(call);
        let mut advice = drawn.unwrap_or_default();
        if let Some(rules) = Some(&state.settings.content).filter(|rules| !rules.is_empty()) {
            let classes = reader.classes();
            advice.labels = content::demanded(rules, &classes).unwrap_or_default();
            advice.classes = Some(classes);
        }
        if let Some((place, auto)) = auto {
            let found = auto.asks(&reader).and_then(|oracle| self.answers.find(&oracle.key(meant, &reader)));
            let Chosen { tier, choices, told_by } = auto.choose(call, &reader, &state.pool, (&self.seats, now, found))?;
            advice.tier = tier.map(Tier::name);
            let params = || arm.iter().flat_map(|arm| &arm.params).cloned();
            let set = |Choice { model, params: own }| Fallback { model, params: params().chain(own).collect() };
            advice.choices = choices.into_iter().map(set).collect();
            advice.strategy = advice.strategy.or(Some(auto.strategy));
            advice.told_by = Some(told_by);
            advice.reference = state.references.get(place).cloned().flatten();
        } else if let Some(tiered) = tiered {
            let (tier, told_by) = tiered.tier(&reader, &self.answers);
            (advice.tier, advice.told_by) = (Some(tier.name()), Some(told_by));
            advice.reference.clone_from(&tiered.reference);
        }
        advice.classify_us = u64::try_from(begun.elapsed().as_micros()).ok();
        Ok(Some(advice))
    }

    fn question(&self, call: &Call) -> Option<Question> {
        let state = self.state.load();
        if !state.asks {
            return None;
        }
        let meant = call.principal.meant(&call.model);
        let experiments = self.experiments.load();
        let arm =
            experiments.iter().find(|running| running.experiment.model == meant).and_then(|running| compared(running, call).choices.pop());
        let meant = arm.as_ref().map_or(meant, |arm| &arm.model);
        let reader = Reader::new(call);
        let Some((_, auto)) = state.auto(meant) else {
            let tiered = state.tiered.iter().find(|tiered| tiered.name == meant)?;
            let oracle = &tiered.model.classification.as_ref()?.oracle;
            return oracle.question(call, (meant, &reader), &self.answers);
        };
        // Most automatic names ask nobody: for them nothing is read.
        auto.oracle.as_ref()?;
        auto.asks(&reader)?.question(call, (meant, &reader), &self.answers)
    }
}

impl Tiered {
    fn of(name: String, model: Arc<VirtualModel>, fleet: &Fleet) -> Self {
        let reference = model.hardest().and_then(|hardest| fleet.find(hardest)?.1.first().cloned());
        Self { name, model, reference }
    }

    /// The tier of a request, and what told it.
    fn tier(&self, reader: &Reader<'_>, answers: &Answers) -> (Tier, &'static str) {
        let local = || reader.tier(&crate::classify::Classifier::default());
        let Some(classification) = &self.model.classification else { return (local(), "local") };
        match answers.find(&classification.oracle.key(&self.name, reader)) {
            Some(Toward::Tier(tier)) => (tier, classification.oracle.told_by()),
            Some(Toward::Model(_) | Toward::Default) | None => (classification.default_tier.unwrap_or_else(local), "local"),
        }
    }
}

/// What an experiment makes of a call.
fn compared(running: &Running, call: &Call) -> Advice {
    let (experiment, draw) = (&running.experiment, running.draw(call));
    let Some(arm) = experiment.arms.get(draw.arm) else { return Advice::default() };
    let name = Arc::from(experiment.name.as_str());
    let trial = draw.counts.then(|| Trial { experiment: name, arm: arm.name.clone(), role: Role::Live, of: None });
    let shadows = if draw.counts { experiment.shadows.clone() } else { Vec::new() };
    let choices = vec![Fallback { model: arm.model.clone(), params: arm.params.clone() }];
    Advice { choices, strategy: Some("experiment"), trial, shadows, ..Advice::default() }
}
