//! A deployment under consideration.

use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;
use switchboard_wire::Operation;

use crate::catalog::PicoUsd;
use crate::deployment::Deployment;
use crate::health::{self, View};
use crate::route::plan::{Overrides, Target};

/// A deployment that may serve a request, and what is known of it now.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which.
    pub deployment: Arc<Deployment>,
    /// How it is doing.
    pub view: View,
    /// Lower levels come first, whatever the strategy says.
    pub level: i64,
    /// Its share, where a virtual model says one.
    pub weight: Option<f64>,
    /// What is different for it.
    pub overrides: Option<Arc<Overrides>>,
    /// What the request would cost there; `None` where a price is not known, or nobody has asked.
    pub cost: Option<PicoUsd>,
    /// How many of the caller's softer wishes it does not meet.
    pub demerits: u8,
    /// What the strategy ranks by; the least comes first.
    pub(super) key: f64,
    /// Its lot, where it is not drawn by chance.
    pub(super) lot: Option<u64>,
}

impl Candidate {
    /// That deployment as it is now.
    pub fn new(deployment: &Arc<Deployment>, now: Instant) -> Self {
        Self::seen(deployment, deployment.health.view(now))
    }

    /// Those deployments as they are now.
    pub(super) fn all<'a>(deployments: impl Iterator<Item = &'a Arc<Deployment>>, now: Instant) -> Vec<Self> {
        let at = health::millis(now);
        deployments.map(|deployment| Self::seen(deployment, deployment.health.view_at(at))).collect()
    }

    /// That deployment, doing so.
    pub fn seen(deployment: &Arc<Deployment>, view: View) -> Self {
        let level = i64::from(deployment.spec.order);
        Self { deployment: deployment.clone(), view, level, weight: None, overrides: None, cost: None, demerits: 0, key: 0.0, lot: None }
    }

    /// Seconds until it begins to answer; `None` where nothing was measured.
    pub fn latency(&self, stream: bool) -> Option<f64> {
        if stream {
            self.view.first_content().or_else(|| self.view.whole())
        } else {
            self.view.whole().or_else(|| self.view.first_content())
        }
    }

    /// The price of a token of prompt and answer together, for comparing.
    pub fn rates(&self) -> Option<f64> {
        self.deployment.facts.both
    }

    /// Whether any request for that may go there, whatever it asks for.
    pub(super) fn is_open(&self, operation: Operation) -> bool {
        self.view.refusal.is_none() && self.deployment.facts.open && self.deployment.serves(operation)
    }

    /// Its lot; the least comes first.
    pub(super) fn lot(&self, rng: &mut Rng) -> u32 {
        self.lot.map_or_else(|| rng.u32(..), |lot| (lot >> 32) as u32)
    }

    /// The same as a number from 0 and below 1.
    pub(super) fn share(&self, rng: &mut Rng) -> f64 {
        self.lot.map_or_else(|| rng.f64(), |lot| (lot >> 11) as f64 / (1_u64 << 53) as f64)
    }

    pub(super) fn into_target(self) -> Target {
        let Self { deployment, overrides, cost, .. } = self;
        Target { deployment, overrides, expected_cost: cost, expected_latency: None, own: None }
    }
}
