//! A period reckoned again at the prices that hold for it now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use switchboard_engine::catalog::{Catalog, Component, ModelCard};
use switchboard_engine::meter::bill;
use switchboard_engine::tariff::Tariffs;
use switchboard_engine::terms::NanoUsd;
use switchboard_engine::wire::reply::Usage;
use switchboard_store::ledger::report::{self, Given};
use switchboard_store::ledger::{self, Attempted, Attempts, Changed, Difference, Reckoned};
use switchboard_store::{Store, StoreError};

use crate::app::App;

/// Who corrects what was charged by guess.
pub(super) const ACTOR: &str = "gateway";

/// What the gateway that runs charges by; what is corrected is corrected in its memory too.
pub(crate) async fn of_app(app: &App, wanted: &Attempts, (actor, dry): (&str, bool)) -> Result<Changed, StoreError> {
    let Some(store) = &app.store else { return Ok(Changed::default()) };
    let _alone = app.books.correcting().await;
    app.books.settled(Duration::from_secs(30)).await?;
    let fleet = app.gateway.fleet();
    let cards = fleet.deployments().filter_map(|deployment| Some((deployment.spec.id.clone(), deployment.card.clone()?))).collect();
    let (catalog, tariffs) = (app.catalog(), app.books.prices.tariffs().clone());
    run((store, &app.books.instance()), wanted, (actor, dry), &Sheets { catalog, cards, tariffs }, |written| remember(app, written)).await
}

/// The gateway's memory has what was corrected, where it has not from elsewhere.
pub(super) fn remember(app: &App, written: &[Difference]) {
    if app.book.is_shared() {
        return;
    }
    for (id, windows, amount) in written {
        let windows: Vec<_> =
            windows.iter().filter(|(window, start)| window.start(app.book.now()) == *start).map(|(window, _)| *window).collect();
        app.book.correct(id, *amount, &windows);
    }
}

/// An answer of that provider's, of which nobody told what it took, is charged what it did, now that it is told.
pub(crate) async fn told_later(
    app: &App,
    (provider, answer): (&str, &str),
    (usage, service): (&Usage, Option<&str>),
) -> Result<(), StoreError> {
    let Some(store) = &app.store else { return Ok(()) };
    let _alone = app.books.correcting().await;
    app.books.settled(Duration::from_secs(30)).await?;
    let Some(Given { call, deployment: Some(deployment), times: (from, until), .. }) = report::given(store, answer).await? else {
        return Ok(());
    };
    let fleet = app.gateway.fleet();
    let card = fleet.deployments().find(|one| one.spec.id == deployment).and_then(|one| one.card.clone());
    let sheets = Sheets {
        catalog: app.catalog(),
        cards: card.into_iter().map(|card| (deployment.clone(), card)).collect(),
        tariffs: app.books.prices.tariffs().clone(),
    };
    let price = |one: &Attempted| {
        let before = one.basis.as_ref().filter(|basis| one.amount > 0 && basis.deployment == deployment && basis.provider == provider)?;
        let counts = usage.counts().into_iter().filter_map(|(name, count)| Some((name.to_owned(), count.filter(|count| *count > 0)?)));
        let service = service.map(str::to_owned).or_else(|| before.service.clone());
        let basis = Reckoned { counts: counts.collect(), pieces: BTreeMap::new(), service, ..before.clone() };
        let card = sheets.cards.get(&basis.deployment).cloned().or_else(|| sheets.listed((&basis.provider, &basis.model)));
        let (amount, owed) = reckoned(&basis, card.as_ref(), &sheets.tariffs)?;
        Some((amount, owed, Some(basis)))
    };
    // A second later than it was over: the last attempt began before.
    let wanted = Attempts { from, until: until + 1_000_000, ..Attempts::default() };
    ledger::told_later((store, &app.books.instance()), (&wanted, &call), ACTOR, price, |written| remember(app, written)).await?;
    Ok(())
}

/// Where prices are.
pub(crate) struct Sheets {
    pub(crate) catalog: Arc<Catalog>,
    /// By deployment.
    pub(crate) cards: HashMap<String, ModelCard>,
    pub(crate) tariffs: Arc<Tariffs>,
}

impl Sheets {
    /// The card of a model that no deployment has, with what its provider's tools cost.
    pub(super) fn listed(&self, (provider, model): (&str, &str)) -> Option<ModelCard> {
        let card = self.catalog.model(provider, model)?;
        Some(match self.catalog.provider(provider) {
            Some(provider) => self.catalog.with_tools(provider, card),
            None => card,
        })
    }
}

pub(crate) async fn run(
    (store, instance): (&Store, &str),
    wanted: &Attempts,
    who: (&str, bool),
    sheets: &Sheets,
    written: impl FnMut(&[Difference]),
) -> Result<Changed, StoreError> {
    let listed: std::cell::RefCell<HashMap<(String, String), Option<ModelCard>>> = Default::default();
    let price = |one: &Attempted| {
        let basis = one.basis.as_ref()?;
        let card = sheets.cards.get(&basis.deployment).cloned().or_else(|| {
            let key = (basis.provider.clone(), basis.model.clone());
            listed.borrow_mut().entry(key).or_insert_with(|| sheets.listed((&basis.provider, &basis.model))).clone()
        });
        reckoned(basis, card.as_ref(), &sheets.tariffs)
    };
    ledger::reprice((store, instance), wanted, who, price, written).await
}

/// What that is charged, and what is owed; none where its price is not known.
fn reckoned(basis: &Reckoned, card: Option<&ModelCard>, tariffs: &Tariffs) -> Option<(i64, i64)> {
    let table = tariffs.table();
    let tariff = table.of((&basis.provider, &basis.model, &basis.deployment), card, basis.at);
    let mut usage = Usage::default();
    for (name, count) in &basis.counts {
        usage.set(name, *count);
    }
    let pieces: Option<Vec<(Component, u64)>> =
        basis.pieces.iter().map(|(name, count)| Some((Component::from_name(name)?, *count))).collect();
    let pieces = pieces?;
    // A count of nothing is not written down.
    usage.input.get_or_insert(0);
    let usage = (!basis.counts.is_empty()).then_some(usage);
    if usage.is_none() && pieces.is_empty() {
        return None;
    }
    let bill = bill(&tariff, usage.as_ref(), &pieces, basis.service.as_deref())?;
    Some((NanoUsd::from_pico(bill.charged.pico()).0, NanoUsd::from_pico(bill.owed.pico()).0))
}
