//! `switchboard plan` and `switchboard apply`: what files say of keys, people, teams, models and money, and the gateway made so.
//!
//! Files are read ([`files`]), the running gateway is asked what there is ([`state`]), the two are compared ([`difference`]), and
//! what differs is carried out over the management API ([`carry`]). What the files made bears a mark in the gateway; what has no
//! mark of theirs is never changed or deleted.

mod budgets;
mod carry;
mod difference;
mod files;
mod kind;
mod rows;
mod secret;
mod state;
mod tell;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use switchboard_engine::upstream::Transport;

use super::client::Client;
use super::{Outcome, UNUSABLE, complain, say};
use crate::config::{Diagnostics, Environment};

/// There is something to do.
const DIFFERENT: u8 = 2;

#[derive(Debug, Args)]
struct Common {
    /// A file, or a folder with `.yaml` and `.yml` files
    #[arg(long = "file", short = 'f', required = true)]
    files: Vec<PathBuf>,
    /// The running gateway; SWITCHBOARD_URL unless said, else http://127.0.0.1:4000
    #[arg(long)]
    url: Option<String>,
    /// A file that holds the administrator's key; SWITCHBOARD_MASTER_KEY unless said
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Delete what these files once made and no longer name
    #[arg(long)]
    prune: bool,
    /// Take over what exists already and belongs to nobody
    #[arg(long)]
    adopt: bool,
    /// Change and delete prices that hold already, by which calls may have been charged
    #[arg(long)]
    past_prices: bool,
    /// How it is told
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard plan -f gateway/ --url https://gateway.example
  switchboard plan -f gateway/ --prune --format json

Changes nothing. Ends with 0 when the gateway is as the files say, with 2 when it is not, with 64 when the files cannot be used,
and with 1 when the gateway cannot be asked.")]
pub(super) struct Plan {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard apply -f gateway/ --keys-to keys.yaml
  switchboard apply -f gateway/ --prune

Makes the gateway as the files say, and nothing else. A second run changes nothing. Keys that are generated are written to the
file that --keys-to names, which only its owner can read; they are shown nowhere else. Ends with 0 when all is done, with 64 when
the files cannot be used, and with 1 when something failed; what was done until then stays, and the next run goes on from there.")]
pub(super) struct Apply {
    #[command(flatten)]
    common: Common,
    /// Where generated keys are written, one `alias: key` a line
    #[arg(long)]
    keys_to: Option<PathBuf>,
}

impl Plan {
    pub(super) fn run(self, environment: &Environment) -> Outcome {
        let format = self.common.format;
        let Some(work) = self.common.compared(environment)? else { return Ok(ExitCode::from(UNUSABLE)) };
        say(&tell::plan(&work.plan, format == Format::Json));
        Ok(match (work.plan.conflicts(), work.plan.is_empty()) {
            (true, _) => ExitCode::from(UNUSABLE),
            (false, true) => ExitCode::SUCCESS,
            (false, false) => ExitCode::from(DIFFERENT),
        })
    }
}

impl Apply {
    pub(super) fn run(self, environment: &Environment) -> Outcome {
        let format = self.common.format;
        let Some(work) = self.common.compared(environment)? else { return Ok(ExitCode::from(UNUSABLE)) };
        if work.plan.conflicts() {
            say(&tell::plan(&work.plan, format == Format::Json));
            return Ok(ExitCode::from(UNUSABLE));
        }
        let keys = match (work.plan.generates(), &self.keys_to) {
            (true, None) => {
                complain("error: keys are to be generated: name a file for them with --keys-to, or give them by `value: {env: NAME}`");
                return Ok(ExitCode::from(UNUSABLE));
            }
            (true, Some(path)) => Some(secret::KeyFile::open(path)?),
            (false, _) => None,
        };
        let Work { client, plan, state, owner, runtime } = work;
        let mut carrier = carry::Carrier { client: &client, owner: &owner, state, keys };
        let done = runtime.block_on(carrier.carry(&plan, |line| {
            if format == Format::Text {
                say(line);
            }
        }));
        if format == Format::Json {
            say(&tell::plan(&plan, true));
        }
        done?;
        if format == Format::Text {
            say(&tell::summary(&plan, true));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Everything that is needed to go on.
struct Work {
    client: Client,
    plan: difference::Plan,
    state: state::State,
    owner: String,
    runtime: tokio::runtime::Runtime,
}

impl Common {
    /// The files compared with the gateway; none where the files cannot be used, which has been said.
    fn compared(&self, environment: &Environment) -> Result<Option<Work>, Box<dyn std::error::Error + Send + Sync>> {
        let mut found = Diagnostics::default();
        let wanted = files::read(&self.files, environment, &mut found);
        for diagnostic in found.iter() {
            complain(&diagnostic.to_string());
        }
        if found.has_errors() {
            return Ok(None);
        }
        let key = match &self.key_file {
            Some(path) => {
                Some(std::fs::read_to_string(path).map_err(|error| format!("the key file cannot be read: {error}"))?.trim().to_owned())
            }
            None => ["SWITCHBOARD_MASTER_KEY", "LITELLM_MASTER_KEY"]
                .into_iter()
                .find_map(|name| environment.get_non_empty(name))
                .map(str::to_owned),
        };
        let url = self.url.as_deref().or_else(|| environment.get_non_empty("SWITCHBOARD_URL")).unwrap_or("http://127.0.0.1:4000");
        let client = Client::new(url, key.as_deref(), Transport::default())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let state = runtime.block_on(state::State::read(&client, &wanted))?;
        let rules = difference::Rules { prune: self.prune, adopt: self.adopt, past: self.past_prices };
        let plan = difference::plan(&wanted, &state, rules);
        Ok(Some(Work { client, plan, state, owner: wanted.owner, runtime }))
    }
}
