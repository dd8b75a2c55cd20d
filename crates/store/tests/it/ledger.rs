//! From the journal to the ledger: nothing lost, nothing twice, every counter the sum of its rows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;
use switchboard_engine::admit::journal::{AttemptId, Basis, Ending, Intent, Journal as _, Settlement};
use switchboard_engine::book::Line;
use switchboard_engine::book::port::Past as _;
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::ledger::{DELETED_AT_ONCE, Passing, Past, Writer, delete_lines, spent, verify};
use switchboard_store::{Store, micros};

use crate::stores::each;

const PATIENCE: Duration = Duration::from_secs(20);

fn lines() -> Vec<Line> {
    let day = Window::DAILY.start(micros());
    let line = |level, id: &str, windows: &[(Window, i64)]| Line { scope: ScopeId::new(level, id), windows: windows.to_vec() };
    vec![line(Level::Key, "k", &[(Window::DAILY, day)]), line(Level::Team, "t", &[])]
}

pub(crate) fn intend(journal: &Journal, attempt: AttemptId, begun: i64) {
    intend_of(journal, attempt, &attempt.to_string(), begun);
}

fn intend_of(journal: &Journal, attempt: AttemptId, call: &str, begun: i64) {
    intent_of(attempt, call, begun, |intent| journal.intend(intent)).expect("a journal");
}

/// Does something with an intent.
pub(crate) fn intent_of<T>(attempt: AttemptId, call: &str, begun: i64, then: impl FnOnce(&Intent<'_>) -> T) -> T {
    then(&Intent {
        attempt,
        call,
        at: micros(),
        reserved: NanoUsd(1000),
        begun: NanoUsd(begun),
        lines: &lines(),
        provider: "openai",
        deployment: "d",
        model: "gpt-4o-mini",
        group: "fast",
    })
}

pub(crate) fn settle(journal: &Journal, attempt: AttemptId, amount: i64) {
    journal.settle(&Settlement {
        attempt,
        call: &attempt.to_string(),
        at: micros(),
        ending: Ending::Settled,
        amount: NanoUsd(amount),
        owed: NanoUsd(amount),
        basis: &Basis { counts: vec![("input", 3), ("output", 4)], ..Basis::default() },
        model: "gpt-4o-mini",
        estimated: false,
        reserved: NanoUsd(1000),
        lines: &[],
        provider: "openai",
        deployment: "d",
        tokens: (3, 4),
    });
}

fn open(folder: &Path) -> (Arc<Journal>, usize, NanoUsd) {
    let (journal, recovered) = Journal::open(folder, Durability::Grouped).expect("a journal");
    (Arc::new(journal), recovered.attempts, recovered.amount)
}

fn carry(store: &Store, journal: &Arc<Journal>) {
    let writer = Writer::start(store, journal.clone());
    writer.flush_blocking(PATIENCE).expect("a database");
    assert_eq!(writer.lag(), 0);
}

fn count(store: &Store, statement: &'static str) -> i64 {
    let pool = store.sql().pool.clone();
    store.thread().block(async move { Ok(sqlx::query(statement).fetch_one(&pool).await?.try_get(0)?) }).expect("a count")
}

fn key_spent(store: &Store) -> Vec<(Window, i64, NanoUsd)> {
    let mut spent = futures(spent(store, &ScopeId::new(Level::Key, "k")));
    spent.sort();
    spent
}

/// Waits for what the store's thread does.
pub(crate) fn futures<T>(future: impl Future<Output = Result<T, switchboard_store::StoreError>>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future).expect("a database")
}

fn assert_clean(store: &Store) -> u64 {
    let report = futures(verify(store));
    assert!(report.is_clean(), "{:#?}", report.findings);
    report.rows
}

#[test]
fn every_attempt_is_a_row_and_every_counter_their_sum() {
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, ..) = open(folder.path());
        for amount in 0..3000 {
            let attempt = AttemptId::mint(micros());
            intend(&journal, attempt, 1);
            settle(&journal, attempt, amount);
        }
        carry(store, &journal);
        let all = NanoUsd((0..3000).sum());
        let day = Window::DAILY.start(micros());
        assert_eq!(key_spent(store), [(Window::Lifetime, 0, all), (Window::DAILY, day, all)]);
        assert_eq!(assert_clean(store), 3000);
        let past = futures(Past::read(store, micros()));
        assert_eq!(past.of(&ScopeId::new(Level::Team, "t")), [(Window::Lifetime, 0, all)]);
    });
}

#[test]
fn a_gateway_begins_with_the_windows_that_are_open_whoever_they_are_of() {
    // More than are read together, and every one of them has a window that is over.
    const FILL: &str = "INSERT INTO ledger_windows (account, span, start, spent, leased) WITH RECURSIVE n(at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n WHERE at < 6999) SELECT at, 'lifetime', 0, 900, 0 FROM n UNION ALL SELECT at, '1d', 86400000000, 500, 0 FROM n";
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, ..) = open(folder.path());
        let spend = |amount| {
            let attempt = AttemptId::mint(micros());
            intend(&journal, attempt, 1);
            settle(&journal, attempt, amount);
            carry(store, &journal);
        };
        spend(30);
        let writers = store.sql().writers.clone();
        store.thread().block(async move { Ok(sqlx::query(FILL).execute(&writers).await?) }).expect("a database");
        spend(12);
        let past = futures(Past::read(store, micros()));
        let day = Window::DAILY.start(micros());
        let mut key = past.of(&ScopeId::new(Level::Key, "k"));
        key.sort();
        assert_eq!(key, [(Window::Lifetime, 0, NanoUsd(42)), (Window::DAILY, day, NanoUsd(42))]);
        assert_eq!(past.of(&ScopeId::new(Level::Team, "t")), [(Window::Lifetime, 0, NanoUsd(42))]);
        assert!(past.of(&ScopeId::new(Level::Team, "another")).is_empty());
        assert_eq!(past.len() as i64, 7_000 + count(store, "SELECT COUNT(*) FROM ledger_windows WHERE account >= 7000"));
    });
}

#[test]
fn what_was_under_way_is_settled_by_what_was_last_known() {
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let attempts: Vec<_> = (0..3).map(|_| AttemptId::mint(micros())).collect();
        {
            let (journal, ..) = open(folder.path());
            attempts.iter().for_each(|attempt| intend(&journal, *attempt, 7));
            journal.checkpoint(attempts[1], NanoUsd(50));
            settle(&journal, attempts[2], 11);
        }
        // Cut short, as by a power failure.
        let file =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some()).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.extend_from_slice(&[200, 0, 0, 0, 1, 2, 3, 4, b's']);
        std::fs::write(&file, &bytes).unwrap();
        let (journal, recovered, amount) = open(folder.path());
        assert_eq!((recovered, amount), (2, NanoUsd(57)));
        drop(journal);
        let (journal, recovered, _) = open(folder.path());
        assert_eq!(recovered, 0, "once");
        carry(store, &journal);
        assert_eq!(assert_clean(store), 3);
        assert_eq!(count(store, "SELECT COUNT(*) FROM ledger WHERE estimated = 1"), 2);
        assert_eq!(key_spent(store)[0].2, NanoUsd(57 + 11));
    });
}

/// What was under way has a line in the log of requests as well: with what the attempts before it cost, and whom it counts for.
#[test]
fn calls_that_a_gateway_left_have_a_line() {
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let [lone, first, second, logged, over] = std::array::from_fn(|_| AttemptId::mint(micros()));
        {
            let (journal, ..) = open(folder.path());
            intend(&journal, lone, 7);
            journal.checkpoint(lone, NanoUsd(50));
            intend_of(&journal, first, "call", 5);
            settle(&journal, first, 11);
            intend_of(&journal, second, "call", 5);
            // Over, and its line was not written; over, and it was.
            [over, logged].iter().for_each(|attempt| intend(&journal, *attempt, 1));
            [over, logged].iter().for_each(|attempt| settle(&journal, *attempt, 13));
            let id = logged.to_string();
            journal.log(&Passing { request_id: &id, status: "success", spend: 13, metadata: "{}", ..Passing::default() });
        }
        drop(open(folder.path()));
        let (journal, ..) = open(folder.path());
        carry(store, &journal);
        assert_eq!(count(store, "SELECT COUNT(*) FROM spend_logs"), 4);
        assert_eq!(count(store, "SELECT CAST(SUM(spend) AS BIGINT) FROM spend_logs"), 50 + 11 + 5 + 13 + 13);
        assert_eq!(key_spent(store)[0].2, NanoUsd(50 + 11 + 5 + 13 + 13));
        assert_eq!(count(store, "SELECT spend FROM spend_logs WHERE request_id = 'call'"), 16);
        let told = "SELECT COUNT(*) FROM spend_logs WHERE status = 'failure' AND api_key = 'k' AND team_id = 't' AND model = 'gpt-4o-mini' AND model_group = 'fast' AND model_id = 'd' AND metadata LIKE '%\"recovered\":true%'";
        assert_eq!(count(store, told), 3);
        let days = "SELECT CAST(SUM(spend) AS BIGINT) FROM daily_spend WHERE entity_type = 'all'";
        assert_eq!(count(store, days), 50 + 11 + 5 + 13 + 13);
    });
}

/// M6: however often a journal is carried, each attempt is there once.
#[test]
fn m6_what_is_carried_again_adds_nothing() {
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, ..) = open(folder.path());
        for _ in 0..1000 {
            let attempt = AttemptId::mint(micros());
            intend(&journal, attempt, 1);
            settle(&journal, attempt, 10);
            let id = attempt.to_string();
            journal.log(&Passing { request_id: &id, status: "success", spend: 10, metadata: "{}", ..Passing::default() });
        }
        for _ in 0..5 {
            carry(store, &journal);
            // As if the database had lost what it said of the journal after it had answered.
            let pool = store.sql().writers.clone();
            let forget = async move {
                sqlx::query("DELETE FROM ledger_positions").execute(&pool).await?;
                Ok(())
            };
            store.thread().block(forget).expect("a database");
        }
        assert_eq!(assert_clean(store), 1000);
        assert_eq!(key_spent(store)[0].2, NanoUsd(10_000));
        assert_eq!(count(store, "SELECT COUNT(*) FROM spend_logs"), 1000);
        assert_eq!(count(store, "SELECT CAST(SUM(spend) AS BIGINT) FROM daily_spend WHERE entity_type = 'all'"), 10_000);
    });
}

/// D8: the oldest lines go first, so many at a time, and the days' counters stay.
#[test]
fn d8_old_lines_go_a_few_at_a_time() {
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, ..) = open(folder.path());
        let line = |at: i64| {
            let id = format!("call-{at}");
            journal.log(&Passing { request_id: &id, status: "success", spend: 1, times: (at, at), metadata: "{}", ..Passing::default() });
        };
        (0..DELETED_AT_ONCE + 500).for_each(line);
        carry(store, &journal);
        let delete = |before: i64| futures(delete_lines(store, before));
        assert_eq!(delete(DELETED_AT_ONCE + 100), Some(1000));
        assert_eq!(count(store, "SELECT MIN(started_at) FROM spend_logs"), DELETED_AT_ONCE, "the oldest have gone");
        assert_eq!((delete(DELETED_AT_ONCE + 100), delete(DELETED_AT_ONCE + 100)), (Some(100), Some(0)));
        assert_eq!(count(store, "SELECT COUNT(*) FROM spend_logs"), 400);
        assert_eq!(count(store, "SELECT CAST(SUM(requests) AS BIGINT) FROM daily_spend WHERE entity_type = 'all'"), DELETED_AT_ONCE + 500);
    });
}

/// Whoever else is about it is left to it.
#[test]
fn one_gateway_at_a_time_deletes_lines() {
    let Some(settings) = crate::stores::postgres() else { return };
    let store = Store::open(&settings).expect("a store");
    store.migrate().expect("a schema");
    let pool = store.sql().writers.clone();
    let deleted = store.thread().block({
        let store = store.clone();
        async move {
            let mut other = pool.begin().await?;
            let lock = "SELECT pg_advisory_xact_lock(728394655, hashtext(CAST(current_schema() AS TEXT)))";
            sqlx::query(lock).execute(&mut *other).await?;
            delete_lines(&store, 1).await
        }
    });
    assert_eq!(deleted.expect("an answer"), None);
}

#[test]
fn a_wrong_counter_is_found() {
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, ..) = open(folder.path());
        let attempt = AttemptId::mint(micros());
        intend(&journal, attempt, 1);
        settle(&journal, attempt, 10);
        carry(store, &journal);
        for (damage, invariant) in [
            ("UPDATE ledger_windows SET spent = spent + 1 WHERE span = '1d'", "I4"),
            ("UPDATE ledger_windows SET leased = -1 WHERE span = '1d'", "I2"),
            ("UPDATE ledger SET amount = -5", "I9"),
            ("UPDATE ledger SET input_tokens = 0", "I13"),
            ("DELETE FROM ledger_seals", "I13"),
            ("UPDATE ledger SET at = 0", "I6"),
        ] {
            let pool = store.sql().writers.clone();
            let spoil = async move {
                sqlx::query(damage).execute(&pool).await?;
                Ok(())
            };
            store.thread().block(spoil).expect("a database");
            let findings = futures(verify(store)).findings;
            assert!(findings.iter().any(|finding| finding.invariant == invariant), "{damage}: {findings:?}");
        }
    });
}

#[test]
fn only_its_owner_reads_a_journal() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("journal");
    let (_journal, ..) = open(&place);
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o077;
    assert_eq!(mode(&place), 0);
    for entry in std::fs::read_dir(&place).expect("a folder") {
        let path = entry.expect("a file").path();
        assert_eq!(mode(&path), 0, "{}", path.display());
    }
}

#[test]
fn two_gateways_never_write_one_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_journal, ..) = open(folder.path());
    assert!(Journal::open(folder.path(), Durability::Strict).is_err());
}
