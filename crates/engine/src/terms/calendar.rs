//! Days, weeks and months that do not begin at midnight UTC.
//!
//! A window that keeps to another calendar is another window: it has its own name in the store, and what was counted for the same
//! days in UTC does not count in it. So nothing must be converted when an operator changes the time zone, and gateways that were told
//! differently do not write into each other's counters.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::clock::Micros;

/// So many days, weeks or months at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    /// Days from 1970 on.
    Days(u32),
    /// So many days at a time, counted from that many days after 1970-01-01 on.
    DaysFrom(u32, u32),
    /// Weeks from Monday on.
    Weeks(u32),
    /// Calendar months.
    Months(u32),
}

/// A time zone, and the time of day at which windows begin.
///
/// There are few of them in a process and they are never forgotten, so that a window stays a small value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Calendar(u16);

/// It is no time zone, or no time of day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCalendar {
    /// Nobody knows that zone.
    #[error("`{0}` is no time zone; write a name such as `Europe/Berlin`")]
    Zone(String),
    /// A day has no such time.
    #[error("`{0}` is no time of day; write `06:30`")]
    Time(String),
}

#[derive(Clone, Debug)]
struct Known {
    /// The zone's name, and the time of day where that is not midnight.
    name: String,
    zone: TimeZone,
    begins: Time,
}

static KNOWN: LazyLock<ArcSwap<Vec<Known>>> = LazyLock::new(ArcSwap::default);

impl Calendar {
    /// The calendar of a zone (an IANA name) whose days begin at that time (`06:30`); none where that is UTC's own.
    pub fn of(zone: Option<&str>, begins: Option<&str>) -> Result<Option<Self>, BadCalendar> {
        let zone = zone.map(str::trim).filter(|zone| !zone.is_empty()).unwrap_or("UTC");
        let begins = begins.map(str::trim).filter(|begins| !begins.is_empty()).unwrap_or("00:00");
        let time = time(begins).ok_or_else(|| BadCalendar::Time(begins.to_owned()))?;
        let found = TimeZone::get(zone).map_err(|_| BadCalendar::Zone(zone.to_owned()))?;
        let zone = found.iana_name().unwrap_or(zone).to_owned();
        let utc = matches!(zone.as_str(), "UTC" | "Etc/UTC" | "Etc/UCT" | "UCT" | "Zulu" | "Etc/Zulu" | "Universal" | "Etc/Universal");
        if utc && time == Time::midnight() {
            return Ok(None);
        }
        let name = if time == Time::midnight() { zone } else { format!("{zone};{time}") };
        Ok(Some(Self::known(Known { name, zone: found, begins: time })))
    }

    /// The calendar of that name in the store.
    pub(super) fn read(name: &str) -> Option<Self> {
        let (zone, begins) = name.split_once(';').map_or((name, None), |(zone, begins)| (zone, Some(begins)));
        Self::of(Some(zone), begins).ok().flatten()
    }

    fn known(one: Known) -> Self {
        let place = |all: &[Known]| all.iter().position(|known| known.name == one.name);
        KNOWN.rcu(|all| match place(all) {
            Some(_) => all.clone(),
            None => Arc::new(all.iter().cloned().chain([one.clone()]).collect()),
        });
        Self(place(&KNOWN.load()).and_then(|at| u16::try_from(at).ok()).unwrap_or(u16::MAX))
    }

    /// The name in the store.
    pub(super) fn name(self) -> String {
        self.with(|known| known.name.clone()).unwrap_or_default()
    }

    fn with<T>(self, look: impl FnOnce(&Known) -> T) -> Option<T> {
        KNOWN.load().get(usize::from(self.0)).map(look)
    }

    /// The day that is going on then, in days since 1970. One that its zone left out begins when the next one does, and stands for it.
    pub(super) fn day(self, at: Micros) -> i64 {
        let first = |known: &Known| {
            let day = known.day(at);
            day.yesterday().ok().filter(|before| known.begin(*before) == known.begin(day)).unwrap_or(day)
        };
        self.with(|known| since_epoch(first(known))).unwrap_or_default()
    }

    /// When the window around that time began.
    pub(super) fn start(self, span: Span, now: Micros) -> Micros {
        self.with(|known| known.start(span, now)).unwrap_or(now)
    }

    /// When the window that began then ends.
    pub(super) fn end(self, span: Span, start: Micros) -> Micros {
        self.with(|known| known.end(span, start)).unwrap_or(start)
    }
}

impl Known {
    fn start(&self, span: Span, now: Micros) -> Micros {
        let mut first = first_day(span, self.day(now));
        // Where a clock is set, the day of an hour is not always the one that its window is of.
        while self.begin(first) > now {
            first = first_day(span, first.yesterday().unwrap_or(Date::MIN));
        }
        loop {
            let next = next(span, first);
            if self.begin(next) > now || next == first {
                return self.begin(first);
            }
            first = next;
        }
    }

    fn end(&self, span: Span, start: Micros) -> Micros {
        // A window is longer than any setting of a clock.
        let first = first_day(span, self.day(start));
        let known = if self.begin(first) > start { first } else { next(span, first) };
        self.begin(known)
    }

    /// The day that is going on then, by its beginning.
    fn day(&self, at: Micros) -> Date {
        let at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        let since = self.begins.duration_since(Time::midnight());
        let local = self.zone.to_datetime(at);
        local.checked_sub(since).map_or(local.date(), DateTime::date)
    }

    /// When that day begins. A time that is left out when clocks are set is the first after it, and of two that are the same the first.
    fn begin(&self, day: Date) -> Micros {
        let zoned = self.zone.to_ambiguous_timestamp(day.to_datetime(self.begins)).compatible();
        zoned.map_or(0, |at| at.as_microsecond())
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);

fn since_epoch(day: Date) -> i64 {
    day.duration_since(EPOCH).as_hours() / 24
}

/// The first day of the window that day is in.
fn first_day(span: Span, day: Date) -> Date {
    const MONDAY: Date = Date::constant(1969, 12, 29);
    let aligned = |origin: Date, length: i64| {
        let since = day.duration_since(origin).as_hours() / 24;
        origin.checked_add((since.div_euclid(length) * length).days()).unwrap_or(day)
    };
    match span {
        Span::Days(count) => aligned(EPOCH, i64::from(count.max(1))),
        Span::DaysFrom(count, first) => aligned(EPOCH.checked_add(i64::from(first).days()).unwrap_or(EPOCH), i64::from(count.max(1))),
        Span::Weeks(count) => aligned(MONDAY, 7 * i64::from(count.max(1))),
        Span::Months(count) => {
            let months = i64::from(day.year()) * 12 + i64::from(day.month()) - 1;
            let back = months.rem_euclid(i64::from(count.max(1)));
            day.first_of_month().checked_sub(back.months()).unwrap_or(day)
        }
    }
}

/// The first day of the window after the one with that first day.
fn next(span: Span, first: Date) -> Date {
    let length = match span {
        Span::Days(count) | Span::DaysFrom(count, _) => i64::from(count.max(1)).days(),
        Span::Weeks(count) => (7 * i64::from(count.max(1))).days(),
        Span::Months(count) => i64::from(count.max(1)).months(),
    };
    first.checked_add(length).unwrap_or(first)
}

/// `6`, `06:30`, `06:30:15`.
fn time(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute.unwrap_or(Some(0))?, second.unwrap_or(Some(0))?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Window;

    fn at(text: &str) -> Micros {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn window(span: Window, zone: &str, begins: &str) -> Window {
        span.keeping(Calendar::of(Some(zone), Some(begins)).unwrap())
    }

    #[test]
    fn days_begin_when_the_zone_says_also_where_clocks_are_set() {
        let berlin = |begins| window(Window::DAILY, "Europe/Berlin", begins);
        for (window, now, start, end) in [
            (berlin("00:00"), "2026-11-21T12:00:00Z", "2026-11-20T23:00:00Z", "2026-11-21T23:00:00Z"),
            // A day of 23 hours, and one of 25.
            (berlin("00:00"), "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (berlin("00:00"), "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            // There is no 02:30 on that day, and two on this one.
            (berlin("02:30"), "2026-03-29T01:29:59Z", "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z"),
            (berlin("02:30"), "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
            (berlin("02:30"), "2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            (window(Window::DAILY, "UTC", "06:30"), "2026-11-21T06:29:59Z", "2026-11-20T06:30:00Z", "2026-11-21T06:30:00Z"),
            (window(Window::WEEKLY, "America/New_York", "00:00"), "2026-11-01T12:00:00Z", "2026-10-26T04:00:00Z", "2026-11-02T05:00:00Z"),
            (window(Window::MONTHLY, "Asia/Tokyo", "00:00"), "2026-02-28T15:00:00Z", "2026-02-28T15:00:00Z", "2026-03-31T15:00:00Z"),
            (window(Window::QUARTERLY, "Asia/Kolkata", "00:00"), "2026-05-01T00:00:00Z", "2026-03-31T18:30:00Z", "2026-06-30T18:30:00Z"),
            // Midnight itself is left out there.
            (window(Window::DAILY, "America/Santiago", "00:00"), "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"),
        ] {
            let (now, start, end) = (at(now), at(start), at(end));
            assert_eq!((window.start(now), window.end(start)), (start, Some(end)), "{window:?} {now}");
        }
    }

    /// Windows follow each other without gap or overlap, whatever the clocks do, and each time is in the window it is said to be in.
    #[test]
    fn windows_follow_each_other() {
        for (zone, begins) in
            [("Europe/Berlin", "02:30"), ("America/Sao_Paulo", "00:00"), ("Pacific/Apia", "00:00"), ("Australia/Lord_Howe", "01:45")]
        {
            for span in [Window::DAILY, Window::Days(3), Window::WEEKLY, Window::MONTHLY, Window::Months(2)] {
                let window = window(span, zone, begins);
                let (mut start, last) = (window.start(at("2011-11-20T00:00:00Z")), at("2013-01-10T00:00:00Z"));
                while start < last {
                    let end = window.end(start).unwrap();
                    assert!(end > start, "{window:?}");
                    assert_eq!([start, (start + end) / 2, end - 1].map(|at| window.start(at)), [start; 3], "{window:?}");
                    assert_eq!(window.start(end), end, "{window:?}");
                    start = end;
                }
            }
        }
    }

    /// Apia left the 30th of December 2011 out.
    #[test]
    fn windows_that_end_on_a_day_that_was_left_out_are_found_again() {
        for count in 2..40 {
            let usual = window(Window::Days(count), "Pacific/Apia", "00:00");
            let left_out = usual.since(at("2011-12-31T12:00:00Z"));
            let start = left_out.start(at("2011-12-31T12:00:00Z"));
            let before = left_out.start(start - 1);
            for boundary in [before, start, left_out.end(start).unwrap()] {
                assert_eq!(usual.since(boundary), left_out, "{count}");
            }
        }
    }

    #[test]
    fn a_calendar_is_read_back_by_its_name() {
        assert_eq!(Calendar::of(Some("UTC"), None), Ok(None));
        assert_eq!(Calendar::of(None, Some("00:00")), Ok(None));
        assert_eq!(Calendar::of(Some("Mars/Olympus"), None), Err(BadCalendar::Zone("Mars/Olympus".to_owned())));
        assert_eq!(Calendar::of(None, Some("25:00")), Err(BadCalendar::Time("25:00".to_owned())));
        for (zone, begins) in [("Europe/Berlin", "00:00"), ("Etc/GMT+5", "06:30")] {
            let window = window(Window::MONTHLY, zone, begins);
            assert_eq!(Window::read(&window.name()), Some(window), "{}", window.name());
            assert_eq!(window.plain(), Window::MONTHLY);
            assert_eq!(Window::parse(&window.name()), None, "only the store may say so");
        }
        assert_eq!(window(Window::Lifetime, "Europe/Berlin", "06:00"), Window::Lifetime);
    }
}
