//! What a scope has given out.

use super::count::{Count, Fit};
use super::port::{Ask, Slot};
use super::share::{Company, Draw, Drawn, Places, Pool, Surplus};
use crate::clock::Micros;
use crate::terms::{Budget, Limit, Mode, NanoUsd, ScopeId, Source, Terms, Unit, Why, Window, micros};

/// What one attempt may take at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Money; none where nobody knows the price, and where the model is free.
    pub money: NanoUsd,
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
    /// It is for a second attempt beside the first one: one call has both, and is counted once.
    pub beside: bool,
    /// It is known to cost nothing, so that no budget need have anything left.
    pub free: bool,
}

impl Need {
    /// How much of that unit it takes.
    pub fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests | Unit::Parallel => u64::from(!self.beside),
            Unit::Tokens => self.input.saturating_add(self.output),
            Unit::InputTokens => self.input,
            Unit::OutputTokens => self.output,
        }
    }
}

/// One budget's window: what is spent in it and what is held for calls under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purse {
    pub(crate) window: Window,
    pub(crate) start: Micros,
    /// Calls admitted under earlier terms hold nothing here.
    pub(super) born: u64,
    pub(crate) spent: NanoUsd,
    pub(crate) held: NanoUsd,
    /// What the authority has granted for this window, where there is one: no more than that may be spent and held here.
    pub(crate) granted: NanoUsd,
    /// What was granted and spent when idle money was last looked for.
    pub(super) seen: NanoUsd,
    /// Until then others want for money, and nothing that is granted here lies unused.
    pub(super) scarce: Micros,
}

/// What a scope has given out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// How often its terms have changed.
    pub(super) generation: u64,
    pub(crate) purses: Vec<Purse>,
    pub(crate) counts: Vec<Count>,
}

/// How far a limit is used, for headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Of what.
    pub unit: Unit,
    /// How much there may be.
    pub limit: u64,
    /// How much is left after this call.
    pub remaining: u64,
    /// When there is more.
    pub resets_at: Option<Micros>,
}

impl Purse {
    /// Of a window in which so much is spent already.
    fn opened(window: Window, start: Micros, born: u64, spent: NanoUsd) -> Self {
        let (held, granted, seen) = (NanoUsd::ZERO, NanoUsd::ZERO, NanoUsd::ZERO);
        Self { window, start, born, spent, held, granted, seen, scarce: 0 }
    }

    /// What was granted and is neither spent nor held.
    fn free(&self) -> NanoUsd {
        self.granted.minus(self.spent.plus(self.held)).max(NanoUsd::ZERO)
    }

    /// Takes that out.
    fn spare(&mut self) -> NanoUsd {
        let free = self.free();
        self.granted = self.granted.minus(free);
        free
    }

    /// Rolled on to the window of that time.
    fn at(&self, now: Micros, generation: u64) -> Self {
        let start = self.window.start(now);
        // Time that runs backwards opens no window again.
        if start <= self.start {
            return self.clone();
        }
        Self::opened(self.window, start, generation, NanoUsd::ZERO)
    }
}

/// What a scope says to a call.
pub(super) enum Verdict {
    /// It fits.
    Fits,
    /// It does not.
    Refused(Why),
    /// It may, if others give more.
    Short(Wants),
    /// A budget that refuses only where no other has room has none.
    Softly(Why),
}

/// What a call needs of others before it fits.
#[derive(Debug, Default)]
pub(super) struct Wants {
    /// Money, of the authority.
    pub(super) asks: Vec<Ask>,
    /// Limits, of what gateways share.
    pub(super) draws: Vec<Draw>,
}

impl Wants {
    pub(super) fn is_empty(&self) -> bool {
        self.asks.is_empty() && self.draws.is_empty()
    }
}

impl State {
    /// Follows new terms. What is spent and counted stays.
    pub(super) fn follow(&mut self, terms: &Terms, opening: &[(Window, Micros, NanoUsd)], now: Micros) {
        self.generation += 1;
        let generation = self.generation;
        for budget in &terms.budgets {
            if !self.purses.iter().any(|purse| purse.window == budget.window) {
                let (window, start) = (budget.window, budget.window.start(now));
                let opened = opening.iter().find(|(kind, begun, _)| (*kind, *begun) == (window, start));
                let spent = opened.map_or(NanoUsd::ZERO, |(_, _, spent)| *spent);
                self.purses.push(Purse::opened(window, start, generation, spent));
            }
        }
        let key = |limit: &Limit| (limit.unit, if limit.unit == Unit::Parallel { 0 } else { micros(limit.within) });
        self.counts.retain(|count| terms.limits.iter().any(|limit| key(limit) == (count.unit, count.within)));
        for limit in &terms.limits {
            let (unit, within) = key(limit);
            if !self.counts.iter().any(|count| (count.unit, count.within) == (unit, within)) {
                self.counts.push(Count::new(unit, within, generation));
            }
        }
    }

    /// Whether a call fits. `first` says that it is new, and not the next attempt of one that was admitted; `own` is what it
    /// holds already and would give back.
    pub(super) fn judge(&self, view: &View<'_>, need: &Need, own: &Own) -> Verdict {
        let mut wants = Wants::default();
        for limit in view.terms.limits.iter().filter(|_| own.first) {
            let Some(count) = self.counts.iter().find(|count| count.is_of(limit)) else { continue };
            match count.judge(limit, need, view) {
                Fit::Fits => {}
                Fit::Over(why) => return Verdict::Refused(why),
                Fit::Short(draw) => wants.draws.push(draw),
            }
        }
        let mut softly = None;
        for budget in &view.terms.budgets {
            let Some(purse) = self.purses.iter().find(|purse| purse.window == budget.window) else { continue };
            let purse = purse.at(view.now, self.generation);
            let same = !own.first && purse.window.start(own.at) == purse.start;
            let mine = if same && purse.born <= own.generation { own.held } else { NanoUsd::ZERO };
            let settled = if same { own.settled } else { NanoUsd::ZERO };
            let spent = view.spent(&purse).plus(settled);
            let held = purse.held.minus(mine);
            let committed = spent.plus(held);
            let fits = need.free || committed.plus(need.money) <= budget.limit && (need.money > NanoUsd::ZERO || committed < budget.limit);
            match budget.mode {
                Mode::Audit => {}
                Mode::Enforce if view.leased && !need.free => {
                    let short = committed.plus(need.money).minus(purse.granted);
                    let short = if view.in_force { short } else { short.max(need.money) };
                    if short > NanoUsd::ZERO {
                        let slot = Slot { scope: view.id.clone(), window: purse.window, start: purse.start };
                        wants.asks.push(Ask { slot, limit: budget.limit, least: short, source: budget.source });
                    }
                }
                _ if fits => {}
                Mode::Enforce => return Verdict::Refused(why(budget, purse.start, (spent, held), need)),
                Mode::Soft => softly = Some(why(budget, purse.start, (spent, held), need)),
            }
        }
        match softly {
            _ if !wants.is_empty() => Verdict::Short(wants),
            Some(why) => Verdict::Softly(why),
            None => Verdict::Fits,
        }
    }

    /// Takes what was judged to fit.
    pub(super) fn take(&mut self, need: &Need, own: &Own, (now, company): (Micros, Option<&Company>)) {
        let generation = self.generation;
        for purse in &mut self.purses {
            purse.open(now, generation);
            purse.give_back(own);
            purse.held = purse.held.plus(need.money);
        }
        if own.first {
            self.counts.iter_mut().for_each(|count| count.take(need, company, (now, generation)));
        }
    }

    /// Gives back the money a call holds, and adds what it spent.
    pub(super) fn settle(&mut self, own: &Own) {
        let generation = self.generation;
        for purse in &mut self.purses {
            // Who is not limited opens no window before something is spent in it.
            purse.open(own.at, generation);
            purse.give_back(own);
        }
    }

    /// The call is over: its place is free, and of the tokens it took only those it used are counted.
    pub(super) fn finish(&mut self, admitted: Admitted, reserved: &Need, used: &Need) {
        let concerned = |count: &&mut Count| count.born <= admitted.under && count.opened <= admitted.at;
        self.counts.iter_mut().filter(concerned).for_each(|count| count.finish(reserved, used));
    }

    /// Adds what was drawn of a limit.
    pub(super) fn receive(&mut self, pool: &Pool, drawn: &Drawn, now: Micros) {
        let generation = self.generation;
        let count = self.counts.iter_mut().find(|count| (count.unit, count.within) == (pool.unit, pool.within));
        if let Some(count) = count {
            count.receive(drawn, (now, generation));
        }
    }

    /// What was used while nobody could be asked.
    pub(super) fn debts(&self, id: &ScopeId, now: Micros) -> Vec<Draw> {
        let owed = |count: &Count| {
            let pool = Pool { scope: id.clone(), unit: count.unit, within: count.within };
            Some(Draw { pool, limit: None, least: count.debt(now) }).filter(|draw| draw.least > 0)
        };
        self.counts.iter().filter_map(owed).collect()
    }

    /// Takes out places that are free and that others may want.
    pub(super) fn vacate(&mut self, id: &ScopeId, terms: &Terms, into: &mut Vec<Surplus>) {
        for count in self.counts.iter_mut().filter(|count| count.unit == Unit::Parallel) {
            let Some(limit) = terms.limits.iter().find(|limit| limit.unit == Unit::Parallel) else { continue };
            let amount = count.vacate(limit.amount);
            into.extend((amount > 0).then(|| surplus(id, count, amount)));
        }
    }

    /// Takes out what was drawn and has lain idle, and tells what places are held.
    pub(super) fn tend(&mut self, id: &ScopeId, now: Micros, idle: &mut Vec<Surplus>, held: &mut Vec<Places>) {
        for count in &mut self.counts {
            let amount = count.idle(now);
            idle.extend((amount > 0).then(|| surplus(id, count, amount)));
            if count.unit == Unit::Parallel && count.drawn.granted > 0 {
                let Surplus { pool, .. } = surplus(id, count, 0);
                held.push(Places { pool, held: count.drawn.granted });
            }
        }
    }

    /// Places that calls under way have.
    pub(super) fn places(&self) -> u64 {
        self.counts.iter().filter(|count| count.unit == Unit::Parallel).map(|count| count.used).max().unwrap_or(0)
    }

    /// How far each limit is used.
    pub(super) fn standings<'a>(&'a self, terms: &'a Terms) -> impl Iterator<Item = Standing> + 'a {
        terms.limits.iter().filter_map(|limit| Some(self.counts.iter().find(|count| count.is_of(limit))?.standing(limit)))
    }

    /// The same, seen at that time: what is over counts no more.
    pub(super) fn standings_at(&self, terms: &Terms, now: Micros) -> Vec<Standing> {
        let fresh = |standing: Standing| match standing.resets_at {
            Some(at) if at <= now => Standing { remaining: standing.limit, resets_at: None, ..standing },
            _ => standing,
        };
        self.standings(terms).map(fresh).collect()
    }

    /// What was granted for windows of that kind and is neither spent nor held.
    pub(super) fn free(&self, window: Window) -> NanoUsd {
        let purse = self.purses.iter().find(|purse| purse.window == window);
        purse.map_or(NanoUsd::ZERO, Purse::free)
    }

    /// What was granted is granted no more; what is spent and held stays so.
    pub(super) fn forfeit(&mut self) {
        for purse in &mut self.purses {
            purse.granted = purse.spent.plus(purse.held);
        }
    }

    /// Takes out what was granted and has lain idle since it was last asked.
    pub(super) fn idle(&mut self) -> Vec<(Window, Micros, NanoUsd)> {
        let mut idle = Vec::new();
        for purse in &mut self.purses {
            let at_rest = std::mem::replace(&mut purse.seen, purse.granted.plus(purse.spent)) == purse.granted.plus(purse.spent);
            if at_rest && purse.free() > NanoUsd::ZERO {
                idle.push((purse.window, purse.start, purse.spare()));
                purse.seen = purse.granted.plus(purse.spent);
            }
        }
        idle
    }

    /// Others want for that window's money: takes out what of it is free, and what comes free until then is theirs too.
    pub(super) fn recall(&mut self, window: Window, start: Micros, until: Micros) -> NanoUsd {
        let purse = self.purses.iter_mut().find(|purse| (purse.window, purse.start) == (window, start));
        purse.map_or(NanoUsd::ZERO, |purse| {
            purse.scarce = until;
            purse.spare()
        })
    }

    /// Takes out what is free of money that others want for.
    pub(super) fn spare(&mut self, now: Micros) -> Vec<(Window, Micros, NanoUsd)> {
        self.freed(|purse| purse.scarce > now)
    }

    /// Takes out all that is free.
    pub(super) fn free_all(&mut self) -> Vec<(Window, Micros, NanoUsd)> {
        self.freed(|_| true)
    }

    fn freed(&mut self, which: impl Fn(&Purse) -> bool) -> Vec<(Window, Micros, NanoUsd)> {
        let wanted = self.purses.iter_mut().filter(|purse| which(purse) && purse.free() > NanoUsd::ZERO);
        wanted.map(|purse| (purse.window, purse.start, purse.spare())).collect()
    }

    /// So much of what is free in that window was only lent, and is gone.
    pub(super) fn repay(&mut self, (window, start): (Window, Micros), amount: NanoUsd) {
        if let Some(purse) = self.purses.iter_mut().find(|purse| (purse.window, purse.start) == (window, start)) {
            purse.granted = purse.granted.minus(amount.min(purse.free()));
        }
    }

    /// Adds what the authority granted.
    pub(super) fn grant(&mut self, slot: &Slot, amount: NanoUsd) -> bool {
        let purse = self.purses.iter_mut().find(|purse| purse.window == slot.window && purse.start <= slot.start);
        let Some(purse) = purse else { return false };
        if purse.start < slot.start {
            *purse = Purse::opened(slot.window, slot.start, self.generation, NanoUsd::ZERO);
        }
        purse.granted = purse.granted.plus(amount);
        true
    }
}

impl Purse {
    /// Rolls on to the window of that time, if it is a later one.
    fn open(&mut self, now: Micros, generation: u64) {
        if self.window.start(now) > self.start {
            *self = self.at(now, generation);
        }
    }

    /// What a call holds here it holds no longer; what it spent is spent, in the window it was admitted in.
    fn give_back(&mut self, own: &Own) {
        if own.first || self.window.start(own.at) != self.start {
            return;
        }
        if self.born <= own.generation {
            self.held = self.held.minus(own.held);
        }
        self.spent = self.spent.plus(own.settled);
    }
}

fn surplus(id: &ScopeId, count: &Count, amount: u64) -> Surplus {
    let pool = Pool { scope: id.clone(), unit: count.unit, within: count.within };
    Surplus { pool, amount, window: count.drawn.window }
}

fn why(budget: &Budget, start: Micros, (spent, held): (NanoUsd, NanoUsd), need: &Need) -> Why {
    Why::Budget {
        spent,
        held,
        limit: budget.limit,
        needs: need.money,
        window: budget.window,
        resets_at: budget.window.end(start),
        source: budget.source,
    }
}

/// What a scope is looked at with.
pub(super) struct View<'a> {
    pub(super) id: &'a ScopeId,
    pub(super) terms: &'a Terms,
    pub(super) now: Micros,
    /// All the scope has ever spent.
    pub(super) lifetime: NanoUsd,
    /// Whether only what the authority grants may be spent.
    pub(super) leased: bool,
    /// Whether it still may.
    pub(super) in_force: bool,
    /// The gateways that share limits; none where this one has them for itself.
    pub(super) company: Option<Company>,
}

impl View<'_> {
    /// What counts against a window's budget, or against what was granted for it.
    fn spent(&self, purse: &Purse) -> NanoUsd {
        if purse.window == Window::Lifetime && !self.leased { self.lifetime } else { purse.spent }
    }
}

/// When a call was admitted, and under which terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) at: Micros,
    pub(super) under: u64,
}

/// What a call has in a scope already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    /// It has nothing yet.
    pub(super) first: bool,
    /// Under which terms it was admitted.
    pub(super) generation: u64,
    /// When.
    pub(super) at: Micros,
    /// What it holds.
    pub(crate) held: NanoUsd,
    /// What the attempt before has cost, to be added now.
    pub(super) settled: NanoUsd,
}

impl Source {
    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Limit => "limit",
            Source::Credits => "credits",
        }
    }
}
