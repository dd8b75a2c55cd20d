//! Who chose the model of a call, and what it would have cost elsewhere.

use std::sync::Arc;

use switchboard_wire::reply::Usage;

use super::cost;
use crate::catalog::{Component, PicoUsd};
use crate::deployment::Deployment;
use crate::experiment::Trial;
use crate::route::Plan;
use crate::route::hooks::Advice;

/// Who chose the model of a call.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The group that was chosen.
    pub group: Arc<str>,
    /// The name of what chose it.
    pub strategy: &'static str,
    /// How hard the request was found to be.
    pub tier: Option<&'static str>,
    /// What told that.
    pub told_by: Option<&'static str>,
    /// Where it would have gone if nothing had chosen.
    pub reference: Option<Arc<Deployment>>,
    /// What it would have cost there, by the same tokens; `None` where usage or price is unknown.
    pub reference_cost: Option<PicoUsd>,
    /// Its part in an experiment.
    pub trial: Option<Trial>,
}

impl Decision {
    /// What that advice decided.
    pub(crate) fn of(advice: &Advice, plan: &Plan) -> Box<Self> {
        Box::new(Self {
            group: plan.group.clone(),
            strategy: advice.strategy.unwrap_or(plan.strategy),
            tier: advice.tier,
            told_by: advice.told_by,
            reference: advice.reference.clone(),
            reference_cost: None,
            trial: advice.trial.clone(),
        })
    }

    /// A call that is itself a part of an experiment.
    pub(crate) fn of_trial(trial: Trial, plan: &Plan) -> Box<Self> {
        let (group, strategy) = (plan.group.clone(), trial.role.as_str());
        Box::new(Self { group, strategy, tier: None, told_by: None, reference: None, reference_cost: None, trial: Some(trial) })
    }

    /// Works out what the reference would have cost.
    pub(super) fn compare(&mut self, usage: Option<&Usage>, counted: &[(Component, u64)], service: Option<&str>) {
        let card = self.reference.as_ref().and_then(|reference| reference.card.as_ref());
        self.reference_cost = card.and_then(|card| cost(card, usage, counted, service));
    }
}
