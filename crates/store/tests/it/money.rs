//! What is reckoned again, put right and set off: rows are added, never changed.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use switchboard_engine::admit::journal::{AttemptId, Basis, Ending, Journal as _, Settlement};
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::ledger::{Attempts, Correction, Difference, Passing, Writer, correct, report, reprice, spends, verify};
use switchboard_store::{Store, micros};

use crate::ledger::{futures, intend, settle};
use crate::stores::each;

fn carried(store: &Store, work: impl FnOnce(&Journal)) {
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, _) = Journal::open(folder.path(), Durability::Grouped).expect("a journal");
    work(&journal);
    let writer = Writer::start(store, Arc::new(journal));
    writer.flush_blocking(std::time::Duration::from_secs(20)).expect("a database");
}

fn of_key(store: &Store) -> Vec<(Window, i64, NanoUsd)> {
    let key = ScopeId::new(Level::Key, "k");
    let (mut found, _) = futures(spends(store, std::slice::from_ref(&key)));
    let mut found = found.remove(&key).expect("asked for");
    found.sort();
    found
}

fn clean(store: &Store) {
    assert_eq!(futures(verify(store)).findings, []);
}

#[test]
fn a_period_is_reckoned_again_once() {
    each(|store| {
        carried(store, |journal| {
            for amount in [10, 20, 30] {
                let attempt = AttemptId::mint(micros());
                intend(journal, attempt, 1);
                settle(journal, attempt, amount);
                let (id, times) = (attempt.to_string(), (micros(), micros()));
                journal.log(&Passing { request_id: &id, status: "success", spend: amount, times, metadata: "{}", ..Passing::default() });
            }
        });
        let wanted = Attempts { from: micros() - 60_000_000, until: micros() + 60_000_000, ..Attempts::default() };
        let double = |one: &switchboard_store::ledger::Attempted| {
            assert_eq!(one.basis.as_ref().map(|basis| (basis.model.as_str(), basis.counts["input"])), Some(("gpt-4o-mini", 3)));
            let settled = if one.corrections > 0 { one.amount / 2 } else { one.amount };
            Some((settled * 2, settled))
        };
        let dry = futures(reprice((store, "i"), &wanted, ("me", true), double, |_| {}));
        assert_eq!((dry.attempts, dry.changed, dry.amount), (3, 3, 60));
        assert_eq!(of_key(store)[0].2, NanoUsd(60), "nothing was written");
        let done = futures(reprice((store, "i"), &wanted, ("me", false), double, |_| {}));
        assert_eq!((done.changed, done.amount, done.owed), (3, 60, 0));
        let day = Window::DAILY.start(micros());
        assert_eq!(of_key(store), [(Window::Lifetime, 0, NanoUsd(120)), (Window::DAILY, day, NanoUsd(120))]);
        let again = futures(reprice((store, "i"), &wanted, ("me", false), double, |_| {}));
        assert_eq!((again.attempts, again.changed), (3, 0), "once is enough");
        let sums =
            futures(report::sums(store, report::Days { kind: "all", ..report::Days::default() }, &[], report::SumSort::Dearest, (1, 0)));
        assert_eq!((sums[0].spend, sums[0].requests), (120, 3));
        clean(store);
    });
}

/// Some thousands of attempts, a run that ends in the middle, and two at once.
#[test]
fn a_period_is_reckoned_again_in_pieces_and_nothing_twice() {
    const ATTEMPTS: u64 = 4_500;
    each(|store| {
        carried(store, |journal| {
            for _ in 0..ATTEMPTS {
                let attempt = AttemptId::mint(micros());
                intend(journal, attempt, 1);
                settle(journal, attempt, 10);
            }
        });
        let wanted = Attempts { from: micros() - 600_000_000, until: micros() + 60_000_000, ..Attempts::default() };
        let dearer = |_: &switchboard_store::ledger::Attempted| Some((15, 15));
        let key = ScopeId::new(Level::Key, "k");
        let of_key_in = |written: &[Difference]| written.iter().filter(|(id, ..)| *id == key).map(|(.., amount)| amount.0).sum::<i64>();
        let (most, sum) = (Cell::new(0), Cell::new(0));
        let written = |written: &[Difference]| {
            most.set(most.get().max(of_key_in(written)));
            sum.set(sum.get() + of_key_in(written));
        };
        // As if it were killed when it has written twice.
        let count = Cell::new(0);
        futures(async {
            let mut run = pin!(reprice((store, "i"), &wanted, ("me", false), dearer, |some| {
                written(some);
                count.set(count.get() + 1);
            }));
            let ends = poll_fn(|context| match run.as_mut().poll(context) {
                Poll::Pending if count.get() < 2 => Poll::Pending,
                _ => Poll::Ready(()),
            });
            ends.await;
            Ok(())
        });
        assert!(most.get() <= 500 * 5, "{} at once", most.get());
        assert!(sum.get() < 5 * ATTEMPTS as i64, "it ended early");
        let both = futures(async {
            let one = reprice((store, "i"), &wanted, ("me", false), dearer, |_| {});
            let other = reprice((store, "another"), &wanted, ("you", false), dearer, |_| {});
            let (one, other) = tokio::join!(one, other);
            Ok((one?, other?))
        });
        assert!(both.0.changed < ATTEMPTS && both.0.attempts == ATTEMPTS && both.1.attempts == ATTEMPTS, "{both:?}");
        assert_eq!(of_key(store)[0].2, NanoUsd(15 * ATTEMPTS as i64));
        assert_eq!(futures(reprice((store, "i"), &wanted, ("me", false), dearer, |_| {})).changed, 0);
        clean(store);
    });
}

/// Rows that were written while the terms of service were forgotten before settlement: the log of requests has them.
#[test]
fn what_a_row_forgot_of_its_terms_the_log_knows() {
    each(|store| {
        carried(store, |journal| {
            for (deployment, status) in [("d", "success"), ("another", "success"), ("d", "failure")] {
                let attempt = AttemptId::mint(micros());
                intend(journal, attempt, 1);
                settle(journal, attempt, 16_750);
                let (id, times, metadata) = (attempt.to_string(), (micros(), micros()), r#"{"service_tier": "flex"}"#);
                let (spend, model_id) = (16_750, Some(deployment));
                journal.log(&Passing { request_id: &id, status, spend, times, model_id, metadata, ..Passing::default() });
            }
        });
        let wanted = Attempts { from: micros() - 60_000_000, until: micros() + 60_000_000, ..Attempts::default() };
        let by_terms = |one: &switchboard_store::ledger::Attempted| match one.basis.as_ref()?.service.as_deref() {
            Some("flex") => Some((8_375, 8_375)),
            _ => Some((16_750, 16_750)),
        };
        let done = futures(reprice((store, "i"), &wanted, ("me", false), by_terms, |_| {}));
        assert_eq!((done.attempts, done.changed, done.amount), (3, 1, -8_375), "where that deployment answered, and nowhere else");
        assert_eq!(of_key(store)[0].2, NanoUsd(16_750 * 2 + 8_375));
        assert_eq!(futures(reprice((store, "i"), &wanted, ("me", true), by_terms, |_| {})).changed, 0);
        clean(store);
    });
}

#[test]
fn what_is_laid_on_is_the_gateways_and_not_the_providers() {
    each(|store| {
        carried(store, |journal| {
            let attempt = AttemptId::mint(micros());
            intend(journal, attempt, 1);
            journal.settle(&Settlement {
                attempt,
                call: "call",
                at: micros(),
                ending: Ending::Settled,
                amount: NanoUsd(110),
                owed: NanoUsd(95),
                basis: &Basis::default(),
                model: "m",
                estimated: false,
                reserved: NanoUsd(1000),
                lines: &[],
                provider: "openai",
                deployment: "d",
                tokens: (3, 4),
            });
        });
        let pool = store.sql().pool.clone();
        let owed = store.thread().block(async move {
            let text = "SELECT a.name, w.spent FROM ledger_windows w JOIN ledger_accounts a ON a.id = w.account WHERE a.level = 'owed' ORDER BY a.name";
            let rows = sqlx::query(text).fetch_all(&pool).await?;
            let row = |row: &sqlx::any::AnyRow| {
                use sqlx::Row;
                (row.get::<String, _>(0), row.get::<i64, _>(1))
            };
            Ok(rows.iter().map(row).collect::<Vec<_>>())
        });
        assert_eq!(owed.expect("rows"), [("gateway/margin".to_owned(), 15), ("openai/d".to_owned(), 95)]);
        assert_eq!(of_key(store)[0].2, NanoUsd(110));
        clean(store);
    });
}

/// A wrong charge is put right by a row that says so (LiteLLM #20615: a row deleted by hand).
#[test]
fn a_wrong_charge_is_put_right_by_a_row() {
    each(|store| {
        carried(store, |journal| {
            let attempt = AttemptId::mint(micros());
            intend(journal, attempt, 1);
            settle(journal, attempt, 76_000_000_000);
        });
        let day = Window::DAILY.start(micros());
        let correction = Correction {
            scope: ScopeId::new(Level::Key, "k"),
            windows: vec![(Window::DAILY, day)],
            amount: NanoUsd(-76_000_000_000),
            credit: "gateway/corrections".to_owned(),
            reason: "a price had the wrong unit".to_owned(),
            actor: "me".to_owned(),
        };
        futures(correct(store, "i", vec![correction]));
        assert_eq!(of_key(store), [(Window::Lifetime, 0, NanoUsd(0)), (Window::DAILY, day, NanoUsd(0))]);
        clean(store);
    });
}
