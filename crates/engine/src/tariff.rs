//! What is charged for what is used: the prices in force at a time, less what was agreed with a provider, more what is laid on.
//!
//! Three amounts come of it. The *list* price is what the price list says. What is *owed* to the provider is that less the
//! discount. What is *charged* to the caller is what is owed and the margin. A price may have a date: from then on it holds for
//! calls that begin, whatever the card says.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;
use switchboard_wire::reply::Usage;

use crate::call::{Call, Content};
use crate::catalog::{Component, Exact, ModelCard, PicoUsd, Prices, Service, Share, is_off_peak};
use crate::deployment::Deployment;

const MINUTE: i64 = 60_000_000;
const MINUTES_OF_DAY: i64 = 1_440;
/// The one zone whose weekdays price lists name beside UTC, by its name and its distance in minutes; it has no summer time.
const CHINA: (&str, i64) = ("Asia/Shanghai", 480);
const WHOLE: i128 = 1_000_000_000;
/// Of a factor that is the product of two.
const SQUARE: i128 = WHOLE * WHOLE;

/// What is taken off a list price, and what is laid on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Markup {
    /// Taken off the list price: agreed with the provider.
    pub discount: Share,
    /// Laid on what is owed.
    pub margin: Share,
    /// Laid on each attempt that is charged.
    pub fixed: PicoUsd,
}

impl Markup {
    /// Whether prices stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What is owed of that list price.
    pub fn owed(&self, list: Exact) -> Option<Exact> {
        list.less(self.discount)
    }

    /// What is charged for what is owed.
    pub fn charged(&self, owed: Exact) -> Option<Exact> {
        owed.more(self.margin)?.plus(Exact::of(self.fixed)?)
    }

    /// What is charged for that list price, in nano-dollars, rounded up: for what is held.
    pub fn above(&self, list: i64) -> i64 {
        let (share, fixed) = self.share();
        let exact = i128::from(list).saturating_mul(share).saturating_add(fixed);
        i64::try_from(exact.div_euclid(SQUARE) + i128::from(exact.rem_euclid(SQUARE) != 0)).unwrap_or(i64::MAX)
    }

    /// The list price for which no more than that is charged, in nano-dollars.
    pub fn below(&self, charged: i64) -> i64 {
        let (share, fixed) = self.share();
        let left = i128::from(charged).saturating_mul(SQUARE).saturating_sub(fixed).max(0);
        if share == 0 { i64::MAX } else { i64::try_from(left.div_euclid(share)).unwrap_or(i64::MAX) }
    }

    /// Discount and margin as one factor, and what is fixed in nano-dollars, both in parts of [`SQUARE`].
    fn share(&self) -> (i128, i128) {
        let share = (WHOLE - i128::from(self.discount.billionths())) * (WHOLE + i128::from(self.margin.billionths()));
        (share, self.fixed.0.saturating_mul(SQUARE / 1_000))
    }
}

/// Prices that hold from a time on, in microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Dated {
    /// From when on.
    pub from: i64,
    /// Until when; for good where there is none.
    pub until: Option<i64>,
    /// The prices.
    pub prices: Arc<Prices>,
}

/// Everything that changes a list price.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// For providers that have none of their own.
    pub everywhere: Markup,
    /// By provider.
    pub providers: HashMap<String, Markup>,
    /// By `provider/model` or by the id of a deployment.
    pub dated: HashMap<String, Vec<Dated>>,
}

impl Table {
    /// What is taken off and laid on at that provider.
    pub fn markup(&self, provider: &str) -> Markup {
        self.providers.get(provider).copied().unwrap_or(self.everywhere)
    }

    fn prices(&self, name: &str, at: i64) -> Option<Arc<Prices>> {
        let holds = |dated: &&Dated| dated.from <= at && dated.until.is_none_or(|until| at < until);
        self.dated.get(name)?.iter().filter(holds).max_by_key(|dated| dated.from).map(|dated| dated.prices.clone())
    }

    /// What holds for that model of that provider at that time, served by that deployment.
    pub fn of<'a>(&self, (provider, model, deployment): (&str, &str, &str), card: Option<&'a ModelCard>, at: i64) -> Tariff<'a> {
        let dated = (!self.dated.is_empty())
            .then(|| self.prices(deployment, at).or_else(|| self.prices(&format!("{provider}/{model}"), at)))
            .flatten();
        Tariff { card, dated, markup: self.markup(provider), at: Some(at), is_stated: false, search: Searched::default(), drawn: None }
    }
}

/// What is charged, from now on until it is replaced. Reading it takes no lock.
#[derive(Debug, Default)]
pub struct Tariffs(ArcSwap<Table>);

impl Tariffs {
    /// Replaces all of it; calls that are being charged keep what they have.
    pub fn replace(&self, table: Table) {
        self.0.store(Arc::new(table));
    }

    /// All of it.
    pub fn table(&self) -> Arc<Table> {
        self.0.load_full()
    }

    /// What holds for a target at that time.
    pub fn of<'a>(&self, target: &'a Deployment, at: i64) -> Tariff<'a> {
        let spec = &target.spec;
        let tariff = self.0.load().of((&spec.provider, &spec.model, &spec.id), target.card.as_ref(), at);
        Tariff { is_stated: target.states_cost && tariff.dated.is_none(), ..tariff }
    }
}

/// What holds for one target at one time.
#[derive(Clone, Debug, Default)]
pub struct Tariff<'a> {
    card: Option<&'a ModelCard>,
    dated: Option<Arc<Prices>>,
    /// What is taken off and laid on.
    pub markup: Markup,
    /// When; none where it is asked for no call.
    at: Option<i64>,
    /// Whether a cost that the provider states is the list price of an answer.
    is_stated: bool,
    /// How much each search brings in, as was asked.
    search: Searched,
    /// The kind of what is drawn.
    drawn: Option<&'a str>,
}

/// How much a search brings in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Searched {
    Low,
    #[default]
    Medium,
    High,
}

impl Searched {
    /// As that call asks for it, in `web_search_options` or of the tool that searches. It is looked for where it has a price.
    pub(crate) fn of(call: &Call, card: Option<&ModelCard>) -> Self {
        const NAME: &str = "search_context_size";
        let differs =
            |card: &ModelCard| [Component::SearchLow, Component::SearchHigh].into_iter().any(|size| card.prices.base(size).is_some());
        let Content::Json(outline) = &call.content else { return Self::default() };
        if !card.is_some_and(differs) {
            return Self::default();
        }
        let has = |key: &str| outline.get(key).map(|entry| call.body.slice(entry.value.start, entry.value.end));
        let told = [has("web_search_options"), has("tools")].into_iter().flatten().find_map(|text| {
            let after = memchr::memmem::find(text.as_ref(), NAME.as_bytes()).map(|at| at + NAME.len())?;
            let rest = text.as_ref().get(after..)?;
            let word: Vec<u8> =
                rest.iter().copied().skip_while(|byte| !byte.is_ascii_alphabetic()).take_while(u8::is_ascii_alphabetic).collect();
            Some(word)
        });
        match told.as_deref() {
            Some(b"low") => Self::Low,
            Some(b"high") => Self::High,
            _ => Self::Medium,
        }
    }

    /// What is paid for it.
    pub(crate) fn component(self) -> Component {
        match self {
            Self::Low => Component::SearchLow,
            Self::Medium => Component::SearchMedium,
            Self::High => Component::SearchHigh,
        }
    }
}

/// A price list, wherever it is from.
#[derive(Clone, Debug)]
pub enum List<'a> {
    /// The card's.
    Card(&'a Prices),
    /// One that has a date.
    Dated(Arc<Prices>),
}

impl Deref for List<'_> {
    type Target = Prices;

    fn deref(&self) -> &Prices {
        match self {
            List::Card(prices) => prices,
            List::Dated(prices) => prices,
        }
    }
}

impl<'a> Tariff<'a> {
    /// The card's prices as they are.
    pub fn listed(card: Option<&'a ModelCard>) -> Self {
        Self { card, ..Self::default() }
    }

    /// The list price of an answer, where its provider states it.
    pub fn stated(&self, usage: Option<&Usage>) -> Option<Exact> {
        let cost = usage.filter(|_| self.is_stated)?.cost.as_deref()?;
        PicoUsd::parse(cost).filter(|cost| cost.0 >= 0).and_then(Exact::of)
    }

    /// The factors on the price list that this usage calls for.
    pub fn factors(&self, usage: &Usage) -> impl Iterator<Item = Share> {
        let is_so = |flag: Option<u64>| flag.is_some_and(|flag| flag > 0);
        let wanted = [("fast", is_so(usage.served_fast)), ("us", is_so(usage.served_us))];
        let card = self.card.filter(|_| self.dated.is_none());
        let of = move |name: &str| card?.factors.iter().find(|(known, _)| known == name).and_then(|(_, factor)| Share::parse(factor));
        wanted.into_iter().filter_map(move |(name, wanted)| of(name).filter(|_| wanted))
    }

    /// For a call whose searches bring in that much.
    #[must_use]
    pub(crate) fn searching(self, search: Searched) -> Self {
        Self { search, ..self }
    }

    /// For a call that draws things of that kind.
    #[must_use]
    pub(crate) fn drawing(self, kind: Option<&'a str>) -> Self {
        Self { drawn: kind, ..self }
    }

    /// The kind of what is drawn, as prices name it; none where they name none.
    pub(crate) fn drawn(&self) -> &'a str {
        self.drawn.unwrap_or_default()
    }

    /// What is paid for so many searches: of some vendors each, of others all of an answer's as one.
    pub(crate) fn searches(&self, count: u64) -> (Component, u64) {
        (self.search.component(), self.looked_up(count))
    }

    /// The same of anything that is looked up, such as a place in maps.
    pub(crate) fn looked_up(&self, count: u64) -> u64 {
        let per_answer = self.card.is_some_and(|card| card.search_unit.as_deref() == Some("per_prompt"));
        if per_answer { count.min(1) } else { count }
    }

    /// The price list; none where no price is known.
    pub fn prices(&self) -> Option<List<'a>> {
        let card = self.card.map(|card| &card.prices).filter(|prices| !prices.is_empty());
        self.dated.clone().map(List::Dated).or_else(|| card.map(List::Card))
    }

    /// Whether nothing is charged by it, whatever is used.
    pub fn is_nothing(&self) -> bool {
        !self.is_stated && self.prices().is_none_or(|prices| prices.iter().all(|(_, rate)| rate.raw() == 0))
    }

    /// The terms of service of a call: those the provider says it served, else those of the hour.
    pub fn service(&self, told: Option<&str>) -> Service {
        let hours = || {
            let card = self.card?;
            let minute = self.at?.div_euclid(MINUTE);
            let ahead = if card.off_peak_zone.as_deref() == Some(CHINA.0) { CHINA.1 } else { 0 };
            // 1970 began on a Thursday; weeks begin on Mondays.
            let weekday = u8::try_from(((minute + ahead).div_euclid(MINUTES_OF_DAY) + 3).rem_euclid(7) + 1).ok()?;
            let minute = u16::try_from(minute.rem_euclid(MINUTES_OF_DAY)).ok()?;
            is_off_peak(card.off_peak_hours.as_deref()?, weekday, minute).then_some(Service::OffPeak)
        };
        match told.and_then(Service::from_name).unwrap_or_default() {
            Service::Standard => hours().unwrap_or_default(),
            served => served,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Component, Rate};

    fn share(text: &str) -> Share {
        Share::parse(text).expect("a share")
    }

    #[test]
    fn a_markup_is_exact_and_its_bounds_hold() {
        let markup = Markup { discount: share("0.05"), margin: share("0.08"), fixed: PicoUsd(500_000_000) };
        let list = Exact::of(PicoUsd(1_000_000_000_000)).expect("a dollar");
        let owed = markup.owed(list).expect("owed");
        assert_eq!(owed.pico(), PicoUsd(950_000_000_000));
        assert_eq!(markup.charged(owed).map(Exact::pico), Some(PicoUsd(1_026_500_000_000)));
        for list in [0, 1, 7, 999, 1_000_000_000, 77_777_777_777] {
            let exact = markup.owed(Exact::of(PicoUsd(i128::from(list) * 1_000)).expect("money")).and_then(|owed| markup.charged(owed));
            let charged = crate::terms::NanoUsd::from_pico(exact.expect("money").pico()).0;
            assert_eq!(markup.above(list), charged, "{list}");
            assert!(markup.below(charged) >= list && markup.above(markup.below(1_000_000)) <= 1_000_000, "{list}");
        }
        assert_eq!((Markup::default().above(5), Markup::default().below(5)), (5, 5));
    }

    #[test]
    fn a_dated_price_holds_from_its_date_on() {
        let mut prices = Prices::default();
        let key = |component| crate::catalog::price::PriceKey { component, qualifier: String::new(), service: Service::Standard, above: 0 };
        prices.set(key(Component::Input), Rate::parse("0.001").expect("a price"));
        let dated = |from, until| Dated { from, until, prices: Arc::new(prices.clone()) };
        let card = ModelCard::parse("lab/one\t$input=1").expect("a card");
        let table = Table { dated: [("lab/one".to_owned(), vec![dated(100, Some(200)), dated(300, None)])].into(), ..Table::default() };
        let dear = |at| {
            let tariff = table.of(("lab", "one", "d"), Some(&card), at);
            tariff.prices().and_then(|list| list.base(Component::Input)).map(|rate| rate.to_decimal(0))
        };
        let listed = Some("0.000001".to_owned());
        assert_eq!(
            [99, 100, 199, 200, 300].map(dear),
            [listed.clone(), Some("0.001".into()), Some("0.001".into()), listed, Some("0.001".into())]
        );
    }

    #[test]
    fn quiet_hours_are_found_by_the_clock() {
        let card = ModelCard::parse("lab/one\toff_peak=1,2,3,4,5@00:00-01:00;6,7@00:00-00:00 $input=2 $input+off_peak=1").expect("a card");
        // 2026-11-21T06:20:00Z is a Saturday.
        let saturday = 1_795_242_000_000_000;
        let at = |at| Table::default().of(("lab", "one", "d"), Some(&card), at).service(None);
        assert_eq!(at(saturday), Service::OffPeak);
        assert_eq!(at(saturday + 2 * 86_400_000_000), Service::Standard);
        let tariff = Table::default().of(("lab", "one", "d"), Some(&card), saturday);
        assert_eq!(tariff.service(Some("priority")), Service::Priority);
    }
}
