//! Sums before they are rounded, and what is taken off or laid on.

use super::{Amount, Component, CostError, PicoUsd, PriceKey, Prices, RATES_PER_PICO, Rate, Service, Unit};

/// Money in units of 1e-24 USD: a sum of prices as they are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(i128);

/// A part of one, in thousand millionths: 5 % is 50,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(i64);

const WHOLE: i128 = 1_000_000_000;
/// A share has nine decimals; a pico-dollar has twelve.
const FINER: i128 = 1_000;
/// No share is larger: a thousandfold margin is a mistake.
const LARGEST: i128 = 1_000 * WHOLE;

impl Share {
    /// Nothing.
    pub const NONE: Share = Share(0);

    /// Reads a decimal such as `0.05`, exactly; none for what is negative, finer than nine decimals or more than a thousand.
    pub fn parse(text: &str) -> Option<Self> {
        let PicoUsd(fine) = PicoUsd::parse(text)?;
        let whole = fine.div_euclid(FINER);
        let fits = fine.rem_euclid(FINER) == 0 && (0..=LARGEST).contains(&whole);
        fits.then(|| i64::try_from(whole).ok().map(Self)).flatten()
    }

    /// Whether it is more than the whole.
    pub fn exceeds_whole(self) -> bool {
        i128::from(self.0) > WHOLE
    }

    /// In thousand millionths.
    pub fn billionths(self) -> i64 {
        self.0
    }

    /// As a number of dollars is written, for headers.
    pub fn as_money(self) -> PicoUsd {
        PicoUsd(i128::from(self.0) * FINER)
    }
}

impl Exact {
    /// Nothing.
    pub const ZERO: Exact = Exact(0);

    /// So many pico-dollars; none where that is more than any bill.
    pub fn of(PicoUsd(pico): PicoUsd) -> Option<Self> {
        pico.checked_mul(RATES_PER_PICO).map(Self)
    }

    /// Rounded up, the one rounding there is.
    pub fn pico(self) -> PicoUsd {
        PicoUsd(self.0.div_euclid(RATES_PER_PICO) + i128::from(self.0.rem_euclid(RATES_PER_PICO) != 0))
    }

    /// The sum; none where it is more than any bill.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// With a share taken off.
    pub fn less(self, Share(share): Share) -> Option<Self> {
        self.times(WHOLE - i128::from(share))
    }

    /// With a share laid on.
    pub fn more(self, Share(share): Share) -> Option<Self> {
        self.times(WHOLE + i128::from(share))
    }

    /// So many times as much.
    pub fn scaled(self, Share(factor): Share) -> Option<Self> {
        self.times(i128::from(factor))
    }

    fn times(self, billionths: i128) -> Option<Self> {
        let fine = self.0.checked_mul(billionths)?;
        Some(Self(fine.div_euclid(WHOLE) + i128::from(fine.rem_euclid(WHOLE) != 0)))
    }
}

impl Prices {
    /// What so much of one thing costs, before any rounding. A batch without a price of its own costs half.
    pub fn exact(&self, amount: &Amount<'_>, service: Service, prompt: u64) -> Result<Exact, CostError> {
        if amount.quantity == 0 {
            return Ok(Exact::ZERO);
        }
        let (rate, of_service) = self.met(amount, service, prompt).ok_or(CostError::Unpriced(amount.component))?;
        let per = if amount.component.unit() == Unit::Time { 1000 } else { 1 };
        let halved = service == Service::Batch && !of_service && amount.component.unit() == Unit::Token;
        let per = if halved { per * 2 } else { per };
        rate.times(amount.quantity, per).map(Exact).ok_or(CostError::OutOfRange)
    }

    /// The price that holds, of the thing or of what it is billed as; and whether it is one of that service.
    fn met(&self, amount: &Amount<'_>, service: Service, prompt: u64) -> Option<(Rate, bool)> {
        let mut component = Some(amount.component);
        while let Some(tried) = component {
            let exact = self.of_service(tried, amount.qualifier, service, prompt);
            if let Some(found) = exact.or_else(|| self.of_service(tried, "", service, prompt)) {
                return Some(found);
            }
            component = tried.otherwise();
        }
        None
    }

    /// All prices of a component: they stand together.
    fn of(&self, component: Component) -> impl Iterator<Item = &(PriceKey, Rate)> {
        let from = self.0.partition_point(|(key, _)| key.component < component);
        self.0[from..].iter().take_while(move |(key, _)| key.component == component)
    }

    pub(super) fn of_service(&self, component: Component, qualifier: &str, service: Service, prompt: u64) -> Option<(Rate, bool)> {
        let holds = |above: u32| above == 0 || prompt > u64::from(above);
        let met = self.of(component).filter(|(key, _)| {
            key.qualifier == qualifier && holds(key.above) && (key.service == service || key.service == Service::Standard)
        });
        met.max_by_key(|(key, _)| (key.above, key.service == service)).map(|(key, rate)| (*rate, key.service == service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_exactly() {
        for (text, billionths) in [("0.05", Some(50_000_000)), ("1", Some(1_000_000_000)), ("0.000000001", Some(1)), ("0", Some(0))] {
            assert_eq!(Share::parse(text).map(Share::billionths), billionths, "{text}");
        }
        for text in ["-0.1", "0.0000000001", "1001", "much"] {
            assert_eq!(Share::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_taken_off_and_laid_on() {
        let sum = Exact::of(PicoUsd(1_000_000)).expect("a sum");
        let five = Share::parse("0.05").expect("a share");
        assert_eq!(sum.less(five).map(Exact::pico), Some(PicoUsd(950_000)));
        assert_eq!(sum.more(five).map(Exact::pico), Some(PicoUsd(1_050_000)));
        assert_eq!(Exact(1).more(five), Some(Exact(2)), "up, against whoever pays");
        assert_eq!(Exact(i128::MAX / 2).more(five), None);
    }
}
