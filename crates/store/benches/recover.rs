//! How long a start takes after the gateway died amid a hundred thousand calls: until it may serve, and until its books are whole.
//! `cargo bench -p switchboard-store --bench recover`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench tells what it finds, and stops where it cannot go on"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_engine::admit::journal::{AttemptId, Intent, Journal as _};
use switchboard_engine::book::Line;
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::ledger::{Writer, verify_blocking};
use switchboard_store::{Settings, Store, micros};

const OPEN: usize = 100_000;
const GOAL: Duration = Duration::from_secs(3);

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, _) = Journal::open(folder.path(), Durability::Grouped).expect("a journal");
    for at in 0..OPEN {
        let (attempt, now) = (AttemptId::mint(micros()), micros());
        let line =
            |level, id: String| Line { scope: ScopeId::new(level, id.as_str()), windows: vec![(Window::DAILY, Window::DAILY.start(now))] };
        let lines = [line(Level::Key, format!("key{}", at % 1000)), line(Level::Team, format!("team{}", at % 10))];
        let call = attempt.to_string();
        let intent = Intent {
            attempt,
            call: &call,
            at: now,
            reserved: NanoUsd(1000),
            begun: NanoUsd(10),
            lines: &lines,
            provider: "openai",
            deployment: "d",
            model: "gpt-4o-mini",
            group: "fast",
        };
        journal.intend(&intent).expect("written");
    }
    drop(journal);
    let store =
        Store::open(&Settings { address: format!("sqlite:{}", folder.path().join("s.db").display()), connections: 4 }).expect("an address");
    store.migrate().expect("a database");
    let began = Instant::now();
    let (journal, recovered) = Journal::open(folder.path(), Durability::Grouped).expect("a journal");
    let ready = began.elapsed();
    assert_eq!(recovered.attempts, OPEN);
    let writer = Writer::start(&store, Arc::new(journal));
    writer.flush_blocking(Duration::from_secs(300)).expect("carried");
    let whole = began.elapsed();
    drop(writer);
    let report = verify_blocking(&store).expect("looked");
    assert!(report.is_clean() && report.rows >= OPEN as u64, "{:?}", report.findings);
    store.close();
    let good = if ready <= GOAL { "reached" } else { "NOT reached" };
    let (ready, whole) = (ready.as_secs_f64(), whole.as_secs_f64());
    println!(
        "{OPEN} open calls: {ready:.2} s until the gateway may serve (goal {} s: {good}), {whole:.2} s until its books are whole",
        GOAL.as_secs()
    );
}
