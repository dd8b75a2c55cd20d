//! The most that something can cost, and what money buys.

use super::{Component, PicoUsd, PriceKey, Prices, RATES_PER_PICO, Rate, Service, Unit};

impl Rate {
    /// What so many units cost, rounded up; the most there can be where it is more than any bill.
    pub fn cost(self, component: Component, quantity: u64) -> PicoUsd {
        let per = if component.unit() == Unit::Time { 1000 } else { 1 };
        let fine = self.times(quantity, per).unwrap_or(i128::MAX / 2);
        PicoUsd(fine.div_euclid(RATES_PER_PICO) + i128::from(fine.rem_euclid(RATES_PER_PICO) != 0))
    }

    /// How many units that much money buys; none where they are free.
    pub fn buys(self, money: PicoUsd) -> Option<u64> {
        if self.0 <= 0 {
            return None;
        }
        let units = money.0.checked_mul(RATES_PER_PICO)?.div_euclid(self.0).max(0);
        u64::try_from(units).ok()
    }
}

impl Prices {
    /// The same for what is answered later, as part of a batch: what has no price for that costs half of the usual one.
    #[must_use]
    pub fn of_batches(&self) -> Prices {
        let as_usual = |key: &PriceKey| PriceKey { service: Service::Standard, ..key.clone() };
        let mut batched = Prices::default();
        for (key, rate) in self.0.iter().filter(|(key, _)| key.service == Service::Standard) {
            let is_halved = key.component.unit() == Unit::Token;
            batched.set(key.clone(), if is_halved { Rate(rate.0.div_euclid(2) + rate.0.rem_euclid(2)) } else { *rate });
        }
        for (key, rate) in self.0.iter().filter(|(key, _)| key.service == Service::Batch) {
            batched.set(as_usual(key), *rate);
        }
        batched
    }

    /// The highest price of a component that a prompt of up to that many tokens may meet, whatever the kind; what it falls back to
    /// where it has none of its own. `tiers`: whatever the terms, else under the usual ones or cheaper ones.
    pub fn worst(&self, component: Component, prompt: u64, tiers: bool) -> Option<Rate> {
        let mut tried = Some(component);
        while let Some(component) = tried {
            let met = |key: &PriceKey| key.component == component && (key.above == 0 || prompt > u64::from(key.above));
            // What is asked for as it comes is never billed as a batch.
            let is_met = |service: Service| service != Service::Batch && (tiers || !service.is_dearer());
            let rates = self.0.iter().filter(|(key, _)| met(key) && is_met(key.service)).map(|(_, rate)| *rate);
            if let Some(worst) = rates.max() {
                return Some(worst);
            }
            tried = component.otherwise();
        }
        None
    }
}
