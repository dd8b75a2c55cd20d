//! A start with what an earlier gateway left.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::Executor;
use switchboard_engine::admit::journal::{AttemptId, Intent, Journal as _};
use switchboard_engine::terms::NanoUsd;
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::{Settings, Store, micros};

use crate::app::{Folder, TestApp};
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
        let config = folder.write("config.yaml", &format!("switchboard: {{data_dir: {}}}\n", data.display()));
        let address = format!("sqlite:{}", data.join("switchboard.db").display());
        let left = Self { folder, store: Store::open(&Settings { address, connections: 2 }).expect("an address"), config };
        Served::start(&left.arguments()).until("listening on");
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
        left
    }

    fn arguments(&self) -> [&str; 5] {
        ["serve", "--config", self.config.to_str().expect("text"), "--port", "0"]
    }

    /// Does something to the database, and keeps it locked for as long as the sender is there.
    fn hold(&self, statement: &'static str) -> tokio::sync::oneshot::Sender<()> {
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let pool = self.store.sql().writers.clone();
        let (done, waits) = std::sync::mpsc::channel();
        self.store.thread().handle().spawn(async move {
            let mut connection = pool.acquire().await.expect("a connection");
            connection.execute("BEGIN IMMEDIATE").await.expect("a transaction");
            connection.execute(statement).await.expect("a statement");
            done.send(()).expect("somebody waits");
            // That the sender is gone says the same as its word.
            let _ = released.await;
            connection.execute("COMMIT").await.expect("a transaction");
        });
        waits.recv_timeout(Duration::from_secs(20)).expect("a lock");
        release
    }
}

#[test]
fn a_start_waits_for_a_ledger_that_takes_its_time() {
    let left = Left::new("starting-slow");
    let held = left.hold("SELECT 1");
    let mut served = Served::start(&left.arguments());
    served.until("on its way to the database");
    drop(held);
    served.until("listening on");
}

#[test]
fn a_ledger_that_takes_nothing_is_told_of_with_its_cause() {
    let left = Left::new("starting-broken");
    drop(left.hold("DROP TABLE ledger_seals"));
    left.store.close();
    let output = run(&left.arguments());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    let last = told.lines().last().expect("a line");
    assert!(last.starts_with("error: the ledger in ") && last.contains(&left.folder.path("data").display().to_string()), "{told}");
    assert!(last.contains("no such table: ledger_seals") && last.contains("switchboard restore"), "{told}");
}

/// TensorZero #3643: limits that nothing can hold, and it starts, and every request fails.
#[test]
fn a_place_for_limits_that_can_be_none_keeps_a_gateway_from_starting() {
    let folder = Folder::new("starting-nowhere");
    let data = folder.path("data");
    for (said, named) in [
        ("general_settings: {master_key: sk-9f2c4e81b7d05a63, database_url: 'mysql://localhost/limits'}", "mysql"),
        ("router_settings: {redis_url: 'http://localhost:6379'}", "Redis"),
        ("general_settings: {master_key: sk-9f2c4e81b7d05a63}\nswitchboard: {data_dir: /dev/null/data}", "/dev/null/data"),
    ] {
        let rule = "switchboard: {limit_rules: [{id: few, when: {}, limit_to: 2, unit: requests_per_minute}]";
        let file = match said.contains("switchboard:") {
            true => format!("{said}\n"),
            false => format!("{said}\n{rule}, data_dir: {}}}\n", data.display()),
        };
        let config = folder.write("config.yaml", &file);
        let output = run(&["serve", "--config", config.to_str().expect("text"), "--port", "0"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{said}: {told}");
        assert!(told.lines().any(|line| line.contains("error") && line.contains(named)), "{said}: {told}");
    }
}

/// The same, where there is no place at all: a gateway holds them by itself.
#[test]
fn limits_of_a_file_hold_without_any_place() {
    let rule = "switchboard: {limit_rules: [{id: few, when: {}, limit_to: 2, unit: requests_per_minute}]}\n";
    let app = TestApp::of(&format!("model_list: [{{model_name: m, litellm_params: {{model: demo/echo}}}}]\n{rule}"));
    let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let statuses = [(); 4].map(|()| app.ask("POST", "/v1/chat/completions").json(&body).send().status.as_u16());
    assert_eq!(statuses, [200, 200, 429, 429]);
}
