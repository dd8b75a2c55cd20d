//! What is held for a call is no less than what it costs.

use switchboard_wire::reply::Usage;

use super::*;
use crate::catalog::{Catalog, ModelCard};
use crate::meter::bill;

const VECTORS: &str = include_str!("../../../tests/data/price_vectors.tsv");

/// A vector: the card, its terms of service, what was used of it, and what that costs.
struct Vector {
    card: ModelCard,
    service: String,
    used: Vec<(String, u64)>,
    nano: i64,
}

impl Vector {
    fn read(line: &str, catalog: &Catalog) -> Self {
        let [name, service, used, nano] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (provider, model) = name.split_once('/').expect("provider/model");
        let used = used.split(',').filter_map(|part| part.split_once('='));
        Self {
            card: catalog.model(provider, model).expect("a card"),
            service: service.to_owned(),
            used: used.map(|(key, count)| (key.to_owned(), count.parse().unwrap_or(0))).collect(),
            nano: nano.parse().expect("an amount"),
        }
    }

    fn count(&self, name: &str) -> u64 {
        self.used.iter().find(|(key, _)| key == name).map_or(0, |(_, count)| *count)
    }

    fn bound(&self) -> Bound {
        Bound {
            input: self.count("input"),
            output: Some(self.count("output")),
            asked: true,
            choices: 1,
            hosted: Hosted { searches: self.count("web_searches"), ..Hosted::default() },
            long_cache: self.count("cache_write_1h") > 0,
            tiers: !PLAIN_TERMS.contains(&self.service.as_str()),
            ..Bound::default()
        }
    }
}

/// M10: for each vector, whatever the terms of service it is billed by.
#[test]
fn m10_what_is_held_is_no_less_than_what_it_costs() {
    let catalog = Catalog::embedded();
    let mut short = Vec::new();
    for line in VECTORS.lines() {
        let vector = Vector::read(line, catalog);
        let held = vector.bound().need(Some(&vector.card.prices)).money;
        if held.0 < vector.nano {
            short.push(format!("{line}: {held}"));
        }
    }
    assert!(short.is_empty(), "{} are held too low:\n{}", short.len(), short[..short.len().min(5)].join("\n"));
}

/// The same for all factors of a card, each and together.
#[test]
fn m10_what_is_served_fast_or_at_a_place_is_held_too() {
    let catalog = Catalog::embedded();
    let (mut seen, mut short) = (0, Vec::new());
    for line in VECTORS.lines() {
        let vector = Vector::read(line, catalog);
        for (fast, us) in [(true, false), (false, true), (true, true)] {
            let names = [("fast", fast), ("us", us)].into_iter().filter(|(_, is_so)| *is_so).map(|(name, _)| name);
            let of = |name| vector.card.factors.iter().find(|(known, _)| known == name).and_then(|(_, factor)| Share::parse(factor));
            let factors: Vec<Share> = names.filter_map(of).collect();
            if factors.is_empty() {
                continue;
            }
            let usage = Usage {
                input: Some(vector.count("input")),
                output: Some(vector.count("output")),
                cache_read: Some(vector.count("cache_read")),
                cache_write: Some(vector.count("cache_write")),
                cache_write_1h: Some(vector.count("cache_write_1h")),
                reasoning: Some(vector.count("reasoning")),
                web_searches: Some(vector.count("web_searches")),
                served_fast: fast.then_some(1),
                served_us: us.then_some(1),
                ..Usage::default()
            };
            let cost = bill(&Tariff::listed(Some(&vector.card)), Some(&usage), &[], Some(&vector.service)).expect("a bill").list.pico();
            let held = Bound { factors, ..vector.bound() };
            let need = held.need(Some(&vector.card.prices)).money;
            seen += 1;
            if need < NanoUsd::from_pico(cost) {
                short.push(format!("{line}: {need}"));
            }
            let shorter = held.affordable(&vector.card.prices, need);
            assert!(shorter.is_none_or(|shorter| held.clone().within(shorter).need(Some(&vector.card.prices)).money <= need), "{line}");
        }
    }
    assert!(seen > 0, "no card has a factor");
    assert!(short.is_empty(), "{} are held too low:\n{}", short.len(), short[..short.len().min(5)].join("\n"));
}
