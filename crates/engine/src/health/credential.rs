//! What deployments share: a credential that may be refused, a rate that may be used up, a region that may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{Refusal, Why};

/// Refusals of a credential with no success between them, before nothing more is sent with it. One alone may be a slip of the
/// provider's, and would cost every deployment of that credential.
const REFUSALS: u32 = 3;
/// Milliseconds until a refused credential is tried again.
const REFUSED: u64 = 60_000;
/// Milliseconds until a credential without money is tried again.
const SPENT: u64 = 600_000;
/// Breakers of a region that open with no success between them, before the rest of the region is spared.
const OPENINGS: u32 = 3;
/// Milliseconds between two requests that find out whether a region is back.
const PROBE: u64 = 1_000;

/// What one deployment shares with others.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// With those that have its credential.
    pub(crate) credential: Arc<Credential>,
    /// With those that have its credential and model in its region.
    pub(crate) limit: Arc<Limit>,
    /// With those in its region.
    pub(crate) region: Arc<Region>,
}

impl Shared {
    /// Until when nothing is sent, whatever the reason.
    pub(super) fn until(&self) -> u64 {
        let (told, guessed) = (self.limit.told.load(Ordering::Relaxed), self.limit.guessed.load(Ordering::Relaxed));
        self.credential.0.until().max(self.limit.denials.until()).max(told).max(guessed)
    }

    pub(super) fn refusal(&self, at: u64) -> Option<Refusal> {
        let until = self.credential.0.until().max(self.limit.denials.until());
        if until > at {
            return Some(Refusal::firm(until, Why::Quarantined));
        }
        let until = self.limit.told.load(Ordering::Relaxed);
        if until > at {
            return Some(Refusal::firm(until, Why::RateLimited));
        }
        let until = self.limit.guessed.load(Ordering::Relaxed);
        (until > at).then_some(Refusal::soft(until, Why::RateLimited))
    }
}

/// Refusals without a success between them, and the rest that they bring about.
#[derive(Debug, Default)]
struct Strikes {
    until: AtomicU64,
    count: AtomicU32,
}

impl Strikes {
    /// Until when nothing more is sent.
    fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }

    /// One more refusal; a rest of so many milliseconds follows the last that is borne.
    fn struck(&self, at: u64, rest: u64) {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        if before + 1 >= REFUSALS {
            self.until.fetch_max(at + rest, Ordering::Relaxed);
        }
    }

    /// A success.
    fn cleared(&self) {
        if self.count.load(Ordering::Relaxed) != 0 {
            self.count.store(0, Ordering::Relaxed);
        }
    }
}

/// A credential.
#[derive(Debug, Default)]
pub(crate) struct Credential(Strikes);

impl Credential {
    /// The provider refused it.
    pub(super) fn refused(&self, at: u64) {
        self.0.struck(at, REFUSED);
    }

    /// Its money is gone.
    pub(super) fn spent(&self, at: u64) {
        self.0.struck(at, SPENT);
    }

    /// The provider took it.
    pub(super) fn accepted(&self) {
        self.0.cleared();
    }
}

/// What a credential may have of one model, in one region.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    /// As a provider said.
    told: AtomicU64,
    /// As we suppose.
    guessed: AtomicU64,
    /// Where it is not allowed at all.
    denials: Strikes,
}

impl Limit {
    /// Until when it is used up, as the provider said.
    pub(super) fn told_until(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// The provider does not allow it.
    pub(super) fn denied(&self, at: u64) {
        self.denials.struck(at, REFUSED);
    }

    /// The provider allowed it.
    pub(super) fn accepted(&self) {
        self.denials.cleared();
    }

    /// It is used up until then.
    pub(super) fn used_up(&self, until: u64, told: bool) {
        let place = if told { &self.told } else { &self.guessed };
        place.fetch_max(until, Ordering::Relaxed);
    }
}

/// A region of a provider.
#[derive(Debug, Default)]
pub(crate) struct Region {
    named: bool,
    openings: AtomicU32,
    probed: AtomicU64,
}

impl Region {
    /// A region that has a name; deployments without a region have none in common.
    pub(super) fn named() -> Self {
        Self { named: true, ..Self::default() }
    }

    /// Lets a request into the region, or says why not. `true`: it finds out whether the region is back.
    pub(super) fn enter(&self, at: u64, probing: bool) -> Result<bool, Refusal> {
        if !self.named || probing || self.openings.load(Ordering::Relaxed) < OPENINGS {
            return Ok(false);
        }
        let last = self.probed.load(Ordering::Relaxed);
        let due = last + PROBE;
        if due > at || self.probed.compare_exchange(last, at, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(Refusal::firm(due.max(at + 1), Why::Region));
        }
        Ok(true)
    }

    pub(super) fn opened(&self) {
        self.openings.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn succeeded(&self) {
        if self.openings.load(Ordering::Relaxed) != 0 {
            self.openings.store(0, Ordering::Relaxed);
        }
    }
}
