//! A job whose charge awaits what its provider tells of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use switchboard_engine::catalog::{Exact, ModelCard};
use switchboard_engine::meter::bill;
use switchboard_engine::terms::NanoUsd;
use switchboard_engine::wire::job::Line;
use switchboard_engine::wire::reply::Usage;
use switchboard_store::StoreError;
use switchboard_store::ledger::report::{self, Given};
use switchboard_store::ledger::{self, Attempted, Attempts, Reckoned};

use super::reprice::{ACTOR, Sheets, remember};
use crate::app::App;

/// The terms on which jobs are done.
const SERVICE: &str = "batch";
/// So long whoever asks for a job waits for a database that is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// A job that is charged by guess, and what its answers come to as far as they are read.
pub(crate) struct Awaited {
    given: Given,
    provider: String,
    deployment: String,
    sheets: Sheets,
    /// The model of answers that name none, or one without a price.
    model: String,
    /// By the names of models.
    cards: HashMap<String, Option<Arc<ModelCard>>>,
    charged: Exact,
    owed: Exact,
    /// Whether there are answers of which nobody knows what they cost.
    is_more: bool,
}

impl Awaited {
    /// The job of that provider's, where it was asked for here and nobody was told yet what it took.
    pub(crate) async fn of(app: &App, (provider, job): (&str, &str), model: Option<String>) -> Result<Option<Self>, StoreError> {
        let Some(store) = &app.store else { return Ok(None) };
        app.books.settled(PATIENCE).await?;
        let Some(given) = report::given(store, job).await? else { return Ok(None) };
        let Some(deployment) = given.deployment.clone() else { return Ok(None) };
        if !ledger::awaits(store, (&wanted(&given), &given.call)).await? {
            return Ok(None);
        }
        let sheets = Sheets { catalog: app.catalog(), cards: HashMap::new(), tariffs: app.books.prices.tariffs().clone() };
        let model = model.unwrap_or_else(|| given.model.clone());
        let (charged, owed, cards) = (Exact::ZERO, Exact::ZERO, HashMap::new());
        Ok(Some(Self { given, provider: provider.to_owned(), deployment, sheets, model, cards, charged, owed, is_more: false }))
    }

    /// Adds an answer.
    pub(crate) fn add(&mut self, line: Line) {
        let known = match line {
            Line::Failed => return,
            Line::Untold => None,
            Line::Told(model, usage) => {
                let named = model.filter(|model| self.card(model).is_some()).unwrap_or_else(|| self.model.clone());
                self.bill(&named, &usage)
            }
        };
        match known {
            Some((charged, owed)) => (self.charged, self.owed) = (charged, owed),
            None => self.is_more = true,
        }
    }

    /// What all comes to with an answer of that model.
    fn bill(&mut self, model: &str, usage: &Usage) -> Option<(Exact, Exact)> {
        let (card, table) = (self.card(model), self.sheets.tariffs.table());
        let tariff = table.of((&self.provider, model, &self.deployment), card.as_deref(), self.given.times.0);
        let bill = bill(&tariff, Some(usage), &[], Some(SERVICE))?;
        Some((self.charged.plus(bill.charged)?, self.owed.plus(bill.owed)?))
    }

    fn card(&mut self, model: &str) -> Option<Arc<ModelCard>> {
        if let Some(known) = self.cards.get(model) {
            return known.clone();
        }
        let card = self.sheets.listed((&self.provider, model)).map(Arc::new);
        self.cards.insert(model.to_owned(), card.clone());
        card
    }

    /// Charges what the answers come to instead of what was charged by guess: once. Where not all of them say what they took, never
    /// less than that.
    pub(crate) async fn charge(self, app: &App) -> Result<(), StoreError> {
        let Some(store) = &app.store else { return Ok(()) };
        let _alone = app.books.correcting().await;
        let told = (NanoUsd::from_pico(self.charged.pico()).0, NanoUsd::from_pico(self.owed.pico()).0);
        let price = |one: &Attempted| {
            let before = one.basis.as_ref()?;
            if (&before.deployment, &before.provider) != (&self.deployment, &self.provider) {
                return None;
            }
            // A sum over several models is not reckoned again at other prices.
            let basis = Reckoned { counts: BTreeMap::new(), pieces: BTreeMap::new(), service: Some(SERVICE.to_owned()), ..before.clone() };
            let (amount, owed) = if self.is_more { (told.0.max(one.amount), told.1.max(one.owed)) } else { told };
            Some((amount, owed, Some(basis)))
        };
        let wanted = wanted(&self.given);
        let whose = (&wanted, self.given.call.as_str());
        ledger::told_later((store, &app.books.instance()), whose, ACTOR, price, |written| remember(app, written)).await?;
        Ok(())
    }
}

/// The attempts of that time. A second later than it was over: the last one began before.
fn wanted(given: &Given) -> Attempts {
    Attempts { from: given.times.0, until: given.times.1 + 1_000_000, ..Attempts::default() }
}
