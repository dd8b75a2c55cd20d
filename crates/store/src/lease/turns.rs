//! Calls of one gateway ask for money of one budget one after the other.
//!
//! The database would have them wait for each other anyway. Here, whoever waited while another was told that there is too little is
//! told the same without asking: so a storm on a budget that is spent asks once and not a thousand times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use switchboard_engine::book::port::{Ask, Grant, Slot};
use switchboard_engine::terms::NanoUsd;

/// What was told is remembered of no more budgets than these.
const MOST: usize = 4096;

/// Whose turn it is, and who was told what.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    turns: HashMap<Slot, Weak<tokio::sync::Mutex<()>>>,
    /// When too little was left, and what there was.
    short: HashMap<Slot, (Instant, Grant)>,
}

impl Turns {
    /// The turn of those who ask for that budget.
    pub(super) fn of(&self, slot: &Slot) -> Arc<tokio::sync::Mutex<()>> {
        let mut kept = self.kept();
        if let Some(turn) = kept.turns.get(slot).and_then(Weak::upgrade) {
            return turn;
        }
        if kept.turns.len() >= MOST {
            kept.turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        kept.turns.insert(slot.clone(), Arc::downgrade(&turn));
        turn
    }

    /// The refusal of those wishes, where each was too large for what another call that asked after `since` was told.
    pub(super) fn told(&self, asks: &[Ask], since: Instant) -> Option<Vec<Grant>> {
        let kept = self.kept();
        let short = |ask: &Ask| {
            let (_, grant) = kept.short.get(&ask.slot).filter(|(at, _)| *at >= since)?;
            Some(*grant).filter(|grant| ask.limit.minus(grant.spent).minus(grant.held) < ask.least)
        };
        asks.iter().map(short).collect()
    }

    /// Remembers who asked at that time and was told that there is too little.
    pub(super) fn tell(&self, asks: &[Ask], grants: &[Grant], at: Instant) {
        let mut kept = self.kept();
        if kept.short.len() >= MOST {
            kept.short.clear();
        }
        for (ask, grant) in asks.iter().zip(grants) {
            if grant.granted < ask.least {
                kept.short.insert(ask.slot.clone(), (at, Grant { granted: NanoUsd::ZERO, ..*grant }));
            } else {
                kept.short.remove(&ask.slot);
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
