//! M10: what calls cost by the catalog, against vectors that were reckoned with fractions elsewhere (`tests/prices/vectors.py`), and
//! what is laid on it.

use switchboard_engine::catalog::{Catalog, PicoUsd, Share};
use switchboard_engine::meter::{bill, cost};
use switchboard_engine::tariff::{Markup, Table, Tariff};
use switchboard_engine::terms::NanoUsd;
use switchboard_engine::wire::reply::Usage;

const VECTORS: &str = include_str!("../data/price_vectors.tsv");

struct Vector {
    provider: String,
    model: String,
    service: String,
    usage: Usage,
    nano: i64,
}

fn vectors() -> impl Iterator<Item = Vector> {
    VECTORS.lines().map(|line| {
        let [name, service, used, nano] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (provider, model) = name.split_once('/').expect("provider/model");
        let mut usage = Usage::default();
        for (name, count) in used.split(',').filter_map(|part| part.split_once('=')) {
            usage.set(name, count.parse().expect("a count"));
        }
        let (provider, model, service) = (provider.to_owned(), model.to_owned(), service.to_owned());
        Vector { provider, model, service, usage, nano: nano.parse().expect("an amount") }
    })
}

#[test]
fn m10_five_thousand_vectors_cost_what_they_must_to_the_nano_dollar() {
    let catalog = Catalog::embedded();
    let mut wrong = Vec::new();
    let mut count = 0;
    for vector in vectors() {
        count += 1;
        let card = catalog.model(&vector.provider, &vector.model).expect("a card");
        let cost = cost(&card, Some(&vector.usage), &[], Some(&vector.service)).map(NanoUsd::from_pico);
        if cost != Some(NanoUsd(vector.nano)) {
            wrong.push(format!(
                "{}/{} {} {:?}: {cost:?}, not {}",
                vector.provider,
                vector.model,
                vector.service,
                vector.usage.counts(),
                vector.nano
            ));
        }
    }
    assert_eq!(count, 5000);
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}

/// LiteLLM #40002: what is held for a call knows the tiers, whatever comes of it.
#[test]
fn what_is_laid_on_is_exact_and_the_parts_make_up_the_whole() {
    let catalog = Catalog::embedded();
    let markup =
        Markup { discount: Share::parse("0.05").expect("a share"), margin: Share::parse("0.1").expect("a share"), fixed: PicoUsd(7) };
    let table = Table { everywhere: markup, ..Table::default() };
    for vector in vectors().take(1000) {
        let card = catalog.model(&vector.provider, &vector.model).expect("a card");
        let tariff = table.of((&vector.provider, &vector.model, ""), Some(&card), 4 * 3_600_000_000);
        let bill = bill(&tariff, Some(&vector.usage), &[], Some(&vector.service)).expect("a bill");
        let parts = [bill.parts.input, bill.parts.output, bill.parts.tools]
            .into_iter()
            .try_fold(switchboard_engine::catalog::Exact::ZERO, |sum, part| sum.plus(part));
        assert_eq!(parts, Some(bill.list));
        let list = bill.list.pico().0;
        // 0.95 * 1.1 = 1.045, in whole numbers; each rounding is upwards and less than a pico-dollar.
        let wanted = (list * 1045).div_euclid(1000) + 7;
        assert!((0..=2).contains(&(bill.charged.pico().0 - wanted + 1)), "{} is not {wanted}", bill.charged.pico().0);
        assert!(markup.above(NanoUsd::from_pico(bill.list.pico()).0) >= NanoUsd::from_pico(bill.charged.pico()).0);
    }
    assert!(bill(&Tariff::default(), None, &[], None).is_none());
}
