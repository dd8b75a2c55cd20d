//! The health of every deployment, by its id: a deployment that a reload keeps keeps its health.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Health;
use super::credential::{Credential, Limit, Region, Shared};

/// What is forgotten only when this many are known.
const MANY: usize = 8192;

/// Knows the health of deployments.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    hasher: RandomState,
    deployments: HashMap<String, (u64, Arc<Health>)>,
    credentials: HashMap<u64, Weak<Credential>>,
    limits: HashMap<u64, Weak<Limit>>,
    regions: HashMap<(String, String), Weak<Region>>,
}

/// Where a deployment stands: what it shares with others follows from it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The deployment's id.
    pub id: &'a str,
    /// The provider's id.
    pub provider: &'a str,
    /// The base URL, where the operator chose one.
    pub base: Option<&'a str>,
    /// The secrets it is reached with.
    pub secrets: &'a [&'a str],
    /// The provider's name for the model.
    pub model: &'a str,
    /// The region, where it is known.
    pub region: Option<&'a str>,
}

impl Registry {
    /// The health of that deployment, as known, or new.
    pub fn of(&self, place: &Place<'_>) -> Arc<Health> {
        let mut known = self.known();
        let known = &mut *known;
        let credential = known.hasher.hash_one((place.provider, place.base, place.secrets));
        let limit = known.hasher.hash_one((credential, place.model, place.region));
        if let Some((of, health)) = known.deployments.get(place.id)
            && *of == limit
        {
            return health.clone();
        }
        if known.deployments.len() >= MANY {
            known.forget();
        }
        let region = match place.region {
            Some(region) => shared(&mut known.regions, (place.provider.to_owned(), region.to_owned()), Region::named),
            None => Arc::default(),
        };
        let shared = Shared {
            credential: shared(&mut known.credentials, credential, Credential::default),
            limit: shared(&mut known.limits, limit, Limit::default),
            region,
        };
        let health = Arc::new(Health::new(shared));
        known.deployments.insert(place.id.to_owned(), (limit, health.clone()));
        health
    }

    /// Every deployment that is known, by its id.
    pub(super) fn all(&self) -> Vec<(String, Arc<Health>)> {
        self.known().deployments.iter().map(|(id, (_, health))| (id.clone(), health.clone())).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets what no deployment holds any more.
    fn forget(&mut self) {
        self.deployments.retain(|_, (_, health)| Arc::strong_count(health) > 1);
        self.credentials.retain(|_, held| held.strong_count() > 0);
        self.limits.retain(|_, held| held.strong_count() > 0);
        self.regions.retain(|_, held| held.strong_count() > 0);
    }
}

fn shared<K: Eq + Hash, T>(known: &mut HashMap<K, Weak<T>>, key: K, new: impl FnOnce() -> T) -> Arc<T> {
    let held = known.entry(key).or_default();
    held.upgrade().unwrap_or_else(|| {
        let made = Arc::new(new());
        *held = Arc::downgrade(&made);
        made
    })
}
