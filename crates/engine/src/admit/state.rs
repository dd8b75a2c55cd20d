//! What a scope has given out.

use super::nano::NanoUsd;
use super::port::{Ask, Slot};
use super::refusal::Why;
use super::scope::{Budget, Limit, Mode, ScopeId, Source, Terms, Unit};
use super::window::{Micros, Window, micros};

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
pub(super) struct Purse {
    pub(super) window: Window,
    pub(super) start: Micros,
    /// Calls admitted under earlier terms hold nothing here.
    pub(super) born: u64,
    pub(super) spent: NanoUsd,
    pub(super) held: NanoUsd,
    /// What the authority has granted for this window, where there is one: no more than that may be spent and held here.
    pub(super) granted: NanoUsd,
    /// What was granted and spent when idle money was last looked for.
    pub(super) seen: NanoUsd,
}

/// What is counted for one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) unit: Unit,
    pub(super) within: Micros,
    pub(super) born: u64,
    pub(super) opened: Micros,
    pub(super) used: u64,
}

/// What a scope has given out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// How often its terms have changed.
    pub(super) generation: u64,
    pub(super) purses: Vec<Purse>,
    pub(super) counts: Vec<Count>,
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
    /// Rolled on to the window of that time.
    fn at(&self, now: Micros, generation: u64) -> Self {
        let start = self.window.start(now);
        // Time that runs backwards opens no window again.
        if start <= self.start {
            return self.clone();
        }
        Self {
            start,
            born: generation,
            spent: NanoUsd::ZERO,
            held: NanoUsd::ZERO,
            granted: NanoUsd::ZERO,
            seen: NanoUsd::ZERO,
            ..self.clone()
        }
    }
}

impl Count {
    /// Whether its window is over, or has not begun.
    fn is_over(&self, now: Micros) -> bool {
        self.unit != Unit::Parallel && now >= self.opened.saturating_add(self.within)
    }

    fn used_at(&self, now: Micros) -> u64 {
        if self.is_over(now) { 0 } else { self.used }
    }
}

/// What a scope says to a call.
pub(super) enum Verdict {
    /// It fits.
    Fits,
    /// It does not.
    Refused(Why),
    /// It may, if the authority gives more.
    Short(Vec<Ask>),
    /// A budget that refuses only where no other has room has none.
    Softly(Why),
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
                self.purses.push(Purse {
                    window,
                    start,
                    born: generation,
                    spent,
                    held: NanoUsd::ZERO,
                    granted: NanoUsd::ZERO,
                    seen: NanoUsd::ZERO,
                });
            }
        }
        let key = |limit: &Limit| (limit.unit, if limit.unit == Unit::Parallel { 0 } else { micros(limit.within) });
        self.counts.retain(|count| terms.limits.iter().any(|limit| key(limit) == (count.unit, count.within)));
        for limit in &terms.limits {
            let (unit, within) = key(limit);
            if !self.counts.iter().any(|count| (count.unit, count.within) == (unit, within)) {
                self.counts.push(Count { unit, within, born: generation, opened: Micros::MIN / 2, used: 0 });
            }
        }
    }

    /// Whether a call fits. `first` says that it is new, and not the next attempt of one that was admitted; `own` is what it
    /// holds already and would give back.
    pub(super) fn judge(&self, view: &View<'_>, need: &Need, own: &Own) -> Verdict {
        if own.first
            && let Some(why) = view.terms.limits.iter().find_map(|limit| self.over(limit, need, view.now))
        {
            return Verdict::Refused(why);
        }
        let mut softly = None;
        let mut asks = Vec::new();
        for budget in &view.terms.budgets {
            let Some(purse) = self.purses.iter().find(|purse| purse.window == budget.window) else { continue };
            let purse = purse.at(view.now, self.generation);
            let same = !own.first && purse.window.start(own.at) == purse.start;
            let mine = if same && purse.born <= own.generation { own.held } else { NanoUsd::ZERO };
            let settled = if same { own.settled } else { NanoUsd::ZERO };
            let spent = view.spent(&purse).plus(settled);
            let held = purse.held.minus(mine);
            let committed = spent.plus(held);
            let fits = committed.plus(need.money) <= budget.limit && (need.money > NanoUsd::ZERO || committed < budget.limit);
            match budget.mode {
                Mode::Audit => {}
                Mode::Enforce if view.leased => {
                    let short = committed.plus(need.money).minus(purse.granted);
                    let short = if view.in_force { short } else { short.max(need.money) };
                    if short > NanoUsd::ZERO {
                        let slot = Slot { scope: view.id.clone(), window: purse.window, start: purse.start };
                        asks.push(Ask { slot, limit: budget.limit, least: short, source: budget.source });
                    }
                }
                _ if fits => {}
                Mode::Enforce => return Verdict::Refused(why(budget, purse.start, (spent, held), need)),
                Mode::Soft => softly = Some(why(budget, purse.start, (spent, held), need)),
            }
        }
        match softly {
            _ if !asks.is_empty() => Verdict::Short(asks),
            Some(why) => Verdict::Softly(why),
            None => Verdict::Fits,
        }
    }

    fn over(&self, limit: &Limit, need: &Need, now: Micros) -> Option<Why> {
        let count = self.counts.iter().find(|count| fits_limit(count, limit))?;
        let used = count.used_at(now);
        if used.saturating_add(need.of(limit.unit)) <= limit.amount {
            return None;
        }
        let resets_at = (count.unit != Unit::Parallel).then(|| if count.is_over(now) { now } else { count.opened } + count.within);
        let retry_after = resets_at.map_or(1_000_000, |at| at - now);
        let retry_after = std::time::Duration::from_micros(u64::try_from(retry_after).unwrap_or(0));
        let remaining = limit.amount.saturating_sub(used);
        Some(Why::Limit { unit: limit.unit, limit: limit.amount, remaining, resets_at, retry_after })
    }

    /// Takes what was judged to fit.
    pub(super) fn take(&mut self, need: &Need, own: &Own, now: Micros) {
        let generation = self.generation;
        for purse in &mut self.purses {
            if purse.window.start(now) > purse.start {
                *purse = purse.at(now, generation);
            }
            purse.give_back(own);
            purse.held = purse.held.plus(need.money);
        }
        if own.first {
            for count in &mut self.counts {
                if count.is_over(now) {
                    (count.opened, count.used, count.born) = (now, 0, generation);
                }
                count.used = count.used.saturating_add(need.of(count.unit));
            }
        }
    }

    /// Gives back the money a call holds, and adds what it spent.
    pub(super) fn settle(&mut self, own: &Own) {
        for purse in &mut self.purses {
            purse.give_back(own);
        }
    }

    /// The call is over: its place is free, and of the tokens it took only those it used are counted.
    pub(super) fn finish(&mut self, admitted: Admitted, reserved: &Need, used: &Need) {
        for count in &mut self.counts {
            if count.born > admitted.under || count.opened > admitted.at {
                continue;
            }
            match count.unit {
                Unit::Requests => {}
                Unit::Parallel => count.used = count.used.saturating_sub(reserved.of(Unit::Parallel)),
                unit => count.used = count.used.saturating_sub(reserved.of(unit)).saturating_add(used.of(unit)),
            }
        }
    }

    /// How far each limit is used.
    pub(super) fn standings<'a>(&'a self, terms: &'a Terms) -> impl Iterator<Item = Standing> + 'a {
        terms.limits.iter().filter_map(|limit| {
            let count = self.counts.iter().find(|count| fits_limit(count, limit))?;
            let resets_at = (count.unit != Unit::Parallel).then(|| count.opened + count.within);
            let remaining = limit.amount.saturating_sub(count.used);
            Some(Standing { unit: limit.unit, limit: limit.amount, remaining, resets_at })
        })
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
            let free = purse.granted.minus(purse.spent.plus(purse.held));
            let at_rest = std::mem::replace(&mut purse.seen, purse.granted.plus(purse.spent)) == purse.granted.plus(purse.spent);
            if free > NanoUsd::ZERO && at_rest {
                purse.granted = purse.granted.minus(free);
                purse.seen = purse.granted.plus(purse.spent);
                idle.push((purse.window, purse.start, free));
            }
        }
        idle
    }

    /// Adds what the authority granted.
    pub(super) fn grant(&mut self, slot: &Slot, amount: NanoUsd) -> bool {
        let purse = self.purses.iter_mut().find(|purse| purse.window == slot.window && purse.start <= slot.start);
        let Some(purse) = purse else { return false };
        if purse.start < slot.start {
            let born = self.generation;
            *purse = Purse {
                start: slot.start,
                born,
                spent: NanoUsd::ZERO,
                held: NanoUsd::ZERO,
                granted: NanoUsd::ZERO,
                seen: NanoUsd::ZERO,
                ..purse.clone()
            };
        }
        purse.granted = purse.granted.plus(amount);
        true
    }
}

impl Purse {
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

fn fits_limit(count: &Count, limit: &Limit) -> bool {
    count.unit == limit.unit && (limit.unit == Unit::Parallel || count.within == micros(limit.within))
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
    pub(super) held: NanoUsd,
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
