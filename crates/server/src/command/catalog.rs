//! `switchboard catalog`: newer model cards than those the binary holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use switchboard_engine::catalog::Catalog as Cards;
use switchboard_engine::catalog::derive::{Derivation, derive};

use super::client::Client;
use super::{Outcome, say};
use crate::config::{Environment, Overrides, Source};
use crate::fleet::{overlay, transport};
use crate::serve;

/// LiteLLM's public price list.
const LIST: &str = "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json";

#[derive(Debug, Args)]
pub(super) struct Catalog {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make model cards from LiteLLM's price list
    Update(Update),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard catalog update                                   from LiteLLM's public list
  switchboard catalog update model_prices.json --check         what would change, from a file
  switchboard catalog update -o /etc/switchboard/models.txt

Writes to --output, else to the file that SWITCHBOARD_CATALOG names, else to `switchboard/models.txt` in the user's data
folder. A gateway uses the file when `switchboard.catalog` or SWITCHBOARD_CATALOG names it, and follows its changes.")]
struct Update {
    /// The price list: a file or a URL [default: LiteLLM's, on GitHub]
    source: Option<String>,
    /// Where to write the cards
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say what would change, and write nothing
    #[arg(long)]
    check: bool,
}

impl Catalog {
    pub(super) fn run(self, environment: &Environment) -> Outcome {
        match self.command {
            Command::Update(update) => update.run(environment),
        }
    }
}

impl Update {
    fn run(self, environment: &Environment) -> Outcome {
        let source = self.source.as_deref().unwrap_or(LIST);
        let list = match source.split_once("://") {
            Some(("http" | "https", _)) => fetch(source, environment)?,
            _ => std::fs::read_to_string(source).map_err(|error| format!("`{source}` cannot be read: {error}"))?,
        };
        let derived = derive(&list, Cards::embedded().providers())?;
        if derived.cards == 0 {
            return Err(format!("`{source}` holds no models").into());
        }
        let output = self.output.or_else(|| default_output(environment));
        let current = output.as_deref().filter(|path| path.exists());
        let known = overlay::catalog(current)?;
        report(&derived, &known)?;
        if self.check {
            return Ok(ExitCode::SUCCESS);
        }
        let output = output.ok_or("there is no folder to write to: HOME is not set; give --output")?;
        write(&output, &derived.text).map_err(|error| format!("`{}` cannot be written: {error}", output.display()))?;
        say(&format!("written to {}", output.display()));
        if environment.get_non_empty("SWITCHBOARD_CATALOG").map(Path::new) != Some(&output) {
            say(&format!(
                "to use it, set SWITCHBOARD_CATALOG={0}, or `switchboard: {{catalog: {0}}}` in the configuration",
                output.display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Fetches as the gateway would: through its proxy, trusting its authorities.
fn fetch(url: &str, environment: &Environment) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let source = Source::Text { name: "command line".to_owned(), text: String::new() };
    let loaded = serve::loader(source, Overrides::default(), environment.clone()).load();
    let config = loaded.config.ok_or_else(|| loaded.diagnostics.to_string())?;
    let client = Client::new(url, None, transport::of(&config)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bytes = runtime.block_on(client.read("", None))?;
    Ok(String::from_utf8(bytes.into()).map_err(|_| format!("`{url}` is no text"))?)
}

/// The file in use, else one in the user's data folder.
fn default_output(environment: &Environment) -> Option<PathBuf> {
    let named = environment.get_non_empty("SWITCHBOARD_CATALOG").map(PathBuf::from);
    let data = environment.get_non_empty("XDG_DATA_HOME").map(PathBuf::from);
    let home = environment.get_non_empty("HOME").map(|home| Path::new(home).join(".local/share"));
    named.or_else(|| Some(data.or(home)?.join("switchboard/models.txt")))
}

/// Says what the list holds, and what of it is news.
fn report(derived: &Derivation, known: &Cards) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let before: BTreeMap<String, String> =
        known.models().map(|card| (format!("{}/{}", card.provider, card.model), card.to_line())).collect();
    let (mut new, mut changed, mut same) = (0_usize, 0_usize, 0_usize);
    for line in lines(&derived.text) {
        let card = switchboard_engine::catalog::ModelCard::parse(&line)?;
        match before.get(&format!("{}/{}", card.provider, card.model)) {
            None => new += 1,
            Some(old) if *old != line => changed += 1,
            Some(_) => same += 1,
        }
    }
    let gone = before.len().saturating_sub(changed + same);
    say(&format!("{} cards: {new} new, {changed} changed, {same} as known; {gone} known ones are not in the list and stay", derived.cards));
    say(&format!("{} entries are no models, {} repeat another's name", derived.skipped.len(), derived.duplicates.len()));
    for (field, first) in &derived.unknown {
        say(&format!("not understood: `{field}`, first in `{first}`"));
    }
    Ok(())
}

/// Writes beside the file and renames, so that a gateway that watches it never reads half of it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}
