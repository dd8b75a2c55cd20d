//! The commands.

mod backup;
mod catalog;
mod chat;
mod check;
mod client;
mod database;
mod gitops;
mod import;
mod models;
mod reconcile;
mod reprice;
mod serve;
mod spelling;
mod trust;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Environment;

/// One API in front of every model provider, in your own network.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, long_about = None, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  switchboard serve                            every provider whose key is set; without any, the demo model
  switchboard serve --config config.yaml       what the file says (LiteLLM's config.yaml works)
  switchboard check config.yaml                what the file means, and what is wrong with it
  switchboard chat -m demo/echo \"Hello!\"       ask a model, through a running gateway or without one
  switchboard models --provider anthropic      models, what they can do and what they cost

Every flag is also understood as LiteLLM spells it: --num_workers is --num-workers, and `switchboard --config F` serves.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the gateway
    Serve(Box<serve::Serve>),
    /// Say what a configuration means and what is wrong with it
    Check(check::Check),
    /// List models: what they can do and what they cost
    Models(models::Models),
    /// Talk to a model
    Chat(chat::Chat),
    /// Keep the model cards up to date
    Catalog(catalog::Catalog),
    /// The log of what administrators do
    #[command(subcommand)]
    Audit(trust::Audit),
    /// What secrets are sealed with
    #[command(subcommand)]
    Secrets(trust::Secrets),
    /// Take over what another gateway's database knows
    #[command(subcommand)]
    Import(import::Import),
    /// Check that the ledger is as it must be
    Verify(verify::Verify),
    /// Copy everything a gateway remembers into a folder
    Backup(backup::Backup),
    /// Bring back what was backed up
    Restore(backup::Restore),
    /// Reckon a period again at the prices that hold for it now
    Reprice(reprice::Reprice),
    /// Compare the ledger with a provider's invoice or usage export
    Reconcile(reconcile::Reconcile),
    /// Say what files would change in the running gateway
    Plan(gitops::Plan),
    /// Make the running gateway as files say
    Apply(gitops::Apply),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  switchboard completions bash > /etc/bash_completion.d/switchboard")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Say the version
    Version,
}

type Outcome = Result<ExitCode, Failure>;

/// Why a command came to nothing.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What was asked for cannot be done as it is written: a configuration with errors, a name that is not known.
const UNUSABLE: u8 = 64;

/// Runs the command that the command line names.
pub fn run() -> ExitCode {
    let spelled = match spelling::read(std::env::args_os()) {
        Ok(spelled) => spelled,
        Err(refused) => {
            complain(&format!("error: {refused}"));
            return ExitCode::from(2);
        }
    };
    for notice in &spelled.notices {
        complain(&format!("note: {notice}"));
    }
    let cli = Cli::parse_from(spelled.words);
    let environment = Environment::of_process();
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(environment),
        Command::Check(check) => check.run(environment),
        Command::Models(models) => models.run(&environment),
        Command::Chat(chat) => chat.run(environment),
        Command::Catalog(catalog) => catalog.run(&environment),
        Command::Audit(audit) => audit.run(environment),
        Command::Secrets(secrets) => secrets.run(environment),
        Command::Import(import) => import.run(environment),
        Command::Verify(verify) => verify.run(environment),
        Command::Backup(backup) => backup.run(environment),
        Command::Restore(restore) => restore.run(environment),
        Command::Reprice(reprice) => reprice.run(environment),
        Command::Reconcile(reconcile) => reconcile.run(environment),
        Command::Plan(plan) => plan.run(&environment),
        Command::Apply(apply) => apply.run(&environment),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "switchboard", &mut script);
            // A reader that has enough leaves.
            let _ = std::io::stdout().write_all(&script);
            Ok(ExitCode::SUCCESS)
        }
        Command::Version => {
            say(&version());
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("error: {error}"));
        ExitCode::FAILURE
    })
}

/// The version, with the commit where the build was told one.
pub(crate) fn version() -> String {
    let commit = option_env!("SWITCHBOARD_COMMIT").or(option_env!("GITHUB_SHA")).filter(|commit| !commit.is_empty());
    match commit {
        Some(commit) => format!("switchboard {} ({})", env!("CARGO_PKG_VERSION"), &commit[..commit.len().min(12)]),
        None => format!("switchboard {}", env!("CARGO_PKG_VERSION")),
    }
}

/// Prints a line for the user. A closed pipe ends nothing but the printing.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
