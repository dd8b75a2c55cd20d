//! What calls are charged by: the configuration's discounts and margins, and prices that have a date.
//!
//! Dated prices are objects that administrators make. They are laid over the card's prices, so that what they do not name stays.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_engine::catalog::derive::set_price;
use switchboard_engine::catalog::{Catalog, ModelCard};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::tariff::{Dated, Table, Tariffs};
use switchboard_store::desk::{Change, Listener};
use switchboard_store::object::{CreditAccount, DatedPrice, GATEWAY, Object};
use switchboard_store::{Store, StoreError};

use crate::config::Config;

/// What calls are charged by.
#[derive(Debug, Default)]
pub struct PriceLists {
    tariffs: Arc<Tariffs>,
    entered: Mutex<Vec<DatedPrice>>,
    /// Something changed that has not been read yet.
    stirred: AtomicBool,
}

impl Listener for PriceLists {
    fn changed(&self, changes: &[Change]) {
        let concerns = |change: &Change| match change.kind.as_str() {
            DatedPrice::KIND | "*" => true,
            CreditAccount::KIND => change.id == GATEWAY,
            _ => false,
        };
        if changes.iter().any(concerns) {
            self.stirred.store(true, Ordering::Release);
        }
    }
}

impl PriceLists {
    /// What the engine charges by.
    pub fn tariffs(&self) -> &Arc<Tariffs> {
        &self.tariffs
    }

    /// Follows what the configuration says.
    pub fn follow(&self, config: &Config, catalog: &Catalog) {
        let costs = &config.litellm.costs;
        let providers = costs.providers.iter().map(|(name, markup)| (catalog.provider_id(name).to_owned(), *markup)).collect();
        let dated = self.tariffs.table().dated.clone();
        self.tariffs.replace(Table { everywhere: costs.everywhere, providers, dated });
    }

    /// Whether something changed since this was asked last.
    pub fn is_stirred(&self) -> bool {
        self.stirred.swap(false, Ordering::AcqRel)
    }

    /// What was read cannot be believed.
    pub fn stir(&self) {
        self.stirred.store(true, Ordering::Release);
    }

    /// Reads the dated prices again.
    pub async fn read(&self, store: &Store) -> Result<(), StoreError> {
        let all = store.read::<_, StoreError, _, _>(|desk| async move { desk.all::<DatedPrice>().await }).await?;
        *self.entered.lock().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(())
    }

    /// Puts the dated prices in force, over the cards there are now.
    pub fn apply<'a>(&self, catalog: &Catalog, deployments: impl Iterator<Item = &'a Deployment>) {
        let entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let table = self.tariffs.table();
        if entered.is_empty() && table.dated.is_empty() {
            return;
        }
        let cards: HashMap<&str, &ModelCard> =
            deployments.filter_map(|deployment| Some((deployment.spec.id.as_str(), deployment.card.as_ref()?))).collect();
        let mut dated: HashMap<String, Vec<Dated>> = HashMap::new();
        for price in &entered {
            let known = cards.get(price.model.as_str()).map(|card| (*card).clone());
            let card = known.or_else(|| card(catalog, &price.model)).unwrap_or_default();
            let one = Dated {
                from: price.effective_from.0,
                until: price.effective_until.map(|until| until.0),
                prices: Arc::new(laid_over(card, price).prices),
            };
            dated.entry(price.model.clone()).or_default().push(one);
        }
        self.tariffs.replace(Table { dated, ..Table::clone(&table) });
    }
}

/// The card of `provider/model`.
pub(crate) fn card(catalog: &Catalog, model: &str) -> Option<ModelCard> {
    let (provider, model) = model.split_once('/')?;
    catalog.model(provider, model)
}

/// The card with the prices that are named.
fn laid_over(mut card: ModelCard, price: &DatedPrice) -> ModelCard {
    for (name, usd) in &price.prices {
        if !set_price(&mut card, name, &usd.to_string()) {
            tracing::warn!(price = %price.price_id, %name, "a price has a name that means nothing here");
        }
    }
    card
}
