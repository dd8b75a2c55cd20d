//! Points in time, as cloud APIs write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970; a clock before that counts as 1970.
pub(crate) fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `20150830T123600Z`.
pub(crate) fn basic(at: SystemTime) -> String {
    let seconds = unix(at);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Seconds since 1970 as `2026-01-02T03:04:05+00:00`.
pub fn rfc3339(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

/// Reads `2026-01-02T03:04:05Z`, with or without a fraction.
pub(crate) fn read_rfc3339(text: &str) -> Option<SystemTime> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let utc = text.ends_with('Z') && (1970..=9999).contains(&year) && (1..=12).contains(&month);
    if !utc {
        return None;
    }
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Year, month and day of a count of days since 1970, in the Gregorian calendar: years begin in March, so that the leap
/// day is their last.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year - u64::from(month <= 2);
    let of_era = year % 400;
    let march = (month + 9) % 12;
    let of_year = (153 * march + 2) / 5 + day.checked_sub(1)?;
    (year / 400 * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        for (text, written) in [
            ("2015-08-30T12:36:00Z", "20150830T123600Z"),
            ("2024-02-29T23:59:59Z", "20240229T235959Z"),
            ("2000-03-01T00:00:00Z", "20000301T000000Z"),
            ("1970-01-01T00:00:00Z", "19700101T000000Z"),
        ] {
            assert_eq!(basic(read_rfc3339(text).unwrap()), written);
        }
        assert_eq!(unix(read_rfc3339("2015-08-30T12:36:00.5Z").unwrap()), 1_440_938_160);
        assert_eq!(read_rfc3339("2015-08-30"), None);
        assert_eq!(read_rfc3339("2015-08-30T12:36:00+01:00"), None);
    }
}
