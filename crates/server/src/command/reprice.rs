//! `switchboard reprice`: a period reckoned again at the prices that hold for it now.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use switchboard_engine::health::Registry;
use switchboard_engine::terms::NanoUsd;
use switchboard_store::ledger::Attempts;
use switchboard_store::{Store, Time};

use super::database::Database;
use super::{Outcome, UNUSABLE, complain, say};
use crate::books::prices::PriceLists;
use crate::config::Environment;
use crate::fleet::{self, overlay};
use crate::money::reprice;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard reprice -c config.yaml --from 2026-11-01 --to 2026-12-01 --dry-run
  switchboard reprice -c config.yaml --from 2026-11-01 --to 2026-12-01 --provider openai

Every attempt of the period is reckoned again by the configuration's prices, discounts and margins and by prices that have a date.
What differs is written as a correction: no row is changed, and a second run finds nothing to do. Where a gateway runs on a
database of its own, ask it instead: POST /spend/reprice.")]
pub(super) struct Reprice {
    #[command(flatten)]
    database: Database,
    /// First moment, such as 2026-11-01 or 2026-11-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Time,
    /// Up to this moment
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Time,
    /// Only of that provider
    #[arg(long)]
    provider: Option<String>,
    /// Only of that model, in the provider's words
    #[arg(long)]
    model: Option<String>,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

/// A time, as `--from` takes it.
pub(super) fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "not a time; write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ".to_owned())
}

impl Reprice {
    pub(super) fn run(self, environment: Environment) -> Outcome {
        let Some(found) = self.database.find(environment) else { return Ok(ExitCode::from(UNUSABLE)) };
        if found.is_in_use() && found.settings.address.starts_with("sqlite:") && !self.dry_run {
            complain("error: a gateway runs on this database and keeps its budgets in memory; ask it: POST /spend/reprice");
            return Ok(ExitCode::FAILURE);
        }
        let store = Store::open(&found.settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let lists = PriceLists::default();
        store.migrate()?;
        runtime.block_on(lists.read(&store))?;
        let mut cards = HashMap::new();
        let path = found.config.as_ref().and_then(|config| config.switchboard.catalog.clone());
        let catalog = overlay::catalog(path.as_deref())?;
        if let Some(config) = found.config {
            let config = Arc::new(config);
            lists.follow(&config, &catalog);
            let (fleet, _) = fleet::build(&config, &catalog, None, &Registry::default());
            cards.extend(fleet.deployments().filter_map(|one| Some((one.spec.id.clone(), one.card.clone()?))));
            lists.apply(&catalog, fleet.deployments().map(Arc::as_ref));
        } else {
            lists.apply(&catalog, std::iter::empty());
        }
        let wanted = Attempts { from: self.from.0, until: self.to.0, provider: self.provider, model: self.model };
        let sheets = reprice::Sheets { catalog, cards, tariffs: lists.tariffs().clone() };
        let changed = runtime.block_on(reprice::run((&store, "reprice"), &wanted, ("switchboard reprice", self.dry_run), &sheets, |_| {}));
        store.close();
        let changed = changed?;
        let verb = if self.dry_run { "would change" } else { "changed" };
        say(&format!(
            "{} attempts, {} reckoned again, {} {verb}: callers {} USD, providers {} USD",
            changed.attempts,
            changed.reckoned,
            changed.changed,
            NanoUsd(changed.amount),
            NanoUsd(changed.owed)
        ));
        Ok(ExitCode::SUCCESS)
    }
}
