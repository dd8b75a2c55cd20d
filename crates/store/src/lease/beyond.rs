//! Money that is spent while the database is away, beyond what was leased: nothing, or up to an amount, or whatever is left.
//!
//! What is left of a budget is known from the database's last word, and what is lent is taken from that; so a budget is overrun by no
//! more than other gateways spend of it meanwhile, and where the operator names an amount, by no more than that for each gateway and
//! outage. All of it is in the journal and comes to the ledger afterwards. When the database is back, what was lent and is not used
//! is forgotten.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard_engine::book::Book;
use switchboard_engine::book::port::{Ask, Grant, Outage, Slot};
use switchboard_engine::terms::NanoUsd;

/// What becomes of budgets that gateways share while the database is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budgets {
    /// Nothing is spent but what was leased.
    #[default]
    Closed,
    /// So much is, in each outage.
    UpTo(NanoUsd),
    /// What is left is.
    Open,
}

/// The database's last word is remembered of no more budgets than these.
const MOST_KNOWN: usize = 16_384;

/// What is lent.
#[derive(Debug, Default)]
pub(super) struct Beyond {
    /// In nano-dollars; none where nothing is lent.
    most: AtomicI64,
    lent: Mutex<Lent>,
}

#[derive(Debug, Default)]
struct Lent {
    total: NanoUsd,
    of: HashMap<Slot, NanoUsd>,
    /// What was left when the database said so last, less what was lent since.
    left: HashMap<Slot, NanoUsd>,
}

impl Beyond {
    pub(super) fn set(&self, budgets: Budgets) {
        let most = match budgets {
            Budgets::Closed => 0,
            Budgets::UpTo(most) => most.0,
            Budgets::Open => i64::MAX,
        };
        self.most.store(most, Ordering::Release);
    }

    /// Whether anything may be lent.
    pub(super) fn is_open(&self) -> bool {
        self.most.load(Ordering::Acquire) > 0
    }

    /// What the database said.
    pub(super) fn heard(&self, asks: &[Ask], grants: &[Grant]) {
        if !self.is_open() {
            return;
        }
        let mut lent = self.lent();
        if lent.left.len() >= MOST_KNOWN {
            lent.left.clear();
        }
        for (ask, grant) in asks.iter().zip(grants) {
            lent.left.insert(ask.slot.clone(), ask.limit.minus(grant.spent).minus(grant.held).minus(grant.granted));
        }
    }

    /// Lends what is asked for, of each budget in which so much is left.
    pub(super) fn lend(&self, asks: &[Ask], book: &Book) -> Result<Vec<Grant>, Outage> {
        let mut lent = self.lent();
        let unheard = |ask: &Ask| ask.limit.minus(book.spent(&ask.slot.scope, ask.slot.window));
        let left: Vec<NanoUsd> = asks.iter().map(|ask| lent.left.get(&ask.slot).copied().unwrap_or_else(|| unheard(ask))).collect();
        let grant = |(ask, left): (&Ask, &NanoUsd)| Grant {
            granted: if ask.least <= *left { ask.least } else { NanoUsd::ZERO },
            spent: ask.limit.minus(*left),
            held: NanoUsd::ZERO,
        };
        let grants: Vec<Grant> = asks.iter().zip(&left).map(grant).collect();
        let total = lent.total.plus(grants.iter().map(|grant| grant.granted).max().unwrap_or_default());
        if total.0 > self.most.load(Ordering::Acquire) {
            return Err(Outage);
        }
        lent.total = total;
        for ((ask, left), grant) in asks.iter().zip(left).zip(&grants).filter(|(_, grant)| grant.granted > NanoUsd::ZERO) {
            lent.left.insert(ask.slot.clone(), left.minus(grant.granted));
            let of = lent.of.entry(ask.slot.clone()).or_default();
            *of = of.plus(grant.granted);
        }
        Ok(grants)
    }

    /// The database is back: what was lent and is free is there no more.
    pub(super) fn over(&self, book: &Book) {
        let of = {
            let mut lent = self.lent();
            lent.total = NanoUsd::ZERO;
            std::mem::take(&mut lent.of)
        };
        of.iter().for_each(|(slot, amount)| book.repay(slot, *amount));
    }

    fn lent(&self) -> MutexGuard<'_, Lent> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
