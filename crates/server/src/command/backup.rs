//! `switchboard backup` and `switchboard restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use switchboard_store::backup::{Manifest, backup, check, restore};
use switchboard_store::{Store, ledger};

use super::database::Database;
use super::{Outcome, UNUSABLE, complain, say};
use crate::config::Environment;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard backup -c config.yaml --to /backups/monday
  switchboard backup --database-url postgresql://… --to /backups/monday

Works while gateways run. The folder holds the database, the journal, the pepper that keys are proven with, the key that secrets are
sealed with where the gateway made it itself (one from the environment is not in it), and a manifest with a digest of each file.
Whoever has it can open the gateway: keep it as you keep keys.")]
pub(super) struct Backup {
    #[command(flatten)]
    database: Database,
    /// The folder to make
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Write tables as lines of JSON also of SQLite, so that PostgreSQL can take them
    #[arg(long)]
    logical: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard restore -c config.yaml --from /backups/monday
  switchboard restore --database-url postgresql://… --from /backups/monday

No gateway may run on what is restored. A backup of one database comes back into the other too. Afterwards the ledger is verified.
Nothing is written where the gateway could not open the secrets of the backup: its sealing key is given as to the gateway, in
SWITCHBOARD_SEALING_KEY or SWITCHBOARD_SEALING_KEY_FILE.")]
pub(super) struct Restore {
    #[command(flatten)]
    database: Database,
    /// The folder that `backup` made
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// Replace what is there
    #[arg(long)]
    force: bool,
    /// Restore also secrets that the key at hand does not open
    #[arg(long)]
    sealed: bool,
    /// Only say whether the backup is whole
    #[arg(long)]
    check: bool,
}

impl Backup {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let Some(found) = self.database.find(environment) else { return Ok(ExitCode::from(UNUSABLE)) };
        let store = Store::open(&found.settings)?;
        let made = backup(&store, &self.to, &found.beside(), self.logical);
        store.close();
        told(&made?, "backed up");
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        if self.check {
            told(&check(&self.from)?, "whole");
            return Ok(ExitCode::SUCCESS);
        }
        let Some(found) = self.database.find(environment) else { return Ok(ExitCode::from(UNUSABLE)) };
        if found.is_in_use() {
            complain("error: a gateway runs on these files; stop it first");
            return Ok(ExitCode::FAILURE);
        }
        if let Some(why) = found.keeps_sealed(&self.from, &check(&self.from)?)?.filter(|_| !self.sealed) {
            complain(&format!("error: {why}; --sealed restores them as they are"));
            return Ok(ExitCode::FAILURE);
        }
        let manifest = restore(&found.settings, &self.from, &found.beside(), self.force)?;
        told(&manifest, "restored");
        let store = Store::open(&found.settings)?;
        let report = ledger::verify_blocking(&store);
        store.close();
        Ok(super::verify::told(&report?))
    }
}

fn told(manifest: &Manifest, what: &str) {
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let rows: u64 = manifest.files.iter().filter_map(|file| file.rows).sum();
    let rows = if rows > 0 { format!(", {rows} rows") } else { String::new() };
    say(&format!("{what}: {} files, {bytes} bytes{rows}, made at {}", manifest.files.len(), manifest.made_at));
}
