//! A scope, with what it has spent.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};

use super::state::{Standing, State};
use crate::clock::Micros;
use crate::pattern;
use crate::terms::{Level, NanoUsd, ScopeId, Terms, Window};

/// A scope with what it allows and what it has spent. There is one for each id; [`Book`](super::Book) keeps them.
pub struct Scope {
    /// Which one it is.
    pub id: ScopeId,
    /// Locks are taken in this order, whoever takes them.
    pub(crate) order: u64,
    terms: ArcSwap<Terms>,
    limited: AtomicBool,
    /// Whether there is, or ever was, a budget: what is spent is counted for it even while it is away.
    purses: AtomicBool,
    spent: AtomicI64,
    pub(super) state: Mutex<State>,
    /// What the store knows it spent before this gateway began.
    opening: Vec<(Window, Micros, NanoUsd)>,
}

impl Scope {
    pub(super) fn new(id: ScopeId, order: u64, opening: Vec<(Window, Micros, NanoUsd)>, shared: bool) -> Self {
        let lifetime = opening.iter().find(|(window, ..)| *window == Window::Lifetime).map_or(NanoUsd::ZERO, |(_, _, spent)| *spent);
        Self {
            id,
            order,
            terms: ArcSwap::default(),
            limited: AtomicBool::new(false),
            purses: AtomicBool::new(false),
            spent: AtomicI64::new(lifetime.0),
            state: Mutex::default(),
            opening: if shared { Vec::new() } else { opening },
        }
    }

    /// What it allows.
    pub fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    pub(super) fn set(&self, terms: Terms, now: Micros) {
        let mut state = self.state();
        state.follow(&terms, &self.opening, now);
        self.purses.store(!state.purses.is_empty(), Ordering::Release);
        self.limited.store(!terms.are_empty(), Ordering::Release);
        self.terms.store(Arc::new(terms));
    }

    /// Whether anything is limited.
    pub(super) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Acquire)
    }

    pub(super) fn has_purses(&self) -> bool {
        self.purses.load(Ordering::Acquire)
    }

    /// Whether there is, or a moment ago was, something counted for a limit.
    pub(crate) fn has_limits(&self) -> bool {
        !self.guard().limits.is_empty()
    }

    pub(super) fn guard(&self) -> Guard<Arc<Terms>> {
        self.terms.load()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All it has ever spent, as far as this gateway knows.
    pub fn spent(&self) -> NanoUsd {
        NanoUsd(self.spent.load(Ordering::Relaxed))
    }

    /// What it has spent in the window of that kind that is open now; none where no budget of it has such windows.
    pub fn spent_in(&self, window: Window, now: Micros) -> Option<NanoUsd> {
        if window == Window::Lifetime {
            return Some(self.spent());
        }
        let state = self.state();
        let purse = state.purses.iter().find(|purse| purse.window == window)?;
        Some(if window.start(now) > purse.start { NanoUsd::ZERO } else { purse.spent })
    }

    /// How far its limits are used.
    pub fn standings(&self, now: Micros) -> Vec<Standing> {
        let (terms, state) = (self.guard(), self.state());
        state.standings_at(&terms, now)
    }

    /// Corrects what it has spent, for ever and in those of its windows that are open.
    pub(super) fn correct(&self, amount: NanoUsd, now: Micros, windows: &[Window]) {
        let mut state = self.state();
        let concerned = |window: Window| window == Window::Lifetime || windows.contains(&window);
        for purse in state.purses.iter_mut().filter(|purse| concerned(purse.window) && purse.window.start(now) <= purse.start) {
            purse.spent = purse.spent.plus(amount);
        }
        self.spend(amount);
    }

    /// Adds to what it has spent.
    pub(super) fn spend(&self, amount: NanoUsd) {
        self.spent.fetch_add(amount.0, Ordering::Relaxed);
    }

    /// Whether it is engaged for a call to that model.
    pub fn covers(&self, model: &str) -> bool {
        match &self.id.model {
            Some(pattern) => pattern::matches(pattern, model),
            None if self.id.level == Level::AccessGroup => self.guard().models.iter().any(|pattern| pattern::matches(pattern, model)),
            None => true,
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Scope({})", self.id)
    }
}
