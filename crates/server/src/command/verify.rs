//! `switchboard verify`: whether the ledger is as it must be.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use switchboard_store::ledger::{self, Report};
use switchboard_store::{Store, journal};

use super::database::Database;
use super::{Failure, Outcome, UNUSABLE, complain, say};
use crate::books;
use crate::config::Environment;

mod beyond;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard verify -c config.yaml
  switchboard verify --database-url sqlite:/var/lib/switchboard/switchboard.db
  switchboard verify -c config.yaml --gateway http://127.0.0.1:4000 --key sk-…
  switchboard verify -c config.yaml --provider openai --books usage.csv

Sums the whole ledger and compares it with every counter, lease, seal and line of the request log, while gateways go on writing.
Where no gateway runs, the journal is looked at too: nothing may be left open in it. Ends with 0 when all is as it must be, else
with 1. With --gateway, the places that gateway has given out are compared with the requests it serves (I12); with --books, the
whole ledger of one provider with that provider's own export, as `switchboard reconcile` reads it (I14). The audit log is checked by `switchboard audit verify`.")]
pub(super) struct Verify {
    #[command(flatten)]
    database: Database,
    /// A running gateway whose places are looked at
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// The administrator's key of that gateway
    #[arg(long, value_name = "KEY", env = "SWITCHBOARD_MASTER_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Whose books are compared, as the ledger names the provider
    #[arg(long, requires = "books")]
    provider: Option<String>,
    /// That provider's export of usage, in CSV or JSON
    #[arg(long, value_name = "FILE", requires = "provider")]
    books: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let Some(found) = self.database.find(environment) else { return Ok(ExitCode::from(UNUSABLE)) };
        let store = Store::open(&found.settings)?;
        let report = self.look(&store);
        store.close();
        let report = report?;
        let resting = found.folder.as_ref().filter(|_| !found.is_in_use()).map(|folder| folder.join(books::FOLDER));
        let open = resting.filter(|folder| folder.exists()).map(|folder| journal::open_attempts(&folder)).transpose()?.unwrap_or(0);
        if open > 0 {
            say(&format!("note: {open} attempts were under way when the gateway ended; its next start settles them"));
        }
        Ok(told(&report))
    }

    fn look(&self, store: &Store) -> Result<Report, Failure> {
        let mut report = ledger::verify_blocking(store)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        if let Some(url) = &self.gateway {
            runtime.block_on(beyond::places(url, self.key.as_deref(), &mut report))?;
        }
        if let (Some(provider), Some(export)) = (&self.provider, &self.books) {
            runtime.block_on(beyond::books(store, provider, export, &mut report))?;
        }
        Ok(report)
    }
}

/// Says what was found.
pub(super) fn told(report: &Report) -> ExitCode {
    for finding in &report.findings {
        say(&format!("{}: {}", finding.invariant, finding.what));
    }
    let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (rows, counters) = (counted(report.rows, "row"), counted(report.counters, "counter"));
    let (seals, findings) = (counted(report.seals, "seal"), counted(report.findings.len() as u64, "finding"));
    complain(&format!("{rows}, {counters}, {seals}, {findings}"));
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
