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

mod auto;
mod content;
mod pool;
mod reading;
mod seats;
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
use crate::error::Error;
use crate::route::Fleet;
use crate::route::hooks::{Advice, Advisor};
use auto::Chosen;
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
}

/// The settings, and what follows from them and the fleet.
#[derive(Debug, Default)]
struct State {
    settings: Settings,
    pool: Pool,
    /// Virtual models that choose by tier.
    tiered: Vec<String>,
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
        if !settings.auto.is_empty() {
            crate::classify::prepare();
        }
        if !settings.content.is_empty() {
            crate::recognize::prepare();
        }
        self.state.store(Arc::new(State { pool: Pool::of(fleet), tiered: fleet.tiered(), settings }));
    }

    /// What a request says of itself, whether or not anything asks for it; `None` where it cannot be read.
    pub fn read(call: &Call) -> Option<Reading> {
        Reader::new(call).all()
    }
}

impl Advisor for Smart {
    fn advise(&self, call: &Call, model: &str, now: Instant) -> Result<Option<Advice>, Error> {
        let state = self.state.load();
        let meant = call.principal.meant(model);
        let auto = state.settings.auto.iter().find(|auto| auto.is_named(meant) && (auto.explicit || !state.pool.knows(meant)));
        let tiered = state.tiered.iter().any(|name| name == meant);
        if auto.is_none() && !tiered && state.settings.content.is_empty() {
            return Ok(None);
        }
        let begun = Instant::now();
        let reader = Reader::new(call);
        let mut advice = Advice::default();
        if let Some(rules) = Some(&state.settings.content).filter(|rules| !rules.is_empty()) {
            let classes = reader.classes();
            advice.labels = content::demanded(rules, &classes).unwrap_or_default();
            advice.classes = Some(classes);
        }
        if let Some(auto) = auto {
            let Chosen { tier, choice } = auto.choose(call, &reader, &state.pool, (&self.seats, now))?;
            advice.tier = Some(tier.name());
            advice.model = Some(choice.model);
            advice.params = choice.params;
            advice.strategy = Some(auto.strategy);
        } else if tiered {
            advice.tier = Some(reader.tier(&crate::classify::Classifier::default()).name());
        }
        advice.classify_us = u64::try_from(begun.elapsed().as_micros()).ok();
        Ok(Some(advice))
    }
}
