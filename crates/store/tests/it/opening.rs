//! Opening, and coming back.

use std::time::Duration;

use sqlx::{Executor, Row};
use switchboard_store::{Settings, Store, StoreError};

use crate::stores::{each, postgres};

#[test]
fn what_is_written_is_there_after_the_next_start() {
    each(|store| {
        let sql = store.sql().clone();
        let read = store.thread().block(async move {
            sqlx::query("INSERT INTO marks (name, value) VALUES ($1, $2)").bind("a").bind("b").execute(&sql.writers).await?;
            let row = sqlx::query("SELECT value FROM marks WHERE name = $1").bind("a").fetch_one(&sql.pool).await?;
            Ok(row.try_get::<String, _>(0)?)
        });
        assert_eq!(read.expect("a row"), "b");
        store.migrate().expect("twice is as once");
    });
}

#[test]
fn an_address_that_is_none_is_refused_without_its_secret() {
    let settings = Settings { address: "mysql://user:hush@host/name".to_owned(), connections: 1 };
    let error = Store::open(&settings).expect_err("no address");
    assert!(matches!(&error, StoreError::Address(told) if told == "mysql://…@host/name"), "{error}");
}

#[test]
fn a_database_that_is_away_is_an_outage() {
    let store = Store::open(&Settings { address: "postgresql://nobody@127.0.0.1:1/none".to_owned(), connections: 1 }).expect("an address");
    let error = store.migrate().expect_err("nobody is there");
    assert!(error.is_outage(), "{error:?}");
}

/// Undoes the last steps, so that they are to be taken again.
const BEHIND: &[&str] = &[
    "DELETE FROM schema_versions WHERE version IN (50, 60)",
    "ALTER TABLE ledger DROP COLUMN owed, DROP COLUMN basis, DROP COLUMN batch",
    "DROP TABLE ledger_seals",
    "ALTER TABLE spend_logs DROP COLUMN answer_id",
];
/// How many wait for this connection.
const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))";

/// Brings a database two steps on while a transaction of somebody else's does `first`, and `then` once the steps wait for it.
fn while_others(first: &'static [&'static str], then: &'static [&'static str]) {
    let Some(settings) = postgres() else { return };
    let (store, other) = (Store::open(&settings).expect("an address"), Store::open(&settings).expect("an address"));
    store.migrate().expect("a database");
    let behind = store.sql().writers.clone();
    let undone = store.thread().block(async move {
        for statement in BEHIND {
            behind.execute(*statement).await?;
        }
        Ok(())
    });
    undone.expect("two steps behind");
    let (begun, waits) = std::sync::mpsc::channel();
    let pool = other.sql().writers.clone();
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            other.thread().block(async move {
                let mut on = pool.begin().await?;
                for statement in first {
                    on.execute(*statement).await?;
                }
                // Whoever asked has gone if nobody hears.
                let _ = begun.send(());
                while sqlx::query(WAITING).fetch_one(&mut *on).await?.try_get::<i64, _>(0)? == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                for statement in then {
                    on.execute(*statement).await?;
                }
                Ok(on.commit().await?)
            })
        });
        waits.recv().expect("begun");
        let migrated = store.migrate();
        others.join().expect("no panic").expect("the others are not kept from their work");
        migrated.expect("the others were waited for");
    });
    store.close();
    other.close();
}

#[test]
fn a_step_waits_for_those_who_use_its_table() {
    while_others(&["LOCK TABLE spend_logs IN ROW EXCLUSIVE MODE"], &["SELECT pg_sleep(3)"]);
}

#[test]
fn steps_wait_for_another_gateway_that_takes_them() {
    while_others(&["SELECT pg_advisory_xact_lock(7283946501)"], &["SELECT pg_sleep(3)"]);
}

/// They want two tables in the other order: the database ends one of the two, and steps are taken again.
#[test]
fn steps_that_are_ended_by_a_deadlock_are_taken_again() {
    let first = &["SET LOCAL deadlock_timeout = '60s'", "LOCK TABLE spend_logs IN ROW EXCLUSIVE MODE"];
    while_others(first, &["LOCK TABLE ledger IN ROW EXCLUSIVE MODE"]);
}
