//! What is held for a job: requests that a provider answers later, at the price of batches.

use super::bound::{Bound, counted};
use crate::book::Need;
use crate::call::Call;
use crate::catalog::Component;
use crate::clock::Micros;
use crate::deployment::Deployment;
use crate::tariff::Tariffs;
use crate::terms::NanoUsd;

/// A token of plain text has about four bytes.
const BYTES_OF_TOKEN: u64 = 4;

/// What the requests of a job may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobBound {
    /// All of them at most.
    most: NanoUsd,
    /// Their prompts, by guess.
    prompts: NanoUsd,
    requests: u64,
    /// Whether any of them may cost something.
    is_paid: bool,
    /// Whether there is more to it, of which nobody can say what it costs.
    is_more: bool,
}

impl JobBound {
    /// One of which nobody can say what it costs.
    pub fn unread() -> Self {
        Self { is_more: true, ..Self::default() }
    }

    /// There is more to it, of which nobody can say what it costs.
    pub fn lacks(&mut self) {
        self.is_more = true;
    }

    /// Adds one of its requests, to be sent to that target. Takes as long as the prompt is long.
    pub async fn add(&mut self, call: &Call, target: &Deployment, (tariffs, now): (&Tariffs, Micros)) {
        let tariff = tariffs.of(target, now);
        let prices = tariff.prices().map(|list| list.of_batches());
        let need = counted(call, Bound::of(call, target)).await.need(prices.as_ref());
        let charged = |money: NanoUsd| if prices.is_some() { NanoUsd(tariff.markup.above(money.0)) } else { money };
        let rate = prices.as_ref().and_then(|prices| prices.base(Component::Input));
        let bytes = call.body.len() as u64;
        let prompt = rate.map(|rate| NanoUsd::from_pico(rate.cost(Component::Input, bytes.div_ceil(BYTES_OF_TOKEN))));
        self.most = self.most.plus(charged(need.money));
        self.prompts = self.prompts.plus(prompt.map_or(NanoUsd::ZERO, charged));
        self.is_paid |= !need.free;
        self.requests += 1;
    }

    /// Whether nobody can say what it costs.
    pub(super) fn is_unread(&self) -> bool {
        self.is_more || self.requests == 0
    }

    pub(super) fn need(&self) -> Need {
        Need { money: self.most, free: !self.is_paid && !self.is_unread(), ..Need::default() }
    }

    /// What is charged at least before it is told what it took.
    pub(super) fn prompts(&self) -> NanoUsd {
        self.prompts
    }
}
