//! The time that the budgets of an object are for.

use switchboard_engine::terms::{Calendar, Window};

use super::{Budget, BudgetLimit, Key, Team, User};
use crate::time::Time;

/// How long a budget is for, as its row says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period<'a> {
    /// In LiteLLM's words; for ever unless said.
    pub duration: Option<&'a str>,
    /// When it was begun: of several days the first is counted from there. Rows that do not say are counted from 1970.
    pub since: Option<Time>,
}

impl<'a> Period<'a> {
    /// This one, or that one where this says nothing.
    #[must_use]
    pub fn or(self, other: Option<Period<'a>>) -> Period<'a> {
        if self.duration.is_some() { self } else { other.unwrap_or_default() }
    }

    /// Its windows in that calendar; none where it is for ever.
    pub fn window(self, calendar: Option<Calendar>) -> Option<Window> {
        let window = self.duration.and_then(Window::parse)?.keeping(calendar);
        Some(self.since.map_or(window, |since| window.since(since.0))).filter(|window| *window != Window::Lifetime)
    }

    /// When the window around that time ends, in UTC.
    pub fn end(self, now: Time) -> Option<Time> {
        let window = self.window(None)?;
        window.end(window.start(now.0)).map(Time)
    }

    /// Since when a budget of that duration is counted which took the place of this one: a budget that stays as long as it was
    /// goes on, or whoever says the same twice would spend it twice.
    fn followed(self, duration: Option<&str>, now: Time) -> Option<Time> {
        let window = |duration: Option<&str>| duration.and_then(Window::parse);
        if window(self.duration) == window(duration) { self.since } else { duration.map(|_| now) }
    }
}

/// The columns of an object that say when its budgets begin.
#[derive(Debug)]
pub struct Renewal<'a> {
    duration: Option<&'a str>,
    reset_at: &'a mut Option<Time>,
    since: &'a mut Option<Time>,
    several: &'a mut [BudgetLimit],
}

/// What has budgets that begin anew.
pub trait Renewed {
    /// The time of its own budget.
    fn period(&self) -> Period<'_>;
    /// Its further budgets.
    fn several(&self) -> &[BudgetLimit];
    /// What is written down of when they begin.
    fn renewal(&mut self) -> Renewal<'_>;

    /// Writes down when the budgets began that it has now and `before` had not.
    fn begin(&mut self, before: &Self, now: Time)
    where
        Self: Sized,
    {
        let renewal = self.renewal();
        *renewal.since = before.period().followed(renewal.duration, now);
        if before.period().duration != renewal.duration {
            *renewal.reset_at = Period { duration: renewal.duration, since: *renewal.since }.end(now);
        }
        for entry in renewal.several {
            let duration = entry.budget_duration.as_deref();
            let same = |other: &&BudgetLimit| other.budget_duration.as_deref().and_then(Window::parse) == duration.and_then(Window::parse);
            let known = before.several().iter().find(same).map(BudgetLimit::period).unwrap_or_default();
            entry.budget_since = known.followed(duration, now);
        }
    }
}

impl BudgetLimit {
    /// The time it is for.
    pub fn period(&self) -> Period<'_> {
        Period { duration: self.budget_duration.as_deref(), since: self.budget_since }
    }
}

macro_rules! renewed {
    ($kind:ty, $one:ident, $several:expr, $several_mut:expr) => {
        impl Renewed for $kind {
            fn period(&self) -> Period<'_> {
                Period { duration: self.budget_duration.as_deref(), since: self.budget_since }
            }

            fn several(&self) -> &[BudgetLimit] {
                let $one = self;
                $several
            }

            fn renewal(&mut self) -> Renewal<'_> {
                let $one = self;
                Renewal {
                    duration: $one.budget_duration.as_deref(),
                    reset_at: &mut $one.budget_reset_at,
                    since: &mut $one.budget_since,
                    several: $several_mut,
                }
            }
        }
    };
}

renewed!(Key, one, one.budget_limits.as_deref().unwrap_or_default(), one.budget_limits.as_deref_mut().unwrap_or_default());
renewed!(Team, one, one.budget_limits.as_deref().unwrap_or_default(), one.budget_limits.as_deref_mut().unwrap_or_default());
renewed!(User, one, one.budget_limits.as_deref().unwrap_or_default(), one.budget_limits.as_deref_mut().unwrap_or_default());
renewed!(Budget, _one, &[], &mut []);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(duration: &str, since: Option<Time>) -> Key {
        let several = vec![BudgetLimit { budget_duration: Some(duration.to_owned()), budget_since: since, ..BudgetLimit::default() }];
        Key { budget_duration: Some(duration.to_owned()), budget_since: since, budget_limits: Some(several), ..Key::default() }
    }

    /// Before this was written down, days were counted from 1970. What was spent in such a window is spent.
    #[test]
    fn rows_that_do_not_say_since_when_keep_their_windows() {
        let day = |text| Time::parse(text).expect("a time");
        let (before, now) = (key("10d", None), day("2026-11-22T09:00:00Z"));
        assert_eq!(before.period().window(None), Some(Window::Days(10)));
        let mut after = key("10d", None);
        after.begin(&before, now);
        assert_eq!(after, before, "the same said again changes nothing");
        let mut after = key("12d", Some(day("1999-01-01")));
        after.begin(&before, now);
        assert_eq!((after.budget_since, after.budget_reset_at), (Some(now), Some(day("2026-12-04"))));
        assert_eq!(after.several()[0].budget_since, Some(now), "nobody else says since when");
        let (later, mut again) = (day("2026-11-30"), key("12d", None));
        again.begin(&after, later);
        assert_eq!((again.period(), again.several()[0].period()), (after.period(), after.several()[0].period()));
    }
}
