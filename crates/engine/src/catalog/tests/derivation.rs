//! The models file against a fresh derivation.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::derive::derive;
use super::*;

#[test]
fn committed_models_are_a_fresh_derivation() {
    let Some(list) = shared("model_prices.json") else {
        return;
    };
    let first = derive(&list, Catalog::embedded().providers()).unwrap();
    let second = derive(&list, Catalog::embedded().providers()).unwrap();
    assert_eq!(first, second, "derivation is deterministic");
    eprintln!("{} cards, skipped {:?}, duplicates {:?}", first.cards, first.skipped, first.duplicates);
    assert_eq!(first.unknown, [], "every field of the list is read or named as not carried");
    assert_eq!(first.skipped, ["fallback_generalizations", "sample_spec"]);
    assert_committed("catalog/models.txt", &first.text);
}

#[test]
fn every_line_is_read_and_written_alike_and_sorted() {
    let mut last = String::new();
    let mut count = 0;
    for line in Catalog::model_lines().lines().filter(|line| !line.starts_with('#')) {
        let card = ModelCard::parse(line).unwrap();
        assert_eq!(card.to_line(), line);
        let key = line.split('\t').next().unwrap().to_owned();
        assert!(last < key, "{last} before {key}");
        assert_eq!(Catalog::embedded().model(&card.provider, &card.model).as_ref(), Some(&card), "{key} is found");
        last = key;
        count += 1;
    }
    assert!(count > 4000, "{count} lines");
    assert_eq!(Catalog::embedded().models().count(), count);
}

/// Every `…per_token` number of the list, digit by digit, against the price the card gives.
#[test]
fn prices_are_exact() {
    let Some(list) = shared("model_prices.json") else {
        return;
    };
    let duplicates = derive(&list, Catalog::embedded().providers()).unwrap().duplicates;
    let list: BTreeMap<String, BTreeMap<String, &RawValue>> = serde_json::from_str(&list).unwrap();
    let mut compared = 0;
    for (name, entry) in list.iter().filter(|(name, _)| *name != "sample_spec") {
        let twice = duplicates.iter().any(|other| other.ends_with(name.as_str()) || name.ends_with(other.as_str()));
        let Some(raw) = entry.get("input_cost_per_token").filter(|_| !twice) else {
            continue;
        };
        let listed: String = serde_json::from_str(entry["litellm_provider"].get()).unwrap();
        let row = Catalog::embedded().providers().find(|row| row.price_names.contains(&listed) || row.names().any(|name| name == listed));
        let id = row.map_or(listed.as_str(), |row| row.id.as_str());
        let mut prefixes = row.into_iter().flat_map(Provider::names).chain([listed.as_str()]);
        let model = prefixes.find_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('/'));
        let card = Catalog::embedded().model(id, model.unwrap_or(name)).expect(name);
        let price = card.prices.base(Component::Input).map(|rate| rate.to_decimal(0));
        assert_eq!(price.unwrap(), expanded(raw.get()), "{name}");
        compared += 1;
    }
    assert!(compared > 3000, "{compared} prices agree");
}

#[test]
fn a_list_with_something_new_says_so() {
    let list = r#"{"acme/one": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_smell": 1e-6,
        "input_cost_per_token": 0.0000025, "output_cost_per_token_above_128k_tokens_priority": 1e-05, "supports_vision": false}}"#;
    let derivation = derive(list, std::iter::empty()).unwrap();
    assert_eq!(derivation.unknown, [("input_cost_per_smell".to_owned(), "acme/one".to_owned())]);
    let line = derivation.text.lines().last().unwrap();
    assert_eq!(line, "acme/one\tmode=chat $input=2.5 $output+priority>128000=10 lacks=vision");
}

/// The list forgets of one name of a model what it says of the other, and of a maker's models that they search although that has a price.
#[test]
fn what_is_said_of_one_name_holds_for_the_other() {
    let entry = |name: &str, more: &str| {
        format!("\"{name}\": {{\"litellm_provider\": \"{}\", \"mode\": \"chat\"{more}}}", name.split_once('/').unwrap().0)
    };
    let price = ", \"search_context_cost_per_query\": {\"search_context_size_low\": 0.01}";
    let list = [
        entry("acme/one", ", \"supports_vision\": false"),
        entry("acme/one-20260101", ", \"supports_vision\": true, \"supports_web_search\": true"),
        entry("acme/two", ""),
        entry("acme/two-2026-01-01", ", \"supports_vision\": true"),
        entry("acme/two-2026-02-02", ""),
        entry("anthropic/claude-x", price),
        entry("anthropic/other", price),
    ];
    let derivation = derive(&format!("{{{}}}", list.join(",")), Catalog::embedded().providers()).unwrap();
    let abilities: Vec<(String, Vec<String>)> = derivation
        .text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let card = ModelCard::parse(line).unwrap();
            (card.model.clone(), card.supports)
        })
        .collect();
    let known = |name: &str| abilities.iter().find(|(model, _)| model == name).unwrap().1.clone();
    assert_eq!(known("one"), ["web_search"], "what is said stays");
    assert_eq!(known("one-20260101"), ["vision", "web_search"]);
    assert!(known("two").is_empty() && known("two-2026-02-02").is_empty(), "editions may differ");
    assert_eq!((known("claude-x"), known("other")), (vec!["web_search".to_owned()], vec![]));
}

#[test]
fn a_list_that_is_none_is_refused() {
    assert!(derive("[]", std::iter::empty()).is_err());
    assert!(derive("{\"a\": 1}", std::iter::empty()).is_err());
}

/// A JSON number as a plain decimal, by moving its point.
fn expanded(number: &str) -> String {
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().unwrap();
    assert!(exponent <= 0, "{number}");
    let zeros = "0".repeat(usize::try_from(-exponent).unwrap());
    let digits = format!("{zeros}{whole}");
    let (whole, moved) = digits.split_at(digits.len() - zeros.len());
    let plain = format!("{}.{moved}{fraction}", whole.trim_start_matches('0'));
    let plain = plain.trim_end_matches('0').trim_end_matches('.');
    if plain.starts_with('.') || plain.is_empty() { format!("0{plain}") } else { plain.to_owned() }
}
