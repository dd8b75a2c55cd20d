//! Which tier a conversation was given: it may rise, and does not fall back while the conversation goes on.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::classify::Tier;

/// The most conversations that are remembered.
const MOST: usize = 65_536;

/// The tiers of conversations.
#[derive(Debug, Default)]
pub(super) struct Seats {
    seats: Mutex<HashMap<u64, (Tier, Instant)>>,
    state: RandomState,
}

impl Seats {
    /// The tier for a conversation that was just found to need `tier`: the highest it needed within `ttl` of its last request.
    pub(super) fn raise(&self, conversation: impl std::hash::Hash, tier: Tier, ttl: Duration, now: Instant) -> Tier {
        let key = self.state.hash_one(conversation);
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.len() >= MOST && !seats.contains_key(&key) {
            seats.retain(|_, (_, seen)| now.saturating_duration_since(*seen) < ttl);
            if seats.len() >= MOST {
                seats.clear();
            }
        }
        let seat = seats.entry(key).or_insert((tier, now));
        if now.saturating_duration_since(seat.1) >= ttl {
            seat.0 = tier;
        }
        *seat = (seat.0.max(tier), now);
        seat.0
    }
}
