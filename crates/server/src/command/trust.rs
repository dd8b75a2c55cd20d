//! `switchboard audit` and `switchboard secrets`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use switchboard_store::audit::{Audit as Log, Head};
use switchboard_store::vault::Vault;
use switchboard_store::{Store, StoreError};

use super::{Outcome, UNUSABLE, complain, say};
use crate::config::{Config, Environment, Overrides, Source};
use crate::{memory, serve, trust};

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Say whether the log is as it was written
    #[command(after_help = "\
Examples:
  switchboard audit verify -c config.yaml
  switchboard audit verify --head 812:9f…e1      also say whether something was cut off since then

The gateway writes the end of the log (`head`) to its own log every minute in which it grew. Ends with 0 when the log is as it was
written, else with 1.")]
    Verify {
        #[command(flatten)]
        place: Place,
        /// Where the log ended once, as the gateway logged it; may be given several times
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Vec<Head>,
    },
    /// Print where the log ends now
    Head {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Secrets {
    /// Seal everything with new keys, while gateways run
    #[command(after_help = "\
To change the master key too: give every gateway the new one in SWITCHBOARD_FORMER_SEALING_KEY beside the old, so that all can read
what either sealed; then exchange the two; then rotate; then take the old one away.

A rotation that is broken off is finished by the next one.")]
    Rotate {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(super) struct Place {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

type Opened = (Store, Vault, Log);

/// The memory of that configuration, with what its secrets are sealed with.
pub(super) fn opened(config: &Config) -> Result<Opened, Box<dyn std::error::Error + Send + Sync>> {
    let store = memory::reach(config)?.ok_or("there is no database: set `general_settings.database_url` or `switchboard.data_dir`")?;
    let (vault, log) = trust::of_command(config, &store)?;
    Ok((store, vault, log))
}

impl Place {
    fn open(self, environment: Environment) -> Result<Result<Opened, ExitCode>, Box<dyn std::error::Error + Send + Sync>> {
        let source = Source::choose(self.config, &environment);
        let data_dir = Some(memory::usual_place(&environment));
        let loaded = serve::loader(source, Overrides { data_dir, ..Overrides::default() }, environment).load();
        for diagnostic in loaded.diagnostics.errors() {
            complain(&diagnostic.to_string());
        }
        let Some(config) = loaded.config else { return Ok(Err(ExitCode::from(UNUSABLE))) };
        opened(&config).map(Ok)
    }
}

/// Waits on the store's thread, where nothing else is waited for.
fn wait<T: Send + 'static>(store: &Store, work: impl Future<Output = T> + Send + 'static) -> Result<T, StoreError> {
    store.thread().block(async move { Ok(work.await) })
}

impl Audit {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let (place, heads) = match self {
            Self::Verify { place, head } => (place, Some(head)),
            Self::Head { place } => (place, None),
        };
        let (store, _, audit) = match place.open(environment)? {
            Ok(opened) => opened,
            Err(code) => return Ok(code),
        };
        let code = match heads {
            None => {
                say(&wait(&store, async move { audit.head().await })??.to_string());
                ExitCode::SUCCESS
            }
            Some(heads) => {
                let verdict = wait(&store, async move { audit.verify(heads).await })??;
                say(&format!("{} rows are as they were written; the log ends at {}", verdict.good, verdict.head));
                match verdict.fault {
                    None => ExitCode::SUCCESS,
                    Some(fault) => {
                        complain(&format!("the audit log was changed: {fault}"));
                        ExitCode::FAILURE
                    }
                }
            }
        };
        store.close();
        Ok(code)
    }
}

impl Secrets {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let Self::Rotate { place } = self;
        let (store, vault, _) = match place.open(environment)? {
            Ok(opened) => opened,
            Err(code) => return Ok(code),
        };
        let rotated = wait(&store, async move { vault.rotate().await })??;
        let switchboard_store::vault::Rotated { rewrapped, renewed, resealed, unreadable, retired } = rotated;
        say(&format!(
            "{resealed} secrets are sealed anew, {renewed} tenants have new keys, {rewrapped} keys were taken over, {retired} master keys are retired"
        ));
        store.close();
        if unreadable > 0 {
            complain(&format!("{unreadable} secrets do not open: somebody changed them; the gateway's log names them"));
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}
