//! A start with what an earlier gateway left.

use std::path::PathBuf;

use sqlx::Executor;
use switchboard_engine::admit::NanoUsd;
use switchboard_engine::admit::journal::{AttemptId, Intent, Journal as _};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::{Settings, Store, micros};

use crate::app::Folder;
use crate::commands::{Served, run};

/// A data directory whose journal holds a call that the ledger does not have.
struct Left {
    folder: Folder,
    store: Store,
    config: PathBuf,
}

impl Left {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let data = folder.path("data");
        std::fs::create_dir(&data).expect("a folder");
        let address = format!("sqlite:{}", data.join("switchboard.db").display());
        let store = Store::open(&Settings { address, connections: 2 }).expect("an address");
        store.migrate().expect("a database");
        let (journal, _) = Journal::open(&data.join("journal"), Durability::Grouped).expect("a journal");
        let intent = Intent {
            attempt: AttemptId::mint(micros()),
            call: "c",
            at: micros(),
            reserved: NanoUsd(9),
            begun: NanoUsd(1),
            lines: &[],
            provider: "lab",
            deployment: "d",
            model: "m",
            group: "m",
        };
        journal.intend(&intent).expect("written");
        drop(journal);
        let config = folder.write("config.yaml", &format!("switchboard: {{data_dir: {}}}\n", data.display()));
        Self { folder, store, config }
    }

    fn arguments(&self) -> [&str; 5] {
        ["serve", "--config", self.config.to_str().expect("text"), "--port", "0"]
    }

    /// Runs statements on one connection, which keeps what they hold until the answer is dropped.
    fn hold(&self, statements: &'static [&'static str]) -> sqlx::pool::PoolConnection<sqlx::Any> {
        let pool = self.store.sql().writers.clone();
        let held = self.store.thread().block(async move {
            let mut connection = pool.acquire().await?;
            for statement in statements {
                connection.execute(*statement).await?;
            }
            Ok(connection)
        });
        held.expect("a connection")
    }
}

#[test]
fn a_start_waits_for_a_ledger_that_takes_its_time() {
    let left = Left::new("starting-slow");
    let held = left.hold(&["BEGIN IMMEDIATE"]);
    let mut served = Served::start(&left.arguments());
    served.until("on its way to the database");
    // What is given back keeps its transaction; what is closed does not.
    drop(held);
    left.store.close();
    served.until("listening on");
}

#[test]
fn a_ledger_that_takes_nothing_is_told_of_with_its_cause() {
    let left = Left::new("starting-broken");
    drop(left.hold(&["DROP TABLE ledger_seals"]));
    left.store.close();
    let output = run(&left.arguments());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    let last = told.lines().last().expect("a line");
    assert!(last.starts_with("error: the ledger in ") && last.contains(&left.folder.path("data").display().to_string()), "{told}");
    assert!(last.contains("no such table: ledger_seals") && last.contains("switchboard restore"), "{told}");
}
