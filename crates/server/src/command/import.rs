//! `switchboard import`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use switchboard_store::foreign::Foreign;

use super::{Outcome, UNUSABLE, complain, say};
use crate::config::{Environment, Overrides, Source};
use crate::import::{Plan, Present, Report, Target};
use crate::{memory, serve};

#[derive(Debug, Subcommand)]
pub(super) enum Import {
    /// From the PostgreSQL database of LiteLLM's proxy
    #[command(after_help = "\
Examples:
  switchboard import litellm --database-url postgresql://llm@db/litellm            say what would be taken over
  switchboard import litellm --database-url postgresql://llm@db/litellm --apply    take it over

Keys (by their SHA-256: they open this gateway as they opened that one), users, teams, organizations, projects, customers, tags,
budgets, access groups, models and credentials, and what each has spent. The salt key of that gateway is read from
LITELLM_SALT_KEY, else LITELLM_MASTER_KEY, unless --salt-key-file names a file. Nothing is written to its database. What is here
already stays as it is, so that the same import may be run again. Gateways that run learn of keys and models at once, and of what
was spent when they start anew.")]
    Litellm(Litellm),
}

#[derive(Debug, Args)]
pub(super) struct Litellm {
    /// LiteLLM's database
    #[arg(long, value_name = "URL")]
    database_url: String,
    /// The schema of its tables
    #[arg(long, value_name = "NAME", default_value = "public")]
    schema: String,
    /// File with its salt key
    #[arg(long, value_name = "FILE")]
    salt_key_file: Option<PathBuf>,
    /// Configuration of this gateway, as for `serve`
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write; without it, it is only said what would be written
    #[arg(long)]
    apply: bool,
    /// Replace what is here already (models and credentials stay)
    #[arg(long)]
    overwrite: bool,
}

impl Import {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let Self::Litellm(litellm) = self;
        litellm.run(environment)
    }
}

impl Litellm {
    fn run(self, environment: Environment) -> Outcome {
        let salt = self.salt(&environment)?;
        let source = Source::choose(self.config.clone(), &environment);
        let data_dir = Some(memory::usual_place(&environment));
        let loaded = serve::loader(source, Overrides { data_dir, ..Overrides::default() }, environment).load();
        for diagnostic in loaded.diagnostics.errors() {
            complain(&diagnostic.to_string());
        }
        let Some(config) = loaded.config else { return Ok(ExitCode::from(UNUSABLE)) };
        let (store, vault, _audit) = super::trust::opened(&config)?;
        let pepper = memory::pepper(&config)?;
        let from = Foreign::open(&self.database_url, &self.schema)?;
        let present = if self.overwrite { Present::Replaced } else { Present::Stays };
        let plan = Plan::of_litellm(&from, salt.as_deref(), pepper.as_ref(), config.litellm.calendar, present);
        from.close();
        let target = Target { store: &store, vault: &vault };
        let report = plan.and_then(|plan| if self.apply { plan.apply(&target) } else { plan.look(&target) });
        store.close();
        tell(&report?, self.apply);
        Ok(ExitCode::SUCCESS)
    }

    fn salt(&self, environment: &Environment) -> std::io::Result<Option<String>> {
        if let Some(file) = &self.salt_key_file {
            return Ok(Some(std::fs::read_to_string(file)?.trim().to_owned()));
        }
        let named = ["LITELLM_SALT_KEY", "LITELLM_MASTER_KEY"].into_iter().find_map(|name| environment.get_non_empty(name));
        Ok(named.map(str::to_owned))
    }
}

fn tell(report: &Report, done: bool) {
    for (kind, [new, changed, same]) in report.counts.iter().filter(|(_, counts)| **counts != [0; 3]) {
        say(&format!("{kind}: {new} new, {changed} changed, {same} here already"));
    }
    say(&format!("spend of {} accounts; of all keys together: {} USD", report.balances, report.spent));
    for left in &report.left {
        say(&format!("not taken: {left}"));
    }
    if !done {
        say("nothing was written; --apply writes it");
    }
}
