//! Which models a query means, and in what order.

use std::cmp::Ordering;
use std::time::Instant;

use switchboard_engine::catalog::{Catalog, Component};
use switchboard_engine::health::Window;

use super::offer::{Endpoint, Offer};
use super::query::{Sort, Wanted};
use crate::clock::unix_seconds;

const DAY: u64 = 86_400;
/// What `model_info` says a model is for.
const CATEGORIES: &str = "categories";

/// What is known beside the offers.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) now: Instant,
}

/// The offers that are wanted, in the order that is wanted; not yet cut to a page.
pub(super) fn choose(mut offers: Vec<Offer>, wanted: &Wanted, ground: Ground<'_>) -> Vec<Offer> {
    // Where nobody says what models are for, asking for a category asks for nothing.
    let categorized = offers.iter().any(|offer| offer.written.contains_key(CATEGORIES));
    offers.retain(|offer| is_wanted(offer, wanted, ground) && (!categorized || is_of(offer, wanted)));
    match wanted.sort {
        Some(sort) => ordered(offers, sort, ground.now),
        None => offers,
    }
}

fn is_wanted(offer: &Offer, wanted: &Wanted, ground: Ground<'_>) -> bool {
    let top = offer.top();
    !wanted.benchmarked
        && wanted.text.as_deref().is_none_or(|text| is_named(offer, text))
        && has_all(&offer.union(Endpoint::known_parameters), &wanted.parameters)
        && has_all(&offer.union(Endpoint::inputs), &wanted.inputs)
        && has_any(&offer.union(Endpoint::outputs), &wanted.outputs)
        && wanted.context.is_none_or(|least| offer.context().is_some_and(|context| context >= least))
        && wanted.prompt.hold(top.rate(Component::Input))
        && wanted.completion.hold(top.rate(Component::Output))
        && wanted.family.as_deref().is_none_or(|family| offer.family(ground.catalog).is_some_and(|own| own.eq_ignore_ascii_case(family)))
        && is_by(offer, &wanted.authors)
        && is_served(offer, &wanted.providers, ground.catalog)
        && wanted
            .distillable
            .is_none_or(|wanted| offer.endpoints.iter().any(|endpoint| endpoint.deployment.spec.traits.distillable == Some(wanted)))
        && (!wanted.zdr || offer.endpoints.iter().any(|endpoint| endpoint.keeps_nothing()))
        && wanted.region.as_deref().is_none_or(|region| offer.endpoints.iter().any(|endpoint| endpoint.deployment.facts.is_in(region)))
        && wanted.age.hold(offer.number("created").map(|created| unix_seconds().saturating_sub(created) / DAY))
}

/// Whether every word of the text is part of one of its names.
fn is_named(offer: &Offer, text: &str) -> bool {
    let names = [offer.id.to_lowercase(), offer.slug().to_lowercase(), offer.top().model.to_lowercase()];
    text.split_whitespace().all(|word| names.iter().any(|name| name.contains(word)))
}

/// Whether it is of the category that is wanted, if one is.
fn is_of(offer: &Offer, wanted: &Wanted) -> bool {
    let known = offer.written.get(CATEGORIES).and_then(serde_json::Value::as_array);
    let is_one = |category: &str| known.is_some_and(|known| known.iter().any(|one| one.as_str() == Some(category)));
    wanted.category.as_deref().is_none_or(is_one)
}

fn has_all(known: &[&str], wanted: &[String]) -> bool {
    wanted.iter().all(|one| known.contains(&one.as_str()))
}

fn has_any(known: &[&str], wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| known.contains(&one.as_str()))
}

fn is_by(offer: &Offer, authors: &[String]) -> bool {
    authors.is_empty() || offer.author().is_some_and(|author| authors.iter().any(|one| one.eq_ignore_ascii_case(author)))
}

fn is_served(offer: &Offer, providers: &[String], catalog: &Catalog) -> bool {
    let serves = |endpoint: &Endpoint, name: &str| {
        let row = endpoint.provider(catalog);
        row.is_some_and(|row| same(&row.name, name) || row.names().any(|known| same(known, name)))
    };
    providers.is_empty() || providers.iter().any(|name| offer.endpoints.iter().any(|endpoint| serves(endpoint, name)))
}

/// People write the names of providers with hyphens, underscores, spaces and capitals.
pub(super) fn same(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>();
    plain(one) == plain(other)
}

/// What is not known comes last, whichever way the order goes; what is alike stays as it was.
fn ordered(offers: Vec<Offer>, sort: Sort, now: Instant) -> Vec<Offer> {
    let best = |offer: &Offer, of: &dyn Fn(&Endpoint) -> Option<f64>, pick: fn(f64, f64) -> f64| {
        offer.endpoints.iter().filter_map(of).reduce(pick)
    };
    let throughput = |endpoint: &Endpoint| endpoint.figures(Window::HalfHour, now)?.throughput(0.5);
    let latency = |endpoint: &Endpoint| endpoint.figures(Window::HalfHour, now)?.first_content(0.5);
    match sort {
        Sort::MostPopular => by(offers, |offer| seen(offer.traffic(now).0), Ordering::reverse),
        Sort::TopWeekly => by(offers, |offer| seen(offer.traffic(now).1), Ordering::reverse),
        Sort::Newest => by(offers, |offer| offer.number("created"), Ordering::reverse),
        Sort::PriceUp => by(offers, |offer| offer.top().price(), |order| order),
        Sort::PriceDown => by(offers, |offer| offer.top().price(), Ordering::reverse),
        Sort::Context => by(offers, Offer::context, Ordering::reverse),
        Sort::Throughput => by(offers, |offer| best(offer, &throughput, f64::max), Ordering::reverse),
        Sort::Latency => by(offers, |offer| best(offer, &latency, f64::min), |order| order),
        Sort::Benchmark => offers,
    }
}

fn seen(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

fn by<K: PartialOrd>(offers: Vec<Offer>, key: impl Fn(&Offer) -> Option<K>, direction: fn(Ordering) -> Ordering) -> Vec<Offer> {
    let mut keyed: Vec<(Option<K>, Offer)> = offers.into_iter().map(|offer| (key(&offer), offer)).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) => direction(a.partial_cmp(b).unwrap_or(Ordering::Equal)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
    keyed.into_iter().map(|(_, offer)| offer).collect()
}
