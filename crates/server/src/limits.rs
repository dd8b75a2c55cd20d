//! Limits on requests, tokens and requests at one time: shared with the other gateways where the configuration names a Redis.

use std::sync::Arc;

use switchboard_engine::admit::share::Shares;
use switchboard_engine::admit::{Admission, Book};
use switchboard_store::RedisLimits;
use switchboard_store::redis::BadAddress;

use crate::chore::Chore;
use crate::config::Config;
use crate::digest::sha256;

/// What gateways of other installations at the same Redis do not share begins with this much of a digest.
const SPACE: usize = 8;

/// The limits that gateways share, if they do.
#[derive(Clone, Debug, Default)]
pub struct Limits(Option<Arc<RedisLimits>>);

impl Limits {
    /// As configured. Gateways share limits where they have the Redis, its namespace and the master key in common.
    pub(crate) fn of(config: &Config) -> Result<Self, BadAddress> {
        let Some(address) = &config.redis else { return Ok(Self::default()) };
        let namespace = config.redis_namespace.as_deref().unwrap_or_default();
        let master = config.general.master_key.as_ref().map_or("", |key| key.expose());
        let digest = sha256(format!("limits of {master} in {namespace}").as_bytes());
        let space: String = digest[..SPACE].iter().map(|byte| format!("{byte:02x}")).collect();
        let limits = Self(Some(Arc::new(RedisLimits::new(address.expose(), crate::id::mint(), space)?)));
        limits.follow(config);
        Ok(limits)
    }

    /// Follows another configuration.
    pub(crate) fn follow(&self, config: &Config) {
        self.0.iter().for_each(|limits| limits.without(config.switchboard.limit_rules.without_redis));
    }

    /// Admission that keeps to them.
    pub(crate) fn admission(&self, admission: Admission) -> Admission {
        match &self.0 {
            Some(limits) => admission.with_shares(limits.clone()),
            None => admission,
        }
    }

    /// Whether they are shared now; nothing where nobody shares.
    pub(crate) fn is_shared(&self) -> Option<bool> {
        self.0.as_ref().map(|limits| limits.company().is_up)
    }

    /// Begins to share; nothing where nobody does.
    pub(crate) fn start(&self, book: &Arc<Book>) -> std::io::Result<Option<Chore>> {
        let Some(limits) = self.0.clone() else { return Ok(None) };
        let book = book.clone();
        Chore::start("limits", move || async move { limits.serve(&book).await }).map(Some)
    }
}
