//! What is counted: every scope with what it allows and what it has spent, and holds on what is left.
//!
//! The [`Book`] is the one place where each of them is kept once.

mod clock;
mod count;
mod hold;
pub mod port;
mod scope;
pub mod share;
mod state;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Notify;

use self::port::{Past, Slot};
use self::share::{Draw, Drawn, Places, Surplus};
use self::state::State;
use crate::clock::Micros;
use crate::queue::Queue;
use crate::terms::{Calendar, Level, NanoUsd, ScopeId, Terms, Window, micros};
pub use clock::{Clock, HandClock, MachineClock};
pub use hold::{Hold, Line};
pub use scope::Scope;
pub use state::{Need, Standing};

/// What scopes have spent in which windows.
pub type Openings = HashMap<ScopeId, Vec<(Window, Micros, NanoUsd)>>;

/// Every scope there is, once. What a scope has spent stays with it when its terms change.
pub struct Book {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
    /// Scopes of every call, and of calls to a provider or a deployment: looked up without a lock.
    common: ArcSwap<Common>,
    /// The calls that wait for what scopes allow.
    queue: Queue,
    /// Told when there is somebody whose prompts may have to be counted.
    counts: Notify,
    /// What the windows of budgets keep to.
    calendar: ArcSwapOption<Calendar>,
}

#[derive(Debug, Default)]
struct Kept {
    scopes: HashMap<ScopeId, Arc<Scope>>,
    past: Option<Box<dyn Past>>,
    /// What the database said last was spent, where others spend too.
    told: Openings,
    /// Whose spend was asked for.
    wishes: HashSet<ScopeId>,
    next: u64,
    shared: bool,
}

/// What the database said is remembered of no more scopes than these.
const MOST_TOLD: usize = 16_384;

#[derive(Clone, Debug, Default)]
struct Common {
    all: Vec<Arc<Scope>>,
    providers: HashMap<Arc<str>, Arc<Scope>>,
    deployments: HashMap<Arc<str>, Arc<Scope>>,
}

impl Default for Book {
    fn default() -> Self {
        Self::new(Arc::new(MachineClock::default()))
    }
}

impl Book {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (kept, common, queue, counts) = (Mutex::default(), ArcSwap::default(), Queue::default(), Notify::new());
        Self { clock, kept, common, queue, counts, calendar: ArcSwapOption::empty() }
    }

    /// The calls that wait for what scopes allow.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The windows of budgets keep to that calendar from now on; to UTC where there is none.
    pub fn keep_to(&self, calendar: Option<Calendar>) {
        self.calendar.store(calendar.map(Arc::new));
    }

    /// What the windows of budgets keep to; UTC's where there is none.
    pub fn calendar(&self) -> Option<Calendar> {
        self.calendar.load().as_deref().copied()
    }

    /// That window as budgets here have it.
    pub fn local(&self, window: Window) -> Window {
        window.keeping(self.calendar())
    }

    /// The time by which windows open.
    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    /// Takes over what was spent before this gateway began. For scopes that are not in the book yet.
    pub fn open(&self, past: impl Past + 'static) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).past = Some(Box::new(past));
    }

    /// Somebody else decides on money: what was spent before is known there, and here counts only what is spent here. For a
    /// book that is empty.
    pub fn share(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).shared = true;
    }

    /// The scope of that id, with those terms from now on. Calls under way keep what they hold.
    ///
    /// Scopes of the proxy, of providers and of deployments are engaged for every call they concern; all others for the principals
    /// that list them.
    pub fn scope(&self, id: ScopeId, mut terms: Terms) -> Arc<Scope> {
        terms.budgets.iter_mut().for_each(|budget| budget.window = self.local(budget.window));
        if terms.are_of_tokens() {
            self.counts.notify_one();
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scope) = kept.scopes.get(&id) {
            if *scope.terms() != terms {
                scope.set(terms, self.clock.now());
            }
            return scope.clone();
        }
        kept.next += 1;
        let opening = kept.past.as_ref().map(|past| past.of(&id)).unwrap_or_default();
        let scope = Arc::new(Scope::new(id.clone(), kept.next, opening, kept.shared));
        scope.set(terms, self.clock.now());
        kept.scopes.insert(id, scope.clone());
        self.make_common(&scope);
        scope
    }

    fn make_common(&self, scope: &Arc<Scope>) {
        if !matches!(scope.id.level, Level::Proxy | Level::Provider | Level::Deployment) {
            return;
        }
        self.common.rcu(|common| {
            let mut common = Common::clone(common);
            match scope.id.level {
                Level::Provider => drop(common.providers.insert(scope.id.id.clone(), scope.clone())),
                Level::Deployment => drop(common.deployments.insert(scope.id.id.clone(), scope.clone())),
                _ => common.all.push(scope.clone()),
            }
            common
        });
    }

    /// The scopes of every call.
    pub(crate) fn common(&self, covered: impl Fn(&Scope) -> bool, into: &mut Vec<Arc<Scope>>) {
        into.extend(self.common.load().all.iter().filter(|scope| covered(scope)).cloned());
    }

    /// The scopes of a target.
    pub(crate) fn of_target(&self, provider: &str, deployment: &str, into: &mut Vec<Arc<Scope>>) {
        let common = self.common.load();
        into.extend(common.providers.get(provider).cloned());
        into.extend(common.deployments.get(deployment).cloned());
    }

    /// Waits until there is somebody whose prompts may have to be counted to know that they fit. For one who waits.
    pub async fn will_count(&self) {
        self.counts.notified().await;
    }

    /// The scope of that id, where there is one.
    pub fn find(&self, id: &ScopeId) -> Option<Arc<Scope>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).scopes.get(id).cloned()
    }

    /// What the scope of that id has spent in the window of that kind that is open now, as far as this gateway knows.
    pub fn spent(&self, id: &ScopeId, window: Window) -> NanoUsd {
        let window = self.local(window);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.shared {
            if kept.wishes.len() < MOST_TOLD {
                kept.wishes.insert(id.clone());
            }
            if let Some(told) = kept.told.get(id) {
                let start = window.start(self.clock.now());
                let found = told.iter().find(|(kind, begun, _)| (*kind, *begun) == (window, start));
                return found.map_or(NanoUsd::ZERO, |(_, _, spent)| *spent);
            }
        }
        if let Some(scope) = kept.scopes.get(id) {
            return scope.spent_in(window, self.clock.now()).unwrap_or_else(|| scope.spent());
        }
        let start = window.start(self.clock.now());
        let past = kept.past.as_ref().map(|past| past.of(id)).unwrap_or_default();
        let opening = past.into_iter().find(|(kind, begun, _)| (*kind, *begun) == (window, start));
        opening.map_or(NanoUsd::ZERO, |(_, _, spent)| spent)
    }

    /// Whose spend was asked for since this was asked last: the database knows it better.
    pub fn wishes(&self) -> Vec<ScopeId> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut kept.wishes).into_iter().collect()
    }

    /// Whether others spend too, so that what is known here is not all.
    pub fn is_shared(&self) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).shared
    }

    /// Learns from the database what everybody together has spent, where others spend too. `before` is what was known here when
    /// all of it had been written there.
    pub fn learn(&self, spends: Openings, before: &HashMap<ScopeId, NanoUsd>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.shared {
            return;
        }
        if kept.told.len() + spends.len() > MOST_TOLD {
            kept.told.clear();
        }
        for (id, spent) in spends {
            let whole = spent.iter().find(|(window, ..)| *window == Window::Lifetime).map_or(NanoUsd::ZERO, |(_, _, spent)| *spent);
            if let (Some(scope), Some(before)) = (kept.scopes.get(&id), before.get(&id)) {
                scope.spend(whole.minus(*before));
            }
            kept.told.insert(id, spent);
        }
    }

    /// All that is known here to have been spent by that scope.
    pub fn known(&self, id: &ScopeId) -> Option<NanoUsd> {
        self.find(id).map(|scope| scope.spent())
    }

    /// What calls under way hold of that scope's money at most.
    pub fn held(&self, id: &ScopeId) -> NanoUsd {
        self.find(id).map_or(NanoUsd::ZERO, |scope| scope.state().purses.iter().map(|purse| purse.held).max().unwrap_or_default())
    }

    /// Corrects what the scope of that id has spent by that much: for ever and, of its windows, in those that are open and named.
    pub fn correct(&self, id: &ScopeId, amount: NanoUsd, windows: &[Window]) {
        let scope = self.find(id).unwrap_or_else(|| self.scope(id.clone(), Terms::default()));
        scope.correct(amount, self.clock.now(), windows);
    }

    /// Every scope.
    pub fn all(&self) -> Vec<Arc<Scope>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).scopes.values().cloned().collect()
    }

    /// What an authority granted is granted no more.
    pub fn forfeit(&self) {
        self.all().iter().filter(|scope| scope.has_purses()).for_each(|scope| scope.state().forfeit());
    }

    /// Takes out what an authority granted and nobody has used since this was last asked.
    pub fn idle(&self) -> Vec<(Slot, NanoUsd)> {
        self.taken(State::idle)
    }

    fn taken(&self, take: impl Fn(&mut State) -> Vec<(Window, Micros, NanoUsd)>) -> Vec<(Slot, NanoUsd)> {
        let mut all = Vec::new();
        for scope in self.all().iter().filter(|scope| scope.has_purses()) {
            let taken = take(&mut scope.state());
            all.extend(taken.into_iter().map(|(window, start, free)| (Slot { scope: scope.id.clone(), window, start }, free)));
        }
        all
    }

    /// Others want for that money: takes out what of it lies here unused. What comes free within so long is given back at once.
    pub fn recall(&self, slot: &Slot, lasting: Duration) -> NanoUsd {
        let until = self.now().saturating_add(micros(lasting));
        self.find(&slot.scope).map_or(NanoUsd::ZERO, |scope| scope.state().recall(slot.window, slot.start, until))
    }

    /// What was lent of that money is there no more, as far as it is free.
    pub fn repay(&self, slot: &Slot, amount: NanoUsd) {
        if let Some(scope) = self.find(&slot.scope) {
            scope.state().repay((slot.window, slot.start), amount);
        }
    }

    /// Takes out all that an authority granted and no call has spent or holds.
    pub fn free(&self) -> Vec<(Slot, NanoUsd)> {
        self.taken(State::free_all)
    }

    /// Takes out what was drawn of limits and nobody has used since this was last asked, and tells what places are held.
    pub fn tend(&self) -> (Vec<Surplus>, Vec<Places>) {
        let (now, mut idle, mut held) = (self.clock.now(), Vec::new(), Vec::new());
        for scope in self.all().iter().filter(|scope| scope.has_limits()) {
            scope.state().tend(&scope.id, now, &mut idle, &mut held);
        }
        (idle, held)
    }

    /// What was used of limits while nobody could be asked, and is to be counted with what others use.
    pub fn debts(&self) -> Vec<Draw> {
        let now = self.clock.now();
        self.all().iter().filter(|scope| scope.has_limits()).flat_map(|scope| scope.state().debts(&scope.id, now)).collect()
    }

    /// Adds what was drawn of a limit.
    pub fn receive(&self, draw: &Draw, drawn: &Drawn) {
        if let Some(scope) = self.find(&draw.pool.scope) {
            scope.state().receive(&draw.pool, drawn, self.clock.now());
        }
    }

    /// The most places that any scope has given out to calls under way.
    pub fn places(&self) -> u64 {
        let all = self.all();
        all.iter().filter(|scope| scope.has_limits()).map(|scope| scope.state().places()).max().unwrap_or(0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).scopes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Book {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Book").field("scopes", &self.len()).finish_non_exhaustive()
    }
}
