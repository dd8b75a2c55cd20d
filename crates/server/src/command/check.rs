//! `switchboard check`: what a configuration means and what is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use switchboard_engine::health::Registry;

use super::serve::is_contained;
use super::{Outcome, UNUSABLE, complain, say};
use crate::books::absurd;
use crate::config::resolved::Deployment;
use crate::config::{Environment, Location, Overrides, Severity, Source, report};
use crate::fleet::{self, overlay, transport};
use crate::in_vain::in_vain;
use crate::serve;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard check config.yaml
  switchboard check                 what `switchboard serve` would use: CONFIG_FILE_PATH, or the keys that are set

Reads what `serve` would read and starts nothing. Ends with 0 when everything in it can be used, else with 64. What is not known, such
as a misspelt key, is a warning: it has no effect, and ends with 64 only with --strict.")]
pub(super) struct Check {
    /// The configuration file
    config: Option<PathBuf>,
    /// The same, as a flag
    #[arg(long = "config", short = 'c', value_name = "FILE", conflicts_with = "config")]
    flag: Option<PathBuf>,
    /// Say only what is wrong
    #[arg(short, long)]
    quiet: bool,
    /// Take what is warned of in the file for errors
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let source = Source::choose(self.config.or(self.flag), &environment);
        let overrides = Overrides { contained: is_contained(&environment), ..Overrides::default() };
        let loaded = serve::loader(source, overrides, environment).load();
        for diagnostic in loaded.diagnostics.iter() {
            complain(&diagnostic.to_string());
        }
        let warned = || loaded.diagnostics.iter().filter(|found| found.severity == Severity::Warning);
        let mut warnings = warned().count();
        // What is so where the check runs is none of the file's.
        let mut of_file = warned().filter(|found| found.at != Location::environment()).count();
        let mut errors = loaded.diagnostics.errors().count() + loaded.diagnostics.faults().count();
        if let Some(config) = loaded.config {
            if !self.quiet {
                say(&report(&config, &elsewhere(&config)));
            }
            let (wrong, vain) = built(&Arc::new(config));
            (errors, warnings, of_file) = (errors + wrong, warnings + vain, of_file + vain);
        }
        let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        complain(&format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")));
        let is_good = errors == 0 && !(self.strict && of_file > 0);
        Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(UNUSABLE) })
    }
}

/// Where the built-in model would be; nothing is asked of it.
const DEMO: &str = "http://127.0.0.1:9/v1";

/// Where the model of a deployment is, where that is not what is written.
fn elsewhere(config: &crate::config::Config) -> impl Fn(&Deployment) -> Option<String> {
    let catalog = overlay::catalog(config.switchboard.catalog.as_deref()).ok();
    move |deployment| {
        let catalog = catalog.as_ref()?;
        let written = deployment.model.split_once('/').is_some_and(|(prefix, _)| catalog.provider(prefix).is_some());
        let (provider, model) = fleet::split(catalog, deployment).ok().filter(|_| !written && deployment.connection.provider.is_none())?;
        Some(format!("{provider}/{model}"))
    }
}

/// Says what cannot be used and what never is, and how much of each there is.
fn built(config: &Arc<crate::config::Config>) -> (usize, usize) {
    let (mut errors, mut warnings) = (0, 0);
    let mut wrong = |message: String| {
        complain(&format!("error: {message}"));
        errors += 1;
    };
    if let Err(error) = transport::of(config) {
        wrong(error.to_string());
    }
    match overlay::catalog(config.switchboard.catalog.as_deref()) {
        Ok(catalog) => {
            let (fleet, unusable) = fleet::build(config, &catalog, Some(DEMO), &Registry::default());
            for unusable in unusable {
                wrong(format!("`{}` cannot be used: {}\n  --> {}", unusable.model_name, unusable.why, unusable.at));
            }
            for said in in_vain(config, &fleet).into_iter().chain(absurd::of_config(config, &catalog)) {
                complain(&format!("warning: {said}"));
                warnings += 1;
            }
        }
        Err(error) => wrong(error.to_string()),
    }
    (errors, warnings)
}
