//! The commands.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::config::{Environment, Overrides, report};
use crate::log::RequestLog;
use crate::serve::{Gate, loader};

/// One API in front of every model provider.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the gateway
    Serve(Serve),
    /// Say what a configuration means
    Check {
        /// The configuration file
        config: Option<PathBuf>,
    },
    /// Say the version
    Version,
}

#[derive(Debug, Args)]
struct Serve {
    /// Configuration file (LiteLLM's config.yaml works)
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Host to listen on
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on
    #[arg(short, long)]
    port: Option<u16>,
    /// Threads that serve requests
    #[arg(long, alias = "num_workers")]
    workers: Option<u32>,
}

/// Runs the command that the command line names.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_process();
    let outcome = match cli.command {
        Command::Serve(arguments) => serve(arguments, environment),
        Command::Check { config } => Ok(check(config, environment)),
        Command::Version => {
            say(&format!("switchboard {}", env!("CARGO_PKG_VERSION")));
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("error: {error}"));
        ExitCode::FAILURE
    })
}

/// Prints a line for the user. A closed pipe ends nothing but the printing.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A configuration that has errors.
const BAD_CONFIG: u8 = 64;

fn serve(arguments: Serve, environment: Environment) -> Result<ExitCode, Box<dyn std::error::Error + Send + Sync>> {
    let overrides = Overrides { host: arguments.host, port: arguments.port, workers: arguments.workers };
    let loaded = loader(arguments.config, overrides, environment).load();
    for diagnostic in loaded.diagnostics.iter() {
        complain(&diagnostic.to_string());
    }
    let Some(config) = loaded.config else { return Ok(ExitCode::from(BAD_CONFIG)) };
    let (log, writer) = RequestLog::start(std::io::stdout())?;
    let gate = Gate::start(config, Arc::new(log), Some(writer))?;
    for unusable in &gate.unusable {
        complain(&format!("warning: `{}` is left out: {}", unusable.model_name, unusable.why));
    }
    for address in gate.addresses() {
        complain(&format!("listening on {address}"));
    }
    gate.wait()?;
    Ok(ExitCode::SUCCESS)
}

fn check(config: Option<PathBuf>, environment: Environment) -> ExitCode {
    let loaded = loader(config, Overrides::default(), environment).load();
    for diagnostic in loaded.diagnostics.iter() {
        complain(&diagnostic.to_string());
    }
    match loaded.config {
        Some(config) => {
            say(&report(&config));
            ExitCode::SUCCESS
        }
        None => ExitCode::from(BAD_CONFIG),
    }
}
