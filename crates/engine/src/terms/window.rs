//! The time a budget is for.

use std::time::Duration;

use super::calendar::{Calendar, Span};
use crate::clock::Micros;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 1970 began on a Thursday; weeks begin on Mondays.
const THURSDAY: i64 = 3;
/// The most months, weeks or days a window may have.
const MOST: u64 = 10_000;

/// The time a budget is for. Every window of calendar time begins at midnight UTC, as LiteLLM's standardized ones do, unless it keeps
/// to another calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// For ever.
    Lifetime,
    /// Days from 1970 on, so many at a time.
    Days(u32),
    /// So many days at a time, counted from that many days after 1970-01-01 on: fewer than are in a window.
    DaysFrom(u32, u32),
    /// Weeks from Monday on, so many at a time.
    Weeks(u32),
    /// Calendar months, so many at a time; three are a quarter.
    Months(u32),
    /// So many seconds at a time, counted from 1970: whole hours begin on the hour.
    Seconds(u32),
    /// Calendar time in a time zone.
    Local(Span, Calendar),
}

/// A number and its unit, as LiteLLM reads them: the letters after a unit are its longer name (`30days`, `1month`, `30min`).
pub fn length(text: &str) -> Option<(u64, &'static str)> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let is_word = unit.bytes().all(|byte| byte.is_ascii_alphabetic());
    let unit = ["mo", "s", "m", "h", "d", "w"].into_iter().find(|known| is_word && unit.starts_with(known))?;
    Some((number.parse().ok()?, unit))
}

impl Window {
    /// A day.
    pub const DAILY: Window = Window::Days(1);
    /// A week from Monday on.
    pub const WEEKLY: Window = Window::Weeks(1);
    /// A calendar month.
    pub const MONTHLY: Window = Window::Months(1);
    /// A calendar quarter.
    pub const QUARTERLY: Window = Window::Months(3);

    /// Reads LiteLLM's `30s`, `5m`, `2h`, `1d`, `7d`, `2w`, `30d`, `1mo`: seven days are a week from Monday on, thirty a calendar
    /// month. Longer names of units do as well. Also `hourly`, `daily`, `weekly`, `monthly`, `quarterly`, `lifetime`.
    pub fn parse(text: &str) -> Option<Self> {
        let named = match text.trim().to_ascii_lowercase().as_str() {
            "hourly" => Some(Self::Seconds(3600)),
            "daily" => Some(Self::DAILY),
            "weekly" => Some(Self::WEEKLY),
            "monthly" => Some(Self::MONTHLY),
            "quarterly" => Some(Self::QUARTERLY),
            "lifetime" => Some(Self::Lifetime),
            _ => None,
        };
        if named.is_some() {
            return named;
        }
        let (number, unit) = length(text).filter(|(number, _)| *number > 0)?;
        let few = |number: u64| u32::try_from(number).ok().filter(|_| number <= MOST);
        let seconds = |each: u64| number.checked_mul(each).and_then(|all| u32::try_from(all).ok()).map(Self::Seconds);
        match (number, unit) {
            (7, "d") => Some(Self::WEEKLY),
            (30, "d") => Some(Self::MONTHLY),
            (_, "d") => few(number).map(Self::Days),
            (_, "w") => few(number).map(Self::Weeks),
            (_, "mo") => few(number).map(Self::Months),
            (_, "h") => seconds(3600),
            (_, "m") => seconds(60),
            (_, "s") => seconds(1),
            _ => None,
        }
    }

    /// The same in that calendar, where it is calendar time; in UTC where there is none.
    #[must_use]
    pub fn keeping(self, calendar: Option<Calendar>) -> Self {
        let span = match self.plain() {
            Window::Days(count) => Span::Days(count),
            Window::DaysFrom(count, first) => Span::DaysFrom(count, first),
            Window::Weeks(count) => Span::Weeks(count),
            Window::Months(count) => Span::Months(count),
            Window::Lifetime | Window::Seconds(_) | Window::Local(..) => return self,
        };
        calendar.map_or(self.plain(), |calendar| Window::Local(span, calendar))
    }

    /// The same in UTC.
    #[must_use]
    pub fn plain(self) -> Self {
        match self {
            Window::Local(Span::Days(count), _) => Window::Days(count),
            Window::Local(Span::DaysFrom(count, first), _) => Window::DaysFrom(count, first),
            Window::Local(Span::Weeks(count), _) => Window::Weeks(count),
            Window::Local(Span::Months(count), _) => Window::Months(count),
            _ => self,
        }
    }

    /// The calendar it keeps to; none where that is UTC's.
    pub fn calendar(self) -> Option<Calendar> {
        match self {
            Window::Local(_, calendar) => Some(calendar),
            _ => None,
        }
    }

    /// The same, counted from the day of that time on. Days, weeks and months begin where the calendar says, and so does what is
    /// counted by the clock; of several days or weeks no calendar says which is the first.
    #[must_use]
    pub fn since(self, at: Micros) -> Self {
        let (length, usual) = match self.plain() {
            Window::Days(count) if count > 1 => (count, 0),
            Window::Weeks(count) if count > 1 => (count.saturating_mul(7), -THURSDAY),
            _ => return self,
        };
        let calendar = self.calendar();
        let day = calendar.map_or(at.div_euclid(DAY), |calendar| calendar.day(at));
        if (day - usual).rem_euclid(i64::from(length)) == 0 {
            return self;
        }
        let first = u32::try_from(day.rem_euclid(i64::from(length))).unwrap_or_default();
        Self::days_from(length, first).keeping(calendar)
    }

    /// The same, wherever it begins and whatever calendar it keeps to.
    #[must_use]
    pub fn length(self) -> Self {
        match self.plain() {
            Window::DaysFrom(count, _) => Window::Days(count),
            plain => plain,
        }
    }

    fn days_from(count: u32, first: u32) -> Self {
        if first == 0 { Window::Days(count) } else { Window::DaysFrom(count, first) }
    }

    /// The window of that name in the store.
    pub fn read(name: &str) -> Option<Self> {
        let (span, calendar) = name.split_once('@').map_or((name, None), |(span, calendar)| (span, Some(calendar)));
        let window = match span.split_once("d+") {
            None => Self::parse(span)?,
            Some((count, first)) => {
                let (count, first) = (count.parse().ok()?, first.parse().ok()?);
                Some(Self::days_from(count, first)).filter(|_| first < count)?
            }
        };
        match calendar {
            None => Some(window),
            Some(calendar) => Some(window.keeping(Some(Calendar::read(calendar)?))),
        }
    }

    /// When the window around that time began; 0 for a lifetime.
    pub fn start(self, now: Micros) -> Micros {
        match self {
            Window::Lifetime => 0,
            Window::Days(count) => aligned(now, i64::from(count.max(1)) * DAY, 0),
            Window::DaysFrom(count, first) => aligned(now, i64::from(count.max(1)) * DAY, i64::from(first) * DAY),
            Window::Weeks(count) => aligned(now, i64::from(count.max(1)) * 7 * DAY, -THURSDAY * DAY),
            Window::Seconds(count) => aligned(now, i64::from(count.max(1)) * SECOND, 0),
            Window::Local(span, calendar) => calendar.start(span, now),
            Window::Months(count) => {
                let months = month_of(now.div_euclid(DAY));
                first_day(months - months.rem_euclid(i64::from(count.max(1)))) * DAY
            }
        }
    }

    /// When the window that began then ends; none for a lifetime.
    pub fn end(self, start: Micros) -> Option<Micros> {
        match self {
            Window::Lifetime => None,
            Window::Days(count) | Window::DaysFrom(count, _) => Some(start + i64::from(count.max(1)) * DAY),
            Window::Weeks(count) => Some(start + i64::from(count.max(1)) * 7 * DAY),
            Window::Seconds(count) => Some(start + i64::from(count.max(1)) * SECOND),
            Window::Months(count) => Some(first_day(month_of(start.div_euclid(DAY)) + i64::from(count.max(1))) * DAY),
            Window::Local(span, calendar) => Some(calendar.end(span, start)),
        }
    }

    /// Its name in the store; [`Window::read`] reads it back.
    pub fn name(self) -> String {
        match self {
            Window::Lifetime => "lifetime".to_owned(),
            Window::Weeks(1) => "weekly".to_owned(),
            Window::Months(1) => "monthly".to_owned(),
            // Of seven days and of thirty it is the calendar's weeks and months that are called so.
            Window::Days(count @ (7 | 30)) => format!("{count}d+0"),
            Window::Days(count) => format!("{count}d"),
            Window::DaysFrom(count, first) => format!("{count}d+{first}"),
            Window::Weeks(count) => format!("{count}w"),
            Window::Months(count) => format!("{count}mo"),
            Window::Seconds(count) => format!("{count}s"),
            Window::Local(_, calendar) => format!("{}@{}", self.plain().name(), calendar.name()),
        }
    }
}

/// The last multiple of `length` from `origin` on.
fn aligned(now: Micros, length: i64, origin: i64) -> Micros {
    (now - origin).div_euclid(length) * length + origin
}

/// Year, month and day of a time, in UTC.
pub fn date(at: Micros) -> (i64, i64, i64) {
    let day = at.div_euclid(DAY);
    let (year, month) = civil(day);
    (year, month + 1, day - first_day(year * 12 + month) + 1)
}

/// Months since January of the year 0 of the proleptic Gregorian calendar.
fn month_of(day: i64) -> i64 {
    let (year, month) = civil(day);
    year * 12 + month
}

/// Year and month (0 to 11) of a day since 1970; the days of four hundred years repeat.
fn civil(day: i64) -> (i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years are counted from March here, so that the leap day is the last.
    let from_march = (5 * day_of_year + 2) / 153;
    let month = (from_march + 2) % 12;
    (year_of_era + era * 400 + i64::from(month < 2), month)
}

/// The first day of a month, in days since 1970.
fn first_day(months: i64) -> i64 {
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let (year, from_march) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * from_march + 2) / 5 - 719_468
}

/// A length of time in whole microseconds.
pub(crate) fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T06:20:00Z, a Saturday.
    const NOW: Micros = 1_795_242_000 * SECOND;

    #[test]
    fn windows_begin_where_the_calendar_says() {
        let days = |day: i64| day * DAY;
        for (window, start, end) in [
            (Window::DAILY, days(20_778), days(20_779)),
            (Window::WEEKLY, days(20_773), days(20_780)),
            (Window::MONTHLY, days(20_758), days(20_788)),
            (Window::QUARTERLY, days(20_727), days(20_819)),
            (Window::Seconds(3600), days(20_778) + 6 * 3600 * SECOND, days(20_778) + 7 * 3600 * SECOND),
        ] {
            assert_eq!(window.start(NOW), start, "{window:?}");
            assert_eq!(window.end(start), Some(end), "{window:?}");
            assert_eq!(window.start(end - 1), start, "{window:?}");
            assert_eq!(window.start(end), end, "{window:?}");
        }
        assert_eq!((Window::Lifetime.start(NOW), Window::Lifetime.end(0)), (0, None));
    }

    #[test]
    fn months_know_leap_years() {
        let february = first_day(2024 * 12 + 1) * DAY;
        assert_eq!(Window::MONTHLY.end(february), Some(february + 29 * DAY));
        let february = first_day(2100 * 12 + 1) * DAY;
        assert_eq!(Window::MONTHLY.end(february), Some(february + 28 * DAY));
        for day in (-200_000..200_000).step_by(17) {
            let start = Window::MONTHLY.start(day * DAY);
            assert!(start <= day * DAY && Window::MONTHLY.end(start) > Some(day * DAY), "{day}");
        }
    }

    #[test]
    fn durations_are_read_as_litellm_writes_them() {
        for (text, window) in [
            ("30s", Window::Seconds(30)),
            ("1h", Window::Seconds(3600)),
            ("1d", Window::DAILY),
            ("7d", Window::WEEKLY),
            ("30d", Window::MONTHLY),
            ("1mo", Window::MONTHLY),
            ("3mo", Window::QUARTERLY),
            ("2w", Window::Weeks(2)),
            ("10d", Window::Days(10)),
            ("daily", Window::DAILY),
            ("Hourly", Window::Seconds(3600)),
        ] {
            assert_eq!(Window::parse(text), Some(window), "{text}");
            assert_eq!(Window::parse(&window.name()), Some(window), "{text}");
        }
        for text in ["", "d", "0d", "-1d", "1y", "99999999999999999999s", "1.5h", "10d+3"] {
            assert_eq!(Window::parse(text), None, "{text}");
        }
    }

    /// As LiteLLM has it: the first window is the day it was made on and those after it.
    #[test]
    fn several_days_are_counted_from_the_day_they_were_begun() {
        let today = Window::DAILY.start(NOW);
        for (text, length, name) in [("10d", 10, "10d+8"), ("2w", 14, "14d+2"), ("3d", 3, "3d"), ("45d", 45, "45d+33")] {
            let window = Window::parse(text).expect("a window").since(NOW);
            assert_eq!((window.start(NOW), window.end(window.start(NOW))), (today, Some(today + length * DAY)), "{text}");
            assert_eq!(window.name(), name);
        }
        for text in ["1d", "7d", "1w", "30d", "1mo", "3mo", "12h", "lifetime"] {
            let window = Window::parse(text).expect("a window");
            assert_eq!(window.since(NOW), window, "the calendar says when {text} begins");
        }
    }

    #[test]
    fn days_that_make_no_week_or_month_of_the_calendar_come_back_as_days() {
        for (days, text) in [(Window::Days(7), "7d"), (Window::Days(30), "30d")] {
            assert_eq!(Window::read(&days.name()), Some(days));
            assert_ne!(Window::parse(text), Some(days));
        }
    }

    proptest::proptest! {
        /// Whenever it was begun: each time is in one window, they follow each other, that of the beginning begins on its day, whatever
        /// the beginning of a window is later taken for says the same, and the store has it back.
        #[test]
        fn windows_of_days_follow_each_other(
            count in 1_u32..400,
            weeks in proptest::bool::ANY,
            zone in proptest::sample::select(vec![None, Some(("Europe/Berlin", "02:30")), Some(("Pacific/Apia", "00:00")), Some(("America/New_York", "18:00"))]),
            begun in 1_000_000_000..2_000_000_000_i64,
            later in 0..200_000_000_i64,
        ) {
            let calendar = zone.and_then(|(zone, begins)| Calendar::of(Some(zone), Some(begins)).expect("a zone"));
            let usual = if weeks { Window::Weeks(count) } else { Window::Days(count) }.keeping(calendar);
            let (begun, now) = (begun * SECOND, (begun + later) * SECOND);
            let window = usual.since(begun);
            if count > 1 {
                proptest::prop_assert_eq!(window.start(begun), Window::DAILY.keeping(calendar).start(begun));
            }
            let start = window.start(now);
            let end = window.end(start).expect("an end");
            proptest::prop_assert!(start <= now && now < end);
            proptest::prop_assert_eq!((window.start(start), window.start(end - 1), window.start(end)), (start, start, end));
            proptest::prop_assert_eq!(usual.since(start), window);
            proptest::prop_assert_eq!(usual.since(end), window);
            proptest::prop_assert_eq!(Window::read(&window.name()), Some(window));
        }
    }
}
