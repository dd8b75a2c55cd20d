//! Which tier a conversation was given: it may rise, and does not fall back while the conversation goes on.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::classify::Tier;

/// The most seats of a generation; when it is full the one before is forgotten.
const MOST: usize = 65_536;

/// The tiers of conversations.
#[derive(Debug, Default)]
pub(super) struct Seats {
    generations: Mutex<[HashMap<u64, (Tier, Instant)>; 2]>,
    state: RandomState,
}

impl Seats {
    /// The tier for a conversation that was just found to need `tier`: the highest it needed within `ttl` of its last request. That
    /// one stands under the key `before`; what follows will look under `now`.
    pub(super) fn raise(&self, (before, now): (Option<impl Hash>, impl Hash), tier: Tier, ttl: Duration, at: Instant) -> Tier {
        let (before, now) = (before.map(|before| self.state.hash_one(before)), self.state.hash_one(now));
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = before.and_then(|key| generations.iter().find_map(|seats| seats.get(&key)).copied());
        let kept = seat.filter(|(_, seen)| at.saturating_duration_since(*seen) < ttl).map(|(tier, _)| tier);
        let tier = kept.map_or(tier, |kept| kept.max(tier));
        if tier == Tier::Simple && seat.is_none() {
            // Nothing to fall back from.
            return tier;
        }
        if generations[0].len() >= MOST {
            generations.swap(0, 1);
            generations[0].clear();
        }
        generations[0].insert(now, (tier, at));
        tier
    }
}
