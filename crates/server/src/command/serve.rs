//! `switchboard serve`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Outcome, UNUSABLE, version};
use crate::books::absurd;
use crate::config::resolved::TlsFiles;
use crate::config::{Config, Environment, Overrides, Source, Watch};
use crate::descriptors;
use crate::dumps;
use crate::edge::Address;
use crate::edge::StopSignals;
use crate::fleet::Unusable;
use crate::fleet::overlay::{self, OverlayError};
use crate::in_vain::in_vain;
use crate::live::Applied;
use crate::log::{RequestLog, Voice};
use crate::reload::Reload;
use crate::serve::{Gate, loader};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard serve                                  every provider whose key is set; without any, the demo model
  switchboard serve -c config.yaml -p 8000           what the file says
  switchboard serve -m openai/gpt-4o --alias fast    one model, called `fast`
  switchboard serve -m ollama/llama3 --api-base http://127.0.0.1:11434

Without --config, CONFIG_FILE_PATH names the file. The key that clients must send is SWITCHBOARD_MASTER_KEY (or
`general_settings.master_key`); without one, only this machine is served. A changed file takes effect at once, as does a
SIGHUP; a file with errors changes nothing. SIGTERM and Ctrl-C finish running answers first; a second one hurries.
One JSON line for each request goes to standard output, everything else to standard error (level: SWITCHBOARD_LOG).")]
pub(super) struct Serve {
    /// Configuration file (LiteLLM's config.yaml works)
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1; in a container, with a master key, 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Port to listen on [default: 4000]
    #[arg(short, long)]
    port: Option<u16>,
    /// Unix socket to listen on instead, for a proxy on this machine
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    uds: Option<PathBuf>,
    /// Threads that serve requests [default: one per processor]
    #[arg(long, alias = "num-workers", value_name = "COUNT")]
    workers: Option<u32>,
    /// Listen beside a gateway of the same user that is about to be stopped: nobody finds the door closed
    #[arg(long)]
    takeover: bool,
    /// Serve this one model, without a file
    #[arg(short, long, value_name = "PROVIDER/MODEL", conflicts_with = "config")]
    model: Option<String>,
    /// Name callers use for --model [default: as written]
    #[arg(long, value_name = "NAME", requires = "model")]
    alias: Option<String>,
    /// Base URL of --model
    #[arg(long, value_name = "URL", requires = "model")]
    api_base: Option<String>,
    /// API version of --model, for Azure
    #[arg(long, value_name = "VERSION", requires = "model")]
    api_version: Option<String>,
    /// Leave out parameters that a provider does not take
    #[arg(long)]
    drop_params: bool,
    /// Longest time for one request
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    request_timeout: Option<Duration>,
    /// How long an idle connection of a client stays open
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    keepalive_timeout: Option<Duration>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "ssl_certfile_path")]
    ssl_keyfile_path: Option<PathBuf>,
    /// PEM file with the certificate chain
    #[arg(long, value_name = "FILE", requires = "ssl_keyfile_path")]
    ssl_certfile_path: Option<PathBuf>,
    /// PEM file with the authorities of client certificates; clients must then show one
    #[arg(long, value_name = "FILE", requires = "ssl_certfile_path")]
    ssl_ca_certs: Option<PathBuf>,
    /// Say more
    #[arg(long)]
    debug: bool,
    /// Say much more
    #[arg(long)]
    detailed_debug: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(|| "must be more than 0".to_owned())
}

impl Serve {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let loader = loader(self.source(&environment), self.overrides(&environment), environment.clone());
        let loaded = loader.load();
        let json = loaded.config.as_ref().is_some_and(|config| config.litellm.json_logs);
        let voice = Voice::start(Voice::style(json), self.level(), &environment);
        for diagnostic in loaded.diagnostics.iter() {
            voice.tell(diagnostic);
        }
        if let Some(failpoint) = environment.get_non_empty("SWITCHBOARD_FAILPOINT") {
            switchboard_engine::failpoint::arm(failpoint);
        }
        descriptors::take();
        dumps::refuse();
        let watch = Watch::new(loader, &loaded);
        let Some(config) = loaded.config else { return Ok(ExitCode::from(UNUSABLE)) };
        let (log, writer) = RequestLog::start(std::io::stdout())?;
        let mut gate = Gate::start(config, Arc::new(log), Some(writer))?;
        // Before anybody is told that it runs: a hang-up would end a process that does not follow it yet.
        gate.follow(watch, move |outcome, applied| told(voice, outcome, applied))?;
        left_out(&gate.unusable);
        for said in in_vain(&gate.app.config(), &gate.app.gateway.fleet()) {
            tracing::warn!("{said}");
        }
        doubted(gate.app.live.base().as_ref());
        // So would a stop.
        let signals = StopSignals::heed()?;
        greet(&gate);
        gate.wait(signals)?;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }

    /// A file of one model, written from the command line; else the file, else the environment.
    fn source(&self, environment: &Environment) -> Source {
        let Some(model) = &self.model else { return Source::choose(self.config.clone(), environment) };
        let mut params = json!({"model": model});
        for (name, value) in [("api_base", &self.api_base), ("api_version", &self.api_version)] {
            if let Some(value) = value {
                params[name] = value.as_str().into();
            }
        }
        let name = self.alias.as_ref().unwrap_or(model);
        // JSON is YAML.
        let text = json!({"model_list": [{"model_name": name, "litellm_params": params}]}).to_string();
        Source::Text { name: "command line".to_owned(), text }
    }

    fn overrides(&self, environment: &Environment) -> Overrides {
        let files = self.ssl_certfile_path.clone().zip(self.ssl_keyfile_path.clone());
        Overrides {
            host: self.host.clone(),
            port: self.port,
            uds: self.uds.clone(),
            contained: is_contained(environment),
            workers: self.workers,
            takeover: self.takeover,
            drop_params: self.drop_params.then_some(true),
            request_timeout: self.request_timeout,
            keep_alive: self.keepalive_timeout,
            tls: files.map(|(certificate_file, private_key_file)| TlsFiles {
                certificate_file,
                private_key_file,
                client_ca_file: self.ssl_ca_certs.clone(),
                client_optional: false,
            }),
            data_dir: Some(crate::memory::usual_place(environment)),
        }
    }

    fn level(&self) -> Option<&'static str> {
        match (self.detailed_debug, self.debug) {
            (true, _) => Some("trace"),
            (false, true) => Some("debug"),
            (false, false) => None,
        }
    }
}

/// What runs, and where.
fn greet(gate: &Gate) {
    let (config, fleet) = (gate.app.config(), gate.app.gateway.fleet());
    let (deployments, unusable) = (fleet.deployments().count(), gate.unusable.len());
    tracing::info!(deployments, unusable, workers = config.switchboard.workers, "{}", version());
    if config.deployments.is_empty() {
        tracing::info!("no provider is configured: the built-in model `{}` answers", crate::fleet::DEMO);
    }
    if let Some(place) = crate::memory::place(&config) {
        tracing::info!("keys and spending are kept in {place}");
    }
    for address in gate.addresses() {
        tracing::info!("listening on {address}");
    }
    // A unix socket may stand in a folder that others share.
    let narrow = config.switchboard.listen.iter().all(|listen| matches!(listen.address, Address::Tcp(_)) && !listen.address.is_exposed());
    if narrow && is_contained(&config.environment) {
        // Without a master key it listens to this machine alone unless told otherwise.
        let remedy = if config.general.master_key.is_some() { "say `--host 0.0.0.0`" } else { "set a master key, or say `--host 0.0.0.0`" };
        tracing::warn!("nobody outside this container reaches it: {remedy}");
    }
}

/// Whether this is the inside of a container, as far as such tell.
pub(super) fn is_contained(environment: &Environment) -> bool {
    let told = ["container", "KUBERNETES_SERVICE_HOST"].into_iter().any(|name| environment.get_non_empty(name).is_some());
    told || ["/.dockerenv", "/run/.containerenv"].into_iter().any(|mark| std::path::Path::new(mark).exists())
}

fn left_out(unusable: &[Unusable]) {
    for unusable in unusable {
        tracing::warn!(at = %unusable.at, "`{}` is left out: {}", unusable.model_name, unusable.why);
    }
}

/// Says which prices of a configuration cannot be meant.
fn doubted(config: &Config) {
    let Ok(catalog) = overlay::catalog(config.switchboard.catalog.as_deref()) else { return };
    for said in absurd::of_config(config, &catalog) {
        tracing::warn!("{said}");
    }
}

/// Says what came of a changed configuration.
fn told(voice: Voice, outcome: &Reload, applied: Option<Result<Applied, OverlayError>>) {
    match (outcome, applied) {
        (Reload::Refused(diagnostics), _) => {
            tracing::error!("the configuration changed and cannot be used; the last good one stays in force");
            for diagnostic in diagnostics.iter() {
                voice.tell(diagnostic);
            }
        }
        (Reload::Changed(_), Some(Err(error))) => {
            tracing::error!(%error, "the model cards changed and cannot be used; the last good configuration stays in force");
        }
        (Reload::Changed(config), Some(Ok(applied))) => {
            for diagnostic in &config.notices {
                voice.tell(diagnostic);
            }
            left_out(&applied.unusable);
            doubted(config);
            tracing::info!(deployments = config.deployments.len(), unusable = applied.unusable.len(), "the configuration is reloaded");
            if !applied.restart.is_empty() {
                tracing::warn!("restart for the changes of {} to take effect", applied.restart.join(", "));
            }
        }
        (Reload::Changed(_), None) => {}
    }
}
