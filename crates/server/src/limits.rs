//! Limits on requests, tokens and requests at one time: shared with the other gateways where the configuration names a Redis.

pub(crate) mod of_keys;
pub(crate) mod places;
pub(crate) mod tags;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use switchboard_engine::admit::Admission;
use switchboard_engine::book::Book;
use switchboard_engine::book::share::{Company, Shares};
use switchboard_engine::catalog::Catalog;
use switchboard_store::RedisLimits;
use switchboard_store::redis::BadAddress;

use crate::books::Books;
use crate::chore::Chore;
use crate::config::{Config, Secret};
use crate::digest::sha256;
use crate::limit_rules::Rules;
use of_keys::OfKeys;

/// What gateways of other installations at the same Redis do not share begins with this much of a digest.
const SPACE: usize = 8;

/// The limits that gateways share, if they do, and those that the configuration has.
#[derive(Debug, Default)]
pub struct Limits {
    shared: Option<Arc<RedisLimits>>,
    rules: ArcSwap<Rules>,
    of_keys: ArcSwap<OfKeys>,
}

impl Limits {
    /// As configured. Gateways share limits where they have the Redis, its namespace and the master key in common.
    pub(crate) fn of(config: &Config, catalog: &Catalog, books: &Books) -> Result<Self, BadAddress> {
        let shared = config.redis.as_ref().map(|address| share(config, address)).transpose()?;
        let shared = shared.map(|limits| Arc::new(limits.with_present(books.present())));
        let limits = Self { shared, rules: ArcSwap::default(), of_keys: ArcSwap::default() };
        limits.follow(config, catalog, &books.book);
        Ok(limits)
    }

    /// Follows another configuration.
    pub(crate) fn follow(&self, config: &Config, catalog: &Catalog, book: &Book) {
        let said = &config.switchboard.limit_rules;
        self.shared.iter().for_each(|limits| limits.without(said.without_redis));
        self.rules.store(Arc::new(Rules::new(said.rules.clone())));
        self.of_keys.store(Arc::new(OfKeys::of(config)));
        places::follow(book, config, catalog);
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// What each key may ask of a model that says nothing of its own.
    pub(crate) fn of_keys(&self) -> Guard<Arc<OfKeys>> {
        self.of_keys.load()
    }

    /// Admission that keeps to them.
    pub(crate) fn admission(&self, admission: Admission) -> Admission {
        match &self.shared {
            Some(limits) => admission.with_shares(limits.clone()),
            None => admission,
        }
    }

    /// How the gateways stand that share them; nothing where nobody shares.
    pub(crate) fn company(&self) -> Option<Company> {
        self.shared.as_ref().map(|limits| limits.company())
    }

    /// Begins to share; nothing where nobody does.
    pub(crate) fn start(&self, book: &Arc<Book>) -> std::io::Result<Option<Chore>> {
        let Some(limits) = self.shared.clone() else { return Ok(None) };
        let book = book.clone();
        Chore::start("limits", async move || limits.serve(&book).await).map(Some)
    }
}

fn share(config: &Config, address: &Secret) -> Result<RedisLimits, BadAddress> {
    let namespace = config.redis_namespace.as_deref().unwrap_or_default();
    let master = config.general.master_key.as_ref().map_or("", |key| key.expose());
    let digest = sha256(format!("limits of {master} in {namespace}").as_bytes());
    let space = hex::encode(&digest[..SPACE]);
    RedisLimits::new(address.expose(), crate::id::mint(), space)
}
