//! What is held for a call is no less than what it costs.

use super::*;
use crate::catalog::Catalog;

const VECTORS: &str = include_str!("../../../tests/data/price_vectors.tsv");

/// M10: for each vector, whatever the terms of service it is billed by.
#[test]
fn m10_what_is_held_is_no_less_than_what_it_costs() {
    let catalog = Catalog::embedded();
    let mut short = Vec::new();
    for line in VECTORS.lines() {
        let [name, _, used, nano] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (provider, model) = name.split_once('/').expect("provider/model");
        let card = catalog.model(provider, model).expect("a card");
        let count = |name: &str| {
            let found = used.split(',').filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name);
            found.and_then(|(_, count)| count.parse::<u64>().ok()).unwrap_or(0)
        };
        let bound = Bound {
            input: count("input"),
            output: Some(count("output")),
            asked: true,
            choices: 1,
            searches: count("web_searches") > 0,
            long_cache: count("cache_write_1h") > 0,
            told: None,
            assumed: None,
            pieces: Vec::new(),
        };
        let held = bound.need(Some(&card.prices)).money;
        if held.0 < nano.parse().expect("an amount") {
            short.push(format!("{line}: {held}"));
        }
    }
    assert!(short.is_empty(), "{} are held too low:\n{}", short.len(), short[..short.len().min(5)].join("\n"));
}
