//! What a call has taken, from the moment it is admitted to the moment it is settled.

use std::sync::{Arc, MutexGuard};

use super::Book;
use super::port::{Ask, Authority, Outage, Slot};
use super::scope::Scope;
use super::share::{Company, Draw, Shares};
use super::state::{Admitted, Need, Own, Standing, State, Verdict, View, Wants};
use crate::clock::Micros;
use crate::terms::{NanoUsd, Refusal, ScopeId, Why, Window};

/// One scope a call is in.
#[derive(Debug)]
struct Engaged {
    scope: Arc<Scope>,
    /// It is of the target and not of the caller: the next attempt may have another.
    of_target: bool,
    /// What is spent is counted, and nothing else.
    only_counts: bool,
    /// When the money it holds was taken, and under which terms; none where nothing was limited.
    booked: Option<Admitted>,
    /// When the call was counted, under which terms, and as how many tokens; none where nothing was limited.
    counted: Option<(Admitted, Need)>,
    /// It is being tried and nothing is taken of it yet.
    joins: bool,
}

impl Engaged {
    fn is_limited(&self) -> bool {
        !self.only_counts && self.scope.is_limited()
    }

    /// What of that is its own: a target's limits count every request to it, a caller's every call.
    fn share(&self, need: Need) -> Need {
        Need { beside: need.beside && !self.of_target, ..need }
    }
}

/// What a call has taken of every scope it is in. Dropping it gives everything back; what was spent must be said before.
pub struct Hold {
    book: Arc<Book>,
    authority: Option<Arc<dyn Authority>>,
    shares: Option<Arc<dyn Shares>>,
    engaged: Vec<Engaged>,
    at: Micros,
    admitted: bool,
    /// It is for a second attempt of a call that has a hold already.
    beside: bool,
    need: Need,
    used: Need,
    standings: Vec<(&'static str, Standing)>,
}

/// Who else has a say: on money, and on limits.
pub(crate) type Others = (Option<Arc<dyn Authority>>, Option<Arc<dyn Shares>>);

/// What came of an attempt to take.
enum Outcome {
    Taken,
    Refused(Box<Refusal>),
    Short(Wants),
}

/// One line a settlement adds to: a scope and the windows in which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose.
    pub scope: ScopeId,
    /// In which windows, with their starts; the lifetime always counts.
    pub windows: Vec<(Window, Micros)>,
}

impl Hold {
    /// A hold on nothing yet, for a call with those scopes.
    pub(crate) fn new(book: Arc<Book>, (authority, shares): Others, scopes: Vec<Arc<Scope>>, counted: Vec<Arc<Scope>>) -> Self {
        let engage = |only_counts| move |scope| Engaged { scope, of_target: false, only_counts, booked: None, counted: None, joins: false };
        let engaged = scopes.into_iter().map(engage(false)).chain(counted.into_iter().map(engage(true)));
        Self {
            engaged: engaged.collect(),
            book,
            authority,
            shares,
            at: 0,
            admitted: false,
            beside: false,
            need: Need::default(),
            used: Need::default(),
            standings: Vec::new(),
        }
    }

    /// For a second attempt beside the first one: it takes money and tokens like any other, and counts as no call of its own.
    #[must_use]
    pub(crate) fn beside(mut self) -> Self {
        self.beside = true;
        self
    }

    /// Whether anything at all limits the call at that target: if not, nobody need know what it may cost.
    pub fn is_limited(&self, provider: &str, deployment: &str) -> bool {
        let mut targets = Vec::new();
        self.book.of_target(provider, deployment, &mut targets);
        targets.iter().any(|scope| scope.is_limited()) || self.engaged.iter().any(Engaged::is_limited)
    }

    /// Whether any of that is money.
    pub fn has_budgets(&self, (provider, deployment): (&str, &str)) -> bool {
        let mut targets = Vec::new();
        self.book.of_target(provider, deployment, &mut targets);
        let engaged = self.engaged.iter().filter(|engaged| !engaged.only_counts).map(|engaged| &engaged.scope);
        targets.iter().chain(engaged).any(|scope| !scope.guard().budgets.is_empty())
    }

    /// Takes what an attempt at that target needs, in every scope or in none; what the attempt before held is given back in the
    /// same step, and `settled` of it is spent.
    pub async fn take(&mut self, (provider, deployment): (&str, &str), need: Need, settled: NanoUsd) -> Result<(), Refusal> {
        crate::failpoint::hit("admitting");
        let mut targets = Vec::new();
        self.book.of_target(provider, deployment, &mut targets);
        let need = Need { beside: self.beside, ..need };
        let mut company = self.shares.as_ref().map(|shares| shares.company());
        loop {
            let wants = match self.try_take(&targets, (need, settled), company) {
                Outcome::Taken => return Ok(()),
                Outcome::Refused(refusal) => return Err(*refusal),
                Outcome::Short(wants) => wants,
            };
            if let (false, Some(company)) = (wants.draws.is_empty(), &mut company) {
                company.is_up = self.draw(wants.draws).await.is_ok();
            }
            if !wants.asks.is_empty()
                && let Err(refusal) = self.ask(wants.asks).await
            {
                // What other calls gave back here meanwhile is there for this one.
                let again = self.try_take(&targets, (need, settled), company);
                return if matches!(again, Outcome::Taken) { Ok(()) } else { Err(refusal) };
            }
        }
    }

    /// Draws slices of limits that gateways share. What is drawn stays here, for this call or others.
    async fn draw(&self, draws: Vec<Draw>) -> Result<(), Outage> {
        let Some(shares) = &self.shares else { return Err(Outage) };
        shares.draw(draws).await.map(drop)
    }

    /// Asks the authority for more.
    async fn ask(&self, asks: Vec<Ask>) -> Result<(), Refusal> {
        let refused = |ask: &Ask, why| Refusal { scope: ask.slot.scope.clone(), name: self.name_of(&ask.slot.scope), why };
        let (Some(authority), Some(first)) = (&self.authority, asks.first()) else { return Ok(()) };
        let unavailable = refused(first, Why::Unavailable);
        let granted = authority.lease(asks.clone()).await.map_err(|_| unavailable)?;
        let mut short = None;
        for (ask, grant) in asks.iter().zip(&granted) {
            // A target's scope is no longer among those of the call while nothing is taken of it.
            if grant.granted > NanoUsd::ZERO
                && let Some(scope) = self.book.find(&ask.slot.scope)
            {
                scope.state().grant(&ask.slot, grant.granted);
            }
            if grant.granted < ask.least && short.is_none() {
                short = Some(refused(
                    ask,
                    Why::Budget {
                        // What was spent here may not have reached the authority yet.
                        spent: grant.spent.max(self.spent_here(ask)),
                        // What lies here unused is granted already, and is this call's to take.
                        held: grant.held.minus(self.free_here(ask)).max(NanoUsd::ZERO),
                        limit: ask.limit,
                        needs: ask.least,
                        window: ask.slot.window,
                        resets_at: ask.slot.window.end(ask.slot.start),
                        source: ask.source,
                    },
                ));
            }
        }
        short.map_or(Ok(()), Err)
    }

    /// What this gateway has spent of what is asked for.
    fn spent_here(&self, ask: &Ask) -> NanoUsd {
        let engaged = self.engaged.iter().find(|engaged| engaged.scope.id == ask.slot.scope);
        engaged.and_then(|engaged| engaged.scope.spent_in(ask.slot.window, self.book.now())).unwrap_or_default()
    }

    /// What was granted here of what is asked for, and neither spent nor held.
    fn free_here(&self, ask: &Ask) -> NanoUsd {
        let engaged = self.engaged.iter().find(|engaged| engaged.scope.id == ask.slot.scope);
        engaged.map_or(NanoUsd::ZERO, |engaged| engaged.scope.state().free(ask.slot.window))
    }

    fn name_of(&self, id: &ScopeId) -> String {
        let engaged = self.engaged.iter().find(|engaged| engaged.scope.id == *id);
        engaged.map(|engaged| engaged.scope.guard().name.clone()).filter(|name| !name.is_empty()).unwrap_or_else(|| id.id.to_string())
    }

    fn try_take(&mut self, targets: &[Arc<Scope>], (need, settled): (Need, NanoUsd), company: Option<Company>) -> Outcome {
        let now = self.book.now();
        self.join(targets);
        let concerned =
            |engaged: &Engaged| engaged.is_limited() || engaged.booked.is_some() || settled != NanoUsd::ZERO && engaged.scope.has_purses();
        let limited: Vec<usize> = (0..self.engaged.len()).filter(|at| concerned(&self.engaged[*at])).collect();
        let mut guards: Vec<MutexGuard<'_, State>> = limited.iter().map(|at| self.engaged[*at].scope.state()).collect();
        let owns: Vec<Own> = limited.iter().map(|at| self.own(*at, settled)).collect();
        if let Some(outcome) = self.judge(&limited, &guards, &owns, (targets, need, now, company)) {
            drop(guards);
            self.engaged.retain(|engaged| !engaged.joins);
            return outcome;
        }
        let mut standings = Vec::new();
        let mut stamps = Vec::with_capacity(limited.len());
        for ((at, state), own) in limited.iter().zip(&mut guards).zip(&owns) {
            let engaged = &self.engaged[*at];
            let staying = !engaged.of_target || is_among(&engaged.scope, targets);
            let holds = staying && engaged.is_limited();
            state.take(&if holds { engaged.share(need) } else { Need::default() }, own, (now, company.as_ref()));
            if let (false, Some((admitted, counted))) = (staying, engaged.counted) {
                state.finish(admitted, &counted, &Need::default());
            }
            stamps.push(holds.then_some(Admitted { at: now, under: state.generation }));
            if own.first && !engaged.only_counts {
                standings.extend(state.standings(&engaged.scope.guard()).map(|standing| (engaged.scope.id.descriptor(), standing)));
            }
        }
        self.spend(settled);
        drop(guards);
        for ((at, stamp), own_first) in limited.iter().zip(stamps).zip(owns.iter().map(|own| own.first)) {
            let engaged = &mut self.engaged[*at];
            engaged.booked = stamp;
            if own_first {
                engaged.counted = stamp.map(|stamp| (stamp, engaged.share(need)));
            }
        }
        self.standings.extend(standings);
        self.engaged.retain(|engaged| !engaged.of_target || is_among(&engaged.scope, targets));
        self.engaged.iter_mut().for_each(|engaged| engaged.joins = false);
        (self.at, self.need, self.admitted) = (now, need, true);
        Outcome::Taken
    }

    /// Adds the scopes of a target to those the call is in, in the order of locks.
    fn join(&mut self, targets: &[Arc<Scope>]) {
        for scope in targets {
            if !self.engaged.iter().any(|engaged| Arc::ptr_eq(&engaged.scope, scope)) {
                self.engaged.push(Engaged {
                    scope: scope.clone(),
                    of_target: true,
                    only_counts: false,
                    booked: None,
                    counted: None,
                    joins: true,
                });
            }
        }
        self.engaged.sort_by_key(|engaged| engaged.scope.order);
        self.engaged.dedup_by_key(|engaged| engaged.scope.order);
    }

    /// What the call has in that scope.
    fn own(&self, at: usize, settled: NanoUsd) -> Own {
        let engaged = &self.engaged[at];
        let booked = engaged.booked.unwrap_or(Admitted { at: self.at, under: 0 });
        Own { first: !self.admitted || engaged.joins, generation: booked.under, at: booked.at, held: self.need.money, settled }
    }

    /// What stands in the way; none where the call fits everywhere.
    fn judge(
        &self,
        limited: &[usize],
        guards: &[MutexGuard<'_, State>],
        owns: &[Own],
        (targets, need, now, company): (&[Arc<Scope>], Need, Micros, Option<Company>),
    ) -> Option<Outcome> {
        let (leased, in_force) = self.authority.as_ref().map_or((false, true), |authority| (true, authority.is_in_force()));
        let (mut wants, mut softly, mut room) = (Wants::default(), None, false);
        for ((at, state), own) in limited.iter().zip(guards).zip(owns) {
            let engaged = &self.engaged[*at];
            if engaged.only_counts || engaged.of_target && !is_among(&engaged.scope, targets) {
                continue;
            }
            let scope = &engaged.scope;
            let terms = scope.guard();
            let refused = |why| Refusal { scope: scope.id.clone(), name: self.name_of(&scope.id), why };
            let view = View { id: &scope.id, terms: &terms, now, lifetime: scope.spent(), leased, in_force, company };
            match state.judge(&view, &engaged.share(need), own) {
                Verdict::Fits => room |= !terms.budgets.is_empty(),
                Verdict::Refused(why) => return Some(Outcome::Refused(Box::new(refused(why)))),
                Verdict::Short(more) => {
                    wants.asks.extend(more.asks);
                    wants.draws.extend(more.draws);
                }
                Verdict::Softly(why) => softly = softly.or_else(|| Some(refused(why))),
            }
        }
        match softly {
            Some(refusal) if !room => Some(Outcome::Refused(Box::new(refusal))),
            _ if !wants.is_empty() => Some(Outcome::Short(wants)),
            _ => None,
        }
    }

    /// An attempt is over and cost that much; its hold is given back.
    pub fn settle(&mut self, settled: NanoUsd) {
        if !self.admitted {
            return;
        }
        let leased = self.authority.as_ref().map(|authority| (authority, self.book.now()));
        for at in 0..self.engaged.len() {
            let own = Own { first: false, ..self.own(at, settled) };
            let engaged = &self.engaged[at];
            if engaged.booked.is_some() || engaged.scope.has_purses() {
                // Held no longer and spent by now: nobody may look in between.
                let mut state = engaged.scope.state();
                state.settle(&own);
                engaged.scope.spend(settled);
                if let Some((authority, now)) = leased {
                    let spare = state.spare(now);
                    drop(state);
                    let slot = |(window, start)| Slot { scope: engaged.scope.id.clone(), window, start };
                    spare.into_iter().for_each(|(window, start, amount)| authority.give_back(slot((window, start)), amount));
                }
            } else {
                engaged.scope.spend(settled);
            }
        }
        self.need.money = NanoUsd::ZERO;
    }

    fn spend(&self, settled: NanoUsd) {
        if settled != NanoUsd::ZERO && self.admitted {
            self.engaged.iter().for_each(|engaged| engaged.scope.spend(settled));
        }
    }

    /// Says how many tokens the call really took.
    pub fn used(&mut self, input: u64, output: u64) {
        self.used.input = self.used.input.saturating_add(input);
        self.used.output = self.used.output.saturating_add(output);
    }

    /// What is held now.
    pub fn need(&self) -> &Need {
        &self.need
    }

    /// How far the limits were used when the call was admitted.
    pub fn standings(&self) -> &[(&'static str, Standing)] {
        &self.standings
    }

    /// What a settlement adds to.
    pub fn lines(&self) -> Vec<Line> {
        let line = |engaged: &Engaged| {
            let terms = engaged.scope.guard();
            let at = engaged.booked.map_or(self.at, |booked| booked.at);
            let mut windows: Vec<(Window, Micros)> = terms
                .budgets
                .iter()
                .map(|budget| budget.window)
                .filter(|window| *window != Window::Lifetime)
                .map(|window| (window, window.start(at)))
                .collect();
            windows.dedup();
            Line { scope: engaged.scope.id.clone(), windows }
        };
        self.engaged.iter().map(line).collect()
    }
}

fn is_among(scope: &Arc<Scope>, targets: &[Arc<Scope>]) -> bool {
    targets.iter().any(|target| Arc::ptr_eq(target, scope))
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.admitted {
            return;
        }
        self.settle(NanoUsd::ZERO);
        let mut surplus = Vec::new();
        for engaged in &self.engaged {
            let Some((admitted, counted)) = &engaged.counted else { continue };
            let mut state = engaged.scope.state();
            state.finish(*admitted, counted, &self.used);
            if self.shares.is_some() {
                state.vacate(&engaged.scope.id, &engaged.scope.guard(), &mut surplus);
            }
            drop(state);
            self.book.queue().freed(&engaged.scope.id);
        }
        if let Some(shares) = self.shares.as_ref().filter(|_| !surplus.is_empty()) {
            shares.give_back(surplus);
        }
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Hold").field("engaged", &self.engaged).field("need", &self.need).finish_non_exhaustive()
    }
}
