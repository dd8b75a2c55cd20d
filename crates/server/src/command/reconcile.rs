//! `switchboard reconcile`: the ledger against a provider's invoice or export of usage.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use switchboard_engine::terms::NanoUsd;
use switchboard_store::ledger::Attempts;
use switchboard_store::{Store, Time};

use super::database::Database;
use super::reprice::time;
use super::{Outcome, UNUSABLE, complain, say};
use crate::config::Environment;
use crate::fleet::overlay;
use crate::money::reconcile::{Columns, Report, Unit, read, reconcile};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard reconcile -c config.yaml --provider openai --export costs.json --from 2026-11-01 --to 2026-12-01
  switchboard reconcile -c config.yaml --provider anthropic --export cost_report.json --unit cents --from 2026-11-01 --to 2026-12-01
  switchboard reconcile -c config.yaml --provider mistral --export usage.csv --column cost=Betrag --from 2026-11-01 --to 2026-12-01

The export is CSV with a head, or JSON as providers' interfaces give it. It is compared by day (UTC) and model; without a cost, its
tokens and requests are. Ends with 0 when both say the same, else with 1.")]
pub(super) struct Reconcile {
    #[command(flatten)]
    database: Database,
    /// The provider, as the ledger names it
    #[arg(long)]
    provider: String,
    /// The invoice or export
    #[arg(long, value_name = "FILE")]
    export: PathBuf,
    /// First moment
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Time,
    /// Up to this moment
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Time,
    /// What amounts are in
    #[arg(long, value_enum, default_value_t = Amounts::Dollars)]
    unit: Amounts,
    /// Dollars by which a day's sum of a model may differ
    #[arg(long, value_name = "USD", default_value = "0.000001", value_parser = dollars)]
    tolerance: NanoUsd,
    /// Another name of a column: date, model, cost, input, output or requests
    #[arg(long, value_name = "WHAT=NAME", value_parser = column)]
    column: Vec<(String, String)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Amounts {
    Dollars,
    Cents,
}

fn dollars(text: &str) -> Result<NanoUsd, String> {
    NanoUsd::parse(text).filter(|amount| amount.0 >= 0).ok_or_else(|| "not a number of dollars".to_owned())
}

fn column(text: &str) -> Result<(String, String), String> {
    let (what, name) = text.split_once('=').ok_or("write WHAT=NAME")?;
    let known = ["date", "model", "cost", "input", "output", "requests"].contains(&what);
    if known {
        Ok((what.to_owned(), name.to_owned()))
    } else {
        Err(format!("`{what}` is none of date, model, cost, input, output, requests"))
    }
}

impl Reconcile {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let Some(found) = self.database.find(environment) else { return Ok(ExitCode::from(UNUSABLE)) };
        let unit = if self.unit == Amounts::Cents { Unit::Cents } else { Unit::Dollars };
        let lines = read(&self.export, unit, &Columns { named: self.column })?;
        let cards = found.config.as_ref().and_then(|config| config.switchboard.catalog.as_deref());
        let is_known = overlay::catalog(cards)?.provider(&self.provider).is_some();
        let wanted = Attempts { from: self.from.0, until: self.to.0, provider: Some(self.provider.clone()), model: None };
        let store = Store::open(&found.settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let report = runtime.block_on(reconcile(&store, &wanted, &lines, self.tolerance));
        store.close();
        let report = report?;
        if !is_known && report.is_all_missing() {
            complain(&format!(
                "error: the ledger has nothing of `{}`, and no provider is called so; `switchboard models --providers` lists them",
                self.provider
            ));
            return Ok(ExitCode::from(UNUSABLE));
        }
        if self.json {
            say(&serde_json::to_string_pretty(&report)?);
        } else {
            told(&report);
        }
        Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn told(report: &Report) {
    for one in &report.differences {
        let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let side = |sum: &crate::money::reconcile::Sum| {
            let cost = sum.cost.map_or_else(|| "-".to_owned(), |cost| cost.0.to_string());
            format!("{cost} USD, {} in, {} out, {} requests", count(sum.input_tokens), count(sum.output_tokens), count(sum.requests))
        };
        let kind = serde_json::to_value(one.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        say(&format!("{} {} {kind}: ledger {}; export {}", one.day, one.model, side(&one.ledger), side(&one.export)));
    }
    say(&format!(
        "{} compared, {} differ; ledger {} USD, export {} USD; {} attempts by estimate ({} USD)",
        report.compared,
        report.differences.len(),
        report.ledger_total.0,
        report.export_total.0,
        report.estimated.0,
        report.estimated.1.0
    ));
}
