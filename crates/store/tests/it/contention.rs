//! M9: gateways that write to the same rows of PostgreSQL at once never lock each other out, and nothing of what they write is dropped.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;
use switchboard_engine::admit::journal::{AttemptId, Intent, Journal as _};
use switchboard_engine::book::Line;
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::ledger::{Writer, verify};
use switchboard_store::{Settings, Store, micros};

use crate::ledger::{futures, settle};

const GATEWAYS: usize = 4;
const SCOPES: usize = 20;
const EACH: usize = 2_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn store(address: &str) -> Store {
    Store::open(&Settings { address: address.to_owned(), connections: 4 }).expect("an address")
}

/// Asks that database something of which the answer is a number.
fn number(store: &Store, text: &str) -> i64 {
    let (pool, text) = (store.sql().pool.clone(), text.to_owned());
    let found = store.thread().block(async move { Ok(sqlx::query(sqlx::AssertSqlSafe(text)).fetch_one(&pool).await?.try_get(0)?) });
    found.expect("a number")
}

fn run(store: &Store, text: String) {
    let pool = store.sql().writers.clone();
    let done = store.thread().block(async move {
        sqlx::query(sqlx::AssertSqlSafe(text)).execute(&pool).await?;
        Ok(())
    });
    done.expect("done");
}

/// The scopes of a call: some of those that all share, each call in an order of its own.
fn lines(call: usize) -> Vec<Line> {
    let day = Window::DAILY.start(micros());
    let line = |at: usize| {
        let level = if at.is_multiple_of(2) { Level::Key } else { Level::Team };
        Line { scope: ScopeId::new(level, format!("shared-{}", at % SCOPES)), windows: vec![(Window::DAILY, day)] }
    };
    // Strides that have no divisor in common with how many there are.
    let stride = [1, 3, 7, 9, 11, 13, 17, 19][call % 8];
    (0..4).map(|at| line(call + at * stride)).collect()
}

fn write(address: &str, gateway: usize) {
    let (store, folder) = (store(address), tempfile::tempdir().expect("a folder"));
    let (journal, _) = Journal::open(folder.path(), Durability::Grouped).expect("a journal");
    let journal = Arc::new(journal);
    let writer = Writer::start(&store, journal.clone());
    for call in 0..EACH {
        let (attempt, lines) = (AttemptId::mint(micros()), lines(call * GATEWAYS + gateway));
        let intent = Intent {
            attempt,
            call: "call",
            at: micros(),
            reserved: NanoUsd(1_000),
            begun: NanoUsd(1),
            lines: &lines,
            provider: "openai",
            deployment: "d",
            model: "m",
            group: "m",
        };
        journal.intend(&intent).expect("a journal");
        settle(&journal, attempt, 10);
        // Many batches and not one.
        if call % 50 == 49 {
            writer.flush_blocking(PATIENCE).expect("a database");
        }
    }
    writer.flush_blocking(PATIENCE).expect("a database");
    store.close();
}

#[test]
fn m9_four_gateways_on_shared_rows_never_lock_each_other_out() {
    let Ok(address) = std::env::var("TEST_DATABASE_URL") else {
        println!("skipped: TEST_DATABASE_URL is not set");
        return;
    };
    // PostgreSQL counts for each database what locked each other out.
    let name = format!("test_{}_{}", std::process::id(), micros());
    let (server, rest) = address.rsplit_once('/').expect("a database");
    let own = format!("{server}/{name}{}", rest.find('?').map_or("", |at| &rest[at..]));
    let outside = store(&address);
    run(&outside, format!("CREATE DATABASE {name}"));
    let first = store(&own);
    first.migrate().expect("a database");
    std::thread::scope(|scope| {
        for gateway in 0..GATEWAYS {
            let own = &own;
            scope.spawn(move || write(own, gateway));
        }
    });
    let report = futures(verify(&first));
    assert_eq!((report.findings, report.rows), (vec![], (GATEWAYS * EACH) as u64), "nothing is dropped, and every counter is right");
    first.close();
    // What a connection has seen is told when it has ended.
    let connected = format!("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{name}'");
    for _ in 0..100 {
        if number(&outside, &connected) == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(number(&outside, &format!("SELECT deadlocks FROM pg_stat_database WHERE datname = '{name}'")), 0);
    run(&outside, format!("DROP DATABASE {name} WITH (FORCE)"));
    outside.close();
}
