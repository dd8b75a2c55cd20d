//! M18: the ledger against an export with two hundred discrepancies: each is found for what it is, and nothing else is.

use std::sync::Arc;

use switchboard_engine::admit::journal::{AttemptId, Basis, Ending, Intent, Journal as _, Settlement};
use switchboard_engine::terms::NanoUsd;
use switchboard_server::money::reconcile::{Kind, Line, Sum, reconcile};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::ledger::{Attempts, Writer};
use switchboard_store::{Money, Settings, Store, Time};

const DAYS: i64 = 30;
const MODELS: u64 = 20;
const DAY: i64 = 86_400_000_000;
/// 2026-10-01.
const FIRST: i64 = 1_790_812_800_000_000;

fn at(day: i64) -> i64 {
    FIRST + day * DAY + DAY / 2
}

/// What one day used of one model.
fn used(day: i64, model: u64) -> (u64, u64, i64) {
    let (input, output) = (100 + model * 7 + day.unsigned_abs(), 10 + model);
    (input, output, i64::try_from(input * 150 + output * 600).expect("small"))
}

fn filled(store: &Store, folder: &std::path::Path) {
    let (journal, _) = Journal::open(folder, Durability::Grouped).expect("a journal");
    for (day, model) in (0..DAYS).flat_map(|day| (0..MODELS).map(move |model| (day, model))) {
        let (input, output, amount) = used(day, model);
        let (attempt, name) = (AttemptId::mint(at(day)), format!("m{model}"));
        let (provider, deployment, lines) = ("lab", "d", vec![]);
        let intent = Intent {
            attempt,
            call: "c",
            at: at(day),
            reserved: NanoUsd(amount),
            begun: NanoUsd(1),
            lines: &lines,
            provider,
            deployment,
            model: "m",
            group: "m",
        };
        journal.intend(&intent).expect("written");
        journal.settle(&Settlement {
            attempt,
            call: "c",
            at: at(day),
            ending: Ending::Settled,
            amount: NanoUsd(amount * 2),
            owed: NanoUsd(amount),
            basis: &Basis { counts: vec![("input", input), ("output", output)], ..Basis::default() },
            model: &name,
            estimated: false,
            reserved: NanoUsd(amount),
            lines: &lines,
            provider,
            deployment,
            tokens: (input, output),
        });
    }
    Writer::start(store, Arc::new(journal)).flush_blocking(std::time::Duration::from_secs(20)).expect("a database");
}

fn line(day: i64, model: u64) -> Line {
    let (input, output, amount) = used(day, model);
    let sum = Sum { cost: Some(Money(NanoUsd(amount))), input_tokens: Some(input), output_tokens: Some(output), requests: Some(1) };
    Line { day: Time(at(day)).to_string().chars().take(10).collect(), model: format!("m{model}-2026-01-01"), sum }
}

#[test]
fn m18_two_hundred_discrepancies_are_found_for_what_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("sqlite:{}", folder.path().join("s.db").display());
    let store = Store::open(&Settings { address, connections: 2 }).expect("an address");
    store.migrate().expect("a database");
    filled(&store, &folder.path().join("journal"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let wanted = Attempts { from: FIRST, until: FIRST + DAYS * DAY, provider: Some("lab".to_owned()), model: None };
    let compare = |lines: &[Line]| runtime.block_on(reconcile(&store, &wanted, lines, NanoUsd::ZERO)).expect("compared");
    let same: Vec<Line> = (0..DAYS).flat_map(|day| (0..MODELS).map(move |model| line(day, model))).collect();
    let clean = compare(&same);
    assert!(clean.is_clean() && clean.compared == 600, "{:?}", clean.differences.first());
    assert_eq!(clean.ledger_total, clean.export_total);
    let (mut lines, mut expected) = (Vec::new(), Vec::new());
    for (count, mut line) in same.into_iter().enumerate() {
        let name = line.model.strip_suffix("-2026-01-01").expect("dated").to_owned();
        let kind = (count.is_multiple_of(3)).then_some(count / 3 % 4);
        match kind {
            Some(0) => expected.push((line.day.clone(), name, Kind::MissingInExport)),
            Some(1) => {
                expected.push((line.day.clone(), name, Kind::UsageDiffers));
                lines.extend([line.clone(), line]);
            }
            Some(2) => {
                expected.push((line.day.clone(), name, Kind::PriceDiffers));
                line.sum.cost = line.sum.cost.map(|Money(NanoUsd(nano))| Money(NanoUsd(nano + 1)));
                lines.push(line);
            }
            Some(_) => {
                let model = format!("unheard-of-{count}");
                expected.push((line.day.clone(), model.clone(), Kind::MissingInLedger));
                lines.extend([Line { model, ..line.clone() }, line]);
            }
            None => lines.push(line),
        }
    }
    let mut found: Vec<_> = compare(&lines).differences.into_iter().map(|one| (one.day, one.model, one.kind)).collect();
    let key = |one: &(String, String, Kind)| (one.0.clone(), one.1.clone(), format!("{:?}", one.2));
    expected.sort_by_key(key);
    found.sort_by_key(key);
    assert_eq!(expected.len(), 200);
    assert_eq!(found, expected);
    store.close();
}
