//! `switchboard verify`: whether the ledger is as it must be.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use switchboard_store::{Settings, Store, ledger};

use super::{Outcome, UNUSABLE, complain, say};
use crate::config::{Environment, Overrides, Source};
use crate::{memory, serve};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard verify -c config.yaml
  switchboard verify --database-url sqlite:/var/lib/switchboard/switchboard.db

Sums the whole ledger and compares it with every counter, while gateways go on writing. Ends with 0 when all is as it must be,
else with 1.")]
pub(super) struct Verify {
    /// Configuration file, as for `serve`
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database, where no configuration names it
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    database_url: Option<String>,
}

impl Verify {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let Some(address) = self.address(environment) else {
            complain("error: this gateway remembers nothing: it has neither a master key nor a database");
            return Ok(ExitCode::from(UNUSABLE));
        };
        let store = Store::open(&Settings { address, connections: 2 })?;
        let report = ledger::verify_blocking(&store)?;
        store.close();
        for finding in &report.findings {
            say(&format!("{}: {}", finding.invariant, finding.what));
        }
        let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (rows, counters) = (counted(report.rows, "row"), counted(report.counters, "counter"));
        complain(&format!("{rows}, {counters}, {}", counted(report.findings.len() as u64, "finding")));
        Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn address(&self, environment: Environment) -> Option<String> {
        if let Some(address) = &self.database_url {
            return Some(address.clone());
        }
        let overrides = Overrides { data_dir: Some(memory::usual_place(&environment)), ..Overrides::default() };
        let loaded = serve::loader(Source::choose(self.config.clone(), &environment), overrides, environment).load();
        for diagnostic in loaded.diagnostics.errors() {
            complain(&diagnostic.to_string());
        }
        memory::address(&loaded.config?)
    }
}
