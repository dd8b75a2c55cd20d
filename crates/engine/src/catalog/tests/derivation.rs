//! The models file against a fresh derivation.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::derive::derive;
use super::*;

#[test]
fn committed_models_are_a_fresh_derivation() {
    let Some(list) = shared("model_prices.json") else { return };
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
    let Some(list) = shared("model_prices.json") else { return };
    let list: BTreeMap<String, BTreeMap<String, &RawValue>> = serde_json::from_str(&list).unwrap();
    let mut compared = 0;
    for (name, entry) in list.iter().filter(|(name, _)| *name != "sample_spec") {
        let Some(raw) = entry.get("input_cost_per_token") else { continue };
        let provider: String = serde_json::from_str(entry["litellm_provider"].get()).unwrap();
        let Some(card) = Catalog::embedded().model(&provider, name.strip_prefix(&format!("{provider}/")).unwrap_or(name))
        else {
            continue;
        };
        let exact = Rate::parse(raw.get()).unwrap();
        if card.prices.base(Component::Input) == Some(exact) {
            compared += 1;
        }
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

#[test]
fn a_list_that_is_none_is_refused() {
    assert!(derive("[]", std::iter::empty()).is_err());
    assert!(derive("{\"a\": 1}", std::iter::empty()).is_err());
}
