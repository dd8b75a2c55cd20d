//! Money.

use super::super::price::PriceKey;
use super::*;

fn card(fields: &str) -> ModelCard {
    ModelCard::parse(&format!("p/m\t{fields}")).unwrap()
}

fn of(component: Component, quantity: u64) -> Amount<'static> {
    Amount { component, qualifier: "", quantity }
}

#[test]
fn decimals_are_exact() {
    for (text, plain) in [
        ("2.5e-06", "0.0000025"),
        ("1e-7", "0.0000001"),
        ("3", "3"),
        ("0", "0"),
        ("0.0", "0"),
        ("1.50", "1.5"),
        ("25000000.0", "25000000"),
        ("5.0000000000000004e-08", "0.000000050000000000000004"),
        ("-0.5", "-0.5"),
        ("1E2", "100"),
    ] {
        assert_eq!(Rate::parse(text).unwrap().to_decimal(0), plain, "{text}");
    }
    for text in ["", "-", ".", "e5", "1e", "1..2", "0x1", "NaN", "inf", "1e99", "1e-25", "1e-99999999999", "٣", "+1", ".5"] {
        assert!(Rate::parse(text).is_err(), "{text}");
    }
    assert_eq!(Rate::parse("2.5e-06").unwrap().to_decimal(6), "2.5");
    assert_eq!(Rate::parse_scaled("2.5", -6), Rate::parse("0.0000025"));
}

#[test]
fn a_plain_call() {
    let card = card("$input=2.5 $output=10 $cache_read=1.25");
    let amounts = [of(Component::Input, 1000), of(Component::CacheRead, 200), of(Component::Output, 50)];
    let cost = card.prices.cost(&amounts, Service::Standard, 1200).unwrap();
    assert_eq!(cost, PicoUsd(2_500_000_000 + 250_000_000 + 500_000_000));
    assert_eq!(cost.to_string(), "0.00325");
}

#[test]
fn what_has_no_price_of_its_own_is_billed_as_its_kin() {
    let card = card("$input=3 $output=15 $cache_write=3.75");
    let cost = |component| card.prices.cost(&[of(component, 1_000_000)], Service::Standard, 10).unwrap().to_string();
    assert_eq!(cost(Component::CacheRead), "3");
    assert_eq!(cost(Component::CacheWriteHour), "3.75");
    assert_eq!(cost(Component::Reasoning), "15");
    assert_eq!(cost(Component::AudioCacheRead), "3");
    assert_eq!(card.prices.cost(&[of(Component::OutputImage, 1)], Service::Standard, 10), Err(CostError::Unpriced(Component::OutputImage)));
    assert_eq!(card.prices.cost(&[of(Component::OutputImage, 0)], Service::Standard, 10), Ok(PicoUsd(0)));
}

#[test]
fn length_bands_hold_above_their_threshold_only() {
    let card = card("$input=1 $input>200000=2 $input>500000=4 $output=5");
    let input = |prompt| card.prices.rate(Component::Input, "", Service::Standard, prompt).unwrap().to_decimal(6);
    assert_eq!(input(0), "1");
    assert_eq!(input(200_000), "1");
    assert_eq!(input(200_001), "2");
    assert_eq!(input(500_001), "4");
    assert_eq!(card.prices.rate(Component::Output, "", Service::Standard, 900_000), Rate::parse("5e-6").ok());
}

#[test]
fn services_fall_back_to_the_standard_terms_of_the_same_band() {
    let card = card("$input=2 $input+batch=1 $input+priority=4 $input>200000=3 $input+priority>200000=6 $output=8");
    let input = |service, prompt| card.prices.rate(Component::Input, "", service, prompt).unwrap().to_decimal(6);
    assert_eq!(input(Service::Batch, 10), "1");
    assert_eq!(input(Service::Priority, 10), "4");
    assert_eq!(input(Service::Priority, 200_001), "6");
    assert_eq!(input(Service::Flex, 10), "2");
    assert_eq!(input(Service::Batch, 200_001), "3");
}

#[test]
fn batches_are_bounded_by_what_they_cost() {
    let card = card("$input=3 $input+priority=9 $input>200000=5 $output=8 $output+batch=3 $cache_read=0.000001 $query=0.01");
    let batched = card.prices.of_batches();
    for component in [Component::Input, Component::Output, Component::CacheRead, Component::Query] {
        for prompt in [10, 200_001] {
            let exact = card.prices.cost(&[of(component, 1_000_000)], Service::Batch, prompt).unwrap();
            assert_eq!(batched.worst(component, prompt, true).unwrap().cost(component, 1_000_000), exact, "{component:?} {prompt}");
        }
    }
}

#[test]
fn time_is_counted_in_milliseconds_and_rounded_up_once() {
    let card = card("$input_second=0.0001 $output_second@720p=0.1 $input=0.000001");
    let half = card.prices.cost(&[of(Component::InputTime, 500)], Service::Standard, 0).unwrap();
    assert_eq!(half.to_string(), "0.00005");
    let video = Amount { component: Component::OutputTime, qualifier: "720p", quantity: 8000 };
    assert_eq!(card.prices.cost(&[video], Service::Standard, 0).unwrap().to_string(), "0.8");
    let least = card.prices.cost(&[of(Component::Input, 1)], Service::Standard, 1).unwrap();
    assert_eq!(least, PicoUsd(1), "a millionth of a millionth of a dollar is not lost");
    let none = Amount { component: Component::OutputTime, qualifier: "8k", quantity: 1 };
    assert_eq!(card.prices.cost(&[none], Service::Standard, 0), Err(CostError::Unpriced(Component::OutputTime)));
}

#[test]
fn no_bill_overflows() {
    let card = card("$request=100000000000000 $input=1");
    let huge = [of(Component::Request, u64::MAX)];
    assert_eq!(card.prices.cost(&huge, Service::Standard, 0), Err(CostError::OutOfRange));
    assert!(card.prices.cost(&[of(Component::Input, u64::MAX)], Service::Standard, u64::MAX).is_ok());
}

#[test]
fn later_prices_replace_earlier_ones() {
    let mut card = card("$input=1");
    let key = PriceKey { component: Component::Input, qualifier: String::new(), service: Service::Standard, above: 0 };
    card.prices.set(key, Rate::ZERO);
    assert_eq!(card.prices.base(Component::Input), Some(Rate::ZERO));
    assert_eq!(card.to_line(), "p/m\t$input=0");
}

#[test]
fn known_prices() {
    let price =
        |name: &str, component| Catalog::embedded().lookup(name).unwrap().card.prices.base(component).map(|rate| rate.to_decimal(6));
    assert_eq!(price("gpt-4o", Component::Input).as_deref(), Some("2.5"));
    assert_eq!(price("gpt-4o", Component::Output).as_deref(), Some("10"));
    assert_eq!(price("claude-sonnet-4-5", Component::CacheWriteHour).as_deref(), Some("6"));
    let gemini = Catalog::embedded().lookup("gemini-2.5-pro").unwrap().card;
    let input = |prompt| gemini.prices.rate(Component::Input, "", Service::Standard, prompt).unwrap().to_decimal(6);
    assert_eq!((input(200_000).as_str(), input(200_001).as_str()), ("1.25", "2.5"));
}

proptest::proptest! {
    #[test]
    fn any_decimal_survives(whole in 0_u64..1_000_000_000, fraction in "[0-9]{0,18}") {
        let text = format!("{whole}.{fraction}0");
        let rate = Rate::parse(&text).unwrap();
        let plain = rate.to_decimal(0);
        proptest::prop_assert_eq!(Rate::parse(&plain).unwrap(), rate);
        let trimmed = text.trim_end_matches('0').trim_end_matches('.');
        proptest::prop_assert_eq!(plain, trimmed);
    }

    #[test]
    fn any_card_survives_its_line(model in "[ -~]{1,40}", source in "[ -~]{1,40}", max in proptest::option::of(0_u64..u64::MAX)) {
        let card = ModelCard {
            provider: "p".to_owned(), model, source: Some(source), max_tokens: max, ..ModelCard::default()
        };
        proptest::prop_assert_eq!(ModelCard::parse(&card.to_line()).unwrap(), card);
    }
}

#[test]
fn amounts_are_written_as_the_shortest_decimal() {
    let written = [
        (0, "0"),
        (1, "0.000000000001"),
        (36_000_000, "0.000036"),
        (1_000_000_000_000, "1"),
        (-12_500_000_000_000, "-12.5"),
        (1_234_567_890_123_456, "1234.567890123456"),
        (i128::MIN, "-170141183460469231731687303.715884105728"),
    ];
    for (pico, text) in written {
        assert_eq!(PicoUsd(pico).to_string(), text);
    }
}
