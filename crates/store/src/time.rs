//! Points in time as the APIs write them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Microseconds since 1970.
pub fn micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A point in time: microseconds since 1970. Written as `2026-11-21T02:09:31.015091Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// Now.
    pub fn now() -> Self {
        Self(micros())
    }

    /// So many seconds later, or earlier.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS)))
    }

    /// Reads an ISO 8601 time: a date, perhaps a time of day, perhaps an offset (UTC unless said).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let shape = text.get(4..5)? == "-" && text.get(7..8)? == "-";
        let calendar = (1..=12).contains(&month) && (1..=31).contains(&day);
        if !shape || !calendar {
            return None;
        }
        let midnight = days_from_civil(year, month, day) * DAY;
        let Some(rest) = text.get(11..).filter(|rest| !rest.is_empty()) else { return Some(Self(midnight * MICROS)) };
        if !matches!(text.get(10..11)?, "T" | "t" | " ") {
            return None;
        }
        let at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
        let (clock, zone) = rest.split_at(at);
        let micros = clock_micros(clock)?;
        Some(Self(midnight * MICROS + micros - offset_micros(zone)?))
    }
}

/// `HH:MM[:SS[.ffffff]]` as microseconds.
fn clock_micros(clock: &str) -> Option<i64> {
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
            (whole.parse::<i64>().ok()?, digits.parse::<i64>().ok()?)
        }
    };
    let real = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
    real.then_some(((hours * 60 + minutes) * 60 + seconds) * MICROS + fraction)
}

/// `Z`, `+HH:MM`, `-HHMM` or nothing as microseconds.
fn offset_micros(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first() {
        None | Some(b'Z' | b'z') => return Some(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = (digits.get(0..2)?.parse::<i64>().ok()?, digits.get(2..4).unwrap_or("0").parse::<i64>().ok()?);
    Some(sign * (hours * 60 + minutes) * 60 * MICROS)
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(MICROS), self.0.rem_euclid(MICROS));
        let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        write!(out, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{micros:06}Z")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Time::parse(&text).ok_or_else(|| de::Error::custom("not a time"))
    }
}

/// Days since 1970 of a date of the proleptic Gregorian calendar, after Howard Hinnant.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for text in ["2026-11-21T02:09:31.015091Z", "1970-01-01T00:00:00.000000Z", "2000-02-29T23:59:59.999999Z"] {
            assert_eq!(Time::parse(text).map(|time| time.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Time::parse("1970-01-02"), Some(Time(86_400_000_000)));
        assert_eq!(Time::parse("1970-01-01T01:00:00+01:00"), Some(Time(0)));
        assert_eq!(Time::parse("1970-01-01 00:00:01"), Some(Time(1_000_000)));
        for bad in ["", "tomorrow", "2026-13-01", "2026-11-21T25:00:00Z", "2026/11/21"] {
            assert_eq!(Time::parse(bad), None, "{bad}");
        }
    }
}
