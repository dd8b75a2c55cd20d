//! Which deployment a caller or a conversation stays with, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use switchboard_wire::reply::Usage;

use crate::deployment::Deployment;
use crate::route::candidate::Candidate;

/// The most conversations that half of a shard knows.
const KEPT: usize = 4096;
/// Parts of the memory, so that workers rarely wait for one another.
const SHARDS: usize = 16;

/// What stays where.
#[derive(Debug)]
pub struct Memory {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten. What is used is young again.
#[derive(Debug, Default)]
struct Shard {
    young: HashMap<u64, Seat>,
    old: HashMap<u64, Seat>,
}

#[derive(Clone, Debug)]
struct Seat {
    deployment: Arc<str>,
    until: Instant,
}

/// What must happen before a conversation stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// An answer.
    Answered,
    /// The provider said that it read a part of the prompt from its cache, at a lower price.
    Cached,
}

/// A conversation that may stay where it is answered.
#[derive(Clone, Debug)]
pub struct Bond {
    memory: Arc<Memory>,
    key: u64,
    /// The same at every gateway.
    lot: u64,
    ttl: Duration,
    when: When,
}

impl Default for Memory {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: Default::default() }
    }
}

impl Memory {
    /// The bond of what is named so.
    pub fn bond(self: &Arc<Self>, name: impl Hash, ttl: Duration, when: When) -> Bond {
        Bond { memory: self.clone(), key: self.hasher.hash_one(&name), lot: digest(name), ttl, when }
    }

    fn shard(&self, key: u64) -> std::sync::MutexGuard<'_, Shard> {
        self.shards[(key % SHARDS as u64) as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A digest that every gateway of the same build has alike.
fn digest(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Draws lots for what stays with a deployment by its name alone, instead of by chance, so that gateways agree where it has its first
/// seat: each takes the deployment with the least lot for that name, and one that is not there leaves the others theirs.
pub(super) fn draw(bonds: &[Bond], candidates: &mut [Candidate]) {
    // What stays only where its prompt is cached is drawn anew until then.
    let Some(bond) = bonds.iter().find(|bond| bond.when == When::Answered) else { return };
    for candidate in candidates {
        candidate.lot = Some(digest((bond.lot, candidate.deployment.spec.id.as_str())));
    }
}

impl Shard {
    fn insert(&mut self, key: u64, seat: Seat) {
        if self.young.len() >= KEPT && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, seat);
    }
}

impl Bond {
    /// The id of the deployment it stays with, where there is one.
    pub fn deployment(&self, now: Instant) -> Option<Arc<str>> {
        let shard = self.memory.shard(self.key);
        let seat = shard.young.get(&self.key).or_else(|| shard.old.get(&self.key))?;
        (seat.until > now).then(|| seat.deployment.clone())
    }

    /// An answer came from there.
    pub fn learn(&self, deployment: &Deployment, usage: Option<&Usage>, now: Instant) {
        let facts = &deployment.facts;
        let cheaper = facts.cache_read.zip(facts.input).is_some_and(|(cached, plain)| cached < plain);
        let cached = cheaper && usage.and_then(|usage| usage.cache_read).is_some_and(|tokens| tokens > 0);
        let mut shard = self.memory.shard(self.key);
        let known = shard.young.get(&self.key).or_else(|| shard.old.get(&self.key)).filter(|seat| seat.until > now);
        let stays = known.is_some_and(|seat| *seat.deployment == *deployment.spec.id);
        if self.when == When::Answered || cached || stays {
            let id = known.filter(|_| stays).map_or_else(|| Arc::from(deployment.spec.id.as_str()), |seat| seat.deployment.clone());
            shard.insert(self.key, Seat { deployment: id, until: now + self.ttl });
        }
    }
}
