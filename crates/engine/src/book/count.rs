//! What is counted for one limit, here and together with other gateways.

use super::share::{Company, DRY, Draw, Drawn, FULL, PLACES_LAST, Pool, Without};
use super::state::{Need, Standing, View};
use crate::clock::Micros;
use crate::terms::{Limit, Unit, Why, micros};

/// What is counted for one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) unit: Unit,
    pub(super) within: Micros,
    pub(super) born: u64,
    pub(super) opened: Micros,
    pub(crate) used: u64,
    pub(super) drawn: Slice,
}

/// What of a limit this gateway has drawn, where gateways share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    /// In which window; none where nothing was drawn.
    pub(super) window: i64,
    /// How much.
    pub(super) granted: u64,
    /// What all gateways had drawn when this one last heard of it, and when that was.
    taken: u64,
    heard: Micros,
    /// What was used while nobody could be asked, and nobody has been told of yet.
    adrift: u64,
    /// Until when there is nothing to draw.
    dry_until: Micros,
    /// What was granted and used when idle slices were last looked for.
    seen: Option<(u64, u64)>,
}

/// What a limit says to a call.
pub(super) enum Fit {
    /// It fits.
    Fits,
    /// It does not.
    Over(Why),
    /// It may, if there is more to draw.
    Short(Draw),
}

impl Count {
    /// Nothing yet.
    pub(super) fn new(unit: Unit, within: Micros, born: u64) -> Self {
        Self { unit, within, born, opened: Micros::MIN / 2, used: 0, drawn: Slice::default() }
    }

    /// Whether it is what that limit counts.
    pub(super) fn is_of(&self, limit: &Limit) -> bool {
        self.unit == limit.unit && (limit.unit == Unit::Parallel || self.within == micros(limit.within))
    }

    /// Whether its window is over, or has not begun.
    pub(super) fn is_over(&self, now: Micros) -> bool {
        self.unit != Unit::Parallel && now >= self.opened.saturating_add(self.within)
    }

    fn used_at(&self, now: Micros) -> u64 {
        if self.is_over(now) { 0 } else { self.used }
    }

    fn slice_at(&self, now: Micros) -> Slice {
        if self.is_over(now) { Slice::default() } else { self.drawn }
    }

    /// Whether a call fits.
    pub(super) fn judge(&self, limit: &Limit, need: &Need, view: &View<'_>) -> Fit {
        let (now, used, need) = (view.now, self.used_at(view.now), need.of(limit.unit));
        if need == 0 && limit.unit != Unit::InputTokens && limit.unit != Unit::OutputTokens && limit.unit != Unit::Tokens {
            return Fit::Fits;
        }
        let wanted = used.saturating_add(need);
        let Some(company) = view.company else {
            return if wanted <= limit.amount { Fit::Fits } else { Fit::Over(self.why(limit, used, now)) };
        };
        let slice = self.slice_at(now);
        if company.is_up {
            return match () {
                () if wanted <= slice.granted.min(limit.amount) => Fit::Fits,
                () if wanted > limit.amount || now < slice.dry_until => Fit::Over(self.why(limit, slice.known(used), now)),
                () => {
                    let pool = Pool { scope: view.id.clone(), unit: self.unit, within: self.within };
                    Fit::Short(Draw { pool, limit: Some(limit.amount), least: wanted - slice.granted })
                }
            };
        }
        match company.without {
            Without::Open => Fit::Fits,
            Without::Closed => Fit::Over(Why::Unshared),
            Without::Share if wanted <= self.alone(limit.amount, &company, now) => Fit::Fits,
            Without::Share => Fit::Over(self.why(limit, slice.known(used), now)),
        }
    }

    /// How much may be used while nobody can be asked: what was drawn, and this gateway's part of what was left then; of a window
    /// that nobody has told of, its part of the whole.
    fn alone(&self, limit: u64, company: &Company, now: Micros) -> u64 {
        let slice = self.slice_at(now);
        let fresh = slice.window != 0 && (self.unit != Unit::Parallel || now < slice.heard.saturating_add(micros(PLACES_LAST)));
        if !fresh {
            return company.part(limit);
        }
        slice.granted.saturating_add(company.part(limit.saturating_sub(slice.taken))).min(limit)
    }

    fn why(&self, limit: &Limit, used: u64, now: Micros) -> Why {
        let resets_at = (self.unit != Unit::Parallel).then(|| if self.is_over(now) { now } else { self.opened } + self.within);
        let retry_after = resets_at.map_or(1_000_000, |at| at - now);
        let retry_after = std::time::Duration::from_micros(u64::try_from(retry_after).unwrap_or(0));
        Why::Limit { unit: limit.unit, limit: limit.amount, remaining: limit.amount.saturating_sub(used), resets_at, retry_after }
    }

    /// Takes what was judged to fit.
    pub(super) fn take(&mut self, need: &Need, company: Option<&Company>, (now, generation): (Micros, u64)) {
        if self.is_over(now) {
            (self.opened, self.used, self.born, self.drawn) = (now, 0, generation, Slice::default());
        }
        let need = need.of(self.unit);
        self.used = self.used.saturating_add(need);
        if company.is_some_and(|company| !company.is_up) {
            self.drawn.adrift = self.drawn.adrift.saturating_add(need);
        }
    }

    /// A call is over: its place is free, and of the tokens it took only those it used are counted.
    pub(super) fn finish(&mut self, reserved: &Need, used: &Need) {
        match self.unit {
            Unit::Requests => {}
            Unit::Parallel => self.used = self.used.saturating_sub(reserved.of(Unit::Parallel)),
            unit => self.used = self.used.saturating_sub(reserved.of(unit)).saturating_add(used.of(unit)),
        }
    }

    /// Adds what was drawn.
    pub(super) fn receive(&mut self, drawn: &Drawn, (now, generation): (Micros, u64)) {
        if drawn.window < self.drawn.window {
            return;
        }
        if self.unit != Unit::Parallel && (self.is_over(now) || drawn.window != self.drawn.window) {
            // What was used while nobody could be asked counts in the window that is open now.
            self.used = if self.is_over(now) { 0 } else { self.drawn.adrift };
            (self.opened, self.born) = (now.saturating_add(drawn.left).saturating_sub(self.within), generation);
            self.drawn = Slice { adrift: self.used, ..Slice::default() };
        }
        let slice = &mut self.drawn;
        slice.window = drawn.window;
        slice.granted = slice.granted.saturating_add(drawn.granted);
        (slice.taken, slice.heard) = (drawn.taken, now);
        if drawn.granted == 0 {
            slice.dry_until = now + if self.unit == Unit::Parallel { FULL } else { DRY };
        }
        if slice.granted >= self.used {
            slice.adrift = 0;
        }
    }

    /// What was used while nobody could be asked, and is to be counted with the rest.
    pub(super) fn debt(&self, now: Micros) -> u64 {
        if self.drawn.adrift == 0 || self.is_over(now) { 0 } else { self.used.saturating_sub(self.drawn.granted) }
    }

    /// Takes out places that others may want: all that are free where few are left, else as many as are in use stay.
    pub(super) fn vacate(&mut self, limit: u64) -> u64 {
        let slice = &mut self.drawn;
        slice.dry_until = 0;
        let kept = if limit.saturating_sub(slice.taken) > limit / 2 { self.used } else { 0 };
        self.shed(kept)
    }

    /// Takes out what was drawn and has lain idle since it was last looked for.
    pub(super) fn idle(&mut self, now: Micros) -> u64 {
        let now_seen = (self.drawn.granted, self.used);
        let at_rest = self.drawn.seen.replace(now_seen) == Some(now_seen);
        if !at_rest || self.is_over(now) { 0 } else { self.shed(0) }
    }

    /// Takes out what is granted beyond what is used and that.
    fn shed(&mut self, kept: u64) -> u64 {
        let surplus = self.drawn.granted.saturating_sub(self.used.saturating_add(kept));
        self.drawn.granted -= surplus;
        self.drawn.taken = self.drawn.taken.saturating_sub(surplus);
        surplus
    }

    /// How far the limit is used.
    pub(super) fn standing(&self, limit: &Limit) -> Standing {
        let resets_at = (self.unit != Unit::Parallel).then(|| self.opened + self.within);
        let used = self.drawn.known(self.used);
        Standing { unit: limit.unit, limit: limit.amount, remaining: limit.amount.saturating_sub(used), resets_at }
    }
}

impl Slice {
    /// What is used by all gateways, where this one uses that much.
    fn known(&self, used: u64) -> u64 {
        self.taken.saturating_sub(self.granted).saturating_add(used)
    }
}
